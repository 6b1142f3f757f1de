# SPDX-License-Identifier: Apache-2.0
"""Run the steps of batch inference jobs and user segments, one per call. Each step can be repeated."""

from datetime import UTC, datetime
from typing import Any

from personalization.batch import steps
from personalization.batch.job_input import Clients
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: plan, shop, run, batch | after}`, `{step: write, job}`, `{step: train, job, made?}`,
            `{step: answer, job, made?}`, `{step: convert, job, made?}`, `{step: report, job, written, made}` or
            `{step: end, job}`.

    Returns:
        `{jobs}` of plan; the written input with its price of write; `{arn, status, ready, made}` of train, answer
        and convert, with status WAITING and the reason if a quota is used up; what is announced of report.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `personalization.core.aws.errors`.
    """
    aws = Clients(clients.personalize(), clients.s3(), clients.dynamodb())
    done = steps.run(event, aws, Environment(), datetime.now(UTC))
    LOG.info("Step done", step=event["step"])
    return done.as_json()
