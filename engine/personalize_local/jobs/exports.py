# SPDX-License-Identifier: Apache-2.0
"""Exports of datasets, deletions of users, and reports of metric attributions (polars)."""

import tempfile
from pathlib import Path
from typing import Final

from personalize_local.data import csv_dialect
from personalize_local.data.building import TYPES, read_rows, streamed
from personalize_local.data.frames import pl
from personalize_local.data.importing import distinct, write
from personalize_local.data.records import read_records
from personalize_local.data.s3 import deliver, fetch
from personalize_local.data.schemas import Schema, as_items
from personalize_local.data.snapshots import SnapshotSpec
from personalize_local.jobs.tasks import DeletionTask, ExportTask, ReportTask
from personalize_local.recipes import loading
from personalize_local.resources.store import with_streamed
from personalize_local.wire.errors import ImportRefused, JobRefused

MAX_DELETION: Final = 100 * 1024 * 1024
"""Bytes of a deletion job's input."""
UNDEFINED: Final = "SOURCE_NAME_UNDEFINED"
SOURCES: Final = 100
"""Most attribution sources of a report."""


def export(task: ExportTask) -> int:
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        bulk = [] if task.mode == "PUT" else [read_rows(path) for path in task.files]
        put = [] if task.mode == "BULK" else [_streamed(task, Path(scratch))]
        schema = as_items(task.schema)
        empty = pl.DataFrame(schema={field.name: TYPES[field.type] for field in schema.fields})
        rows = distinct(pl.concat([empty, *bulk, *put], how="diagonal_relaxed").select(schema.names))
        if task.mode == "ALL" and schema.dataset_type != "INTERACTIONS":
            rows = rows.unique(_key(schema), keep="last", maintain_order=True)
        file = Path(scratch) / f"{task.name}.csv"
        rows.rename(dict(zip(schema.names, task.schema.names, strict=True))).write_csv(file)
        deliver([file], task.target)
        return rows.height


def _streamed(task: ExportTask, scratch: Path) -> pl.DataFrame:
    """Return events with an item and a user, or put records, in the columns of the schema."""
    schema = as_items(task.schema)
    kind = schema.dataset_type
    spec, _ = with_streamed(SnapshotSpec((), schema), task.database, {kind: task.dataset}, scratch)
    if kind == "INTERACTIONS":
        return streamed(spec)
    key, records = _key(schema), read_records(spec.put_users or spec.put_items)
    rows = [[record.id if name == key else record.properties.get(name) for name in schema.names] for record in records]
    return pl.DataFrame(rows, {f.name: TYPES[f.type] for f in schema.fields}, orient="row", strict=False)


def _key(schema: Schema) -> str:
    return "USER_ID" if schema.dataset_type == "USERS" else "ITEM_ID"


def delete(task: DeletionTask) -> tuple[list[str], int]:
    with tempfile.TemporaryDirectory(prefix="deletion-") as scratch:
        try:
            inputs = fetch(task.source, Path(scratch), deep=True)
        except ImportRefused as refused:
            raise JobRefused(str(refused)) from refused
        if sum(path.stat().st_size for path in inputs) > MAX_DELETION:
            raise JobRefused("The input of a data deletion job has at most 100 MB.")
        users = sorted({user for path in inputs for user in _users(path)})
    gone = sum(_take_out(path, users) for path in task.files)
    for path in task.models:
        model = loading.load(path).without_users(set(users))
        if model is not None:
            model.save(path)
    return users, gone


def _users(path: Path) -> list[str]:
    try:
        # Only a line feed ends a line: ids may contain the other characters that `splitlines` cuts at.
        lines = [line.removesuffix("\r") for line in path.read_bytes().decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise JobRefused(f"Input CSV is not encoded in UTF-8: {path.name}.") from error
    if lines[0] not in {"USER_ID", '"USER_ID"'}:
        raise JobRefused(f"Input CSV must have the single column USER_ID: {path.name}.")
    return [user for number, line in enumerate(lines[1:], 2) if line and (user := _user(line, number, path))]


def _user(line: str, number: int, path: Path) -> str:
    try:
        values = csv_dialect.cells(line)
    except ValueError as error:
        told = f"Each record must be on a single line: row {number} of {path.name}, {error}."
        raise JobRefused(told) from error
    if len(values) != 1:
        raise JobRefused(f"Input CSV has {len(values)} values instead of 1 in row {number} of {path.name}.")
    return values[0]


def _take_out(path: Path, users: list[str]) -> int:
    rows = pl.read_parquet(path)
    kept = rows.filter(~pl.col("USER_ID").is_in(users))
    if kept.height < rows.height:
        write(kept, path)
    return rows.height - kept.height


def report(task: ReportTask) -> int:
    with tempfile.TemporaryDirectory(prefix="report-") as scratch:
        rows = pl.read_parquet(task.rows)
        if "EVENT_ATTRIBUTION_SOURCE" not in rows.columns:
            rows = rows.with_columns(pl.lit(None, pl.String).alias("EVENT_ATTRIBUTION_SOURCE"))
        rows = rows.with_columns(pl.col("EVENT_ATTRIBUTION_SOURCE").fill_null(UNDEFINED))
        items = _items(task, Path(scratch))
        sums = [line for metric in task.metrics for line in _sums(rows, items, metric)]
        file = Path(scratch) / f"AggregatedAttributionMetrics - {task.method} - {task.timestamp}.csv"
        head = ["METRIC_NAME", "EVENT_TYPE", "VALUE", "MATH_FUNCTION", "EVENT_ATTRIBUTION_SOURCE", "TIMESTAMP"]
        lines = [head, *([*map(str, line), str(task.timestamp)] for line in sums)]
        file.write_bytes("".join(map(csv_dialect.row, lines)).encode())
        deliver([file], task.target)
    return len(sums)


def _items(task: ReportTask, scratch: Path) -> pl.DataFrame | None:
    if task.spec.items_schema is None:
        return None
    spec, _ = with_streamed(task.spec, task.database, task.datasets, scratch)
    tables = [read_rows(path) for path in spec.items]
    names = task.spec.items_schema.names
    put = [
        [r.id if name == "ITEM_ID" else r.properties.get(name) for name in names] for r in read_records(spec.put_items)
    ]
    columns = {field.name: TYPES[field.type] for field in task.spec.items_schema.fields}
    records = pl.DataFrame(put, columns, orient="row", strict=False)
    return pl.concat([*tables, records], how="diagonal_relaxed").unique("ITEM_ID", keep="last")


def _sums(
    rows: pl.DataFrame, items: pl.DataFrame | None, metric: tuple[str, str, str]
) -> list[tuple[str, str, float, str, str]]:
    """Return one line for each source of the metric's events."""
    name, event_type, expression = metric
    of_type = rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() == event_type.lower())
    function, _, operand = expression.rstrip(")").partition("(")
    dataset, _, column = operand.partition(".")
    value = pl.len().cast(pl.Float64)
    if function.upper() == "SUM":
        if dataset.upper() == "ITEMS" and items is not None:
            of_type = of_type.join(items.select("ITEM_ID", pl.col(column).alias("__value")), on="ITEM_ID", how="left")
        else:
            of_type = of_type.with_columns(pl.col(column).alias("__value"))
        value = pl.col("__value").cast(pl.Float64).sum()
    sums = of_type.group_by("EVENT_ATTRIBUTION_SOURCE").agg(value.alias("sum")).sort("EVENT_ATTRIBUTION_SOURCE")
    return [(name, event_type, total, function.upper(), source) for source, total in sums.head(SOURCES).iter_rows()]
