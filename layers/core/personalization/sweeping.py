# SPDX-License-Identifier: Apache-2.0
"""Drops that no run is going to handle get one: after a run, and by the sweep."""

import hashlib

from personalization.claims import Claim
from personalization.leases import Executions, Ledger, Run, lives


def follower(shop: str, run: str) -> str:
    """The name of the run that follows a run: the same however often it is asked for."""
    return f"continue-{shop}-{hashlib.sha256(f'{shop} {run}'.encode()).hexdigest()[:32]}"


def sweep(ledger: Ledger, executions: Executions, run: Run, stopped: Claim | None = None) -> list[str]:
    """Start a run for every shop with drops that nobody is going to handle; a note for each.

    Args:
        ledger: the table.
        executions: of the state machine.
        run: the run that sweeps.
        stopped: what another run was started for that was stopped, perhaps before it could record it.
    """
    if stopped is not None and stopped.kind != "nothing":
        ledger.add(stopped)
    notes = []
    for shop in ledger.shops():
        lease = ledger.lease(shop)
        if lease is None or not lives(executions, lease, run.now):
            name = follower(shop, run.name)
            executions.start(name, {"action": "continue", "shop": shop})
            notes.append(f"{shop}: {name}")
    return notes
