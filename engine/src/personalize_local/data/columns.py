# SPDX-License-Identifier: Apache-2.0
"""The columns of a table, from imported rows (polars alone: where it runs, there may be no numpy)."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from personalize_local.data import array_files
from personalize_local.data.array_files import Stored
from personalize_local.data.frames import pl
from personalize_local.data.schemas import Schema, contexts

_PART: Final = 250_000
"""Values that are written together."""
_KINDS: Final[Mapping[Any, tuple[str, str]]] = {
    pl.Int16: ("<i2", "h"),
    pl.Int32: ("<i4", "i"),
    pl.Int64: ("<i8", "q"),
    pl.Float32: ("<f4", "f"),
    pl.Float64: ("<f8", "d"),
}
"""Numbers as numpy names them, and as the standard library does."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A table before it is written; names are those of `tables`."""

    numbers: Mapping[str, pl.Series]
    strings: Mapping[str, pl.Series]
    """Sorted ones, of which codes are positions."""
    facts: Mapping[str, Any]

    def save(self, directory: Path, **facts: object) -> None:
        """Write the table, with more facts; `directory` is replaced as a whole or not at all."""
        stored = {name: _stored(series) for name, series in self.numbers.items()}
        for name, series in self.strings.items():
            stored[f"{name}.text"] = _text(series)
            stored[f"{name}.offsets"] = _stored(_sums(series.str.len_chars()))
        array_files.save(directory, stored, {**self.facts, **facts})


def columns_of(rows: pl.DataFrame, schema: Schema) -> Columns:
    """Return imported rows of any dataset as columns."""
    if schema.dataset_type == "INTERACTIONS":
        return history_columns(rows, schema)
    return metadata_columns(keyed(rows, schema), schema)


def history_columns(rows: pl.DataFrame, schema: Schema, *, training: bool = True) -> Columns:
    """Return interactions as columns; `training`: with what a training reads besides the histories."""
    user_ids, item_ids = (rows[name].unique().sort() for name in ("USER_ID", "ITEM_ID"))
    users = _codes(rows["USER_ID"], user_ids)
    order = _order(users, rows["TIMESTAMP"])
    types, names = _event_types(rows)
    numbers = {
        "history.start": _sums(users.sort().rle().struct.field("len")),
        "history.item": _codes(rows["ITEM_ID"], item_ids).gather(order),
        "history.time": rows["TIMESTAMP"].gather(order),
        "history.type": types.gather(order),
        "history.value": _event_values(rows).gather(order),
    }
    strings = {"history.users": user_ids, "history.items": item_ids}
    if training:
        for name in contexts(schema):
            key, values = f"history.context.{name}", rows[name].drop_nulls().unique().sort()
            numbers[key], strings[key] = _codes(rows[name], values).gather(order), values
        if "IMPRESSION" in rows.columns:
            shown = _shown(rows["IMPRESSION"])
            strings["history.shown"], numbers["history.shown.count"] = shown["id"], shown["count"].cast(pl.Int64)
    return Columns(numbers, strings, {"event_types": names, "rows": rows.height})


def metadata_columns(rows: pl.DataFrame, schema: Schema, names: Collection[str] | None = None) -> Columns:
    """Return users or items, as `keyed` makes them, as columns: those of `names`; None: all."""
    kind = "users" if schema.dataset_type == "USERS" else "items"
    rows = rows.sort("id")
    numbers: dict[str, pl.Series] = {}
    strings = {f"{kind}.ids": rows["id"]}
    columns: dict[str, str] = {}
    for series in rows.drop("id"):
        if names is not None and series.name not in names:
            continue
        name = f"{kind}.column.{series.name}"
        if series.dtype == pl.String:
            strings[name] = series.drop_nulls().unique().sort()
            numbers[name], columns[series.name] = _codes(series, strings[name]), "text"
        else:
            numbers[name] = series.cast(pl.Float64).fill_null(float("nan"))
            columns[series.name] = "integer" if series.dtype.is_integer() else str(series.dtype).lower()
    return Columns(numbers, strings, {kind: columns})


def united(parts: Iterable[Columns]) -> Columns:
    """Return the columns of several datasets as those of one table."""
    numbers: dict[str, pl.Series] = {}
    strings: dict[str, pl.Series] = {}
    facts: dict[str, Any] = {}
    for part in parts:
        numbers |= part.numbers
        strings |= part.strings
        facts |= part.facts
    return Columns(numbers, strings, facts)


def keyed(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the last row of each user or item, with the column `id` in place of theirs."""
    return rows.unique(key_of(schema), keep="last", maintain_order=True).rename({key_of(schema): "id"})


def key_of(schema: Schema) -> str:
    return "USER_ID" if schema.dataset_type == "USERS" else "ITEM_ID"


def _order(users: pl.Series, times: pl.Series) -> pl.Series:
    """Return the rows by user, then time, then their order; one key sorts in a quarter of the time of two."""
    frame = pl.DataFrame([users.alias("user"), times.alias("time")])
    keys = ["user", "time"]
    if frame.height:
        first, last, most = frame.select(pl.min("time").alias("first"), pl.max("time"), pl.max("user")).row(0)
        if (most + 1) * (last - first + 1) < 2**63:
            keys = ["key"]
            frame = frame.select(key=pl.col("user").cast(pl.Int64) * (last - first + 1) + (pl.col("time") - first))
    return frame.select(pl.arg_sort_by(*keys, maintain_order=True)).to_series()


def _codes(strings: pl.Series, values: pl.Series) -> pl.Series:
    """Return the position of each string in sorted `values`; -1 for null."""
    if values.is_empty():
        return pl.Series(strings.name, [-1], pl.Int32).new_from_index(0, len(strings))
    return strings.cast(pl.Enum(values)).to_physical().cast(pl.Int32).fill_null(-1)


def _event_types(rows: pl.DataFrame) -> tuple[pl.Series, list[str]]:
    if "EVENT_TYPE" not in rows.columns:
        return pl.Series([-1], dtype=pl.Int16).new_from_index(0, rows.height), []
    names = rows["EVENT_TYPE"].drop_nulls().unique().sort()
    return _codes(rows["EVENT_TYPE"], names).cast(pl.Int16), names.to_list()


def _shown(impressions: pl.Series) -> pl.DataFrame:
    """Return how often each item was shown, by `id`."""
    shown = impressions.drop_nulls().str.split("|").explode().drop_nulls()
    return shown.rename("id").value_counts().sort("id")


def _event_values(rows: pl.DataFrame) -> pl.Series:
    missing = float("nan")
    if "EVENT_VALUE" not in rows.columns:
        return pl.Series([missing], dtype=pl.Float32).new_from_index(0, rows.height)
    return rows["EVENT_VALUE"].cast(pl.Float32).fill_null(missing)


def _sums(lengths: pl.Series) -> pl.Series:
    """Return where parts of some lengths begin, and the end of the last one."""
    return pl.concat([pl.Series(lengths.name, [0], pl.Int64), lengths.cast(pl.Int64).cum_sum()])


def _stored(series: pl.Series) -> Stored:
    kind, code = _KINDS[type(series.dtype)]
    return Stored(kind, (len(series),), (array(code, part).tobytes() for part in _parts(series)))


def _text(strings: pl.Series) -> Stored:
    size = int(strings.str.len_bytes().sum())
    return Stored("|u1", (size,), ("".join(part).encode() for part in _parts(strings)))


def _parts(series: pl.Series) -> Iterator[list[Any]]:
    for begin in range(0, len(series), _PART):
        yield series.slice(begin, _PART).to_list()
