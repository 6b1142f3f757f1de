# SPDX-License-Identifier: Apache-2.0
"""Tables of arrays from imported files, for trainings and for the serving process (polars)."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import StringTable
from personalize_local.data.composing import Since, compose, owned
from personalize_local.data.frames import pl
from personalize_local.data.importing import distinct
from personalize_local.data.records import PutRecord, StreamedEvent
from personalize_local.data.schemas import Field, Schema
from personalize_local.data.snapshots import Snapshot, SnapshotSpec
from personalize_local.data.tables import Table, Tables, contexts, empty, merged, trainable

_TYPES: dict[str, Any] = {
    "string": pl.String,
    "float": pl.Float64,
    "double": pl.Float64,
    "int": pl.Int64,
    "long": pl.Int64,
    "boolean": pl.Boolean,
}
"""Polars' types by the schemas'."""


def build_snapshot(spec: SnapshotSpec) -> Snapshot:
    """Read every file of `spec`: bulk rows, then what was streamed or put."""
    users, items = spec.users_schema, spec.items_schema
    tables = Tables(
        history_table(_interactions(spec), spec.interactions_schema),
        metadata_table(table(spec.users, users), users, _learned(users)) if users else None,
        metadata_table(table(spec.items, items), items, _learned(items, texts=spec.texts)) if items else None,
    )
    return compose(tables, Since(spec.events, spec.put_users, spec.put_items), texts=spec.texts)


def _learned(schema: Schema, *, texts: bool = False) -> list[str]:
    """Return the columns of users or items that a training reads."""
    marked = [schema.marked("item_name"), schema.marked("textual")] if texts else []
    return [field.name for field in (*trainable(schema), *marked) if field]


def write_live(spec: SnapshotSpec, directory: Path) -> int:
    """Write the bulk data of `spec` in the form that `live.LiveData` maps.

    Reads bulk files only: LiveData adds streamed records. `directory` is replaced as a whole. Returns the number of
    interactions.
    """
    users, items = spec.users_schema, spec.items_schema
    tables = Tables(
        history_table(_interactions(spec), spec.interactions_schema, training=False),
        metadata_table(table(spec.users, users), users) if users else None,
        metadata_table(table(spec.items, items), items) if items else None,
    )
    files, facts = merged(tables)
    arrays.save(directory, files, facts)
    rows: int = facts["rows"]
    return rows


def table_of(rows: pl.DataFrame, schema: Schema) -> Table:
    """Return imported rows of any dataset as a table."""
    if schema.dataset_type == "INTERACTIONS":
        return history_table(rows, schema)
    return metadata_table(keyed(rows, schema), schema)


def history_table(rows: pl.DataFrame, schema: Schema, *, training: bool = True) -> Table:
    """Return interactions as a table; `training`: with what a training reads besides the histories."""
    if rows.is_empty():
        return empty(schema)
    user_ids, item_ids = (rows[name].unique().sort() for name in ("USER_ID", "ITEM_ID"))
    user_index = _codes(rows["USER_ID"], user_ids)
    order = np.lexsort((rows["TIMESTAMP"].to_numpy(), user_index))
    types, type_names = _event_types(rows)
    out: dict[str, npt.NDArray[Any]] = {
        "history.start": np.concatenate(([0], np.cumsum(np.bincount(user_index, minlength=len(user_ids))))),
        "history.item": _codes(rows["ITEM_ID"], item_ids)[order],
        "history.time": rows["TIMESTAMP"].to_numpy()[order],
        "history.type": types[order],
        "history.value": _event_values(rows)[order],
        **StringTable.of(user_ids).arrays("history.users"),
        **StringTable.of(item_ids).arrays("history.items"),
    }
    if training:
        for name in contexts(schema):
            values = rows[name].drop_nulls().unique().sort()
            codes = _codes(rows[name], values)[order]
            out |= {f"history.context.{name}": codes, **StringTable.of(values).arrays(f"history.context.{name}")}
        out |= _shown(rows)
    return Table(schema, out, {"event_types": list(type_names), "rows": rows.height})


def metadata_table(rows: pl.DataFrame, schema: Schema, names: Collection[str] | None = None) -> Table:
    """Return users or items, as `keyed` makes them, as a table of the columns `names`; None: of all."""
    kind = "users" if schema.dataset_type == "USERS" else "items"
    rows = rows.sort("id")
    out = dict(StringTable.of(rows["id"]).arrays(f"{kind}.ids"))
    columns: dict[str, str] = {}
    for series in rows.drop("id"):
        if names is not None and series.name not in names:
            continue
        name = f"{kind}.column.{series.name}"
        if series.dtype == pl.String:
            values = series.drop_nulls().unique().sort()
            out |= {name: _codes(series, values), **StringTable.of(values).arrays(name)}
            columns[series.name] = "text"
        else:
            out[name] = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
            columns[series.name] = "integer" if series.dtype.is_integer() else str(series.dtype).lower()
    return Table(schema, out, {kind: columns})


def read_rows(path: Path) -> pl.DataFrame:
    """Read imported rows; actions are renamed to items, so that everything else treats both the same."""
    return pl.read_parquet(path).rename({"ACTION_ID": "ITEM_ID"}, strict=False)


def _interactions(spec: SnapshotSpec) -> pl.DataFrame:
    files = [read_rows(path) for path in spec.interactions]
    if not files:
        return frame((), spec.interactions_schema)
    rows = pl.concat(files, how="diagonal_relaxed")
    return distinct(rows) if len(files) > 1 else rows


def streamed(spec: SnapshotSpec) -> pl.DataFrame:
    """Return events whose user is known as rows."""
    fields = spec.interactions_schema.fields
    return frame([_cells(row.event, row.user_id, fields) for row in owned(spec.events)], spec.interactions_schema)


def _cells(event: StreamedEvent, user: str, fields: Sequence[Field]) -> list[object]:
    reserved: dict[str, object] = {
        "USER_ID": user,
        "ITEM_ID": event.item_id,
        "TIMESTAMP": int(event.sent_at),
        "EVENT_TYPE": event.event_type,
        "EVENT_VALUE": event.event_value,
        "IMPRESSION": "|".join(event.impression) or None,
        "RECOMMENDATION_ID": event.recommendation_id,
    }
    return [reserved.get(field.name, event.properties.get(field.name)) for field in fields]


def table(paths: Sequence[Path], schema: Schema, records: Sequence[PutRecord] = ()) -> pl.DataFrame:
    """Return the last record of each id, with column `id` and the metadata columns."""
    rows = pl.concat([*map(read_rows, paths), put_rows(records, schema)], how="diagonal_relaxed")
    return keyed(rows, schema)


def keyed(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the last row of each user or item, with the column `id` in place of theirs."""
    return rows.unique(key_of(schema), keep="last", maintain_order=True).rename({key_of(schema): "id"})


def put_rows(records: Sequence[PutRecord], schema: Schema) -> pl.DataFrame:
    key = key_of(schema)
    rows = [[record.id if name == key else record.properties.get(name) for name in schema.names] for record in records]
    return frame(rows, schema)


def frame(rows: Sequence[Sequence[object]], schema: Schema) -> pl.DataFrame:
    types = {field.name: _TYPES[field.type] for field in schema.fields}
    return pl.DataFrame(rows, types, orient="row", strict=False)


def key_of(schema: Schema) -> str:
    return "USER_ID" if schema.dataset_type == "USERS" else "ITEM_ID"


def _codes(strings: pl.Series, values: pl.Series) -> npt.NDArray[np.int32]:
    """Return the position of each string in sorted `values`; -1 for null."""
    if values.is_empty():
        return np.full(len(strings), -1, np.int32)
    return strings.cast(pl.Enum(values)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()


def _event_types(rows: pl.DataFrame) -> tuple[npt.NDArray[np.int16], tuple[str, ...]]:
    if "EVENT_TYPE" not in rows.columns:
        return np.full(rows.height, -1, np.int16), ()
    names = rows["EVENT_TYPE"].drop_nulls().unique().sort()
    return _codes(rows["EVENT_TYPE"], names).astype(np.int16), tuple(names)


def _shown(rows: pl.DataFrame) -> dict[str, npt.NDArray[Any]]:
    if "IMPRESSION" not in rows.columns:
        return {}
    shown = rows["IMPRESSION"].drop_nulls().str.split("|").explode().drop_nulls().rename("id").value_counts().sort("id")
    counts = shown["count"].cast(pl.Int64).to_numpy()
    return {**StringTable.of(shown["id"]).arrays("history.shown"), "history.shown.count": counts}


def _event_values(rows: pl.DataFrame) -> npt.NDArray[np.float32]:
    if "EVENT_VALUE" not in rows.columns:
        return np.full(rows.height, np.nan, np.float32)
    return rows["EVENT_VALUE"].cast(pl.Float32).fill_null(np.nan).to_numpy()
