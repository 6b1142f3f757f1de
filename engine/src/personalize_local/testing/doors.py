# SPDX-License-Identifier: Apache-2.0
"""Clients of the doors `/faults` and `/clock` of an engine that was started with `--faults`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import urllib3

Rule = dict[str, Any]
"""A rule as JSON: `action`, and what `personalize_local.resources.rules.Rule` names."""
SECONDS = 30.0
"""The time limit of a door's answer."""


class FaultDoor:
    """Makes calls and jobs go wrong, and moves the clock.

    Args:
        url: the engine's address.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def add(self, action: str, operation: str = "*", resource: str = "*", **more: object) -> Rule:
        """Make something go wrong from now on; return the rule with its `id`. Raises ValueError for a bad rule."""
        rule = {"action": action, "operation": operation, "resource": resource, **more}
        rules: list[Rule] = self._ask("POST", "/faults", rule)["rules"]
        return rules[0]

    def rules(self) -> list[Rule]:
        """Return all rules, with how many requests or jobs each one `matched` and on how many it `fired`."""
        rules: list[Rule] = self._ask("GET", "/faults")["rules"]
        return rules

    def clear(self, number: int | None = None) -> None:
        """Forget all rules, or the one with this id; jobs that they held go on."""
        self._ask("DELETE", "/faults" if number is None else f"/faults/{number}")

    @contextmanager
    def during(self, action: str, operation: str = "*", resource: str = "*", **more: object) -> Iterator[Rule]:
        rule = self.add(action, operation, resource, **more)
        try:
            yield rule
        finally:
            self.clear(rule["id"])

    def now(self) -> float:
        """Return the time behind the door in Unix epoch seconds."""
        return float(self._ask("GET", "/clock")["now"])

    def advance(self, seconds: float) -> float:
        """Move the clock forward; return the time. Raises ValueError for a time that is past."""
        return float(self._ask("POST", "/clock", {"advanceSeconds": seconds})["now"])

    def _ask(self, method: str, path: str, document: object = None) -> dict[str, Any]:
        answer = urllib3.request(method, self._url + path, json=document, retries=False, timeout=SECONDS)
        reply: dict[str, Any] = answer.json()
        if answer.status >= 400:
            raise ValueError(reply["message"])
        return reply


class Clock:
    """An engine's clock: it runs with the machine's, ahead of it by what it was moved."""

    def __init__(self, door: FaultDoor) -> None:
        self._door = door

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._door.now(), UTC)

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
        """Move forward; return the time. Raises ValueError for a time that is past.

        What is due by then has begun when this returns; where jobs are done at once, it is done.
        """
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return datetime.fromtimestamp(self._door.advance(step.total_seconds()), UTC)
