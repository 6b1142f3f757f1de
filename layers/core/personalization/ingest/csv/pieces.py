# SPDX-License-Identifier: Apache-2.0
"""A file as pieces of whole lines, and a reader of single rows for irregular lines.

Line numbers are physical lines, as in an editor: the first line is line 1.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from personalization.core.csv_dialect import is_standard
from personalization.core.errors import Rejected

PIECE_BYTES = 8 << 20
"""Bytes of a piece: large enough for the overhead of calls, small enough for any function's memory."""
PIECE_LINES = 1 << 19
"""Approximate lines of a piece: as many as 8 MB have of the shortest rows."""
LONGEST = 8_000_000
"""Bytes of the longest line, and of the longest row with line breaks in its quotes."""
LONGEST_VALUE = 131_072
"""Characters of the longest value."""
MOST_COLUMNS = 1_000
"""Columns of a file: many more than any dataset has."""
BOM = b"\xef\xbb\xbf"
_ESCAPED_QUOTE = re.compile(r'(?<!\\)\\"')
_BETWEEN = re.compile(r'(?<!")(?:"")*",')
"""The end of a quoted value before another one, or its beginning with a comma: a row of the table has at most two of
them for each value."""
_SIGNATURES = {
    b"PK\x03\x04": "it is a zip archive or an Excel workbook, not CSV: unpack it, or save it as CSV",
    b"\x1f\x8b": "it is compressed with gzip: name it .csv.gz, or unpack it if it is compressed twice",
    b"\xd0\xcf\x11\xe0": "it is an old Excel workbook, not CSV: save it as CSV",
    b"\x28\xb5\x2f\xfd": "it is compressed with zstd: use gzip and name it .csv.gz",
    b"%PDF": "it is a PDF, not CSV",
    b"PAR1": "it is a Parquet file, not CSV",
    b"\xff\xfe": "it is UTF-16: save it as UTF-8",
    b"\xfe\xff": "it is UTF-16: save it as UTF-8",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole lines of a file."""

    data: bytes
    """Ends with a line feed."""
    line: int
    """The number of its first line."""
    last: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that is not a row of this table."""

    line: int
    reason: str
    rule: str
    """The reason without the row's details."""


class Pieces:
    """The pieces of a file. Before the next piece, its reader reports how many lines are done.

    Args:
        resource: the name in messages, for example the object's key.
        chunks: the file's bytes.
        size: bytes of a piece.

    Raises:
        Rejected: the file is not text; or a line is longer than 8 MB.
    """

    def __init__(self, resource: str, chunks: Iterable[bytes], size: int = PIECE_BYTES) -> None:
        self._resource = resource
        self._chunks = iter(chunks)
        self._size = size
        self._rest = b""
        self._carried = 0
        self._line = 1
        self._begun = self._ended = False
        self.lines = PIECE_LINES
        """Approximate lines of a piece: each takes memory, however short it is."""

    def __iter__(self) -> Iterator[Piece]:
        while True:
            self._fill()
            end = self._end()
            piece, self._rest, self._carried = self._rest[:end], self._rest[end:], 0
            if b"\n" not in self._rest[: LONGEST + 1] and len(self._rest) > LONGEST:
                line = self._line + piece.count(b"\n")
                raise Rejected(self._resource, f"line {line} is longer than 8 MB")
            if not piece:
                return
            yield Piece(piece, self._line, self._ended and not self._rest)

    @property
    def held(self) -> int:
        """Return the bytes that were read and are not in a piece yet."""
        return len(self._rest)

    def done(self, lines: int, rest: bytes = b"") -> None:
        """Report finished lines of the last piece; its rest comes again, with more lines after it."""
        self._line += lines
        self._rest = rest + self._rest
        self._carried = len(rest)

    def again(self, lines: int, rest: bytes) -> None:
        """Report finished lines of the last piece; its rest is read anew."""
        self.done(lines, rest)
        self._carried = 0

    def _fill(self) -> None:
        """Read until there is a piece: more whole lines than those that came again, or the end of the file."""
        held = [self._rest]
        size, wanted = len(self._rest), self._carried + self._size
        whole = self._rest.find(b"\n", self._carried) >= 0
        while not self._ended and (size < wanted or not whole) and size - self._carried <= max(LONGEST, self._size):
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
                break
            held.append(chunk)
            size += len(chunk)
            whole = whole or b"\n" in chunk
        self._rest = b"".join(held)
        if not self._begun:
            self._begun = True
            self._recognise(self._rest)
            self._rest = self._rest.removeprefix(BOM)
        if self._ended and self._rest and not self._rest.endswith(b"\n"):
            # The last line may lack its line feed.
            self._rest += b"\n"

    def _end(self) -> int:
        """Return the byte after the last line of the piece."""
        begin, lines = self._carried, self._rest.count(b"\n", self._carried)
        if lines <= self.lines:
            return self._rest.rfind(b"\n") + 1
        share = (len(self._rest) - begin) * self.lines // lines
        while True:
            end = self._rest.find(b"\n", begin + share) + 1
            if share <= self.lines or self._rest.count(b"\n", begin, end) <= 2 * self.lines:
                return end
            share //= 2

    def _recognise(self, data: bytes) -> None:
        for mark, problem in _SIGNATURES.items():
            if data.startswith(mark):
                raise Rejected(self._resource, f"the file is not UTF-8 text: {problem}")


class RowReader:
    """Reads single rows of a piece exactly: the slow way, for quoted or damaged rows.

    A row that cannot be read, or has another number of values than the header, is refused by its first line; reading
    continues at the next line, so an unclosed quote costs one row only.

    Args:
        piece: the piece.
        width: the number of values of a row, or None for any.
    """

    def __init__(self, piece: Piece, width: int | None) -> None:
        self._data = piece.data
        self._last = piece.last
        self._width = width

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
        lines = _LineReader(self._data, start, most, skipping=True, escaped=escaped)
        row = self._read(lines, start)
        if lines.skipped and (self._fits(row) or lines.at - start > LONGEST_VALUE):
            lines = _LineReader(self._data, start, most, skipping=False, escaped=escaped)
            row = self._read(lines, start)
        return row, lines.at

    def _fits(self, row: list[str] | Unreadable | None) -> bool:
        return isinstance(row, list) and self._width in {None, len(row)}

    def _standard(self, values: list[str] | Unreadable | None, start: int, end: int, *, escaped: bool = False) -> bool:
        """Tell whether the bytes of a row are in the standard form."""
        if not self._fits(values):
            return False
        row = self._data[start:end].decode().removesuffix("\n").removesuffix("\r")
        return is_standard(unescaped(row) if escaped else row)

    def _read(self, lines: "_LineReader", start: int) -> list[str] | Unreadable | None:
        try:
            return next(csv.reader(lines, strict=True))
        except _NotTextError as error:
            return Unreadable(0, str(error), str(error))
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
        skipping: whether to skip lines that only continue a quoted value. The row has as many values, and the same
            fault, without them; and an unclosed quote shows without reading thousands of lines.
        escaped: whether a backslash before a quote in a value makes it a part of the value.
    """

    def __init__(self, data: bytes, start: int, most: int, *, skipping: bool, escaped: bool) -> None:
        self._data = data
        self._start = start
        self._left = most
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
        read, self.at = decode(self._data[self.at : end]), end + 1
        line = unescaped(read) if self._escaped else read
        self._left -= len(_BETWEEN.findall(line)) if '",' in line else 0
        return line + "\n"

    def _skip(self) -> None:
        quote = self._data.find(b'"', self.at)
        end = len(self._data) if quote < 0 else max(self.at, self._data.rfind(b"\n", self.at, quote) + 1)
        characters = 0
        while self.at < end:
            upto = end if end - self.at <= LONGEST_VALUE else self._data.index(b"\n", self.at + LONGEST_VALUE) + 1
            good = _text_lines(self._data[self.at : upto])
            characters += len(good.decode())
            if characters > LONGEST_VALUE:
                raise csv.Error(_TOO_LARGE)
            self.skipped = self.skipped or bool(good)
            self.at += len(good)
            if self.at < upto:
                return


def _text_lines(lines: bytes) -> bytes:
    """Return the lines before the first that is not text."""
    bad = lines.find(b"\0")
    try:
        lines.decode()
    except UnicodeDecodeError as error:
        bad = error.start if bad < 0 else min(bad, error.start)
    return lines if bad < 0 else lines[: lines.rfind(b"\n", 0, bad) + 1]


class _NotTextError(Exception):
    pass


def unescaped(line: str) -> str:
    """Return text with its quotes in the form of RFC 4180."""
    if '\\"' not in line:
        return line
    return _ESCAPED_QUOTE.sub('""', line) if '\\\\"' in line else line.replace('\\"', '""')


def decode(line: bytes) -> str:
    """Return a line as text."""
    try:
        decoded = line.decode()
    except UnicodeDecodeError:
        raise _NotTextError("is not UTF-8 text") from None
    if "\0" in decoded:
        raise _NotTextError("contains a zero byte")
    return decoded


def header(resource: str, piece: Piece) -> tuple[list[str], Piece]:
    """Return the column names of a file, and the rest of its first piece.

    Raises:
        Rejected: the header is missing or unreadable.
    """
    start, line = 0, piece.line
    while start < len(piece.data):
        end = piece.data.index(b"\n", start)
        if piece.data[start:end].strip(b"\r"):
            break
        start, line = end + 1, line + 1
    else:
        raise Rejected(resource, _EMPTY)
    names, end = RowReader(piece, None).row(start)
    if not isinstance(names, list):
        problem = names.reason if names else "its quotes do not match"
        raise Rejected(resource, f"line {line}, which must name the columns, {problem}")
    if not any(name.strip() for name in names):
        raise Rejected(resource, _EMPTY)
    if len(names) > MOST_COLUMNS:
        raise Rejected(resource, f"line {line}, which must name the columns, has {len(names):,} of them")
    return names, Piece(piece.data[end:], line + piece.data.count(b"\n", start, end), piece.last)


_TOO_LARGE = "field larger"
_UNMATCHED = "quotes"
_EMPTY = "the file is empty: its first row must name the columns"


RAGGED = "has another number of values than the header"


def ragged(values: int, width: int, line: int = 0) -> Unreadable:
    """Return a row with more or fewer values than the header."""
    reason = f"has {values} value{'s' * (values != 1)} and the header has {width}"
    return Unreadable(line, reason, RAGGED)


def _readable(message: str) -> str:
    if _TOO_LARGE in message:
        return f"has a value of more than {LONGEST_VALUE:,} characters"
    if "new-line character" in message:
        return "has a carriage return in it"
    return "cannot be read: its quotes do not match"
