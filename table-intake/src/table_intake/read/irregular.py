# SPDX-License-Identifier: Apache-2.0
"""Irregular lines of a CSV, with the same result as reading the whole file by the csv module.

A line is irregular if it has a broken quote, a line break inside quotes, another number of values than the header, or
bytes that are not text.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

import polars as pl

from table_intake.table import Unreadable
from table_intake.wording import Text
from table_intake.write.dialect import is_standard

LONGEST = 8_000_000
"""Bytes of the longest line, and of the longest row with line breaks in its quotes."""
LONGEST_VALUE = 131_072
"""Characters of the longest value."""
MOST_COLUMNS = 1_000
"""Columns of a file: many more than any dataset has."""
SPECIAL = r'["\r\x00]'
"""Characters that no plain line has."""
LINE = "line"
"""The column with the line numbers; no column of a drop has lower-case letters."""
VALUES = "values"
"""The column with the number of a line's values."""
RAGGED = Text("ragged", "has another number of values than the header")
ZERO = Text("zero-byte", "contains a zero byte")
LONG = Text("long-value", "has a value of more than {most:,} characters", most=LONGEST_VALUE)
QUOTES = Text("quotes", "cannot be read: its quotes do not match")
_TOO_LARGE = "field larger"
_UNMATCHED = "quotes"
_ESCAPED_QUOTE = re.compile(r'(?<!\\)\\"')
Parse = Callable[[bytes, str | None], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a row of the table looks like."""

    width: int | None
    """The number of its values; None where it may have any."""
    separator: str = ","
    """One ASCII character."""
    encoding: Callable[[], str] = lambda: "UTF-8"
    """Returns the name of the file's encoding, for reasons; its bytes are UTF-8 here."""

    @property
    def mark(self) -> str:
        """The separator in regular expressions, in brackets or without."""
        return rf"\x{ord(self.separator):02x}"

    def row(self, value: str) -> str:
        """Return the regular expression of a row, for Python and polars, from that of a value."""
        return rf"^{value}(?:{self.mark}{value}){{{(self.width or 1) - 1}}}$"


@cache
def _between(mark: str) -> re.Pattern[str]:
    """Return the end of a quoted value before another one, or its beginning with a separator.

    A row of the table has at most two of them for each value.
    """
    return re.compile(rf'(?<!")(?:"")*"{mark}')


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole lines of a file."""

    data: bytes
    """Ends with a line feed."""
    line: int
    """The number of its first line."""
    last: bool


@dataclass(slots=True)
class Irregular:
    """The result of irregular lines. Line numbers are relative to the piece, from 0."""

    done: int
    """Finished lines; the others come again with the next piece."""
    rest: bytes = b""
    """The lines that come again."""
    rows: list[pl.DataFrame] = field(default_factory=list)
    """Valid rows, with the lines at which they begin."""
    breaks: bool = False
    """Whether these rows may have line breaks in their values."""
    taken: list[int] = field(default_factory=list)
    """Lines inside or at the end of a row, whatever they look like by themselves."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """Invalid rows other than `ragged`."""
    ragged: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Lines with another number of values than the header has, and that number."""
    blank: int = 0
    """Blank lines."""


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The lines that are neither blank nor ragged."""

    places: list[int]
    begins: list[int]
    """The bytes at which they begin."""
    ends: list[int]
    """The bytes at which they end, without their line ends."""
    texts: pl.Series


def read_irregular(
    piece: Piece, data: bytes, lines: pl.Series, regular: pl.Series, shape: Shape, parse: Parse
) -> Irregular:
    """Read the irregular lines of a piece.

    Args:
        piece: the piece.
        data: its bytes, with zeros in place of those that are not text.
        lines: its lines as text, without their ends.
        regular: the lines to skip.
        shape: that of a row; its width is known.
        parse: reads rows of one line each: in the form of RFC 4180, or with literal quotes.
    """
    result = Irregular(lines.len())
    places = regular.not_().arg_true()
    texts = lines.gather(places)
    sizes = texts.str.len_bytes()
    blank = (texts.str.strip_chars("\r").str.len_bytes() if b"\r" in data else sizes) == 0
    values = texts.str.count_matches(shape.separator, literal=True) + 1
    plain = ~texts.str.contains(SPECIAL) & ((sizes <= LONGEST_VALUE) | (values != shape.width))
    ragged = ~blank & plain & (values != shape.width)
    other_lines = ~blank & ~ragged
    if other_lines.any():
        chosen = places.filter(other_lines)
        begins = starts(data, lines, chosen)
        ends = [begin + size for begin, size in zip(begins, sizes.filter(other_lines).to_list(), strict=True)]
        _read_lines(
            _Candidates(chosen.to_list(), begins, ends, texts.filter(other_lines)),
            piece,
            data,
            shape=shape,
            parse=parse,
            result=result,
        )
    result.ragged = pl.DataFrame([places.alias(LINE), values.alias(VALUES)]).filter(ragged & (places < result.done))
    result.blank = int((blank & (places < result.done)).sum())
    if result.taken:
        result.ragged = result.ragged.filter(pl.col(LINE).is_in(result.taken).not_())
    return result


def starts(data: bytes, lines: pl.Series, places: pl.Series) -> list[int]:
    """Return the bytes at which some lines begin."""
    if not places.len():
        return []
    returns = data.count(b"\r\n") if b"\r" in data else 0
    if returns not in {0, lines.len()}:
        ends = list(accumulate(len(line) + 1 for line in data.split(b"\n")))
        return [ends[index - 1] if index else 0 for index in places.to_list()]
    sizes = lines.str.len_bytes().cast(pl.Int64) + (2 if returns else 1)
    return (sizes.cum_sum() - sizes).gather(places).to_list()


def _read_lines(
    candidates: _Candidates, piece: Piece, data: bytes, shape: Shape, parse: Parse, result: Irregular
) -> None:
    """Read these lines in order."""
    literal = _literal(candidates.texts, shape)
    valid = _rows(candidates, data, shape)
    plain: list[int] = []
    multi_line: dict[int, str] = {}
    read_singly: dict[int, list[str]] = {}
    reader = RowReader(piece, shape)
    after = 0
    for number, line in enumerate(candidates.places):
        if line < after:
            continue
        if literal[number]:
            plain.append(number)
            continue
        if number in valid:
            multi_line[line], last = valid[number]
            after = last + 1
        else:
            start = candidates.begins[number]
            row, end = reader.row(start)
            if row is None:
                result.done, result.rest = line, piece.data[start:]
                break
            if isinstance(row, Unreadable):
                result.unreadable.append(Unreadable(piece.line + line, row.reason, row.rule))
                continue
            read_singly[line] = row
            after = line + piece.data.count(b"\n", start, end)
        if after > line + 1:
            result.taken += range(line + 1, after)
    if plain:
        texts = "\n".join(candidates.texts.gather(plain).to_list())
        result.rows.append(
            _with_lines(parse(f"{texts}\n".encode(), None), [candidates.places[number] for number in plain])
        )
    if multi_line:
        result.rows.append(_parse_rows(multi_line, parse))
    if read_singly:
        result.rows.append(_with_lines(_from_lists(read_singly.values()), read_singly))
    result.breaks = bool(multi_line or read_singly)


def _rows(candidates: _Candidates, data: bytes, shape: Shape) -> dict[int, tuple[str, int]]:
    """Return the rows in the form of RFC 4180 that begin at these lines, and their last lines.

    A row ends where it has an even number of quotes: with its first line, or with the next one that has an odd number.
    So each line is in at most two possible rows, and checking all of them costs two passes.
    """
    ends = _row_ends((candidates.texts.str.count_matches('"', literal=True) % 2 == 0).to_list())
    begins = _row_starts(ends)
    valid = _valid_rows(candidates, data, shape, begins, ends)
    if len(valid) == len(begins):
        return valid
    valid |= _valid_rows(candidates, data, shape, sorted({*range(len(ends))}.difference(begins)), ends)
    if b'\\"' in data:
        ends = _row_ends([unescaped(text).count('"') % 2 == 0 for text in candidates.texts.to_list()])
        others = [number for number in range(len(ends)) if number not in valid]
        valid |= _valid_rows(candidates, data, shape, others, ends, escaped=True)
    return valid


def _row_ends(alone: Sequence[bool]) -> list[int]:
    """Return for each line the number of the line that ends its row; -1 where there is none."""
    lasts = [*range(len(alone))]
    later = -1
    for number in range(len(alone) - 1, -1, -1):
        if not alone[number]:
            lasts[number], later = later, number
    return lasts


def _row_starts(lasts: Sequence[int]) -> list[int]:
    """Return the lines at which rows begin, if all of them are valid."""
    chain, number = [], 0
    while number < len(lasts):
        chain.append(number)
        number = max(number, lasts[number]) + 1
    return chain


def _valid_rows(
    candidates: _Candidates,
    data: bytes,
    shape: Shape,
    numbers: Sequence[int],
    lasts: Sequence[int],
    *,
    escaped: bool = False,
) -> dict[int, tuple[str, int]]:
    """Return the valid ones of possible rows, and their last lines."""
    begins, ends = candidates.begins, candidates.ends
    possible = [
        number for number in numbers if lasts[number] >= 0 and ends[lasts[number]] - begins[number] <= LONGEST_VALUE
    ]
    texts = [data[begins[number] : ends[lasts[number]]].decode() for number in possible]
    if escaped:
        texts = [unescaped(text) for text in texts]
    value = rf'(?:[^"{shape.mark}\r\n\x00]*|"(?:[^"\r\x00]|\r\n|"")*")'
    good = pl.Series(texts, dtype=pl.String).str.contains(shape.row(value))
    rows = zip(possible, texts, good, strict=True)
    return {number: (text, candidates.places[lasts[number]]) for number, text, fits in rows if fits}


def _literal(texts: pl.Series, shape: Shape) -> list[bool]:
    """Tell which lines are rows with literal quotes, because no value begins with one."""
    value = rf'(?:[^"{shape.mark}\r\x00][^{shape.mark}\r\x00]*)?'
    good = texts.str.contains(shape.row(value)) & (texts.str.len_bytes() <= LONGEST_VALUE)
    return (good & ~texts.str.contains('\\"', literal=True)).to_list()


def _parse_rows(texts: Mapping[int, str], parse: Parse) -> pl.DataFrame:
    """Return rows in the form of RFC 4180, by their lines, as a frame."""
    joined = "\n".join(text.replace("\n", "\0") for text in texts.values())
    frame = parse(f"{joined}\n".encode(), '"')
    if "\0" in joined:
        frame = frame.with_columns(pl.all().str.replace_all("\0", "\n", literal=True))
    return _with_lines(frame, texts)


def _from_lists(rows: Iterable[Sequence[str]]) -> pl.DataFrame:
    columns = enumerate(zip(*rows, strict=True))
    return pl.DataFrame({f"c{index}": pl.Series(values, dtype=pl.String) for index, values in columns})


def _with_lines(frame: pl.DataFrame, places: Iterable[int]) -> pl.DataFrame:
    """Return rows with the lines at which they begin."""
    return frame.select(pl.Series(LINE, [*places], dtype=pl.UInt32), pl.all())


class RowReader:
    """Reads single rows exactly: the slow way, for quoted or damaged rows.

    A row that cannot be read, or has another number of values than the header, is refused by its first line; reading
    continues at the next line, so an unclosed quote costs one row only.
    """

    def __init__(self, piece: Piece, shape: Shape) -> None:
        self._data = piece.data
        self._last = piece.last
        self._shape = shape
        self._width = shape.width

    def row(self, start: int) -> tuple[list[str] | Unreadable | None, int]:
        """Return the row that begins at a byte, or why it is unreadable; and the place of the line after it.

        The row is None where it needs lines of the next piece.
        """
        row, end = self._as(start, escaped=False)
        if row is not None and b'\\"' in self._data[start:end] and not self._standard(row, start, end):
            # With doubled quotes a backslash is literal; only where that gives no row, it escapes the quote.
            other, after = self._as(start, escaped=True)
            if other is None or self._standard(other, start, after, escaped=True) or not self._fits(row):
                row, end = (other, after) if other is None or self._fits(other) else (row, end)
        if isinstance(row, list) and not self._fits(row):
            row = ragged(len(row), self._width or 0)
        return row, self._data.index(b"\n", start) + 1 if isinstance(row, Unreadable) else end

    def _as(self, start: int, *, escaped: bool) -> tuple[list[str] | Unreadable | None, int]:
        """Read the row that begins at a byte, with or without backslashes that escape quotes."""
        most = 2 * (self._width or MOST_COLUMNS) + 2
        lines = _LineReader(self._data, start, most, self._shape, skipping=True, escaped=escaped)
        row = self._read(lines, start)
        if lines.skipped and (self._fits(row) or lines.at - start > LONGEST_VALUE):
            lines = _LineReader(self._data, start, most, self._shape, skipping=False, escaped=escaped)
            row = self._read(lines, start)
        return row, lines.at

    def _fits(self, row: list[str] | Unreadable | None) -> bool:
        return isinstance(row, list) and self._width in {None, len(row)}

    def _standard(self, values: list[str] | Unreadable | None, start: int, end: int, *, escaped: bool = False) -> bool:
        """Tell whether the bytes of a row are in the standard form."""
        if not self._fits(values):
            return False
        row = self._data[start:end].decode().removesuffix("\n").removesuffix("\r")
        return is_standard(unescaped(row) if escaped else row, self._shape.separator)

    def _read(self, lines: "_LineReader", start: int) -> list[str] | Unreadable | None:
        try:
            return next(csv.reader(lines, strict=True, delimiter=self._shape.separator))
        except _NotTextError as error:
            return Unreadable(0, error.reason, error.reason)
        except csv.Error as error:
            if lines.at >= len(self._data) and not self._last and len(self._data) - start <= LONGEST:
                return None
            reason = _readable(str(error))
            return Unreadable(0, reason, reason)


class _LineReader:
    """The lines of a piece as text, from a byte on.

    Args:
        data: the piece.
        start: the byte.
        most: ends of quoted values beyond which a row of several lines is not of the table: without this bound, a file
            with an open quote in each line would be read to its end again for each line.
        shape: that of a row.
        skipping: whether to skip lines that only continue a quoted value. The row has as many values, and the same
            fault, without them; and an unclosed quote shows without reading thousands of lines.
        escaped: whether a backslash before a quote in a value makes it a part of the value.
    """

    def __init__(self, data: bytes, start: int, most: int, shape: Shape, *, skipping: bool, escaped: bool) -> None:
        self._data = data
        self._start = start
        self._left = most
        self._shape = shape
        self._end = '"' + shape.separator
        self._skipping = skipping
        self._escaped = escaped
        self.at = start
        self.skipped = False

    def __iter__(self) -> "_LineReader":
        return self

    def __next__(self) -> str:
        # A further line is only read within an open quote.
        if self._skipping and self.at > self._start:
            self._skip()
        if self.at >= len(self._data):
            raise StopIteration
        if self._left < 0:
            raise csv.Error(_UNMATCHED)
        end = self._data.index(b"\n", self.at)
        read, self.at = _decode(self._data[self.at : end], self._shape.encoding()), end + 1
        line = unescaped(read) if self._escaped else read
        self._left -= len(_between(self._shape.mark).findall(line)) if self._end in line else 0
        return line + "\n"

    def _skip(self) -> None:
        quote = self._data.find(b'"', self.at)
        end = len(self._data) if quote < 0 else max(self.at, self._data.rfind(b"\n", self.at, quote) + 1)
        characters = 0
        while self.at < end:
            upto = end if end - self.at <= LONGEST_VALUE else self._data.index(b"\n", self.at + LONGEST_VALUE) + 1
            good, text = _text_lines(self._data[self.at : upto])
            characters += len(text)
            if characters > LONGEST_VALUE:
                raise csv.Error(_TOO_LARGE)
            self.skipped = self.skipped or good > 0
            self.at += good
            if self.at < upto:
                return


def _text_lines(lines: bytes) -> tuple[int, str]:
    """Return the lines before the first that is not text, and their bytes."""
    bad = lines.find(b"\0")
    try:
        text = lines.decode()
    except UnicodeDecodeError as error:
        bad, text = error.start if bad < 0 else min(bad, error.start), ""
    end = len(lines) if bad < 0 else lines.rfind(b"\n", 0, bad) + 1
    return end, text if bad < 0 else lines[:end].decode()


class _NotTextError(Exception):
    def __init__(self, reason: Text) -> None:
        super().__init__(reason)
        self.reason = reason


def unescaped(line: str) -> str:
    """Return text with its quotes in the form of RFC 4180."""
    if '\\"' not in line:
        return line
    return _ESCAPED_QUOTE.sub('""', line) if '\\\\"' in line else line.replace('\\"', '""')


def _decode(line: bytes, encoding: str) -> str:
    try:
        decoded = line.decode()
    except UnicodeDecodeError:
        raise _NotTextError(Text("not-text", "is not {encoding} text", encoding=encoding)) from None
    if "\0" in decoded:
        raise _NotTextError(ZERO)
    return decoded


def ragged(values: int, width: int, line: int = 0) -> Unreadable:
    text = "has {values} {values:value|values} and the header has {width}"
    reason = Text("ragged.row", text, values=values, width=width)
    return Unreadable(line, reason, RAGGED)


def _readable(message: str) -> Text:
    if _TOO_LARGE in message:
        return LONG
    if "new-line character" in message:
        return Text("carriage-return", "has a carriage return in it")
    return QUOTES
