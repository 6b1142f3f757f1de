# SPDX-License-Identifier: Apache-2.0
"""The values of a column in a few thousand numbers: how many differ, and which share of them another column has.

Of all values, those with the smallest hashes are kept ("bottom k", A. Broder, On the resemblance and containment of
documents, 1997). Two columns keep the same ones of what they have in common, however large they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

_MOST = 4_096
"""Values that are kept of a column."""
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
    counts: Mapping[int, int]
    """Values by their hash, each with its rows."""
    limit: int
    """Every value with a hash up to this is there."""
    whole: tuple[int, int] | None
    """The least and the largest value, where all are whole numbers without zeros before them."""

    @cached_property
    def different(self) -> int:
        """How many values there are; an estimate where not all are there."""
        if self.limit >= _HASHES:
            return len(self.counts)
        return round((len(self.counts) - 1) * _HASHES / self.limit)

    @cached_property
    def unique(self) -> float:
        """The share of values that occur once."""
        return sum(rows == 1 for rows in self.counts.values()) / len(self.counts) if self.counts else 0.0

    @property
    def dense(self) -> bool:
        """Whether any small number is among the values, so that others match by accident."""
        if self.whole is None:
            return False
        low, high = self.whole
        return high < 1_000 or high - low < 4 * self.different

    def compare(self, other: "ValueSet") -> "Overlap":
        """Return what another column has of these values."""
        limit = min(self.limit, other.limit)
        comparable = self.counts
        if limit < self.limit:
            comparable = {value: rows for value, rows in self.counts.items() if value <= limit}
        shared = comparable.keys() & other.counts.keys()
        rows = sum(comparable[value] for value in shared)
        return Overlap(len(comparable), len(shared), sum(comparable.values()), rows)


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
        self._counts = pl.DataFrame(schema=_SCHEMA)
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
        if self._limit < _HASHES:
            counts = counts.filter(pl.col("hash") <= pl.lit(self._limit, pl.UInt64))
        counts = pl.concat([self._counts, counts]).group_by("hash").agg(pl.col("rows").sum())
        if counts.height > _MOST:
            counts = counts.bottom_k(_MOST, by="hash")
            self._limit = int(counts["hash"].max() or 0)  # type: ignore[arg-type]
        self._counts = counts

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
        return ValueSet(
            filled=self._filled,
            rows=self._rows,
            counts=dict(self._counts.iter_rows()),
            limit=self._limit,
            whole=(min(low for low, _ in ends), max(high for _, high in ends)) if ends else None,
        )
