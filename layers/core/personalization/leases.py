# SPDX-License-Identifier: Apache-2.0
"""The two ends of a run: it claims what started it, leads the shop if no other run does, and leaves nothing behind.

One run at a time leads a shop, by a lease. The order of the steps is what makes it safe: a drop is recorded before the
lease is tried, and what is waiting is looked for after the lease was given back; so either the run that leads finds the
drop, or the drop finds no lease.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from personalization import claims
from personalization.claims import Action, Claim, Request
from personalization.errors import Rejected, RetryLater
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


class Drop(Part):
    """What became of one of the objects that a run looked at."""

    id: str
    also: tuple[str, ...] = ()
    key: str
    kind: str
    mode: str
    outcome: str
    """`imported`, `settings`, `retrained`, `held` or `refused`."""
    rows: int = 0
    reason: str = ""


class Claimed(Part):
    """The answer of a run's first step."""

    outcome: Literal["leads", "queued", "alreadyHandled", "superseded", "nothing", "swept"]
    action: Action
    shop: str
    kind: str
    key: str = ""
    again: str | None = None
    """The failed run whose drops are to be handled again, or the refused one that is to be promoted."""
    by: str = ""
    """The run that leads the shop, or that has handled this."""
    notes: tuple[str, ...] = ()


class Ledger(Protocol):
    """The table of shops. Every change is conditional, and tells whether it was made."""

    def add(self, claim: Claim) -> Claim | None:
        """Record a new claim; the one that is there already, if there is one."""

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


class Executions(Protocol):
    """The state machine's executions."""

    def alive(self, arn: str) -> bool | None:
        """Whether an execution is still running; None if it is not known."""

    def start(self, name: str, asked: Mapping[str, str]) -> None:
        """Start one; that the name was used already is fine."""


@dataclass(frozen=True, slots=True)
class Run:
    """The run that asks, and when."""

    name: str
    execution_arn: str
    now: datetime


def claim(ledger: Ledger, executions: Executions, run: Run, started: object) -> dict[str, object]:
    """The first step: record what started the run, and lead the shop if nobody does.

    Returns:
        `{outcome, action, shop, kind, key, again, by, notes}`; outcome is `leads`, or why there is nothing to do:
        `queued` (the run `by` leads the shop; a run that follows it handles this), `alreadyHandled`, `superseded`,
        `nothing` or `swept`.

    Raises:
        Rejected: what started the run is refused, or was asked for while another run leads the shop.
        RetryLater: another run did the same at the same moment.
    """
    request = claims.read(started, run.name)
    if request.action == "sweep":
        return _answer(request, "swept", notes=sweep(ledger, executions, run))
    if request.claim is None:
        return _lead_by_hand(ledger, executions, run, request)
    if request.claim.kind == "nothing":
        return _answer(request, "nothing", notes=["this object is no drop"])
    return _claim(ledger, executions, run, request, request.claim)


def _claim(ledger: Ledger, executions: Executions, run: Run, request: Request, wanted: Claim) -> dict[str, object]:
    known = ledger.add(wanted)
    if known is not None and known.state != "pending":
        mine = known.claimed_by == run.name
        return _answer(request, "queued" if mine else "alreadyHandled", by=known.run or known.claimed_by)
    seen = known or wanted
    newer = claims.later(seen, ledger.claims(request.shop))
    if newer is not None:
        ledger.move(seen, seen.moved("superseded", run.name, f"{newer.key} was uploaded again"))
        return _answer(request, "superseded", by=newer.run or newer.claimed_by)
    holder = lead(ledger, executions, run, request.shop)
    if holder is None:
        return _answer(request, "leads")
    repeated = known is not None and known.claimed_by != run.name
    return _answer(request, "alreadyHandled" if repeated else "queued", by=holder)


def _lead_by_hand(ledger: Ledger, executions: Executions, run: Run, request: Request) -> dict[str, object]:
    holder = lead(ledger, executions, run, request.shop)
    if holder is None:
        return _answer(request, "leads")
    if request.action == "continue":
        return _answer(request, "queued", by=holder)
    raise Rejected(request.shop, f"run {holder} is at work on this shop: wait for its end, or stop it, and ask again")


def _answer(request: Request, outcome: str, by: str = "", notes: Sequence[str] = ()) -> dict[str, object]:
    claim = request.claim
    told = {
        "outcome": outcome,
        "action": request.action,
        "shop": request.shop,
        "kind": claim.kind if claim else request.action,
        "key": claim.key if claim else "",
        "again": request.run,
        "by": by,
        "notes": notes,
    }
    return Claimed.model_validate(told).as_json()


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


def collect(ledger: Ledger, run: Run, shop: str, again: str | None = None) -> dict[str, object]:
    """Take what is waiting for a run: see `claims.choose`.

    Args:
        ledger: the table.
        run: the run, which leads the shop.
        shop: the shop.
        again: a failed run whose drops are to be handled again.

    Returns:
        `{drops: [{id, also: [ids], kind, mode, key, request}], notes}`; `request` is what checks the drop.

    Raises:
        Rejected: the run does not lead the shop any more.
        RetryLater: a claim changed meanwhile.
    """
    _must_lead(ledger, run, shop)
    batch = claims.choose(ledger.claims(shop), again)
    for old, new in batch.superseded:
        _move(ledger, old, old.moved("superseded", run.name, f"replaced by {new.key or 'a later wish'}"))
    for chosen, joined in batch.chosen:
        for each in (*joined, chosen):
            _move(ledger, each, each.moved("taken", run.name))
    return {
        "drops": [_item(run, chosen, joined) for chosen, joined in batch.chosen],
        "notes": [f"{old.key} was replaced by {new.key} before it was imported" for old, new in batch.superseded],
    }


def _move(ledger: Ledger, seen: Claim, after: Claim) -> None:
    if seen != after and not ledger.move(seen, after):
        raise RetryLater(seen.key or seen.shop, "its claim changed meanwhile")


def _must_lead(ledger: Ledger, run: Run, shop: str) -> None:
    lease = ledger.lease(shop)
    if lease is None or lease.owner != run.name:
        raise Rejected(shop, f"the shop is led by run {lease.owner if lease else 'nobody'} and not by {run.name}")


def _item(run: Run, chosen: Claim, joined: Sequence[Claim]) -> dict[str, object]:
    wish = {"shop": chosen.shop, "trainingMode": chosen.training_mode, "recipes": list(chosen.recipes)}
    return {
        "id": chosen.id,
        "also": [each.id for each in joined],
        "kind": chosen.kind,
        "mode": chosen.mode,
        "key": chosen.key,
        "request": {
            "bucket": chosen.bucket_name,
            "key": chosen.key,
            "versionId": chosen.version_id,
            "run": run.name,
            "also": [{"key": each.key, "versionId": each.version_id} for each in joined],
            "retrain": wish if chosen.kind == "retrain" else None,
        },
    }


def hold(ledger: Ledger, executions: Executions, run: Run, shop: str, drops: Sequence[Drop]) -> None:
    """Make sure before a training is paid for that the run still leads the shop.

    A run that was stopped and redriven may have lost its lease, and its drops, to another.

    Raises:
        Rejected: another run leads the shop or has taken the drops.
        RetryLater: see `lead`.
    """
    holder = lead(ledger, executions, run, shop)
    by_id = {each.id: each for each in ledger.claims(shop)}
    lost = [by_id[each.id].run for each in drops if each.id in by_id and by_id[each.id].run != run.name]
    if holder or lost:
        raise Rejected(shop, f"run {holder or lost[0]} has taken over what this run had begun")


def finish(
    ledger: Ledger, executions: Executions, run: Run, shop: str, drops: Sequence[Drop], failure: str | None
) -> dict[str, object]:
    """The last step, after a failure too: record what became of the drops, give the lease back, and have what came
    meanwhile handled by a run that follows.

    Args:
        ledger: the table.
        executions: of the state machine.
        run: the run.
        shop: the shop.
        drops: what the run looked at.
        failure: why the run failed. Its drops are not tried again by themselves.

    Returns:
        `{next}`: the run that follows, or null.
    """
    results = {each: drop for drop in drops for each in (drop.id, *drop.also)}
    for each in ledger.claims(shop):
        if each.state == "taken" and each.run == run.name:
            ledger.move(each, _ended(each, results.get(each.id), run.name, failure))
    ledger.free(shop, run.name)
    after = ledger.claims(shop)
    # Without the second condition a shop whose runs cannot even begin would start one after the other.
    if not any(claims.waiting(each, run.name) for each in after) or (
        failure is not None and not any(each.run == run.name for each in after)
    ):
        return {"next": None}
    name = follower(shop, run.name)
    executions.start(name, {"action": "continue", "shop": shop})
    return {"next": name}


def _ended(claim: Claim, result: Drop | None, run: str, failure: str | None) -> Claim:
    if result is not None and result.outcome == "refused":
        # What was joined to a refused file waits for the next one.
        return claim.moved("refused", run, result.reason) if claim.id == result.id else claim.moved("held", run)
    if failure is not None:
        return claim.moved("failed", run, failure)
    held = result is not None and result.outcome == "held"
    return claim.moved("held" if held else "done", run, result.reason if result else "")


def follower(shop: str, run: str) -> str:
    """The name of the run that follows a run: the same however often it is asked for."""
    return f"continue-{shop}-{hashlib.sha256(f'{shop} {run}'.encode()).hexdigest()[:32]}"


def sweep(ledger: Ledger, executions: Executions, run: Run) -> list[str]:
    """Start a run for every shop with drops that nobody is going to handle; a note for each."""
    notes = []
    for shop in ledger.shops():
        lease = ledger.lease(shop)
        if lease is None or not lives(executions, lease, run.now):
            name = follower(shop, run.name)
            executions.start(name, {"action": "continue", "shop": shop})
            notes.append(f"{shop}: {name}")
    return notes
