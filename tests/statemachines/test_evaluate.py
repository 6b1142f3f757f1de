# SPDX-License-Identifier: Apache-2.0
"""The machine that tests on held-out time: what it sends, what it decides, what a run sends it and reads of it."""

import json
from typing import Any

import pytest
from personalization.core.messages import Part
from personalization.releases.held_out.trials import Exported, Imported, Planned, RecipeResult, Result, Split
from personalization.shop.plan import Evaluation, ImportRequest, TrainRequest

from functions.evaluate_release import app as evaluate_release
from functions.split_history import steps as split_history
from tests.handlers.samples import load
from tests.statemachines.machine import MACHINES, chosen, distributed, evaluate, requests_of, states
from tests.statemachines.test_payloads import EVALUATION, words

MACHINE = MACHINES["evaluate"]
STATES = states(machine=MACHINE)
REQUESTS = requests_of(MACHINE)
RUN = states()
MODELS: dict[str, tuple[type[Part], ...]] = {
    "EvaluateReleaseFunction": tuple(evaluate_release.STEPS.acts),
    "SplitHistoryFunction": tuple(split_history.STEPS.acts),
    "ImportDataFunction": (ImportRequest,),
    "TrainSolutionFunction": (TrainRequest,),
}
MEASURE = load("evaluate_release_measure")
TRIAL = MEASURE["trial"]
RESULT = Result(
    outcome="judged",
    reason="user-personalization: better",
    recipes=(RecipeResult(alias="user-personalization", decision="approved", reason="better"),),
    report="reports/shop/run/heldout.json",
).as_json()
VARIABLES: dict[str, Any] = {
    "evaluation": EVALUATION, "attempt": "run-1", "trial": TRIAL, "cut": MEASURE["split"], "versionArn": "arn:version",
    "cutOff": 1_700_000_899, "imported": MEASURE["imported"], "question": TRIAL["questions"][0], "result": RESULT,
}  # fmt: skip
ITEMS = {"Export the dataset": TRIAL["sources"][0], "Import the dataset": TRIAL["imports"][0]}
MAPS = distributed(MACHINE)
PART = load("split_history_cut")["part"]
# What a part's function is sent is what its map selects.
ITEMS |= {
    state["ItemProcessor"]["StartAt"]: evaluate(
        state["ItemSelector"], {"context": {"Map": {"Item": {"Value": PART}}}}, **VARIABLES
    )
    for state in MAPS.values()
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_function_understands_what_it_is_sent(name: str) -> None:
    function, request = REQUESTS[name]
    sent = evaluate(request, {"input": ITEMS.get(name, TRIAL["questions"][0])}, **VARIABLES)
    (model,) = [model for model in MODELS[function] if words(sent) <= words(model)]
    understood = model.model_validate(sent).as_json()
    assert {key: understood[key] for key in sent} == sent


def test_every_step_of_its_own_functions_is_taken() -> None:
    models = [model for name in ("EvaluateReleaseFunction", "SplitHistoryFunction") for model in MODELS[name]]
    steps = {step for model in models for step in words(model)}
    sent = [request for _, request in REQUESTS.values() if isinstance(request, dict)]
    taken = {
        step for request in [*sent, *(state["ItemSelector"] for state in MAPS.values())] for step in words(request)
    }
    assert steps <= taken


def test_what_is_read_of_answers_is_in_them() -> None:
    planned = STATES["Plan the test"]["Assign"]
    assert {state.rpartition(".")[2].split()[0] for state in planned.values()} <= set(Planned.model_fields)
    assert chosen(STATES["Is there enough to test on?"], {}, cut=MEASURE["split"]) == "Ensure the dataset group"
    few = load("evaluate_release_untested")["split"]
    assert chosen(STATES["Is there enough to test on?"], {}, cut=few) == "Report that there is too little"
    assert Split.model_validate(few).as_json() == few
    assert Imported.model_validate(MEASURE["imported"]).as_json() == MEASURE["imported"]


@pytest.mark.parametrize(("large", "cut", "read"), [
    (False, "Cut the history in two", "Read again what was imported"),
    (True, "Find the latest time of each part", "Read each part again"),
])  # fmt: skip
def test_a_history_too_large_for_one_function_is_cut_in_parts(large: bool, cut: str, read: str) -> None:
    exported = Exported(large=large, history="h", every="e", imported="i", results="r").as_json()
    assert chosen(STATES["Is the history too large for one function?"], {}, exported=exported) == cut
    assert chosen(STATES["Was the history cut in parts?"], {}, exported=exported) == read
    # A map reads the list that the steps before it have written.
    keys = [evaluate(state["ItemReader"]["Arguments"]["Key"], {}, exported=exported) for state in MAPS.values()]
    assert keys == ["h", "e", "i"]


@pytest.mark.parametrize(("before", "after"), [(None, "Export each dataset"), (RESULT, "Report the result")])
def test_a_test_that_was_made_before_is_not_made_again(before: object, after: str) -> None:
    planned = evaluate(STATES["Plan the test"]["Assign"], {"result": {"trial": None, "before": before}})
    assert chosen(STATES["Was this test made before?"], {}, **planned) == after
    assert evaluate(STATES["Report the result"]["Output"], {}, result=RESULT) == RESULT


def test_what_a_test_made_is_waited_for_until_it_is_gone_or_the_budget_is_used_up() -> None:
    ways = {
        name: (task["Next"], task["Catch"][0]["Next"]) for name, task in STATES.items() if name.startswith("Clear ")
    }
    assert ways == {
        "Clear what an earlier test left": ("Plan the test", "The test failed"),
        "Clear up after the test": ("Report the result", "Report the result"),
        "Clear up after a failure": ("The test failed", "The test failed"),
    }


def test_whatever_fails_is_cleared_up_after() -> None:
    caught = {
        catch["Next"]
        for name, state in MACHINE["States"].items()
        if not name.startswith("Clear ")
        for catch in state.get("Catch", [])
    }
    assert caught == {"Clear up after a failure", "Say why a part failed"}


@pytest.mark.parametrize(("evaluation", "after"), [(None, "Train each recipe"), (EVALUATION, "Test on held-out time")])
def test_a_run_tests_only_where_its_plan_says_so(evaluation: object, after: str) -> None:
    assert chosen(RUN["Is held-out time to be tested?"], {}, plan={"evaluation": evaluation}) == after
    nothing = evaluate(RUN["Ensure each filter"]["Assign"], {})["heldOut"]
    assert Result.model_validate(nothing).outcome == "notAsked"


@pytest.mark.parametrize("run", ["run-1", "0b1f5c1e-5f0a-7d0c-6f2e-2f6d9b1c7a44_8d1f2a6e-3c1b-4c0d-9a7e-51f0c2d3e4b5"])
def test_a_run_starts_a_test_of_its_own_name(run: str) -> None:
    context = {"Execution": {"Id": "arn:run"}, "State": {"EnteredTime": "2026-11-25T08:30:00.123Z"}}
    arguments = evaluate(
        RUN["Test on held-out time"]["Arguments"],
        {"context": context},
        about={"run": run},
        plan={"evaluation": EVALUATION},
    )
    assert arguments["Name"] == f"{run[:66]}-1795595400123"
    assert len(arguments["Name"]) <= 80
    assert Evaluation.model_validate(arguments["Input"]["evaluation"]).as_json() == EVALUATION
    noted = evaluate(
        STATES["Note what is asked"]["Assign"],
        {"context": {"Execution": {"Name": arguments["Name"]}}, "input": arguments["Input"]},
    )
    assert (noted["attempt"], noted["evaluation"]) == (arguments["Name"], EVALUATION)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (
            json.dumps({"ExecutionArn": "arn", "Status": "FAILED", "Error": "Broken", "Cause": "solution: it broke"}),
            {"Error": "Broken", "Cause": "the test on held-out time failed: solution: it broke"},
        ),
        (json.dumps({"ExecutionArn": "arn", "Status": "ABORTED"}), {"Error": "States.TaskFailed"}),
        (
            "no such machine",
            {"Error": "States.TaskFailed", "Cause": "the test on held-out time failed: no such machine"},
        ),
    ],
)
def test_a_run_fails_with_the_reason_of_its_test(cause: str, expected: dict[str, str]) -> None:
    error = {"Error": "States.TaskFailed", "Cause": cause}
    (catch,) = RUN["Test on held-out time"]["Catch"]
    caught = evaluate(catch["Assign"], {"errorOutput": error})
    failure = evaluate(RUN["Note why the run failed"]["Assign"]["failure"], {}, **caught)
    assert {key: failure[key] for key in expected} == expected
    assert failure["Cause"].startswith("the test on held-out time failed: ")
