# SPDX-License-Identifier: Apache-2.0
"""The pool of worker processes, in which imports, trainings and other jobs run beside each other.

A short job never waits behind a long one: long jobs leave one worker free. Jobs wait for each other by what they claim
of the memory. What they really take is measured: beyond the bound, the largest is ended and tried once more alone.
"""

import asyncio
import logging
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, TypeVarTuple

from personalize_local.jobs import worker
from personalize_local.wire.errors import WorkerLost

A = TypeVarTuple("A")
T = TypeVar("T")
IDLE_SECONDS: Final = 30.0
"""Seconds without work after which a worker ends and frees its memory."""
ATTEMPTS: Final = 2
"""How often a job is tried if its worker dies."""
GIGABYTE: Final = 10**9
_LARGE: Final = 4
"""A worker that takes more than this part of the memory ends with its job: the next job starts with a small process. A
smaller one keeps what the trainings of one drop share: without it the next one learns all of it again."""
_BASE, _READ_ROW, _TRAINED_ROW = 400 * 10**6, 200, 500
"""Bytes of a worker, and for each row; `benchmarks/growth.py` measures trainings."""
LOGGER: Final = logging.getLogger("personalize")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a job claims of the pool."""

    memory: int
    """Bytes, by estimate."""
    long: bool = False
    """Whether it may take minutes or hours, as trainings do."""
    alone: bool = False
    """Whether it must have the whole memory."""

    @classmethod
    def of_rows(cls, rows: int, *, long: bool = False) -> "Claim":
        """Return the claim of a job that reads so many rows; if it is long, of one that trains on them."""
        return cls(_BASE + rows * (_TRAINED_ROW if long else _READ_ROW), long)


class _Died(Exception):
    """A worker ended before its job."""


class _Worker:
    """One process; it runs one job at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.ready = True
        """Whether it waits for a job."""
        self.resident = 0
        """Bytes of memory that it takes."""
        self.oversized = False
        """Whether the pool ended it for its memory."""
        self.retirement: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls) -> "_Worker":
        command = (sys.executable, "-P", "-m", worker.__name__, str(os.getpid()))
        return cls(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE))

    async def perform(self, job: tuple[Callable[..., Any], tuple[Any, ...]], measured: Callable[[], None]) -> Any:  # noqa: ANN401
        """Run a job; returns or raises what it does. Calls `measured` after each report of its memory. Raises _Died."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both are pipes
        assert stdout is not None  # noqa: S101
        self.ready = False
        try:
            stdin.write(pickle.dumps(job))
            await stdin.drain()
            while True:
                size = int.from_bytes(await stdout.readexactly(worker.SIZE_BYTES), "big")
                kind, value = pickle.loads(await stdout.readexactly(size))  # noqa: S301 - from our own process
                if kind == worker.PROGRESS:
                    LOGGER.info(value)
                elif kind == worker.MEMORY:
                    self.resident = value
                    measured()
                else:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _Died from None
        self.ready = True
        if kind == worker.RAISED:
            raise value
        return value

    @property
    def gone(self) -> bool:
        return self._process.returncode is not None

    def kill(self) -> None:
        if self.retirement:
            self.retirement.cancel()
        if not self.gone:
            self._process.kill()

    async def end(self) -> None:
        """Kill the process, and wait until it is gone."""
        self.kill()
        await self._process.wait()


class Workers:
    """Worker processes, started when there is work."""

    def __init__(self, size: int = 0, memory: int = 0) -> None:
        """`size`: most processes; `memory`: bytes that all may take together; 0: by the machine's size."""
        self._size = size or min(4, max(2, os.cpu_count() or 1))
        self._memory = memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
        self._waiting: dict[asyncio.Future[None], Claim] = {}
        self._running: dict[asyncio.Future[None], Claim] = {}
        self._all: list[_Worker] = []
        """With those that were killed and are not gone yet."""
        self._busy: set[_Worker] = set()
        self._idle: list[_Worker] = []

    async def run(self, claim: Claim, function: Callable[[*A], T], *args: *A) -> T:
        """Run a function in a worker, after earlier jobs of its kind. A job whose worker dies is tried once more.

        Cancelling kills the worker. Raises WorkerLost if it dies twice.
        """
        reason = ""
        for _ in range(ATTEMPTS):
            async with self._slot(claim) as running:
                try:
                    answer: T = await running.perform((function, args), self._watch)
                except _Died:
                    LOGGER.warning("a worker process died at %s", function.__name__)
                    reason = f"The worker process died {ATTEMPTS} times at this job: it may need more memory."
                    if running.oversized:
                        most = f"{self._memory / GIGABYTE:.1f} GB"
                        reason = f"This job takes more memory than all jobs may, {most}: give the engine more --memory."
                        claim = replace(claim, alone=True)
                else:
                    return answer
        raise WorkerLost(reason)

    async def close(self) -> None:
        """Kill every worker, whatever it does."""
        self._idle.clear()
        await asyncio.gather(*(process.end() for process in self._all))

    @asynccontextmanager
    async def _slot(self, claim: Claim) -> AsyncIterator[_Worker]:
        """Wait until a claim fits, and give a worker; it is kept for the next job unless it died, or did not finish."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = claim
        running: _Worker | None = None
        try:
            self._admit()
            await turn
            running = await self._worker(claim)
            self._busy.add(running)
            yield running
        finally:
            self._waiting.pop(turn, None)
            self._running.pop(turn, None)
            if running is not None:
                self._busy.discard(running)
                self._keep(running)
            self._admit()

    async def _worker(self, claim: Claim) -> _Worker:
        """Return an idle worker, for a training the one that holds most: perhaps what an earlier training left."""
        if self._idle:
            idle = (max if claim.long else min)(self._idle, key=lambda free: free.resident)
            self._idle.remove(idle)
            if idle.retirement:
                idle.retirement.cancel()
            return idle
        started = await _Worker.start()
        self._all = [process for process in self._all if not process.gone] + [started]
        return started

    def _admit(self) -> None:
        """Let jobs run, in their order; short ones do not wait for a long one that does not fit yet."""
        blocked: set[bool] = set()
        for turn, claim in list(self._waiting.items()):
            if claim.long in blocked or not self._fits(claim):
                blocked.add(claim.long)
            elif not turn.done():
                del self._waiting[turn]
                self._running[turn] = claim
                turn.set_result(None)

    def _fits(self, claim: Claim) -> bool:
        running = list(self._running.values())
        if claim.alone or any(other.alone for other in running):
            return not running
        alike = [other for other in running if other.long == claim.long]
        places = max(1, self._size - 1) if claim.long else self._size
        # A job that claims too much runs without others of its kind: its claim is only an estimate.
        memory = not alike or sum(other.memory for other in running) + claim.memory <= self._memory
        return len(alike) < places and len(running) < self._size and memory

    def _keep(self, free: _Worker) -> None:
        if not free.ready or free.resident > self._memory // _LARGE:
            free.kill()
            return
        self._idle.append(free)
        free.retirement = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._retire, free)

    def _retire(self, idle: _Worker) -> None:
        if idle in self._idle:
            self._idle.remove(idle)
        idle.kill()

    def _watch(self) -> None:
        """End workers while all together take more than the bound: those without work, then the largest."""
        while self._idle and self._taken() > self._memory:
            self._retire(self._idle[0])
        busy = [process for process in self._busy if not process.oversized]
        if busy and self._taken() > self._memory:
            largest = max(busy, key=lambda process: process.resident)
            largest.oversized = True
            largest.kill()

    def _taken(self) -> int:
        return sum(process.resident for process in [*self._idle, *self._busy] if not process.oversized)
