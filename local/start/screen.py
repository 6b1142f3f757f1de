# SPDX-License-Identifier: Apache-2.0
"""The one screen of `start` and `map`: which file is which, what is sure, what is in doubt, what is left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from table_intake import LeftOut, Question
from table_intake.wording import Text

from local.start.outlook import Outlook

_SHOWN = 8
"""Columns of a file that are named."""
_SURE, _IN_DOUBT, _LEFT_OUT = (
    Text("start.sure", "Sure"),
    Text("start.in-doubt", "In doubt"),
    Text("start.left-out", "Left out"),
)
_MARKS = {_SURE: ("✓", "green"), _IN_DOUBT: ("?", "yellow"), _LEFT_OUT: ("-", "dim")}
Words = Callable[[str], str]
"""Renders a text as a terminal shows it."""


def drawn(outlook: Outlook, words: Words) -> RenderableType:
    """Return the screen."""
    return Group(*_parts(outlook, words))


def _parts(outlook: Outlook, words: Words) -> Iterator[RenderableType]:
    for role in outlook.roles:
        kind, rows = Text(f"kind.{role.kind}", role.kind), role.rows
        if role.whole:
            has = Text("start.has", "{kind}, {rows:,} {rows:row|rows}", kind=kind, rows=rows)
        else:
            has = Text("start.has-more", "{kind}, {rows:,} {rows:row|rows} and more", kind=kind, rows=rows)
        yield f"[bold]{escape(role.table)}[/]  {escape(words(has))}"
        yield Padding(f"[dim]{escape(words(role.because))}[/]", (0, 0, 0, 2))
    questions = [_open(question) for question in outlook.questions]
    yield from _section(_SURE, outlook.sure, words)
    yield from _section(_IN_DOUBT, questions, words)
    yield from _section(_LEFT_OUT, [sentence(left) for left in outlook.left_out], words)


def _section(title: Text, sentences: Sequence[str], words: Words) -> Iterator[RenderableType]:
    if not sentences:
        return
    mark, colour = _MARKS[title]
    lines = Table.grid(padding=(0, 1))
    lines.add_column()
    lines.add_column(overflow="fold")
    for text in sentences:
        lines.add_row(f"[{colour}]{mark}[/]", escape(words(text)))
    yield f"\n[bold]{escape(words(title))}[/]"
    yield lines


def _open(question: Question) -> str:
    return Text.joined(" ", [question.text, question.evidence]) if question.evidence else question.text


def counts(of_names: Mapping[str, int], words: Words) -> RenderableType:
    """Return what joining files counted."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(justify="right")
    lines.add_column(overflow="fold")
    for name, rows in of_names.items():
        lines.add_row(f"{rows:,}", escape(words(name)))
    return lines


def sentence(left: LeftOut) -> str:
    """Say what is left out, and why."""
    if left.columns:
        columns, names = len(left.columns), Text.some_of(left.columns, _SHOWN)
        return Text(
            "start.columns-left",
            "{table}, {columns:,} {columns:column|columns}: {names} ({reason})",
            table=left.table,
            columns=columns,
            names=names,
            reason=left.reason,
        )
    if not left.rows:
        return Text.joined(": ", [left.table, left.reason])
    return Text(
        "start.table-left",
        "{table}, {rows:,} {rows:row|rows}: {reason}",
        table=left.table,
        rows=left.rows,
        reason=left.reason,
    )
