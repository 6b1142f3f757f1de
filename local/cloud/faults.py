# SPDX-License-Identifier: Apache-2.0
"""A client of the doors `/faults` and `/clock`, for tests: see "Faults on demand" in docs/local.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3

Rule = dict[str, Any]
"""A rule as JSON: `action`, and what `personalize_local.resources.rules.Rule` names."""
SECONDS = 30.0
"""The time limit of a door's answer."""


class FaultDoor:
    """The doors of a cloud that was started with `--faults`.

    Args:
        url: the engine's address (`engine` in `status --json`), or that of the local AWS (`endpoint`) and `/_local`.
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
        found: list[Rule] = self._ask("GET", "/faults")["rules"]
        return found

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

    def advance(self, seconds: float, resource: str | None = None) -> float:
        """Move the clock forward, of the local AWS for executions about `resource` only; return the time."""
        given = {"advanceSeconds": seconds} | ({"resource": resource} if resource else {})
        return float(self._ask("POST", "/clock", given)["now"])

    def scale_waits(self, factor: float) -> float:
        """Let a second of the local machines' waits and pauses take `factor` of one; return the factor before."""
        before = float(self._ask("GET", "/clock")["waitScale"])
        self._ask("POST", "/clock", {"waitScale": factor})
        return before

    def _ask(self, method: str, path: str, document: object = None) -> dict[str, Any]:
        answer = urllib3.request(method, self._url + path, json=document, retries=False, timeout=SECONDS)
        found: dict[str, Any] = answer.json()
        if answer.status >= 400:
            raise ValueError(found["message"])
        return found
