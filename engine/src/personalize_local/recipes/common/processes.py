# SPDX-License-Identifier: Apache-2.0
"""Parts of a training that do not depend on each other, in as many processes as there are processors."""

import contextlib
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 4
"""Processes of one training at most: beyond them, handing over the results takes what they save."""
_LOOK_SECONDS = 0.1
_lock = threading.Lock()
_helpers: set[int] = set()
"""The processes that help now."""
_allowed = 1


def allow(processes: int = 0) -> None:
    """Let the trainings of this process take helpers, where the system has cheap ones.

    A helper is a fork, which shares the model and the data that it reads. Only a process of the engine's own takes
    any: another may have threads whose locks a fork would copy. macOS does not promise that its libraries survive one.

    `processes`: with this one; 0: as many as there are processors, at most MOST.
    """
    global _allowed  # noqa: PLW0603 - a fact of the process
    if sys.platform == "linux":
        _allowed = processes or min(MOST, len(os.sched_getaffinity(0)))


def spread(function: Callable[[int], T], count: int) -> list[T]:
    """Return what a function makes of the numbers from 0 to `count` - 1, in their order.

    It must give the same in every process. What a helper could not finish is done here.
    """
    helpers: list[_Helper[T]] = []
    processes = min(_allowed, count)
    try:
        helpers += (_Helper(function, range(number, count, processes)) for number in range(1, processes))
        results = {number: function(number) for number in range(0, count, max(processes, 1))}
        for helper in helpers:
            results |= helper.results()
    finally:
        for helper in helpers:
            helper.end()
    return [results[number] if number in results else function(number) for number in range(count)]


def memory_of_helpers() -> int:
    """Return the bytes that helpers take besides what they share with this process."""
    with _lock:
        helpers = list(_helpers)
    return sum(map(_private, helpers))


class _Helper(Generic[T]):
    """A fork of this process that does a share of the work, and hands its results over when all are done."""

    def __init__(self, function: Callable[[int], T], share: range) -> None:
        self._share = share
        reading, writing = os.pipe()
        parent = os.getpid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the other thread holds no lock that a helper needs
            self._process = os.fork()
        if not self._process:
            os.close(reading)
            _help(function, share, writing, parent)
        os.close(writing)
        self._results = os.fdopen(reading, "rb")
        with _lock:
            _helpers.add(self._process)

    def results(self) -> Iterator[tuple[int, T]]:
        """Yield the results with their numbers, as far as they come."""
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            for number in self._share:
                yield number, pickle.load(self._results)  # noqa: S301 - from our own process

    def end(self) -> None:
        """Kill the process if it still works, and wait until it is gone."""
        self._results.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        with _lock:
            _helpers.discard(self._process)


def _help(function: Callable[[int], T], share: range, writing: int, parent: int) -> None:
    """Do a share of the work in this process, and end it."""
    status = 1
    try:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
        results = [function(number) for number in reversed(share)]
        with os.fdopen(writing, "wb") as out:
            while results:
                pickle.dump(results.pop(), out, protocol=5)
        status = 0
    finally:
        os._exit(status)


def _end_after(parent: int) -> None:
    """End this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _private(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:"))
