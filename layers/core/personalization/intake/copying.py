# SPDX-License-Identifier: Apache-2.0
"""Stream a drop into its import copy: columns named and ordered as in the schema, gaps filled, bad rows left out."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import polars as pl

from personalization import datasets
from personalization.datasets import Column, Schema
from personalization.drops import DataKind
from personalization.findings import Example, Filled, Findings
from personalization.headers import Layout, Slot, arrange
from personalization.intake import rules
from personalization.intake.counting import Counting
from personalization.intake.kinds import Kind
from personalization.intake.pieces import PIECE_BYTES
from personalization.intake.rejects import Rejects
from personalization.intake.rows import LINE, Rows, Table, source
from personalization.validation import Expected

_CODES = 16
"""A row's code is the place of its first bad column times this, and the number of the rule."""
_SPECIAL = r'[",\n\r]'


@dataclass(frozen=True, slots=True)
class Copied:
    """What one pass over a drop gave."""

    layout: Layout
    schema: Schema
    findings: Findings
    rejects: Rejects
    ids: bytes | None
    """The hashes of a Users or Items dataset's ids; see `known`."""


def copy(
    chunks: Iterable[bytes],
    expected: Expected,
    write: Callable[[bytes], object],
    scratch: Path,
    known: Mapping[DataKind, bytes | None] | None = None,
    size: int = PIECE_BYTES,
) -> Copied:
    """Look at every row of a drop, and write the good ones as they are to be imported.

    Args:
        chunks: the bytes of the drop, decompressed.
        expected: what it is held against.
        write: takes the bytes of the copy, piece by piece. The caller throws them away if the drop is refused in the
            end; see `findings.problems`.
        scratch: a folder for counts that do not fit into memory.
        known: the ids of the other datasets, or of this one's earlier drops; see `known`.
        size: bytes that are looked at in one go.

    Raises:
        Rejected: the file is no table, or its columns do not do.
    """
    table = Table(expected.resource, chunks, size)
    layout = arrange(expected.resource, expected.kind, table.header, expected.settings, expected.existing)
    work = _Work(expected, layout, len(table.header), Counting(expected, scratch, known or {}))
    write((",".join(layout.names()) + "\n").encode())
    for rows in table.rows():
        data = work.take(rows)
        if data:
            write(data)
    return work.finish()


class _Work:
    """Everything that is counted while one drop streams past."""

    def __init__(self, expected: Expected, layout: Layout, width: int, counting: Counting) -> None:
        self._expected = expected
        self._layout = layout
        self._counting = counting
        self._same = [slot.source for slot in layout.slots] == list(range(width))
        self._kinds = {slot.name: Kind(slot.name) for slot in layout.slots if _is_sorted(slot.column)}
        self._cells: Counter[str] = Counter()
        self._filled: Counter[str] = Counter()
        self._converted: Counter[str] = Counter()
        self._rejects = Rejects()
        self._rows = 0
        self._accepted = 0
        self._size = 0

    def take(self, rows: Rows) -> bytes:
        """Look at some rows; returns the good ones as they are imported."""
        self._rows += rows.frame.height + len(rows.unreadable)
        for bad in rows.unreadable:
            self._rejects.count(bad.rule, 1)
            self._reject(rows, bad.rule, Example(bad.line, bad.reason), bad.reason)
        changed = self._filled.total() + self._converted.total()
        looked = [self._look(slot, rows.frame) for slot in self._layout.slots]
        changed = self._filled.total() + self._converted.total() - changed
        frame = pl.DataFrame([verdict.values.alias(name) for name, verdict in self._named(looked)])
        seconds = next((verdict.seconds for name, verdict in self._named(looked) if name == "TIMESTAMP"), None)
        broken = _codes(looked)
        if broken is not None:
            self._refuse(rows, broken)
            good = broken == 0
            frame, seconds = frame.filter(good), seconds.filter(good) if seconds is not None else None
        self._count(frame, seconds)
        plain = rows.plain if self._same and broken is None and not changed else None
        data = plain if plain is not None else self._render(frame, clean=rows.plain is not None)
        self._size += len(data)
        return data

    def finish(self) -> Copied:
        """What all rows gave."""
        columns = tuple(self._kinds[slot.name].column() if slot.column is None else slot.column for slot in self._slots)
        schema = Schema(self._layout.kind, columns)
        if self._expected.existing is None:
            schema = datasets.finish(self._expected.resource, schema)
        found = Findings(
            rows=self._rows,
            accepted=self._accepted,
            reasons=self._rejects.reasons(),
            duplicates=0,
            columns=tuple(self._found(column) for column in schema.columns),
            size=self._size,
            notes=(*self._layout.notes, *self._notes()),
        )
        counted = self._counting.finish()
        return Copied(self._layout, schema, replace(found, **counted.findings), self._rejects, counted.ids)

    @property
    def _slots(self) -> tuple[Slot, ...]:
        return self._layout.slots

    def _named(self, looked: list[rules.Verdict]) -> Iterable[tuple[str, rules.Verdict]]:
        return zip(self._layout.names(), looked, strict=True)

    def _look(self, slot: Slot, frame: pl.DataFrame) -> rules.Verdict:
        values = self._values(slot, frame)
        if slot.column is None:
            return rules.Verdict(values, None)
        verdict = rules.check(slot.column, values, self._expected.now)
        if verdict.converted:
            self._converted[slot.name] += verdict.converted
        return verdict

    def _values(self, slot: Slot, frame: pl.DataFrame) -> pl.Series:
        if slot.source is None:
            return pl.repeat(slot.default or "", frame.height, dtype=pl.String, eager=True)
        values = frame[source(slot.source)]
        if slot.default is None:
            return values
        empty = values.str.len_bytes() == 0
        self._filled[slot.name] += int(empty.sum())
        return values if not empty.any() else values.set(empty, slot.default)

    def _refuse(self, rows: Rows, broken: pl.Series) -> None:
        bad = rows.frame.with_columns(broken.alias("code")).filter(pl.col("code") > 0)
        for code, count in bad["code"].value_counts().iter_rows():
            self._rejects.count(self._rule(code), count)
        for row in bad.iter_rows(named=True):
            rule = self._rule(row["code"])
            if self._rejects.full and not self._rejects.lacks(rule):
                continue
            slot, number = self._broken(row["code"])
            value = row[source(slot.source)] if slot.source is not None else slot.default or ""
            reason = rules.reason(slot.name, number, value)
            # A report is read by more people than the file of refused rows: it names no person.
            named = slot.name == "USER_ID"
            example = Example(row[LINE], rule if named else reason, "" if named else rules.shown(value))
            self._reject(rows, rule, example, reason)

    def _reject(self, rows: Rows, rule: str, example: Example, reason: str) -> None:
        if self._rejects.lacks(rule):
            self._rejects.example(rule, example)
        if not self._rejects.full:
            self._rejects.keep(example.line, reason, rows.original(example.line))

    def _broken(self, code: int) -> tuple[Slot, int]:
        place, number = divmod(code, _CODES)
        return self._slots[place], number

    def _rule(self, code: int) -> str:
        slot, number = self._broken(code)
        return f"{slot.name} {rules.rule(number)}"

    def _count(self, frame: pl.DataFrame, seconds: pl.Series | None) -> None:
        self._accepted += frame.height
        for name in frame.columns:
            kind = self._kinds.get(name)
            if kind is not None:
                kind.take(frame[name])
            else:
                self._cells[name] += int((frame[name].str.len_bytes() > 0).sum())
        self._counting.take(frame, seconds)

    def _found(self, column: Column) -> Filled:
        kind = self._kinds.get(column.name)
        return Filled(column, self._cells[column.name]) if kind is None else Filled(column, kind.filled, kind.distinct)

    def _notes(self) -> list[str]:
        filled = [
            f"{count:,} empty cells of {name} were filled in" for name, count in sorted(self._filled.items()) if count
        ]
        dates = [
            f"{count:,} dates of {name} were turned into Unix time (UTC where they name no zone)"
            for name, count in sorted(self._converted.items())
        ]
        return filled + dates

    def _render(self, frame: pl.DataFrame, *, clean: bool) -> bytes:
        if not frame.height:
            return b""
        given = {slot.name for slot in self._slots if slot.default is not None}
        odd = [name for name in frame.columns if (not clean or name in given) and _is_special(frame[name])]
        file = BytesIO()
        frame.with_columns(_quoted(name) for name in odd).write_csv(file, include_header=False, quote_style="never")
        return file.getvalue()


def _is_sorted(column: Column | None) -> bool:
    """Whether the values of a column are looked at for their kind, or for how many they are."""
    return column is None or column.categorical


def _codes(looked: list[rules.Verdict]) -> pl.Series | None:
    """The code of each row, 0 for the good ones; None where all are."""
    coded = [
        pl.when(verdict.broken > 0).then(place * _CODES + verdict.broken.cast(pl.UInt16))
        for place, verdict in enumerate(looked)
        if verdict.broken is not None
    ]
    return pl.select(pl.coalesce(*coded, pl.lit(0, pl.UInt16)).alias("code")).to_series() if coded else None


def _is_special(values: pl.Series) -> bool:
    return bool(values.str.contains(_SPECIAL).any())


def _quoted(name: str) -> pl.Expr:
    """The cells of a column, in quotes where they need them: in the form that Personalize reads."""
    cell = pl.col(name)
    # A backslash before the closing quote would turn it into an escaped one.
    tail = pl.when(cell.str.ends_with("\\")).then(pl.lit("\\")).otherwise(pl.lit(""))
    escaped = cell.str.replace_all('"', '\\"', literal=True)
    return pl.when(cell.str.contains(_SPECIAL)).then(pl.format('"{}{}"', escaped, tail)).otherwise(cell).alias(name)
