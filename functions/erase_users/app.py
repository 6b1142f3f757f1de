# SPDX-License-Identifier: Apache-2.0
"""Delete users on request, every hour: from Personalize, and from our own records and files."""

import time
from typing import TYPE_CHECKING, Any

from personalization.core import environment, observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.engine import backend, describing, erasing, files
from personalization.engine.streamed import Streams
from personalization.maintenance.erasure import DeletionJobs, Eraser
from personalization.runs.store import StateMachine

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LOG = observability.logger()
STREAMS = Streams(files.Store(clients.s3, environment.bucket), environment.live_table)
backend.connect(clients.dynamodb, environment, describing.OPERATIONS, erasing.operations(STREAMS))
MARGIN_MS = 60_000
"""The part of the function's time that is left for work other than rewriting files."""


def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, object]:
    """Close finished data deletion jobs, and start jobs for pending requests.

    Returns:
        `{sent, gone, failed: [shop]}`: users in new jobs, users whose job has ended, and failed shops, which the next
        round retries.

    Raises:
        RetryLater, Broken: the table of shops does not answer.
    """
    environment = Environment()
    jobs = DeletionJobs(clients.personalize(), environment)

    def late() -> bool:
        return context.get_remaining_time_in_millis() < MARGIN_MS

    runs = StateMachine(clients.stepfunctions(), environment.retrain_machine_arn)
    done = Eraser(
        jobs=jobs,
        dynamodb=clients.dynamodb(),
        s3=clients.s3(),
        executions=runs,
        environment=environment,
        now=int(time.time()),
    ).round(late)
    for shop, reason in done.failed:
        LOG.error("Users not deleted", shop=shop, reason=reason)
    observability.count(environment.namespace, "FailedErasures", len(done.failed))
    LOG.info("Round made", sent=done.sent, gone=done.gone)
    return {"sent": done.sent, "gone": done.gone, "failed": [shop for shop, _ in done.failed]}
