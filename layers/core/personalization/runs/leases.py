# SPDX-License-Identifier: Apache-2.0
"""Leases: one run, or one erasure of users, leads a shop at a time.

An erasure leads while a data deletion job is in progress. It has no execution to describe: its lease lasts for hours,
and each round of the eraser renews it. While a run leads, an erasure can reserve the lease.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from personalization.core.errors import RetryLater
from personalization.core.messages import Part
from personalization.runs.claims import Claim

RECORD = "lease"
"""The sort key of the lease in the table of shops."""
RUN_LEASE = timedelta(days=11)
"""Longer than an execution may run, so that the run of an expired lease has ended."""
BATCH = "batch#"
"""The prefix of batch jobs' sort keys while Personalize works on them: no users may be deleted meanwhile."""
ERASURE_LEASE = timedelta(hours=6)
"""How long an erasure's lease lasts without renewal; rounds are hourly."""
VISIBLE_AFTER = timedelta(minutes=5)
"""How long Step Functions may not show a new execution yet."""


class Lease(Part):
    """The run or erasure that leads a shop."""

    shop: str
    owner: str
    """The run, or the erasure."""
    execution_arn: str
    """The run's ARN; "" for an erasure."""
    since: datetime
    expires_at: datetime
    purpose: Literal["run", "erasure"] = "run"
    next: str = ""
    """The erasure that leads after this run."""


class Ledger(Protocol):
    """The table of shops. Each change is conditional and returns whether it was made."""

    def add(self, claim: Claim) -> Claim | None:
        """Record a new claim; return the existing one if there is one."""

    def claims(self, shop: str) -> Sequence[Claim]: ...

    def move(self, seen: Claim, after: Claim) -> bool:
        """Change a claim unless it has changed since it was read."""

    def lease(self, shop: str) -> Lease | None: ...

    def take(self, lease: Lease, over: Lease | None) -> bool:
        """Take a lease that is free or the owner's; `over` is the run's own former lease.

        A reserved turn stays until an erasure takes it.
        """

    def reserve(self, shop: str, erasure: str) -> bool:
        """Reserve for an erasure the turn after the current run."""

    def free(self, shop: str, owner: str) -> bool:
        """Release the owner's lease unless an erasure has reserved it."""

    def shops(self) -> Iterable[str]:
        """Return the shops with pending or taken claims."""

    def removed(self, shop: str) -> datetime | None:
        """Return when a shop was recently removed; its earlier drops are ignored."""


class Executions(Protocol):
    def alive(self, arn: str) -> bool | None:
        """Return whether an execution is still running; None if it is unknown."""

    def start(self, name: str, request: Mapping[str, object]) -> None:
        """Start an execution; do nothing if the name is in use."""


@dataclass(frozen=True, slots=True)
class Run:
    """The current run and the time."""

    name: str
    execution_arn: str
    now: datetime


def lead(ledger: Ledger, executions: Executions, run: Run, shop: str) -> str | None:
    """Take the shop's lease; return the other live run that holds it, if any.

    Raises:
        RetryLater: another run was faster.
    """
    ours = Lease(
        shop=shop, owner=run.name, execution_arn=run.execution_arn, since=run.now, expires_at=run.now + RUN_LEASE
    )
    return _taken(ledger, executions, ours, run.now)


def lead_to_erase(ledger: Ledger, executions: Executions, shop: str, erasure: str, now: datetime) -> bool:
    """Take or renew the shop's lease for an erasure; return False if another owner holds it."""
    try:
        return _taken(ledger, executions, _erasing(shop, erasure, now), now) is None
    except RetryLater:
        return False


def release_lease(ledger: Ledger, shop: str, owner: str, now: datetime) -> None:
    """Release a lease, or give it to the erasure that reserved it."""
    if ledger.free(shop, owner):
        return
    lease = ledger.lease(shop)
    if lease is not None and lease.owner == owner and lease.next:
        ledger.take(_erasing(shop, lease.next, now), lease)


def _erasing(shop: str, erasure: str, now: datetime) -> Lease:
    return Lease(
        shop=shop, owner=erasure, execution_arn="", since=now, expires_at=now + ERASURE_LEASE, purpose="erasure"
    )


def _taken(ledger: Ledger, executions: Executions, ours: Lease, now: datetime) -> str | None:
    if ledger.take(ours, None):
        return None
    holder = ledger.lease(ours.shop)
    if holder is not None and is_live(executions, holder, now):
        return holder.owner
    if not ledger.take(ours, holder):
        raise RetryLater(ours.shop, "another run took the lease at the same moment")
    return None


def is_live(executions: Executions, lease: Lease, now: datetime) -> bool:
    """Return whether the run or erasure that holds a lease may still be active."""
    if now >= lease.expires_at:
        return False
    if lease.purpose == "erasure":
        return True
    alive = executions.alive(lease.execution_arn)
    return now - lease.since < VISIBLE_AFTER if alive is None else alive
