# SPDX-License-Identifier: Apache-2.0
"""List and remove a shop's resources, one step per call. Each step can be repeated."""

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
    """List a shop's resources, or remove the next ones.

    Args:
        event: `{step: list|forget|remove|schemas|objects|finish, shop, run, execution, schemas?}`.

    Returns:
        The step's result: see `personalization.personalize.removal`.

    Raises:
        Rejected: no shop can have this name, or a run leads it.
    """
    request = removal.check(RemovalRequest.read(event))
    done = teardown.step(CLIENTS, request, Environment(), datetime.now(UTC))
    LOG.info("Step done", step=request.step, shop=request.shop)
    return dict(done)
