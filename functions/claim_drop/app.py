# SPDX-License-Identifier: Apache-2.0
"""Run the first and last steps of a run: claim its drop, lead the shop, record outcomes, start the next run."""

from datetime import UTC, datetime
from typing import Any, Literal

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.messages import Part, Steps, of_this_version
from personalization.core.observability import logger
from personalization.runs import concurrent_drops, lifecycle
from personalization.runs.claims import ClaimKind
from personalization.runs.leases import Run
from personalization.runs.lifecycle import Drop, End
from personalization.runs.store import DynamoLedger, StateMachine
from pydantic import model_validator

LOG = logger()


class _RunRequest(Part):
    _version = model_validator(mode="before")(of_this_version)
    version: int
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


def _flow(request: _RunRequest, now: datetime) -> tuple[DynamoLedger, StateMachine, Run]:
    ledger = DynamoLedger(clients.dynamodb(), Environment().table, now)
    executions = StateMachine(clients.stepfunctions(), request.machine)
    return ledger, executions, Run(request.run, request.execution, now)


def _claim(request: ClaimRequest, now: datetime) -> dict[str, object]:
    return concurrent_drops.claim(*_flow(request, now), request.input)


def _collect(request: CollectRequest, now: datetime) -> dict[str, object]:
    ledger, _, run = _flow(request, now)
    return lifecycle.collect(ledger, run, request.shop, request.again)


def _hold(request: HoldRequest, now: datetime) -> dict[str, object]:
    lifecycle.check_lead(*_flow(request, now), request.shop, request.drops)
    return {}


def _finish(request: FinishRequest, now: datetime) -> dict[str, object]:
    end = End(request.failure, request.imported)
    return lifecycle.finish(*_flow(request, now), request.shop, request.drops, end=end)


STEPS: Steps[datetime, dict[str, object]] = Steps(
    {ClaimRequest: _claim, CollectRequest: _collect, HoldRequest: _hold, FinishRequest: _finish}
)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Claim a drop, collect pending claims, check the lease, or finish.

    Args:
        event: one of the requests above.

    Returns:
        The step's result: see `personalization.runs.lifecycle`.

    Raises:
        Rejected: the drop or the request is refused, or the run no longer leads its shop.
    """
    done = STEPS.take(event, datetime.now(UTC))
    LOG.info("Step done", step=event["step"], run=event["run"], outcome=done.get("outcome"))
    return done
