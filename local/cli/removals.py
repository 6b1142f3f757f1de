# SPDX-License-Identifier: Apache-2.0
"""``python -m local teardown SHOP``: the state machine that removes a shop, started and followed."""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

import boto3

from local.cloud.environments import LocalError
from local.cloud.home import State, access
from local.cloud.runs import POLL_SECONDS, reason_of
from local.terminal.output import Terminal

KINDS = {"metricAttribution": "metric attribution", "eventTracker": "event tracker", "datasetGroup": "dataset group"}
"""Kinds whose names in the machine's answer are not words."""


class Removals:
    """The executions of the machine that removes shops."""

    def __init__(self, state: State) -> None:
        self.machine = state.outputs["TeardownStateMachineArn"]
        self.client = boto3.client("stepfunctions", **access(state))

    def start(self, shop: str, *, dry_run: bool, objects: bool) -> str:
        """Start a removal, and return its execution's ARN."""
        asked = json.dumps({"shop": shop, "dryRun": dry_run, "objects": objects})
        return str(self.client.start_execution(stateMachineArn=self.machine, input=asked)["executionArn"])

    def follow(self, arn: str) -> Iterator[str]:
        """What the machine does, as it does it: the names of its steps, and what it waits for."""
        shown: list[str] = []
        seen = 0
        while True:
            ended = self.client.describe_execution(executionArn=arn)["status"] != "RUNNING"
            pages = self.client.get_paginator("get_execution_history").paginate(executionArn=arn)
            for event in (event for page in pages for event in page["events"] if event["id"] > seen):
                seen = event["id"]
                for line in told(event):
                    if line not in shown:
                        shown.append(line)
                        yield line
            if ended:
                return
            time.sleep(POLL_SECONDS)

    def result(self, arn: str) -> dict[str, Any]:
        """The output of a removal that has ended.

        Raises:
            LocalError: it failed; the message is its reason.
        """
        found = self.client.describe_execution(executionArn=arn)
        if found["status"] != "SUCCEEDED":
            raise LocalError(reason_of(found.get("error", ""), found.get("cause", "")) or str(found["status"]))
        output: dict[str, Any] = json.loads(found["output"])
        return output


def told(event: Mapping[str, Any]) -> Iterator[str]:
    """What an event of an execution tells the operator."""
    entered = event.get("stateEnteredEventDetails")
    if entered and event["type"] == "TaskStateEntered":
        yield str(entered["name"])
    left = event.get("stateExitedEventDetails") or {}
    if left.get("name") == "Remove what nothing needs any more":
        waiting = json.loads(left.get("output") or "{}").get("waitingFor")
        yield from [f"going: {', '.join(waiting)}"] if waiting else []


def remove(removals: Removals, options: Namespace, terminal: Terminal) -> int:
    """Show what a shop has, and remove it unless this is a dry run.

    Raises:
        LocalError: there is no such shop, the operator did not agree, or the machine failed.
    """
    plan = run(removals, options, terminal, dry_run=True)
    has = plan["has"]
    if not any(has[part] for part in ("resources", "records", "schedules")) and not options.objects:
        raise LocalError(f"there is no shop {options.shop}: nothing to remove")
    if not terminal.as_json:
        show(has, terminal)
    if options.dry_run:
        if terminal.as_json:
            terminal.json(plan)
        return 0
    if not options.yes and not agreed(options.shop):
        raise LocalError("nothing was removed: answer with the shop's name, or give --yes")
    done = run(removals, options, terminal, dry_run=False)
    if terminal.as_json:
        terminal.json(done)
    else:
        kept = f", schemas kept: {len(done['schemas']['kept'])}" if done["schemas"]["kept"] else ""
        terminal.line(f"{options.shop} is gone: {len(has['resources'])} resources{kept}")
    return 0


def run(removals: Removals, options: Namespace, terminal: Terminal, *, dry_run: bool) -> dict[str, Any]:
    """One execution, followed to its end."""
    arn = removals.start(options.shop, dry_run=dry_run, objects=options.objects)
    for line in removals.follow(arn):
        terminal.note(line)
    return removals.result(arn)


def agreed(shop: str) -> bool:
    """Whether the operator types the shop's name; without a terminal nobody can."""
    if not sys.stdin.isatty():
        return False
    return input(f"Remove {shop} and all of this? Type its name: ").strip() == shop


def bills(piece: Mapping[str, Any]) -> str:
    """What a piece costs, in dollars where they are known."""
    month = piece.get("monthDollars")
    return f"${month:,.0f} a month, {piece['bills']}" if month else str(piece["bills"])


def show(has: dict[str, Any], terminal: Terminal) -> None:
    """What would go, in its order, with what each piece bills."""
    pieces = has["resources"]
    rows = [(KINDS.get(each["kind"], each["kind"]), each["name"], each["status"], bills(each)) for each in pieces]
    shared = "nothing; kept where another shop has it"
    rows += [("schema", arn.rpartition("/")[2], "", shared) for arn in has["schemas"]]
    rows += [("record", record, "", "nothing") for record in has["records"]]
    rows += [("schedule", name, "", "each training that it starts") for name in has["schedules"]]
    terminal.table(("kind", "name", "status", "bills"), rows)
    if saved := sum(each.get("monthDollars") or 0 for each in pieces):
        prices = f"prices of {has['pricesAsOf']}, at one request a second"
        terminal.line(f"saves about ${saved:,.0f} a month at least ({prices}; AWS's own list decides)")
