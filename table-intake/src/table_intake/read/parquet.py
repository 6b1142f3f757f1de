# SPDX-License-Identifier: Apache-2.0
"""Parquet files as tables. The first row that is read is row 1."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.datatypes import DataTypeClass

from table_intake.errors import Refused
from table_intake.read import archives, cells, footers, nested
from table_intake.read.cells import Cells
from table_intake.read.footers import RowGroup
from table_intake.read.irregular import LINE, MOST_COLUMNS
from table_intake.read.rows import source
from table_intake.settings.files import FileSettings
from table_intake.wording import Text

_TEXT = "text"
PIECE_ROWS = 1 << 18
"""Rows that are read at a time, of few columns."""
_CELLS = 4_000_000
"""Cells that are read at a time, at most."""
_MOST_VALUES = 40_000_000
"""Values of a row group with lists: one row may have nearly all of them."""
_MOST_OBJECTS = 100_000
"""Objects of a row."""
_LISTS, _ELEMENTS = ("list", "array", "bag"), ("element", "item", "array_element")
"""The names of a list's two groups of columns."""
OBJECTS = "\0objects"
"""The column with the objects that are rows."""


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
        Refused: the file is damaged, or its columns are too many or too deep.
    """

    def __init__(self, resource: str, path: Path, settings: FileSettings, selection: Selection | None = None) -> None:
        self._resource = resource
        self._path = path
        try:
            footer = footers.read(path)
        except footers.Damaged as error:
            raise damaged(resource, error.reason) from None
        groups, rows = footer.groups, footer.rows
        self._selection = selection or Selection(0, rows)
        self._read = 0
        self._size = 0
        with _translated(resource):
            schema = pl.scan_parquet(path).collect_schema() if rows else pl.read_parquet_schema(path)
        self._plan = _Plan(resource, schema, settings)
        self._columns = self._plan.columns
        self.header = [*self._columns]
        """The names of the columns."""
        self._bare = 0
        self._step = _step(resource, groups, self._plan)

    @property
    def notes(self) -> list[str]:
        """What became of lists."""
        plan = self._plan
        return nested.notes(plan.rows, plan.pairs, plan.others, self._bare)

    @property
    def types(self) -> Mapping[str, str]:
        """See `table.Typed`; a column without a value has none."""
        columns = self._columns.items() if self._selection.rows else ()
        return {name: _kind(column.dtype) for name, column in columns if column.dtype != pl.Null}

    def rows(self) -> Iterator[Cells]:
        """Yield the rows."""
        chosen, step = self._selection, self._step
        for first in range(0, chosen.rows, step):
            rows = min(step, chosen.rows - first)
            with _translated(self._resource):
                scan = pl.scan_parquet(self._path).select(self._plan.sources)
                frame = scan.slice(chosen.first + first, rows).collect()
            if frame.height != rows:
                raise damaged(self._resource, Text("parquet.rows", "it has fewer rows than its footer says"))
            after = first + rows
            lines = pl.int_range(first + 1, after + 1, dtype=pl.UInt32, eager=True).alias(LINE)
            is_last = after == chosen.rows
            parts = self._objects(frame, lines) if self._plan.rows else [(frame, lines, True)]
            for part, numbers, ends in parts:
                flat = self._flat(part)
                # Before they are copied: a value of a dictionary may be in memory once, and in each row.
                self._check_size(cells.size_of(flat.select(pl.col(pl.String))) if pl.String in flat.dtypes else 0)
                for piece in cells.pieces(self._texts(flat), numbers, self._free(), last=is_last and ends):
                    self._read += piece.lines.len()
                    self._size += piece.size
                    self._check_size()
                    yield piece

    def _flat(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the columns without objects in them, in their own types."""
        with _translated(self._resource):
            return frame.select(column.cell.alias(source(index)) for index, column in enumerate(self._columns.values()))

    def _objects(self, frame: pl.DataFrame, lines: pl.Series) -> Iterator[tuple[pl.DataFrame, pl.Series, bool]]:
        """Yield a row for each object of a list, in pieces, with the lines of the rows that they come from."""
        with _translated(self._resource):
            frame = frame.with_columns(self._plan.objects.alias(OBJECTS), lines)
            counts = frame[OBJECTS].list.len().fill_null(0)
        self._bare += int((counts == 0).sum())
        frame, counts = frame.filter(counts > 0), counts.filter(counts > 0)
        if (counts > _MOST_OBJECTS).any():
            line = int(frame[LINE].filter(counts > _MOST_OBJECTS)[0])
            text = "row {line:,} has more than {most:,} objects in {name}: write them as rows of their own"
            values = {"line": line, "most": _MOST_OBJECTS, "name": self._plan.rows}
            raise Refused(self._resource, Text("parquet.objects", text, **values))
        ends, begin = counts.cast(pl.UInt64).cum_sum(), 0
        while begin < frame.height:
            before = int(ends[begin - 1]) if begin else 0
            rows = max(1, int((ends <= before + self._step).sum()) - begin)
            part = frame.slice(begin, rows).explode(OBJECTS)
            begin += rows
            yield part, part[LINE], begin == frame.height

    def _check_size(self, more: int = 0) -> None:
        if self._size + more > archives.LARGEST:
            raise archives.too_large(self._resource, archives.more_than(archives.LARGEST, "values"))

    def rows_left(self, _shortest: int) -> int | None:
        """Return how many rows still come; None where a row has any number of objects."""
        return None if self._plan.rows else self._selection.rows - self._read

    def _texts(self, frame: pl.DataFrame) -> pl.DataFrame:
        columns = [
            _text(pl.col(source(index)), column.dtype).alias(source(index))
            for index, column in enumerate(self._columns.values())
        ]
        try:
            texts = frame.select(columns)
        except pl.exceptions.ComputeError:
            named = ", ".join(name for name, column in self._columns.items() if column.dtype == pl.Binary)
            text = "the column {columns} has bytes that are not text: let the settings ignore it, or write it as text"
            raise Refused(self._resource, Text("column.bytes", text, columns=named)) from None
        except BaseException as error:
            if not _is_panic(error):
                raise
            named = ", ".join(name for name, column in self._columns.items() if column.dtype.is_temporal())
            text = "the column {columns} has times beyond the year 262142: let the settings ignore it, or correct them"
            raise Refused(self._resource, Text("column.years", text, columns=named)) from None
        return texts.with_columns(pl.all().fill_null(""))

    def _free(self) -> list[str]:
        """Return the columns whose values may have any characters."""
        return [source(index) for index, column in enumerate(self._columns.values()) if _kind(column.dtype) == _TEXT]


def damaged(resource: str, reason: str) -> Refused:
    text = "the file is not whole Parquet: {reason}. Export and upload it again"
    return Refused(resource, Text("parquet.damaged", text, reason=reason))


@contextmanager
def _translated(resource: str) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(resource, Text("parquet.unreadable", "{error}", error=str(error).splitlines()[0])) from None
    except BaseException as error:
        # Damaged pages make polars panic.
        if not _is_panic(error):
            raise
        raise damaged(resource, Text("parquet.pages", "its pages are damaged")) from None


def _is_panic(error: BaseException) -> bool:
    """Tell whether polars has panicked, which is no Exception."""
    return type(error).__name__ == "PanicException"


@dataclass(frozen=True, slots=True)
class _Column:
    cell: pl.Expr
    """Its values, of the columns of the file and `OBJECTS`."""
    dtype: pl.DataType


class _Plan:
    """The columns of a file, without objects and lists in them; see `nested`.

    Raises:
        Refused: there is none, or there are too many.
    """

    def __init__(self, resource: str, schema: Mapping[str, pl.DataType], settings: FileSettings) -> None:
        self._resource = resource
        self._ignored = {name.casefold() for name in settings.ignore}
        self._wanted = nested.Wanted(settings)
        self.columns: dict[str, _Column] = {}
        self.sources = [name for name in schema if name.casefold() not in self._ignored]
        """The columns of the file that are read."""
        self.pairs: list[str] = []
        """Lists of keys and values."""
        self.others: list[str] = []
        """Lists that are left out."""
        self._lists: dict[str, tuple[pl.Expr, pl.Struct]] = {}
        for name in self.sources:
            self._take(name, pl.col(name), schema[name])
        self.rows = nested.list_of_rows(resource, [*self._lists], settings)
        """The list whose objects are rows."""
        self.objects = pl.lit(None)
        """That list."""
        if self.rows:
            self.objects, struct = self._lists.pop(self.rows)
            self._take(self.rows, pl.col(OBJECTS), struct)
        for name, (values, struct) in self._lists.items():
            self._take_list(name, values, struct)
        self.is_nested = any(schema[name].is_nested() for name in self.sources)
        if not self.columns:
            if not self.others:
                raise Refused(resource, Text("file.no-columns", "the file has no columns"))
            text = "the file has no columns but lists of objects ({lists})"
            raise Refused(resource, Text("file.only-lists", text, lists=", ".join(self.others)))
        if len(self.columns) > MOST_COLUMNS:
            raise Refused(resource, Text("file.columns", "the file has {columns:,} columns", columns=len(self.columns)))

    def _take(self, name: str, cell: pl.Expr, dtype: pl.DataType, depth: int = 0) -> None:
        if name.casefold() in self._ignored:
            return
        if depth > nested.DEEPEST:
            text = "the column {column} is nested more than {most} deep"
            raise Refused(self._resource, Text("column.deep", text, column=name, most=nested.DEEPEST))
        cell, dtype = _without_groups(cell, dtype)
        if isinstance(dtype, pl.Struct):
            for part in dtype.fields:
                self._take(f"{name}.{part.name}", cell.struct.field(part.name), _of(part.dtype), depth + 1)
        elif isinstance(dtype, pl.List | pl.Array):
            values = cell.arr.to_list() if isinstance(dtype, pl.Array) else cell
            inner = _of(dtype.inner)
            if isinstance(inner, pl.Struct):
                self._lists[name] = values, inner
            elif inner.is_nested():
                self.others.append(name)
            else:
                texts = values.list.eval(_text(pl.element(), inner).drop_nulls())
                self._add(name, texts.list.join(nested.BETWEEN), pl.String())
        elif dtype in {pl.Object, pl.Unknown}:
            text = "the column {column} has values of no known type: let the settings ignore it"
            raise Refused(self._resource, Text("column.type", text, column=name))
        else:
            self._add(name, cell, dtype)

    def _take_list(self, name: str, values: pl.Expr, struct: pl.Struct) -> None:
        """Take the keys that the settings name of a list of keys and values."""
        types = {part.name: _of(part.dtype) for part in struct.fields}
        if not nested.is_pairs(types):
            self.others.append(name)
            return
        self.pairs.append(name)
        key = next(part for part in nested.KEYS if part in types)
        value = next(part for part in nested.VALUES if part in types)
        for wanted in self._wanted.keys(name):
            is_it = pl.element().struct.field(key).cast(pl.String).str.to_lowercase() == wanted.casefold()
            first = values.list.eval(pl.element().filter(is_it).struct.field(value)).list.first()
            dtype = types[value]
            if isinstance(dtype, pl.Struct):
                fields = [(part.name, _of(part.dtype)) for part in dtype.fields if not _of(part.dtype).is_nested()]
                first = pl.coalesce([_text(first.struct.field(part), kind) for part, kind in fields])
            else:
                first = _text(first, dtype)
            self._add(f"{name}.{wanted}", first, pl.String())

    def _add(self, name: str, cell: pl.Expr, dtype: pl.DataType) -> None:
        if name in self.columns:
            text = "two columns have the name {column}: let the settings ignore one of them"
            raise Refused(self._resource, Text("column.twice", text, column=name))
        self.columns[name] = _Column(cell, dtype)


def _without_groups(cell: pl.Expr, dtype: pl.DataType) -> tuple[pl.Expr, pl.DataType]:
    """Return a list whose two groups lack the mark that makes them one, and its type; other columns as they are.

    https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists has the names of the groups.
    """
    inner = _only_field(dtype, _LISTS)
    values = _of(inner.inner) if isinstance(inner, pl.List) else None
    element = _only_field(values, _ELEMENTS) if values is not None else None
    if not (isinstance(dtype, pl.Struct) and isinstance(values, pl.Struct) and element is not None):
        return cell, dtype
    objects = cell.struct.field(dtype.fields[0].name)
    return objects.list.eval(pl.element().struct.field(values.fields[0].name)), pl.List(element)


def _only_field(dtype: pl.DataType, names: Collection[str]) -> pl.DataType | None:
    """Return the type of the only field of an object, if it has one of some names."""
    fields = dtype.fields if isinstance(dtype, pl.Struct) else []
    return _of(fields[0].dtype) if len(fields) == 1 and fields[0].name in names else None


def _of(dtype: DataTypeClass | pl.DataType) -> pl.DataType:
    """Return a type that polars may give as a class."""
    return dtype() if isinstance(dtype, type) else dtype


def _step(resource: str, groups: Sequence[RowGroup], plan: _Plan) -> int:
    """Return how many rows are read at a time; of rows with lists, fewer.

    Raises:
        Refused: a row group has so many values in lists that they may not fit into memory.
    """
    step = min(PIECE_ROWS, _CELLS // len(plan.columns))
    if not plan.is_nested:
        return max(1, step)
    for group in groups:
        values = sum(group.values.get(name, 0) for name in plan.sources)
        if values > _MOST_VALUES:
            text = (
                "a row group has {values:,} values, those of lists included; {most:,} are the most: write smaller row "
                "groups, or let the settings ignore lists"
            )
            raise Refused(resource, Text("parquet.values", text, values=values, most=_MOST_VALUES))
        step = min(step, _CELLS * group.rows // max(1, values))
    return max(1, step)


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
