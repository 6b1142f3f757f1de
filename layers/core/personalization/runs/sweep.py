# SPDX-License-Identifier: Apache-2.0
"""Drops that no run is going to handle get one: after a run, and by the sweep."""

import hashlib
from collections.abc import Iterable

from personalization.runs import batches
from personalization.runs.claims import Claim
from personalization.runs.leases import Executions, Ledger, Run, lives


def follower(shop: str, run: str) -> str:
    """The name of the run that follows a run: the same however often it is asked for."""
    return f"continue-{shop}-{hashlib.sha256(f'{shop} {run}'.encode()).hexdigest()[:32]}"


def sweep(
    ledger: Ledger, executions: Executions, run: Run, stopped: Claim | None = None, also: Iterable[str] = ()
) -> list[str]:
    """Start a run for every shop with drops that nobody is going to handle; a note for each.

    Args:
        ledger: the table.
        executions: of the state machine.
        run: the run that sweeps.
        stopped: what another run was started for that was stopped, perhaps before it could record it.
        also: shops with claims that are too new for the list of shops to have them.
    """
    if stopped is not None and stopped.kind != "nothing":
        ledger.add(stopped)
    notes = []
    for shop in sorted({*ledger.shops(), *also, *([stopped.shop] if stopped and stopped.shop else [])}):
        lease = ledger.lease(shop)
        if lease is not None and lives(executions, lease, run.now):
            continue
        # The list of shops may be older than the end of a run: what has no leader now must still be waiting.
        if any(batches.waiting(each) for each in ledger.claims(shop)):
            name = follower(shop, run.name)
            executions.start(name, {"action": "continue", "shop": shop})
            notes.append(f"{shop}: {name}")
    return notes
