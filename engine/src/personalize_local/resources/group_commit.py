# SPDX-License-Identifier: Apache-2.0
"""Group commit: writes that arrive while others are on their way to the disk go there together, in a thread."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

COMMITS: Final = 500
"""Commits after which the log is copied into the database: behind the answers, not before one."""
MOST: Final = 500
"""Most writes that go together."""


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    statement: str
    rows: Sequence[Sequence[Any]]
    question: tuple[str, Sequence[Any]]
    answer: "asyncio.Future[int]"


class GroupCommit:
    """Takes writes from one event loop; each is on the disk when its future is done."""

    def __init__(
        self, writing: Callable[[], AbstractContextManager[sqlite3.Connection]], checkpoint: Callable[[], None]
    ) -> None:
        """Both are called in a thread: `writing` opens a transaction, `checkpoint` copies the log."""
        self._writing, self._checkpoint = writing, checkpoint
        self._queue: SimpleQueue[_Write | threading.Event | None] = SimpleQueue()
        """Writes, what waits for those before it, and None at the end."""
        self._thread: threading.Thread | None = None

    def write(
        self, statement: str, rows: Iterable[Sequence[Any]], question: tuple[str, Sequence[Any]]
    ) -> "asyncio.Future[int]":
        """Execute a statement for each row, all or none; the future has the question's number after it, 0 for null."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
            self._thread.start()
        write = _Write(statement, list(rows), question, asyncio.get_running_loop().create_future())
        self._queue.put(write)
        return write.answer

    def flush(self) -> None:
        """Wait until everything written so far is on the disk."""
        if self._thread is not None and self._thread.is_alive():
            done = threading.Event()
            self._queue.put(done)
            done.wait()

    def close(self) -> None:
        """Write what is left, and end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        commits, taken = 0, list[_Write | threading.Event | None]()
        while None not in taken:
            taken = [self._queue.get()]
            with suppress(Empty):
                while len(taken) < MOST:
                    taken.append(self._queue.get_nowait())
            if writes := [task for task in taken if isinstance(task, _Write)]:
                self._commit(writes)
                commits += 1
            for task in taken:
                if isinstance(task, threading.Event):
                    task.set()
            if commits == COMMITS:
                commits = 0
                self._checkpoint()

    def _commit(self, writes: Sequence[_Write]) -> None:
        """Commit writes together; if that fails, each alone, so that none fails for another."""
        outcomes: list[int | Exception]
        try:
            with self._writing() as connection:
                outcomes = [_execute(connection, write) for write in writes]
        except Exception as error:  # noqa: BLE001 - whoever awaits the write raises it
            if len(writes) > 1:
                for write in writes:
                    self._commit([write])
                return
            outcomes = [error]
        with suppress(RuntimeError):  # the event loop is closed
            writes[0].answer.get_loop().call_soon_threadsafe(_tell, writes, outcomes)


def _execute(connection: sqlite3.Connection, write: _Write) -> int:
    connection.executemany(write.statement, write.rows)
    (number,) = connection.execute(*write.question).fetchone()
    return number or 0


def _tell(writes: Sequence[_Write], outcomes: Sequence[int | Exception]) -> None:
    for write, outcome in zip(writes, outcomes, strict=True):
        if write.answer.done():
            continue
        if isinstance(outcome, Exception):
            write.answer.set_exception(outcome)
        else:
            write.answer.set_result(outcome)
