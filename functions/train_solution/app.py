# SPDX-License-Identifier: Apache-2.0
"""Create or find the resources of a training, one per call. Each step can be repeated."""

from typing import Any

from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.observability import logger
from personalization.engine import backend, deleting, describing, files, training
from personalization.engine.streamed import Streams
from personalization.personalize.training import train_step
from personalization.shop.plan import TrainRequest

LOG = logger()
STORE = files.Store(clients.s3, environment.bucket)
TRAINING = training.operations(Streams(STORE, environment.live_table), environment.megabytes)
backend.connect(clients.dynamodb, environment, describing.OPERATIONS, TRAINING, deleting.operations(STORE))


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Create or find a solution, then this run's solution version, or describe the one in progress.

    Args:
        event: `{steps: [solution|solutionVersion], plan, recipe, made?}`.

    Returns:
        `{arn, status, ready, made?}`; status WAITING and the reason if a quota is used up.
    """
    request = TrainRequest.read(event)
    done = train_step(clients.personalize(), request)
    LOG.info(
        "Step done", steps=request.steps, run=request.plan.run, arn=done.arn, status=done.status, reason=done.reason
    )
    return done.as_json()
