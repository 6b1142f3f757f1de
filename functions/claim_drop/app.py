# SPDX-License-Identifier: Apache-2.0
"""The two ends of a run: what started it, does it lead its shop, what does it handle, and what follows it."""

from datetime import UTC, datetime
from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.runs import steps

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Claim a drop, collect what is waiting, make sure of the lease, or finish.

    Args:
        event: `{step: claim, run, execution, machine, input}`, `{step: collect, …, shop, again?}`,
            `{step: hold, …, shop, drops}` or `{step: finish, …, shop, drops, failure?}`.
        _context: Lambda's.

    Returns:
        As `personalization.runs.lifecycle` says of each step.

    Raises:
        Rejected: what was dropped or asked for is refused; or the run does not lead its shop any more.
        RetryLater, LimitReached, Broken: as `personalization.core.aws.errors` says.
    """
    now = datetime.now(UTC)
    done = steps.flow_step(clients.dynamodb(), clients.stepfunctions(), event, Environment(), now)
    LOG.info("Step done", step=event.get("step"), run=event.get("run"), outcome=done.get("outcome"))
    return done
