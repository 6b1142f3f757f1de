# SPDX-License-Identifier: Apache-2.0
"""One run at a time leads a shop: the lease, and who decides about it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from personalization.claims import Claim
from personalization.errors import RetryLater
from personalization.plans import Part

RECORD = "lease"
"""The sort key of the lease in the table of shops."""
LASTS = timedelta(days=11)
"""Longer than the state machine lets an execution run, so that the run of an expired lease is over."""
YOUNG = timedelta(minutes=5)
"""For so long an execution may not be visible yet to who asks for it."""


class Lease(Part):
    """Who leads a shop."""

    shop: str
    owner: str
    """The run."""
    execution_arn: str
    since: datetime
    expires_at: datetime


class Ledger(Protocol):
    """The table of shops. Every change is conditional, and tells whether it was made."""

    def add(self, claim: Claim) -> Claim | None:
        """Record a new claim; the one that is there already, if there is one, also under the id of before."""

    def claims(self, shop: str) -> Sequence[Claim]:
        """The claims of a shop as they are now."""

    def move(self, seen: Claim, after: Claim) -> bool:
        """Change a claim that still is as it was seen."""

    def lease(self, shop: str) -> Lease | None:
        """A shop's lease as it is now."""

    def take(self, lease: Lease, over: Lease | None) -> bool:
        """Take a lease that is free or one's own; with `over`, the one that this run had."""

    def free(self, shop: str, owner: str) -> None:
        """Give a lease back, if it is the owner's."""

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
    if ledger.take(ours, None):
        return None
    holder = ledger.lease(shop)
    if holder is not None and lives(executions, holder, run.now):
        return holder.owner
    if not ledger.take(ours, holder):
        raise RetryLater(shop, "another run took the lease at the same moment")
    return None


def lives(executions: Executions, lease: Lease, now: datetime) -> bool:
    """Whether the run that has a lease can still be at work."""
    if now >= lease.expires_at:
        return False
    alive = executions.alive(lease.execution_arn)
    return now - lease.since < YOUNG if alive is None else alive
