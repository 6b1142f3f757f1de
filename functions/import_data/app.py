# SPDX-License-Identifier: Apache-2.0
"""The steps that make or find what an import needs, one a call. Each can run twice."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.personalize import steps
from personalization.shop.plan import ImportRequest

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Make or find resources, one after the other, or look at the one that is under way.

    Args:
        event: `{steps: [datasetGroup|schema|dataset|eventTracker|filter|recommender|importJob], plan, filter?,
            recommender?, made?}`.
        _context: Lambda's.

    Returns:
        `{arn, status, ready, made?}`; of a job for which there is no room, status WAITING and the reason.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: as `personalization.core.aws.errors` says.
    """
    request = ImportRequest.read(event)
    done = steps.import_step(clients.personalize(), request, Environment())
    LOG.info(
        "Step done", steps=request.steps, run=request.plan.run, arn=done.arn, status=done.status, reason=done.reason
    )
    return done.as_json()
