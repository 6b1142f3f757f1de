# SPDX-License-Identifier: Apache-2.0
"""Start runs for drops that no run is going to handle: every 15 minutes, and after a run was stopped."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, Rejected
from personalization.core.observability import logger
from personalization.runs import claims, concurrent_drops, lost_drops
from personalization.runs.leases import Run
from personalization.runs.store import DynamoLedger, StateMachine, list_recent
from personalization.shop import schedules

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LOG = logger()


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, object]:
    """Claim drops whose event never came, and start a run for each shop that needs one.

    Args:
        event: EventBridge's event of a stopped run, whose drop may not be recorded yet; or an operator's
            `{minutes?, shop?}`: the age at which an object's event counts as lost, and the shop to sweep.
        context: Lambda's; a retry has the same request id and starts no second run.

    Returns:
        `{claimed: [key], refused: [key], started: [note]}`: keys whose event never came, and a note for each run.

    Raises:
        Rejected: `minutes` or `shop` is invalid.
        RetryLater, Broken: a schedule could not be changed; all else is done.
    """
    environment, now = Environment(), datetime.now(UTC)
    ledger = DynamoLedger(clients.dynamodb(), environment.table, now)
    executions = StateMachine(clients.stepfunctions(), environment.retrain_machine_arn)
    run = Run(f"sweep-{context.aws_request_id}", context.invoked_function_arn, now)
    sought, folder = lost_drops.SweepScope(environment.bucket, run, lost_drops.age(event)), lost_drops.folder(event)
    whole = folder == lost_drops.FOLDER
    after = ledger.swept_until() if whole else ""
    objects, until = list_recent(clients.s3(), environment.bucket, folder, now - lost_drops.REMEMBERED, after)
    swept = lost_drops.claim_lost(ledger, executions, objects, sought)
    if whole and until != after:
        ledger.sweep_on(until)
    failures = [
        failure
        for shop in sorted({drop.shop for drop in swept.drops if drop.kind == "settings"})
        if (failure := _follow(environment, shop)) is not None
    ]
    shops = {drop.shop for drop in swept.drops}
    started = concurrent_drops.sweep(ledger, executions, run, claims.stopped(event), shops)
    claimed = [drop.key for drop in swept.drops]
    LOG.info("Drops swept", claimed=len(claimed), refused=len(swept.refused), started=started, until=until)
    if failures:
        raise failures[0]
    return {"claimed": claimed, "refused": list(swept.refused), "started": started}


def _follow(environment: Environment, shop: str) -> PersonalizationError | None:
    """Update a shop's schedules when the event of its settings never came; return why that failed."""
    try:
        schedules.follow(clients.scheduler(), clients.s3(), environment, shop)
    except Rejected as refused:
        LOG.warning("Settings refused; schedules left as they are", reason=str(refused))
    except PersonalizationError as failure:
        return failure
    return None
