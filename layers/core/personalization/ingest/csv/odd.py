# SPDX-License-Identifier: Apache-2.0
"""The lines of a piece that are not rows of the table beyond doubt.

Blank lines and lines with too many or too few values are counted in bulk. Of the others, those that are a row by
themselves, or together with the lines up to the next with an odd number of quotes, are found and read in bulk too, and
so are rows with quotes in the middle of values.
What is left is read one by one, with the same outcome as if the whole piece had been read in that way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import polars as pl

from personalization.ingest.csv.pieces import LONGEST_VALUE, Lines, Piece, Unreadable, unescaped

MARKED = r'["\r\x00]'
"""What a plain line has nothing of."""
LINE = "line"
"""The column with the line numbers; no other has small letters."""
Parse = Callable[[bytes, str | None], pl.DataFrame]
VALUES = "values"
"""The column with the number of a line's values."""


@dataclass(slots=True)
class Odd:
    """What these lines gave. Lines are counted from the piece's first, which is 0."""

    done: int
    """Lines that are done with; the others come again with the next piece."""
    rest: bytes = b""
    """The lines that come again."""
    rows: list[pl.DataFrame] = field(default_factory=list)
    """Rows of the table after all, with the lines at which they begin."""
    breaks: bool = False
    """Whether these rows may have line breaks in their values."""
    taken: list[int] = field(default_factory=list)
    """Lines that are the end of a row, whatever they look like by themselves."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """Rows that are no rows of the table, but for `ragged`."""
    ragged: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Lines with another number of values than the header has, and that number."""
    blank: int = 0
    """Lines with nothing in them."""


@dataclass(frozen=True, slots=True)
class _Marked:
    """The lines that are neither blank nor ragged."""

    places: list[int]
    begins: list[int]
    """The bytes at which they begin."""
    ends: list[int]
    """The bytes at which they end, without what ends a line."""
    texts: pl.Series


def read(
    piece: Piece,
    data: bytes,
    lines: pl.Series,
    regular: pl.Series,
    width: int,
    parse: Parse,
) -> Odd:
    """Read the lines of a piece that are not regular.

    Args:
        piece: the piece.
        data: its bytes, with zeros in place of those that are no text.
        lines: its lines as text, without their ends.
        regular: which of them are not to be read.
        width: the number of values that a row has.
        parse: reads rows that are on one line each: in the form of RFC 4180, or where quotes mean nothing.
    """
    odd = Odd(lines.len())
    places = regular.not_().arg_true()
    texts = lines.gather(places)
    sizes = texts.str.len_bytes()
    blank = (texts.str.strip_chars("\r").str.len_bytes() if b"\r" in data else sizes) == 0
    values = texts.str.count_matches(",", literal=True) + 1
    plain = ~texts.str.contains(MARKED) & ((sizes <= LONGEST_VALUE) | (values != width))
    ragged = ~blank & plain & (values != width)
    others = ~blank & ~ragged
    if others.any():
        chosen = places.filter(others)
        begins = starts(data, lines, chosen)
        ends = [begin + size for begin, size in zip(begins, sizes.filter(others).to_list(), strict=True)]
        _read(_Marked(chosen.to_list(), begins, ends, texts.filter(others)), piece, data, width, parse, odd)
    odd.ragged = pl.DataFrame([places.alias(LINE), values.alias(VALUES)]).filter(ragged & (places < odd.done))
    odd.blank = int((blank & (places < odd.done)).sum())
    if odd.taken:
        odd.ragged = odd.ragged.filter(pl.col(LINE).is_in(odd.taken).not_())
    return odd


def starts(data: bytes, lines: pl.Series, places: pl.Series) -> list[int]:
    """The bytes at which some lines begin."""
    returns = data.count(b"\r\n") if b"\r" in data else 0
    if returns not in {0, lines.len()}:
        ends = list(accumulate(len(line) + 1 for line in data.split(b"\n")))
        return [ends[place - 1] if place else 0 for place in places.to_list()]
    sizes = lines.str.len_bytes().cast(pl.Int64) + (2 if returns else 1)
    return (sizes.cum_sum() - sizes).gather(places).to_list()


def _read(marked: _Marked, piece: Piece, data: bytes, width: int, parse: Parse, odd: Odd) -> None:
    """Read these lines in their order."""
    literal = _literal(marked.texts, width)
    whole = _rows(marked, data, width)
    plain: list[int] = []
    found: dict[int, str] = {}
    single: dict[int, list[str]] = {}
    reader = Lines(piece, width)
    after = 0
    for number, place in enumerate(marked.places):
        if place < after:
            continue
        if literal[number]:
            plain.append(number)
            continue
        if number in whole:
            found[place], last = whole[number]
            after = last + 1
        else:
            start = marked.begins[number]
            row, end = reader.row(start)
            if row is None:
                odd.done, odd.rest = place, piece.data[start:]
                break
            if isinstance(row, Unreadable):
                odd.unreadable.append(Unreadable(piece.line + place, row.reason, row.rule))
                continue
            single[place] = row
            after = place + piece.data.count(b"\n", start, end)
        if after > place + 1:
            odd.taken += range(place + 1, after)
    if plain:
        texts = "\n".join(marked.texts.gather(plain).to_list())
        odd.rows.append(_placed(parse(f"{texts}\n".encode(), None), [marked.places[number] for number in plain]))
    if found:
        odd.rows.append(_parsed(found, parse))
    if single:
        odd.rows.append(_placed(_from_lists(single.values()), single))
    odd.breaks = bool(found or single)


def _rows(marked: _Marked, data: bytes, width: int) -> dict[int, tuple[str, int]]:
    """The rows that begin at some of the lines, in the form of RFC 4180, and the places of their last lines.

    A row ends where it has an even number of quotes: with its first line, or with the next that has an odd number. So
    each line is in two possible rows at most, and to look at all of them takes no longer than to look at it twice.
    """
    lasts = _lasts((marked.texts.str.count_matches('"', literal=True) % 2 == 0).to_list())
    chain = _chain(lasts)
    found = _good(marked, data, width, chain, lasts)
    if len(found) == len(chain):
        return found
    found |= _good(marked, data, width, sorted({*range(len(lasts))}.difference(chain)), lasts)
    if b'\\"' in data:
        lasts = _lasts([unescaped(text).count('"') % 2 == 0 for text in marked.texts.to_list()])
        others = [number for number in range(len(lasts)) if number not in found]
        found |= _good(marked, data, width, others, lasts, escaped=True)
    return found


def _lasts(alone: Sequence[bool]) -> list[int]:
    """For each line the number of the one that ends its row; -1 where there is none."""
    lasts = [*range(len(alone))]
    later = -1
    for number in range(len(alone) - 1, -1, -1):
        if not alone[number]:
            lasts[number], later = later, number
    return lasts


def _chain(lasts: Sequence[int]) -> list[int]:
    """The lines at which rows begin, if all of them are good."""
    chain, number = [], 0
    while number < len(lasts):
        chain.append(number)
        number = max(number, lasts[number]) + 1
    return chain


def _good(
    marked: _Marked,
    data: bytes,
    width: int,
    numbers: Sequence[int],
    lasts: Sequence[int],
    *,
    escaped: bool = False,
) -> dict[int, tuple[str, int]]:
    """Those of possible rows that are rows, and the places of their last lines."""
    begins, ends = marked.begins, marked.ends
    known = [each for each in numbers if lasts[each] >= 0 and ends[lasts[each]] - begins[each] <= LONGEST_VALUE]
    texts = [data[begins[each] : ends[lasts[each]]].decode() for each in known]
    if escaped:
        texts = [unescaped(text) for text in texts]
    value = r'(?:[^",\r\n\x00]*|"(?:[^"\r\x00]|\r\n|"")*")'
    good = pl.Series(texts, dtype=pl.String).str.contains(rf"^{value}(?:,{value}){{{width - 1}}}$")
    rows = zip(known, texts, good, strict=True)
    return {each: (text, marked.places[lasts[each]]) for each, text, fits in rows if fits}


def _literal(texts: pl.Series, width: int) -> list[bool]:
    """Which lines are rows with quotes that mean nothing, because no value begins with one."""
    value = r'(?:[^",\r\x00][^,\r\x00]*)?'
    good = texts.str.contains(rf"^{value}(?:,{value}){{{width - 1}}}$") & (texts.str.len_bytes() <= LONGEST_VALUE)
    return (good & ~texts.str.contains('\\"', literal=True)).to_list()


def _parsed(texts: Mapping[int, str], parse: Parse) -> pl.DataFrame:
    """Rows in the form of RFC 4180, by their lines, as a frame."""
    whole = "\n".join(text.replace("\n", "\0") for text in texts.values())
    frame = parse(f"{whole}\n".encode(), '"')
    if "\0" in whole:
        frame = frame.with_columns(pl.all().str.replace_all("\0", "\n", literal=True))
    return _placed(frame, texts)


def _from_lists(rows: Iterable[Sequence[str]]) -> pl.DataFrame:
    columns = enumerate(zip(*rows, strict=True))
    return pl.DataFrame({f"c{index}": pl.Series(values, dtype=pl.String) for index, values in columns})


def _placed(frame: pl.DataFrame, places: Iterable[int]) -> pl.DataFrame:
    """Rows with the lines at which they begin."""
    return frame.select(pl.Series(LINE, [*places], dtype=pl.UInt32), pl.all())
