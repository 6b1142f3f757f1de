# SPDX-License-Identifier: Apache-2.0
"""A file checked in ranges, wherever it is cut, gives what one pass gives: to the line, the reason and the byte."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_intake import Checked, Expected, Refused, TableSettings
from table_intake.check import checking, state
from table_intake.check.checking import Output
from table_intake.check.counts import Counting, Different
from table_intake.check.state import State
from table_intake.ranges import cutting, ranges
from table_intake.ranges.cutting import File, Outcome, Task
from table_intake.ranges.ranges import FileForm, Range
from table_intake.read.rows import Table
from test_validation_oracle import NOW, dirty_file

EXPECTED = Expected("k", "interactions", "FULL", TableSettings.model_validate({"rejects": {"limit": 1}}), now=NOW)
PARTITIONS = 2
QUOTED = (
    b"USER_ID,ITEM_ID,TIMESTAMP,NOTE\n"
    b'u1,i1,1700000000,"two\nlines, and\n""three"""\n'
    b'u2,"i2",1700000001,5" nail\n'
    b'u3,i3,1700000002,"never closed\n'
    b"u4,i4,1700000003,\xef\xbb\xbfmark\n"
    b"\xef\xbb\xbfu5,i5,1700000004,\n"
    b"\n"
    b"u6,i6,soon,ragged,too\n"
    b'u7,i7,1700000005,"\n\n\n"\n'
    b"u8,i8,yesterday,"
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How a file is read."""

    chunk: int = 1 << 20
    piece: int = 1 << 20


@dataclass(frozen=True, slots=True)
class OfRange:
    """What a range leaves, as another process would read it."""

    outcome: Outcome
    lines: int
    state: State
    copy: bytes
    hashes: Sequence[State]


def chunks(data: bytes, size: int, begin: int) -> Iterator[bytes]:
    return (data[number : number + size] for number in range(begin, len(data), size))


def stored(state_: State) -> State:
    return state.unpack(state.pack(state_))


def whole(data: bytes, expected: Expected = EXPECTED) -> tuple[Checked, bytes]:
    copy = bytearray()
    with tempfile.TemporaryDirectory() as scratch:
        copied = checking.check_table(Table("k", [data]), expected, copy.extend, Path(scratch))
    return copied, bytes(copy)


def checked(data: bytes, task: Task, form: FileForm, sizes: Sizes) -> OfRange:
    copy = bytearray()
    with tempfile.TemporaryDirectory() as scratch:
        table = Range("k", partial(chunks, data, sizes.chunk), task, form, sizes.piece, len(data))
        counted = checking.begin(EXPECTED, table.header, Path(scratch), PARTITIONS)
        checking.check_rows(table.rows(), EXPECTED, counted, Output(copy.extend), whole=not task.number)
        tallies = counted.counting.tallies
        every = zip(*(tally.parts() for tally in tallies.values()), strict=True)
        hashes = [stored(State({}, dict(zip(tallies, frames, strict=True)))) for frames in every]
        outcome = Outcome(table.skipped, table.behind, table.encoding)
        return OfRange(outcome, table.lines, stored(counted.state()), bytes(copy), hashes)


def in_ranges(data: bytes, cuts: Sequence[int], sizes: Sizes) -> tuple[Checked, bytes]:
    """Check a file in ranges, again and again until they fit, and add up what they left."""
    form = FileForm(Table("k", [data]).header, ",")
    todo = [
        Task(number, 0, begin, end, end == len(data), None if begin else 0, "utf-8")
        for number, (begin, end) in enumerate(pairwise([0, *cuts, len(data)]))
    ]
    now, results = todo, dict[int, OfRange]()
    while todo:
        results |= {task.number: checked(data, task, form, sizes) for task in todo}
        todo = cutting.wrong(now, [results[task.number].outcome for task in now])
        again = {task.number: task for task in todo}
        now = [again.get(task.number, task) for task in now]
    with tempfile.TemporaryDirectory() as scratch:
        total = checking.begin(EXPECTED, form.header, Path(scratch))
        lines = 0
        for task in now:
            total.merge(results[task.number].state, lines)
            lines += results[task.number].lines
        different = counted([results[task.number] for task in now])
        copied = checking.conclude(EXPECTED, total, different)
    header = (",".join(total.layout.names()) + "\n").encode()
    return copied, header + b"".join(results[task.number].copy for task in now)


def counted(every: Sequence[OfRange]) -> Different:
    different = Different()
    for partition in range(PARTITIONS):
        with tempfile.TemporaryDirectory() as scratch:
            counting = Counting(EXPECTED, Path(scratch))
            for result in every:
                for name, frame in result.hashes[partition].frames.items():
                    counting.tallies[name].hold(frame)
            different.merge(stored(counting.different().state()))
    return different


def assert_same(split: tuple[Checked, bytes], other: tuple[Checked, bytes]) -> None:
    (copied, copy), (expected, expected_copy) = split, other
    assert copy == expected_copy
    assert copied.rejects.file() == expected.rejects.file()
    assert copied.sold == expected.sold
    assert copied.schema == expected.schema
    # A warning about ids is of the first rows and of those near quotes, which differ.
    assert replace(copied.findings, notes=()) == replace(expected.findings, notes=())


@pytest.mark.parametrize(
    "offset", [1, *(pytest.param(offset, marks=pytest.mark.nightly) for offset in (0, 2))], ids="offset {}".format
)
def test_a_cut_at_any_byte_changes_nothing(offset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By day at every third byte, by night at the others as well."""
    monkeypatch.setattr(ranges, "WINDOW", 8)
    expected, begin, step = whole(QUOTED), QUOTED.index(b"\n") + 1, 24
    for first in range(begin + offset, begin + step, 3):
        cuts = range(first, len(QUOTED), step)
        assert_same(in_ranges(QUOTED, cuts, Sizes(chunk=7, piece=60)), expected)


@given(seed=st.integers(0, 1 << 30), most=st.integers(2, 9), window=st.sampled_from([5, 40, 1 << 20]))
@settings(max_examples=8, deadline=None)
def test_many_ranges_of_any_dirty_file_give_what_one_pass_gives(seed: int, most: int, window: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    data = dirty_file(rng)
    places = range(data.find(b"\n") + 1 or len(data), len(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "WINDOW", window)
        try:
            expected = whole(data)
        except Refused:
            return
        cuts = sorted(rng.sample(places, min(most, len(places))))
        sizes = Sizes(rng.choice([1, 17, 1000]), rng.choice([20, 60, 1000]))
        assert_same(in_ranges(data, cuts, sizes), expected)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_a_range_in_which_no_line_begins_has_no_rows(chunk: int) -> None:
    data = b"USER_ID,ITEM_ID,TIMESTAMP\n" + b"".join(b"u%d,i1,170000000%d\n" % (row, row) for row in range(9))
    lines = [index + 1 for index, byte in enumerate(data) if byte == 10]
    # Within a line, at its end, and at the next line's first byte.
    cuts = [lines[2] + 1, lines[2] + 5, lines[3] - 1, lines[3], lines[4] - 1]
    assert_same(in_ranges(data, cuts, Sizes(chunk=chunk)), whole(data))


def test_a_value_longer_than_the_window_moves_the_beginning_of_the_next_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "WINDOW", 10)
    row = b'u1,i1,1700000000,"' + b"a,b,1700000000,c\n" * 9 + b'"\n'
    data = b"USER_ID,ITEM_ID,TIMESTAMP,NOTE\n" + row * 3
    form = FileForm(["USER_ID", "ITEM_ID", "TIMESTAMP", "NOTE"], ",")
    cut = Task(1, 0, 100, 300, last=False)
    assert checked(data, cut, form, Sizes()).outcome.skipped == 0, "lines of the value look like rows"
    assert_same(in_ranges(data, [100, 300, 400], Sizes()), whole(data))


def test_a_range_finds_its_first_row_behind_a_value_over_several_lines() -> None:
    form, value = FileForm(["USER_ID", "ITEM_ID", "TIMESTAMP", "NOTE"], ","), QUOTED.index(b"two")
    outcome = checked(QUOTED, Task(1, 0, value, len(QUOTED), last=True), form, Sizes()).outcome
    assert outcome.skipped == 2


@pytest.mark.parametrize("encoding", ["cp949", "shift-jis", "latin-1", "utf-8"])
def test_all_ranges_are_read_in_the_encoding_that_the_first_text_shows(encoding: str) -> None:
    first = Outcome(0, 0, None)
    outcomes = [first, Outcome(0, 1, encoding), Outcome(1, 0, "cp1252"), Outcome(0, 0, None)]
    every = [Task(number, 0, number * 10, number * 10 + 10, number == 3, 0) for number in range(4)]
    assert cutting.wrong(every, outcomes) == (
        [] if encoding == "cp1252" else [replace(every[2], skipped=1, encoding=encoding)]
    )


@pytest.mark.parametrize("last", [Outcome(0, 0, None, stopped=True), Outcome(0, 0, None, refused="no table")])
def test_ranges_behind_one_that_ends_the_check_do_not_matter(last: Outcome) -> None:
    every = [Task(number, 0, number * 10, number * 10 + 10, number == 2, 0) for number in range(3)]
    assert cutting.wrong(every, [last, Outcome(4, 0, None), Outcome(5, 0, None)]) == []


def test_no_row_goes_on_in_the_next_file() -> None:
    every = [Task(number, number, 0, 10, last=True, skipped=0) for number in range(2)]
    assert cutting.wrong(every, [Outcome(0, 3, None), Outcome(0, 0, None)]) == []


def test_a_drop_is_cut_into_equal_ranges_and_a_file_that_cannot_be_cut_is_bounded() -> None:
    made = cutting.cut("k", [File(25), File(9, divisible=False), File(10)], 10, 20)
    assert [(task.file, task.begin, task.end, task.last) for task in made] == [
        (0, 0, 8, False), (0, 8, 16, False), (0, 16, 25, True), (1, 0, 9, True), (2, 0, 10, True),
    ]  # fmt: skip
    with pytest.raises(Refused, match="cannot be read in parts"):
        cutting.cut("k", [File(21, divisible=False)], 10, 20)
    with pytest.raises(Refused, match="10,000"):
        cutting.cut("k", [File(100_010)], 10, 20)
    assert len(cutting.cut("k", [File(99_990), File(20, divisible=False)], 10, 20)) == 10_000


def test_partitions_are_a_power_of_two_and_bounded() -> None:
    assert [cutting.partitions(gigabytes * 10**9) for gigabytes in (0, 1, 20, 100, 1000)] == [1, 4, 128, 512, 512]
    assert [cutting.partitions((1 << 28) + more) for more in (0, 1)] == [1, 2]
