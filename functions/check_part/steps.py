# SPDX-License-Identifier: Apache-2.0
"""Take a step of the check of a drop that is too large for one function."""

from typing import TYPE_CHECKING, Any, Literal

from personalization.core import observability
from personalization.core.aws import clients, map_runs
from personalization.core.environment import Environment
from personalization.core.errors import intake_translated
from personalization.ingest import known_ids
from personalization.ingest.bucket import Bucket
from personalization.ingest.item_lines import ItemLines
from personalization.shop.plan import Part
from table_intake.ranges.steps import Steps

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOG = observability.logger()


class StepRequest(Part):
    """A step in a folder; `number` is that of a range or a partition."""

    step: Literal["check", "fit", "count", "explain"]
    work: str
    round: int = 0
    number: int = 0
    unreadable: dict[str, str] | None = None
    """Why the file cannot be read, by its key, if it has ended the process that read it."""


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take a step.

    Args:
        event: `{step: check or count, work, round, number}`, `{step: fit, work, round}` or `{step: explain, work}`.

    Returns:
        `{key}` of the result, or for fit `{round, again, partitions}`.

    Raises:
        Rejected: the ranges do not fit, whatever is done.
        Broken: a part failed, with its reason.
    """
    request = StepRequest.read(event)
    with intake_translated():
        done = _taken(request, clients.s3(), Environment().bucket)
    LOG.info("Step taken", step=request.step, work=request.work, number=request.number)
    return done


def _taken(request: StepRequest, s3: "S3Client", bucket: str) -> dict[str, object]:
    shop = request.work.split("/")[1]
    steps = Steps(
        Bucket(s3, bucket),
        request.work,
        lambda expected: known_ids.Store(s3, bucket, shop, expected.known_by),
        ItemLines,
    )
    match request.step:
        case "check":
            unreadable = "; ".join((request.unreadable or {}).values())
            return {"key": steps.check(request.round, request.number, unreadable)}
        case "count":
            return {"key": steps.count(request.round, request.number)}
        case "fit":
            return steps.fit(request.round)
        case "explain":
            raise map_runs.failure(s3, bucket, f"{request.work}results/")
