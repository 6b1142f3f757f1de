# SPDX-License-Identifier: Apache-2.0
"""Dispatch the first and last steps of a run by the state machine's step names."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from personalization.core.environment import Environment
from personalization.runs import lifecycle
from personalization.runs.claims import ClaimKind
from personalization.runs.leases import Run
from personalization.runs.lifecycle import Drop, End
from personalization.runs.store import DynamoLedger, StateMachine
from personalization.shop.plan import Part

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient


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


_Request = ClaimRequest | CollectRequest | HoldRequest | FinishRequest
_REQUESTS: Mapping[str, type[_Request]] = {
    "claim": ClaimRequest,
    "collect": CollectRequest,
    "hold": HoldRequest,
    "finish": FinishRequest,
}


def flow_step(
    table: "DynamoDBClient",
    machine: "SFNClient",
    event: Mapping[str, object],
    environment: Environment,
    now: datetime,
) -> dict[str, object]:
    """Take one step: see `lifecycle.claim`, `collect`, `check_lead` and `finish` for results and errors.

    Raises:
        Broken: the state machine and the function do not match.
    """
    request = _REQUESTS.get(str(event.get("step")), ClaimRequest).read(event)
    ledger = DynamoLedger(table, environment.table, now)
    executions = StateMachine(machine, request.machine)
    run = Run(request.run, request.execution, now)
    if isinstance(request, ClaimRequest):
        return lifecycle.claim(ledger, executions, run, request.input)
    if isinstance(request, CollectRequest):
        return lifecycle.collect(ledger, run, request.shop, request.again)
    if isinstance(request, HoldRequest):
        lifecycle.check_lead(ledger, executions, run, request.shop, request.drops)
        return {}
    end = End(request.failure, request.imported)
    return lifecycle.finish(ledger, executions, run, request.shop, request.drops, end)
