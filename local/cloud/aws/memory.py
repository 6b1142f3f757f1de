# SPDX-License-Identifier: Apache-2.0
"""Hold functions to their MemorySize: one whose processes have more in memory is killed, as AWS does it."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_HAS_PROC: Final = Path("/proc/self/statm").exists()
LOOK_SECONDS: Final = 0.1 if _HAS_PROC else 1.0
"""The time between two looks; without /proc each starts a process."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(eq=False)
class Call:
    """A call under way."""

    find: Callable[[], int | None]
    most: int
    """Bytes of memory."""
    killed: bool = False


class Watch:
    """Watches the calls under way, in one thread for all."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._some = threading.Event()
        threading.Thread(target=self._look, daemon=True, name="memory of functions").start()

    @contextmanager
    def held(self, find: Callable[[], int | None], megabytes: int) -> Iterator[Call]:
        """Hold a call to so much memory, that of its process and of those which it starts.

        Args:
            find: returns the process, which may not have been started yet.
            megabytes: of memory.
        """
        call = Call(find, megabytes << 20)
        with self._lock:
            self._calls.append(call)
            self._some.set()
        try:
            yield call
        finally:
            with self._lock:
                self._calls.remove(call)
                if not self._calls:
                    self._some.clear()

    def _look(self) -> None:
        while self._some.wait():
            time.sleep(LOOK_SECONDS)
            with self._lock:
                calls = {pid: call for call in self._calls if (pid := call.find())}
            for pid, family in trees(calls).items():
                if sum(family.values()) > calls[pid].most:
                    calls[pid].killed = True
                    for member in family:
                        with suppress(ProcessLookupError):
                            os.kill(member, signal.SIGKILL)


def trees(pids: Iterable[int]) -> dict[int, Mapping[int, int]]:
    """Return the bytes in memory of each process and those that it started, by their ids."""
    if _HAS_PROC:
        return {pid: dict(_family(pid)) for pid in pids}
    listed = subprocess.run(["/bin/ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=False).stdout
    table = [tuple(map(int, line.split())) for line in listed.splitlines()]
    sizes: dict[int, Mapping[int, int]] = {}
    for pid in pids:
        family = {pid}
        while more := {child for child, parent, _ in table if parent in family} - family:
            family |= more
        sizes[pid] = {member: size * 1024 for member, _, size in table if member in family}
    return sizes


def _family(pid: int) -> Iterator[tuple[int, int]]:
    """Yield a process and its children, with their bytes in memory without mapped files."""
    with suppress(OSError, ValueError):
        _, resident, mapped, *_ = Path(f"/proc/{pid}/statm").read_bytes().split()
        yield pid, (int(resident) - int(mapped)) * _PAGE
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))


@cache
def watch() -> Watch:
    """Return the watch of this process."""
    return Watch()
