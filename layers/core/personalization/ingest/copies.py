# SPDX-License-Identifier: Apache-2.0
"""The import copies of a run, whose rows are spread over import jobs that are neither too large nor too small.

Each object becomes one copy for each job that has rows of it. A cut is stored as the object and a line of its file. An
incremental import adds rows permanently: a run that continues an earlier one, some of whose jobs are done, cuts at the
same lines, whatever its settings make of the rows, and finds those jobs by their names.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Protocol

import polars as pl
from table_intake import DataKind
from table_intake.check.findings import MINIMUM_INTERACTIONS
from table_intake.wording import Text

from personalization.core.aws import objects
from personalization.core.errors import Rejected
from personalization.core.names import Names
from personalization.core.status import Progress, progress
from personalization.ingest import imports
from personalization.likelihood import inputs
from personalization.personalize import ensure
from personalization.shop.keys import Drop
from personalization.shop.plan import PrepareRequest

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client


class Copy(Protocol):
    """An object being written, such as `objects.Upload`."""

    def write(self, data: bytes | memoryview) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """The beginning of an import job that follows another: the first row of an object from a line on."""

    id: str
    line: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most bytes (None: no limit) and the least rows of an import job, and the most jobs of a run."""

    most: int | None = None
    least: int = 1
    jobs: int = 1


@dataclass(slots=True, kw_only=True)
class _State:
    """The cuts and copies (job and part) so far; the size, the rows and the parts of the last job."""

    cuts: tuple[Cut, ...] = ()
    copies: tuple[tuple[int, int], ...] = ()
    size: int = 0
    rows: int = 0
    parts: tuple[int, ...] = ()


class Cutter:
    """Cuts a run's rows into import jobs, or as an earlier run did (`follow`).

    `begin` starts the copy of a part (the second number) for a job (the first), and `remove` deletes it.
    """

    def __init__(
        self,
        bounds: Bounds,
        begin: Callable[[int, int], Copy],
        remove: Callable[[int, int], object],
        follow: Sequence[Cut] | None = None,
    ) -> None:
        self.bounds = bounds
        self.begin = begin
        self.follow = follow
        self.state = _State()
        self._remove = remove

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """Where the jobs after the first begin."""
        return self.state.cuts

    @property
    def copies(self) -> tuple[tuple[int, int], ...]:
        """The job and the part of every existing copy."""
        return self.state.copies

    @contextmanager
    def part(self, resource: str, object_id: str, number: int) -> Iterator["Part"]:
        """Write an object in the block; an error leaves nothing of it.

        Raises:
            Rejected: its rows do not fit into the run's jobs.
        """
        before = replace(self.state)
        part = Part(self, resource, object_id, number)
        try:
            yield part
            part.finish()
        except BaseException:
            part.abort()
            for job, part_number in self.state.copies[len(before.copies) :]:
                self._remove(job, part_number)
            self.state = before
            raise

    def postpone_rest(self) -> tuple[int, ...]:
        """Take back the objects of the last job if they have too few rows for one, and return their numbers.

        Each of them is completely in that job: a job that begins within an object has enough rows of it.
        """
        if not self.state.cuts or self.state.rows >= self.bounds.least or self.follow is not None:
            return ()
        job, parts = len(self.state.cuts), self.state.parts
        for number in parts:
            self._remove(job, number)
        self.state.copies = tuple(copy for copy in self.state.copies if copy[0] != job)
        self.state.cuts = self.state.cuts[:-1]
        return parts


class Part:
    """One object: takes its header, then the lines of each piece's rows and their bytes."""

    def __init__(self, cutter: Cutter, resource: str, object_id: str, number: int) -> None:
        self._cutter = cutter
        self._resource = resource
        self._id = object_id
        self._number = number
        self._header = b""
        self._lines: pl.Series | None = None
        self._pieces: list[bytes | memoryview] = []
        self._pending: list[tuple[bytes, pl.Series]] = []
        self._copy: Copy | None = None
        self._any = False

    def note_lines(self, lines: pl.Series) -> None:
        """Set the lines of the rows that are written next."""
        self._settle()
        self._lines = lines

    def write(self, data: bytes | memoryview) -> None:
        """Take the header, or some of the rows whose lines are set."""
        if self._lines is None:
            self._header += data
        else:
            self._pieces.append(data)

    def finish(self) -> None:
        """Write the pending rows, and complete the copy."""
        self._settle()
        self._flush(0)
        if not self._any:
            self._emit(b"", 0)
        self._close()
        while self._next is not None:
            # The earlier run's rows from there on are bad now.
            self._begin_job(self._next)

    def abort(self) -> None:
        """Discard the copy being written."""
        if self._copy is not None:
            self._copy.abort()

    def _settle(self) -> None:
        if self._lines is None or not self._lines.len():
            self._pieces.clear()
            return
        self._pending.append((b"".join(self._pieces), self._lines))
        self._pieces, self._lines = [], self._lines.clear()
        if self._cutter.follow is not None:
            self._follow()
            self._flush(0)
        elif self._cutter.bounds.most is None:
            self._flush(0)
        else:
            self._fit(self._cutter.bounds.most)
            self._flush(self._cutter.bounds.least)

    def _follow(self) -> None:
        """Cut where an earlier run did."""
        while (cut := self._next) is not None and int(self._pending[-1][1][-1]) >= cut.line:
            self._cut(int((self._pending[-1][1] < cut.line).sum()), cut)

    @property
    def _next(self) -> Cut | None:
        """The next cut of the earlier run within this object."""
        cuts, done = self._cutter.follow or (), len(self._cutter.state.cuts)
        return cuts[done] if done < len(cuts) and cuts[done].id == self._id else None

    def _fit(self, most: int) -> None:
        """Cut where the last job is full, leaving enough rows for the next job."""
        bounds, state = self._cutter.bounds, self._cutter.state
        while True:
            room = most - state.size - (0 if self._copy else len(self._header))
            if sum(len(data) for data, _ in self._pending) <= room:
                return
            data, lines = self._joined()
            fits = data.count(b"\n", 0, max(0, room))
            rows = max(0, min(fits, lines.len() - bounds.least))
            if state.rows + rows < bounds.least:
                text = (
                    "{rows:,} of its rows are larger than one import job may be ({most:,} bytes): leave out columns or "
                    "shorten texts"
                )
                raise Rejected(self._resource, Text("import.large-rows", text, rows=bounds.least, most=most))
            self._cut(rows, Cut(self._id, int(lines[rows])))

    def _joined(self) -> tuple[bytes, pl.Series]:
        data, lines = b"".join(data for data, _ in self._pending), pl.concat([lines for _, lines in self._pending])
        self._pending = [(data, lines)]
        return data, lines

    def _cut(self, rows: int, cut: Cut) -> None:
        """Write so many of the pending rows, and begin another job."""
        data, lines = self._joined()
        end = 0
        for _ in range(rows):
            end = data.index(b"\n", end) + 1
        if rows:
            self._emit(data[:end], rows)
        self._close()
        self._pending = [(data[end:], lines[rows:])]
        self._begin_job(cut)

    def _begin_job(self, cut: Cut) -> None:
        state = self._cutter.state
        state.cuts = (*state.cuts, cut)
        if len(state.cuts) >= self._cutter.bounds.jobs and self._cutter.follow is None:
            text = "it needs more than {jobs} import jobs of {most:,} bytes: drop it as several smaller files"
            bounds = self._cutter.bounds
            raise Rejected(self._resource, Text("import.many-jobs", text, jobs=bounds.jobs, most=bounds.most))
        state.size, state.rows, state.parts = 0, 0, ()

    def _flush(self, least: int) -> None:
        """Write the pending rows, except so many at their end."""
        while self._pending and sum(lines.len() for _, lines in self._pending[1:]) >= least:
            data, lines = self._pending.pop(0)
            self._emit(data, lines.len())

    def _emit(self, data: bytes, rows: int) -> None:
        state = self._cutter.state
        if self._copy is None:
            job = len(state.cuts)
            self._copy = self._cutter.begin(job, self._number)
            self._copy.write(self._header)
            state.size += len(self._header)
            state.parts = (*state.parts, self._number)
            state.copies = (*state.copies, (job, self._number))
            self._any = True
        self._copy.write(data)
        state.size += len(data)
        state.rows += rows

    def _close(self) -> None:
        if self._copy is not None:
            self._copy.finish()
            self._copy = None


@dataclass(frozen=True, slots=True)
class EarlierCuts:
    """How earlier `runs` cut the same objects, and the ids of those that they postponed."""

    cuts: tuple[Cut, ...]
    left: frozenset[str]
    runs: tuple[str, ...]


class Copies:
    """The copies of a request's objects, the first of which is `drop`; `before` are cuts that must be kept."""

    def __init__(
        self, client: "S3Client", request: PrepareRequest, drop: Drop, bounds: Bounds, before: EarlierCuts | None
    ) -> None:
        self._s3 = client
        self._bucket, self._run, self._drop = request.bucket, request.run, drop
        self._kind: DataKind = drop.data_kind or "interactions"
        self._stored: dict[int, list[str]] = {}
        self._pieces: dict[int, Sequence[str]] = {}
        """The copies of an object's ranges, which are all in the first job."""
        self.before = before
        self.cutter = Cutter(bounds, self._begin, self._remove, before.cuts if before else None)

    def keep(self, milliseconds: int, part: int) -> None:
        """Keep imported files for the fits of the purchase likelihood; import copies expire."""
        drop = self._drop
        if self._kind not in inputs.KINDS:
            return
        for job in [job for job, number in self.cutter.copies if number == part]:
            source = self._key(job, part)
            key = inputs.key(
                drop.shop, self._kind, drop.mode, milliseconds=milliseconds, run=self._run, part=part + 1000 * job
            )
            objects.copy(self._s3, self._bucket, source, key)
            self._stored.setdefault(part, []).append(key)
        for number, source in enumerate(self._pieces.get(part, ())):
            key = inputs.key(
                drop.shop, self._kind, drop.mode, milliseconds=milliseconds, run=self._run, part=(part, number)
            )
            objects.copy(self._s3, self._bucket, source, key)
            self._stored.setdefault(part, []).append(key)

    def add(self, part: int, pieces: Sequence[str]) -> None:
        """Take the copies of an object's ranges, by their keys, as the copy of the object."""
        self._pieces[part] = pieces

    def discard(self, part: int) -> None:
        """Remove the copies of an object's ranges."""
        for key in self._pieces.pop(part, ()):
            objects.remove(self._s3, self._bucket, key)

    def finish(self, parts: int, left_out: Collection[int], left: Collection[str]) -> None:
        """Remove copies that must not be imported, and record where the jobs begin and what is postponed.

        Args:
            parts: the number of objects.
            left_out: the numbers of objects that are not imported.
            left: the ids of postponed objects.

        Raises:
            Rejected: rows imported by an earlier run are now refused, or in other objects.
        """
        cuts = self.cutter.cuts
        if self.before is not None and cuts != self.before.cuts:
            text = (
                "an earlier run has imported a part of these files, and other rows of them are bad now: undo the "
                "change of the settings, or drop the whole history"
            )
            raise Rejected(self._drop.key, Text("import.changed", text))
        copies = {copy for copy in self.cutter.copies if copy[1] not in left_out}
        # The import takes the whole folder, including leftovers of an earlier attempt.
        for job in range(len(cuts) + 1):
            for part in range(parts):
                if (job, part) not in copies:
                    self._remove(job, part)
        for part in left_out:
            self.discard(part)
        for key in (key for part in left_out for key in self._stored.get(part, ())):
            objects.remove(self._s3, self._bucket, key)
        if cuts or left:
            document = {"cuts": [asdict(cut) for cut in cuts], "left": sorted(left)}
            key = imports.cuts_key(self._drop.shop, self._run, self._kind)
            objects.put_json(self._s3, self._bucket, key, document)

    def _key(self, job: int, part: int) -> str:
        return imports.copy_key(self._drop.shop, self._run, self._kind, part, job)

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
    if drop.mode != "INCREMENTAL" or drop.data_kind is None:
        return Copies(client, request, drop, Bounds(), None)
    least = MINIMUM_INTERACTIONS if drop.data_kind == "interactions" else 1
    bounds = Bounds(most, least, imports.MOST_JOBS[drop.data_kind])
    return Copies(client, request, drop, bounds, _earlier_cuts(client, personalize, names, request, drop))


def _earlier_cuts(
    client: "S3Client", personalize: "PersonalizeClient", names: Names, request: PrepareRequest, drop: Drop
) -> EarlierCuts | None:
    """Return the cuts of the newest earlier run that has an import job which has not failed."""
    kind = drop.data_kind or "interactions"
    cut_by = {run: _read(client, request.bucket, imports.cuts_key(drop.shop, run, kind)) for run in request.imported_by}
    for run in reversed(request.imported_by):
        cuts, left = cut_by[run]
        jobs = imports.job_names(names, drop.shop, kind, run, len(cuts) + 1)
        statuses = (ensure.import_job_status(personalize, job.arn) for job in jobs)
        if any(status is not None and progress(status) is not Progress.FAILED for status in statuses):
            return EarlierCuts(
                cuts, left, tuple(other for other in request.imported_by if cut_by[other] == cut_by[run])
            )
    return None


def _read(client: "S3Client", bucket: str, key: str) -> tuple[tuple[Cut, ...], frozenset[str]]:
    document = objects.get_json(client, bucket, key) or {"cuts": (), "left": ()}
    return tuple(Cut(cut["id"], cut["line"]) for cut in document["cuts"]), frozenset(document["left"])
