# SPDX-License-Identifier: Apache-2.0
"""Each task of the machines with maps fails, in each way: how often it is repeated, and what the machine ends with."""

import json
from typing import Any

import pytest

from tests.statemachines.machine import MACHINES, Scope, State, distributed, evaluate, integration, outside, scopes

REASON = 'retail-demo: the "bucket"\nis gone'
FUNCTION = {
    "Error": "Broken",
    "Cause": json.dumps({"errorMessage": REASON, "errorType": "Broken", "stackTrace": ["x"]}),
}
CHILD = {"Error": "States.TaskFailed", "Cause": json.dumps({"Cause": REASON, "Error": "Broken", "Input": "{}"})}
PARTS = {"Error": "States.ExceedToleratedFailureThreshold", "Cause": "The specified tolerated failure threshold was"}
BUS = {"Error": "EventBridge.AWSEventBridgeException", "Cause": "no bus"}
"""What a machine is told by a function, an execution that it waits for, a map run, and EventBridge."""
BEFORE = {"Error": "Rejected", "Cause": "what is announced"}
"""What has failed before a failure is announced."""
ANNOUNCED_BEFORE = {
    "Announce that nothing is asked",
    "Announce the failure",
    "Clear up after a failure",
    "Delete what it wrote",
    "End the job that failed",
}
"""States after a failure: it stays the reason, whatever they fail with."""
CONTEXT = {"Execution": {"Id": "arn:e", "Name": "r"}, "State": {"EnteredTime": "t", "RetryCount": 0}}
VARIABLES: dict[str, dict[str, Any]] = {
    "batch": {"shop": "demo", "run": "r", "asked": {"batch": ""}, "job": {"name": "mail"}, "ending": BEFORE},
    "check": {"work": "work/demo/r/d/"},
    "evaluate": {"evaluation": {"shop": "demo"}, "trial": {"shop": "demo"}},
    "likelihood": {"shop": "demo", "run": "r"},
}
"""What each machine knows from its beginning on."""
FALLIBLE = {
    f"{machine}: {name}": (machine, scope, name)
    for machine in VARIABLES
    for scope in scopes(MACHINES[machine])
    for name, state in scope.states.items()
    if state["Type"] in {"Task", "Map"}
}
FOR_EACH_STATE = pytest.mark.parametrize(("machine", "scope", "name"), FALLIBLE.values(), ids=FALLIBLE)


def error_of(machine: str, name: str, state: State) -> dict[str, str]:
    """What a state fails with."""
    if state["Type"] == "Map":
        return PARTS if name in distributed(MACHINES[machine]) else FUNCTION
    service = integration(state).partition(":")[0]
    return {"lambda": FUNCTION, "states": CHILD, "events": BUS}[service]


def caught(state: State, error: str) -> State | None:
    """The catcher of an error."""
    rules = state.get("Catch", [])
    return next((rule for rule in rules if {error, "States.ALL"} & {*rule["ErrorEquals"]}), None)


def ending(machine: str, scope: Scope, name: str, error: dict[str, str]) -> dict[str, str]:
    """Let a state fail, and tell the error that its machine, or the job of a batch, ends with."""
    variables, fails = {**VARIABLES[machine], "failure": BEFORE}, True
    while True:
        state, seen = scope.states[name], dict[str, Any](context=CONTEXT)
        if state["Type"] == "Fail":
            return {key: str(evaluate(state[key], seen, **variables)) for key in ("Error", "Cause")}
        if state.get("End") and not fails:
            told = evaluate(state["Output"], seen, **variables)
            return {"Error": told["error"], "Cause": told["reason"]}
        sent = evaluate(state.get("Arguments", {}), seen, **variables)
        rule: State | None = state
        if fails:
            rule, seen = caught(state, error["Error"]), {**seen, "errorOutput": error}
        elif sent.get("step") == "explain":
            # It fails with what a part failed with.
            rule, seen = caught(state, "Broken"), {**seen, "errorOutput": FUNCTION}
        elif state["Type"] == "Task":
            assert "null" not in json.dumps(sent), name
        if rule is None:
            # It fails its map: a map run has an error of its own.
            (near, *_) = outside(scope, MACHINES[machine])
            return ending(machine, near, scope.owner, PARTS if scope.apart else error)
        variables, name, fails = variables | evaluate(rule.get("Assign", {}), seen, **variables), rule["Next"], False


@FOR_EACH_STATE
def test_a_machine_ends_with_the_class_and_the_message_of_what_failed(machine: str, scope: Scope, name: str) -> None:
    if name == "Clear up after the test":
        assert caught(scope.states[name], "Broken") == scope.states[name]["Catch"][0]
        return
    error = error_of(machine, name, scope.states[name])
    told = BEFORE if name in ANNOUNCED_BEFORE else BUS if error == BUS else {"Error": "Broken", "Cause": REASON}
    assert ending(machine, scope, name, error) == told


REPEATED = {
    "lambda": {"RetryLater": True, "Lambda.TooManyRequestsException": True, "Broken": False, "Rejected": False},
    "states": {"StepFunctions.ExecutionLimitExceededException": True, "States.TaskFailed": False},
    "events": {"EventBridge.ThrottlingException": True, "States.Timeout": True},
}
"""Whether an error of each service may pass by itself."""


@pytest.mark.parametrize("state", [scope.states[name] for _, scope, name in FALLIBLE.values()], ids=FALLIBLE)
def test_only_what_may_pass_is_repeated(state: State) -> None:
    if state["Type"] == "Map":
        # Its children have repeated what may pass.
        assert "Retry" not in state
        return
    for error, repeated in REPEATED[integration(state).partition(":")[0]].items():
        # AWS takes the first rule that knows the error; a timeout is no failed task.
        names = {error, "States.TaskFailed"} if error != "States.Timeout" else {error}
        rule = next((rule for rule in state["Retry"] if names & {*rule["ErrorEquals"]}), {"MaxAttempts": 0})
        assert (rule["MaxAttempts"] >= 3) is repeated, error
