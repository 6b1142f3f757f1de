# SPDX-License-Identifier: Apache-2.0
"""Run the first and last steps of a run: claim its drop, lead the shop, record outcomes, start the next run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.runs import lifecycle
from personalization.runs.claims import ClaimKind
from personalization.runs.leases import Run
from personalization.runs.lifecycle import Drop, End
from personalization.runs.store import DynamoLedger, StateMachine
from personalization.shop.plan import Part

LOG = logger()


class _RunRequest(Part):
    run: str
    execution: str
    machine: str


class ClaimRequest(_RunRequest):
    """Record what started the run."""

    step: Literal["claim"]
    input: object


class CollectRequest(_RunRequest):
    """Take the pending claims for this run."""

    step: Literal["collect"]
    shop: str
    again: str | None = None
    """A failed run whose drops are retried."""


class HoldRequest(_RunRequest):
    """Check that this run still leads the shop."""

    step: Literal["hold"]
    shop: str
    drops: tuple[Drop, ...]


class FinishRequest(_RunRequest):
    """Record the outcomes of the drops."""

    step: Literal["finish"]
    shop: str
    drops: tuple[Drop, ...]
    failure: str | None = None
    imported: frozenset[ClaimKind] = frozenset()
    """The kinds that were imported before a failure."""


_REQUESTS: Mapping[str, type[ClaimRequest | CollectRequest | HoldRequest | FinishRequest]] = {
    "claim": ClaimRequest,
    "collect": CollectRequest,
    "hold": HoldRequest,
    "finish": FinishRequest,
}


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Claim a drop, collect pending claims, check the lease, or finish.

    Args:
        event: one of the requests above.

    Returns:
        The step's result: see `personalization.runs.lifecycle`.

    Raises:
        Rejected: the drop or the request is refused, or the run no longer leads its shop.
    """
    request = _REQUESTS.get(str(event.get("step")), ClaimRequest).read(event)
    now = datetime.now(UTC)
    ledger = DynamoLedger(clients.dynamodb(), Environment().table, now)
    executions = StateMachine(clients.stepfunctions(), request.machine)
    run = Run(request.run, request.execution, now)
    done: dict[str, object] = {}
    match request:
        case ClaimRequest():
            done = lifecycle.claim(ledger, executions, run, request.input)
        case CollectRequest():
            done = lifecycle.collect(ledger, run, request.shop, request.again)
        case HoldRequest():
            lifecycle.check_lead(ledger, executions, run, request.shop, request.drops)
        case FinishRequest():
            end = End(request.failure, request.imported)
            done = lifecycle.finish(ledger, executions, run, request.shop, request.drops, end)
    LOG.info("Step done", step=request.step, run=run.name, outcome=done.get("outcome"))
    return done
