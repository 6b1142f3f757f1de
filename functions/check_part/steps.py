# SPDX-License-Identifier: Apache-2.0
"""Take a step of the check of a drop that is too large for one function, or of making days that are."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from personalization.auth import list_columns, list_ids
from personalization.auth.hash_key import HashKey
from personalization.core import environment, observability
from personalization.core.aws import clients, map_runs
from personalization.core.environment import Environment
from personalization.core.errors import intake_translated
from personalization.core.messages import Part, Steps
from personalization.experiments.days.large.plan import is_work
from personalization.experiments.days.large.steps import DaySteps
from personalization.experiments.lists import Lists
from personalization.ingest import known_ids
from personalization.ingest.item_lines import ItemLines
from personalization.ingest.ranges import Bucket
from table_intake.ranges import steps as ranges
from table_intake.wording import Text

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOG = observability.logger()
HASH_KEY = HashKey(clients.secretsmanager, environment.hash_key)
LISTS = Lists(list_columns.variants, list_ids.variant_number, list_columns.facts)
MAKING_SECONDS = 600
"""How long days of a shard are made; what is left of the function's time is for the last one."""


class _PartRequest(Part):
    work: str
    """The folder of the results: of a drop, or of days of events."""

    @property
    def shop(self) -> str:
        return self.work.split("/")[1]


class FitRequest(_PartRequest):
    """Fit the ranges of a round together, or the parts of days."""

    step: Literal["fit"]
    round: int = 0


class CheckRequest(_PartRequest):
    """Check the range of a number, or read the part of days."""

    step: Literal["check"]
    round: int = 0
    number: int = 0
    unreadable: dict[str, dict[str, Any]] | None = None
    """Why the file cannot be read, by its key, if it has ended the process that read it."""


class CountRequest(_PartRequest):
    """Count the partition of a number, or make the days of a shard."""

    step: Literal["count"]
    round: int = 0
    number: int = 0


class ExplainRequest(_PartRequest):
    """Fail with the reason of a part that failed."""

    step: Literal["explain"]


@dataclass(frozen=True, slots=True)
class _Bucket:
    s3: "S3Client"
    name: str


def _check(request: CheckRequest, at: _Bucket) -> dict[str, object]:
    unreadable = Text.joined("; ", map(Text.read, (request.unreadable or {}).values()))
    return {"key": _ranges(request, at).check(request.round, request.number, unreadable)}


def _count(request: CountRequest, at: _Bucket) -> dict[str, object]:
    return {"key": _ranges(request, at).count(request.round, request.number)}


def _fit(request: FitRequest, at: _Bucket) -> dict[str, object]:
    return _ranges(request, at).fit(request.round)


def _explain(request: ExplainRequest, at: _Bucket) -> dict[str, object]:
    map_runs.explain(at.s3, at.name, f"{request.work}results/")
    return {}


def _ranges(request: _PartRequest, at: _Bucket) -> ranges.Steps:
    return ranges.Steps(
        Bucket(at.s3, at.name),
        request.work,
        lambda expected: known_ids.Store(at.s3, at.name, request.shop, expected.known_by),
        ItemLines,
        lambda expected: HASH_KEY.of(request.shop) if expected.settings.hash else None,
    )


def _read_part(request: CheckRequest, at: _Bucket) -> dict[str, object]:
    return {"key": _days(request, at).read(request.number)}


def _fit_parts(request: FitRequest, at: _Bucket) -> dict[str, object]:
    return {"round": request.round, "again": False, "partitions": _days(request, at).fit()}


def _make_shard(request: CountRequest, at: _Bucket) -> dict[str, object]:
    end = time.monotonic() + MAKING_SECONDS
    return {"key": _days(request, at).make(request.number, lambda: time.monotonic() > end)}


def _days(request: _PartRequest, at: _Bucket) -> DaySteps:
    return DaySteps(at.s3, at.name, request.work, LISTS.rules, LISTS.also)


STEPS: Steps[_Bucket, dict[str, object]] = Steps(
    {CheckRequest: _check, FitRequest: _fit, CountRequest: _count, ExplainRequest: _explain}
)
STEPS_OF_DAYS: Steps[_Bucket, dict[str, object]] = Steps(
    {CheckRequest: _read_part, FitRequest: _fit_parts, CountRequest: _make_shard, ExplainRequest: _explain}
)


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
    with intake_translated():
        steps = STEPS_OF_DAYS if is_work(str(event.get("work", ""))) else STEPS
        done = steps.take(event, _Bucket(clients.s3(), Environment().bucket))
    LOG.info("Step taken", step=event["step"], work=event["work"], number=event.get("number"))
    return done
