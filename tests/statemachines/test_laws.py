# SPDX-License-Identifier: Apache-2.0
"""What the house asks of every task: time limits, retries with jitter, errors by name, nothing lost when it fails."""

import inspect
import re

import jsonata
import pytest
from personalization.core import errors

from tests.statemachines.machine import (
    MACHINE,
    MACHINES,
    SUBSTITUTIONS,
    Scope,
    State,
    evaluate,
    every_scope,
    every_state,
    expressions,
    scopes,
    states,
    tasks,
)
from tests.template.stack import STACK

OURS = {
    name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__base__ is errors.PersonalizationError
}
TRANSIENT = {
    f"Lambda.{name}"
    for name in ("ServiceException", "AWSLambdaException", "SdkClientException", "TooManyRequestsException", "Unknown")
}
KILLED = {"Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError"}
"""How AWS calls a function that did not live to answer; the first was the name of all of them in older accounts."""
TASKS = pytest.mark.parametrize("task", every_state("Task").values(), ids=every_state("Task"))
CAUGHT = {name: state for name, state in every_state("Task", "Map").items() if state.get("Catch")}
LAMBDAS = {name: task for name, task in every_state("Task").items() if task["Resource"].endswith("lambda:invoke")}


def names(state: State) -> set[str]:
    """Every error name that a state's retriers and catchers know."""
    return {name for rule in state["Retry"] + state["Catch"] for name in rule["ErrorEquals"]}


@TASKS
def test_a_task_has_a_time_limit(task: State) -> None:
    assert type(task["TimeoutSeconds"]) is int


@pytest.mark.parametrize("task", LAMBDAS.values(), ids=LAMBDAS)
def test_a_function_ends_before_its_task_gives_up(task: State) -> None:
    limit = STACK.resources[task["Arguments"]["FunctionName"]]["Properties"]["Timeout"]
    assert limit < task["TimeoutSeconds"] <= limit + 10


@TASKS
def test_retries_are_bounded_and_spread(task: State) -> None:
    for rule in task["Retry"]:
        assert rule["JitterStrategy"] == "FULL"
        assert rule["BackoffRate"] > 1
        assert rule["IntervalSeconds"] <= rule["MaxDelaySeconds"] <= 300
        assert 1 <= rule["MaxAttempts"] <= 20
        assert "States.ALL" not in rule["ErrorEquals"]


@TASKS
def test_error_names_are_known_ones(task: State) -> None:
    sdk = {
        f"Personalize.{name}" for name in ("PersonalizeException", "ResourceNotFoundException", "SdkClientException")
    }
    lambdas = OURS | TRANSIENT | KILLED
    # What starting a child may be told; its own failure is States.TaskFailed.
    started = ("ExecutionLimitExceededException", "AWSStepFunctionsException", "SdkClientException")
    child = {f"StepFunctions.{name}" for name in started}
    by_service = {"lambda": lambdas, "personalize": sdk, "states:startExecution": child}
    known = next(
        (words for service, words in by_service.items() if service in task["Resource"].partition(":::")[2]), set()
    )
    assert {name for name in names(task) if not name.startswith("States.")} <= known


@TASKS
def test_a_connection_that_fails_ends_no_run(task: State) -> None:
    """A service whose answer never came is `<Service>.SdkClientException`; hours of polling see one."""
    resource = task["Resource"].partition(":::")[2]
    service = resource.removeprefix("aws-sdk:").partition(":")[0]
    prefix = {"personalize": "Personalize", "lambda": "Lambda", "states": "StepFunctions", "events": "EventBridge"}[
        service
    ]
    # What ended is the call and not a child that was started by it: States.TaskFailed would mean that, too.
    known = {f"{prefix}.SdkClientException"} | ({"States.TaskFailed"} if service == "events" else set())
    attempts = [rule["MaxAttempts"] for rule in task["Retry"] if known & set(rule["ErrorEquals"])]
    assert sum(attempts) >= 3
    assert sum(attempts) >= 5 or resource == "lambda:invoke"


def causes(node: object) -> list[str]:
    """Every expression of a `Cause` below a node."""
    if isinstance(node, dict):
        own = [text for name, text in node.items() if name == "Cause" and str(text).startswith("{%")]
        return own + [text for value in node.values() for text in causes(value)]
    return [text for value in node for text in causes(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("machine", MACHINES)
def test_a_cause_is_a_text_whatever_is_missing(machine: str) -> None:
    """A query that yields nothing would fail by itself, and the reason would be lost."""
    found = causes(MACHINES[machine])
    assert found
    for text in found:
        # Everything that the expression reads is missing, but what it takes apart as JSON.
        given = {"errorOutput": {"Cause": "{}"}}
        assert isinstance(evaluate(text, given), str), text


@pytest.mark.parametrize("task", LAMBDAS.values(), ids=LAMBDAS)
def test_a_function_that_was_killed_is_tried_again(task: State) -> None:
    # What is too large once for a function that may take as long as a Lambda can is so again.
    limit = STACK.resources[task["Arguments"]["FunctionName"]]["Properties"]["Timeout"]
    assert limit == 900 or names(task) >= KILLED


def test_the_words_of_the_machine_are_the_classes_of_the_error_tree() -> None:
    for name, task in LAMBDAS.items():
        caught = [error for rule in task["Catch"][:-1] for error in rule["ErrorEquals"]]
        assert sorted(caught) == sorted(OURS), name
        assert [rule for rule in task["Retry"] if rule["ErrorEquals"] == ["RetryLater"]], name


@pytest.mark.parametrize("state", CAUGHT.values(), ids=CAUGHT)
def test_whatever_fails_is_caught_and_kept(state: State) -> None:
    assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    for catcher in state["Catch"]:
        (kept,) = catcher["Assign"].values()
        assert "$states.errorOutput" in " ".join(expressions(kept))


@pytest.mark.parametrize(("place", "scope"), every_scope().items(), ids=every_scope())
def test_variables_are_assigned_in_one_scope_and_read_where_they_are_visible(place: str, scope: Scope) -> None:
    outer = scopes(MACHINES[place.partition(":")[0]])[0].assigned()
    if scope.owner:
        # AWS lets a Map's states read the outer variables, and refuses that they assign one.
        assert not scope.assigned() & outer
    inside = {name: state for name, state in scope.states.items() if state["Type"] != "Map"}
    read = {name for text in expressions(inside) for name in re.findall(r"\$(\w+)(?![\w(])", text)}
    assert read - {"states"} <= scope.assigned() | outer


def test_no_variable_takes_the_name_of_a_jsonata_function() -> None:
    functions = set(jsonata.Jsonata.static_frame.bindings)
    assert "millis" in functions
    assert not functions & {name for scope in every_scope().values() for name in scope.assigned()}


@pytest.mark.parametrize("name", ["retrain", "evaluate"])
def test_a_machine_outlives_the_sum_of_its_waits(name: str) -> None:
    machine = MACHINES[name]
    waits = len(states("Wait", machine=machine)) * int(SUBSTITUTIONS["WaitMinutes"]) * 60
    steps = sum(task["TimeoutSeconds"] for task in states("Task", machine=machine).values())
    assert waits + steps < machine["TimeoutSeconds"]


def test_a_run_waits_longer_for_a_test_than_the_test_may_take() -> None:
    (task,) = tasks("states:startExecution.sync").values()
    assert MACHINES["evaluate"]["TimeoutSeconds"] < task["TimeoutSeconds"] < MACHINE["TimeoutSeconds"]


def test_the_state_machine_gets_every_substitution_that_it_names() -> None:
    given = STACK.source["Resources"]["RetrainStateMachine"]["Properties"]["DefinitionSubstitutions"]
    named = {task["Arguments"]["FunctionName"] for task in tasks("lambda:invoke").values()}
    children = {task["Arguments"]["StateMachineArn"] for task in tasks("states:startExecution").values()}
    assert set(given) == named | children | set(SUBSTITUTIONS) | {"DropBucket"}
