# SPDX-License-Identifier: Apache-2.0
"""Executions of the local AWS: named as on AWS where a schedule or a rule starts them, and redriven."""

import contextvars
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from ministack import app
from ministack.services import eventbridge, stepfunctions

KEPT = 1000
"""Executions whose variables and definition are remembered for a redrive."""
_contexts: OrderedDict[str, dict[str, Any]] = OrderedDict()
_definitions: dict[str, str] = {}
"""Of the same executions, the definition that each began with: an update of the machine changes no execution."""
Json = dict[str, Any]


def install() -> None:
    """Let a stopped execution begin no further task, and answer RedriveExecution, which ministack does not know.

    What a schedule or a rule starts gets a name as on AWS; ministack draws one.
    """
    task, step, handle = stepfunctions._execute_task, stepfunctions._execute_map, app.SERVICE_HANDLERS["states"]

    def run_task(state: Json, given: object, execution: Json, context: Json) -> object:
        _remember(execution, context)
        if execution["status"] != "RUNNING":
            raise stepfunctions._ExecutionError("States.Aborted", "the execution was stopped")
        return task(state, given, execution, context)

    def run_map(state: Json, given: object, execution: Json, context: Json) -> object:
        _remember(execution, context)
        return step(state, given, execution, context)

    async def states(method: str, path: str, headers: dict[str, str], body: bytes, query: Json) -> object:
        if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
            return stepfunctions._finalize_response(redrive(json.loads(body)["executionArn"]))
        return await handle(method, path, headers, body, query)

    _named_as_on_aws()
    stepfunctions._execute_task, stepfunctions._execute_map = run_task, run_map
    app.SERVICE_HANDLERS["states"] = states


def _named_as_on_aws() -> None:
    """Name an execution by the event that starts it, so that a second delivery of the event starts no other."""
    invoke, start = eventbridge._invoke_target, stepfunctions._start_execution
    by: contextvars.ContextVar[str] = contextvars.ContextVar("by", default="")

    def invoked(target: Json, event: Json, rule: Json, view: object = None) -> None:
        token = by.set(name_of(event, rule))
        try:
            invoke(target, event, rule, view)
        finally:
            by.reset(token)

    def started(data: Json) -> object:
        if data.get("name") or not by.get():
            return start(data)
        named = {**data, "name": by.get()}
        # What the execution does runs in a copy of this context, and is no delivery.
        token = by.set("")
        try:
            return start(named)
        finally:
            by.reset(token)

    eventbridge._invoke_target, stepfunctions._start_execution = invoked, started


def name_of(event: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """The name of the execution that a schedule or a rule starts for an event.

    Of a schedule it looks like a UUID and holds the second that was scheduled; all else is the same for each firing
    (observed, not documented). Of a rule it is the event's id and a second id, which is the same for each event here.
    """
    key = str(rule.get("Arn") or rule.get("Name") or "")
    own = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    if event.get("Source") != "aws.scheduler":
        return f"{event.get('EventId') or stepfunctions.new_uuid()}_{_uuid(own)}"
    return _uuid(f"{own[:2]}{int(event['Time']):08x}{own[2:4]}4{own[5:8]}a{own[9:24]}")


def _uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _remember(execution: Json, context: Json) -> None:
    """Keep the context of a state that is not inside a Map: its variables are what a redrive goes on with."""
    if "Map" in context:
        return
    arn = execution["executionArn"]
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
    if arn not in _definitions and machine:
        _definitions[arn] = machine["definition"]
    _contexts[arn] = context
    _contexts.move_to_end(arn)
    if len(_contexts) > KEPT:
        forgotten, _ = _contexts.popitem(last=False)
        _definitions.pop(forgotten, None)


def redrive(arn: str) -> object:
    """Go on with an execution at the state that it had not finished, the whole of it where that is a Map."""
    old, context = stepfunctions._executions.get(arn), _contexts.get(arn)
    if not old or old["status"] not in {"ABORTED", "FAILED"} or context is None or arn not in _definitions:
        return stepfunctions.error_response_json("ExecutionNotRedrivable", f"{arn} cannot be redriven", 400)
    states = json.loads(_definitions[arn])["States"]
    entered = [event["stateEnteredEventDetails"] for event in old["events"] if "stateEnteredEventDetails" in event]
    last = [each for each in entered if each["name"] in states][-1]
    # A new record: what still runs of the old execution goes on seeing that it was stopped.
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
