# SPDX-License-Identifier: Apache-2.0
"""What leaves a dataset, as the worker is told of it: exports, deletions of users, reports of metric attributions.

The work itself is in `exporting` (polars), which the worker process alone imports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from personalize_local.data.schemas import Schema
from personalize_local.data.snapshots import SnapshotSpec


@dataclass(frozen=True, slots=True)
class ExportTask:
    """One dataset export job, as the worker needs it."""

    schema: Schema
    files: Sequence[Path]
    """Imported rows, FULL and INCREMENTAL resolved."""
    mode: str
    """BULK, PUT or ALL."""
    database: Path
    dataset: str
    """ARN, of what was streamed."""
    name: str
    location: str
    s3_root: Path | None
    region: str


@dataclass(frozen=True, slots=True)
class DeletionTask:
    """One data deletion job, as the worker needs it."""

    location: str
    s3_root: Path | None
    region: str
    files: Sequence[Path]
    """Imported rows that name users."""
    models: Sequence[Path]
    """Models that may name users."""


@dataclass(frozen=True, slots=True)
class ReportTask:
    """The report of a metric attribution on one import, as the worker needs it."""

    metrics: Sequence[tuple[str, str, str]]
    """Name, event type, expression."""
    rows: Path
    spec: SnapshotSpec
    """The Items data."""
    database: Path
    datasets: dict[str, str]
    method: str
    timestamp: int
    location: str
    s3_root: Path | None
    region: str


def run_export(task: ExportTask) -> int:
    """Write a dataset as one CSV file `<job>.csv` with the schema's columns; returns the rows. Raises JobRefused."""
    from personalize_local.jobs.exporting import export  # noqa: PLC0415 — polars stays out of the serving process

    return export(task)


def run_deletion(task: DeletionTask) -> tuple[list[str], int]:
    """Take users out of files and models; returns their ids and the rows that went. Raises JobRefused."""
    from personalize_local.jobs.exporting import delete  # noqa: PLC0415

    return delete(task)


def run_report(task: ReportTask) -> int:
    """Write the sums of an import's interactions; returns the lines of the report. Raises JobRefused."""
    from personalize_local.jobs.exporting import report  # noqa: PLC0415

    return report(task)
