# SPDX-License-Identifier: Apache-2.0
"""A file of a drop that is not cut into ranges, in the form of one."""

from collections.abc import Iterator, Mapping, Sequence

from table_intake.table import Rows, Table, Typed


class Whole:
    """A file that is not read in ranges, in the form of `Range`; `lines` is how many it has, if that is known."""

    def __init__(self, table: Table, lines: int = 0) -> None:
        self._table = table
        self._lines = lines
        self.header = table.header
        self.skipped = self.behind = self.lines = 0
        self.encoding: str | None = None
        self.types: Mapping[str, str] = table.types if isinstance(table, Typed) else {}

    def rows(self) -> Iterator[Rows]:
        """Yield the rows; see `table.Table`."""
        for rows in self._table.rows():
            yield rows
            self.lines = max(self.lines, rows.end)
        # The last ones may have given no rows.
        self.lines = max(self.lines, self._lines)

    def rows_left(self, _shortest: int) -> int | None:
        """Return None: other files follow, which may be packed."""
        return None

    @property
    def notes(self) -> Sequence[str]:
        """What was guessed."""
        return self._table.notes
