# SPDX-License-Identifier: Apache-2.0
"""Stream a drop into its import copy: name and order columns as in the schema, fill gaps, leave out bad rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import polars as pl

from personalization.core import line_breaks
from personalization.ingest import findings
from personalization.ingest.csv import columns
from personalization.ingest.csv.columns import NumberRange, TypeDetector
from personalization.ingest.csv.counts import Counting
from personalization.ingest.csv.cutting import Part
from personalization.ingest.csv.pieces import PIECE_BYTES, RAGGED, ragged
from personalization.ingest.csv.rejects import Acceptance, BoundedSource, Rejects
from personalization.ingest.csv.rows import LINE, Rows, Table, source
from personalization.ingest.csv.writing import ItemLines, render
from personalization.ingest.findings import Example, Expected, Filled, Findings
from personalization.ingest.header import Layout, Slot, arrange, canonical
from personalization.ingest.sales import Sold
from personalization.shop import event_copies
from personalization.shop import schema as datasets
from personalization.shop.keys import DataKind
from personalization.shop.schema import RETURN, TEXT_LENGTH, Column, Schema

_CODES = 16
"""A row's code is the index of its first bad column times this, plus the number of the rule."""

_DISCOURAGED = r"[^\p{L}\p{M}\p{N}._:@/+=~-]"
"""Characters that ids should not contain."""


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
    write: Callable[[bytes | memoryview], object] | Part,
    scratch: Path,
    known: Mapping[DataKind, bytes | None] | None = None,
    size: int = PIECE_BYTES,
) -> Copied:
    """Check every row of a drop, and write the good ones in the form of the import.

    The check ends early where too many rows are bad, whatever follows; see `rejects.Acceptance`.

    Args:
        chunks: the bytes of the drop, decompressed; preferably a `rejects.BoundedSource`.
        expected: the drop's requirements.
        write: takes the bytes of the copy, piece by piece; a part of an import also the lines of its rows. The caller
            throws them away if the drop is refused in the end; see `findings.problems`.
        scratch: a folder for counts that do not fit into memory.
        known: the ids of the other datasets, or of this one's earlier drops; see `counts.hash_ids`.
        size: bytes that are looked at in one go.

    Raises:
        Rejected: the file is not a table, is nearly all blank lines, or has wrong columns.
    """
    table = Table(expected.resource, chunks, size)
    rows = _unseen(expected, table)
    layout = arrange(expected.resource, expected.kind, table.header, expected.settings, expected.existing)
    item_lines = ItemLines(scratch) if expected.kind == "items" else None
    checker = _Checker(expected, layout, len(table.header), Counting(expected, scratch, known or {}), item_lines)
    part = write if isinstance(write, Part) else None
    emit = write.write if isinstance(write, Part) else write
    emit((",".join(layout.names()) + "\n").encode())
    for rows_of_piece in rows:
        parts = checker.take(rows_of_piece)
        if part is not None:
            part.place(checker.lines)
        for data in parts:
            emit(data)
        if not rows_of_piece.text.piece.last and checker.acceptance.is_hopeless(
            chunks.left() + table.held if isinstance(chunks, BoundedSource) else None
        ):
            checker.stop(rows_of_piece)
            break
    return checker.finish()


def _unseen(expected: Expected, table: Table) -> Iterator[Rows]:
    """Return the rows of a drop, after checking copies of events for rows that the dataset group has already.

    The first piece is checked at once, since this reason comes before any about columns.
    """
    rows, names = table.rows(), [canonical(name) for name in table.header]
    if expected.group is None or not event_copies.marked(names):
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
    """The counts of one drop as it streams past."""

    def __init__(
        self, expected: Expected, layout: Layout, width: int, counting: Counting, listing: ItemLines | None
    ) -> None:
        self._expected = expected
        self._layout = layout
        self._slots, self._names = layout.slots, layout.names()
        self._width = width
        self.acceptance = Acceptance(expected.resource, expected.kind, width, expected.settings.rejects.limit)
        """Decides whether the drop can still be accepted."""
        self._stopped = 0
        self._counting = counting
        self._listing = listing
        self._sources = {slot.name: source(slot.source) for slot in layout.slots if slot.source is not None}
        self._same = [slot.source for slot in layout.slots] == list(range(width))
        self._kinds = {slot.name: TypeDetector(slot.name) for slot in layout.slots if _is_profiled(slot.column)}
        self._numbers = {
            slot.name: NumberRange()
            for slot in layout.slots
            if slot.column and slot.column.numeric and not slot.name.endswith("TIMESTAMP")
        }
        self._cells: Counter[str] = Counter()
        self._filled: Counter[str] = Counter()
        self._converted: Counter[str] = Counter()
        self._joined: Counter[str] = Counter()
        self._cut: Counter[str] = Counter()
        self._returned: Counter[str] = Counter()
        self._strange: set[str] = set()
        self._broken_default = line_breaks.has_break(" ".join([slot.default or "" for slot in layout.slots]))
        long = _description_column(expected, layout)
        self._most = {
            name: None if layout.kind == "interactions" or name == long else TEXT_LENGTH for name in self._names
        }
        self._rejects = Rejects()
        self.lines = pl.Series(dtype=pl.UInt32)
        """The lines of the rows taken last."""
        self._rows = 0
        self._accepted = 0
        self._size = 0

    def take(self, rows: Rows) -> list[bytes | memoryview]:
        """Check some rows, and return the good ones in the form of the import."""
        self._rows += rows.frame.height + len(rows.unreadable) + rows.ragged.height
        self._refuse_unreadable(rows)
        changed = self._changed
        breaks = rows.breaks or self._broken_default
        cells = [self._values(slot, rows.frame) for slot in self._slots]
        verdicts = [
            columns.check(slot.column, values, self._expected.now, breaks=breaks, most=self._most[slot.name])
            for slot, values in zip(self._slots, cells, strict=True)
        ]
        by_name = dict(zip(self._names, verdicts, strict=True))
        self._note(by_name)
        changed = self._changed - changed
        frame = pl.DataFrame([verdict.values.alias(name) for name, verdict in by_name.items()])
        seconds = by_name["TIMESTAMP"].seconds if "TIMESTAMP" in by_name else None
        left_out = rows.left_out
        self.lines = rows.frame[LINE]
        broken = _codes(verdicts)
        if broken is not None:
            good = broken == 0
            left_out = pl.concat([left_out, self._refuse(rows, broken)]).sort()
            frame, seconds = frame.filter(good), seconds.filter(good) if seconds is not None else None
            self.lines = self.lines.filter(good)
        self._count(frame, seconds)
        self.acceptance.note(rows.text.piece, self._rows, self._rows - self._accepted, rows.blank)
        self._warn(frame, rows)
        same = rows.plain and self._same and not changed
        parts: list[bytes | memoryview]
        parts = rows.text.without(left_out) if same else [self._render(frame, clean=rows.plain)]
        self._size += sum(map(len, parts))
        return parts

    def stop(self, rows: Rows) -> None:
        """Record that the rows after these are not checked."""
        self._stopped = rows.text.end
        self._rejects.stop(
            self._stopped, "the check stopped here: the rest of the file cannot make up for the bad rows"
        )

    def finish(self) -> Copied:
        """Return the result of all rows."""
        known = [slot.column or self._kinds[slot.name].column() for slot in self._slots]
        schema = Schema(self._layout.kind, tuple(known))
        if self._expected.existing is None:
            schema = datasets.finish(self._expected.resource, schema)
        results = Findings(
            rows=self._rows,
            accepted=self._accepted,
            reasons=self._rejects.reasons(),
            duplicates=0,
            columns=tuple(self._found(column) for column in schema.columns),
            size=self._size,
            stopped=self._stopped,
            notes=(*self._layout.notes, *self._notes()),
        )
        counted = self._counting.finish()
        complete = replace(results, **counted.findings)
        complete = replace(complete, notes=(*complete.notes, *findings.warnings(self._expected, complete)))
        return Copied(self._layout, schema, complete, self._rejects, counted.ids, counted.sold, self._listing)

    @property
    def _changed(self) -> int:
        """Return the number of cells that the import changes."""
        return sum(each.total() for each in (self._filled, self._converted, self._joined, self._cut, self._returned))

    def _note(self, verdicts: Mapping[str, columns.Verdict]) -> None:
        for name, verdict in verdicts.items():
            if verdict.converted:
                self._converted[name] += verdict.converted
            if verdict.joined:
                self._joined[name] += verdict.joined
            if verdict.cut:
                self._cut[name] += verdict.cut
                if name in self._kinds:
                    self._kinds[name].cut = True

    def _warn(self, frame: pl.DataFrame, rows: Rows) -> None:
        """Note columns with ids that Personalize advises against.

        Of a long history, check only the first rows and those near quotes, since all of them would cost too much.
        """
        first = self._rows == rows.frame.height + len(rows.unreadable) + rows.ragged.height
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
                self._filled[slot.name] += int(empty.sum())
                values = values if not empty.any() else values.set(empty, slot.default)
        return self._with_returns(values, frame) if slot.name == "EVENT_TYPE" else values

    def _with_returns(self, types: pl.Series, frame: pl.DataFrame) -> pl.Series:
        """Return the event types, replaced for returns."""
        returns = self._layout.returns
        if returns is None:
            return types
        numbers = frame[source(returns.source)].str.strip_chars().cast(pl.Float64, strict=False)
        back = (numbers < returns.below).fill_null(value=False)
        self._returned["EVENT_TYPE"] += int(back.sum())
        return types.set(back, RETURN) if back.any() else types

    def _refuse_unreadable(self, rows: Rows) -> None:
        for bad in rows.unreadable:
            self._rejects.count(bad.rule, 1)
        kept = [bad for bad in rows.unreadable if self._rejects.wants(bad.rule)]
        if rows.ragged.height:
            self._rejects.count(RAGGED, rows.ragged.height)
            if room := self._rejects.room(RAGGED):
                kept += [ragged(values, self._width, line) for line, values in rows.ragged.head(room).iter_rows()]
                kept.sort(key=lambda bad: bad.line)
        originals = rows.text.originals([bad.line for bad in kept])
        for bad, original in zip(kept, originals, strict=True):
            if self._rejects.lacks(bad.rule):
                self._rejects.example(bad.rule, Example(bad.line, bad.reason))
            self._rejects.keep(bad.line, bad.reason, original)

    def _refuse(self, rows: Rows, broken: pl.Series) -> pl.Series:
        """Count and keep the broken rows, and return their lines."""
        bad = rows.frame.with_columns(broken.alias("code")).filter(pl.col("code") > 0)
        lines, wanted = bad[LINE], []
        for code, count in bad["code"].value_counts().iter_rows():
            self._rejects.count(self._rule(code), count)
            wanted += [code] * self._rejects.wants(self._rule(code))
        bad = bad.filter(pl.col("code").is_in(wanted))
        cells = {code: self._cells_of(self._broken(code)[0], bad) for code in wanted}
        examples = zip(
            bad[LINE].to_list(), bad["code"].to_list(), rows.text.originals(bad[LINE].to_list()), strict=True
        )
        for place, (line, code, original) in enumerate(examples):
            slot, number = self._broken(code)
            value, rule = cells[code][place], self._rule(code)
            reason = columns.reason(slot.name, number, value)
            if self._rejects.lacks(rule):
                # More people read a report than the file of refused rows, so it contains no user ids.
                named = slot.name == "USER_ID"
                example = Example(line, rule if named else reason, "" if named else columns.shown(value))
                self._rejects.example(rule, example)
            self._rejects.keep(line, reason, original)
        return lines

    def _cells_of(self, slot: Slot, bad: pl.DataFrame) -> list[str]:
        return bad[source(slot.source)].to_list() if slot.source is not None else [slot.default or ""] * bad.height

    def _broken(self, code: int) -> tuple[Slot, int]:
        place, number = divmod(code, _CODES)
        return self._slots[place], number

    def _rule(self, code: int) -> str:
        slot, number = self._broken(code)
        return f"{slot.name} {columns.rule(number)}"

    def _count(self, frame: pl.DataFrame, seconds: pl.Series | None) -> None:
        self._accepted += frame.height
        for name in frame.columns:
            kind = self._kinds.get(name)
            if kind is not None:
                kind.take(frame[name])
            else:
                self._cells[name] += int((frame[name].str.len_bytes() > 0).sum())
            if name in self._numbers and frame.height:
                counts = frame[name].alias("value").value_counts(name="rows")
                self._numbers[name].take(counts["value"], counts["rows"])
        self._counting.take(frame, seconds)
        if self._listing is not None:
            self._listing.take(frame)

    def _found(self, column: Column) -> Filled:
        kind = self._kinds.get(column.name)
        if kind is not None:
            return Filled(column, kind.filled, kind.distinct, kind.range())
        numbers = self._numbers.get(column.name)
        return Filled(column, self._cells[column.name], None, numbers.range() if numbers else None)

    def _notes(self) -> list[str]:
        filled = [
            f"{count:,} empty cells of {name} were filled in" for name, count in sorted(self._filled.items()) if count
        ]
        dates = [
            f"{count:,} times of {name} were turned into whole Unix seconds (UTC where they name no zone)"
            for name, count in sorted(self._converted.items())
        ]
        joined = [
            f"{count:,} values of {name} had line breaks, which are spaces now: Personalize reads one record a line"
            for name, count in sorted(self._joined.items())
        ]
        cut = [
            f"{count:,} values of {name} were cut off at {TEXT_LENGTH:,} characters, the most that Personalize takes"
            for name, count in sorted(self._cut.items())
        ]
        returns = self._layout.returns
        returned = [
            f"{count:,} rows with {returns.name} below {returns.below:g} became events of the type {RETURN}"
            for count in self._returned.values()
            if returns and count
        ]
        discouraged = [
            f"{name} has ids with quotes, spaces or special characters: Personalize advises against them"
            for name in sorted(self._strange)
        ]
        return filled + dates + joined + cut + returned + discouraged

    def _render(self, frame: pl.DataFrame, *, clean: bool) -> bytes:
        if not frame.height:
            return b""
        given = {slot.name for slot in self._slots if slot.default is not None}
        return render(frame, [name for name in frame.columns if not clean or name in given])


def _description_column(expected: Expected, layout: Layout) -> str | None:
    """Return the column that describes an item, the only one with long texts."""
    known = next((slot.name for slot in layout.slots if slot.column and slot.column.textual), None)
    return known if known or expected.existing else datasets.described(layout.kind, layout.names())


def _is_profiled(column: Column | None) -> bool:
    """Tell whether a column's values are examined for their type or number."""
    return column is None or column.categorical


def _codes(verdicts: list[columns.Verdict]) -> pl.Series | None:
    """Return the code of each row, 0 for good ones; None where all are good."""
    coded = [
        pl.when(verdict.broken > 0).then(place * _CODES + verdict.broken.cast(pl.UInt16))
        for place, verdict in enumerate(verdicts)
        if verdict.broken is not None
    ]
    return pl.select(pl.coalesce(*coded, pl.lit(0, pl.UInt16)).alias("code")).to_series() if coded else None
