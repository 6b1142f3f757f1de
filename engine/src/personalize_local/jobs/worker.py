# SPDX-License-Identifier: Apache-2.0
"""A worker process: it takes pickled jobs from its parent, one at a time, and reports results and its memory.

It is a program of its own: processes of `multiprocessing` run the parent's main module, which may be anybody's.
"""

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from personalize_local.jobs import progress
from personalize_local.platforms import resource
from personalize_local.recipes.common import processes
from personalize_local.wire.errors import ImportRefused, JobRefused, TrainingRefused

SIZE_BYTES: Final = 8
"""Bytes of the size that precedes a pickled message."""
RETURNED, RAISED, MEMORY, PROGRESS = "returned", "raised", "memory", "progress"
"""Kinds of messages: a job's result, its exception, the bytes of memory that the process takes, a line for the log."""
_LOOK_SECONDS: Final = 0.1
_STEP: Final = 16 * 2**20
"""Bytes by which the memory must change before it is reported again."""
_STATM: Final = Path("/proc/self/statm")
"""Linux has it."""
NICENESS: Final = 5
"""Answers come before jobs."""


def main() -> None:
    """Work until the parent closes the pipe or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    os.nice(NICENESS)
    processes.allow()
    messages = _Messages(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what a library prints is no message
    progress.listener = partial(messages.send, PROGRESS)
    threading.Thread(target=_watch, args=(int(sys.argv[1]), messages), daemon=True).start()
    while True:
        try:
            function, args = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
        except EOFError:
            return
        messages.send(*_run(function, args))


def _run(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[str, object]:
    try:
        return RETURNED, function(*args)
    except (ImportRefused, TrainingRefused, JobRefused) as refused:
        return RAISED, refused
    except Exception as error:  # noqa: BLE001 - the parent raises it
        error.add_note(f"In the worker process: {traceback.format_exc()}")
        return RAISED, error


def _watch(parent: int, messages: "_Messages") -> None:
    reported = 0
    while os.getppid() == parent:
        taken = _resident()
        if abs(taken - reported) >= _STEP:
            messages.send(MEMORY, taken)
            reported = taken
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _resident() -> int:
    """Return the bytes of memory that this process and its helpers take; on macOS, those of the highest moment."""
    if _STATM.exists():  # on Linux, the highest of a new process is its parent's
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() + processes.memory_of_helpers()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class _Messages:
    """The way to the parent, for several threads."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def send(self, kind: str, value: object) -> None:
        try:
            message = pickle.dumps((kind, value))
        except Exception:  # noqa: BLE001 - an exception of a library, say, that cannot be pickled
            message = pickle.dumps((RAISED, RuntimeError(repr(value))))
        with self._lock:
            self._out.write(len(message).to_bytes(SIZE_BYTES, "big") + message)
            self._out.flush()


if __name__ == "__main__":
    main()
