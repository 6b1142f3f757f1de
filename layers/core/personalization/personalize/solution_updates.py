# SPDX-License-Identifier: Apache-2.0
"""Decide whether a solution needs an update: weights of event types, and incremental updates, can change in it.

A solution version keeps those that it was trained with.
"""

from collections.abc import Mapping
from typing import Any

from personalization.core.errors import RetryLater
from personalization.core.status import Progress, progress

INCREMENTAL = "performIncrementalUpdate"


def decide(arn: str, solution: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of UpdateSolution that lead a solution (`arn`), as described, to those of the settings.

    None are needed where the solution has them, or where the latest update that has not failed brings them. What the
    settings leave open stays.

    Raises:
        RetryLater: Personalize is working on another change, or still makes the solution.
    """
    update: Mapping[str, Any] = solution.get("latestSolutionUpdate") or {}
    moving = bool(update) and progress(update["status"]) is Progress.UNDER_WAY
    latest = update if update and progress(update["status"]) is not Progress.FAILED else {}
    changes: dict[str, Any] = {}
    wanted = members.get("solutionConfig", {}).get("eventsConfig")
    current = latest.get("solutionUpdateConfig", {}).get("eventsConfig") or _events(solution)
    if wanted and _weights(current) != _weights(wanted):
        changes["solutionUpdateConfig"] = {"eventsConfig": wanted}
    incremental = {**solution, **latest}.get(INCREMENTAL) or False
    if INCREMENTAL in members and incremental != members[INCREMENTAL]:
        changes[INCREMENTAL] = members[INCREMENTAL]
    if changes and (moving or progress(solution["status"]) is Progress.UNDER_WAY):
        raise RetryLater(arn, "Personalize is at work on another change of this solution")
    return changes


def progress_of(solution: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a solution with the status of its latest update, if that is not over: the solution's own stays ACTIVE."""
    update: Mapping[str, Any] = solution.get("latestSolutionUpdate") or {}
    if not update or progress(update["status"]) is Progress.READY or progress(solution["status"]) is not Progress.READY:
        return solution
    return {**solution, "status": update["status"], "failureReason": update.get("failureReason") or ""}


def trained_on(version: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what decides on the events that train a solution version, as Personalize describes it."""
    config = version.get("solutionConfig") or {}
    return _weights(_events(version)), version.get("eventType"), config.get("eventValueThreshold")


def _events(solution: Mapping[str, Any]) -> Mapping[str, Any] | None:
    config: Mapping[str, Any] | None = (solution.get("solutionConfig") or {}).get("eventsConfig")
    return config


def _weights(config: Mapping[str, Any] | None) -> dict[str, tuple[float, float | None]]:
    """Return weight and threshold by event type; a missing weight counts as 1."""
    events = (config or {}).get("eventParametersList", ())
    return {event["eventType"]: (event.get("weight", 1.0), event.get("eventValueThreshold")) for event in events}
