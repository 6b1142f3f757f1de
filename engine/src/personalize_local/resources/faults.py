# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: rules that make chosen requests and jobs fail, reproducibly for the same seed.

Rules belong to one process: a restarted engine has none. `docs/testing.md` shows their use.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from personalize_local.resources.rules import Rule, Rules, names_in
from personalize_local.wire.errors import ServiceError
from personalize_local.wire.protocol import Json

JOB_ACTIONS: Final = frozenset({"createFailed", "neverEnd"})
"""Faults of jobs, which go on after their request was answered."""


_ERRORS: Final[dict[str, tuple[str, int, str]]] = {
    "throttle": ("ThrottlingException", 400, "Rate exceeded"),
    "limitExceeded": ("LimitExceededException", 400, "More than 5 resources with PENDING or IN_PROGRESS status."),
    "internalFailure": ("InternalFailure", 500, "An internal failure, on demand."),
    "serviceUnavailable": ("ServiceUnavailable", 503, "The service is unavailable, on demand."),
    "resourceInUse": ("ResourceInUseException", 400, "The resource is in use, on demand."),
    "resourceAlreadyExists": ("ResourceAlreadyExistsException", 400, "Another resource with this name exists."),
    "resourceNotFound": ("ResourceNotFoundException", 400, "Resource Arn does not exist."),
    "invalidInput": ("InvalidInputException", 400, "The input is invalid, on demand."),
}
"""Code, HTTP status and default message of each error."""
REQUEST_ACTIONS: Final = frozenset(_ERRORS) | {"hang", "dropConnection"}
"""Faults of requests."""
ACTIONS: Final = REQUEST_ACTIONS | JOB_ACTIONS


class DropConnection(Exception):
    """The connection ends without an answer."""


class FailedOnDemand(Exception):
    """A job ends in CREATE FAILED, or FAILED; the text is its failureReason."""


class Faults(Rules):
    """The rules of one engine."""

    def __init__(self) -> None:
        super().__init__(ACTIONS)
        self._changed = asyncio.Event()
        self.held: set[asyncio.Task[None]] = set()
        """Jobs that a rule holds."""
        self.holds = asyncio.Event()
        """Set when a rule begins to hold a job."""

    def remove(self, number: int | None = None) -> None:
        """Remove one rule, or all; a job that a removed rule held goes on. Raises ValueError for an unknown one."""
        super().remove(number)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def request(self, operation: str, request: Json) -> Rule | None:
        """Return the rule that makes this request fail, if there is one."""
        return self.first(REQUEST_ACTIONS, operation, names_in(request))

    async def job(self, operation: str, names: Iterable[str]) -> None:
        """Apply the rule for a job, if there is one: wait until the rule is removed, or raise FailedOnDemand."""
        rule = self.first(JOB_ACTIONS, operation, names)
        if rule and rule.action == "neverEnd":
            await self._hold(rule)
        if rule and rule.action == "createFailed":
            raise FailedOnDemand(rule.reason or "Failed on demand.")

    async def _hold(self, rule: Rule) -> None:
        """Wait until a rule is removed."""
        job = asyncio.current_task()
        assert job is not None  # noqa: S101 - a coroutine runs in one
        self.held.add(job)
        self.holds.set()
        try:
            while rule in self.rules:
                await self._changed.wait()
        finally:
            self.held.discard(job)


def strike(rule: Rule) -> None:
    """Raise the ServiceError or DropConnection of a rule; for a hang, the server waits."""
    if rule.action == "dropConnection":
        raise DropConnection
    if rule.action in _ERRORS:
        code, status, message = _ERRORS[rule.action]
        error = ServiceError(rule.reason or message)
        error.code, error.status = code, status
        raise error
