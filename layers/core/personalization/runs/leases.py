# SPDX-License-Identifier: Apache-2.0
"""One run at a time leads a shop, or the erasure of its users: the lease, and who decides about it.

An erasure leads while a data deletion job is under way. It is no execution that can be asked for: its lease lasts for
hours, and each round of the eraser takes it anew. Behind a run that leads it can reserve the next turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from personalization.core.errors import RetryLater
from personalization.runs.claims import Claim
from personalization.shop.plan import Part

RECORD = "lease"
"""The sort key of the lease in the table of shops."""
LASTS = timedelta(days=11)
"""Longer than the state machine lets an execution run, so that the run of an expired lease is over."""
ERASING_LASTS = timedelta(hours=6)
"""How long an erasure leads without another round of the eraser; rounds are hourly."""
YOUNG = timedelta(minutes=5)
"""For so long an execution may not be visible yet to who asks for it."""


class Lease(Part):
    """Who leads a shop."""

    shop: str
    owner: str
    """The run, or the erasure."""
    execution_arn: str
    """The run's; "" for an erasure."""
    since: datetime
    expires_at: datetime
    purpose: Literal["run", "erasure"] = "run"
    next: str = ""
    """The erasure that leads after this run."""


class Ledger(Protocol):
    """The table of shops. Every change is conditional, and tells whether it was made."""

    def add(self, claim: Claim) -> Claim | None:
        """Record a new claim; return the one that is there already, if there is one, also under its former id."""

    def claims(self, shop: str) -> Sequence[Claim]:
        """The claims of a shop as they are now."""

    def move(self, seen: Claim, after: Claim) -> bool:
        """Change a claim that still is as it was seen."""

    def lease(self, shop: str) -> Lease | None:
        """A shop's lease as it is now."""

    def take(self, lease: Lease, over: Lease | None) -> bool:
        """Take a lease that is free or one's own; with `over`, the one that this run had.

        Whose turn is next stays, until an erasure takes it.
        """

    def reserve(self, shop: str, erasure: str) -> bool:
        """Give an erasure the turn after the run that leads."""

    def free(self, shop: str, owner: str) -> bool:
        """Give a lease back, if it is the owner's and no erasure has the next turn."""

    def shops(self) -> Iterable[str]:
        """The shops that have claims which are waiting or taken."""

    def removed(self, shop: str) -> datetime | None:
        """When a shop was removed, if that was lately: what was dropped until then is nobody's any more."""


class Executions(Protocol):
    """The state machine's executions."""

    def alive(self, arn: str) -> bool | None:
        """Whether an execution is still running; None if it is not known."""

    def start(self, name: str, asked: Mapping[str, object]) -> None:
        """Start one; that the name was used already is fine."""


@dataclass(frozen=True, slots=True)
class Run:
    """The run that asks, and when."""

    name: str
    execution_arn: str
    now: datetime


def lead(ledger: Ledger, executions: Executions, run: Run, shop: str) -> str | None:
    """Take the shop's lease; the run that has it, if it is another that lives.

    Raises:
        RetryLater: another run was faster.
    """
    ours = Lease(shop=shop, owner=run.name, execution_arn=run.execution_arn, since=run.now, expires_at=run.now + LASTS)
    return _taken(ledger, executions, ours, run.now)


def lead_to_erase(ledger: Ledger, executions: Executions, shop: str, erasure: str, now: datetime) -> bool:
    """Take the shop's lease for an erasure, or renew it; False where somebody else has it."""
    try:
        return _taken(ledger, executions, _erasing(shop, erasure, now), now) is None
    except RetryLater:
        return False


def give_back(ledger: Ledger, shop: str, owner: str, now: datetime) -> None:
    """Give a lease back, or hand it to the erasure that has the next turn."""
    if ledger.free(shop, owner):
        return
    lease = ledger.lease(shop)
    if lease is not None and lease.owner == owner and lease.next:
        ledger.take(_erasing(shop, lease.next, now), lease)


def _erasing(shop: str, erasure: str, now: datetime) -> Lease:
    return Lease(
        shop=shop, owner=erasure, execution_arn="", since=now, expires_at=now + ERASING_LASTS, purpose="erasure"
    )


def _taken(ledger: Ledger, executions: Executions, ours: Lease, now: datetime) -> str | None:
    if ledger.take(ours, None):
        return None
    holder = ledger.lease(ours.shop)
    if holder is not None and lives(executions, holder, now):
        return holder.owner
    if not ledger.take(ours, holder):
        raise RetryLater(ours.shop, "another run took the lease at the same moment")
    return None


def lives(executions: Executions, lease: Lease, now: datetime) -> bool:
    """Whether the run or the erasure that has a lease can still be at work."""
    if now >= lease.expires_at:
        return False
    if lease.purpose == "erasure":
        return True
    alive = executions.alive(lease.execution_arn)
    return now - lease.since < YOUNG if alive is None else alive
