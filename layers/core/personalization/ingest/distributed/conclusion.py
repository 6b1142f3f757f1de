# SPDX-License-Identifier: Apache-2.0
"""Add up the results of all ranges: what one pass over the drop would have found."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from personalization.core.errors import Broken, Rejected
from personalization.ingest.csv import copying
from personalization.ingest.csv.copying import Copied, Partial
from personalization.ingest.csv.counts import MOST_IDS, Different
from personalization.ingest.csv.rows import EMPTY
from personalization.ingest.csv.state import State
from personalization.ingest.distributed.store import Context, Work
from personalization.ingest.distributed.tasks import Task
from personalization.ingest.header import canonical
from personalization.ingest.known_ids import Store
from personalization.ingest.origins import LONE, Origins

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Piece:
    """An import copy of some rows of a drop."""

    key: str
    line: int
    """The number of its first line in the drop."""
    rows: int
    size: int
    """Bytes, with the header."""


class Conclusion:
    """Conclude the check in a folder, of which `rounds` is the number of the last round."""

    def __init__(self, client: "S3Client", bucket: str, work: Work, context: Context, rounds: int) -> None:
        self._s3 = client
        self._bucket = bucket
        self._work = work
        self._context = context
        self._tasks = work.tasks(rounds)
        self._results = work.results(self._tasks)
        self._before: list[int] = []
        """The lines before each file."""
        self._names: list[str] = []
        self.pieces: list[Piece] = []
        """The import copies in the order of their rows."""
        self.ids_of_partitions = False
        """Whether there are more ids than one file holds; see `store_ids`."""

    def copied(self, scratch: Path) -> Copied:
        """Return the result for the drop.

        Raises:
            Rejected: a file is no table; or files differ in their columns.
        """
        partial, lines, notes = None, 0, dict[str, None]()
        for task, result in zip(self._tasks, self._results, strict=True):
            if task.begin == 0:
                self._before.append(lines)
                self._names.append(self._context.parts[task.file].name)
            if result.outcome.refused == EMPTY:
                continue
            if result.outcome.refused:
                name = self._names[-1]
                raise Rejected(
                    self._context.expected.resource, f"{f'{name}: ' if name else ''}{result.outcome.refused}"
                )
            partial = self._added(partial, task, lines, scratch)
            notes |= dict.fromkeys(result.notes)
            if result.copy:
                self.pieces.append(Piece(result.copy, lines + 1, result.rows, result.size))
            lines += result.lines
            if partial.stopped or self._is_hopeless(partial, task, lines):
                break
        if partial is None:
            raise Rejected(self._context.expected.resource, EMPTY)
        different = self._different(partial)
        return copying.conclude(self._context.expected, partial, different, [*notes])

    @property
    def origins(self) -> Origins:
        """Where lines come from."""
        return Origins(tuple(self._names), tuple(self._before)) if len(self._context.parts) > 1 else LONE

    def store_ids(self, store: Store) -> None:
        """Make a dataset's ids known that are more than one file holds."""
        kind, context = self._context.expected.kind, self._context
        for partition, found in enumerate(self._counts()):
            store.put_partitions(kind, partition, found.frames["own"].to_series())
        store.finish(kind, context.partitions)

    def _added(self, partial: Partial | None, task: Task, lines: int, scratch: Path) -> Partial:
        """Return the sum with another range; the first one decides the columns."""
        expected, state = self._context.expected, self._work.state(task)
        header = state.document["header"]
        if partial is None:
            partial = copying.begin(expected, header, scratch)
        elif [canonical(name) for name in header] != [canonical(name) for name in partial.header]:
            names = ", ".join(header[:12])
            problem = f"the columns of {self._names[-1]} differ from those of {self._names[0]}: it has {names}"
            raise Rejected(expected.resource, problem)
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
        for found in self._counts():
            different.merge(found)
            if kind != "interactions":
                different.own.append(found.frames["own"].to_series())
        if sum(map(len, different.own)) > MOST_IDS:
            self.ids_of_partitions, different.own = True, []
        return different

    def _counts(self) -> Iterator[State]:
        for partition in range(self._context.partitions):
            found = self._work.count(partition)
            if found is None:
                raise Broken(self._work.folder, f"partition {partition} of the hashes has no count")
            yield found
