# SPDX-License-Identifier: Apache-2.0
"""What the house asks of every task: time limits, retries with jitter, errors by name, nothing lost when it fails."""

import inspect
import json
import re

import jsonata
import pytest
from personalization.core import errors

from tests.statemachines.machine import (
    FILE,
    MACHINE,
    MACHINES,
    SUBSTITUTIONS,
    Scope,
    State,
    evaluate,
    every_scope,
    every_state,
    expressions,
    integration,
    outside,
    pauses,
    requests_of,
    scopes,
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
THROTTLED = ["Lambda.TooManyRequestsException"]
TASKS = pytest.mark.parametrize("task", every_state("Task").values(), ids=every_state("Task"))
CAUGHT = {name: state for name, state in every_state("Task", "Map").items() if state.get("Catch")}
LAMBDAS = {name: task for name, task in every_state("Task").items() if integration(task) == "lambda:invoke"}
ENSURE = "ensure: Ask the function"
"""It invokes whichever function its input names."""
ENSURED = {function for machine in MACHINES.values() for name, (function, _) in requests_of(machine).items()
           if tasks("states:startExecution.sync", machine).get(name)}  # fmt: skip
"""The functions that are asked by way of it."""
CHILDREN = {name: task for name, task in every_state("Task").items() if ":startExecution" in task["Resource"]}


def limits(name: str) -> list[int]:
    """The time limits of the functions that a task invokes."""
    functions = ENSURED if name == ENSURE else {LAMBDAS[name]["Resource"]}
    return [STACK.resources[function]["Properties"]["Timeout"] for function in functions]


def names(state: State) -> set[str]:
    """Every error name that a state's retriers and catchers know."""
    return {name for rule in state["Retry"] + state.get("Catch", []) for name in rule["ErrorEquals"]}


@TASKS
def test_a_task_has_a_time_limit(task: State) -> None:
    assert type(task["TimeoutSeconds"]) is int


@pytest.mark.parametrize("name", LAMBDAS)
def test_a_function_ends_before_its_task_gives_up(name: str) -> None:
    limit = max(limits(name))
    assert limit < LAMBDAS[name]["TimeoutSeconds"] <= limit + 10


@TASKS
def test_retries_are_bounded_and_spread(task: State) -> None:
    for rule in task["Retry"]:
        assert rule["JitterStrategy"] == "FULL"
        assert pauses(rule) == sorted(pauses(rule))
        assert max(pauses(rule)) <= 300
        assert rule["MaxAttempts"] <= (100 if rule["ErrorEquals"] == THROTTLED else 22)
        assert "States.ALL" not in rule["ErrorEquals"]


@pytest.mark.parametrize("name", LAMBDAS)
def test_a_full_account_is_waited_for(name: str) -> None:
    """A new account has ten functions at a time: a call without a free one waits, and costs no attempt of a failure."""
    (rule,) = (rule for rule in LAMBDAS[name]["Retry"] if set(THROTTLED) & set(rule["ErrorEquals"]))
    assert rule["ErrorEquals"] == THROTTLED
    assert (rule["MaxAttempts"], rule["MaxDelaySeconds"]) == (100, 60)


@TASKS
def test_error_names_are_known_ones(task: State) -> None:
    lambdas = OURS | TRANSIENT | KILLED
    # What starting a child may be told; its own failure is States.TaskFailed.
    started = ("ExecutionLimitExceededException", "AWSStepFunctionsException", "SdkClientException")
    child = {f"StepFunctions.{name}" for name in started}
    by_service = {"lambda": lambdas, "states:startExecution": child}
    words = next((words for service, words in by_service.items() if service in integration(task)), set())
    assert {name for name in names(task) if not name.startswith("States.")} <= words


@TASKS
def test_a_connection_that_fails_ends_no_run(task: State) -> None:
    """A service whose answer never came is `<Service>.SdkClientException`; hours of polling see one."""
    service = integration(task).partition(":")[0]
    prefix = {"lambda": "Lambda", "states": "StepFunctions", "events": "EventBridge"}[service]
    # What ended is the call and not a child that was started by it: States.TaskFailed would mean that, too.
    names = {f"{prefix}.SdkClientException"} | ({"States.TaskFailed"} if service == "events" else set())
    attempts = [rule["MaxAttempts"] for rule in task["Retry"] if names & set(rule["ErrorEquals"])]
    assert sum(attempts) >= 3
    assert sum(attempts) >= 5 or service == "lambda"


def causes(node: object) -> list[str]:
    """Every expression of a `Cause` below a node."""
    if isinstance(node, dict):
        causes_here = [text for name, text in node.items() if name == "Cause" and str(text).startswith("{%")]
        return causes_here + [text for value in node.values() for text in causes(value)]
    return [text for value in node for text in causes(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("machine", MACHINES)
def test_a_cause_is_a_text_whatever_is_missing(machine: str) -> None:
    """A query that yields nothing would fail by itself, and the reason would be lost."""
    expressions_of_cause = causes(MACHINES[machine])
    assert expressions_of_cause
    for text in expressions_of_cause:
        # Everything that the expression reads is missing, but what it takes apart as JSON.
        given = {"errorOutput": {"Cause": "{}"}}
        assert isinstance(evaluate(text, given), str), text


@pytest.mark.parametrize("name", LAMBDAS)
def test_a_function_that_was_killed_is_tried_again(name: str) -> None:
    # What is too large once for a function that may take as long as a Lambda can is so again.
    assert limits(name) == [900] or names(LAMBDAS[name]) >= KILLED


def test_the_words_of_the_machines_are_classes_of_the_error_tree() -> None:
    """A run retries one, and goes on after another; it fails with the others, and announces them by their names."""
    for name, task in LAMBDAS.items():
        assert [rule for rule in task["Retry"] if rule["ErrorEquals"] == ["RetryLater"]], name
        assert names(task) & OURS <= {"RetryLater", "Rejected"}, name
    rules = MACHINES["ensure"]["States"]["Is it ready?"]["Choices"]
    fails = {rule["Output"]["Error"] for rule in rules if "Output" in rule}
    assert fails == {"LimitReached", "Broken"} < OURS
    refusing = [name for name, task in LAMBDAS.items() if "Rejected" in names(task)]
    assert refusing == ["retrain: Join the export", "retrain: Check the drop"]


def test_what_fails_inside_a_map_fails_the_map_unless_it_is_caught() -> None:
    for machine in MACHINES.values():
        for scope in scopes(machine)[1:]:
            (near, *_) = outside(scope, machine)
            assert near.states[scope.owner]["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


FUNCTION = {"errorMessage": 'retail-demo: the "bucket"\nis gone', "errorType": "Broken", "stackTrace": []}
CHILD = {"Cause": 'retail-demo: the "bucket"\nis gone', "Error": "Broken", "Input": json.dumps({"Error": "no"})}
MESSAGE = 'retail-demo: the "bucket"\nis gone'
NOTES = {
    "retrain": ("Note why the run failed", "Assign"), "teardown": ("Note why it failed", "Assign"),
    "evaluate": ("The test failed", ""),
}  # fmt: skip


@pytest.mark.parametrize("machine", NOTES)
@pytest.mark.parametrize(
    ("error", "cause", "told"),
    [
        ("Broken", json.dumps(FUNCTION), ("Broken", MESSAGE)),
        ("States.TaskFailed", json.dumps(CHILD), ("Broken", MESSAGE)),
        ("States.TaskFailed", json.dumps(dict(reversed(CHILD.items()))), ("Broken", MESSAGE)),
        # A Cause is cut off at 32,768 characters.
        ("States.TaskFailed", json.dumps(CHILD)[:-10], ("Broken", MESSAGE)),
        ("States.Timeout", "no answer", ("States.Timeout", "no answer")),
        ("States.TaskFailed", '{"ExecutionArn": "arn", "Status": "ABORTED"}', ("States.TaskFailed", None)),
    ],
)
def test_a_failure_keeps_its_class_and_its_message(
    machine: str, error: str, cause: str, told: tuple[str, str | None]
) -> None:
    state, member = NOTES[machine]
    node = MACHINES[machine]["States"][state]
    node = node[member]["failure"] if member else node
    output = evaluate({key: node[key] for key in ("Error", "Cause")}, {}, failure={"Error": error, "Cause": cause})
    assert (output["Error"], output["Cause"]) == (told[0], told[1] or cause)


def test_what_ensures_fails_with_the_functions_own_message() -> None:
    failed = MACHINES["ensure"]["States"]["It failed"]
    for cause, told in ((json.dumps(FUNCTION), MESSAGE), ("it: no room", "it: no room")):
        output = evaluate(
            {key: failed[key] for key in ("Error", "Cause")}, {"input": {"Error": "Broken", "Cause": cause}}
        )
        assert output == {"Error": "Broken", "Cause": told}


@pytest.mark.parametrize("state", CAUGHT.values(), ids=CAUGHT)
def test_whatever_fails_is_caught_and_kept(state: State) -> None:
    # What a Map's states do not catch, the Map does.
    assert state["Catch"][-1]["ErrorEquals"] in (["States.ALL"], ["Rejected"])
    for catcher in state["Catch"]:
        uses = [catcher.get("Assign", {}), catcher.get("Output", {})]
        assert "$states.errorOutput" in " ".join(expressions(uses))


@pytest.mark.parametrize(("where", "scope"), every_scope().items(), ids=every_scope())
def test_variables_are_assigned_in_one_scope_and_read_where_they_are_visible(where: str, scope: Scope) -> None:
    scopes_outside = [] if scope.apart else outside(scope, MACHINES[where.partition(":")[0]])
    outer = {name for other in scopes_outside for name in other.assigned()}
    if scope.owner:
        # AWS lets a Map's states read the outer variables, and refuses that they assign one.
        assert not scope.assigned() & outer
    inside = {name: state for name, state in scope.states.items() if state["Type"] != "Map"}
    read = {
        name
        for text in expressions(inside)
        for name in set(re.findall(r"\$(\w+)(?![\w(])", text)) - set(re.findall(r"\$(\w+) :=", text))
    }
    assert read - {"states"} <= scope.assigned() | outer


def test_no_variable_takes_the_name_of_a_jsonata_function() -> None:
    functions = set(jsonata.Jsonata.static_frame.bindings)
    assert "millis" in functions
    assert not functions & {name for scope in every_scope().values() for name in scope.assigned()}


@pytest.mark.parametrize("name", ["retrain", "evaluate", "ensure", "teardown", "batch"])
def test_a_machine_outlives_the_sum_of_its_waits(name: str) -> None:
    machine, budget = MACHINES[name], int(SUBSTITUTIONS["WaitMinutes"]) * 60
    # One budget for the wait for room, and one for the job; the last pause may be half as long again.
    waits = 2.5 * budget * (len(tasks("states:startExecution.sync", machine)) or 1)
    steps = sum(task["TimeoutSeconds"] for task in tasks("lambda:invoke", machine).values())
    assert waits + steps < machine["TimeoutSeconds"]


def test_a_wait_ends_within_its_machines_time_whatever_the_parameter_says() -> None:
    most = STACK.source["Parameters"]["WaitMinutes"]["MaxValue"] * 60
    assert 2.5 * most < MACHINES["ensure"]["TimeoutSeconds"]


@pytest.mark.parametrize("name", [name for name, task in CHILDREN.items() if ".sync" in task["Resource"]])
def test_a_child_is_waited_for_longer_than_it_may_take(name: str) -> None:
    task = CHILDREN[name]
    child = task["Arguments"]["StateMachineArn"].removesuffix("StateMachine").lower()
    assert MACHINES[child]["TimeoutSeconds"] < task["TimeoutSeconds"] < MACHINE["TimeoutSeconds"]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_can_be_read(machine: str) -> None:
    lines = (FILE.parent / f"{machine}.asl.yaml").read_text().splitlines()
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("machine", MACHINES)
def test_a_state_machine_gets_every_substitution_that_it_names(machine: str) -> None:
    given = STACK.source["Resources"][f"{machine.title()}StateMachine"]["Properties"]["DefinitionSubstitutions"]
    named = set(re.findall(r"\$\{(\w+)\}", (FILE.parent / f"{machine}.asl.yaml").read_text()))
    assert set(given) == named
