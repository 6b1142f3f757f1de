# SPDX-License-Identifier: Apache-2.0
"""Create or find the resources of an import, one per call. Each step can be repeated."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.personalize import steps
from personalization.shop.plan import ImportRequest

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Create or find resources in order, or describe the one in progress.

    Args:
        event: `{steps: [datasetGroup|schema|dataset|eventTracker|filter|recommender|importJob], plan, filter?,
            recommender?, made?}`.

    Returns:
        `{arn, status, ready, made?}`; status WAITING and the reason if a quota is used up.
    """
    request = ImportRequest.read(event)
    done = steps.import_step(clients.personalize(), request, Environment())
    LOG.info(
        "Step done", steps=request.steps, run=request.plan.run, arn=done.arn, status=done.status, reason=done.reason
    )
    return done.as_json()
