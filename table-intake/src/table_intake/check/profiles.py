# SPDX-License-Identifier: Apache-2.0
"""The contents of a drop's columns: their types, numbers and fill rates, and how the import changed cells.

Memory does not grow with the file. What was found in the parts of a file can be added up: the sum is what one pass over
all rows would find.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from table_intake.check.findings import Filled, Range
from table_intake.check.state import State, joined
from table_intake.columns.header import Slot
from table_intake.columns.schema import CATEGORY_LENGTH, Column, Type

EXACT = 100_000
"""Distinct numbers up to which the median is exact; beyond, numbers equal in three digits count as one."""
_DIGITS = 3


class NumberRange:
    """Counts the numbers of one column."""

    def __init__(self) -> None:
        self._counts = pl.DataFrame(schema={"number": pl.Float64, "rows": pl.UInt64})
        self._minimum: float | None = None
        self._maximum: float | None = None
        self._below = 0
        self._exact = True

    def take(self, values: pl.Series, rows: pl.Series) -> None:
        """Count cells by distinct text, of which only numbers matter."""
        frame = pl.DataFrame(
            [values.cast(pl.Float64, strict=False).alias("number"), rows.cast(pl.UInt64).alias("rows")]
        )
        frame = frame.filter(pl.col("number").is_finite())
        if not frame.height:
            return
        low, high = frame.select(pl.col("number").min().alias("low"), pl.col("number").max().alias("high")).row(0)
        self._extend(low, high)
        self._below += int(frame.filter(pl.col("number") < 0)["rows"].sum())
        self._add(frame)

    def merge(self, state: State) -> None:
        """Add the numbers of another range."""
        low, high, below, exact = (state.document[name] for name in ("minimum", "maximum", "below", "exact"))
        if low is None:
            return
        self._extend(low, high)
        self._below += below
        if self._exact and not exact:
            self._round()
        self._add(state.frames["counts"])

    def state(self) -> State:
        document = {"minimum": self._minimum, "maximum": self._maximum, "below": self._below, "exact": self._exact}
        return State(document, {"counts": self._counts})

    def _extend(self, low: float, high: float) -> None:
        self._minimum = low if self._minimum is None else min(self._minimum, low)
        self._maximum = high if self._maximum is None else max(self._maximum, high)

    def _add(self, frame: pl.DataFrame) -> None:
        if not self._exact:
            frame = _rounded(frame)
        self._counts = pl.concat([self._counts, frame]).group_by("number").agg(pl.col("rows").sum())
        if self._exact and self._counts.height > EXACT:
            self._round()

    def _round(self) -> None:
        self._exact = False
        self._counts = _rounded(self._counts).group_by("number").agg(pl.col("rows").sum())

    def range(self) -> Range | None:
        """Return the range of all numbers; None without any."""
        if self._minimum is None or self._maximum is None:
            return None
        ordered = self._counts.sort("number").with_columns(pl.col("rows").cum_sum().alias("upto"))
        rows = int(ordered["upto"][-1])
        low, high = (ordered.filter(pl.col("upto") > rank)["number"][0] for rank in ((rows - 1) // 2, rows // 2))
        middle = min(max((low + high) / 2, self._minimum), self._maximum)
        return Range(self._minimum, middle, self._maximum, self._below, self._exact)


def _rounded(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("number").round_sig_figs(_DIGITS))


FEW = 1_000
"""Distinct values that any categorical column may have; with more, values must repeat."""
TOO_DISTINCT = 20_000
"""Distinct values beyond which a text is not a category."""
_WHOLE = r"^[+-]?[0-9]{1,18}$"
_DECIMAL = r"^[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?$"
_LEADING_ZERO = r"^[+-]?0[0-9]"
_TYPES: tuple[Type, ...] = ("long", "float", "string")
"""From narrow to wide: each type can hold the values of those before it."""


class TypeDetector:
    """Detects integers, numbers, categories or plain text.

    Numbers with leading zeros (post codes, article numbers) are text. Text is a category if its values have at most
    1,000 characters and are few (1,000), or at most 20,000 and used twice on average. Other text is plain: Personalize
    keeps it for filters and answers, but does not train on it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._type: Type = "long"
        self._numbers = NumberRange()
        self._distinct = pl.Series(dtype=pl.String)
        self._is_too_distinct = False
        self._longest = 0
        self.cut = False
        """Whether cells were cut for the import."""
        self.filled = 0
        """Cells that are not empty."""

    def take(self, values: pl.Series) -> None:
        """Take the cells of some rows into account."""
        filled = values.filter(values.str.len_bytes() > 0)
        self.filled += filled.len()
        if not filled.len():
            return
        counts = filled.alias("value").value_counts(name="rows")
        distinct = counts["value"]
        self._narrow(distinct)
        if self._type != "string":
            self._numbers.take(distinct, counts["rows"])
        longest = distinct.str.len_chars().max()
        self._longest = max(self._longest, longest if isinstance(longest, int) else 0)
        self._add(distinct)

    def merge(self, state: State) -> None:
        """Add the cells of other rows."""
        given = state.document
        self.filled += given["filled"]
        self.cut = self.cut or given["cut"]
        self._type = max(self._type, given["type"], key=_TYPES.index)
        self._longest = max(self._longest, given["longest"])
        self._numbers.merge(state.inner("numbers"))
        self._is_too_distinct = self._is_too_distinct or given["many"]
        self._add(state.frames["distinct"].to_series())

    def state(self) -> State:
        document = {
            "filled": self.filled,
            "cut": self.cut,
            "type": self._type,
            "longest": self._longest,
            "many": self._is_too_distinct,
        }
        numbers = joined({"numbers": self._numbers.state()})
        return State({**document, **numbers.document}, {**numbers.frames, "distinct": self._distinct.to_frame("value")})

    def _add(self, distinct: pl.Series) -> None:
        if not self._is_too_distinct:
            self._distinct = pl.concat([self._distinct, distinct.alias("")]).unique()
            self._is_too_distinct = self._distinct.len() > TOO_DISTINCT

    @property
    def distinct(self) -> int | None:
        """Return the number of distinct values, or None above the limit."""
        return None if self._is_too_distinct else self._distinct.len()

    def range(self) -> Range | None:
        """Return the range of a column of numbers."""
        return self._numbers.range() if self._type != "string" else None

    def column(self) -> Column:
        """Return the column for the schema, after the last row."""
        if self._type != "string" and self._longest:
            return Column(self._name, self._type, nullable=True)
        count = self.distinct
        repeated = count is not None and (count <= FEW or 2 * count <= self.filled)
        return Column(
            self._name, nullable=True, categorical=repeated and self._longest <= CATEGORY_LENGTH and not self.cut
        )

    def _narrow(self, distinct: pl.Series) -> None:
        if self._type == "long" and not distinct.str.contains(_WHOLE).all():
            self._type = "float"
        if self._type == "float" and not distinct.str.contains(_DECIMAL).all():
            self._type = "string"
        if self._type != "string" and distinct.str.contains(_LEADING_ZERO).any():
            self._type = "string"


class Profile:
    """The contents of all columns of an import."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        profiled = [slot.name for slot in slots if slot.column is None or slot.column.categorical]
        self.types = {name: TypeDetector(name) for name in profiled}
        """Of columns whose values decide their type or are counted."""
        self._numbers = {
            slot.name: NumberRange()
            for slot in slots
            if slot.column and slot.column.numeric and not slot.name.endswith("TIMESTAMP")
        }
        self._cells: Counter[str] = Counter()
        """Cells of the other columns that are not empty."""
        self.changes: Counter[tuple[str, str]] = Counter()
        """Changed cells by kind of change and column."""
        self.strange: set[str] = set()
        """Columns with ids that Personalize advises against."""
        self.pointed: set[str] = set()
        """Columns with ids that a program took for numbers, as 17850.0."""
        self.statuses: dict[str, Counter[str]] = {}
        """Rows that count as sold, by the values of columns that tell what became of orders."""
        self._no_statuses: set[str] = set()
        """Columns with more values than statuses have, whatever their names."""

    def take(self, frame: pl.DataFrame) -> None:
        """Take some rows in the form of the import into account."""
        for name in frame.columns:
            if name in self.types:
                self.types[name].take(frame[name])
            else:
                self._cells[name] += int((frame[name].str.len_bytes() > 0).sum())
            if name in self._numbers and frame.height:
                counts = frame[name].alias("value").value_counts(name="rows")
                self._numbers[name].take(counts["value"], counts["rows"])

    def take_statuses(self, name: str, counts: Mapping[str, int]) -> None:
        """Take rows into account by the values of a column that tells what became of orders."""
        if name in self._no_statuses:
            return
        counted = self.statuses.setdefault(name, Counter())
        counted.update(counts)
        if len(counted) > FEW:
            self._no_statuses.add(name)
            del self.statuses[name]

    def columns(self, slots: Sequence[Slot]) -> tuple[Column, ...]:
        """Return the definitions of columns, after the last row."""
        return tuple([slot.column or self.types[slot.name].column() for slot in slots])

    def filled(self, columns: Sequence[Column]) -> tuple[Filled, ...]:
        return tuple([self._filled(column) for column in columns])

    def _filled(self, column: Column) -> Filled:
        detector = self.types.get(column.name)
        if detector is not None:
            return Filled(column, detector.filled, detector.distinct, detector.range())
        numbers = self._numbers.get(column.name)
        return Filled(column, self._cells[column.name], None, numbers.range() if numbers else None)

    def merge(self, state: State) -> None:
        """Add the contents of other rows of the same columns."""
        self._cells.update(state.document["cells"])
        self.changes.update({(kind, name): count for kind, name, count in state.document["changes"]})
        self.strange.update(state.document["strange"])
        self.pointed.update(state.document["pointed"])
        for name in state.document["noStatuses"]:
            self._no_statuses.add(name)
            self.statuses.pop(name, None)
        for name, counts in state.document["statuses"].items():
            self.take_statuses(name, counts)
        for name, detector in self.types.items():
            detector.merge(state.inner(f"type {name}"))
        for name, numbers in self._numbers.items():
            numbers.merge(state.inner(f"numbers {name}"))

    def state(self) -> State:
        columns = joined(
            {f"type {name}": detector.state() for name, detector in self.types.items()}
            | {f"numbers {name}": numbers.state() for name, numbers in self._numbers.items()}
        )
        document = {
            "cells": self._cells,
            "changes": [[kind, name, count] for (kind, name), count in self.changes.items()],
            "strange": sorted(self.strange),
            "pointed": sorted(self.pointed),
            "statuses": self.statuses,
            "noStatuses": sorted(self._no_statuses),
        }
        return State({**columns.document, **document}, columns.frames)
