# SPDX-License-Identifier: Apache-2.0
"""Find out from its cells what a column of the shop's own holds: whole numbers, numbers, categories or text.

Memory does not grow with the file.
"""

import polars as pl

from personalization.ingest.findings import Range
from personalization.shop.schema import CATEGORY_LENGTH, Column, Type

EXACT = 100_000
"""Different numbers up to which the median is exact; beyond, numbers that agree in three digits count as one."""
_DIGITS = 3


class Numbers:
    """Counts the numbers of one column."""

    def __init__(self) -> None:
        self._counts = pl.DataFrame(schema={"number": pl.Float64, "rows": pl.UInt64})
        self._minimum: float | None = None
        self._maximum: float | None = None
        self._below = 0
        self._exact = True

    def take(self, values: pl.Series, rows: pl.Series) -> None:
        """Count different texts that are numbers, and how many cells have each."""
        frame = pl.DataFrame(
            [values.cast(pl.Float64, strict=False).alias("number"), rows.cast(pl.UInt64).alias("rows")]
        )
        frame = frame.filter(pl.col("number").is_finite())
        if not frame.height:
            return
        low, high = frame.select(pl.col("number").min().alias("low"), pl.col("number").max().alias("high")).row(0)
        self._minimum = low if self._minimum is None else min(self._minimum, low)
        self._maximum = high if self._maximum is None else max(self._maximum, high)
        self._below += int(frame.filter(pl.col("number") < 0)["rows"].sum())
        if not self._exact:
            frame = _rounded(frame)
        self._counts = pl.concat([self._counts, frame]).group_by("number").agg(pl.col("rows").sum())
        if self._exact and self._counts.height > EXACT:
            self._exact = False
            self._counts = _rounded(self._counts).group_by("number").agg(pl.col("rows").sum())

    def range(self) -> Range | None:
        """What all numbers gave; None where there was none."""
        if self._minimum is None or self._maximum is None:
            return None
        ordered = self._counts.sort("number").with_columns(pl.col("rows").cum_sum().alias("upto"))
        rows = int(ordered["upto"][-1])
        low, high = (ordered.filter(pl.col("upto") > place)["number"][0] for place in ((rows - 1) // 2, rows // 2))
        middle = min(max((low + high) / 2, self._minimum), self._maximum)
        return Range(self._minimum, middle, self._maximum, self._below, self._exact)


def _rounded(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("number").round_sig_figs(_DIGITS))


FEW = 1_000
"""Distinct values that any categorical column may have; one with more must repeat them."""
MANY = 20_000
"""Distinct values beyond which a text is no category."""
_WHOLE = r"^[+-]?[0-9]{1,18}$"
_DECIMAL = r"^[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?$"
_LEADING_ZERO = r"^[+-]?0[0-9]"


class Kind:
    """Whole numbers, numbers, categories or plain text.

    Numbers with leading zeros (post codes, article numbers) are text. Text is a category while its values are at most
    1,000 characters long and either few (1,000), or at most 20,000 and used twice on average; else it is plain text,
    which Personalize keeps for filters and answers and does not train on.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._type: Type = "long"
        self._numbers = Numbers()
        self._distinct = pl.Series(dtype=pl.String)
        self._many = False
        self._longest = 0
        self.cut = False
        """Whether cells were longer than they are imported."""
        self.filled = 0
        """Cells that are not empty."""

    def take(self, values: pl.Series) -> None:
        """Look at the cells of some rows; nothing is refused."""
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
        if not self._many:
            self._distinct = pl.concat([self._distinct, distinct.alias("")]).unique()
            self._many = self._distinct.len() > MANY

    @property
    def distinct(self) -> int | None:
        """Values that differ, or None where they are more than anybody counts."""
        return None if self._many else self._distinct.len()

    def range(self) -> Range | None:
        """The numbers of a column of numbers."""
        return self._numbers.range() if self._type != "string" else None

    def column(self) -> Column:
        """The column, as its schema is to describe it. Asked for after the last row."""
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
