# SPDX-License-Identifier: Apache-2.0
"""Rows are spread over import jobs: none too large or too small, all rows once, and cut at the same places again."""

from collections.abc import Sequence
from dataclasses import astuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.errors import Rejected
from personalization.ingest.copies import Bounds, Cutter

HEADER = b"A,B\n"


class Copies:
    """Copies in memory, by job and part."""

    def __init__(self) -> None:
        self.there: dict[tuple[int, int], bytes] = {}

    def begin(self, job: int, part: int) -> "Writer":
        return Writer(self, (job, part))

    def remove(self, job: int, part: int) -> None:
        self.there.pop((job, part), None)

    def of_job(self, job: int) -> list[bytes]:
        copies = [data for (name, _), data in sorted(self.there.items()) if name == job]
        assert all(data.startswith(HEADER) for data in copies)
        return [row for data in copies for row in data.removeprefix(HEADER).splitlines(keepends=True)]


class Writer:
    def __init__(self, copies: Copies, where: tuple[int, int]) -> None:
        self.copies, self.where, self.data = copies, where, b""

    def write(self, data: bytes | memoryview) -> None:
        self.data += data

    def finish(self) -> None:
        self.copies.there[self.where] = self.data

    def abort(self) -> None: ...


def rows_of(part: int, sizes: Sequence[int]) -> list[bytes]:
    return [f"{part}.{number}".encode().ljust(size, b"x") + b"\n" for number, size in enumerate(sizes)]


def take(cutter: Cutter, part: int, rows: list[bytes], piece: int, *, bad: bool = False, skip: int = 0) -> None:
    """Hand an object over, some rows at a time; of line numbers each other one is a bad row's."""
    with cutter.part(f"{part}.csv", f"id-{part}", part) as target:
        target.write(HEADER)
        for start in range(skip, len(rows), piece):
            some = rows[start : start + piece]
            target.note_lines(pl.Series([2 * (start + number) for number in range(len(some))], dtype=pl.UInt32))
            target.write(b"".join(some[:1]))
            target.write(memoryview(b"".join(some[1:])))
        if bad:
            raise Rejected("it", "is bad")


files = st.lists(
    st.tuples(st.lists(st.integers(6, 12), min_size=1, max_size=60), st.booleans()), min_size=1, max_size=6
)


@given(files=files, piece=st.integers(1, 25), least=st.integers(1, 10), room=st.integers(0, 300))
def test_parts_are_within_bounds_and_have_each_row_once(
    files: list[tuple[list[int], bool]], piece: int, least: int, room: int
) -> None:
    # A job takes twice the rows that it must have, and a header of each object.
    most, copies = 2 * least * 13 + len(HEADER) * len(files) + room, Copies()
    cutter = Cutter(Bounds(most, least, 1_000), copies.begin, copies.remove)
    given = {part: rows_of(part, sizes) for part, (sizes, _) in enumerate(files)}
    for part, rows in given.items():
        if files[part][1]:
            take(cutter, part, rows, piece)
        else:
            with pytest.raises(Rejected):
                take(cutter, part, rows, piece, bad=True)
    left = cutter.postpone_rest()
    good = {part for part, (_, fine) in enumerate(files) if fine and part not in left}
    jobs = [copies.of_job(job) for job in range(len(cutter.cuts) + 1)]
    assert sorted(row for job in jobs for row in job) == sorted(row for part in good for row in given[part])
    assert sorted(copies.there) == sorted(cutter.copies)
    for number in range(len(jobs)):
        sizes = [len(data) for (job, _), data in copies.there.items() if job == number]
        assert sum(sizes) <= most
    if len(jobs) > 1:
        assert min(map(len, jobs)) >= least
    again, second = Copies(), {part: rows for part, rows in given.items() if part in good}
    follower = Cutter(Bounds(1, least, 1), again.begin, again.remove, cutter.cuts)
    for part, rows in second.items():
        take(follower, part, rows, piece + 3)
    assert [again.of_job(job) for job in range(len(jobs))] == jobs
    assert (follower.cuts, follower.postpone_rest()) == (cutter.cuts, ())


def test_a_later_run_cuts_at_the_same_lines_whatever_rows_it_takes() -> None:
    rows = rows_of(0, [9] * 100)
    copies, again = Copies(), Copies()
    cutter = Cutter(Bounds(604, 10, 9), copies.begin, copies.remove)
    take(cutter, 0, rows, 30)
    assert [astuple(cut) for cut in cutter.cuts] == [("id-0", 120)]
    follower = Cutter(Bounds(10_000, 10, 9), again.begin, again.remove, cutter.cuts)
    take(follower, 0, rows, 30, skip=20)
    assert (again.of_job(0), again.of_job(1)) == (copies.of_job(0)[20:], copies.of_job(1))


def test_without_a_bound_everything_is_one_job() -> None:
    copies = Copies()
    cutter = Cutter(Bounds(), copies.begin, copies.remove)
    for part in range(3):
        take(cutter, part, rows_of(part, [9] * 50), 7)
    assert (cutter.cuts, sorted(copies.there)) == ((), [(0, 0), (0, 1), (0, 2)])


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        (Bounds(104, 20, 9), "20 of its rows are larger than one import job may be"),
        (Bounds(304, 10, 3), "more than 3 import jobs of 304 bytes: drop it as several smaller files"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(bounds: Bounds, told: str) -> None:
    copies = Copies()
    cutter = Cutter(bounds, copies.begin, copies.remove)
    with pytest.raises(Rejected, match=told):
        take(cutter, 0, rows_of(0, [9] * 100), 10)
    assert (copies.there, cutter.cuts, cutter.copies) == ({}, (), ())
