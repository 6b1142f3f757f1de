# SPDX-License-Identifier: Apache-2.0
"""The worker process: imports, trainings and other jobs run in it, one after the other."""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Final, ParamSpec, TypeVar

from personalize_local.wire.errors import WorkerLost

P = ParamSpec("P")
T = TypeVar("T")
IDLE_SECONDS: Final = 30.0
"""Seconds without work after which the worker process ends and frees its memory."""
ATTEMPTS: Final = 2
"""How often a job is tried if its worker dies."""
LOGGER: Final = logging.getLogger("personalize")


class Workers:
    """One worker process, started when there is work; it runs one job at a time, in order."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._retirement: asyncio.TimerHandle | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the worker. A worker that dies is replaced, and the job tried once more.

        Cancelling kills the worker while it runs this job. Raises WorkerLost if it dies twice.
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
    """Set up a new worker process: it never outlives its parent, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
