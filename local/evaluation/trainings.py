# SPDX-License-Identifier: Apache-2.0
"""Trainings in parallel processes, whose models are saved and loaded as by the engine."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import wait
from pathlib import Path
from zlib import crc32

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes import loading, training
from personalize_local.recipes.base import Model
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.user_personalization.training import SharedCounts

from local.cloud.environments import LocalError

AT_ONCE = 2
"""The most trainings at one time: each may need a gigabyte."""


class Trainings:
    """Starts trainings and waits for them. Made by `opened`."""

    def __init__(self, pool: ProcessPoolExecutor, folder: Path) -> None:
        self._pool, self._folder = pool, folder
        self._started: dict[str, Future[tuple[float, float]]] = {}
        self._snapshots: dict[str, Path] = {}

    def start(self, recipe: str, name: str, snapshot: Snapshot, config: TrainingConfig) -> None:
        """Start to train a recipe on the snapshot called `name`, unless that has started."""
        key = _key(recipe, name, config)
        if key in self._started:
            return
        if name not in self._snapshots:
            self._snapshots[name] = path = self._folder / f"{name}.pickle"
            path.write_bytes(pickle.dumps(snapshot, protocol=5))
        self._started[key] = self._pool.submit(_train, recipe, self._snapshots[name], config, self._folder / key)

    def wait(self, recipe: str, name: str, config: TrainingConfig) -> tuple[Model, float, float]:
        """Return the model of a training that was started, and its wall-clock and processor seconds.

        Raises TrainingRefused below Personalize's minimums.
        """
        key = _key(recipe, name, config)
        try:
            seconds, cpu_seconds = self._started[key].result()
        except BrokenProcessPool:
            raise LocalError(f"the training of {recipe} was killed: it may need more memory than is free") from None
        return loading.load(self._folder / key), seconds, cpu_seconds


@contextmanager
def opened(folder: Path) -> Iterator[Trainings]:
    """Open processes to train in, and a folder for what they make; end them at once where the block fails."""
    # Threads of polars do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(AT_ONCE, os.cpu_count() or 1), mp_context=context, initializer=_begin)
    try:
        yield Trainings(pool, folder)
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Set up a new process: it never outlives its parent, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _key(recipe: str, name: str, config: TrainingConfig) -> str:
    weighed = f"-{crc32(repr(config.events).encode()):08x}" if config.events else ""
    return f"{recipe}-{name}-{config.hyperparameters.get('tier', '')}{weighed}"


@cache
def _shared() -> SharedCounts:
    """Return what the trainings of this process leave to each other."""
    return SharedCounts()


def _train(recipe: str, snapshot: Path, config: TrainingConfig, target: Path) -> tuple[float, float]:
    """Train in this process and save the model; return wall-clock and processor seconds."""
    data: Snapshot = pickle.loads(snapshot.read_bytes())  # noqa: S301 - written by our own parent
    started, cpu = time.perf_counter(), time.process_time()
    model = training.train(recipe, data, config, _shared()).model
    took = time.perf_counter() - started, time.process_time() - cpu
    model.save(target)
    return took
