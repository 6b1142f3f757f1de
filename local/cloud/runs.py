# SPDX-License-Identifier: Apache-2.0
"""The runs of the state machine on a local cloud: listed, and followed while they happen."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import Key
from table_intake.wording import Text

from local.cloud.environments import LocalError
from local.cloud.home import State, access

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

POLL_SECONDS = 0.25
CLAIM_POLL_SECONDS = 0.1
"""The pause between two looks for a claim, which comes soon and which a further drop waits for."""
IDLE_POLL_SECONDS = 1.0
"""The longest pause between two looks at an execution, reached while nothing happens: looks take processor time."""
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"
"""The member of an execution's input that names the one which started it and waits for it."""
ENDS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}
"""The types of the last event of an execution."""
FAILED = "FAILED"
"""Status of a step that ended in an error, caught or not."""
START_SECONDS = 180
"""The time within which an uploaded object starts its run, and that claims it, on the busiest machine."""
EVENTS_A_LOOK, EVENTS_AT_FIRST = 10, 1000
"""Events of an execution that one look asks for; more only where more are new. Each carries its step's whole data."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution. `status`: RUNNING, SUCCEEDED, FAILED …; `reason`: why it failed; `output`: what it reported."""

    arn: str
    shop: str
    kind: str
    key: str
    status: str
    started: datetime
    ended: datetime | None = None
    reason: str = ""
    output: dict[str, Any] = field(default_factory=dict)
    batch: str = ""
    """The batch job that was asked for by its name."""

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def refused(self) -> dict[str, str]:
        """The reasons of refused drops among several, by the names of their files."""
        drops = self.output.get("drops") or ()
        if len(drops) < 2:
            return {}  # whose reason is the run's
        return {
            drop["key"].rpartition("/")[2]: drop["reason"].removeprefix(f"{drop['key']}: ").partition(" (report: ")[0]
            for drop in drops
            if drop.get("outcome") == "refused" and drop.get("reason")
        }

    @property
    def seconds(self) -> float:
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds()


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened in a run, `seconds` after its start.

    `status` is that of a resource, :data:`FAILED` for a step that ended in an error, or "" for a step that begins.
    """

    seconds: float
    what: str
    status: str = ""


class Runs:
    """The executions of a cloud's state machine."""

    def __init__(self, state: State) -> None:
        self.machine = state.outputs["StateMachineArn"]
        self.batches = state.outputs["BatchStateMachineArn"]
        self.fits = state.outputs["LikelihoodStateMachineArn"]
        self.waiting = state.outputs["EnsureStateMachineArn"]
        self.client = boto3.client("stepfunctions", **access(state))
        self.table = boto3.resource("dynamodb", **access(state)).Table(state.outputs["ShopsTableName"])

    def newest(self, shop: str, limit: int = 10) -> list[Run]:
        return list(islice((run for run in self.all_newest_first() if run.shop == shop), limit))

    def all_newest_first(self) -> Iterator[Run]:
        """Yield the existing runs, newest first; the local AWS forgets the oldest as new ones come."""
        for arn in self.arns():
            try:
                run = self.describe(arn)
            except self.client.exceptions.ExecutionDoesNotExist:
                continue
            yield run

    def arns(self) -> Iterator[str]:
        """Yield the ARNs of all executions, newest first."""
        pages = self.client.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        for page in pages:
            yield from (execution["executionArn"] for execution in page["executions"])

    def describe(self, arn: str) -> Run:
        execution = self.client.describe_execution(executionArn=arn)
        given = json.loads(execution["input"])
        key, by_hand = key_of(given), given if isinstance(given, dict) else {}
        parts = [*key.split("/"), "", ""]
        kind = "settings" if parts[2].startswith("settings.") else parts[2]
        output = json.loads(execution["output"]) if execution.get("output") else {}
        return Run(
            arn=arn,
            shop=parts[1] or str(by_hand.get("shop", "")),
            kind=kind or str(by_hand.get("action", "")),
            key=key,
            status=execution["status"],
            started=execution["startDate"],
            ended=execution.get("stopDate"),
            reason=reason_of(execution.get("error", ""), execution.get("cause", "")),
            output=output if isinstance(output, dict) else {},
            batch=str(by_hand.get("batch") or ""),
        )

    def start(self, shop: str, action: str, name: str = "", **more: object) -> Run:
        """Start a run by hand; `more` is the rest of its input. With a `name`, the second request starts nothing."""
        given = json.dumps({"action": action, "shop": shop, **more})
        named: Any = {"name": name} if name else {}
        try:
            started = self.client.start_execution(stateMachineArn=self.machine, input=given, **named)
        except self.client.exceptions.ExecutionAlreadyExists:
            return self.named(name)
        return self.describe(started["executionArn"])

    def start_batch(self, shop: str, name: str, items: Sequence[str] = ()) -> Run:
        """Start one of the shop's batch jobs by hand; `items` are those of the job `customers`."""
        given = json.dumps({"action": "batch", "shop": shop, "batch": name, "items": list(items)})
        return self.describe(self.client.start_execution(stateMachineArn=self.batches, input=given)["executionArn"])

    def started_by(self, key: str, before: set[str]) -> Run:
        """Return the run that handles the upload of `key`; `before` are the executions that existed already."""
        return self.handling(self._started_by(key, before))

    def _started_by(self, key: str, before: set[str]) -> Run:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for arn in self.arns():
                if arn not in before and (run := self.describe(arn)).key == key:
                    return run
            time.sleep(POLL_SECONDS)
        raise LocalError(
            Text(
                "cloud.no-run",
                "the upload of {key} started no run within {seconds} s: see `python -m local logs cloud`",
                key=key,
                seconds=START_SECONDS,
            )
        )

    def claimed(self, key: str, before: set[str]) -> None:
        """Return once the upload of `key` is claimed: from then on each run of the shop that begins takes it in.

        Raises LocalError where it starts no run, or its run ends without a claim.
        """
        run = self._started_by(key, before)
        while not self.claim(run):
            # A run that has just ended may have claimed since the look.
            if run.status != "RUNNING" and run.output.get("outcome") != "alreadyHandled":
                raise LocalError(f"the run of {key} ended {run.status} without a claim: {run.reason or run.output}")
            time.sleep(CLAIM_POLL_SECONDS)
            run = self.describe(run.arn)

    def fitted(self, shop: str, run: str) -> str:
        """Wait until the fit of the purchase likelihood that a run started serves, or return why it does not.

        It serves some seconds before its execution ends, which goes on to ask a campaign for scores. A lost fit is made
        anew.
        """
        newest = self.client.list_executions(stateMachineArn=self.fits, maxResults=100)["executions"]
        for arn in (fit["executionArn"] for fit in newest):
            if json.loads(self.client.describe_execution(executionArn=arn)["input"]).get("run") == run:
                if self._why_not_fitted(shop, run, arn) == "":
                    return ""
                break
        given = json.dumps({"shop": shop, "run": run})
        anew = self.client.start_execution(stateMachineArn=self.fits, input=given)["executionArn"]
        return self._why_not_fitted(shop, run, anew)

    def _why_not_fitted(self, shop: str, run: str, arn: str) -> str:
        while (fit := self.client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if self.record(shop, "likelihood").get("run") == run:
                return ""
            time.sleep(POLL_SECONDS)
        if fit["status"] != "SUCCEEDED":
            return reason_of(fit.get("error", ""), fit.get("cause", "")) or fit["status"]
        output = json.loads(fit.get("output") or "{}")
        return "" if output.get("outcome") == "fitted" else f"{output.get('outcome')}: {output.get('reason')}"

    def handling(self, run: Run) -> Run:
        """Return the run that handles what started `run`: itself, or the one that takes its claim."""
        while True:
            run = self.describe(run.arn)
            claim = self.claim(run)
            if claim.get("run"):
                return self.describe(f"{run.arn.rpartition(':')[0]}:{claim['run']}")
            if run.status != "RUNNING" and run.output.get("outcome") != "queued":
                return run
            time.sleep(POLL_SECONDS)

    def begun(self, run: Run) -> Run:
        """Return a run that was started by hand once it leads its shop, or has ended without leading it."""
        while run.status == "RUNNING" and self.lease(run.shop).get("owner") != run.name:
            time.sleep(POLL_SECONDS)
            run = self.describe(run.arn)
        return run

    def named(self, name: str) -> Run:
        return self.describe(f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}")

    def claim(self, run: Run) -> dict[str, Any]:
        """Return the claim of the upload that started `run`; {} where there is none."""
        claims = self.claims(run.shop) if run.shop else []
        return next((claim for claim in claims if claim["claimedBy"] == run.name), {})

    def claims(self, shop: str) -> list[dict[str, Any]]:
        """Return the records of a shop's drops and of its trainings that were asked for."""
        drops = Key("shop").eq(shop) & Key("record").begins_with("drop#")
        query: dict[str, Any] = {"KeyConditionExpression": drops, "ConsistentRead": True}
        claims: list[dict[str, Any]] = []
        while True:
            page = self.table.query(**query)
            claims += map(dict, page["Items"])
            if "LastEvaluatedKey" not in page:
                return claims
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def lease(self, shop: str) -> dict[str, Any]:
        """Return the record of the run that leads a shop; {} where there is none."""
        return self.record(shop, "lease")

    def record(self, shop: str, name: str) -> dict[str, Any]:
        """Return a record of the shop's table; {} where there is none."""
        return dict(self.table.get_item(Key={"shop": shop, "record": name}, ConsistentRead=True).get("Item", {}))

    def follow(self, arn: str) -> Iterator[Moment]:
        """Yield what happens in a run until its end; PENDING and IN_PROGRESS are one status."""
        shown: dict[str, str] = {}
        under_way: set[str] = set()
        last = defaultdict[str, list[str]](list)
        started: datetime = self.client.describe_execution(executionArn=arn)["startDate"]
        seen_arns: set[str] = set()
        for execution_arn, event in as_they_come(self.client, arn, lambda: self.waits_of(arn, started, seen_arns)):
            for what, status in (
                happenings(event, under_way) if execution_arn == arn else statuses(event, last[execution_arn])
            ):
                phase = "at work" if status.endswith(("PENDING", "IN_PROGRESS")) else status
                if shown.get(what) != phase:
                    shown[what] = phase
                    yield Moment((event["timestamp"] - started).total_seconds(), what, status)

    def waits_of(self, arn: str, started: datetime, seen_arns: set[str]) -> Iterator[str]:
        """Yield the executions that a run waits for, each once; `seen_arns` collects those that were looked at."""
        page = self.client.list_executions(stateMachineArn=self.waiting, maxResults=100)["executions"]
        for execution in page:
            if execution["startDate"] < started or execution["executionArn"] in seen_arns:
                continue
            seen_arns.add(execution["executionArn"])
            with suppress(self.client.exceptions.ExecutionDoesNotExist):
                given = json.loads(self.client.describe_execution(executionArn=execution["executionArn"])["input"])
                if given.get(STARTED_BY) == arn:
                    yield execution["executionArn"]


def as_they_come(
    client: "SFNClient", arn: str, others: Callable[[], Iterable[str]] = tuple
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (ARN, event) pairs of an execution, and of `others` as they appear, until the first has ended."""
    seen, pause = {arn: 0}, POLL_SECONDS
    while True:
        ended = client.describe_execution(executionArn=arn)["status"] != "RUNNING"
        seen |= dict.fromkeys(others(), 0)
        fresh = [
            (execution_arn, event)
            for execution_arn, last in seen.items()
            for event in events(client, execution_arn, last)
        ]
        for execution_arn, event in sorted(fresh, key=lambda pair: pair[1]["timestamp"]):
            seen[execution_arn] = event["id"]
            if execution_arn != arn and event["type"] in ENDS:
                del seen[execution_arn]
            yield execution_arn, event
        if ended:
            return
        pause = POLL_SECONDS if fresh else min(pause * 1.5, IDLE_POLL_SECONDS)
        time.sleep(pause)


def events(client: "SFNClient", arn: str, seen: int = 0) -> list[dict[str, Any]]:
    """Return the events of an execution with an id above `seen`, oldest first."""
    fresh: list[dict[str, Any]] = []
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=arn, reverseOrder=True, PaginationConfig={"PageSize": EVENTS_A_LOOK if seen else EVENTS_AT_FIRST}
    )
    for page in pages:
        fresh += [{**event} for event in page["events"] if event["id"] > seen]
        if page["events"] and page["events"][-1]["id"] <= seen:
            break
    return fresh[::-1]


def happenings(event: dict[str, Any], under_way: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (what, status) pairs of an execution's event; `under_way` keeps the steps that have not ended.

    A step whose error is caught leaves with that error as its output; one whose error is not caught never leaves.
    """
    entered, exited = event.get("stateEnteredEventDetails"), event.get("stateExitedEventDetails")
    if entered and event["type"] in {"TaskStateEntered", "MapStateEntered"}:
        under_way.add(entered["name"])
        yield entered["name"], ""
    if exited and exited["name"] in under_way:
        under_way.discard(exited["name"])
        output = json.loads(exited.get("output") or "null")
        if isinstance(output, dict) and set(output) == {"Error", "Cause"}:
            yield exited["name"], FAILED
    if event["type"] in {"ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}:
        yield from ((name, FAILED) for name in sorted(under_way))


def statuses(event: dict[str, Any], last: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (resource, status) pairs from an event of an execution that waits; `last` keeps the resource."""
    succeeded = event.get("taskSucceededEventDetails") or {}
    answer = json.loads(succeeded.get("output") or "{}").get("Payload") or {}
    if "arn" in answer and "status" in answer:
        last[:] = [label(answer["arn"], answer.get("name", ""))]
        yield last[0], answer["status"]
    if event["type"] in {"ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}:
        yield from ((what, FAILED) for what in last)


def label(arn: str, name: str) -> str:
    """Return the name of a resource; a solution version, which is named by its run, goes by its solution."""
    kind, *names = arn.rpartition(":")[2].split("/")
    if kind == "solution" and len(names) > 1:
        return f"solution version {names[0]}"
    return f"{kind.replace('-', ' ')} {name}".strip()


def key_of(event: Any) -> str:  # noqa: ANN401 - anybody may start an execution, with any JSON
    """Return the object key in an execution's input; "" where it is not an S3 event."""
    try:
        return str(event["detail"]["object"]["key"])
    except (KeyError, TypeError):
        return ""


def reason_of(error: str, cause: str) -> str:
    """Return why an execution failed, in one line: the message of a function's error, where there is one."""
    with suppress(ValueError, KeyError, TypeError):
        cause = json.loads(cause)["errorMessage"]
    return ": ".join(part for part in (error, cause) if part)
