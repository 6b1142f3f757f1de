# SPDX-License-Identifier: Apache-2.0
"""Every 15 minutes, and when a run was stopped: drops that no run is going to handle get one."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from personalization import claims, sweeping
from personalization.aws import clients
from personalization.aws.ledger import DynamoLedger, StateMachine
from personalization.environment import Environment
from personalization.leases import Run
from personalization.observability import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LOG = logger()


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, object]:
    """Start a run for each shop that needs one.

    Args:
        event: EventBridge's event of a stopped run, whose drop may not be recorded yet; anything else is the clock.
        context: Lambda's, for the id of the request: a retry starts no second run.

    Returns:
        `{started: [note]}`, a note for each run.

    Raises:
        RetryLater, LimitReached, Broken: as `personalization.aws.failures` says.
    """
    environment, now = Environment(), datetime.now(UTC)
    ledger = DynamoLedger(clients.dynamodb(), environment.table, now)
    executions = StateMachine(clients.stepfunctions(), environment.retrain_machine_arn)
    run = Run(f"sweep-{context.aws_request_id}", context.invoked_function_arn, now)
    started = sweeping.sweep(ledger, executions, run, claims.stopped(event))
    LOG.info("Drops swept", started=started)
    return {"started": started}
