# SPDX-License-Identifier: Apache-2.0
"""What the worker processes run, a function for each kind of task.

Functions import polars and scipy themselves: the serving process, which names them, stays without these libraries.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from personalize_local.data.s3 import Location, fetch
from personalize_local.data.schemas import Schema
from personalize_local.data.snapshots import SnapshotSpec
from personalize_local.jobs.progress import IMPORT, TRAINING, phases
from personalize_local.jobs.tasks import BatchTask, ExportTask, ReportTask, TrainingOutcome, TrainingTask, UpdateTask
from personalize_local.recipes.definitions import RECIPES
from personalize_local.resources.store import with_streamed
from personalize_local.serving import TRAINED_UNTIL
from personalize_local.wire.protocol import Json

if TYPE_CHECKING:
    from personalize_local.recipes.user_personalization.training import SharedCounts


def run_import(arn: str, source: Location, most: int, least: int, schema: Schema, target: Path) -> int:
    """Read files of at most `most` bytes, and at least `least` interactions, into the engine's form; returns the rows.

    Raises ImportRefused.
    """
    from personalize_local.data.importing import import_files  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="import-") as scratch, phases(arn, target, IMPORT) as enter:
        enter("Fetching files")
        files = fetch(source, Path(scratch), most=most)
        enter("Reading and checking rows")
        return import_files(files, schema, target, least)


def run_training(task: TrainingTask) -> TrainingOutcome:
    """Train a recipe on everything that is there now. Raises TrainingRefused."""
    from personalize_local.data.building import build_snapshot  # noqa: PLC0415
    from personalize_local.recipes.training import train  # noqa: PLC0415

    began = time.perf_counter()
    with phases(task.arn, task.target, TRAINING) as enter:
        enter("Reading the data")
        spec, last = with_streamed(task.data.spec, task.data.database, task.data.datasets)
        snapshot = build_snapshot(replace(spec, texts=RECIPES[task.recipe].family == "semantic"))
        trained = train(task.recipe, snapshot, task.config, _shared_counts(), enter)
        enter("Saving the model")
        trained.model.save(task.target)
        (task.target / TRAINED_UNTIL).write_text(str(last))
    seconds = time.perf_counter() - began
    return TrainingOutcome(trained.metrics, trained.popularity, seconds, trained.recipe, trained.tuned)


def run_update(task: UpdateTask) -> None:
    """Write a model with the items that are there now; the counts stay those of its training."""
    from personalize_local.data.building import build_snapshot  # noqa: PLC0415
    from personalize_local.recipes import loading, updating  # noqa: PLC0415
    from personalize_local.recipes.semantic.model import SemanticModel  # noqa: PLC0415

    spec, _ = with_streamed(task.data.spec, task.data.database, task.data.datasets)
    model = loading.load(task.model)
    snapshot = build_snapshot(replace(spec, texts=isinstance(model, SemanticModel)))
    updating.updated(model, snapshot, task.config).save(task.target)
    shutil.copy(task.model / TRAINED_UNTIL, task.target)


@cache
def _shared_counts() -> "SharedCounts":
    """Return what the trainings of this process leave to each other."""
    from personalize_local.recipes.user_personalization.training import SharedCounts  # noqa: PLC0415

    return SharedCounts()


def run_live(spec: SnapshotSpec, target: Path) -> int:
    """Write the bulk data that answers need; returns the number of interactions."""
    from personalize_local.data.building import write_live  # noqa: PLC0415

    return write_live(spec, target)


def run_batch(task: BatchTask) -> int:
    """Answer every line of every input file into `<file>.out`; returns the number of lines. Raises JobRefused."""
    from personalize_local.jobs.batch import answer  # noqa: PLC0415

    return answer(task)


def run_export(task: ExportTask) -> int:
    """Write a dataset as one CSV file `<job>.csv` with the schema's columns; returns the rows. Raises JobRefused."""
    from personalize_local.jobs.exports import export  # noqa: PLC0415

    return export(task)


def run_deletion(source: Location, files: Sequence[Path], models: Sequence[Path], most: int) -> tuple[list[str], int]:
    """Take users, listed in `most` bytes, out of imported rows and models.

    Returns their ids and the rows that went. Raises JobRefused.
    """
    from personalize_local.jobs.deletions import delete  # noqa: PLC0415

    return delete(source, files, models, most)


def run_metrics(region: str, data: Sequence[Json]) -> None:
    """Put metrics into the CloudWatch of the environment."""
    from personalize_local.jobs.reports import put  # noqa: PLC0415

    put(region, data)


def run_report(task: ReportTask) -> int:
    """Write what interactions add up to; returns the lines of the report. Raises JobRefused."""
    from personalize_local.jobs.reports import report  # noqa: PLC0415

    return report(task)
