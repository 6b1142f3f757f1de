# SPDX-License-Identifier: Apache-2.0
"""Every hour: users whose deletion was asked for are deleted from Personalize, and from what is held of them here."""

import time
from typing import TYPE_CHECKING, Any

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.maintenance.deletion_jobs import DeletionJobs
from personalization.maintenance.erasure import Eraser
from personalization.runs.store import StateMachine

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LOG = observability.logger()
MARGIN_MS = 60_000
"""What is left of the function's time for everything but the rewriting of files."""


def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, object]:
    """Close data deletion jobs that are through, and start one for what waits.

    Args:
        _event: nothing that matters.
        context: Lambda's, for the time that is left.

    Returns:
        `{sent, gone, failed: [shop]}`: users who went into jobs, users whose job is through, and shops where something
        failed, which the next round tries again.

    Raises:
        RetryLater, Broken: the table of shops does not answer.
    """
    environment = Environment()
    jobs = DeletionJobs(clients.personalize(), environment)

    def late() -> bool:
        return context.get_remaining_time_in_millis() < MARGIN_MS

    runs = StateMachine(clients.stepfunctions(), environment.retrain_machine_arn)
    done = Eraser(jobs, clients.dynamodb(), clients.s3(), runs, environment, int(time.time())).round(late)
    for shop, reason in done.failed:
        LOG.error("Users not deleted", shop=shop, reason=reason)
    observability.count(environment.namespace, "FailedErasures", len(done.failed))
    LOG.info("Round made", sent=done.sent, gone=done.gone)
    return {"sent": done.sent, "gone": done.gone, "failed": [shop for shop, _ in done.failed]}
