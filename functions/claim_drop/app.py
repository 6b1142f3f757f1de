# SPDX-License-Identifier: Apache-2.0
"""Run the first and last steps of a run: claim its drop, lead the shop, record outcomes, start the next run."""

from datetime import UTC, datetime
from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.runs import steps

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Claim a drop, collect pending claims, check the lease, or finish.

    Args:
        event: `{step: claim, run, execution, machine, input}`, `{step: collect, …, shop, again?}`,
            `{step: hold, …, shop, drops}` or `{step: finish, …, shop, drops, failure?}`.
        _context: Lambda's.

    Returns:
        The step's result: see `personalization.runs.lifecycle`.

    Raises:
        Rejected: the drop or the request is refused, or the run no longer leads its shop.
        RetryLater, LimitReached, Broken: see `personalization.core.aws.errors`.
    """
    now = datetime.now(UTC)
    done = steps.flow_step(clients.dynamodb(), clients.stepfunctions(), event, Environment(), now)
    LOG.info("Step done", step=event.get("step"), run=event.get("run"), outcome=done.get("outcome"))
    return done
