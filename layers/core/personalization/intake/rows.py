# SPDX-License-Identifier: Apache-2.0
"""The rows of a CSV as frames of text, each row with the number of its line.

Most pieces are as CSV should be, and polars takes them whole. A piece in which something is odd (a broken quote, a
line break inside quotes, a row with too many values, bytes that are no text) is taken apart line by line instead,
with the same outcome for the rows that are fine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress, count

import polars as pl

from personalization.intake.pieces import (
    BOM,
    LONGEST_VALUE,
    PIECE_BYTES,
    Lines,
    Piece,
    Pieces,
    Unreadable,
    header,
    ragged,
)

LINE = "line"
"""The column with the line numbers; no other has small letters."""
_SHOWN = 10_000
"""Bytes of a refused row that are kept."""


def source(index: int) -> str:
    """The name of the drop's column at an index, before it has one of ours."""
    return f"c{index}"


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the file."""

    frame: pl.DataFrame
    """The values of each row as text, and its line."""
    plain: bytes | None
    """The rows as bytes, if these are exactly what `frame` would be written as."""
    unreadable: tuple[Unreadable, ...]
    piece: Piece
    origins: list[bytes] = field(default_factory=list)
    """Lines of the piece, split when somebody asks for one."""

    def original(self, line: int) -> str:
        """The line of the file at which a row begins, shortened if it is very long."""
        if not self.origins:
            self.origins.extend(self.piece.data.split(b"\n"))
        return self.origins[line - self.piece.line].rstrip(b"\r")[:_SHOWN].decode(errors="replace")


class Table:
    """A CSV: its header at once, its rows a piece at a time.

    Args:
        resource: what the messages name.
        chunks: the file's bytes.
        size: bytes of a piece.

    Raises:
        Rejected: the file is no text, has no header, or has a line longer than 8 MB.
    """

    def __init__(self, resource: str, chunks: Iterable[bytes], size: int = PIECE_BYTES) -> None:
        self._pieces = Pieces(resource, chunks, size)
        self._turn = iter(self._pieces)
        first = next(self._turn, Piece(b"", 1, last=True))
        self.header, self._first = header(resource, first)
        self._width = len(self.header)

    def rows(self) -> Iterator[Rows]:
        """The rows after the header; blank lines are none."""
        if self._first.data:
            yield self._read(self._first)
        for piece in self._turn:
            yield self._read(piece)

    def _read(self, piece: Piece) -> Rows:
        data = piece.data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        odd = b"\0" in data or b"\r" in data or data.startswith(BOM) or self._width == 1
        quoted = b'"' in data
        frame = None
        if not odd:
            frame = self._quoted(data) if quoted else self._plain(data)
        if frame is None:
            return self._one_by_one(piece)
        numbered = frame.with_row_index(LINE, piece.line)
        return Rows(numbered, None if quoted else data, (), piece)

    def _plain(self, data: bytes) -> pl.DataFrame | None:
        """A piece without quotes, or None where not every line is a row of the table."""
        frame = self._parse(data, None)
        # polars refuses a row that is too long and fills up one that is too short.
        if frame is None or data.count(b",") != frame.height * (self._width - 1):
            return None
        return frame if self._short(frame) else None

    def _quoted(self, data: bytes) -> pl.DataFrame | None:
        """A piece with quotes in the form of RFC 4180 and none of its rows on several lines, or None."""
        if b'\\"' in data:
            return None
        value = r'(?:[^",]*|"(?:[^"]|"")*")'
        regular = rf"^{value}(?:,{value}){{{self._width - 1}}}$"
        try:
            fine = pl.scan_lines(data).select(pl.col(LINE).str.contains(regular).all()).collect().item()
        except pl.exceptions.PolarsError:
            return None
        frame = self._parse(data, '"') if fine else None
        return frame if frame is not None and self._short(frame) else None

    def _parse(self, data: bytes, quote: str | None) -> pl.DataFrame | None:
        schema = {source(index): pl.String for index in range(self._width)}
        try:
            return pl.read_csv(data, has_header=False, schema=schema, quote_char=quote, empty_string_is_null=False)
        except pl.exceptions.PolarsError:
            return None

    def _short(self, frame: pl.DataFrame) -> bool:
        longest = frame.select(pl.max_horizontal(pl.all().str.len_bytes().max())).item()
        return longest is None or longest <= LONGEST_VALUE

    def _one_by_one(self, piece: Piece) -> Rows:
        """A piece with something odd in it: its odd lines are read one by one, and polars takes the others."""
        lines = piece.data.split(b"\n")[:-1]
        kept = bytearray(b"\1") * len(lines)
        parsed: list[list[str]] = []
        parsed_lines: list[int] = []
        unreadable: list[Unreadable] = []
        reader = Lines(lines, last=piece.last)
        after = 0
        for index in self._odd(piece.data, lines):
            if index < after:
                continue
            kept[index] = 0
            if not lines[index].strip(b"\r"):
                continue
            found, after = reader.row(index)
            if found is None:
                self._pieces.give_back(b"".join(each + b"\n" for each in lines[index:]))
                del kept[index:]
                break
            if isinstance(found, list) and len(found) != self._width:
                found, after = ragged(len(found), self._width), index + 1
            if isinstance(found, list):
                kept[index:after] = bytes(after - index)
                parsed.append(found)
                parsed_lines.append(piece.line + index)
            else:
                unreadable.append(Unreadable(piece.line + index, found.reason, found.rule))
        frame = self._frame(list(compress(lines, kept)), list(compress(count(piece.line), kept)))
        if parsed:
            frame = pl.concat([frame, self._from_lists(parsed, parsed_lines)]).sort(LINE)
        return Rows(frame, None, tuple(unreadable), piece, lines)

    def _odd(self, data: bytes, lines: list[bytes]) -> list[int]:
        """The lines that are not, beyond doubt, rows of the table; a row may begin at one of them and end later."""
        commas = self._width - 1
        # A carriage return belongs to the line's end if every line has one there.
        ends = data.count(b"\r\n")
        if (
            ends == data.count(b"\r")
            and ends in {0, len(lines)}
            and not any(mark in data for mark in (b'"', b"\0", BOM))
        ):
            blank = b"\r" if ends else b""
            if _is_text(data) and max(map(len, lines)) <= LONGEST_VALUE:
                return [index for index, line in enumerate(lines) if line.count(b",") != commas or line == blank]
        return [index for index, line in enumerate(lines) if not self._is_plain(line)]

    def _is_plain(self, line: bytes) -> bool:
        line = line.removesuffix(b"\r")
        if line.count(b",") != self._width - 1 or not line or b'"' in line or b"\r" in line or b"\0" in line:
            return False
        return len(line) <= LONGEST_VALUE and not line.startswith(BOM) and _is_text(line)

    def _frame(self, plain: list[bytes], lines: list[int]) -> pl.DataFrame:
        data = b"\n".join(plain) + b"\n"
        frame = self._parse(data.replace(b"\r", b"") if b"\r" in data else data, None) if plain else None
        if frame is None:
            return self._from_lists([line.decode().removesuffix("\r").split(",") for line in plain], lines)
        return frame.select(pl.Series(LINE, lines, pl.UInt32), pl.all())

    def _from_lists(self, rows: list[list[str]], lines: list[int]) -> pl.DataFrame:
        columns = list(zip(*rows, strict=True)) or [()] * self._width
        texts = {source(index): pl.Series(values, dtype=pl.String) for index, values in enumerate(columns)}
        return pl.DataFrame({LINE: pl.Series(lines, dtype=pl.UInt32), **texts})


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
