# SPDX-License-Identifier: Apache-2.0
"""Stream a drop into its import copy: name and order columns as in the schema, fill gaps, leave out bad rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from personalization.core.line_breaks import BREAK
from personalization.ingest import findings
from personalization.ingest.csv import columns
from personalization.ingest.csv.columns import NumberRange, TypeDetector
from personalization.ingest.csv.counts import Counting
from personalization.ingest.csv.irregular import LINE
from personalization.ingest.csv.rejects import Rejects
from personalization.ingest.csv.rows import PIECE_BYTES, Rows, Table, render, source
from personalization.ingest.findings import Expected, Filled, Findings
from personalization.ingest.header import Layout, Slot, arrange, canonical
from personalization.ingest.sales import Sold
from personalization.shop import event_copies
from personalization.shop import schema as datasets
from personalization.shop.item_table import MAX_CHARACTERS, MAX_SHARDS, SHARD_BYTES, place
from personalization.shop.schema import RETURN, TEXT_LENGTH, Column, Schema

_DISCOURAGED = r"[^\p{L}\p{M}\p{N}._:@/+=~-]"
"""Characters that ids should not contain."""
_CHANGES = {
    "filled": "{count:,} empty cells of {name} were filled in",
    "converted": "{count:,} times of {name} were turned into whole Unix seconds (UTC where they name no zone)",
    "joined": "{count:,} values of {name} had line breaks, which are spaces now: Personalize reads one record a line",
    "cut": "{count:,} values of {name} were cut off at {most:,} characters, the most that Personalize takes",
}
"""How the import changes cells, and the notes about it."""
_PARTITIONS = 64


class ItemLines:
    """Rows of a drop of items as lines of the table of items, spread by id over files of a scratch folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.columns: tuple[str, ...] = ()
        self.size = 0
        """Bytes of all lines."""

    def take(self, frame: pl.DataFrame) -> None:
        self.columns = tuple(name for name in frame.columns if name != "ITEM_ID")
        if not frame.height or self.too_large:
            return
        fits = [
            pl.when(pl.col(name).str.len_chars().is_between(1, MAX_CHARACTERS)).then(pl.col(name)).alias(str(number))
            for number, name in enumerate(self.columns)
        ]
        encoded = frame.select(pl.struct(pl.col("ITEM_ID").alias(""), *fits).struct.json_encode())
        lines = encoded.to_series().to_list()
        parts: list[list[str]] = [[] for _ in range(_PARTITIONS)]
        for item, text in zip(frame["ITEM_ID"].to_list(), lines, strict=True):
            parts[place(item) % _PARTITIONS].append(text)
        for number, texts in enumerate(parts):
            if texts:
                data = ("\n".join(texts) + "\n").encode()
                self.size += len(data)
                with (self._folder / f"listed-{number}").open("ab") as file:
                    file.write(data)

    @property
    def too_large(self) -> bool:
        """Whether the items exceed a table."""
        return self.size > SHARD_BYTES * MAX_SHARDS

    def partitions(self) -> Iterator[tuple[int, list[bytes]]]:
        """See `shop.item_files.Listed`."""
        for number in range(_PARTITIONS):
            path = self._folder / f"listed-{number}"
            yield number, path.read_bytes().split(b"\n")[:-1] if path.exists() else []


@runtime_checkable
class BoundedSource(Protocol):
    """A source of bytes that knows how many may still come."""

    def left(self) -> int:
        """Return the bytes that may still come, at most."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The result of one pass over a drop."""

    layout: Layout
    schema: Schema
    findings: Findings
    rejects: Rejects
    ids: bytes | None
    """The hashes of a Users or Items dataset's ids; see `counts.hash_ids`."""
    sold: Sold | None = None
    """Counts of items in interactions."""
    listed: ItemLines | None = None
    """The items of a drop of items, in files of the scratch folder."""


def copy(
    chunks: Iterable[bytes],
    expected: Expected,
    write: Callable[[bytes | memoryview], object],
    scratch: Path,
    place: Callable[[pl.Series], object] | None = None,
    size: int = PIECE_BYTES,
) -> Copied:
    """Check every row of a drop, and write the good ones in the form of the import.

    The check ends early where too many rows are bad, whatever follows; see `Rejects.is_hopeless`.

    Args:
        chunks: the bytes of the drop, decompressed; preferably a `BoundedSource`.
        expected: the drop's requirements.
        write: takes the bytes of the copy: the header, then the rows of each piece. The caller throws them away if the
            drop is refused in the end; see `findings.problems`.
        scratch: a folder for counts that do not fit into memory.
        place: takes the line numbers of the rows that are written next.
        size: bytes of a piece.

    Raises:
        Rejected: the file is not a table, is nearly all blank lines, or has wrong columns.
    """
    table = Table(expected.resource, chunks, size)
    pieces = _check_event_copies(expected, table)
    layout = arrange(expected.resource, expected.kind, table.header, expected.settings, expected.existing)
    checker = _Checker(expected, layout, len(table.header), scratch)
    write((",".join(checker.names) + "\n").encode())
    for rows in pieces:
        lines, parts = checker.take(rows)
        if place is not None:
            place(lines)
        for data in parts:
            write(data)
        if rows.piece.last:
            continue
        left = chunks.left() + table.held if isinstance(chunks, BoundedSource) else None
        if checker.rejects.is_hopeless(left):
            checker.stop(rows.piece.line + rows.lines.len() - 1)
            break
    return checker.finish()


def _check_event_copies(expected: Expected, table: Table) -> Iterator[Rows]:
    """Return the rows of a drop, after checking copies of events for rows that the dataset group has already.

    The first piece is checked at once, since this reason comes before any about columns.
    """
    rows, names = table.rows(), [canonical(name) for name in table.header]
    if expected.group is None or event_copies.MARK not in names:
        return rows
    group, marks = expected.group, source(names.index(event_copies.MARK))

    def checked() -> Iterator[Rows]:
        for rows_of_piece in rows:
            group.refuse(expected.resource, rows_of_piece.frame[marks].unique().to_list())
            yield rows_of_piece

    pieces = checked()
    first = next(pieces, None)
    return pieces if first is None else chain([first], pieces)


class _Checker:
    """Checks and counts the rows of one drop as they stream past."""

    def __init__(self, expected: Expected, layout: Layout, width: int, scratch: Path) -> None:
        self._expected = expected
        self._layout = layout
        self._slots, self.names = layout.slots, layout.names()
        self._sources = {slot.name: source(slot.source) for slot in layout.slots if slot.source is not None}
        self.rejects = Rejects(expected, layout.slots, width)
        self._stopped = 0
        self._counting = Counting(expected, scratch)
        self._items = ItemLines(scratch) if expected.kind == "items" else None
        self._same = [slot.source for slot in self._slots] == list(range(width))
        profiled = [slot.name for slot in self._slots if slot.column is None or slot.column.categorical]
        self._types = {name: TypeDetector(name) for name in profiled}
        """Of columns whose values decide their type or are counted."""
        self._numbers = {
            slot.name: NumberRange()
            for slot in self._slots
            if slot.column and slot.column.numeric and not slot.name.endswith("TIMESTAMP")
        }
        self._cells: Counter[str] = Counter()
        """Cells of the other columns that are not empty."""
        self._changes: Counter[tuple[str, str]] = Counter()
        """Changed cells by kind of change and column."""
        self._strange: set[str] = set()
        self._broken_default = any(BREAK.search(slot.default or "") for slot in self._slots)
        long = next((slot.name for slot in self._slots if slot.column and slot.column.textual), None)
        if long is None and expected.existing is None:
            long = datasets.described(layout.kind, self.names)
        # Only the column that describes an item has long texts.
        self._most = {
            name: None if layout.kind == "interactions" or name == long else TEXT_LENGTH for name in self.names
        }
        self._accepted = 0
        self._size = 0

    def take(self, rows: Rows) -> tuple[pl.Series, list[bytes | memoryview]]:
        """Check some rows; return the lines of the good ones, and the rows in the form of the import."""
        self.rejects.take(rows)
        changed = self._changes.total()
        breaks = rows.breaks or self._broken_default
        cells = [self._values(slot, rows.frame) for slot in self._slots]
        verdicts = [
            columns.check(slot.column, values, self._expected.now, breaks=breaks, most=self._most[slot.name])
            for slot, values in zip(self._slots, cells, strict=True)
        ]
        codes = columns.codes(verdicts)
        by_name = {slot.name: verdict for slot, verdict in zip(self._slots, verdicts, strict=True)}
        for name, verdict in by_name.items():
            self._changes["converted", name] += verdict.converted
            self._changes["joined", name] += verdict.joined
            self._changes["cut", name] += verdict.cut
            if verdict.cut and name in self._types:
                self._types[name].cut = True
        frame = pl.DataFrame([verdict.values.alias(name) for name, verdict in by_name.items()])
        seconds = by_name["TIMESTAMP"].seconds if "TIMESTAMP" in by_name else None
        lines, left_out = rows.frame[LINE], rows.left_out
        if codes is not None:
            good = codes == 0
            left_out = pl.concat([left_out, self.rejects.refuse(rows, codes)]).sort()
            frame, seconds = frame.filter(good), seconds.filter(good) if seconds is not None else None
            lines = lines.filter(good)
        self._count(frame, seconds)
        self._warn(frame, rows)
        parts: list[bytes | memoryview]
        if rows.plain and self._same and changed == self._changes.total():
            parts = rows.without(left_out)
        else:
            given = {slot.name for slot in self._slots if slot.default is not None}
            suspects = [name for name in frame.columns if not rows.plain or name in given]
            parts = [render(frame, suspects)] if frame.height else []
        self._size += sum(map(len, parts))
        return lines, parts

    def stop(self, line: int) -> None:
        """Record that the rows after a line are not checked."""
        self._stopped = line
        self.rejects.stop(line)

    def finish(self) -> Copied:
        """Return the result of all rows."""
        known = [slot.column or self._types[slot.name].column() for slot in self._slots]
        schema = Schema(self._layout.kind, tuple(known))
        if self._expected.existing is None:
            schema = datasets.finish(self._expected.resource, schema)
        counted = self._counting.finish()
        results = Findings(
            rows=self.rejects.read,
            accepted=self._accepted,
            reasons=self.rejects.reasons(),
            columns=tuple(self._filled(column) for column in schema.columns),
            size=self._size,
            stopped=self._stopped,
            notes=(*self._layout.notes, *self._notes()),
            **counted.findings,
        )
        results = replace(results, notes=(*results.notes, *findings.warnings(self._expected, results)))
        return Copied(self._layout, schema, results, self.rejects, counted.ids, counted.sold, self._items)

    def _warn(self, frame: pl.DataFrame, rows: Rows) -> None:
        """Note columns with ids that Personalize advises against.

        Of a long history, check only the first rows and those near quotes, since all of them would cost too much.
        """
        first = self.rejects.read == rows.frame.height + len(rows.unreadable) + rows.ragged.height
        if first or self._layout.kind != "interactions" or not rows.plain:
            names = columns.IDS.intersection(frame.columns) - self._strange
            self._strange.update(name for name in names if frame[name].str.contains(_DISCOURAGED).any())

    def _values(self, slot: Slot, frame: pl.DataFrame) -> pl.Series:
        if slot.source is None:
            values = pl.repeat(slot.default or "", frame.height, dtype=pl.String, eager=True)
        else:
            values = frame[self._sources[slot.name]]
            if slot.default is not None:
                empty = values.str.len_bytes() == 0
                self._changes["filled", slot.name] += int(empty.sum())
                values = values if not empty.any() else values.set(empty, slot.default)
        returns = self._layout.returns
        if returns is None or slot.name != "EVENT_TYPE":
            return values
        numbers = frame[source(returns.source)].str.strip_chars().cast(pl.Float64, strict=False)
        back = (numbers < returns.below).fill_null(value=False)
        self._changes["returned", slot.name] += int(back.sum())
        return values.set(back, RETURN) if back.any() else values

    def _count(self, frame: pl.DataFrame, seconds: pl.Series | None) -> None:
        self._accepted += frame.height
        for name in frame.columns:
            if name in self._types:
                self._types[name].take(frame[name])
            else:
                self._cells[name] += int((frame[name].str.len_bytes() > 0).sum())
            if name in self._numbers and frame.height:
                counts = frame[name].alias("value").value_counts(name="rows")
                self._numbers[name].take(counts["value"], counts["rows"])
        self._counting.take(frame, seconds)
        if self._items is not None:
            self._items.take(frame)

    def _filled(self, column: Column) -> Filled:
        detector = self._types.get(column.name)
        if detector is not None:
            return Filled(column, detector.filled, detector.distinct, detector.range())
        numbers = self._numbers.get(column.name)
        return Filled(column, self._cells[column.name], None, numbers.range() if numbers else None)

    def _notes(self) -> list[str]:
        notes = [
            text.format(count=count, name=name, most=TEXT_LENGTH)
            for kind, text in _CHANGES.items()
            for (changed, name), count in sorted(self._changes.items())
            if changed == kind and count
        ]
        returns, returned = self._layout.returns, self._changes["returned", "EVENT_TYPE"]
        if returns and returned:
            below = f"{returns.name} below {returns.below:g}"
            notes.append(f"{returned:,} rows with {below} became events of the type {RETURN}")
        return notes + [
            f"{name} has ids with quotes, spaces or special characters: Personalize advises against them"
            for name in sorted(self._strange)
        ]
