# SPDX-License-Identifier: Apache-2.0
"""Parquet files as tables. The first row that is read is row 1."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from table_intake.errors import Refused
from table_intake.read import archives, cells, footers
from table_intake.read.cells import Cells
from table_intake.read.irregular import LINE, MOST_COLUMNS
from table_intake.read.rows import source
from table_intake.settings.files import FileSettings
from table_intake.wording import counted

_TEXT = "text"
PIECE_ROWS = 1 << 18
"""Rows that are read at a time, of few columns."""
_CELLS = 4_000_000
"""Cells that are read at a time, at most."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of the rows of a file."""

    first: int
    """The number of rows before them."""
    rows: int


class Table:
    """A Parquet file; see `table.Table`.

    Args:
        resource: the name in messages.
        path: the file.
        settings: how files of its kind are read.
        selection: the rows; None for all.

    Raises:
        Refused: the file is damaged, or has nested columns that the settings do not ignore.
    """

    def __init__(self, resource: str, path: Path, settings: FileSettings, selection: Selection | None = None) -> None:
        self._resource = resource
        self._path = path
        try:
            rows = footers.read(path).rows
        except footers.Damaged as error:
            raise damaged(resource, str(error)) from None
        self._selection = selection or Selection(0, rows)
        self._read = 0
        self._size = 0
        with _translated(resource):
            schema = pl.scan_parquet(path).collect_schema() if rows else pl.read_parquet_schema(path)
        self._columns = _flat(resource, schema, settings)
        self.header = [*self._columns]
        """The names of the columns."""
        self.notes: Sequence[str] = ()

    @property
    def types(self) -> Mapping[str, str]:
        """See `table.Typed`; a column without a value has none."""
        columns = self._columns.items() if self._selection.rows else ()
        return {name: _kind(dtype) for name, dtype in columns if dtype != pl.Null}

    def rows(self) -> Iterator[Cells]:
        """Yield the rows."""
        step = max(1, min(PIECE_ROWS, _CELLS // len(self.header)))
        chosen = self._selection
        for first in range(0, chosen.rows, step):
            rows = min(step, chosen.rows - first)
            with _translated(self._resource):
                frame = pl.scan_parquet(self._path).select(self.header).slice(chosen.first + first, rows).collect()
            if frame.height != rows:
                raise damaged(self._resource, "it has fewer rows than its footer says")
            # Before they are copied: a value of a dictionary may be in memory once, and in each row.
            self._check_size(cells.size_of(frame.select(pl.col(pl.String))) if pl.String in frame.dtypes else 0)
            texts, after = self._texts(frame), first + rows
            lines = pl.int_range(first + 1, after + 1, dtype=pl.UInt32, eager=True).alias(LINE)
            for piece in cells.pieces(texts, lines, self._free(), last=after == chosen.rows):
                self._read += piece.lines.len()
                self._size += piece.size
                self._check_size()
                yield piece

    def _check_size(self, more: int = 0) -> None:
        if self._size + more > archives.LARGEST:
            raise archives.too_large(self._resource, f"has more than {archives.LARGEST / 1e9:,.0f} GB of values")

    def rows_left(self, _shortest: int) -> int:
        """Return how many rows still come."""
        return self._selection.rows - self._read

    def _texts(self, frame: pl.DataFrame) -> pl.DataFrame:
        columns = [
            _text(pl.col(name), dtype).alias(source(index)) for index, (name, dtype) in enumerate(self._columns.items())
        ]
        try:
            texts = frame.select(columns)
        except pl.exceptions.ComputeError:
            named = ", ".join(name for name, dtype in self._columns.items() if dtype == pl.Binary)
            reason = f"the column {named} has bytes that are not text: let the settings ignore it, or write it as text"
            raise Refused(self._resource, reason) from None
        except BaseException as error:
            if not _is_panic(error):
                raise
            named = ", ".join(name for name, dtype in self._columns.items() if dtype.is_temporal())
            reason = f"the column {named} has times beyond the year 262142: let the settings ignore it, or correct them"
            raise Refused(self._resource, reason) from None
        return texts.with_columns(pl.all().fill_null(""))

    def _free(self) -> list[str]:
        """Return the columns whose values may have any characters."""
        return [source(index) for index, dtype in enumerate(self._columns.values()) if _kind(dtype) == _TEXT]


def damaged(resource: str, reason: str) -> Refused:
    return Refused(resource, f"the file is not whole Parquet: {reason}. Export and upload it again")


@contextmanager
def _translated(resource: str) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(resource, str(error).splitlines()[0]) from None
    except BaseException as error:
        # Damaged pages make polars panic.
        if not _is_panic(error):
            raise
        raise damaged(resource, "its pages are damaged") from None


def _is_panic(error: BaseException) -> bool:
    """Tell whether polars has panicked, which is no Exception."""
    return type(error).__name__ == "PanicException"


def _flat(resource: str, schema: Mapping[str, pl.DataType], settings: FileSettings) -> dict[str, pl.DataType]:
    ignored = {name.casefold() for name in settings.ignore}
    columns = {name: dtype for name, dtype in schema.items() if not dtype.is_nested() or name.casefold() not in ignored}
    nested = [name for name, dtype in columns.items() if dtype.is_nested() or dtype in {pl.Object, pl.Unknown}]
    if nested:
        named = ", ".join(nested)
        way = "write what is in them as columns of their own, or let the settings ignore them"
        raise Refused(resource, f"these columns are nested: {named}. {way.capitalize()} (ignore: [{named}])")
    if not columns:
        raise Refused(resource, "the file has no columns")
    if len(columns) > MOST_COLUMNS:
        raise Refused(resource, f"the file has {counted(len(columns), 'column')}")
    return columns


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return "whole numbers" if dtype.is_integer() else "numbers"
    if dtype.is_temporal():
        return "times"
    return "true or false" if dtype == pl.Boolean else _TEXT


def _text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a column as text; null where it is empty."""
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            return column.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S")
    if isinstance(dtype, pl.Duration):
        return column.dt.total_seconds(fractional=True).cast(pl.String)
    if dtype.is_float():
        # NaN is what pandas writes for a missing number.
        return column.fill_nan(None).cast(pl.String)
    return column.cast(pl.String)
