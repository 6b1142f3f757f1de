# SPDX-License-Identifier: Apache-2.0
"""Commands that start what usually starts by itself: a training, a run for waiting drops, and the sweep."""

import json
from argparse import Namespace
from typing import Any

import boto3

from local.cli.commands import client, followed, watch
from local.cloud import by_hand
from local.cloud.client import Client
from local.cloud.environments import LocalError
from local.cloud.home import access
from local.cloud.runs import Run
from local.terminal.output import Terminal, run_json


def retrain(options: Namespace, terminal: Terminal) -> int:
    """Train a shop's recipes on the data that it has; during a run, the next one does."""
    cloud = client(options)
    run = by_hand.retrain(cloud, options.shop, options.recipe, update=options.update)
    return _told(cloud, cloud.runs.begun(run), options, terminal)


def resume(options: Namespace, terminal: Terminal) -> int:
    """Handle the drops that wait, and those of a failed run."""
    cloud = client(options)
    run = by_hand.resume(cloud, options.shop, options.run or "")
    return _told(cloud, cloud.runs.begun(run), options, terminal)


def sweep(options: Namespace, terminal: Terminal) -> int:
    """Claim files whose event never came, and start a run for each shop with drops that none is going to handle."""
    cloud = client(options)
    body: dict[str, Any] = {} if options.minutes is None else {"minutes": options.minutes}
    body |= {"shop": options.shop} if options.shop else {}
    functions = boto3.client("lambda", **access(cloud.state))
    called = functions.invoke(FunctionName=cloud.state.outputs["SweepFunctionName"], Payload=json.dumps(body).encode())
    answer = json.loads(called["Payload"].read())
    if "FunctionError" in called:
        raise LocalError(f"the sweep failed: {answer.get('errorMessage') or answer}")
    runs = [cloud.runs.named(note.rpartition(" ")[2]) for note in answer["started"]]
    if not terminal.as_json:
        for what in ("claimed", "refused"):
            for key in answer[what]:
                terminal.note(f"{what} {key}")
        if not runs:
            terminal.note("no shop needs a run")
    ended = [watch(cloud, run, terminal) for run in runs] if options.watch else runs
    terminal.result(
        {**answer, "runs": [run_json(run) for run in ended]}, lambda: None if options.watch else terminal.runs(ended)
    )
    return int(any(run.status not in {"SUCCEEDED", "RUNNING"} for run in ended))


def _told(cloud: Client, run: Run, options: Namespace, terminal: Terminal) -> int:
    """Say what became of a request, or follow the run that handles it to its end."""
    leader = str(run.output.get("by") or "") if run.output.get("outcome") == "queued" else ""
    if leader and not terminal.as_json:
        terminal.note(f"run {leader} is at work on {options.shop}; the run after it does this")
    if options.watch:
        if leader:
            # A retraining has a claim, which the next run takes; what waits is the business of the run at work.
            run = cloud.runs.handling(run) if options.command == "retrain" else cloud.runs.named(leader)
        return followed(cloud, run, terminal)
    terminal.result(run_json(run), lambda: terminal.runs([run]))
    if run.status == "RUNNING" and not terminal.as_json:
        terminal.note(f"follow it: python -m local runs {options.shop} --watch")
    return int(run.status not in {"RUNNING", "SUCCEEDED"})
