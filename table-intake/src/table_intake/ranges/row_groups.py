# SPDX-License-Identifier: Apache-2.0
"""The row groups of a Parquet file, of which one reader takes its own bytes alone."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from table_intake.ranges.cutting import Task
from table_intake.ranges.storage import Storage
from table_intake.read import footers, parquet
from table_intake.read.footers import RowGroup
from table_intake.read.parquet import Selection
from table_intake.read.parts import SourcePart
from table_intake.settings.files import FileSettings


class RowGroups:
    """The row groups of files."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def find(self, part: SourcePart) -> Sequence[RowGroup]:
        """Return the row groups of a file in the order of their bytes; none of other files, and where they overlap.

        Raises:
            Refused: its footer is damaged.
        """
        if self._range(part, 0, len(footers.MAGIC)) != footers.MAGIC:
            return ()
        try:
            groups = footers.parse(partial(self._range, part), part.size).groups
        except footers.Damaged as error:
            raise parquet.damaged(part.key, error.reason) from None
        groups = tuple(group for group in groups if group.rows)
        return groups if all(group.end <= other.begin for group, other in pairwise(groups)) else ()

    def open(self, part: SourcePart, task: Task, settings: FileSettings, scratch: Path) -> parquet.Table:
        """Open the row groups of a task, from a copy of the file with nothing but their bytes.

        Raises:
            Refused: they are damaged.
        """
        path = scratch / "row-groups"
        try:
            footer = footers.find(partial(self._range, part), part.size)
        except footers.Damaged as error:
            raise parquet.damaged(part.key, error.reason) from None
        with path.open("wb") as file:
            file.write(footers.MAGIC)
            for begin, end in ((task.begin, task.end), (footer, part.size)):
                file.seek(begin)
                for chunk in self._storage.stream(part.key, part.version_id, begin, end):
                    file.write(chunk)
        return parquet.Table(part.key, path, settings, Selection(task.before, task.rows or 0))

    def _range(self, part: SourcePart, begin: int, size: int) -> bytes:
        return self._storage.read(part.key, begin, size, part.version_id)
