# SPDX-License-Identifier: Apache-2.0
"""What happens when drops come at once: one run leads the shop, and the drops of others wait for the next run.

The order of the steps makes this safe: a run records its drop before it tries the lease, and looks for pending drops
after it released the lease. So either the leading run finds the drop, or the drop finds no lease. The sweep starts runs
for pending drops that no run is going to handle.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

from personalization.core.errors import Rejected
from personalization.core.messages import Part
from personalization.runs import batches, claims
from personalization.runs.claims import Action, Claim, Request, later
from personalization.runs.leases import Executions, Ledger, Run, is_live, lead
from personalization.shop.keys import WITHOUT_RUN


class Claimed(Part):
    """The result of a run's first step."""

    outcome: Literal["leads", "queued", "alreadyHandled", "superseded", "nothing", "swept"]
    action: Action
    shop: str
    kind: str
    key: str = ""
    again: str | None = None
    """The failed run whose drops are retried, or the refused one that is promoted."""
    by: str = ""
    """The run that leads the shop, or that handled the drop."""
    notes: tuple[str, ...] = ()


def claim(ledger: Ledger, executions: Executions, run: Run, started: object) -> dict[str, object]:
    """Record the reason for the run, and lead the shop if no other run does.

    Returns:
        `{outcome, action, shop, kind, key, again, by, notes}`; outcome is `leads`, or the reason why nothing is to do:
        `queued` (the run `by` leads the shop and its successor handles the drop), `alreadyHandled`, `superseded`,
        `nothing` or `swept`.

    Raises:
        Rejected: the input is refused, or needs the shop while another run leads it.
        RetryLater: another run did the same at the same moment.
    """
    try:
        request = claims.read(started, run.name)
    except Rejected as refused:
        refusal = claims.refusal(started, run.name, refused.reason)
        earlier = ledger.add(refusal) if refusal else None
        if refusal is None or earlier is None or earlier.claimed_by == run.name:
            raise
        return _answer(
            Request(action="drop", shop=refusal.shop, claim=refusal), "alreadyHandled", by=earlier.claimed_by
        )
    if request.action == "sweep":
        return _answer(Request(action="sweep"), "swept", notes=sweep(ledger, executions, run, request.claim))
    if request.claim is None:
        return _lead_by_hand(ledger, executions, run, request)
    if request.claim.kind in WITHOUT_RUN:
        return _answer(request, "nothing", notes=["this object is not a drop"])
    return _claim(ledger, executions, run, request, request.claim)


def _claim(ledger: Ledger, executions: Executions, run: Run, request: Request, wanted: Claim) -> dict[str, object]:
    earlier = ledger.add(wanted)
    if earlier is not None and earlier.state != "pending":
        is_own = earlier.claimed_by == run.name
        return _answer(request, "queued" if is_own else "alreadyHandled", by=earlier.run or earlier.claimed_by)
    seen = earlier or wanted
    newer = later(seen, ledger.claims(request.shop))
    if newer is not None:
        ledger.move(seen, seen.moved("superseded", run.name, f"{newer.key} was uploaded again"))
        return _answer(request, "superseded", by=newer.run or newer.claimed_by)
    holder = lead(ledger, executions, run, request.shop)
    if holder is None:
        return _answer(request, "leads")
    repeated = earlier is not None and earlier.claimed_by != run.name
    return _answer(request, "alreadyHandled" if repeated else "queued", by=holder)


def _lead_by_hand(ledger: Ledger, executions: Executions, run: Run, request: Request) -> dict[str, object]:
    holder = lead(ledger, executions, run, request.shop)
    if holder is None:
        return _answer(request, "leads")
    if request.action == "continue" and not request.run:
        return _answer(request, "queued", by=holder)
    raise Rejected(request.shop, f"run {holder} is at work on this shop: wait for its end, or stop it, and ask again")


def _answer(request: Request, outcome: str, by: str = "", notes: Sequence[str] = ()) -> dict[str, object]:
    claim = request.claim
    claimed = {
        "outcome": outcome,
        "action": request.action,
        "shop": request.shop,
        "kind": claim.kind if claim else request.action,
        "key": claim.key if claim else "",
        "again": request.run,
        "by": by,
        "notes": notes,
    }
    return Claimed.model_validate(claimed).as_json()


def sweep(
    ledger: Ledger, executions: Executions, run: Run, stopped: Claim | None = None, also: Iterable[str] = ()
) -> list[str]:
    """Start a run for each shop with pending drops and no live leader; return a note for each.

    Args:
        ledger, executions: the table, and the state machine's executions.
        run: the run that sweeps.
        stopped: the claim of a stopped run, which may have stopped before it could record it.
        also: shops whose claims are too new for the list of shops.
    """
    if stopped is not None and stopped.kind not in WITHOUT_RUN:
        ledger.add(stopped)
    notes = []
    for shop in sorted({*ledger.shops(), *also, *([stopped.shop] if stopped and stopped.shop else [])}):
        lease = ledger.lease(shop)
        try:
            # The list of shops may be older than the end of a run, so pending claims are checked again.
            if (lease is None or not is_live(executions, lease, run.now)) and needs_run(ledger, shop):
                notes.append(f"{shop}: {start_next(executions, shop, run.name)}")
        except Rejected as refused:
            notes.append(str(refused))
    return notes


def needs_run(ledger: Ledger, shop: str) -> bool:
    """Return whether a shop has claims for a run, if none leads it."""
    return any(batches.is_waiting(claim) for claim in ledger.claims(shop))


def next_run_name(shop: str, run: str) -> str:
    """Return the name of the run that follows a run; it is always the same."""
    return f"continue-{shop}-{hashlib.sha256(f'{shop} {run}'.encode()).hexdigest()[:32]}"


def start_next(executions: Executions, shop: str, by: str) -> str:
    """Start the run that follows a run; return its name."""
    name = next_run_name(shop, by)
    executions.start(name, {"action": "continue", "shop": shop})
    return name
