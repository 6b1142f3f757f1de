# SPDX-License-Identifier: Apache-2.0
"""Merge the results of all ranges: what one pass over the drop would have found."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from table_intake.check import checking
from table_intake.check.checking import Checked, Partial
from table_intake.check.counts import MOST_IDS, Different
from table_intake.check.findings import Expected
from table_intake.check.state import State
from table_intake.errors import Incomplete, Refused
from table_intake.kinds import EVENTS
from table_intake.origins import LONE, Origins
from table_intake.ranges.cutting import Task
from table_intake.ranges.work import Result, Work
from table_intake.read.parts import Agreement
from table_intake.read.rows import EMPTY
from table_intake.wording import Text


class LinesOfRanges:
    """The lines of items of all ranges; see `storage.Lines`."""

    def __init__(self, work: Work, ranges: Sequence[tuple[Task, Result]], too_large: int) -> None:
        self._work = work
        self._ranges = ranges
        self.columns = next((tuple(result.item_columns) for _, result in ranges if result.item_columns), ())
        every = [result for _, result in ranges]
        # A range without lines has too many of them: then all have.
        whole = all(result.lines_of_items for result in every)
        self.size = sum(size for result in every for _, size in result.lines_of_items) if whole else too_large
        """Bytes of all lines."""

    def partitions(self) -> Iterator[tuple[int, list[bytes]]]:
        """Iterate over the lines by partition."""
        for number in range(max((len(result.lines_of_items) for _, result in self._ranges), default=0)):
            texts = (self._work.items(task, result, number) for task, result in self._ranges)
            yield number, [line for text in texts for line in text.split(b"\n")[:-1]]


class Merged:
    """The merged results in a folder, whose last round had a number; `refused` is why the ranges do not fit, if so."""

    def __init__(self, work: Work, number: int, refused: str) -> None:
        context = work.context()
        if context is None:
            raise Incomplete(work.folder, "there is no check in this folder")
        self._work = work
        self._context = context
        self._refused = refused
        self._tasks = work.tasks(number)
        self._results = work.results(self._tasks)
        self._before: list[int] = []
        """The lines before each file."""
        self._names: list[str] = []
        self._agreement = Agreement(context.expected.resource, context.columns)
        self._many_ids = False
        """Whether there are more ids than one file holds."""

    def copied(self, scratch: Path) -> Checked:
        """Return the result for the drop.

        Raises:
            Refused: a file is no table; or files differ in their columns.
        """
        if self._refused:
            raise Refused(self.expected.resource, self._refused)
        partial, lines, notes = None, 0, dict[str, None]()
        for task, result in zip(self._tasks, self._results, strict=True):
            if result.outcome.refused == EMPTY:
                continue
            if task.begin == 0:
                self._before.append(lines)
                self._names.append(self._context.parts[task.file].name)
            if result.outcome.refused:
                name = self._context.parts[task.file].name
                reason = Text.joined(": ", [name, result.outcome.refused] if name else [result.outcome.refused])
                raise Refused(self._context.expected.resource, reason)
            partial = self._added(partial, task, result.types, lines, scratch)
            notes |= dict.fromkeys(result.notes)
            lines += result.lines
            if partial.stopped or self._is_hopeless(partial, task, lines):
                break
        if partial is None:
            raise Refused(self._context.expected.resource, EMPTY)
        return checking.conclude(self._context.expected, partial, self._different(partial), [*notes])

    def lines(self, too_large: int) -> LinesOfRanges:
        """Return the lines of items of all ranges; `too_large` is their size where a range had too many to keep."""
        ranges = [(task, result) for task, result in zip(self._tasks, self._results, strict=True) if result.rows]
        return LinesOfRanges(self._work, ranges, too_large)

    @property
    def expected(self) -> Expected:
        """The drop's requirements as they were when the check began."""
        return self._context.expected

    @property
    def copies_prefix(self) -> str:
        """The beginning of the keys of all copies, also those of ranges that were checked again."""
        return self._context.copies

    @property
    def copies(self) -> list[str]:
        """The keys of the import copies in the order of their rows."""
        return [result.copy for result in self._results if result.copy]

    @property
    def origins(self) -> Origins:
        """Where lines come from."""
        return Origins(tuple(self._names), tuple(self._before)) if len(self._context.parts) > 1 else LONE

    def ids(self) -> Iterator[pl.Series]:
        """Yield the hashes of the table's ids by partition where they are more than one file holds; else nothing."""
        if self._many_ids:
            for count in self._counts():
                yield count.frames["own"].to_series()

    def _added(
        self, partial: Partial | None, task: Task, types: Mapping[str, str], lines: int, scratch: Path
    ) -> Partial:
        """Return the sum with another range; the first one decides the columns."""
        expected, state = self._context.expected, self._work.state(task)
        header = state.document["header"]
        if task.begin == 0 and self._names[-1]:
            self._agreement.check(self._names[-1], header, types)
        if partial is None:
            partial = checking.begin(expected, header, scratch)
        partial.merge(state, lines)
        return partial

    def _is_hopeless(self, partial: Partial, task: Task, lines: int) -> bool:
        """Stop after a range where the drop is refused, whatever follows."""
        context = self._context
        if task is self._tasks[-1]:
            return False
        read = sum(part.size for part in context.parts[: task.file]) + task.end
        size = context.bytes_of_text
        left = None if size is None else (size - read) // partial.rejects.shortest
        if not partial.rejects.is_hopeless(left):
            return False
        partial.stop(lines)
        return True

    def _different(self, partial: Partial) -> Different:
        different = Different()
        if partial.stopped:
            # Rows behind it were counted or not; the report on a refused drop does without.
            different.rows = partial.counting.rows
            return different
        kind = self._context.expected.kind
        for count in self._counts():
            different.merge(count)
            if kind not in EVENTS:
                different.own_ids.append(count.frames["own"].to_series())
        if sum(map(len, different.own_ids)) > MOST_IDS:
            self._many_ids, different.own_ids = True, []
        return different

    def _counts(self) -> Iterator[State]:
        for partition in range(self._context.partitions):
            count = self._work.count(partition)
            if count is None:
                raise Incomplete(self._work.folder, f"partition {partition} of the hashes has no count")
            yield count
