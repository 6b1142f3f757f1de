# SPDX-License-Identifier: Apache-2.0
"""The machine that fits the purchase likelihood, and how a run starts it."""

from typing import Any

from personalization.likelihood.fit import FitRequest, Fitted

from functions.fit_likelihood import app
from tests.statemachines.machine import MACHINES, evaluate, pauses, states
from tests.statemachines.test_maps import WRITER
from tests.template.stack import STACK
from tests.template.test_permissions import LOGS, actions

MACHINE = MACHINES["likelihood"]
STATES = states(machine=MACHINE)
RUN = states()
STARTS = "Start the fit"
INPUT = {"shop": "shop", "run": "run", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn:execution"}


def understood(sent: object) -> dict[str, Any]:
    return app.STEPS.read(sent).as_json()


def test_the_function_understands_what_it_is_sent_and_its_answer_is_announced() -> None:
    noted: dict[str, Any] = evaluate(STATES["Note what is asked"]["Assign"], {"input": INPUT})
    sent = evaluate(STATES["Fit the purchase likelihood"]["Arguments"], {}, **noted)
    assert FitRequest.read(sent).as_json() == sent
    answered = Fitted(outcome="refused", reason="needs more").as_json()
    (entry,) = STATES["Announce what came of the fit"]["Arguments"]["Entries"]
    assert evaluate(entry["Detail"], {"input": answered}, **noted) == {
        "prefix": "retail",
        "run": "run",
        "shop": "shop",
        **answered,
    }


STEPS = {
    "Plan the shards": "plan", "Gather what was partitioned": "gather", "Fit on the sample": "combine",
    "Let the fit serve": "publish",
}  # fmt: skip
MAPS = {
    "Partition the rows": ("partition", "ranges"), "Count each shard": ("count", "shards"),
    "Write the counters of each shard": ("serve", "shards"),
}  # fmt: skip
"""The step of each Distributed Map, and the variable with the number of its items."""


def test_a_history_that_one_function_does_not_hold_goes_through_all_steps_of_a_fit_in_shards() -> None:
    given = {"shop": "shop", "run": "run", "ranges": 3, "shards": 1}
    passed, name = [], "Does one function hold the history?"
    outcomes = iter(["inShards", "planned", "done", "done"])
    while not name.startswith("Announce"):
        state = STATES[name]
        passed.append(name)
        if state["Type"] == "Choice":
            (rule,) = state["Choices"]
            answer = {"outcome": next(outcomes), "ranges": 3, "shards": 1}
            assert evaluate(rule["Condition"], {"input": answer}) is True
            assert evaluate(rule["Condition"], {"input": Fitted(outcome="refused").as_json()}) is False
            assert state["Default"] == "Announce what came of the fit"
            name = rule["Next"]
        elif state["Type"] == "Map":
            step, number = MAPS[name]
            items = evaluate(state["Items"], {}, **given)
            assert items == list(range(given[number]))  # type: ignore[call-overload]
            sent = evaluate(state["ItemSelector"], {"context": {"Map": {"Item": {"Value": items[-1]}}}}, **given)
            assert understood(sent) == sent == {"step": step, "shop": "shop", "run": "run", "number": items[-1]}
            name = state["Next"]
        else:
            sent = evaluate(state["Arguments"], {}, **given)
            assert understood(sent)["step"] == STEPS[name]
            name = state["Next"]
    assert set(passed) >= {*STEPS, *MAPS}


def test_a_run_starts_it_under_its_own_name_and_goes_on_whatever_comes_of_it() -> None:
    start = RUN[STARTS]
    seen = {"context": {"Execution": {"Id": "arn:execution"}}}
    sent = evaluate(start["Arguments"], seen, about={"run": "run", "shop": "shop"})
    assert sent == {"StateMachineArn": "LikelihoodStateMachine", "Name": "run", "Input": INPUT}
    (caught,) = start["Catch"]
    assert start["Next"] == caught["Next"] == "Do batch jobs follow?"
    error = {"Error": "StepFunctions.AWSStepFunctionsException", "Cause": "no"}
    news = evaluate(caught["Assign"], {"errorOutput": error}, news=[{"type": "Run promoted"}])["news"]
    assert [entry["type"] for entry in news] == ["Run promoted", "Likelihood not fitted"]
    assert news[1]["detail"] == {"error": error["Error"], "reason": "no"}


def test_a_failure_keeps_its_reason_though_it_cannot_be_announced() -> None:
    failed = evaluate(STATES["The fit failed"], {}, failure={"Error": "Broken", "Cause": "it: broke"})
    assert (failed["Error"], failed["Cause"]) == ("Broken", "it: broke")
    cleared = STATES[STATES["Note why the fit failed"]["Next"]]
    sent = evaluate(cleared["Arguments"], {}, shop="shop", run="run")
    assert understood(sent)["step"] == "discard"
    (caught,) = cleared["Catch"]
    assert cleared["Next"] == caught["Next"] == "Announce the failure"
    assert "failure" not in caught["Assign"]
    (caught,) = STATES["Announce the failure"]["Catch"]
    assert caught["Next"] == "The fit failed"
    assert "failure" not in caught["Assign"]


def test_it_outlives_all_attempts_of_the_fit() -> None:
    fit = STATES["Fit the purchase likelihood"]
    # A call that finds no free function ends at once.
    begun = [retry for retry in fit["Retry"] if retry["ErrorEquals"] != ["Lambda.TooManyRequestsException"]]
    attempts = 1 + sum(retry["MaxAttempts"] for retry in begun)
    waits = sum(sum(pauses(retry)) for retry in fit["Retry"])
    assert attempts * fit["TimeoutSeconds"] + waits < MACHINE["TimeoutSeconds"]
    function = STACK.of("Lambda::Function")["FitLikelihoodFunction"]
    assert function["Timeout"] < fit["TimeoutSeconds"]


def test_it_may_invoke_its_function_and_announce_and_nothing_else() -> None:
    maps = {f"states:{action}Execution" for action in ("Start", "Describe", "Stop", "Redrive")}
    wanted = {"lambda:InvokeFunction", "events:PutEvents"} | maps | WRITER | LOGS
    assert sorted(actions("LikelihoodStateMachineRole")) == sorted(wanted)
