# SPDX-License-Identifier: Apache-2.0
"""Imports and trainings: what the worker process does, and the pool of one that it lives in."""

import asyncio
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from personalize_local.data.objects import fetch
from personalize_local.data.schemas import Schema
from personalize_local.data.snapshots import SnapshotSpec, write_lines
from personalize_local.recipes import TrainingConfig, train
from personalize_local.resources.store import Reader
from personalize_local.wire.errors import WorkerLost

P = ParamSpec("P")
T = TypeVar("T")
TRAINED_UNTIL: Final = "trained-until"
"""File in a model's folder: the number of the newest event that it was trained on."""
IDLE_SECONDS: Final = 30.0
"""After this long without work the worker process ends, and its memory goes back."""
ATTEMPTS: Final = 2
"""How often a job is tried whose worker dies."""
LOGGER: Final = logging.getLogger("personalize")


class Workers:
    """One worker process, made when there is work, used by one job at a time in the order of asking."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._retirement: asyncio.TimerHandle | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function of this module in the worker. A worker that dies is replaced and the job tried once more.

        Cancelling kills the worker if it is at this job. Raises WorkerLost when it died twice.
        """
        async with self._turn:
            if self._retirement:
                self._retirement.cancel()
            try:
                for _ in range(ATTEMPTS):
                    try:
                        return await asyncio.wrap_future(self._worker().submit(function, *args, **kwargs))
                    except BrokenProcessPool:
                        LOGGER.warning("the worker process died")
                        self.discard()
                raise WorkerLost(f"The worker process died {ATTEMPTS} times at this job: it may need more memory.")
            except asyncio.CancelledError:
                self.discard()
                raise
            finally:
                self._retirement = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._retire)

    def _worker(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=begin)
        return self._pool

    def discard(self) -> None:
        """Kill the worker process, whatever it does."""
        pool, self._pool = self._pool, None
        for process in multiprocessing.active_children():
            process.kill()
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)

    def _retire(self) -> None:
        if not self._turn.locked():
            self.discard()


def begin() -> None:
    """Set a fresh worker process up: it never outlives its parent, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


@dataclass(frozen=True, slots=True)
class ImportTask:
    """One dataset import job, as the worker needs it."""

    location: str
    s3_root: Path | None
    region: str
    schema: Schema
    target: Path
    """The file of imported rows."""
    most: int
    """Bytes that the objects may have together."""


def run_import(task: ImportTask) -> int:
    """Read a drop into the engine's own form; returns the rows kept. Raises ImportRefused."""
    from personalize_local.data.importing import import_files  # noqa: PLC0415 — polars stays out of the serving process

    with tempfile.TemporaryDirectory(prefix="import-") as scratch:
        files = fetch(task.location, task.s3_root, Path(scratch), task.region, most=task.most)
        task.target.parent.mkdir(parents=True, exist_ok=True)
        return import_files(files, task.schema, task.target)


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One solution version, as the worker needs it."""

    recipe: str
    config: TrainingConfig
    spec: SnapshotSpec
    """Bulk files; the streamed records are read from the database."""
    database: Path
    datasets: dict[str, str]
    """ARNs by dataset type."""
    target: Path
    """The model's folder."""


def run_training(task: TrainingTask) -> tuple[dict[str, float], float]:
    """Train a recipe on everything that is there now; returns offline metrics and seconds. Raises TrainingRefused."""
    from personalize_local.data.building import build_snapshot  # noqa: PLC0415 — polars stays out of the serving process

    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="training-") as scratch:
        spec, last = with_streamed(task.spec, task.database, task.datasets, Path(scratch))
        snapshot = build_snapshot(spec)
    trained = train(task.recipe, snapshot, task.config)
    task.target.parent.mkdir(parents=True, exist_ok=True)
    trained.model.save(task.target)
    (task.target / TRAINED_UNTIL).write_text(str(last))
    return trained.metrics, time.perf_counter() - began


def with_streamed(
    spec: SnapshotSpec, database: Path, datasets: Mapping[str, str], scratch: Path
) -> tuple[SnapshotSpec, int]:
    """The spec with what was streamed to datasets (ARNs by type), written out as lines; the newest event's number."""
    paths, last = {kind: scratch / f"{kind}.jsonl" for kind in datasets}, 0
    with Reader(database) as reader:
        for kind, arn in datasets.items():
            if kind == "INTERACTIONS":
                events = list(reader.events(arn))
                last = max((number for number, _ in events), default=0)
                write_lines(paths[kind], (event for _, event in events))
            else:
                write_lines(paths[kind], (record for _, record in reader.records(arn)))
    found = replace(spec, events=paths.get("INTERACTIONS"), put_users=paths.get("USERS"), put_items=paths.get("ITEMS"))
    return found, last


def run_live(spec: SnapshotSpec, target: Path) -> int:
    """Write the bulk data that answers need; returns the number of interactions."""
    from personalize_local.data.building import write_live  # noqa: PLC0415 — polars stays out of the serving process

    target.parent.mkdir(parents=True, exist_ok=True)
    return write_live(spec, target)
