# SPDX-License-Identifier: Apache-2.0
"""The one screen of `start` and `map`: which file is which, what is sure, what is in doubt, what is left out."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from table_intake import LeftOut, Question
from table_intake.wording import counted

from local.start.outlook import Outlook

WIDTH = 80
_MARKS = {"Sure": ("✓", "green"), "In doubt": ("?", "yellow"), "Left out": ("-", "dim")}
_SHOWN = 8
"""Columns of a file that are named."""


def drawn(outlook: Outlook) -> RenderableType:
    """Return the screen."""
    return Group(*_parts(outlook))


def _parts(outlook: Outlook) -> Iterator[RenderableType]:
    for role in outlook.roles:
        more = "" if role.whole else " and more"
        yield f"[bold]{escape(role.table)}[/]  {role.kind}, {counted(role.rows, 'row')}{more}"
        yield Padding(f"[dim]{escape(role.because)}[/]", (0, 0, 0, 2))
    questions = [_open(question) for question in outlook.questions]
    yield from _section("Sure", outlook.sure)
    yield from _section("In doubt", questions)
    yield from _section("Left out", [sentence(left) for left in outlook.left_out])


def _section(title: str, sentences: Sequence[str]) -> Iterator[RenderableType]:
    if not sentences:
        return
    mark, colour = _MARKS[title]
    lines = Table.grid(padding=(0, 1))
    for text in sentences:
        lines.add_row(f"[{colour}]{mark}[/]", escape(text))
    yield f"\n[bold]{title}[/]"
    yield lines


def _open(question: Question) -> str:
    evidence = f" {question.evidence}" if question.evidence else ""
    return f"{question.text}{evidence}"


def counts(of_names: Mapping[str, int]) -> RenderableType:
    """Return what joining files counted."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(justify="right")
    for name, rows in of_names.items():
        lines.add_row(f"{rows:,}", escape(name))
    return lines


def sentence(left: LeftOut) -> str:
    """Say what is left out, and why."""
    if left.columns:
        more = len(left.columns) - _SHOWN
        named = ", ".join(left.columns[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"{left.table}, {counted(len(left.columns), 'column')}: {named}. {_capital(left.reason)}"
    rows = "" if not left.rows else f", {counted(left.rows, 'row')}"
    return f"{left.table}{rows}: {left.reason}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
