# SPDX-License-Identifier: Apache-2.0
"""Executions of the local AWS: named as on AWS where a schedule or a rule starts them, redriven, and of AWS's size."""

import contextvars
import copy
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from jsonata import timebox
from ministack import app
from ministack.services import eventbridge, stepfunctions

from local.cloud.aws.expressions import ProcessorTime
from local.cloud.aws.patching import Function, Json, wrapping

MOST_CONTEXTS = 1000
"""Executions whose variables and definition are remembered for a redrive."""
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"
"""The member of an execution's input that names the one which started it."""
LARGEST: Final = 256 * 1024
"""The bytes of an input, a result or an output, at most."""
TERMINAL: Final = frozenset({"States.DataLimitExceeded", "States.Runtime"})
"""Errors that `States.ALL` does not match."""
SHORTEST: Final = 0.4
"""The seconds that a wait takes at least, unless it is shorter itself: after most of them a function is called."""
ENDED: Final = frozenset({"ExecutionAborted", "ExecutionFailed"})
"""Events after which an execution can be redriven."""
_contexts: OrderedDict[str, Json] = OrderedDict()
_definitions: dict[str, str] = {}
"""The definition that each of these executions began with, since an update of the machine changes none of them."""


def install() -> None:
    """Start no task of a stopped execution, name executions as on AWS, and answer RedriveExecution.

    An execution that another one waits for is stopped with it, and fails it as on AWS, with its own description.
    """
    stepfunctions._nested_execution_failure = failure
    _limit_data()
    timebox.Timebox = ProcessorTime

    @wrapping(stepfunctions, "_scaled_sleep")
    def slept(stock: Function, seconds: float) -> None:
        scale = stepfunctions._SFN_WAIT_SCALE
        if 0 < scale * seconds < SHORTEST:
            time.sleep(min(max(scale, 1.0) * seconds, SHORTEST))
        else:
            stock(seconds)

    @wrapping(stepfunctions, "_stop_execution")
    def stopped(stock: Function, data: Json) -> object:
        answer = stock(data)
        for child in children(data["executionArn"]):
            why = "the execution that waits for it was stopped"
            stepfunctions._stop_execution({"executionArn": child["executionArn"], "cause": why})
        return answer

    @wrapping(stepfunctions, "_execute_task")
    def run_task(stock: Function, state: Json, given: object, execution: Json, context: Json) -> object:
        _remember(execution, context)
        if execution["status"] != "RUNNING":
            raise stepfunctions._ExecutionError("States.Aborted", "the execution was stopped")
        return stock(state, given, execution, context)

    @wrapping(stepfunctions, "_execute_map")
    def run_map(stock: Function, state: Json, given: object, execution: Json, context: Json) -> object:
        _remember(execution, context)
        return stock(state, given, execution, context)

    @wrapping(app.SERVICE_HANDLERS, "states")
    async def states(
        stock: Function, method: str, path: str, headers: dict[str, str], body: bytes, query: Json
    ) -> object:
        if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
            return stepfunctions._finalize_response(redrive(json.loads(body)["executionArn"]))
        return await stock(method, path, headers, body, query)

    # An execution has its name from the event that starts it, so that a second delivery of the event starts no other.
    by: contextvars.ContextVar[str] = contextvars.ContextVar("by", default="")

    @wrapping(eventbridge, "_invoke_target")
    def invoked(stock: Function, target: Json, event: Json, rule: Json, view: object = None) -> None:
        token = by.set(name_of(event, rule))
        try:
            stock(with_time(target, event), event, rule, view)
        finally:
            by.reset(token)

    @wrapping(stepfunctions, "_start_execution")
    def started(stock: Function, data: Json) -> object:
        if data.get("name") or not by.get():
            return stock(data)
        named = {**data, "name": by.get()}
        # The execution runs in a copy of this context, in which nothing is being delivered.
        token = by.set("")
        try:
            return stock(named)
        finally:
            by.reset(token)


def _limit_data() -> None:
    """Fail what is larger than AWS allows, by an error that only its own name catches."""
    for name in ("_execute_pass", "_execute_task", "_execute_parallel", "_execute_map"):

        @wrapping(stepfunctions, name)
        def executed(stock: Function, *state: object) -> tuple[object, str | None]:
            output, following = stock(*state)
            return within(output, "The output of a state"), following

    @wrapping(stepfunctions, "_invoke_resource")
    def invoked(stock: Function, resource: str, given: object) -> object:
        return within(stock(resource, within(given, "The input of a task")), f"The result of {resource}")

    @wrapping(stepfunctions, "_error_matches")
    def matches(stock: Function, names: list[str], error: str) -> bool:
        return error in names if error in TERMINAL else bool(stock(names, error))

    for name in ("_start_execution", "_start_sync_execution"):

        @wrapping(stepfunctions, name)
        def started(stock: Function, data: Json) -> object:
            if len(data.get("input", "").encode()) > LARGEST:
                why = f"the input of an execution has {LARGEST} bytes at most"
                return stepfunctions.error_response_json("ValidationException", why, 400)
            return stock(data)

    @wrapping(stepfunctions, "_fail_execution")
    def failed(stock: Function, execution: Json, error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            stock(execution, error, cause)


def within(value: object, what: str) -> object:
    """Return a value. Raises _ExecutionError if it is too large."""
    if size(value) > LARGEST:
        cause = f"{what} exceeds the limit of {LARGEST} bytes"
        raise stepfunctions._ExecutionError("States.DataLimitExceeded", cause)
    return value


def size(value: object) -> int:
    """Return the bytes of a JSON value, as Step Functions counts them."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode())


def children(arn: str) -> list[Json]:
    """Return the executions that an execution has started and waits for."""
    running = [
        execution
        for execution in stepfunctions._executions.values()
        if execution.get("sync") and execution["status"] == "RUNNING"
    ]
    return [execution for execution in running if _started_by(json.loads(execution["input"])) == arn]


def waiting_for(given: object) -> list[object]:
    """Return the inputs of the executions that wait for one with this input, the nearest first."""
    by = _started_by(given)
    parent = stepfunctions._executions.get(by) if by else None
    if parent is None:
        return []
    above = json.loads(parent["input"])
    return [above, *waiting_for(above)]


def _started_by(given: object) -> object:
    return given.get(STARTED_BY) if isinstance(given, dict) else None


def failure(described: Json) -> tuple[str, str]:
    """Return error and cause of a task whose execution failed; AWS describes the execution in the cause."""
    told = {f"{name[0].upper()}{name[1:]}": value for name, value in described.items() if name != "output"}
    return "States.TaskFailed", json.dumps(dict(sorted(told.items())))


def name_of(event: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """Return the name of the execution that a schedule or a rule starts for an event.

    A schedule's looks like a UUID and holds the scheduled second; the rest is constant (observed, not documented). A
    rule's is the event's id and a second id, which is constant here.
    """
    key = str(rule.get("Arn") or rule.get("Name") or "")
    hashed = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    if event.get("Source") != "aws.scheduler":
        return f"{event.get('EventId') or stepfunctions.new_uuid()}_{_uuid(hashed)}"
    return _uuid(f"{hashed[:2]}{int(event['Time']):08x}{hashed[2:4]}4{hashed[5:8]}a{hashed[9:24]}")


def with_time(target: Json, event: Mapping[str, Any]) -> Json:
    """Return a schedule's target whose input has the scheduled time in place of Scheduler's keyword."""
    if event.get("Source") != "aws.scheduler" or "Input" not in target:
        return target
    time = datetime.fromtimestamp(int(event["Time"]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**target, "Input": target["Input"].replace("<aws.scheduler.scheduled-time>", time)}


def _uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _remember(execution: Json, context: Json) -> None:
    """Keep the context of a state outside a Map: a redrive goes on with its variables as they are now.

    What still runs of a stopped execution changes them no more.
    """
    if "Map" in context or execution.get("sync") or execution["status"] != "RUNNING":
        return
    arn = execution["executionArn"]
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
    if arn not in _definitions and machine:
        _definitions[arn] = machine["definition"]
    _contexts[arn] = copy.deepcopy(context)
    _contexts.move_to_end(arn)
    if len(_contexts) > MOST_CONTEXTS:
        forgotten, _ = _contexts.popitem(last=False)
        _definitions.pop(forgotten, None)


def redrive(arn: str) -> object:
    """Go on with an execution at its unfinished state; a Map begins again as a whole."""
    old, context = stepfunctions._executions.get(arn), _contexts.get(arn)
    if not old or old["status"] not in {"ABORTED", "FAILED"} or context is None or arn not in _definitions:
        return stepfunctions.error_response_json("ExecutionNotRedrivable", f"{arn} cannot be redriven", 400)
    states = json.loads(_definitions[arn])["States"]
    ends = (number for number, event in enumerate(old["events"]) if event["type"] in ENDED)
    before = old["events"][: max(ends, default=None)]
    entered = [event["stateEnteredEventDetails"] for event in before if "stateEnteredEventDetails" in event]
    last = [state for state in entered if state["name"] in states][-1]
    # A new record, so that what still runs of the old execution sees that it was stopped.
    again = {**old, "status": "RUNNING", "stopDate": None, "error": None, "cause": None, "events": [*old["events"]]}
    stepfunctions._executions[arn] = again
    stepfunctions._add_event(again, "ExecutionRedriven", {"executionRedrivenEventDetails": {"redriveCount": 1}})
    stepfunctions._emit_execution_status_event(again)
    target = contextvars.copy_context().run
    threading.Thread(target=target, args=(_resume, again, states, last, context), daemon=True).start()
    return stepfunctions.json_response({"redriveDate": stepfunctions.now_iso()})


def _resume(execution: Json, states: Json, last: Json, context: Json) -> None:
    try:
        output = stepfunctions._run_sub_machine(states, last["name"], json.loads(last["input"]), execution, context)
    except stepfunctions._ExecutionError as error:
        if execution["status"] == "RUNNING":
            stepfunctions._fail_execution(execution, error.error, error.cause)
        return
    if execution["status"] != "RUNNING":
        return
    execution |= {"status": "SUCCEEDED", "output": json.dumps(output), "stopDate": stepfunctions.now_iso()}
    ended = {"executionSucceededEventDetails": {"output": execution["output"]}}
    stepfunctions._add_event(execution, "ExecutionSucceeded", ended)
    stepfunctions._emit_execution_status_event(execution)
