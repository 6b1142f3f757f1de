# SPDX-License-Identifier: Apache-2.0
"""Spread the rows of objects imported together over import jobs that are neither too large nor too small.

Each object becomes one copy for each job that has rows of it. A cut is stored as the object and a line of its file, so
that a later run cuts at the same places, whatever its settings make of the rows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from personalization.core.errors import Rejected


class Copy(Protocol):
    """An object being written."""

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes."""

    def finish(self) -> None:
        """Complete the object."""

    def abort(self) -> None:
        """Discard the object."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The beginning of an import job that follows another."""

    id: str
    """The object's id."""
    line: int
    """The job begins with the first row from this line of the file on."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of an import job."""

    most: int | None = None
    """Bytes of all copies together; None for no limit."""
    least: int = 1
    """Rows."""
    jobs: int = 1
    """Import jobs of a run."""


@dataclass(slots=True)
class _State:
    """The jobs so far."""

    cuts: list[Cut] = field(default_factory=list)
    size: int = 0
    """Bytes of the last job."""
    rows: int = 0
    """Rows of the last job."""
    parts: tuple[int, ...] = ()
    """The objects with rows in the last job."""
    copies: tuple[tuple[int, int], ...] = ()
    """Job and part of every copy."""


class Cutter:
    """Cuts a run's rows into import jobs.

    Args:
        bounds: the limits of a job.
        begin: starts the copy of a part (the second number) for a job (the first).
        remove: deletes such a copy.
        follow: the cuts of an earlier run, if they must be kept.
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
        """Return where the jobs after the first begin."""
        return tuple(self.state.cuts)

    @property
    def copies(self) -> tuple[tuple[int, int], ...]:
        """Return the job and the part of every existing copy."""
        return self.state.copies

    @contextmanager
    def part(self, resource: str, object_id: str, number: int) -> Iterator["Part"]:
        """Write an object in the block; an error leaves nothing of it.

        Raises:
            Rejected: its rows do not fit into the run's jobs.
        """
        before = _State([*self.state.cuts], self.state.size, self.state.rows, self.state.parts, self.state.copies)
        part = Part(self, resource, object_id, number)
        try:
            yield part
            part.finish()
        except BaseException:
            part.abort()
            for job, each in self.state.copies[len(before.copies) :]:
                self._remove(job, each)
            self.state = before
            raise

    def postpone_rest(self) -> tuple[int, ...]:
        """Take back the objects of the last job if they have too few rows for one, and return their numbers.

        Each of them is completely in that job: a job that begins within an object has enough rows of it.
        """
        if not self.state.cuts or self.state.rows >= self.bounds.least or self.follow is not None:
            return ()
        job, parts = len(self.state.cuts), self.state.parts
        for each in parts:
            self._remove(job, each)
        self.state.copies = tuple(copy for copy in self.state.copies if copy[0] != job)
        self.state.cuts.pop()
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

    def place(self, lines: pl.Series) -> None:
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
        """Return the next cut of the earlier run within this object."""
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
                problem = f"{bounds.least:,} of its rows are larger than one import job may be ({most:,} bytes)"
                raise Rejected(self._resource, f"{problem}: leave out columns or shorten texts")
            self._cut(rows, Cut(self._id, int(lines[rows])))

    def _joined(self) -> tuple[bytes, pl.Series]:
        data, lines = b"".join(data for data, _ in self._pending), pl.concat([lines for _, lines in self._pending])
        self._pending = [(data, lines)]
        return data, lines

    def _cut(self, rows: int, cut: Cut) -> None:
        """Write so many of the pending rows, and begin another job."""
        data, lines = self._joined()
        end = _end_of(data, rows)
        if rows:
            self._emit(data[:end], rows)
        self._close()
        self._pending = [(data[end:], lines[rows:])]
        self._begin_job(cut)

    def _begin_job(self, cut: Cut) -> None:
        state = self._cutter.state
        state.cuts.append(cut)
        if len(state.cuts) >= self._cutter.bounds.jobs and self._cutter.follow is None:
            problem = f"it needs more than {self._cutter.bounds.jobs} import jobs of {self._cutter.bounds.most:,} bytes"
            raise Rejected(self._resource, f"{problem}: drop it as several smaller files")
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


def _end_of(data: bytes, rows: int) -> int:
    """Return the byte after so many rows of one line each."""
    end = 0
    for _ in range(rows):
        end = data.index(b"\n", end) + 1
    return end
