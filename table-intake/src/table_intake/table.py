# SPDX-License-Identifier: Apache-2.0
"""What a drop is once it is open, whatever its format: a header, and rows of text a piece at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import polars as pl


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that is not a row of this table."""

    line: int
    reason: str
    rule: str
    """The reason without the row's details."""


class Rows(Protocol):
    """The rows of a piece. Lines count from 1, as an editor or a spreadsheet shows them."""

    @property
    def frame(self) -> pl.DataFrame:
        """The values of each row as text, and its line: see `read.rows.source` and `read.irregular.LINE`."""

    @property
    def plain(self) -> bool:
        """Whether `without` returns the rows of the import: nothing in them needs quotes."""

    @property
    def suspects(self) -> Sequence[str] | None:
        """The columns of the frame whose values may need quotes; None for all."""

    @property
    def breaks(self) -> bool:
        """Whether values may contain line breaks."""

    @property
    def left_out(self) -> pl.Series:
        """The numbers of the other lines, where the rows are plain."""

    @property
    def unreadable(self) -> Sequence[Unreadable]:
        """Invalid rows other than `ragged`."""

    @property
    def ragged(self) -> pl.DataFrame:
        """The lines with another number of values than the header has, and that number."""

    @property
    def blank(self) -> int:
        """Blank lines, which are not rows."""

    @property
    def end(self) -> int:
        """The number of the last line."""

    @property
    def size(self) -> int:
        """The bytes of these lines."""

    @property
    def last(self) -> bool:
        """Whether no rows follow."""

    def originals(self, numbers: Sequence[int]) -> list[str]:
        """Return the lines of some numbers, shortened if they are very long."""

    def texts(self, frame: pl.DataFrame) -> list[str]:
        """Return some rows of the frame as they came, shortened if they are very long."""

    def without(self, numbers: pl.Series) -> list[bytes | memoryview]:
        """Return the lines except some (in ascending order), as parts of a CSV with a line feed after each line."""


class Table(Protocol):
    """An open drop."""

    @property
    def header(self) -> Sequence[str]:
        """The names of the columns, as they came."""

    @property
    def notes(self) -> Sequence[str]:
        """What was guessed about the file, once its rows are read."""

    def rows(self) -> Iterator[Rows]:
        """Yield the rows after the header, without blank lines; once."""

    def rows_left(self, shortest: int) -> int | None:
        """Return how many rows may still come, at most, of so many bytes at least; None where unknown."""


@runtime_checkable
class Typed(Protocol):
    """A table whose columns have types."""

    @property
    def types(self) -> Mapping[str, str]:
        """The kinds of values of columns, in words."""
