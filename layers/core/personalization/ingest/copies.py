# SPDX-License-Identifier: Apache-2.0
"""The import copies of a run in the bucket, and the rows at which its import jobs begin.

An incremental import adds rows permanently. A run that continues an earlier one, some of whose jobs are done, therefore
cuts at the same rows and finds those jobs by their names.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from personalization.core.aws import objects
from personalization.core.errors import Rejected
from personalization.core.names import Names, run_name
from personalization.core.status import Progress, progress
from personalization.ingest import plan
from personalization.ingest.csv.cutting import Bounds, Cut, Cutter
from personalization.ingest.findings import MINIMUM_INTERACTIONS
from personalization.likelihood import inputs
from personalization.personalize import ensure
from personalization.shop.keys import DataKind, Drop
from personalization.shop.plan import PrepareRequest

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class EarlierCuts:
    """How earlier runs cut the same objects."""

    cuts: tuple[Cut, ...]
    left: frozenset[str]
    """Ids of objects postponed by them."""
    runs: tuple[str, ...]
    """The runs with these cuts."""


class Copies:
    """The copies of a request's objects.

    Args:
        client: of the bucket.
        request: the objects.
        drop: the first of them.
        bounds: limits of an import job.
        before: the cuts of earlier runs, if they must be kept.
    """

    def __init__(
        self, client: "S3Client", request: PrepareRequest, drop: Drop, bounds: Bounds, before: EarlierCuts | None
    ) -> None:
        self._s3 = client
        self._bucket, self._run, self._drop = request.bucket, request.run, drop
        self._kind: DataKind = drop.data_kind or "interactions"
        self._kept: dict[int, list[str]] = {}
        self.before = before
        self.cutter = Cutter(bounds, self._begin, self._remove, before.cuts if before else None)

    def keep(self, milliseconds: int, part: int) -> None:
        """Keep imported files for the fits of the purchase likelihood; import copies expire."""
        drop = self._drop
        for job in (job for job, number in self.cutter.copies if number == part):
            key = inputs.key(drop.shop, self._kind, drop.mode, milliseconds, self._run, part + 1000 * job)
            objects.copy(self._s3, self._bucket, self._key(job, part), key)
            self._kept.setdefault(part, []).append(key)

    def finish(self, parts: int, left_out: Collection[int], left: Collection[str]) -> None:
        """Remove copies that must not be imported, and record where the jobs begin and what is postponed.

        Args:
            parts: the number of objects.
            left_out: the numbers of objects that are not imported.
            left: the ids of objects with too few rows for a job of their own.

        Raises:
            Rejected: rows imported by an earlier run are now refused, or in other objects.
        """
        cuts = self.cutter.cuts
        if self.before is not None and cuts != self.before.cuts:
            problem = "an earlier run has imported a part of these files, and other rows of them are bad now"
            raise Rejected(self._drop.key, f"{problem}: undo the change of the settings, or drop the whole history")
        kept = {copy for copy in self.cutter.copies if copy[1] not in left_out}
        # The import takes the whole folder, including leftovers of an earlier attempt.
        for job in range(len(cuts) + 1):
            for part in range(parts):
                if (job, part) not in kept:
                    self._remove(job, part)
        for key in (key for part in left_out for key in self._kept.get(part, ())):
            objects.remove(self._s3, self._bucket, key)
        if cuts or left:
            document = {"cuts": [asdict(cut) for cut in cuts], "left": sorted(left)}
            key = plan.cuts_key(self._drop.shop, self._run, self._kind)
            objects.put_json(self._s3, self._bucket, key, document)

    def _key(self, job: int, part: int) -> str:
        return plan.copy_key(self._drop.shop, self._run, self._kind, part, job)

    def _begin(self, job: int, part: int) -> objects.Upload:
        return objects.Upload(self._s3, self._bucket, self._key(job, part))

    def _remove(self, job: int, part: int) -> None:
        objects.remove(self._s3, self._bucket, self._key(job, part))


def copies_of(
    client: "S3Client",
    personalize: "PersonalizeClient",
    names: Names,
    request: PrepareRequest,
    drop: Drop,
    most: int,
) -> Copies:
    """Return a request's copies: within the bounds of incremental jobs, or all for one job."""
    if drop.mode != "INCREMENTAL" or drop.data_kind is None or not request.in_parts:
        return Copies(client, request, drop, Bounds(), None)
    least = MINIMUM_INTERACTIONS if drop.data_kind == "interactions" else 1
    bounds = Bounds(most, least, plan.MOST_JOBS[drop.data_kind])
    return Copies(client, request, drop, bounds, _earlier_cuts(client, personalize, names, request, drop))


def _earlier_cuts(
    client: "S3Client", personalize: "PersonalizeClient", names: Names, request: PrepareRequest, drop: Drop
) -> EarlierCuts | None:
    """Return the cuts of the newest earlier run that has an import job which has not failed."""
    kind = drop.data_kind or "interactions"
    cut_by = {run: _read(client, request.bucket, plan.cuts_key(drop.shop, run, kind)) for run in request.imported_by}
    for run in reversed(request.imported_by):
        cuts, left = cut_by[run]
        jobs = plan.job_names(names, drop.shop, kind, run, len(cuts) + 1)
        if not cuts:
            jobs.append(names.import_job(drop.shop, kind, run, "", run_name))
        statuses = (ensure.import_job_status(personalize, job.arn) for job in jobs)
        if any(status is not None and progress(status) is not Progress.FAILED for status in statuses):
            return EarlierCuts(
                cuts, left, tuple(other for other in request.imported_by if cut_by[other] == cut_by[run])
            )
    return None


def _read(client: "S3Client", bucket: str, key: str) -> tuple[tuple[Cut, ...], frozenset[str]]:
    document = objects.get_json(client, bucket, key) or {"cuts": (), "left": ()}
    return tuple(Cut(each["id"], each["line"]) for each in document["cuts"]), frozenset(document["left"])
