# SPDX-License-Identifier: Apache-2.0
"""What a run hands the machines that it starts: they may be of the next release, since it names no version of them."""

from typing import Any

from personalization.likelihood.fit import FitRequest
from personalization.releases.held_out.trials import Result, TrialRequest

from tests.statemachines.machine import MACHINES, evaluate, states

EVALUATION: dict[str, Any] = {
    "run": "run", "shop": "shop", "domain": "ECOMMERCE", "eventType": "Purchase", "recipes": ["user-personalization"],
    "heldOut": {"days": 7, "users": 1000, "minimum_users": 50, "minimum_lift": 1.0},
    "madeBy": ["earlier"],
}  # fmt: skip
"""As the first release writes it: what is added since then has a default."""
READ = {"outcome", "reason", "recipes", "report"}
"""What the first release reads of the answer."""


def test_a_run_of_the_first_release_may_start_todays_test_on_held_out_time() -> None:
    machine = states(machine=MACHINES["evaluate"])
    noted = evaluate(machine["Note what is asked"]["Assign"]["evaluation"], {"input": {"evaluation": EVALUATION}})
    sent = evaluate(machine["Plan the test"]["Arguments"], {}, evaluation=noted, attempt="run-1")
    assert TrialRequest.read(sent).evaluation.shop == "shop"
    assert set(Result(outcome="notAsked").as_json()) >= READ


def test_a_run_of_the_first_release_may_start_todays_fit() -> None:
    machine = states(machine=MACHINES["likelihood"])
    noted = evaluate(machine["Note what is asked"]["Assign"], {"input": {"shop": "shop", "run": "run"}})
    sent = evaluate(machine["Fit the purchase likelihood"]["Arguments"], {}, **noted)
    assert FitRequest.read(sent).run == "run"


MADE: dict[str, Any] = {"stage": 1, "arn": "arn:made", "before": ""}


def test_a_run_of_the_first_release_may_have_todays_machine_wait() -> None:
    """It names the function's version itself; of the answer it reads what its own function said, and notes."""
    ensure = states(machine=MACHINES["ensure"])
    given = {"function": "arn:function:1", "request": {"steps": ["dataset"]}, "AWS_STEP_FUNCTIONS_STARTED_BY_ID": "arn"}
    invocation = evaluate(ensure["Ask the function"]["Arguments"], {"input": given})
    assert invocation == {"FunctionName": "arn:function:1", "Payload": given["request"]}
    answer = {"arn": "arn:made", "status": "CREATE PENDING", "name": "made", "ready": False, "made": MADE}
    output = evaluate(ensure["Ask the function"]["Output"], {"input": given, "result": {"Payload": answer}})
    assert evaluate(ensure["Ask the function"]["Arguments"], {"input": output})["Payload"]["made"] == MADE
    done = {"input": {**output, "answer": answer | {"ready": True, "foundFrom": "2026"}}}
    told = evaluate(ensure["It is ready"]["Output"], done)
    assert {"arn", "foundFrom", "notes"} <= set(told)
