# SPDX-License-Identifier: Apache-2.0
"""Import of CSV files as in Personalize: strict about the schema, with the row of whatever is refused.

Row 1 is the header.
"""

import codecs
import csv
import gzip
import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from personalize_local.data import csv_dialect
from personalize_local.data.frames import pl
from personalize_local.data.schemas import LINE_BREAK, NOT_SECONDS, RESERVED, TEXT_LENGTH, Field, Schema, longest
from personalize_local.wire.errors import ImportRefused

EVENT_TYPES_AND_METADATA = 10
_BLOCK = 1 << 24
"""Bytes of a file that are decoded together."""
_UNQUOTED_BREAKS = tuple(character.encode() for character in "\v\f\x85\u2028\u2029")
_NUMBERS = {"int": pl.Int64, "long": pl.Int64, "float": pl.Float64, "double": pl.Float64}


def import_files(paths: Sequence[Path], schema: Schema, target: Path, least: int = 1000) -> int:
    """Read .csv / .csv.gz files of one folder, check them against `schema` and write one Parquet file at `target`.

    The file appears complete or not at all. Exact duplicates of interactions are kept once. Columns outside the schema
    are dropped. Returns the number of rows. Raises ImportRefused with the job's failureReason, also for interactions
    of fewer than `least` rows.
    """
    rows = read_files(paths, schema, least)
    write(rows, target)
    return rows.height


def read_files(paths: Sequence[Path], schema: Schema, least: int) -> pl.DataFrame:
    """Return the rows of files, checked as `import_files` says. Raises ImportRefused."""
    rows = pl.concat([_read(path, schema) for path in paths]) if paths else None
    if rows is None or rows.is_empty():
        raise ImportRefused("Input CSV has no rows.")
    if schema.dataset_type == "INTERACTIONS" and rows.height < least:
        raise ImportRefused(f"Input CSV has fewer than {least} interactions: {rows.height}.")
    _check_types(rows, schema)
    if schema.dataset_type in {"INTERACTIONS", "ACTION_INTERACTIONS"}:
        rows = distinct(rows)
    return rows


def _check_types(rows: pl.DataFrame, schema: Schema) -> None:
    if schema.dataset_type == "INTERACTIONS" and "EVENT_TYPE" in rows.columns:
        types = rows["EVENT_TYPE"].drop_nulls().n_unique()
        columns = len([name for name in schema.names if name not in RESERVED])
        if types + columns > EVENT_TYPES_AND_METADATA:
            what = f"{types} and {columns}"
            raise ImportRefused(
                f"Input CSV has more than {EVENT_TYPES_AND_METADATA} event types and metadata columns together: {what}."
            )


def distinct(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep the first of equal rows; only rows of equal hash are compared, which saves memory."""
    alike = rows.hash_rows().is_duplicated()
    if not alike.any():
        return rows
    places = alike.arg_true()
    first = rows[places].with_columns(places.alias("")).unique(rows.columns, keep="first")[""]
    return rows.filter((~alike).scatter(first, True))


def write(rows: pl.DataFrame, target: Path) -> None:
    """Write a Parquet file; it has its name only when it is complete and on disk."""
    fresh = target.with_name(f"{target.name}.new-{os.getpid()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(fresh, compression="lz4")
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(target)


def _read(path: Path, schema: Schema) -> pl.DataFrame:
    data = _bytes(path)
    header = _header(data, path)
    missing = [name for name in schema.names if name not in header]
    if missing:
        refused = ImportRefused(f"Input CSV is missing the following columns: [{', '.join(missing)}].")
        refused.add_note(
            f"Columns in the first line of {path.name}: {len(header)}. Commas separate them; their case counts."
        )
        raise refused
    cells = _cells(data, path)
    several_lines = b'"' in data or any(character in data for character in _UNQUOTED_BREAKS)
    del data  # as much memory as what follows
    if several_lines:
        _refuse_breaks(cells, path)
    return cells.select(
        [_typed(cells[field.name], field, path, items=schema.dataset_type == "ITEMS") for field in schema.fields]
    )


def _refuse_breaks(cells: pl.DataFrame, path: Path) -> None:
    for column in cells:
        broken = column.str.contains(LINE_BREAK).fill_null(value=False)
        if broken.any():
            row = _row_of(broken, path)
            raise ImportRefused(f"Each record must be on a single line: {row} has a line break in {column.name}.")


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ImportRefused(f"{path.name} is not a gzip file: {error}.") from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    _refuse_other_encodings(data, path)
    try:
        return csv_dialect.standardized(data.rstrip(b"\r\n"))
    except ValueError as error:
        line, what = error.args
        raise ImportRefused(f"Each record must be on a single line: row {line} of {path.name}, {what}.") from error


def _refuse_other_encodings(data: bytes, path: Path) -> None:
    """Decode a file part by part: the text of a whole one takes up to four times its bytes."""
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(data)
    for begin in range(0, len(data), _BLOCK):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(view[begin : begin + _BLOCK], final=begin + _BLOCK >= len(data))
        except UnicodeDecodeError as error:
            row = data.count(b"\n", 0, begin - pending + error.start) + 1
            raise ImportRefused(f"Input CSV is not encoded in UTF-8: row {row} of {path.name}.") from error


def _header(data: bytes, path: Path) -> list[str]:
    first = io.BytesIO(data).readline().decode().rstrip("\r\n")
    if not first.strip():
        raise ImportRefused(f"Input CSV has no header: {path.name}.")
    names = next(csv.reader([first]))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ImportRefused(f"Input CSV has the following columns more than once: [{', '.join(twice)}].")
    return names


def _cells(data: bytes, path: Path) -> pl.DataFrame:
    try:
        cells = pl.read_csv(data, infer_schema=False)
        return cells.with_columns(pl.all().replace("", None)) if b'""' in data else cells
    except pl.exceptions.PolarsError as error:
        raise ImportRefused(_ragged(data, path) or f"Input CSV cannot be read: {path.name}: {error}.") from error


def _ragged(data: bytes, path: Path) -> str | None:
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    width = len(next(rows))
    for number, row in enumerate(rows, 2):
        if row and len(row) != width:
            return f"Input CSV has {len(row)} values instead of {width} in row {number} of {path.name}."
    return None


def _typed(cells: pl.Series, field: Field, path: Path, *, items: bool) -> pl.Series:
    if not field.nullable and cells.null_count():
        raise ImportRefused(f"Column {field.name} does not allow null: {_row_of(cells.is_null(), path)} has no value.")
    if field.type in _NUMBERS:
        return _numbers(cells, field, path)
    if field.type == "boolean":
        _refuse(~cells.is_in(["true", "false"]), cells, field, path)
        return cells == "true"
    return _texts(cells, field, path, items=items)


def _numbers(cells: pl.Series, field: Field, path: Path) -> pl.Series:
    kind = _NUMBERS[field.type]
    numbers = cells.str.strip_chars().cast(kind, strict=False)
    bad = numbers.is_null() & cells.is_not_null()
    _refuse(bad if kind == pl.Int64 else bad | ~numbers.is_finite(), cells, field, path)
    if field.name.endswith("TIMESTAMP") and kind == pl.Int64 and (numbers.max() or 0) >= NOT_SECONDS:  # type: ignore[operator]
        row = _row_of(numbers >= NOT_SECONDS, path)
        raise ImportRefused(f"Column {field.name} is not in Unix epoch seconds: {row} looks like milliseconds.")
    return numbers


def _texts(cells: pl.Series, field: Field, path: Path, *, items: bool) -> pl.Series:
    if field.textual:
        return cells.str.slice(0, TEXT_LENGTH)
    limit = longest(field, items=items)
    if limit is None:
        return cells
    long = cells.str.len_chars() > limit
    if long.any():
        row = _row_of(long, path)
        raise ImportRefused(f"Length cannot be more than {limit} characters for {field.name}: {row}.")
    return cells


def _refuse(bad: pl.Series, cells: pl.Series, field: Field, path: Path) -> None:
    wrong = bad.fill_null(value=False)
    if wrong.any():
        value = str(cells.filter(wrong)[0])[:40]
        row = _row_of(wrong, path)
        raise ImportRefused(f"Column {field.name} must be of type {field.type}: {row} has '{value}'.")


def _row_of(wrong: pl.Series, path: Path) -> str:
    return f"row {(wrong.arg_max() or 0) + 2} of {path.name}"
