# SPDX-License-Identifier: Apache-2.0
"""The smallest, the middle and the largest number of a column, in memory that does not grow with the file."""

import polars as pl

from personalization.ingest.findings import Range

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
