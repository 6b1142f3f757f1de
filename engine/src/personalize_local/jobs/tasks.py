# SPDX-License-Identifier: Apache-2.0
"""The jobs of the worker processes, as they travel to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from personalize_local.data.s3 import Location
from personalize_local.data.schemas import Schema
from personalize_local.data.snapshots import SnapshotSpec
from personalize_local.filters import Filter
from personalize_local.recipes.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a training or an update learns from."""

    spec: SnapshotSpec
    """Bulk files; the streamed records are read from the database."""
    database: Path
    datasets: Mapping[str, str]
    """ARNs by the dataset type that they stand for: of actions, ITEMS and INTERACTIONS too."""


@dataclass(frozen=True, slots=True)
class TrainingTask:
    arn: str
    """That of the solution version or recommender."""
    recipe: str
    config: TrainingConfig
    data: TrainingData
    target: Path
    """The model's folder."""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    metrics: Mapping[str, float]
    """GetSolutionMetrics' map."""
    popularity: Mapping[str, float]
    """The same of the same popular items for everybody; empty where the recipe recommends no items."""
    seconds: float
    recipe: str = ""
    """The recipe that a search chose."""
    tuned: Mapping[str, str] | None = None
    """The algorithm's hyperparameters that it chose; None without a search."""


@dataclass(frozen=True, slots=True)
class UpdateTask:
    """A model that learns of new items without a training."""

    model: Path
    config: TrainingConfig
    data: TrainingData
    target: Path
    """The folder of the updated model."""


@dataclass(frozen=True, slots=True)
class BatchTask:
    recipe: str
    source: Location
    target: Location
    model: Path
    bulk: Path | None
    """Imported live data."""
    database: Path
    datasets: Mapping[str, str]
    """The streamed part of live data: ARNs by dataset type."""
    schemas: Mapping[str, Schema]
    filter: Filter | None
    results: int
    now: float
    exploration: Mapping[str, float] = field(default_factory=dict)
    influence: Mapping[str, float] = field(default_factory=dict)
    themes: Sequence[str] = ()
    """Columns of Items with the names and the descriptions that themes are made of; none: no themes."""


@dataclass(frozen=True, slots=True)
class ExportTask:
    schema: Schema
    files: Sequence[Path]
    """Imported rows, FULL and INCREMENTAL resolved."""
    mode: str
    database: Path
    dataset: str
    """ARN."""
    name: str
    target: Location


QUARTER: Final = 900
"""Seconds that a line of a report adds up."""


@dataclass(frozen=True, slots=True)
class ReportTask:
    """The report of a metric attribution on one import, or on some streamed events."""

    metrics: Sequence[tuple[str, str, str]]
    """Name, event type, expression."""
    rows: Path | None
    """The import's; None: events are reported."""
    events: tuple[int, int]
    """Number of the last event that was reported before, and of the last one to report."""
    spec: SnapshotSpec
    """The Items data."""
    database: Path
    datasets: Mapping[str, str]
    """ARNs of the Interactions and the Items dataset, by type."""
    sources: Sequence[str]
    """ARNs of the campaigns and recommenders whose answers events may name."""
    most_sources: int
    """Of a metric."""
    method: str
    """In the file's name: how the interactions came."""
    timestamp: int
    target: Location | None
    """The folder of the report; None: no file."""
    cloudwatch: str = ""
    """The region of the metrics; empty: none are put."""
