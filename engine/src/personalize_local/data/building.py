# SPDX-License-Identifier: Apache-2.0
"""Snapshots for training, and live data for the serving process, from imported files (polars)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.frames import pl
from personalize_local.data.importing import RESERVED, distinct
from personalize_local.data.records import PutRecord, StreamedEvent
from personalize_local.data.schemas import Field, Schema
from personalize_local.data.snapshots import Column, Snapshot, SnapshotSpec, Strings

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
    rows = pl.concat([_interactions(spec), streamed(spec)], how="diagonal_relaxed")
    users = table(spec.users, spec.users_schema, spec.put_users)
    items = table(spec.items, spec.items_schema, spec.put_items)
    user_ids = _ids(rows["USER_ID"], users)
    item_ids = _ids(rows["ITEM_ID"], items)
    user_index, item_index = _codes(rows["USER_ID"], user_ids), _codes(rows["ITEM_ID"], item_ids)
    order = np.lexsort((rows["TIMESTAMP"].to_numpy(), user_index))
    rows = rows[order]
    types, type_names = _event_types(rows)
    return Snapshot(
        users=_objects(user_ids),
        items=_objects(item_ids),
        user_index=user_index[order],
        item_index=item_index[order],
        timestamps=rows["TIMESTAMP"].to_numpy(),
        event_type=types,
        event_types=type_names,
        event_values=_event_values(rows),
        context={f.name: _objects(rows[f.name]) for f in _trainable(spec.interactions_schema) if f.type == "string"},
        user_columns=_columns(users, spec.users_schema, user_ids),
        item_columns=_columns(items, spec.items_schema, item_ids),
        impressions=_impressions(rows, item_ids),
        item_texts=_texts(items, spec.items_schema, item_ids) if spec.texts else {},
    )


def write_live(spec: SnapshotSpec, directory: Path) -> int:
    """Write the bulk data of `spec` in the form that `live.LiveData.load` maps: `*.start` by user, columns by row.

    Reads bulk files only: LiveData adds streamed records. `directory` is replaced as a whole. Returns the number of
    interactions.
    """
    rows = _interactions(spec)
    user_ids, item_ids = _ids(rows["USER_ID"], None), _ids(rows["ITEM_ID"], None)
    user_index = _codes(rows["USER_ID"], user_ids)
    order = np.lexsort((rows["TIMESTAMP"].to_numpy(), user_index))
    rows = rows[order]
    types, type_names = _event_types(rows)
    out: dict[str, npt.NDArray[Any]] = {
        "history.start": np.searchsorted(user_index[order], np.arange(len(user_ids) + 1)).astype(np.int64),
        "history.item": _codes(rows["ITEM_ID"], item_ids),
        "history.time": rows["TIMESTAMP"].to_numpy(),
        "history.type": types,
        "history.value": _event_values(rows),
        **arrays.StringTable.of(user_ids).arrays("history.users"),
        **arrays.StringTable.of(item_ids).arrays("history.items"),
    }
    facts: dict[str, object] = {"event_types": type_names, "rows": rows.height}
    for kind, paths, schema in (("users", spec.users, spec.users_schema), ("items", spec.items, spec.items_schema)):
        cells, columns = _live_table(kind, table(paths, schema, ()))
        out.update(cells)
        facts[kind] = columns
    arrays.save(directory, out, facts)
    return rows.height


def _live_table(kind: str, rows: pl.DataFrame | None) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    if rows is None:
        return {}, {}
    rows = rows.sort("id")
    out = dict(arrays.StringTable.of(rows["id"]).arrays(f"{kind}.ids"))
    columns: dict[str, str] = {}
    for series in rows.drop("id"):
        name = f"{kind}.column.{series.name}"
        if series.dtype == pl.String:
            values = series.drop_nulls().unique().sort()
            out |= {name: _codes(series, values), **arrays.StringTable.of(values).arrays(name)}
            columns[series.name] = "text"
        else:
            out[name] = _numbers(series)
            columns[series.name] = "integer" if series.dtype.is_integer() else str(series.dtype).lower()
    return out, columns


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
    """Return events with an item and a user; a log-in gives its session's earlier events a user too."""
    fields = spec.interactions_schema.fields
    events = {event.event_id: event for event in reversed(spec.events)}
    with_item = [event for event in reversed(events.values()) if event.item_id]
    owner = {event.session_id: event.user_id for event in reversed(with_item) if event.user_id}
    rows = [
        _cells(event, user, fields) for event in with_item if (user := event.user_id or owner.get(event.session_id))
    ]
    return frame(rows, spec.interactions_schema)


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


def table(paths: Sequence[Path], schema: Schema | None, records: Sequence[PutRecord]) -> pl.DataFrame | None:
    """Return the last record of each id, with column `id` and the metadata columns."""
    if schema is None:
        return None
    rows = pl.concat([*map(read_rows, paths), put_rows(records, schema)], how="diagonal_relaxed")
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


def _ids(of_rows: pl.Series, metadata: pl.DataFrame | None) -> pl.Series:
    ids = of_rows if metadata is None else pl.concat([of_rows.rename("id"), metadata["id"]])
    return ids.unique().sort()


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


def _impressions(rows: pl.DataFrame, item_ids: pl.Series) -> npt.NDArray[np.int64] | None:
    if "IMPRESSION" not in rows.columns:
        return None
    shown = rows["IMPRESSION"].drop_nulls().str.split("|").explode().rename("id").value_counts()
    aligned = pl.DataFrame({"id": item_ids}).join(shown, on="id", how="left", maintain_order="left")
    return aligned["count"].fill_null(0).cast(pl.Int64).to_numpy()


def _event_values(rows: pl.DataFrame) -> npt.NDArray[np.float32]:
    if "EVENT_VALUE" not in rows.columns:
        return np.full(rows.height, np.nan, np.float32)
    return rows["EVENT_VALUE"].cast(pl.Float32).fill_null(np.nan).to_numpy()


def _trainable(schema: Schema) -> list[Field]:
    """Return the metadata that trains: categories and numbers, but no text, plain strings or booleans."""
    usable = (field for field in schema.fields if field.name not in RESERVED and not field.textual)
    return [field for field in usable if field.categorical or field.numeric]


def _columns(metadata: pl.DataFrame | None, schema: Schema | None, ids: pl.Series) -> dict[str, Column]:
    if metadata is None or schema is None:
        return {}
    aligned = _aligned(metadata, [field.name for field in _trainable(schema)], ids)
    return {series.name: _objects(series) if series.dtype == pl.String else _numbers(series) for series in aligned}


def _texts(metadata: pl.DataFrame | None, schema: Schema | None, ids: pl.Series) -> dict[str, Strings]:
    if metadata is None or schema is None:
        return {}
    marked = {"name": schema.marked("item_name"), "description": schema.marked("textual")}
    names = {role: field.name for role, field in marked.items() if field}
    aligned = _aligned(metadata, list(dict.fromkeys(names.values())), ids)
    return {role: _objects(aligned[name]) for role, name in names.items()}


def _aligned(metadata: pl.DataFrame, names: Sequence[str], ids: pl.Series) -> pl.DataFrame:
    """Return columns in the order of ids."""
    metadata = metadata.select("id", *names)
    return pl.DataFrame({"id": ids}).join(metadata, on="id", how="left", maintain_order="left").select(names)


def _numbers(series: pl.Series) -> npt.NDArray[np.float64]:
    return series.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _objects(series: pl.Series) -> Strings:
    strings = np.empty(len(series), object)
    strings[:] = series.to_list()
    return strings
