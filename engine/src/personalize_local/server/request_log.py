# SPDX-License-Identifier: Apache-2.0
"""One line for each request: time, operation, status, milliseconds, request id, and of an error its message.

Nothing of a request's body is in it but what an error's message quotes: no secret, and no user's record.
"""

import asyncio
import json
import logging
import os
import sys
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from typing import IO, Final

LOGGER: Final = logging.getLogger("personalize.requests")
_LONGEST: Final = 300
"""Characters of an error in the log."""
SECONDS: Final = 0.1
"""Between two writes."""
_RED: Final = "\x1b[31m"
_YELLOW: Final = "\x1b[33m"
_PLAIN: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was answered, as the message of a log record."""

    operation: str
    status: int
    ms: float
    request_id: str
    """That of the answer's header, which SDKs report."""
    error: str = ""
    """Code and message."""

    def __str__(self) -> str:
        error = f" {self.error}" if self.error else ""
        return f"{self.operation:24} {self.status} {self.ms:6.1f} ms {self.request_id}{error}"


def record(operation: str, status: int, seconds: float, request_id: str, error: str = "") -> None:
    """Log a request: at INFO, and at ERROR if the engine is to blame."""
    level = logging.ERROR if status >= 500 else logging.INFO
    if LOGGER.isEnabledFor(level):
        took = round(seconds * 1000, 1)
        told = Request(_on_one_line(operation), status, took, request_id, _on_one_line(error))
        # Made by hand, since a logger looks for the caller's line, which takes longer than the rest.
        LOGGER.handle(logging.LogRecord(LOGGER.name, level, __file__, 0, told, None, None))


def _on_one_line(text: str) -> str:
    """Return a text without what ends a line, colours it, or turns its direction."""
    text = text[:_LONGEST]
    return "".join(character if character.isprintable() else " " for character in text)


def configure(out: IO[str], *, quiet: bool = False, as_json: bool = False) -> None:
    """Send what this program logs to `out`: as lines to read, in colours on a terminal, or as one JSON object each.

    `quiet` leaves out what went well.
    """
    coloured = out.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    handler = _Batched(out)
    handler.setFormatter(_JsonLines() if as_json else _Lines(coloured=coloured))
    # No line tells the thread or process, which takes time to find out.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, handlers=[handler], force=True)


class _Batched(logging.StreamHandler[IO[str]]):
    """Writes ten times a second what came meanwhile, and at once what is worse than INFO.

    A write for each request would cost a third of the fastest ones.
    """

    def __init__(self, out: IO[str]) -> None:
        super().__init__(out)
        self._waiting: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._waiting.append(record)
        if record.levelno > logging.INFO or (len(self._waiting) == 1 and not self._flush_later()):
            self.flush()

    def flush(self) -> None:
        with self.lock or nullcontext():
            waiting, self._waiting = self._waiting, []
            with suppress(OSError, ValueError):  # nobody reads the log any more, or its disk is full: serving goes on
                if waiting:
                    self.stream.write("".join(f"{self.format(record)}\n" for record in waiting))
                super().flush()

    def _flush_later(self) -> bool:
        """Tell whether there is an event loop, which will flush."""
        try:
            asyncio.get_running_loop().call_later(SECONDS, self.flush)
        except RuntimeError:
            return False
        return True


class _Lines(logging.Formatter):
    """Lines of a time and a message; whatever is not a request says how serious it is."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")
        self._coloured = coloured

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 — the name of the base class
        severe = record.levelno
        if isinstance(record.msg, Request):
            severe = logging.WARNING if 400 <= record.msg.status < 500 else severe
        elif severe >= logging.WARNING:
            record.message = f"{record.levelname}: {record.message}"
        colour = _RED if severe >= logging.ERROR else _YELLOW if severe >= logging.WARNING else ""
        line = super().formatMessage(record)
        return f"{colour}{line}{_PLAIN}" if colour and self._coloured else line


class _JsonLines(logging.Formatter):
    """One JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        told = asdict(record.msg) if isinstance(record.msg, Request) else {"message": record.getMessage()}
        trace = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps({"time": record.created, "level": record.levelname} | told | trace, ensure_ascii=False)
