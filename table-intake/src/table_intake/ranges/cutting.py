# SPDX-License-Identifier: Apache-2.0
"""Cut a drop into ranges, and find those that did not begin where the range before ended.

A range has the rows that begin in its bytes; the last of them may end behind it. Whether a line begins a row depends on
the quotes before it, of which some may be damaged, so no count of quotes tells. A range assumes a beginning (see
`ranges`) and says where its last row ended. Where the two differ, the later range is checked again from there: what is
imported is what one pass would import, for any bytes.

Parquet is cut between its row groups, where rows begin for certain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from table_intake.errors import Refused
from table_intake.read.footers import RowGroup
from table_intake.wording import Text

MOST_TASKS = 10_000
"""Children of a Distributed Map that AWS runs at a time, at most."""
ROUNDS = 20
"""Times that ranges are checked again because of the range before."""
PARTITION_BYTES = 1 << 28
"""Bytes of a drop for each partition of its hashes: some ten million rows, or less."""
MOST_PARTITIONS = 512
LARGEST_GROUP = 1_000_000_000
"""Bytes of a row group, decompressed, that a function holds in memory with what it counts."""


@dataclass(frozen=True, slots=True)
class File:
    """One object of a drop."""

    size: int
    divisible: bool = True
    """Whether it can be read from any line on."""
    groups: Sequence[RowGroup] = ()
    """Those of Parquet, in the order of their bytes, where it can be read from any of them on."""

    @property
    def weight(self) -> int:
        """Bytes of its text, about."""
        return max(self.size, sum(group.weight for group in self.groups))


@dataclass(frozen=True, slots=True)
class Task:
    """A range of one file, in bytes; `end` is the first that is not in it."""

    number: int
    file: int
    begin: int
    end: int
    last: bool
    """Whether the file ends with it."""
    skipped: int | None = None
    """Lines after the range's first line begin that belong to the row before; None to find out."""
    encoding: str | None = None
    """None to find out."""
    before: int = 0
    """Rows of the file's row groups before it."""
    rows: int | None = None
    """Rows of its row groups; None where it has none."""

    @property
    def name(self) -> str:
        """The name of its files: another one where it is checked again from another line or in another encoding."""
        how = "" if self.skipped is None else f"-{self.skipped}"
        return f"{self.number:05d}{how}{f'-{self.encoding}' if self.encoding else ''}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the check of a range found out about its neighbours."""

    skipped: int
    """Lines at its beginning that belong to the row before."""
    behind: int
    """Lines behind its end that belong to its last row."""
    encoding: str | None
    """None where all its text is ASCII."""
    stopped: bool = False
    """Whether the check ended early: the drop is refused, whatever follows."""
    refused: str = ""
    """Why the file is no table."""


def cut(resource: str, files: Sequence[File], size: int, largest: int) -> list[Task]:
    """Cut a drop into ranges of at most `size` bytes: of equal size within a text, and none of two files.

    Raises:
        Refused: a file that cannot be divided has more than `largest` bytes, or a row group more than a function
            holds; or there are too many ranges.
    """
    tasks: list[Task] = []
    for number, file in enumerate(files):
        if file.groups:
            for before, groups in _runs(resource, file.groups, size):
                begin, end = groups[0].begin if before else 0, groups[-1].end
                rows = sum(group.rows for group in groups)
                last = groups[-1] is file.groups[-1]
                tasks.append(Task(len(tasks), number, begin, end=end, last=last, skipped=0, before=before, rows=rows))
            continue
        if not file.divisible and file.size > largest:
            text = (
                "one of its files has {size:,.1f} GB and cannot be read in parts: write several of at most {most:,.0f} "
                "GB into a folder, or CSV or Parquet without packing"
            )
            raise Refused(resource, Text("range.one-file", text, size=file.size / 1e9, most=largest / 1e9))
        ranges = max(1, -(-file.size // size)) if file.divisible else 1
        bounds = [file.size * number // ranges for number in range(ranges + 1)]
        for begin, end in pairwise(bounds):
            skipped = 0 if begin == 0 else None
            tasks.append(Task(len(tasks), number, begin, end=end, last=end == file.size, skipped=skipped))
    if len(tasks) > MOST_TASKS:
        text = (
            "it would be checked in {ranges:,} {ranges:range|ranges}, of which there can be {most:,}: write fewer and "
            "larger files"
        )
        raise Refused(resource, Text("range.too-many", text, ranges=len(tasks), most=MOST_TASKS))
    return tasks


def _runs(resource: str, groups: Sequence[RowGroup], size: int) -> Iterator[tuple[int, list[RowGroup]]]:
    """Yield the row groups of each range, and the number of rows before them."""
    before, weight, run = 0, 0, list[RowGroup]()
    for number, group in enumerate(groups, 1):
        held = max(group.unpacked, group.end - group.begin)
        if held > LARGEST_GROUP:
            text = (
                "row group {number:,} of its {groups:,} has {size:,.1f} GB unpacked; a function holds {most:,.0f} GB: "
                "write row groups of about 128 MB, or a million rows each"
            )
            figures = {"number": number, "groups": len(groups), "size": held / 1e9, "most": LARGEST_GROUP / 1e9}
            raise Refused(resource, Text("range.row-group", text, **figures))
        if run and weight + group.weight > size:
            yield before, run
            before, weight, run = before + sum(result.rows for result in run), 0, []
        run.append(group)
        weight += group.weight
    yield before, run


def partitions(size: int) -> int:
    """Return the number of partitions of the hashes of a drop of so many bytes: a power of two."""
    wanted, number = -(-size // PARTITION_BYTES), 1
    while number < wanted and number < MOST_PARTITIONS:
        number *= 2
    return number


def wrong(tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> list[Task]:
    """Return the ranges that must be checked again, from another line or in another encoding.

    Ranges behind one at which the check stopped do not matter.
    """
    return [*_wrong(tasks, outcomes)]


def _wrong(tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> Iterator[Task]:
    encodings: dict[int, str | None] = {}
    for task, outcome in zip(tasks, outcomes, strict=True):
        if encodings.get(task.file) is None:
            encodings[task.file] = outcome.encoding
    behind = 0
    for task, outcome in zip(tasks, outcomes, strict=True):
        skipped = behind if task.begin else 0
        encoding = encodings[task.file] if outcome.encoding is not None else None
        fits = (outcome.skipped, outcome.encoding) == (skipped, encoding)
        if not fits:
            yield replace(task, skipped=skipped, encoding=encodings[task.file])
        elif outcome.stopped or outcome.refused:
            return
        behind = outcome.behind
