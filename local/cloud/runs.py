# SPDX-License-Identifier: Apache-2.0
"""The runs of the state machine on a local cloud: listed, and followed while they happen."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import Key

from local.cloud.environments import LocalError
from local.cloud.home import State, access

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

POLL_SECONDS = 0.25
FAILED = "FAILED"
"""Status of a step that ended in an error, caught or not."""
START_SECONDS = 30
"""The time within which an uploaded object starts its run."""


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

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

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
        self.client = boto3.client("stepfunctions", **access(state))
        self.table = boto3.resource("dynamodb", **access(state)).Table(state.outputs["ShopsTableName"])

    def newest(self, shop: str, limit: int = 10) -> list[Run]:
        found: list[Run] = []
        for run in self.known():
            if run.shop == shop:
                found.append(run)
            if len(found) == limit:
                break
        return found

    def known(self) -> Iterator[Run]:
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
        found = self.client.describe_execution(executionArn=arn)
        given = json.loads(found["input"])
        key, (shop, action) = key_of(given), asked_by_hand(given)
        parts = [*key.split("/"), "", ""]
        kind = "settings" if parts[2].startswith("settings.") else parts[2]
        output = json.loads(found["output"]) if found.get("output") else {}
        return Run(
            arn=arn,
            shop=parts[1] or shop,
            kind=kind or action,
            key=key,
            status=found["status"],
            started=found["startDate"],
            ended=found.get("stopDate"),
            reason=reason_of(found.get("error", ""), found.get("cause", "")),
            output=output if isinstance(output, dict) else {},
        )

    def start(self, shop: str, action: str, **more: str) -> Run:
        """Start a run that no drop starts: `action` is what it does, and `more` what that takes."""
        given = json.dumps({"action": action, "shop": shop, **more})
        return self.describe(self.client.start_execution(stateMachineArn=self.machine, input=given)["executionArn"])

    def started_by(self, key: str, before: set[str]) -> Run:
        """Return the run that handles the upload of `key`; `before` are the executions that existed already.

        The upload starts an execution of its own, which may find that another one leads the shop.

        Raises:
            LocalError: none started.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for arn in self.arns():
                if arn not in before and (run := self.describe(arn)).key == key:
                    return self.handling(run)
            time.sleep(POLL_SECONDS)
        raise LocalError(
            f"the upload of {key} started no run within {START_SECONDS} s: see `python -m local logs cloud`"
        )

    def handling(self, run: Run) -> Run:
        """Return the run that handles what started `run`: itself, or the one that its claim names once it is taken."""
        while True:
            run = self.describe(run.arn)
            claim = self.claim(run)
            if claim.get("run"):
                return self.describe(f"{run.arn.rpartition(':')[0]}:{claim['run']}")
            if run.status != "RUNNING" and run.output.get("outcome") != "queued":
                return run
            time.sleep(POLL_SECONDS)

    def claim(self, run: Run) -> dict[str, Any]:
        """Return the claim in the table of shops whose upload started `run`; {} where there is none."""
        if not run.shop:
            return {}
        mine = Key("shop").eq(run.shop) & Key("record").begins_with("drop#")
        found = self.table.query(KeyConditionExpression=mine, ConsistentRead=True)["Items"]
        return next((dict(item) for item in found if item["claimedBy"] == run.name), {})

    def follow(self, arn: str) -> Iterator[Moment]:
        """Yield what happens in a run, from its start to its end, as it happens; PENDING and IN_PROGRESS are one."""
        shown: dict[str, str] = {}
        under_way: set[str] = set()
        quiet = self.polling_states()
        started: datetime = self.client.describe_execution(executionArn=arn)["startDate"]
        for event in as_they_come(self.client, arn):
            for what, status in happenings(event, under_way):
                phase = "at work" if status.endswith(("PENDING", "IN_PROGRESS")) else status
                if (what not in quiet or status == FAILED) and shown.get(what) != phase:
                    shown[what] = phase
                    yield Moment((event["timestamp"] - started).total_seconds(), what, status)

    def polling_states(self) -> set[str]:
        """Return the states that only look at a resource, of which `follow` yields the status instead."""
        machine = self.client.describe_state_machine(stateMachineArn=self.machine)
        states = json.loads(machine["definition"])["States"]
        return {name for name, state in states.items() if ":aws-sdk:personalize:describe" in state.get("Resource", "")}


def as_they_come(client: "SFNClient", arn: str) -> Iterator[dict[str, Any]]:
    """Yield the events of an execution as they come, until it has ended."""
    seen = 0
    while True:
        ended = client.describe_execution(executionArn=arn)["status"] != "RUNNING"
        for event in events(client, arn, seen):
            seen = event["id"]
            yield event
        if ended:
            return
        time.sleep(POLL_SECONDS)


def events(client: "SFNClient", arn: str, seen: int = 0) -> list[dict[str, Any]]:
    """Return the events of an execution with an id above `seen`, oldest first."""
    fresh: list[dict[str, Any]] = []
    pages = client.get_paginator("get_execution_history").paginate(executionArn=arn, reverseOrder=True)
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
    succeeded = event.get("taskSucceededEventDetails") or {}
    if "describe" in succeeded.get("resource", ""):
        for kind, described in json.loads(succeeded.get("output") or "{}").items():
            if isinstance(described, dict) and "Status" in described:
                latest = described.get("LatestCampaignUpdate") or described
                yield label(kind, described), latest["Status"]


def label(kind: str, described: dict[str, Any]) -> str:
    """Return the name of a described resource: ``solution version retail-shop-similar-items``."""
    words = re.sub(r"(?<!^)([A-Z])", r" \1", kind).lower()
    named = described.get("Name") or described.get("JobName")
    # A solution version is named by its run; its solution's name tells more.
    of_solution = str(described.get("SolutionArn", "/")).rpartition("/")[2] if kind == "SolutionVersion" else None
    return f"{words} {of_solution or named or ''}".strip()


def key_of(event: Any) -> str:  # noqa: ANN401 - somebody may have started the execution with any JSON
    """Return the object key in an execution's input; "" where it is not an S3 event."""
    try:
        return str(event["detail"]["object"]["key"])
    except (KeyError, TypeError):
        return ""


def asked_by_hand(given: Any) -> tuple[str, str]:  # noqa: ANN401 - somebody may have started it with any JSON
    """Return shop and action of an execution that no drop started; "" where its input names none."""
    names = given if isinstance(given, dict) else {}
    return str(names.get("shop", "")), str(names.get("action", ""))


def reason_of(error: str, cause: str) -> str:
    """Return why an execution failed, in one line: the message of a function's error, where there is one."""
    with suppress(ValueError, KeyError, TypeError):
        cause = json.loads(cause)["errorMessage"]
    return ": ".join(part for part in (error, cause) if part)
