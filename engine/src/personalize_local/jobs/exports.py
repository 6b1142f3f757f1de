# SPDX-License-Identifier: Apache-2.0
"""Exports of datasets (polars)."""

import tempfile
from pathlib import Path

from personalize_local.data.building import frame, put_rows, read_rows, streamed
from personalize_local.data.columns import key_of
from personalize_local.data.frames import pl
from personalize_local.data.importing import distinct
from personalize_local.data.s3 import deliver
from personalize_local.data.schemas import as_items
from personalize_local.data.snapshots import SnapshotSpec
from personalize_local.jobs.tasks import ExportTask
from personalize_local.resources.store import with_streamed


def export(task: ExportTask) -> int:
    schema = as_items(task.schema)
    parts = [frame((), schema)]
    if task.mode != "PUT":
        parts += map(read_rows, task.files)
    if task.mode != "BULK":
        spec, _ = with_streamed(SnapshotSpec((), schema), task.database, {schema.dataset_type: task.dataset})
        is_events = schema.dataset_type == "INTERACTIONS"
        parts.append(streamed(spec) if is_events else put_rows([*spec.put_users, *spec.put_items], schema))
    rows = distinct(pl.concat(parts, how="diagonal_relaxed").select(schema.names))
    if task.mode == "ALL" and schema.dataset_type != "INTERACTIONS":
        rows = rows.unique(key_of(schema), keep="last", maintain_order=True)
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        file = Path(scratch) / f"{task.name}.csv"
        rows.rename(dict(zip(schema.names, task.schema.names, strict=True))).write_csv(file)
        deliver([file], task.target)
    return rows.height
