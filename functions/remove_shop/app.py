# SPDX-License-Identifier: Apache-2.0
"""The steps that list and remove what a shop has, one a call. Each can run twice."""

from datetime import UTC, datetime
from typing import Any

from personalization import removal
from personalization.aws import clients, removal_steps
from personalization.aws.removal_steps import Clients
from personalization.environment import Environment
from personalization.observability import logger
from personalization.removal import RemovalRequest

LOG = logger()
CLIENTS = Clients(clients.personalize, clients.dynamodb, clients.s3, clients.scheduler, clients.stepfunctions)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """List what a shop has, or remove the next of it.

    Args:
        event: `{step: list|forget|remove|schemas|objects|finish, shop, run, execution, schemas?}`.
        _context: Lambda's.

    Returns:
        What `personalization.removal` says of the step.

    Raises:
        Rejected: no shop can have this name, or a run is at work on it.
        RetryLater, LimitReached, Broken: as `personalization.aws.failures` says.
    """
    request = removal.check(RemovalRequest.read(event))
    done = removal_steps.step(CLIENTS, request, Environment(), datetime.now(UTC))
    LOG.info("Step done", step=request.step, shop=request.shop)
    return dict(done)
