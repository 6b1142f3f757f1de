# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time that read rows: cut a history in two, and verify the import."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.messages import Part, Steps
from personalization.core.observability import logger
from personalization.releases.held_out import split_files, split_parts, trials
from personalization.releases.held_out.trials import (
    CutOffRequest,
    CutRequest,
    ExplainRequest,
    JoinCutRequest,
    JoinReadRequest,
    LatestRequest,
    ListRequest,
    ReadRequest,
    SplitRequest,
    VerifyRequest,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOG = logger()


@dataclass(frozen=True, slots=True)
class _Files:
    s3: "S3Client"
    bucket: str
    part_bytes: int


def _list(request: ListRequest, at: _Files) -> trials.Exported:
    return split_parts.list_files(at.s3, at.bucket, request.trial, at.part_bytes)


def _split(request: SplitRequest, at: _Files) -> trials.Split:
    return split_files.split(at.s3, at.bucket, request.trial)


def _latest(request: LatestRequest, at: _Files) -> trials.Written:
    return split_parts.find_latest(at.s3, at.bucket, request.trial, request.part)


def _cut_off(request: CutOffRequest, at: _Files) -> trials.CutOff:
    return split_parts.find_cut_off(at.s3, at.bucket, request.trial)


def _cut(request: CutRequest, at: _Files) -> trials.Written:
    return split_parts.cut(at.s3, at.bucket, request.trial, request.part, request.cut_off)


def _join_cut(request: JoinCutRequest, at: _Files) -> trials.Split:
    return split_parts.join_cut(at.s3, at.bucket, request.trial, request.cut_off)


def _read(request: ReadRequest, at: _Files) -> trials.Written:
    return split_parts.read(at.s3, at.bucket, request.trial, request.part)


def _join_read(request: JoinReadRequest, at: _Files) -> trials.Imported:
    return split_parts.join_read(at.s3, at.bucket, request.trial)


def _verify(request: VerifyRequest, at: _Files) -> trials.Imported:
    return split_files.verify(at.s3, at.bucket, request.trial)


def _explain(request: ExplainRequest, at: _Files) -> Part:
    split_parts.explain(at.s3, at.bucket, request.trial)
    return Part()


STEPS: Steps[_Files, Part] = Steps(
    {
        ListRequest: _list,
        SplitRequest: _split,
        LatestRequest: _latest,
        CutOffRequest: _cut_off,
        CutRequest: _cut,
        JoinCutRequest: _join_cut,
        ReadRequest: _read,
        JoinReadRequest: _join_read,
        VerifyRequest: _verify,
        ExplainRequest: _explain,
    }
)


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
    environment = Environment()
    done = STEPS.take(event, _Files(clients.s3(), environment.bucket, environment.check_part_bytes))
    LOG.info("Step done", step=event["step"])
    return done.as_json()
