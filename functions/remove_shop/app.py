# SPDX-License-Identifier: Apache-2.0
"""The steps that list and remove what a shop has, one a call. Each can run twice."""

from datetime import UTC, datetime
from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.maintenance import teardown
from personalization.maintenance.teardown import Clients
from personalization.personalize import removal
from personalization.personalize.removal import RemovalRequest

LOG = logger()
CLIENTS = Clients(clients.personalize, clients.dynamodb, clients.s3, clients.scheduler, clients.stepfunctions)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """List what a shop has, or remove the next of it.

    Args:
        event: `{step: list|forget|remove|schemas|objects|finish, shop, run, execution, schemas?}`.
        _context: Lambda's.

    Returns:
        What `personalization.personalize.removal` says of the step.

    Raises:
        Rejected: no shop can have this name, or a run is at work on it.
        RetryLater, LimitReached, Broken: as `personalization.core.aws.errors` says.
    """
    request = removal.check(RemovalRequest.read(event))
    done = teardown.step(CLIENTS, request, Environment(), datetime.now(UTC))
    LOG.info("Step done", step=request.step, shop=request.shop)
    return dict(done)
