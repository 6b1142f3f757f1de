# SPDX-License-Identifier: Apache-2.0
"""``python -m local teardown SHOP``: the state machine that removes a shop, started and followed."""

import json
import re
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

import boto3
from table_intake.wording import counted

from local.cloud.environments import LocalError
from local.cloud.home import Home, State, access, require
from local.cloud.runs import as_they_come, reason_of
from local.terminal.output import Terminal


def main(options: Namespace, terminal: Terminal) -> None:
    """Show what a shop has, and remove it unless this is a dry run."""
    state = require(Home(options.run_dir))
    plan = run(state, options, terminal, dry_run=True)
    has = plan["has"]
    if not any(has[part] for part in ("resources", "records", "schedules")) and not options.objects:
        raise LocalError(f"there is no shop {options.shop}: nothing to remove")
    if not terminal.as_json:
        show(has, terminal)
    if options.dry_run:
        return terminal.result(plan, lambda: None)
    ask = f"Remove {options.shop} and all of this? Type its name: "
    if not options.yes and not (sys.stdin.isatty() and input(ask).strip() == options.shop):
        raise LocalError("nothing was removed: type the shop's name, or give --yes")
    done = run(state, options, terminal, dry_run=False)
    schemas = f", schemas kept: {len(done['schemas']['kept'])}" if done["schemas"]["kept"] else ""
    text = f"{options.shop} is gone: {counted(len(has['resources']), 'resource')}{schemas}"
    return terminal.result(done, lambda: terminal.line(text))


def run(state: State, options: Namespace, terminal: Terminal, *, dry_run: bool) -> dict[str, Any]:
    """Follow one execution to its end, and return its output."""
    client = boto3.client("stepfunctions", **access(state))
    task = json.dumps({"shop": options.shop, "dryRun": dry_run, "objects": options.objects})
    arn = client.start_execution(stateMachineArn=state.outputs["TeardownStateMachineArn"], input=task)["executionArn"]
    shown: set[str] = set()
    for _, event in as_they_come(client, arn):
        line = news(event)
        if line and line not in shown:
            shown.add(line)
            terminal.note(line)
    execution = client.describe_execution(executionArn=arn)
    if execution["status"] != "SUCCEEDED":
        raise LocalError(reason_of(execution.get("error", ""), execution.get("cause", "")) or str(execution["status"]))
    output: dict[str, Any] = json.loads(execution["output"])
    return output


def news(event: Mapping[str, Any]) -> str:
    """Return an event's news for the operator: the step that begins, or what it waits for; "" for none."""
    if event["type"] == "TaskStateEntered":
        return str(event["stateEnteredEventDetails"]["name"])
    left = event.get("stateExitedEventDetails") or {}
    if left.get("name") == "Remove what nothing needs any more":
        waiting = json.loads(left.get("output") or "{}").get("waitingFor")
        return f"going: {', '.join(waiting)}" if waiting else ""
    return ""


def show(has: dict[str, Any], terminal: Terminal) -> None:
    rows = []
    for piece in has["resources"]:
        month = piece.get("monthDollars")
        bills = f"${month:,.0f} a month, {piece['bills']}" if month else piece["bills"]
        kind = re.sub("[A-Z]", lambda letter: f" {letter[0].lower()}", piece["kind"])
        rows.append((kind, piece["name"], piece["status"], bills))
    shared = "nothing; kept where another shop has it"
    rows += [("schema", arn.rpartition("/")[2], "", shared) for arn in has["schemas"]]
    rows += [("record", record, "", "nothing") for record in has["records"]]
    rows += [("schedule", name, "", "each training or batch job that it starts") for name in has["schedules"]]
    terminal.table(("kind", "name", "status", "bills"), rows)
    if saved := sum(resource.get("monthDollars") or 0 for resource in has["resources"]):
        prices = f"prices of {has['pricesAsOf']}, at one request a second"
        terminal.line(f"saves about ${saved:,.0f} a month at least ({prices}; AWS's own list decides)")
