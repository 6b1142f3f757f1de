# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time that read rows: cut a history in two, and verify the import."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.releases.held_out import split_files
from personalization.releases.held_out.plan import SplitRequest, VerifyRequest

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: split, trial}` or `{step: verify, trial}`.
        _context: Lambda's.

    Returns:
        The result of the split or of the verification.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `personalization.core.aws.errors`.
    """
    done = STEPS[event["step"]](event)
    LOG.info("Step done", step=event["step"])
    return done


def _split(event: dict[str, Any]) -> dict[str, object]:
    return split_files.split(clients.s3(), Environment().bucket, SplitRequest.read(event).trial).as_json()


def _verify(event: dict[str, Any]) -> dict[str, object]:
    return split_files.verify(clients.s3(), Environment().bucket, VerifyRequest.read(event).trial).as_json()


STEPS = {"split": _split, "verify": _verify}
