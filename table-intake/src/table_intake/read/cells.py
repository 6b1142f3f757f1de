# SPDX-License-Identifier: Apache-2.0
"""Rows of formats whose values are apart from each other: no separators, no quotes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import polars as pl

from table_intake.read.irregular import LINE, LONG, LONGEST_VALUE, VALUES, ZERO
from table_intake.read.line_breaks import KINDS
from table_intake.read.rows import source
from table_intake.table import Unreadable
from table_intake.write.dialect import standard

MOST_BYTES = 16 << 20
"""Bytes of the values of a piece."""
_ODD = ['"', ",", "\\", "\0", *KINDS]
"""What needs quotes, ends a line or is not text."""
_SHOWN = 2_500


@dataclass(frozen=True)
class Cells:
    """The rows of a piece; see `formats.table.Rows`."""

    values: pl.DataFrame
    """As text: good and unreadable ones."""
    lines: pl.Series
    size: int
    last: bool
    suspects: Sequence[str]
    """Columns that may have quotes, separators, line breaks or zero bytes."""
    unreadable: Sequence[Unreadable] = ()
    blank: int = 0
    plain: bool = False
    left_out: pl.Series = field(default_factory=partial(pl.Series, dtype=pl.UInt32))
    ragged: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema={LINE: pl.UInt32, VALUES: pl.UInt32}))

    @cached_property
    def frame(self) -> pl.DataFrame:
        frame = pl.DataFrame([self.lines, *self.values])
        if not self.unreadable:
            return frame
        return frame.filter(~pl.col(LINE).is_in([bad.line for bad in self.unreadable]))

    def texts(self, frame: pl.DataFrame) -> list[str]:
        """Return rows as CSV; several may come from one line."""
        return [_text(row) for row in frame.select(self.values.columns).iter_rows()]

    def less(self, numbers: Sequence[int]) -> "Cells":
        """Return these rows without those of some lines."""
        chosen = ~self.lines.is_in([*numbers])
        return replace(self, values=self.values.filter(chosen), lines=self.lines.filter(chosen))

    @property
    def breaks(self) -> bool:
        return bool(self.suspects)

    @property
    def end(self) -> int:
        return int(self.lines[-1]) if self.lines.len() else 0

    def originals(self, numbers: Sequence[int]) -> list[str]:
        """Return rows as CSV, by their lines."""
        wanted = pl.Series(numbers, dtype=pl.UInt32)
        rows = self.values.with_columns(self.lines).filter(pl.col(LINE).is_in(wanted.implode()))
        texts = {row[-1]: _text(row[:-1]) for row in rows.iter_rows()}
        return [texts[number] for number in numbers]

    def without(self, numbers: pl.Series) -> list[bytes | memoryview]:
        raise NotImplementedError("these rows are not text")


def _text(row: Sequence[str]) -> str:
    return standard(value[:_SHOWN] for value in row).removesuffix("\n")


def pieces(
    frame: pl.DataFrame, lines: pl.Series, texts: Sequence[str], *, last: bool, refused: Sequence[Unreadable] = ()
) -> Iterator[Cells]:
    """Cut rows into pieces of bounded size.

    Args:
        frame: the values as text.
        lines: the numbers of the rows, ascending.
        texts: columns that may have any characters.
        last: whether no rows follow.
        refused: rows that are none of the table.
    """
    size = size_of(frame)
    begin = 0
    while begin < frame.height:
        rows = frame.height - begin if size <= MOST_BYTES else _fitting(frame.slice(begin))
        some, numbers = frame.slice(begin, rows), lines.slice(begin, rows)
        begin += rows
        bad_here = [bad_row for bad_row in refused if numbers[0] <= bad_row.line <= numbers[-1]]
        taken = size if rows == frame.height else size_of(some)
        odd = [name for name in texts if some[name].str.contains_any(_ODD).any()]
        bad = [*bad_here, *_unreadable(some, numbers, odd, texts if taken > LONGEST_VALUE else ())]
        first = {bad_row.line: bad_row for bad_row in reversed(bad)}
        yield Cells(
            some,
            numbers,
            taken + rows,
            last=last and begin == frame.height,
            suspects=odd,
            # Where several rows come from one line, none of them is read.
            unreadable=[first[line] for line in numbers if line in first] if first else [],
        )


def size_of(frame: pl.DataFrame) -> int:
    """Return the bytes of all values, which are text; equal ones may be in memory once."""
    # A sum of 32 bits would begin anew at 4 GB.
    return int(frame.select(pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.UInt64).sum())).item() or 0)


def _fitting(frame: pl.DataFrame) -> int:
    """Return the number of rows that have the bytes of a piece, but one at least."""
    sizes = frame.select(pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.UInt64))).to_series()
    return max(1, int((sizes.cum_sum() <= MOST_BYTES).sum()))


def _unreadable(
    values: pl.DataFrame, lines: pl.Series, odd: Sequence[str], long: Sequence[str]
) -> Iterator[Unreadable]:
    """Yield rows with zero bytes in odd columns, and with values that are too long in others."""
    rules = (
        (ZERO, [pl.col(name).str.contains("\0", literal=True) for name in odd]),
        (LONG, [pl.col(name).str.len_bytes() > LONGEST_VALUE for name in long]),
    )
    for rule, broken in rules:
        if broken:
            bad = lines.filter(values.select(pl.any_horizontal(broken)).to_series())
            yield from (Unreadable(line, rule, rule) for line in bad)


def names(width: int) -> list[str]:
    """Return the names of the columns of frames."""
    return [source(index) for index in range(width)]
