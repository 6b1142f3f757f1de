# SPDX-License-Identifier: Apache-2.0
"""The machine that fits the purchase likelihood, and how a run starts it."""

from typing import Any

from personalization.likelihood.fit import FitRequest, Fitted

from tests.statemachines.machine import MACHINES, ROOT, evaluate, states, tasks
from tests.template.stack import STACK
from tests.template.test_permissions import LOGS, actions

MACHINE = MACHINES["likelihood"]
STATES = states(machine=MACHINE)
RUN = states()
STARTS = "Start the fit of the purchase likelihood"
ASKED = {"shop": "shop", "run": "run", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn:execution"}


def test_the_function_understands_what_it_is_sent_and_its_answer_is_announced() -> None:
    noted: dict[str, Any] = evaluate(STATES["Note what is asked"]["Assign"], {"input": ASKED})
    sent = evaluate(STATES["Fit the purchase likelihood"]["Arguments"]["Payload"], {}, **noted)
    assert FitRequest.read(sent).as_json() == sent
    answered = Fitted(outcome="refused", reason="needs more").as_json()
    (entry,) = STATES["Announce what came of the fit"]["Arguments"]["Entries"]
    assert evaluate(entry["Detail"], {"input": answered}, **noted) == {
        "prefix": "retail",
        "run": "run",
        "shop": "shop",
        **answered,
    }


def test_a_run_starts_it_under_its_own_name_and_goes_on_whatever_comes_of_it() -> None:
    start = RUN[STARTS]
    seen = {"context": {"Execution": {"Id": "arn:execution"}}}
    sent = evaluate(start["Arguments"], seen, about={"run": "run", "shop": "shop"})
    assert sent == {"StateMachineArn": "LikelihoodStateMachine", "Name": "run", "Input": ASKED}
    (caught,) = start["Catch"]
    assert start["Next"] == caught["Next"] == "Announce what came of the run"
    error = {"Error": "StepFunctions.AWSStepFunctionsException", "Cause": "no"}
    news = evaluate(caught["Assign"], {"errorOutput": error}, news=[{"type": "Run promoted"}])["news"]
    assert [each["type"] for each in news] == ["Run promoted", "Likelihood not fitted"]
    assert news[1]["detail"] == {"error": error["Error"], "reason": "no"}


def test_a_failure_keeps_its_reason_though_it_cannot_be_announced() -> None:
    failed = evaluate(STATES["The fit failed"], {}, failure={"Error": "Broken", "Cause": "it: broke"})
    assert (failed["Error"], failed["Cause"]) == ("Broken", "it: broke")
    (caught,) = STATES["Announce that the likelihood is not fitted"]["Catch"]
    assert caught["Next"] == "The fit failed"
    assert "failure" not in caught["Assign"]


def test_it_outlives_all_attempts_of_the_fit() -> None:
    fit = STATES["Fit the purchase likelihood"]
    attempts = 1 + sum(retry["MaxAttempts"] for retry in fit["Retry"])
    pauses = sum(retry["MaxAttempts"] * retry["MaxDelaySeconds"] for retry in fit["Retry"])
    assert attempts * fit["TimeoutSeconds"] + pauses < MACHINE["TimeoutSeconds"]
    function = STACK.of("Lambda::Function")["FitLikelihoodFunction"]
    assert function["Timeout"] < fit["TimeoutSeconds"]


def test_it_may_invoke_its_function_and_announce_and_nothing_else() -> None:
    wanted = {"lambda:InvokeFunction", "events:PutEvents"} | LOGS
    assert sorted(actions("LikelihoodStateMachineRole")) == sorted(wanted)


def test_the_template_gives_it_what_it_names() -> None:
    made = STACK.source["Resources"]["LikelihoodStateMachine"]["Properties"]
    assert (ROOT / made["DefinitionUri"]).name == "likelihood.asl.yaml"
    named = {task["Arguments"]["FunctionName"] for task in tasks("lambda:invoke", MACHINE).values()}
    assert set(made["DefinitionSubstitutions"]) == named | {"Prefix"}
