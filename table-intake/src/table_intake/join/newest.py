# SPDX-License-Identifier: Apache-2.0
"""One row for each id, made of many rows: the newest value of each column counts.

An empty cell is no value, and a zero none beside another number: cancelled lines, gifts and parts of sets have a price
of 0. Of a column that has 0 and 1 alone, a zero is one.
"""

from collections.abc import Sequence

import polars as pl

from table_intake.join.columns import Names
from table_intake.join.times import no_times, seconds
from table_intake.settings.exports import ExportedTable
from table_intake.wording import Text

_ID, _COLUMN, _VALUE, _TIME, _ROW, _FIRST = "id", "column", "value", "time", "row", "first"
_ZERO, _FLAG, _LEAST, _LARGEST = "zero", "flag", "least", "largest"
_SCHEMA = {
    _ID: pl.String, _COLUMN: pl.String, _ZERO: pl.Boolean, _VALUE: pl.String, _TIME: pl.Int64, _ROW: pl.Int64,
    _FIRST: pl.Int64, _FLAG: pl.Boolean, _LEAST: pl.String, _LARGEST: pl.String,
}  # fmt: skip
_ZEROS = r"^[^\d\pL]*0+([.,]0+)?\s*(\pL{1,3}|\p{Sc})?$"
"""Numbers that are zero, perhaps with the sign or the name of a currency."""


class Newest:
    """Takes rows a piece at a time; memory grows with the ids alone.

    Args:
        table: of the settings, with `one_row_per`.
        names: of the columns of the rows.
        chosen: the columns that are written; the column of times is none of them.
    """

    def __init__(self, table: ExportedTable, names: Names, chosen: Sequence[int]) -> None:
        self._table = table
        self._id = names.index(table.one_row_per or "", "one_row_per")
        self._time = names.index(table.newest_by, "newest_by") if table.newest_by else None
        self._columns = [index for index in chosen if index not in {self._id, self._time}]
        self.header = [names.all[index] for index in (self._id, *self._columns)]
        self._values = pl.DataFrame(schema=_SCHEMA)
        self._waiting = list[pl.DataFrame]()
        self._rows = self._without = self._times = 0
        self._first_time = ""

    def take(self, frame: pl.DataFrame) -> None:
        if not frame.height:
            return
        times = pl.Series([0], dtype=pl.Int64).new_from_index(0, frame.height)
        if self._time is not None:
            cells = frame[f"c{self._time}"]
            converted = seconds(cells, self._table.dates)
            self._first_time = self._first_time if self._rows else cells[0]
            self._times += converted.count()
            times = converted.fill_null(-1)
        rows = frame.select(
            pl.col(f"c{self._id}").str.strip_chars().alias(_ID),
            pl.int_range(self._rows, self._rows + frame.height, dtype=pl.Int64).alias(_ROW),
            times.alias(_TIME),
            *(pl.col(f"c{index}").str.strip_chars() for index in self._columns),
            # Every id has a row, also where all other cells are empty.
            pl.lit("-").alias(_COLUMN),
        )
        self._rows += frame.height
        with_id = rows.filter(pl.col(_ID) != "")
        self._without += rows.height - with_id.height
        values = with_id.unpivot(
            on=[_COLUMN, *(f"c{index}" for index in self._columns)],
            index=[_ID, _TIME, _ROW],
            variable_name="of",
            value_name=_VALUE,
        ).rename({"of": _COLUMN})
        value = pl.col(_VALUE)
        values = values.filter(value != "").with_columns(
            pl.col(_ROW).alias(_FIRST),
            value.alias(_LEAST),
            value.alias(_LARGEST),
            value.str.contains(_ZEROS).alias(_ZERO),
            value.is_in(["0", "1"]).alias(_FLAG),
        )
        self._waiting.append(values.select(_SCHEMA.keys()))
        # To reduce all values for each piece would take time by the square of the pieces.
        if sum(waiting.height for waiting in self._waiting) > self._values.height:
            self._reduce()

    def _reduce(self) -> None:
        """Keep the newest value of each column of an id, and the newest that is zero, with what else matters of all."""
        self._values = (
            pl.concat([self._values, *self._waiting])
            .sort(_TIME, _ROW)
            .group_by(_ID, _COLUMN, _ZERO)
            .agg(
                pl.col(_VALUE, _TIME, _ROW).last(),
                pl.col(_FIRST, _LEAST).min(),
                pl.col(_LARGEST).max(),
                pl.col(_FLAG).all(),
            )
            .select(_SCHEMA.keys())
        )
        self._waiting = []

    def finished(self) -> tuple[pl.DataFrame, list[tuple[str, int]], list[str]]:
        """Return a row for each id, in the order in which they came first; and counts and notes.

        Raises:
            Refused: the file has rows, and none of them has a time.
        """
        if self._time is not None and self._rows and not self._times:
            raise no_times(self._table.file, self._first_time, self._table.newest_by or "", self._table.dates)
        self._reduce()
        is_nothing = pl.col(_ZERO) & ~pl.col(_FLAG).all().over(_ID, _COLUMN)
        of_column = self._values.sort(~is_nothing, _TIME, _ROW).group_by(_ID, _COLUMN, maintain_order=True)
        several = pl.col(_LEAST).min() != pl.col(_LARGEST).max()
        newest = of_column.agg(pl.col(_VALUE).last(), several.alias("several"))
        ids = self._values.group_by(_ID).agg(pl.col(_FIRST).min()).sort(_FIRST).select(_ID)
        counts, notes = list[tuple[str, int]](), list[str]()
        frame = ids
        for index, heading in zip(self._columns, self.header[1:], strict=True):
            values = newest.filter(pl.col(_COLUMN) == f"c{index}")
            frame = frame.join(
                values.select(_ID, pl.col(_VALUE).alias(f"c{index}")), on=_ID, how="left", maintain_order="left"
            )
            if conflicts := int(values["several"].sum()):
                text = "values of {key} with several values of {heading}, of which the newest counts"
                name = Text("join.conflicts", text, key=self._table.one_row_per, heading=heading)
                counts.append((name, conflicts))
        if self._without:
            text = "rows of {file} without {key}, left out"
            name = Text("join.without", text, file=self._table.file, key=self._table.one_row_per)
            counts.append((name, self._without))
        if self._table.newest_by is None and counts:
            text = "{file}: of {rows:,} {rows:row|rows}, a later one counts as newer, since newest_by names no time"
            notes.append(Text("join.later-is-newer", text, file=self._table.file, rows=self._rows))
        return frame.with_columns(pl.all().fill_null("")), counts, notes
