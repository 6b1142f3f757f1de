# SPDX-License-Identifier: Apache-2.0
"""A file as pieces of whole lines, and the rows that cannot be read one by one where something is odd.

Everything is counted in physical lines, as an editor shows them: the first line is line 1.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from personalization.errors import Rejected

PIECE_BYTES = 8 << 20
"""Bytes of a piece: large enough that the cost of a call does not matter, small enough for any function's memory."""
LONGEST = 8_000_000
"""Bytes of the longest line, and of the longest row with line breaks in its quotes."""
LONGEST_VALUE = 131_072
"""Characters of the longest value."""
BOM = b"\xef\xbb\xbf"
_ESCAPED_QUOTE = re.compile(r'(?<!\\)\\"')
_FOREIGN = {
    b"PK\x03\x04": "it is a zip archive or an Excel workbook, not CSV: unpack it, or save it as CSV",
    b"\x1f\x8b": "it is compressed with gzip: name it .csv.gz",
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
    """A row that is no row of this table."""

    line: int
    reason: str
    rule: str
    """The reason without what is particular to the row."""


class Pieces:
    """The pieces of a file, whose consumer may give back the end of one that only makes sense with the next.

    Args:
        resource: what the messages name, for example the object's key.
        chunks: the file's bytes.
        size: bytes of a piece.

    Raises:
        Rejected: the file is none of text; or a line is longer than 8 MB.
    """

    def __init__(self, resource: str, chunks: Iterable[bytes], size: int = PIECE_BYTES) -> None:
        self._resource = resource
        self._chunks = iter(chunks)
        self._size = size
        self._rest = b""
        self._line = 1
        self._begun = False

    def __iter__(self) -> Iterator[Piece]:
        ended = False
        while not ended:
            data, ended = self._gather()
            cut = len(data) if ended else data.rfind(b"\n") + 1
            self._rest = data[cut:]
            if len(self._rest) > LONGEST:
                line = self._line + data.count(b"\n", 0, cut)
                raise Rejected(self._resource, f"line {line} is longer than 8 MB")
            if not cut:
                continue
            # Text that ends without a line feed ends in a line all the same.
            piece = data[:cut] if data.endswith(b"\n", 0, cut) else data[:cut] + b"\n"
            line, self._line = self._line, self._line + piece.count(b"\n")
            yield Piece(piece, line, ended)

    def give_back(self, data: bytes) -> None:
        """The end of the last piece, which comes again at the beginning of the next."""
        self._line -= data.count(b"\n")
        self._rest = data + self._rest

    def _gather(self) -> tuple[bytes, bool]:
        """What is left and what comes next, and whether the file ends with it."""
        held = [self._rest]
        size, ended = 0, False
        for chunk in self._chunks:
            held.append(chunk)
            size += len(chunk)
            if size >= self._size:
                break
        else:
            ended = True
        data = b"".join(held)
        if not self._begun:
            self._begun = True
            self._recognise(data)
            data = data.removeprefix(BOM)
        return data, ended

    def _recognise(self, data: bytes) -> None:
        for mark, told in _FOREIGN.items():
            if data.startswith(mark):
                raise Rejected(self._resource, f"the file is not UTF-8 text: {told}")


class Lines:
    """Reads rows out of single lines, exactly: the slow way, for what is quoted, damaged or both.

    A row that cannot be read, or has another number of values than the header, is refused by its first line, and
    reading goes on at the line after it: a quote that was never closed costs one row and not all that follow.

    Args:
        lines: the lines without their line feeds.
        last: whether the file ends with them.
    """

    def __init__(self, lines: Sequence[bytes], *, last: bool) -> None:
        self._lines = lines
        self._last = last
        # Apart from this object: a circle of references would keep the lines long after they are done with.
        self._place = _Place(lines)
        self._reader = csv.reader(self._place, strict=True)

    def row(self, index: int) -> tuple[list[str] | Unreadable | None, int]:
        """The row that begins at a line: its values, or why there are none; and the index of the line after it.

        None where the row needs lines that come with the next piece.
        """
        self._place.at = index
        try:
            values = next(self._reader)
        except _NotTextError as error:
            return Unreadable(0, str(error), str(error)), index + 1
        except csv.Error as error:
            if self._place.at >= len(self._lines) and not self._last and self._size(index) <= LONGEST:
                return None, index
            told = _readable(str(error))
            return Unreadable(0, told, told), index + 1
        return values, self._place.at

    def _size(self, index: int) -> int:
        return sum(map(len, self._lines[index:]))


class _Place:
    """Lines as text, from a place that can be changed."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self.at = 0

    def __iter__(self) -> "_Place":
        return self

    def __next__(self) -> str:
        if self.at >= len(self._lines):
            raise StopIteration
        line = self._lines[self.at]
        self.at += 1
        return text(line) + "\n"


class _NotTextError(Exception):
    """A line that is not text."""


def text(line: bytes) -> str:
    """A line as text, its quotes in the form of RFC 4180."""
    try:
        decoded = line.decode()
    except UnicodeDecodeError:
        raise _NotTextError("is not UTF-8 text") from None
    if "\0" in decoded:
        raise _NotTextError("contains a zero byte")
    return _ESCAPED_QUOTE.sub('""', decoded) if '\\"' in decoded else decoded


def header(resource: str, piece: Piece) -> tuple[list[str], Piece]:
    """The column names of a file, and the rest of its first piece.

    Raises:
        Rejected: there is no header, or it is not readable.
    """
    lines = piece.data.split(b"\n")[:-1]
    reader = Lines(lines, last=True)
    index = 0
    while index < len(lines) and not lines[index].strip(b"\r"):
        index += 1
    if index == len(lines):
        raise Rejected(resource, _EMPTY)
    found, end = reader.row(index)
    if not isinstance(found, list):
        told = found.reason if found else "its quotes do not match"
        raise Rejected(resource, f"line {piece.line + index}, which must name the columns, {told}")
    if not any(name.strip() for name in found):
        raise Rejected(resource, _EMPTY)
    rest = b"\n".join(lines[end:])
    return found, Piece(rest + b"\n" if rest or end < len(lines) else b"", piece.line + end, piece.last)


_EMPTY = "the file is empty: its first row must name the columns"


def ragged(values: int, width: int) -> Unreadable:
    """A row with more or fewer values than the header."""
    told = f"has {values} value{'s' * (values != 1)} and the header has {width}"
    return Unreadable(0, told, "has another number of values than the header")


def _readable(message: str) -> str:
    if "field larger" in message:
        return f"has a value of more than {LONGEST_VALUE:,} characters"
    if "new-line character" in message:
        return "has a carriage return in it"
    return "cannot be read: its quotes do not match"
