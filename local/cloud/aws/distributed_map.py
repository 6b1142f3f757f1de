# SPDX-License-Identifier: Apache-2.0
"""Map states in mode DISTRIBUTED as AWS documents them for JSONata; ministack's know JSONPath alone.

A *map run* starts a child execution for each item, or for each batch of items. Items come from the state or from S3
(:mod:`local.cloud.aws.map_items`); results go to the next state or to S3 (:mod:`local.cloud.aws.map_results`). Where
AWS's documents leave something open, or this machine is too small, it is so here:

* a role that may not start executions of its own machine fails the state with `States.Runtime`;
* a child that somebody stopped is aborted and not failed, so it counts for no threshold;
* 64 children run at a time, at most, where AWS runs 10,000;
* status changes of children are not published as events, and EXPRESS children can't be described.
"""

import contextvars
import json
import threading
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ministack.services import stepfunctions

from local.cloud.aws import map_items, map_results, rights
from local.cloud.aws.patching import Function, Json, wrapping

TYPES: Final = ("STANDARD", "EXPRESS")
AT_ONCE: Final = 64
EVENTS: Final = 25_000
"""The events in an execution's history, at most."""
LABEL: Final = 40
"""The characters of a label, at most."""
MOST_RUNS: Final = 100
"""Map runs that are remembered for a redrive."""
COUNTED: Final = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "ABORTED": "aborted",
}
"""A child's status to the count of DescribeMapRun that it belongs to."""
EXCEEDED: Final = "States.ExceedToleratedFailureThreshold"
_runs: OrderedDict[str, "MapRun"] = OrderedDict()
"""Map runs that have not succeeded."""
_changed = threading.Condition(threading.RLock())
"""Guards what map runs and their children have come to."""


def install() -> None:
    """Run Distributed Maps, stop them with their execution, and refuse definitions that AWS refuses."""

    @wrapping(stepfunctions, "_run_map_items")
    def run_map(stock: Function, state: Json, given: object, execution: Json, context: Json) -> object:
        if not distributed(state) or stepfunctions._state_query_language(state, context) != "JSONata":
            return stock(state, given, execution, context)
        result = (_unfinished(execution, context) or MapRun(state, given, execution, context)).result(execution)
        output = stepfunctions._apply_jsonata_output(state, given, context, result=result, default=result)
        stepfunctions._apply_state_assign(state, given, context, result=result)
        return output, stepfunctions._next_or_end(state)

    @wrapping(stepfunctions, "_stop_execution")
    def stopped(stock: Function, data: Json) -> object:
        answer = stock(data)
        for run in [run for run in _runs.values() if run.view["executionArn"] == data.get("executionArn")]:
            run.end("ABORTED")
        with _changed:
            _changed.notify_all()
        return answer

    @wrapping(stepfunctions, "_update_map_run")
    def updated(stock: Function, data: Json) -> object:
        with _changed:
            answer = stock(data)
            if run := _runs.get(data.get("mapRunArn", "")):
                run.thresholds |= set(data) & {"toleratedFailureCount", "toleratedFailurePercentage"}
            _changed.notify_all()
        return answer

    @wrapping(stepfunctions, "_validate_definition_jsonata")
    def validated(stock: Function, definition: str) -> str | None:
        refusal: str | None = stock(definition)
        return refusal or next(_refusals(json.loads(definition)), None) if definition else refusal


def distributed(state: Mapping[str, Any]) -> bool:
    processor = state.get("ItemProcessor") or {}
    return bool((processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED")


def end_all() -> None:
    """End the map runs that a stopped session left running; their executions are ended as well."""
    for view in stepfunctions._map_runs.all_values():
        if view["status"] == "RUNNING":
            view |= {"status": "ABORTED", "stopDate": stepfunctions.now_iso()}
            for counts in (view["executionCounts"], view["itemCounts"]):
                counts |= {"aborted": counts["aborted"] + counts["running"], "running": 0}


def _refusals(node: object, language: str = "JSONPath") -> Any:  # noqa: ANN401 - an iterator of texts
    """Yield why AWS refuses to create a machine with these Distributed Maps."""
    if isinstance(node, list):
        for child in node:
            yield from _refusals(child, language)
    if not isinstance(node, dict):
        return
    language = str(node.get("QueryLanguage", language))
    if node.get("Type") == "Map" and distributed(node) and language == "JSONata":
        if node["ItemProcessor"]["ProcessorConfig"].get("ExecutionType") not in TYPES:
            yield "SCHEMA_VALIDATION_FAILED: a Map in mode DISTRIBUTED needs an ExecutionType of STANDARD or EXPRESS"
        if len(node.get("Label", "")) > LABEL:
            yield f"SCHEMA_VALIDATION_FAILED: a Label has {LABEL} characters at most"
        yield from (f"SCHEMA_VALIDATION_FAILED: {why}" for why in map_items.refusals(node))
        yield from (f"SCHEMA_VALIDATION_FAILED: {why}" for why in map_results.refusals(node))
    for child in node.values():
        yield from _refusals(child, language)


def _unfinished(execution: Json, context: Json) -> "MapRun | None":
    """Return the map run that a redriven execution goes on with: its record is another than the run has seen."""
    for run in reversed(_runs.values()):
        same = run.view["executionArn"] == execution["executionArn"] and run.name == context["State"]["Name"]
        if same and run.execution is not execution:
            return run
    return None


@dataclass(eq=False)
class Child:
    """One execution of a map run: what it gets, and how far it came."""

    given: object
    items: int
    """How many items of the data set it has."""
    record: Json = field(default_factory=dict)
    """The execution as ministack keeps it; empty before it starts."""
    context: Json = field(default_factory=dict)

    @property
    def status(self) -> str:
        return str(self.record.get("status", "PENDING"))


class MapRun:
    def __init__(self, state: Json, given: object, execution: Json, context: Json) -> None:
        """Read the items. Raises _ExecutionError where AWS fails the state before any child starts."""
        self.state, self.execution = state, execution
        self.name: str = context["State"]["Name"]
        self.processor = state["ItemProcessor"]
        self.language = self.processor.get("QueryLanguage") or context["QueryLanguage"]
        self.express = self.processor["ProcessorConfig"].get("ExecutionType") == "EXPRESS"
        arn = execution["stateMachineArn"].partition("/")[0]
        self.machine: Json = stepfunctions._state_machines[arn]
        label = state.get("Label") or uuid.uuid5(uuid.NAMESPACE_URL, f"{arn}/{self.name}").hex
        self.children_of = f"{arn}/{label}"
        self.arn = f"{self.children_of.replace(':stateMachine:', ':mapRun:')}:{stepfunctions.new_uuid()}"
        self.allow("States.Runtime", [("states:StartExecution", arn)])
        fields = ("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage")
        told = {
            f"{name[0].lower()}{name[1:]}": stepfunctions._jsonata_state_field(state, name, "number", given, context)
            for name in fields
            if name in state
        }
        self.thresholds = set(told) - {"maxConcurrency"}
        self.writer = map_results.Writer(state, given, context)
        self.children = [Child(*unit) for unit in map_items.units(state, given, context, self.allow)]
        limits = {f"{name[0].lower()}{name[1:]}": 0 for name in fields}
        self.view: Json = {
            "mapRunArn": self.arn,
            "executionArn": execution["executionArn"],
            "status": "RUNNING",
            "startDate": stepfunctions.now_iso(),
            **limits,
            **told,
            "redriveCount": 0,
            "_stateMachineArn": self.children_of,
        }
        """What DescribeMapRun answers, without what begins with an underscore."""
        self._count()

    def allow(self, error: str, needs: list[tuple[str, str]]) -> None:
        """Raise _ExecutionError, an error with a cause, unless the machine's role may do all of this."""
        if why := rights.refusal(rights.key_of(self.machine), needs):
            raise stepfunctions._ExecutionError(error, why)

    def result(self, execution: Json) -> object:
        """Run the children that have not succeeded for an execution; return the state's result."""
        if execution is not self.execution:
            self._redrive(execution)
        else:
            stepfunctions._map_runs[self.arn] = self.view
            _runs[self.arn] = self
            while len(_runs) > MOST_RUNS:
                _runs.popitem(last=False)
            self._tell("MapRunStarted", {"mapRunArn": self.arn})
        waiting = deque(child for child in self.children if child.status == "PENDING")
        for _ in range(min(AT_ONCE, len(waiting))):
            threading.Thread(target=contextvars.copy_context().run, args=(self._work, waiting), daemon=True).start()
        with _changed:
            _changed.wait_for(lambda: self.view["status"] != "RUNNING" or not self._open())
            self.end("SUCCEEDED")
            records = [map_results.record(child.record, child.given) for child in self.children]
        error, cause = EXCEEDED, "The specified tolerated failure threshold was exceeded"
        result: object = None
        try:
            result = self.writer.result(self.arn, records, self.allow)
        except stepfunctions._ExecutionError as failure:
            error, cause = failure.error, failure.cause
            if self.view["status"] == "SUCCEEDED":
                self.view["status"] = "FAILED"
        self._count(written=self.writer.exports and error == EXCEEDED)
        if self.view["status"] == "SUCCEEDED":
            _runs.pop(self.arn, None)
            self._tell("MapRunSucceeded")
            return result
        if self.view["status"] == "ABORTED":
            self._tell("MapRunAborted")
            raise stepfunctions._ExecutionError("States.Aborted", "the execution was stopped")
        self._tell("MapRunFailed", {"error": error, "cause": cause})
        raise stepfunctions._ExecutionError(error, cause)

    def end(self, status: str) -> None:
        """Give a running map run its status, and stop its children that run."""
        with _changed:
            if self.view["status"] != "RUNNING":
                return
            self.view |= {"status": status, "stopDate": stepfunctions.now_iso()}
            for child in self.children:
                if child.status == "RUNNING" and not self.express:
                    why = "the map run was stopped"
                    stepfunctions._stop_execution({"executionArn": child.record["executionArn"], "cause": why})
                elif child.status == "RUNNING":
                    child.record |= {"status": "ABORTED", "stopDate": stepfunctions.now_iso()}
            self._count()
            _changed.notify_all()

    def _redrive(self, execution: Json) -> None:
        """Begin again: STANDARD children at the state that they failed in, EXPRESS ones at their start."""
        needs = [("states:RedriveExecution", f"{self.children_of.replace(':stateMachine:', ':execution:')}:*")]
        self.allow("States.Runtime", needs)
        with _changed:
            self.execution = execution
            count = self.view["redriveCount"] + 1
            self.view |= {"status": "RUNNING", "redriveCount": count, "redriveDate": stepfunctions.now_iso()}
            self.view.pop("stopDate", None)
            for child in self.children:
                if child.status != "SUCCEEDED":
                    # The old record stays as it is for whatever still runs of it.
                    child.record = {**child.record, "status": "PENDING"} if child.record and not self.express else {}
        self._tell("MapRunRedriven", {"mapRunArn": self.arn, "redriveCount": count})

    def _tell(self, kind: str, subject: Json | None = None) -> None:
        details = {f"{kind[0].lower()}{kind[1:]}EventDetails": subject} if subject else None
        stepfunctions._add_event(self.execution, kind, details)

    def _open(self) -> int:
        return sum(child.status in {"PENDING", "RUNNING"} for child in self.children)

    def _count(self, *, written: bool = False) -> None:
        """Count executions and items by status."""
        for name in ("executionCounts", "itemCounts"):
            counts = dict.fromkeys((*COUNTED.values(), "timedOut", "failuresNotRedrivable", "pendingRedrive"), 0)
            for child in self.children:
                counts[COUNTED[child.status]] += child.items if name == "itemCounts" else 1
            total = sum(counts.values())
            self.view[name] = counts | {"total": total, "resultsWritten": total if written else 0}

    def _exceeded(self) -> bool:
        """Tell whether more items failed than the state tolerates; none, where it names no threshold."""
        failed, total = self.view["itemCounts"]["failed"], self.view["itemCounts"]["total"]
        over = {
            "toleratedFailureCount": failed > self.view["toleratedFailureCount"],
            "toleratedFailurePercentage": failed * 100 > self.view["toleratedFailurePercentage"] * total,
        }
        return any(over[name] for name in self.thresholds or over)

    def _work(self, waiting: deque[Child]) -> None:
        """Run one child after another, no more at a time than the map run allows."""

        def free() -> bool:
            most = self.view["maxConcurrency"] or AT_ONCE
            return self.view["status"] != "RUNNING" or not waiting or self.view["executionCounts"]["running"] < most

        while True:
            with _changed:
                _changed.wait_for(free)
                if self.view["status"] != "RUNNING" or not waiting:
                    return
                child = waiting.popleft()
                record = self._started(child)
                self._count()
            ended = self._walked(record, child)
            with _changed:
                if record["status"] == "RUNNING":
                    record |= ended | {"stopDate": stepfunctions.now_iso()}
                self._count()
                if self._exceeded():
                    self.end("FAILED")
                _changed.notify_all()

    def _started(self, child: Child) -> Json:
        """Return the record of a child that starts, or goes on."""
        if child.record:
            child.record |= {"status": "RUNNING", "stopDate": None, "error": None, "cause": None}
            child.record["events"] = [*child.record["events"]]
            redriven = {"redriveCount": self.view["redriveCount"]}
            stepfunctions._add_event(child.record, "ExecutionRedriven", {"executionRedrivenEventDetails": redriven})
        else:
            name, now = stepfunctions.new_uuid(), stepfunctions.now_iso()
            arn = f"{self.children_of.replace(':stateMachine:', ':execution:')}:{name}"
            child.record = {
                "executionArn": arn,
                "stateMachineArn": self.children_of,
                "mapRunArn": self.arn,
                "name": name,
                "status": "RUNNING",
                "startDate": now,
                "stopDate": None,
                "input": json.dumps(child.given),
                "inputDetails": {"included": True},
                "output": None,
                "outputDetails": {"included": True},
                "testCase": "",
                "mockAttempts": {},
                "sync": True,  # another execution waits for it
                "events": [],
            }
            began = {"input": child.record["input"], "roleArn": self.machine["roleArn"]}
            stepfunctions._add_event(child.record, "ExecutionStarted", {"executionStartedEventDetails": began})
            # An execution of its own: it sees neither the variables nor the input of the one that has the map.
            child.context = {
                "QueryLanguage": self.language,
                "Execution": {"Id": arn, "Input": child.given, "Name": name, "StartTime": now},
                "StateMachine": {"Id": self.children_of, "Name": self.machine["name"]},
                "variables": {},
            }
        if not self.express:
            stepfunctions._executions[child.record["executionArn"]] = child.record
        return child.record

    def _walked(self, record: Json, child: Child) -> Json:
        """Run a child from where it is, and return how it ended."""
        entered = [
            event["stateEnteredEventDetails"] for event in record["events"] if "stateEnteredEventDetails" in event
        ]
        name, given = self.processor["StartAt"], child.given
        if entered:
            name, given = entered[-1]["name"], json.loads(entered[-1]["input"])
        try:
            while name and record["status"] == "RUNNING":
                given, name = _stepped(self.processor["States"][name], name, given, record, child.context)
        except stepfunctions._ExecutionError as error:
            failure = {"error": error.error, "cause": error.cause}
            if record["status"] == "RUNNING":
                stepfunctions._add_event(record, "ExecutionFailed", {"executionFailedEventDetails": failure})
            return {"status": "FAILED", **failure}
        except Exception as error:  # noqa: BLE001 - as ministack does for an execution
            return {"status": "FAILED", "error": "States.Runtime", "cause": str(error)}
        output = json.dumps(given)
        if record["status"] == "RUNNING":
            stepfunctions._add_event(
                record, "ExecutionSucceeded", {"executionSucceededEventDetails": {"output": output}}
            )
        return {"status": "SUCCEEDED", "output": output}


def _stepped(state: Json, name: str, given: object, record: Json, context: Json) -> tuple[object, str | None]:
    """Run one state of a child; return its output and the next state's name."""
    kind = state["Type"]
    if len(record["events"]) >= EVENTS:
        raise stepfunctions._ExecutionError("States.Runtime", f"the history has {EVENTS} events")
    context["State"] = {"Name": name, "EnteredTime": stepfunctions.now_iso(), "RetryCount": 0}
    entered = {"name": name, "input": json.dumps(given)}
    stepfunctions._add_event(record, f"{kind}StateEntered", {"stateEnteredEventDetails": entered})
    if kind == "Fail":
        raise stepfunctions._ExecutionError(*stepfunctions._fail_state_error(state, given, context))
    following: str | None = None
    if kind == "Succeed":
        output = stepfunctions._apply_jsonata_output(state, given, context, default=given)
    elif kind in {"Task", "Parallel", "Map"}:
        run = {
            "Task": stepfunctions._execute_task,
            "Parallel": stepfunctions._execute_parallel,
            "Map": stepfunctions._execute_map,
        }
        output, following = run[kind](state, given, record, context)
    else:
        run = {
            "Pass": stepfunctions._execute_pass,
            "Choice": stepfunctions._execute_choice,
            "Wait": stepfunctions._execute_wait,
        }
        output, following = run[kind](state, given, context)
    exited = {"name": name, "output": json.dumps(output)}
    stepfunctions._add_event(record, f"{kind}StateExited", {"stateExitedEventDetails": exited})
    return output, following
