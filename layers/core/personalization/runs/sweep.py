# SPDX-License-Identifier: Apache-2.0
"""Start runs for pending drops that no run is going to handle."""

import hashlib
from collections.abc import Iterable

from personalization.runs import batches
from personalization.runs.claims import Claim
from personalization.runs.leases import Executions, Ledger, Run, is_live


def next_run_name(shop: str, run: str) -> str:
    """Return the name of the run that follows a run; it is always the same."""
    return f"continue-{shop}-{hashlib.sha256(f'{shop} {run}'.encode()).hexdigest()[:32]}"


def sweep(
    ledger: Ledger, executions: Executions, run: Run, stopped: Claim | None = None, also: Iterable[str] = ()
) -> list[str]:
    """Start a run for each shop with pending drops and no live leader; return a note for each.

    Args:
        ledger: the table.
        executions: of the state machine.
        run: the run that sweeps.
        stopped: the claim of a stopped run, which may have stopped before it could record it.
        also: shops whose claims are too new for the list of shops.
    """
    if stopped is not None and stopped.kind != "nothing":
        ledger.add(stopped)
    notes = []
    for shop in sorted({*ledger.shops(), *also, *([stopped.shop] if stopped and stopped.shop else [])}):
        lease = ledger.lease(shop)
        if lease is not None and is_live(executions, lease, run.now):
            continue
        # The list of shops may be older than the end of a run, so pending claims are checked again.
        if any(batches.is_waiting(each) for each in ledger.claims(shop)):
            name = next_run_name(shop, run.name)
            executions.start(name, {"action": "continue", "shop": shop})
            notes.append(f"{shop}: {name}")
    return notes
