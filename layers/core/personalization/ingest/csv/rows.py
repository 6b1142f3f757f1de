# SPDX-License-Identifier: Apache-2.0
"""The rows of a CSV as frames of text, each row with the number of its line.

polars takes all lines that are rows of the table beyond doubt. The others (a broken quote, a line break inside quotes,
too many values, bytes that are no text) are read one by one, with the same outcome as if the csv module had read the
whole file.
"""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from personalization.core import line_breaks
from personalization.ingest.csv import odd
from personalization.ingest.csv.odd import LINE, MARKED, VALUES, starts
from personalization.ingest.csv.pieces import BOM, LONGEST_VALUE, PIECE_BYTES, Piece, Pieces, Unreadable, header

_CELLS = 8_000_000
"""Cells of a piece, about: rows of many columns come in smaller pieces."""
_SHOWN = 10_000
"""Bytes of a refused row that are kept."""
_FEW = 0.1
"""The share of lines with quotes up to which each of them is read by itself."""
_ZEROS = "personalization.zeros"
_NO_LINES = pl.Series(dtype=pl.UInt32)
_NONE_RAGGED = pl.DataFrame(schema={LINE: pl.UInt32, VALUES: pl.UInt32})


def source(index: int) -> str:
    """The name of the drop's column at an index, before it has one of ours."""
    return f"c{index}"


@dataclass(frozen=True, slots=True)
class Text:
    """The lines of a piece."""

    piece: Piece
    lines: pl.Series
    """Without their ends. Bytes that are no text are zeros."""

    @property
    def end(self) -> int:
        """The number of the last line."""
        return self.piece.line + self.lines.len() - 1

    def originals(self, numbers: Sequence[int]) -> list[str]:
        """The lines of some numbers, shortened if they are very long."""
        found = self.lines.gather([number - self.piece.line for number in numbers])
        return [_shown(line.replace("\0", "\ufffd")) for line in found.to_list()]

    def without(self, numbers: pl.Series) -> list[bytes | memoryview]:
        """The lines but for those of some numbers, which go up: as parts that together have a line feed after each."""
        data = self.piece.data
        whole, kept, end = memoryview(data), list[bytes | memoryview](), 0
        places = numbers - self.piece.line
        sizes = self.lines.gather(places).str.len_bytes()
        for begin, size in zip(starts(data, self.lines, places), sizes, strict=True):
            kept.append(whole[end:begin])
            end = data.index(b"\n", begin + size) + 1
        kept.append(whole[end:])
        return [b"".join(kept).replace(b"\r\n", b"\n")] if b"\r" in data else kept


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the file."""

    frame: pl.DataFrame
    """The values of each row as text, and its line."""
    plain: bool
    """Whether each row is written as it came, apart from the line's end: nothing in it needs quotes."""
    left_out: pl.Series
    """The numbers of the other lines, where the rows are plain."""
    breaks: bool
    """Whether values may have line breaks in them."""
    unreadable: Sequence[Unreadable]
    """Rows that are no rows of the table, but for `ragged`."""
    ragged: pl.DataFrame
    """The lines with another number of values than the header has, and that number."""
    blank: int
    """Lines with nothing in them, which are no rows."""
    text: Text


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
        self.header, rest = header(resource, first)
        self._width = len(self.header)
        self._pieces.lines = min(self._pieces.lines, _CELLS // self._width)
        self._pieces.again(rest.line - first.line, rest.data)

    def rows(self) -> Iterator[Rows]:
        """The rows after the header; blank lines are none."""
        for piece in self._turn:
            yield self._read(piece)

    @property
    def held(self) -> int:
        """Bytes that were read of the file and are in no rows yet."""
        return self._pieces.held

    def _read(self, piece: Piece) -> Rows:
        data = _readable(piece.data)
        text = Text(piece, pl.scan_lines(data).collect().to_series())
        quoted = text.lines.str.contains('"', literal=True).mean() if b'"' in data else 0
        many = isinstance(quoted, float) and quoted > _FEW
        frame, regular = self._quoted(text.lines, data) if many else self._plain(text.lines, data)
        if regular is not None:
            return self._mixed(piece, data, text, frame, regular, plain=not many and b"\\" not in data)
        self._pieces.done(text.lines.len())
        numbered, breaks = frame.with_row_index(LINE, piece.line), line_breaks.within(data)
        return Rows(numbered, not many and b"\\" not in data, _NO_LINES, breaks, (), _NONE_RAGGED, 0, text)

    def _plain(self, lines: pl.Series, data: bytes) -> tuple[pl.DataFrame, pl.Series | None]:
        """The rows of a piece that have no quotes, and which lines they are, or None for all."""
        if data.count(b",") > 2 * self._width * lines.len():
            # Lines of many more values than the header has take polars a long time and much memory.
            fits = lines.str.count_matches(",", literal=True) == self._width - 1
            frame, regular = self._plain(lines.filter(fits), _joined(lines.filter(fits)))
            return frame, fits if regular is None else fits.scatter(fits.arg_true(), regular)
        frame = self._parse(data, None) if self._width > 1 else lines.alias(source(0)).to_frame()
        sizes = lines.str.len_bytes()
        # polars cuts off what is too much and fills in what is missing: then the sizes do not add up.
        cells = frame.select(pl.sum_horizontal(pl.all().str.len_bytes())).to_series()
        regular = (sizes == cells + (self._width - 1)) & (sizes <= LONGEST_VALUE)
        if self._width == 1:
            regular &= (sizes > 0) & ~lines.str.contains(",", literal=True)
        if any(mark in data for mark in (b'"', b"\0", b"\r")):
            regular &= ~lines.str.contains(MARKED)
        return (frame, None) if regular.all() else (frame.filter(regular), regular)

    def _quoted(self, lines: pl.Series, data: bytes) -> tuple[pl.DataFrame, pl.Series | None]:
        """The rows of a piece with quotes in the form of RFC 4180, none on several lines; and which lines they are."""
        value = r'(?:[^",\r\x00]*|"(?:[^"\r\x00]|"")*")'
        sizes = lines.str.len_bytes()
        regular = (sizes > 0) & (sizes <= LONGEST_VALUE)
        regular &= lines.str.contains(rf"^{value}(?:,{value}){{{self._width - 1}}}$")
        if regular.all():
            return self._parse(data, '"'), None
        return self._parse(_joined(lines.filter(regular)), '"'), regular

    def _parse(self, data: bytes, quote: str | None) -> pl.DataFrame:
        schema = {source(index): pl.String for index in range(self._width)}
        if not data:
            return pl.DataFrame(schema=schema)
        return pl.read_csv(
            # polars takes these three bytes for the mark of a file that begins here, and leaves them out.
            BOM + data if data.startswith(BOM) else data,
            has_header=False,
            schema=schema,
            quote_char=quote,
            empty_string_is_null=False,
            extra_columns="ignore",
            missing_columns="insert",
        )

    def _mixed(
        self, piece: Piece, data: bytes, text: Text, frame: pl.DataFrame, regular: pl.Series, *, plain: bool
    ) -> Rows:
        """A piece of which `frame` has the regular lines, with what the other ones give."""
        others = odd.read(piece, data, text.lines, regular, self._width, self._parse)
        self._pieces.done(others.done, others.rest)
        place = pl.col(LINE)
        frame = frame.select(regular.arg_true().alias(LINE), pl.all())
        if others.taken or others.rest:
            frame = frame.filter(place.is_in(others.taken).not_() & (place < others.done))
        if others.rows:
            frame = pl.concat([frame, *others.rows]).sort(LINE)
        return Rows(
            frame=frame.with_columns(place + piece.line),
            plain=plain and not others.rows,
            left_out=regular.not_().arg_true() + piece.line,
            breaks=others.breaks or line_breaks.within(piece.data),
            unreadable=others.unreadable,
            ragged=others.ragged.with_columns(place + piece.line),
            blank=others.blank,
            text=text,
        )


def _joined(lines: pl.Series) -> bytes:
    return ("\n".join(lines) + "\n").encode() if lines.len() else b""


def _readable(data: bytes) -> bytes:
    """A piece as UTF-8 of the same size."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode(errors=_ZEROS).encode()
    return data


def _zeros(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\0" * (error.end - error.start), error.end


codecs.register_error(_ZEROS, _zeros)


def _shown(line: str) -> str:
    return line if len(line) <= _SHOWN // 4 else line.encode()[:_SHOWN].decode(errors="replace")
