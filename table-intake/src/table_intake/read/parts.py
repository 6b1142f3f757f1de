# SPDX-License-Identifier: Apache-2.0
"""The parts of a drop as one table: each has the same columns, and lines count on from part to part."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

import polars as pl

from table_intake.columns.header import canonical
from table_intake.errors import Refused
from table_intake.origins import Origins
from table_intake.read.archives import LARGEST, more_than, size, too_large
from table_intake.read.irregular import LINE
from table_intake.read.rows import EMPTY
from table_intake.table import Rows, Table, Typed, Unreadable
from table_intake.wording import Text

_VALUE = re.compile(r"\d{9,}|\d+[.,]\d+|\d{4}-\d\d-\d\d.*")
"""A time or a price, which names no column."""
_SHOWN = 10
"""Parts that a message names."""
_HEADLESS = Text("parts.way", 'give each part a header, or name the columns in a manifest, as "columns": ["…", …]')


@dataclass(frozen=True, slots=True)
class SourcePart:
    """One object with rows of a drop."""

    key: str
    version_id: str | None
    size: int
    """Bytes in the bucket."""
    name: str
    """The file's name within the drop's folder, for people; empty for a lone file."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a drop in the order of their names."""

    every: tuple[SourcePart, ...]
    columns: tuple[str, ...] = ()
    """The names of the columns in the manifest: then parts may lack a header."""
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all parts in the bucket."""
        return sum(part.size for part in self.every)


Open = Callable[[SourcePart], AbstractContextManager[Table]]


class Agreement:
    """What all parts of a drop have in common; `columns` are those that a manifest names."""

    def __init__(self, resource: str, columns: Sequence[str]) -> None:
        self._resource = resource
        self._first: str = Text("parts.manifest", "the manifest")
        self._types: dict[str, tuple[str, str]] = {}
        """The kind of values of each column, and the part that has them."""
        self.header = columns

    def check(self, part: str, header: Sequence[str], types: Mapping[str, str]) -> None:
        """Make sure that a part has the columns of the first one, in the same order and with values of the same kind.

        Raises:
            Refused: it has others. The reason names no values of a part without a header: they may be people's ids.
        """
        if not self.header:
            if any(_VALUE.fullmatch(name.strip()) for name in header):
                text = "the first row of {part} has values in place of names of columns: {way}"
                raise Refused(self._resource, Text("parts.headless", text, part=part, way=_HEADLESS))
            self.header, self._first = header, part
        names, first = [canonical(name) for name in header], [canonical(name) for name in self.header]
        if names != first:
            raise Refused(self._resource, self._difference(part, names, first))
        for name, kind in types.items():
            first_kind, other = self._types.setdefault(name, (kind, part))
            # One id would be two otherwise.
            if kind != first_kind:
                text = (
                    "the column {name} has {first} in {other}, but {kind} in {part}: write all parts with the same "
                    "types"
                )
                values = {"name": name, "first": first_kind, "other": other, "kind": kind, "part": part}
                raise Refused(self._resource, Text("parts.types", text, **values))

    def _difference(self, part: str, names: Sequence[str], first: Sequence[str]) -> str:
        if not set(names) & set(first):
            text = "the first row of {part} is not the header of {first}: {way}"
            return Text("parts.other-header", text, part=part, first=self._first, way=_HEADLESS)
        lacks, more = [name for name in first if name not in names], [name for name in names if name not in first]
        differences = []
        if lacks:
            differences.append(Text("header.without", "without {columns}", columns=named(lacks)))
        if more:
            differences.append(Text("parts.with", "with {columns}", columns=named(more)))
        how = Text.all_of(differences or [Text("parts.order", "in another order")])
        text = "the columns of {part} differ from those of {first}: {how}"
        return Text("parts.differ", text, part=part, first=self._first, how=how)


class TableOfParts:
    """A table of many parts, each opened when the one before is read.

    Parts without a byte, or with nothing but blank lines, have no rows and need no header.

    Args:
        resource: the drop's name in messages.
        parts: the parts in the order in which they are read.
        opened: opens a part.

    Raises:
        Refused: all parts are empty, or together too large, or one is no table; the reason names it.
    """

    def __init__(self, resource: str, parts: Parts, opened: Open) -> None:
        if parts.size > LARGEST:
            raise too_large(resource, size(parts.size))
        self._resource = resource
        self._opened = opened
        self._waiting = deque(part for part in parts.every if part.size)
        self._stack = ExitStack()
        self._name = ""
        self._names: list[str] = []
        self._before: list[int] = []
        self._lines = self._size = 0
        self._notes: dict[str, list[str]] = {}
        self._agreement = Agreement(resource, parts.columns)
        self.header: Sequence[str] = parts.columns
        try:
            self._table = self._next()
        except BaseException:
            self.close()
            raise
        if self._table is None:
            text = Text("parts.empty", "all parts are empty: one of them must name the columns")
            raise Refused(resource, text)

    def rows(self) -> Iterator[Rows]:
        """See `table.Table`; each piece is of one part."""
        while (table := self._table) is not None:
            end = 0
            with self._naming():
                for rows in table.rows():
                    yield _later(rows, self._lines, more=bool(self._waiting))
                    end = max(end, rows.end)
                    self._count(rows.size)
            for note in table.notes:
                self._notes.setdefault(note, []).append(self._name)
            self._lines += end
            self.close()
            self._table = self._next()

    def rows_left(self, shortest: int) -> int | None:
        """See `table.Table`; unknown before the last part, which may be packed."""
        return None if self._waiting or self._table is None else self._table.rows_left(shortest)

    @property
    def notes(self) -> list[str]:
        """What was guessed about all parts, or about some."""
        return [
            note if len(names) == len(self._names) else Text.joined(": ", [named(names), note])
            for note, names in self._notes.items()
        ]

    @property
    def origins(self) -> Origins:
        """Where the lines that were read come from."""
        return Origins(tuple(self._names), tuple(self._before))

    def close(self) -> None:
        """Close the open part."""
        self._stack.close()

    def _next(self) -> Table | None:
        """Open the next part that has a header; None after the last one."""
        while self._waiting:
            part = self._waiting.popleft()
            self._name = part.name
            try:
                with self._naming():
                    table = self._stack.enter_context(self._opened(part))
            except _Empty:
                continue
            types = table.types if isinstance(table, Typed) else {}
            self._agreement.check(part.name, table.header, types)
            self.header = self._agreement.header
            self._names.append(part.name)
            self._before.append(self._lines)
            return table
        return None

    def _count(self, size: int) -> None:
        """Count the bytes of some rows.

        Raises:
            Refused: the parts have more than one function reads.
        """
        self._size += size
        if self._size > LARGEST:
            raise too_large(self._resource, more_than(LARGEST, "parts"))

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Name the part in the reason for which it is refused."""
        try:
            yield
        except Refused as refused:
            if refused.reason == EMPTY:
                raise _Empty(refused.resource, refused.reason) from None
            raise Refused(self._resource, Text.joined(": ", [self._name, refused.reason])) from None


class _Empty(Refused):
    """A part has no header."""


@dataclass(frozen=True, slots=True)
class _Later:
    """Rows whose lines come after those of other parts."""

    rows: Rows
    lines: int
    more: bool
    frame: pl.DataFrame
    left_out: pl.Series
    unreadable: Sequence[Unreadable]
    ragged: pl.DataFrame

    @property
    def plain(self) -> bool:
        return self.rows.plain

    @property
    def suspects(self) -> Sequence[str] | None:
        return self.rows.suspects

    @property
    def breaks(self) -> bool:
        return self.rows.breaks

    @property
    def blank(self) -> int:
        return self.rows.blank

    @property
    def size(self) -> int:
        return self.rows.size

    @property
    def end(self) -> int:
        return self.rows.end + self.lines

    @property
    def last(self) -> bool:
        return self.rows.last and not self.more

    def originals(self, numbers: Sequence[int]) -> list[str]:
        return self.rows.originals([number - self.lines for number in numbers])

    def texts(self, frame: pl.DataFrame) -> list[str]:
        return self.rows.texts(frame.with_columns(pl.col(LINE) - self.lines))

    def without(self, numbers: pl.Series) -> list[bytes | memoryview]:
        return self.rows.without(numbers - self.lines)


def _later(rows: Rows, lines: int, *, more: bool) -> Rows:
    if not lines and not more:
        return rows
    later = pl.col(LINE) + lines
    return _Later(
        rows,
        lines,
        more,
        frame=rows.frame.with_columns(later),
        left_out=rows.left_out + lines,
        unreadable=[replace(bad, line=bad.line + lines) for bad in rows.unreadable],
        ragged=rows.ragged.with_columns(later),
    )


def named(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    return Text.some_of(names, _SHOWN)
