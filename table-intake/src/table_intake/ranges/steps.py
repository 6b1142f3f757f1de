# SPDX-License-Identifier: Apache-2.0
"""The steps of a check in ranges: check a range, see whether the ranges fit, count a partition of the hashes.

Every step can be repeated: it finds its own result.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from table_intake.check import checking
from table_intake.check.checking import Output, Partial
from table_intake.check.counts import Counting, unpack_ids
from table_intake.check.findings import Expected
from table_intake.errors import Incomplete, Refused
from table_intake.kinds import EVENTS, DataKind
from table_intake.ranges import cutting
from table_intake.ranges.cutting import Outcome, Task
from table_intake.ranges.ranges import Range
from table_intake.ranges.row_groups import RowGroups
from table_intake.ranges.storage import KnownIds, Storage, Upload
from table_intake.ranges.whole import Whole
from table_intake.ranges.work import Context, Result, Work
from table_intake.read import opening
from table_intake.read.rows import EMPTY
from table_intake.wording import Text
from table_intake.write.lines import Lines

_MOST = 30_000_000
"""Hashes of a partition in memory: three times as many as rows of a usual length have."""
_DAMAGED = "its quotes are so damaged that its ranges do not fit together: correct them, or drop several smaller files"


class Steps:
    """The steps of the check in a folder.

    Args:
        storage, folder: where the files of the check are.
        known_ids: returns the ids that a table is compared with.
        lines: returns what takes the good rows of items besides their copy, in a scratch folder.
        hashed: returns what hashes the values of some columns, where the settings say so; the files of the check have
            no key.
    """

    def __init__(
        self,
        storage: Storage,
        folder: str,
        known_ids: Callable[[Expected], KnownIds],
        lines: Callable[[Path], Lines],
        hashed: Callable[[Expected], Callable[[str], str] | None] = lambda _: None,
    ) -> None:
        self._storage = storage
        self._known_ids = known_ids
        self._lines = lines
        self._work = Work(storage, folder)
        context = self._work.context()
        if context is None:
            raise Incomplete(folder, "there is no check in this folder")
        expected = replace(context.expected, hashed=hashed(context.expected))
        self._context: Context = replace(context, expected=expected)

    def check(self, round_: int, number: int, unreadable: str = "") -> str:
        """Check a range: write its import copy, its hashes and its state. Return the key of its result.

        Args:
            round_: the number of the round.
            number: that of the range in it.
            unreadable: why the range cannot be read, if it has ended the process that read it.

        Raises:
            RetryLater: the bucket does not answer.
        """
        task = self._work.tasks(round_)[number]
        if self._work.result(task) is None:
            self._work.put_result(task, self._refused(task, unreadable) if unreadable else self._checked(task))
        return self._work.result_key(task)

    def fit(self, round_: int) -> dict[str, object]:
        """Tell which ranges must be checked again, as the items of another round; else how many partitions to count."""
        tasks = self._work.tasks(round_)
        results = self._work.results(tasks)
        wrong = cutting.wrong(tasks, [result.outcome for result in results])
        if not wrong:
            self._work.put_end(round_)
            ended = any(result.outcome.stopped or result.outcome.refused not in {"", EMPTY} for result in results)
            return {"round": round_, "again": False, "partitions": 0 if ended else self._context.partitions}
        if round_ >= cutting.ROUNDS:
            self._work.put_end(round_, _DAMAGED)
            return {"round": round_, "again": False, "partitions": 0}
        by_number = {task.number: task for task in wrong}
        self._work.put_tasks(round_ + 1, [by_number.get(task.number, task) for task in tasks], wrong)
        return {"round": round_ + 1, "again": True, "partitions": 0}

    def count(self, round_: int, partition: int) -> str:
        """Count the different rows and ids of one partition of the hashes; return the key of the count."""
        if self._work.count(partition) is not None:
            return self._work.count_key(partition)
        tasks, context = self._work.tasks(round_), self._context
        results = self._work.results(tasks)
        known_ids, kind = self._known_ids(context.expected), context.expected.kind
        kinds: tuple[DataKind, ...] = ("users", "items") if kind == "interactions" else (kind,)
        ids = {kind: known_ids.load(kind, partition, context.partitions) for kind in kinds}
        expected = replace(context.expected, known_ids=ids)
        with tempfile.TemporaryDirectory() as scratch:
            counting = Counting(expected, Path(scratch), most=_MOST)
            for state in self._work.hashes(tasks, results, partition):
                for name, frame in state.frames.items():
                    counting.tallies[name].hold(frame)
            different = counting.different()
        counted = different.state()
        if kind not in EVENTS:
            ids_after = _with_earlier(different.own_ids, ids[kind], expected)
            counted = replace(counted, frames={**counted.frames, "own": ids_after.to_frame("key")})
        self._work.put_count(partition, counted)
        return self._work.count_key(partition)

    def _checked(self, task: Task) -> Result:
        """Check a range; a refused one has its reason in its result."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                return self._check(task, Path(folder))
            except Refused as refused:
                return self._refused(task, refused.reason)

    @staticmethod
    def _refused(task: Task, reason: str) -> Result:
        if task.begin:
            reason = Text("range.after", "after byte {byte:,}: {reason}", byte=task.begin, reason=reason)
        return Result(Outcome(task.skipped or 0, 0, None, refused=reason))

    def _check(self, task: Task, scratch: Path) -> Result:
        context = self._context
        expected = context.expected
        lines = self._lines(scratch) if expected.kind == "items" else None
        with self._opened(task, scratch) as table:
            rows = checking.check_event_copies(expected, table)
            partial = checking.begin(expected, table.header, scratch, context.partitions, lines)
            copy = _Copy(self._storage.upload, f"{context.copies}{task.name}.csv", partial)
            try:
                output = Output(copy.write, rows_left=table.rows_left)
                checking.check_rows(rows, expected, partial, output, whole=not task.number)
                copy.finish()
            except BaseException:
                copy.abort()
                raise
        self._work.put_state(task, partial.state())
        places = self._work.put_hashes(task, _partitions(partial)) if not partial.stopped else []
        items = lines if lines is not None and not lines.too_large else None
        return Result(
            Outcome(table.skipped, table.behind, table.encoding, stopped=bool(partial.stopped)),
            table.lines,
            copy.key,
            size=partial.size,
            rows=partial.counting.rows,
            notes=table.notes,
            places=places,
            lines_of_items=self._work.store_items(task, items) if items is not None else [],
            types=table.types,
            item_columns=items.columns if items is not None else [],
        )

    @contextmanager
    def _opened(self, task: Task, scratch: Path) -> Iterator[Range | Whole]:
        """Open the rows of a task.

        Raises:
            Refused: the file is gone, or is no table.
        """
        context = self._context
        part, expected = context.parts[task.file], context.expected
        form, settings = context.forms.get(task.file), expected.settings.file_settings(expected.kind)
        if form is not None:
            task = replace(task, encoding=task.encoding or settings.encoding)
            stream = partial(self._storage.stream, part.key, part.version_id)
            yield Range(expected.resource, stream, task, form, total=context.bytes_of_text)
            return
        if task.rows is not None:
            yield Whole(RowGroups(self._storage).open(part, task, settings, scratch), task.rows)
            return
        with (
            self._storage.open(part.key, part.version_id) as body,
            opening.open_table(part.key, body, settings, scratch, context.columns) as table,
        ):
            yield Whole(table)


class _Copy:
    """The import copy of a range: with a header, and only where there is a row."""

    def __init__(self, upload: Callable[[str], Upload], key: str, partial: Partial) -> None:
        self._upload = upload(key)
        self._key = key
        self._header = (",".join(partial.layout.names()) + "\n").encode()
        self.key = ""
        """Empty without a row."""

    def write(self, data: bytes | memoryview) -> None:
        if not self.key and data:
            self.key = self._key
            self._upload.write(self._header)
        self._upload.write(data)

    def finish(self) -> None:
        """Complete the copy."""
        if self.key:
            self._upload.finish()

    def abort(self) -> None:
        self._upload.abort()


def _partitions(partial: Partial) -> Iterator[Mapping[str, pl.DataFrame]]:
    """Yield the hashes of each partition, without empty tallies."""
    tallies = partial.counting.tallies
    for frames in zip(*(tally.parts() for tally in tallies.values()), strict=True):
        yield {name: frame for name, frame in zip(tallies, frames, strict=True) if frame.height}


def _with_earlier(ids: Sequence[pl.Series], earlier: bytes | None, expected: Expected) -> pl.Series:
    """Return the ids of a dataset after a drop, of one partition."""
    earlier_ids = unpack_ids(earlier) if expected.mode == "INCREMENTAL" else None
    every = [*ids, *([earlier_ids] if earlier_ids is not None else [])]
    return pl.concat(every).unique() if every else pl.Series(dtype=pl.UInt64)
