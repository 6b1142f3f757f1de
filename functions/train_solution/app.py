# SPDX-License-Identifier: Apache-2.0
"""The steps of training, one a call. Each can run twice."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.observability import logger
from personalization.personalize import steps
from personalization.shop.plan import TrainRequest

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Make or find a solution, then the solution version of this run, or look at the one that is under way.

    Args:
        event: `{steps: [solution|solutionVersion], plan, recipe, made?}`.
        _context: Lambda's.

    Returns:
        `{arn, status, ready, made?}`; of a job for which there is no room, status WAITING and the reason.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: as `personalization.core.aws.errors` says.
    """
    request = TrainRequest.read(event)
    done = steps.train_step(clients.personalize(), request)
    LOG.info(
        "Step done", steps=request.steps, run=request.plan.run, arn=done.arn, status=done.status, reason=done.reason
    )
    return done.as_json()
