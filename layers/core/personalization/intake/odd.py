# SPDX-License-Identifier: Apache-2.0
"""The lines of a piece that are not rows of the table beyond doubt: read one by one, in their order."""

from dataclasses import dataclass, field
from itertools import accumulate

import polars as pl

from personalization.intake.pieces import LONGEST_VALUE, Lines, Piece, Unreadable, ragged

MARKED = r'["\r\x00]'
"""What a plain line has nothing of."""


@dataclass(slots=True)
class Odd:
    """What these lines gave. Lines are counted from the piece's first, which is 0."""

    done: int
    """Lines that are done with; the others come again with the next piece."""
    rest: bytes = b""
    """The lines that come again."""
    rows: list[list[str]] = field(default_factory=list)
    """Rows of the table after all."""
    places: list[int] = field(default_factory=list)
    """The lines at which these rows begin."""
    taken: list[int] = field(default_factory=list)
    """Lines that are the end of a row, whatever they look like by themselves."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """Rows that are no rows of the table."""


def read(piece: Piece, lines: pl.Series, regular: pl.Series, width: int) -> Odd:
    """Read the lines of a piece that are not regular.

    Args:
        piece: the piece.
        lines: its lines as text, without their ends.
        regular: which of them are not to be read.
        width: the number of values that a row has.
    """
    odd = Odd(lines.len())
    places = regular.not_().arg_true()
    texts = lines.gather(places)
    marked = texts.str.contains(MARKED) | (texts.str.len_bytes() > LONGEST_VALUE)
    blank = texts.str.strip_chars("\r").str.len_bytes() == 0
    begins = iter(starts(piece.data, lines, places.filter(marked)) if marked.any() else ())
    reader = Lines(piece, width)
    after = 0
    for place, text, is_blank, is_marked in zip(places.to_list(), texts.to_list(), blank, marked, strict=True):
        start = next(begins) if is_marked else 0
        if is_blank or place < after:
            continue
        found: list[str] | Unreadable | None
        if is_marked:
            found, end = reader.row(start)
        else:
            cells = text.split(",")
            found = cells if len(cells) == width else ragged(len(cells), width)
        if found is None:
            odd.done, odd.rest = place, piece.data[start:]
            break
        if isinstance(found, Unreadable):
            odd.unreadable.append(Unreadable(piece.line + place, found.reason, found.rule))
            continue
        odd.rows.append(found)
        odd.places.append(place)
        if is_marked:
            after = place + piece.data.count(b"\n", start, end)
            odd.taken += range(place + 1, after)
    return odd


def starts(data: bytes, lines: pl.Series, places: pl.Series) -> list[int]:
    """The bytes at which some lines begin."""
    returns = data.count(b"\r\n") if b"\r" in data else 0
    if returns not in {0, lines.len()}:
        ends = list(accumulate(len(line) + 1 for line in data.split(b"\n")))
        return [ends[place - 1] if place else 0 for place in places.to_list()]
    sizes = lines.str.len_bytes().cast(pl.Int64) + (2 if returns else 1)
    return (sizes.cum_sum() - sizes).gather(places).to_list()
