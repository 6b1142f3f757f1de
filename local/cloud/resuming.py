# SPDX-License-Identifier: Apache-2.0
"""What `up` does about the session before: check what was saved, and have unfinished drops handled."""

import json
import time
from typing import Any

import boto3
import urllib3
from table_intake.wording import Text

from local.cloud import saved
from local.cloud.aws import SAVED
from local.cloud.environments import LocalError, Step
from local.cloud.home import Home, State, access

SAVE_SECONDS = 120.0
REPEATED = {"drop", "continue", "retrain"}
"""Actions of runs that the sweep starts again."""


def check(home: Home) -> list[str]:
    """Check that the next session can go on with what the last one saved; return notes about what is damaged.

    Raises:
        UnreadableError: it cannot.
    """
    left = saved.read(home.saved)
    if left.empty and (home.data / "deployed").exists():
        raise saved.UnreadableError(home.saved, "there is none, though a stack was deployed here")
    return [f"{saved.put_aside(path)}: {what}" for path, what in left.damage.items()]


def save(state: State) -> None:
    """Have the local AWS save its state now."""
    if reason := str(_ask("POST", state)["failure"]):
        raise LocalError(f"the local AWS cannot save its state: {reason}")


def failure(state: State) -> str:
    """Return why the local AWS could not save its state the last time; "" where it could, or does not say."""
    try:
        return str(_ask("GET", state)["failure"])
    except LocalError:
        return ""


def resume(state: State, step: Step) -> list[str]:
    """Take up what earlier sessions left unfinished; return notes for the operator."""
    left = _ask("GET", state)["left"]
    stopped: list[dict[str, Any]] = left["stopped"]
    if not left["killed"] and not stopped:
        return []
    runs = [execution for execution in stopped if execution["stateMachineArn"] == state.outputs["StateMachineArn"]]
    with step(Text("cloud.unhandled", "looking for unhandled drops")):
        failures = sweep(state, runs)
    # If this `up` is killed, or the sweep fails, the next one does the same again.
    if not failures:
        _ask("DELETE", state)
    notes = []
    if left["killed"]:
        since = time.strftime("%H:%M:%S", time.localtime(left["since"])) if left["since"] else "its start"
        notes.append(
            f"the last session was killed, not stopped by `down`: logs and histories of runs since {since} may be"
            " missing; files, tables, queued events and the engine's data are complete"
        )
    actions = {execution["name"]: json.loads(execution["input"]).get("action", "drop") for execution in runs}
    again = [name for name, action in actions.items() if action in REPEATED]
    by_hand = [f"{name} ({action})" for name, action in actions.items() if action not in REPEATED]
    by_hand += [f"{execution['name']} (teardown)" for execution in stopped if "eardown" in execution["stateMachineArn"]]
    if again:
        notes.append(f"stopped with the last session; their drops are handled again: {', '.join(again)}")
    if by_hand:
        notes.append(f"stopped with the last session; start them again: {', '.join(by_hand)}")
    return notes + failures


def sweep(state: State, stopped: list[dict[str, Any]]) -> list[str]:
    """Send stopped runs to the sweep as EventBridge would, for files of any age; return its failures."""
    functions = boto3.client("lambda", **access(state))
    events: list[dict[str, Any]] = [{"source": "aws.states", "detail": execution} for execution in stopped] or [{}]
    # One call suffices: the sweep looks at the files and the runs of all shops.
    events[-1]["minutes"] = 0
    for event in events:
        answer = functions.invoke(FunctionName=state.outputs["SweepFunctionName"], Payload=json.dumps(event))
        if "FunctionError" in answer:
            error = json.loads(answer["Payload"].read())
            return [f"the sweep failed and is tried again within 15 minutes: {error.get('errorMessage', error)}"]
    return []


def _ask(method: str, state: State) -> dict[str, Any]:
    try:
        answer = urllib3.request(method, f"{state.endpoint}{SAVED}", retries=False, timeout=SAVE_SECONDS)
        document: dict[str, Any] = answer.json()
    except (urllib3.exceptions.HTTPError, ValueError):
        raise LocalError(
            "the local AWS does not say whether its state is saved: run `python -m local down`, then `up`"
        ) from None
    return document
