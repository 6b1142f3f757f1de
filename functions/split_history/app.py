# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time that read rows: cut a history in two, and verify the import."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.releases.held_out import split_files
from personalization.releases.held_out.plan import SplitRequest, VerifyRequest
from personalization.shop.plan import Part

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: split, trial}` or `{step: verify, trial}`.

    Returns:
        The result of the split or of the verification.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `personalization.core.aws.errors`.
    """
    s3, bucket = clients.s3(), Environment().bucket
    if event["step"] == "split":
        done: Part = split_files.split(s3, bucket, SplitRequest.read(event).trial)
    else:
        done = split_files.verify(s3, bucket, VerifyRequest.read(event).trial)
    LOG.info("Step done", step=event["step"])
    return done.as_json()
