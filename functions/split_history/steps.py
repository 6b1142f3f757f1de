# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time that read rows: cut a history in two, and verify the import."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.releases.held_out import split_files, split_parts
from personalization.releases.held_out.plan import (
    CutOffRequest,
    ExplainRequest,
    JoinRequest,
    ListRequest,
    PartRequest,
    SplitRequest,
    VerifyRequest,
)
from personalization.shop.plan import Part

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: split | verify, trial}` for a history that one function reads, else `{step: latest | cut | read,
            trial, part}` for each part, and `{step: cutOff | joinCut | joinRead | explain, trial}` for all of them.

    Returns:
        The result of the step; of a part, the key of its result.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `personalization.core.aws.errors`.
    """
    s3, environment = clients.s3(), Environment()
    bucket = environment.bucket
    done: Part
    match event["step"]:
        case "list":
            trial = ListRequest.read(event).trial
            done = split_parts.list_files(s3, bucket, trial, environment.check_part_bytes)
        case "split":
            done = split_files.split(s3, bucket, SplitRequest.read(event).trial)
        case "latest":
            part = PartRequest.read(event)
            done = split_parts.find_latest(s3, bucket, part.trial, part.part)
        case "cutOff":
            done = split_parts.find_cut_off(s3, bucket, CutOffRequest.read(event).trial)
        case "cut":
            part = PartRequest.read(event)
            done = split_parts.cut(s3, bucket, part.trial, part.part, part.cut_off)
        case "joinCut":
            joined = JoinRequest.read(event)
            done = split_parts.join_cut(s3, bucket, joined.trial, joined.cut_off)
        case "read":
            part = PartRequest.read(event)
            done = split_parts.read(s3, bucket, part.trial, part.part)
        case "joinRead":
            done = split_parts.join_read(s3, bucket, JoinRequest.read(event).trial)
        case "explain":
            raise split_parts.explain(s3, bucket, ExplainRequest.read(event).trial)
        case _:
            done = split_files.verify(s3, bucket, VerifyRequest.read(event).trial)
    LOG.info("Step done", step=event["step"])
    return done.as_json()
