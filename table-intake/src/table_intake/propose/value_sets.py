# SPDX-License-Identifier: Apache-2.0
"""The values of a column in a few thousand numbers: how many differ, and which share of them another column has.

Of all values, those with the smallest hashes are kept ("bottom k", A. Broder, On the resemblance and containment of
documents, 1997). Two columns keep the same ones of what they have in common, however large they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

_MOST, _QUICK = 1 << 18, 1 << 12
"""Values that are kept of a column, and those of them by which most columns are compared."""
_ENOUGH = 20
"""Values that must be comparable for a share of them to say something."""
_SMALL = 1_000
"""Numbers below this one are in any column of numbers."""
_HASHES = 1 << 64
_POINTED = r"^([0-9]+)\.0+$"
"""A whole number as programs write it that took ids for numbers."""
_SCHEMA = {"hash": pl.UInt64, "rows": pl.UInt64}


@dataclass(frozen=True)
class ValueSet:
    """The different values of a column, without spaces around them; 17850.0 counts as 17850."""

    filled: int
    """Rows that have a value."""
    rows: int
    kept_values: pl.DataFrame
    """Values by their hash, ascending, each with its rows."""
    limit: int
    """Every value with a hash up to this is there."""
    whole: tuple[int, int] | None
    """The least and the largest value, where all are whole numbers without zeros before them."""

    @classmethod
    def of(
        cls, rows: tuple[int, int], parts: Sequence[pl.DataFrame], limit: int, whole: tuple[int, int] | None
    ) -> "ValueSet":
        """Return the values of several parts of a column, of which all hashes up to a limit are there.

        Args:
            rows: that have a value, and all of them.
            parts: the values of each, in any order.
            limit: of the part that has the lowest.
            whole: the least and the largest number.
        """
        kept_values, limit = smallest(pl.concat([pl.DataFrame(schema=_SCHEMA), *parts]), limit)
        return cls(rows[0], rows[1], kept_values, limit, whole)

    @cached_property
    def different(self) -> int:
        """How many values there are; an estimate where not all are there."""
        if self.limit >= _HASHES:
            return self.kept_values.height
        return round((self.kept_values.height - 1) * _HASHES / self.limit)

    def in_each_of(self, parts: int) -> "ValueSet":
        """Return the values of one of several parts of a table which have the same ones."""
        rows = (pl.col("rows") // parts).clip(1)
        values = self.kept_values.with_columns(rows.alias("rows"))
        return replace(self, filled=self.filled // parts, rows=self.rows // parts, kept_values=values)

    @cached_property
    def unique(self) -> float:
        """The share of values that occur once."""
        once = int((self.kept_values["rows"] == 1).sum())
        return once / self.kept_values.height if self.kept_values.height else 0.0

    @property
    def dense(self) -> bool:
        """Whether any small number is among the values, so that others match by accident."""
        if self.whole is None:
            return False
        low, high = self.whole
        return high < _SMALL or high - low < 4 * self.different

    def spans(self, other: "ValueSet") -> bool:
        """Tell whether both are numbers of one range, which begins and ends nearly alike and is not of small ones."""
        if self.whole is None or other.whole is None:
            return False
        (low, high), (other_low, other_high) = self.whole, other.whole
        most = (other_high - other_low) / 10
        return min(high, other_high) >= _SMALL and abs(low - other_low) <= most and abs(high - other_high) <= most

    @cached_property
    def quick(self) -> tuple[Mapping[int, int], int]:
        """The values with the smallest hashes, and the limit up to which all of them are there."""
        if self.kept_values.height <= _QUICK:
            return dict(self.kept_values.iter_rows()), self.limit
        some = self.kept_values.head(_QUICK)
        return dict(some.iter_rows()), int(some["hash"][-1])

    def compare(self, other: "ValueSet") -> "Overlap":
        """Return what another column has of these values."""
        (values, limit), (others, other_limit) = self.quick, other.quick
        lowest = min(limit, other_limit)
        comparable = values if lowest >= limit else {value: rows for value, rows in values.items() if value <= lowest}
        if len(comparable) < _ENOUGH and max(self.kept_values.height, other.kept_values.height) > _QUICK:
            return self._compare_all(other)
        shared = comparable.keys() & others.keys()
        shared_rows = sum(comparable[value] for value in shared)
        return Overlap(len(comparable), len(shared), sum(comparable.values()), shared_rows)

    def _compare_all(self, other: "ValueSet") -> "Overlap":
        limit = min(self.limit, other.limit)
        comparable = up_to(self.kept_values, limit)
        shared = comparable.join(other.kept_values, on="hash", how="semi")
        rows, shared_rows = (int(frame["rows"].sum()) for frame in (comparable, shared))
        return Overlap(comparable.height, shared.height, rows, shared_rows)


def smallest(values: pl.DataFrame, limit: int) -> tuple[pl.DataFrame, int]:
    """Return values by hash, each once, up to a limit or as many as are kept; and up to which limit these are all."""
    counts = up_to(values, limit).group_by("hash").agg(pl.col("rows").sum()).sort("hash")
    if counts.height <= _MOST:
        return counts, limit
    return counts.head(_MOST), int(counts["hash"][_MOST - 1])


def up_to(values: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Return the values with a hash up to a limit."""
    return values if limit >= _HASHES else values.filter(pl.col("hash") <= pl.lit(limit, pl.UInt64))


@dataclass(frozen=True, slots=True)
class Overlap:
    """Which of a column's values another column has, of those that can be compared."""

    values: int
    shared: int
    rows: int
    shared_rows: int

    @property
    def share(self) -> float:
        return self.shared / self.values if self.values else 0.0

    @property
    def orphans(self) -> float:
        """The share of rows whose value the other column lacks."""
        return 1 - self.shared_rows / self.rows if self.rows else 0.0


class Collecting:
    """Collects the values of a column, a piece at a time."""

    def __init__(self) -> None:
        self._parts = [pl.DataFrame(schema=_SCHEMA)]
        self._limit = _HASHES
        self._filled = self._rows = 0
        self._whole: list[tuple[int, int]] | None = []

    def take(self, cells: pl.Series) -> None:
        values = cells.str.strip_chars()
        values = values.filter(values != "")
        self._rows += cells.len()
        self._filled += values.len()
        if not values.len():
            return
        values = values.str.replace(_POINTED, "${1}")
        self._note_whole(values)
        counts = values.hash().alias("hash").value_counts(name="rows").cast({"rows": pl.UInt64})
        self._parts.append(up_to(counts, self._limit))
        # To sum up all values for each piece would take time by the square of the pieces.
        if sum(part.height for part in self._parts[1:]) > _MOST:
            self._sum_up()

    def _sum_up(self) -> None:
        values, self._limit = smallest(pl.concat(self._parts), self._limit)
        self._parts = [values]

    def _note_whole(self, values: pl.Series) -> None:
        if self._whole is None:
            return
        numbers = values.cast(pl.Int64, strict=False)
        # A text of digits with a zero before them is a code: its number says nothing.
        if numbers.has_nulls() or values.str.contains("^[-+]?0[0-9]").any():
            self._whole = None
        else:
            self._whole.append((int(numbers.min() or 0), int(numbers.max() or 0)))  # type: ignore[arg-type]

    def finished(self) -> ValueSet:
        ends = self._whole
        whole = (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None
        self._sum_up()
        return ValueSet(self._filled, self._rows, self._parts[0], self._limit, whole)
