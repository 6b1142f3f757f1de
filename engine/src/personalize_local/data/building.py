# SPDX-License-Identifier: Apache-2.0
"""Snapshots and live data from imported files and streamed records (polars and numpy)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from personalize_local.data.arrays import StringTable
from personalize_local.data.columns import Columns, history_columns, key_of, keyed, metadata_columns, united
from personalize_local.data.composing import compose
from personalize_local.data.event_columns import EventColumns
from personalize_local.data.frames import pl
from personalize_local.data.importing import distinct
from personalize_local.data.records import PutRecord, StreamedEvent
from personalize_local.data.schemas import Field, Schema, trainable
from personalize_local.data.snapshots import Snapshot, SnapshotSpec
from personalize_local.data.tables import Table, Tables

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
    history = history_columns(_interactions(spec), spec.interactions_schema)
    tables = Tables(
        _table(spec.interactions_schema, history),
        _table(users, metadata_columns(table(spec.users, users), users, _learned(users))) if users else None,
        _table(items, metadata_columns(table(spec.items, items), items, _learned(items, texts=spec.texts)))
        if items
        else None,
    )
    events = EventColumns.of(spec.events, spec.interactions_schema)
    return compose(tables, events, spec.put_users, spec.put_items, texts=spec.texts)


def _table(schema: Schema, columns: Columns) -> Table:
    files: dict[str, npt.NDArray[Any]] = {name: series.to_numpy() for name, series in columns.numbers.items()}
    for name, strings in columns.strings.items():
        files |= StringTable.of(strings).arrays(name)
    return Table(schema, files, columns.facts)


def _learned(schema: Schema, *, texts: bool = False) -> list[str]:
    """Return the columns of users or items that a training reads."""
    marked = [schema.marked("item_name"), schema.marked("textual")] if texts else []
    return [field.name for field in (*trainable(schema), *marked) if field]


def write_live(spec: SnapshotSpec, directory: Path) -> int:
    """Write the bulk data of `spec` in the form that `live.LiveData` maps.

    Reads bulk files only: LiveData adds streamed records. `directory` is replaced as a whole. Returns the number of
    interactions.
    """
    parts = [history_columns(_interactions(spec), spec.interactions_schema, training=False)]
    for paths, schema in ((spec.users, spec.users_schema), (spec.items, spec.items_schema)):
        if schema:
            parts.append(metadata_columns(table(paths, schema), schema))
    whole = united(parts)
    whole.save(directory)
    rows: int = whole.facts["rows"]
    return rows


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
    schema = spec.interactions_schema
    events = EventColumns.of(spec.events, schema)
    owned, users = events.owned(), events.users.all()
    rows = zip(owned.rows.tolist(), owned.users.tolist(), strict=True)
    return frame([_cells(spec.events[row], users[user], schema.fields) for row, user in rows], schema)


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


def put_rows(records: Sequence[PutRecord], schema: Schema) -> pl.DataFrame:
    key = key_of(schema)
    rows = [[record.id if name == key else record.properties.get(name) for name in schema.names] for record in records]
    return frame(rows, schema)


def frame(rows: Sequence[Sequence[object]], schema: Schema) -> pl.DataFrame:
    types = {field.name: _TYPES[field.type] for field in schema.fields}
    return pl.DataFrame(rows, types, orient="row", strict=False)
