# SPDX-License-Identifier: Apache-2.0
"""Join the files of an export into one file of each kind, as the section `export` of the settings says.

Rows of the first file stream through in their order, a few megabytes at a time; of the files joined to it, the columns
that are taken stay in memory. What is written is there as a whole or not at all.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import polars as pl

from table_intake.errors import Refused
from table_intake.join.columns import Names
from table_intake.join.lookups import Lookup
from table_intake.join.newest import Newest
from table_intake.kinds import DataKind
from table_intake.settings.exports import ExportedTable, ExportSettings, JoinedFile, matching
from table_intake.table import Table
from table_intake.wording import Text
from table_intake.write import dialect

Opened = Callable[[str], AbstractContextManager[Table]]
"""Opens a table of the export by its name; once for each time that it is read."""
Tell = Callable[[str, int], None]
"""Takes the name of a table, and how many rows of it were read so far."""
Pieces = Iterator[tuple[Sequence[str], pl.DataFrame]]
"""The header and the rows of a file, a piece at a time."""

_HALF = 0.5
"""The share of rows without a partner, or unreadable, from which on the files do not belong together."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows something is true of."""

    name: str
    """What they are, in words, such as `rows of order_lines.csv without a partner in orders.csv`."""
    rows: int


@dataclass(frozen=True, slots=True)
class Joined:
    """One file of each kind, as CSV in UTF-8 with the shop's names of columns."""

    files: Mapping[DataKind, Path]
    counts: Sequence[Count]
    notes: Sequence[str]
    """What readers guessed, and what was made of repeated keys, as sentences."""


def join_tables(export: ExportSettings, opened: Opened, folder: Path, tell: Tell, names: Sequence[str] = ()) -> Joined:
    """Write `users.csv`, `items.csv` and `interactions.csv` into a folder, as far as the settings name files for them.

    The same files and settings give the same bytes. If anything is refused, the folder has what it had before.

    Args:
        export: which file has what.
        opened: opens a table by its name.
        folder: where the files are written; it is made if it does not exist.
        tell: takes progress.
        names: of all tables of the export, for patterns; without them, each name in the settings is that of a table.

    Raises:
        Refused: a file or a column is missing, a key has several rows that differ, or half of the rows or more have no
            partner.
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts, notes = list[Count](), list[str]()
    with ExitStack() as stack:
        written: dict[DataKind, tuple[Path, Path]] = {}
        for kind, table in export.tables():
            unfinished, path = folder / f".{kind}.csv.part", folder / f"{kind}.csv"
            stack.callback(partial(unfinished.unlink, missing_ok=True))
            with unfinished.open("wb") as file:
                _Joining(kind, table, _Source(opened, tell, tuple(names)), (counts, notes)).write(file)
            written[kind] = unfinished, path
        for unfinished, path in written.values():
            unfinished.replace(path)
    return Joined({kind: path for kind, (_, path) in written.items()}, counts, list(dict.fromkeys(notes)))


class _Source:
    """Reads the tables of an export."""

    def __init__(self, opened: Opened, tell: Tell, names: tuple[str, ...]) -> None:
        self._opened = opened
        self._tell = tell
        self._names = names

    def read(self, name: str, counts: list[Count], notes: list[str]) -> Generator[tuple[Sequence[str], pl.DataFrame]]:
        """Yield the header and the rows of a file, a piece at a time, at least one of them; of several files that a
        pattern fits, one after the other.

        Raises:
            Refused: there is no such file, or several differ in their columns, or half of its rows are unreadable.
        """
        header: Sequence[str] | None = None
        for part in matching(name, self._names) if self._names else (name,):
            rows = unreadable = 0
            with self._opened(part) as table:
                header = table.header if header is None else header
                if [*table.header] != [*header]:
                    text = (
                        "its columns differ from those of the other files that {name} fits: give the others a name "
                        "that the pattern does not fit"
                    )
                    raise Refused(part, Text("join.columns-differ", text, name=name))
                yield header, pl.DataFrame(schema={f"c{index}": pl.String for index in range(len(header))})
                for piece in table.rows():
                    frame = piece.frame.select(f"c{index}" for index in range(len(header)))
                    rows += frame.height
                    unreadable += len(piece.unreadable) + piece.ragged.height
                    self._tell(part, rows)
                    yield header, frame
                notes += [Text("join.of-file", "{file}: {note}", file=part, note=note) for note in table.notes]
            if unreadable:
                text = "rows of {file} that could not be read, left out"
                counts.append(Count(Text("join.unreadable", text, file=part), unreadable))
            if unreadable and unreadable >= _HALF * (rows + unreadable):
                text = (
                    "{rows:,} {rows:row|rows} of {all:,} cannot be read: they have another number of values than its "
                    "first row"
                )
                raise Refused(part, Text("join.ragged", text, rows=unreadable, all=rows + unreadable))


class _Joining:
    """Makes the file of one kind."""

    def __init__(
        self, kind: DataKind, table: ExportedTable, source: _Source, told: tuple[list[Count], list[str]]
    ) -> None:
        self._kind = kind
        self._table = table
        self._source = source
        self._counts, self._notes = told

    def write(self, file: BinaryIO) -> None:
        lookups = [self._lookup(joined) for joined in self._table.join]
        # Closed, as those of lookups are, so that a refused file is closed before its folder goes.
        with closing(self._source.read(self._table.file, self._counts, self._notes)) as pieces:
            self._write(file, lookups, pieces)

    def _write(self, file: BinaryIO, lookups: Sequence[Lookup], pieces: Pieces) -> None:
        header, first = next(pieces)
        names = Names(self._table.file, header)
        chosen = [names.index(name, "columns") for name in self._table.columns] or [*range(len(header))]
        for lookup in lookups:
            chosen += lookup.attach(names)
        newest = Newest(self._table, names, chosen) if self._table.one_row_per else None
        if newest is None:
            file.write(dialect.standard(names.all[index] for index in chosen).encode())
        rows = written = 0
        for piece in chain([first], (frame for _, frame in pieces)):
            frame = piece
            for lookup in lookups:
                frame = lookup.join(frame)
            rows, written = rows + piece.height, written + frame.height
            if newest is not None:
                newest.take(frame)
            else:
                _write(frame.select(f"c{index}" for index in chosen), file)
        self._count(rows, lookups)
        if newest is not None:
            frame, counts, notes = newest.finished()
            self._counts += [Count(*count) for count in counts]
            self._notes += notes
            file.write(dialect.standard(newest.header).encode())
            _write(frame, file)
            written = frame.height
        self._counts.append(Count(Text(f"join.rows-of-{self._kind}", f"rows of {self._kind}"), written))

    def _lookup(self, joined: JoinedFile) -> Lookup:
        with closing(self._source.read(joined.file, self._counts, self._notes)) as pieces:
            lookup = Lookup(joined, pieces)
        if lookup.repeated and joined.repeated == "refuse":
            text = "rows of {file} that were there before, left out"
            self._counts.append(Count(Text("join.repeated", text, file=joined.file), lookup.repeated))
        self._notes += lookup.notes
        return lookup

    def _count(self, rows: int, lookups: Sequence[Lookup]) -> None:
        """Count the rows and those without partners.

        Raises:
            Refused: half of them have none.
        """
        text = f"rows of {{file}} for {self._kind}"
        self._counts.append(Count(Text(f"join.rows-for-{self._kind}", text, file=self._table.file), rows))
        for joined, lookup in zip(self._table.join, lookups, strict=True):
            if not lookup.orphans:
                continue
            most = _HALF if joined.missing == "leave_out" else 1
            if lookup.orphans >= most * lookup.rows:
                keys = Text.all_of(
                    Text("join.key", "{column} as {key}", column=column, key=key) for column, key in joined.by.items()
                )
                text = (
                    "{rows:,} {rows:row|rows} of {all:,} have no partner in {file} ({keys}): these may be files of two "
                    "shops, or a part of one is missing. Export them together, or change `by` in the settings"
                )
                values = {"rows": lookup.orphans, "all": lookup.rows, "file": joined.file, "keys": keys}
                raise Refused(self._table.file, Text("join.orphans", text, **values))
            code, what = (
                ("left-out", "left out") if joined.missing == "leave_out" else ("kept", "kept with empty cells")
            )
            text = f"rows of {{file}} without a partner in {{other}}, {what}"
            name = Text(f"join.orphans-{code}", text, file=self._table.file, other=joined.file)
            self._counts.append(Count(name, lookup.orphans))


def _write(frame: pl.DataFrame, file: BinaryIO) -> None:
    """Write rows in the standard form: an empty cell is nothing between two commas."""
    empty = pl.all().replace("", None)
    if frame.width == 1:
        empty = pl.all()  # an empty line would be no row
    frame.select(empty).write_csv(file, include_header=False)
