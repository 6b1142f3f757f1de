# SPDX-License-Identifier: Apache-2.0
"""A run as a board that is redrawn while it happens: its steps in order, how long each takes, and what it waits for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import rich.text
from rich.console import Console
from rich.live import Live
from rich.table import Table
from table_intake.wording import Text

from local.cloud.runs import Moment

DONE, UNDER_WAY, FAILED = "✓", "…", "✗"
COLOURS = {DONE: "green", UNDER_WAY: "yellow", FAILED: "red"}


@dataclass
class Row:
    """A step, or a resource that a step waits for; times in seconds after the run's start."""

    what: str
    began: float
    resource: bool
    status: str = ""
    ended: float | None = None

    def mark(self) -> str:
        if "FAILED" in self.status or "STOPPED" in self.status:
            return FAILED
        return UNDER_WAY if self.ended is None else DONE

    def seconds(self, now: float) -> float:
        return max((now if self.ended is None else self.ended) - self.began, 0.0)


@dataclass
class Board:
    """The rows of a run, in the order in which they began."""

    rows: dict[str, Row] = field(default_factory=dict)
    now: float = 0.0
    named: Callable[[str], str] = str
    """Names a step or a resource in the reader's language."""
    words: Callable[[str], str] = str
    """Renders a text in it."""

    def tell(self, moment: Moment) -> None:
        """Take in what happened: a step ends when the next one begins or it fails, a resource when it has settled."""
        self.now = max(self.now, moment.seconds)
        if not moment.status:
            self._close(moment.seconds)
            self.rows.setdefault(moment.what, Row(moment.what, moment.seconds, resource=False))
            return
        if moment.what not in self.rows:
            self._made_of(moment)
        row = self.rows.setdefault(moment.what, Row(moment.what, moment.seconds, resource=True))
        row.status = moment.status
        settled = not moment.status.endswith(("PENDING", "IN_PROGRESS", "WAITING"))
        row.ended = moment.seconds if settled else None

    def _made_of(self, moment: Moment) -> None:
        """Close what a new resource is made of, such as a version's solution, which nobody looks at any longer."""
        kind, _, name = moment.what.rpartition(" ")
        for row in self.rows.values():
            other_kind, _, other = row.what.rpartition(" ")
            is_part = kind != other_kind and name.startswith(f"{other}-")
            if row.resource and row.ended is None and is_part:
                row.status, row.ended = "ACTIVE", moment.seconds

    def _close(self, now: float) -> None:
        for row in self.rows.values():
            if not row.resource and row.ended is None:
                row.ended = now

    def end(self, now: float) -> None:
        self.now = now
        self._close(now)

    def waiting_for(self) -> list[str]:
        steps = [row for row in self.rows.values() if not row.resource]
        if steps and all(row.ended is not None for row in steps):
            return []
        return [
            f"{self.named(row.what)} {row.status}" for row in self.rows.values() if row.resource and row.ended is None
        ]

    def table(self, now: float) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right")
        for row in self.rows.values():
            mark = row.mark()
            name = rich.text.Text(
                ("  " if row.resource else "") + self.named(row.what), style="dim" if row.resource else ""
            )
            table.add_row(
                rich.text.Text(self.words(seconds(row.began)), style="dim"),
                rich.text.Text(mark, style=COLOURS[mark]),
                name,
                rich.text.Text(row.status, style=COLOURS[mark]),
                rich.text.Text(self.words(seconds(row.seconds(now)))),
            )
        if waiting := self.waiting_for():
            text = Text("board.waits", "waits for {names}", names=", ".join(waiting))
            table.add_row("", "", rich.text.Text(self.words(text), style="yellow"), "", "")
        return table


def seconds(number: float) -> Text:
    return Text("seconds", "{seconds:.1f} s", seconds=number)


@contextmanager
def drawn(console: Console, age: float, board: Board) -> Iterator[Board]:
    """Draw a board on the console four times a second until the block ends; the run started `age` seconds ago."""
    start = time.monotonic() - age
    with Live(console=console, get_renderable=lambda: board.table(time.monotonic() - start), refresh_per_second=4):
        yield board
        board.end(board.now)
