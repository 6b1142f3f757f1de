# SPDX-License-Identifier: Apache-2.0
"""Read a CSV as frames of text, each row with its line number, and write frames as CSV.

polars reads all lines that are clearly rows of the table; `irregular` reads the others. Line numbers are physical
lines, as in an editor: the first line is line 1.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import Protocol, runtime_checkable

import polars as pl

from table_intake.columns.header import canonical
from table_intake.errors import Refused
from table_intake.read import line_breaks
from table_intake.read.byte_counts import count_byte
from table_intake.read.irregular import (
    LINE,
    LONGEST,
    LONGEST_VALUE,
    MOST_COLUMNS,
    QUOTES,
    SPECIAL,
    VALUES,
    Irregular,
    Piece,
    RowReader,
    Shape,
    read_irregular,
    starts,
)
from table_intake.table import Unreadable
from table_intake.wording import Text
from table_intake.write import dialect

PIECE_BYTES = 8 << 20
"""Bytes of a piece: large enough for the overhead of calls, small enough for any function's memory."""
PIECE_LINES = 1 << 19
"""Approximate lines of a piece: as many as 8 MB have of the shortest rows."""
_CELLS = 8_000_000
"""Approximate cells of a piece: with many columns, pieces are smaller."""
_SHOWN = 10_000
"""Bytes of a refused row that are kept."""
_FEW = 0.1
"""The share of lines with quotes up to which each of them is read separately."""
_BREAKS = tuple(line_break.encode() for line_break in line_breaks.KINDS if not line_break.isascii())
_BOM = b"\xef\xbb\xbf"
_PACKED = (b"x\x01", b"x^")
"""Prefixes that polars mistakes for zlib. Other compressed formats do not begin with valid UTF-8."""
EMPTY = Text("file.empty", "the file is empty: its first row must name the columns")
"""Why a file without a header is refused."""
_SHORT = "the file has no more than {above:,} lines, and the setting header names one below them"
_ZEROS = "personalization.zeros"


class Pieces:
    """The pieces of a file. Before the next piece, its reader reports how many lines are done."""

    def __init__(
        self, resource: str, chunks: Iterable[bytes], size: int, line: int, behind: Iterable[bytes] | None
    ) -> None:
        self._resource = resource
        self._chunks = iter(chunks)
        self._behind = behind
        self._size = size
        self._rest = b""
        self._carried = 0
        self._line = line
        self._begun = self._ended = False
        self.lines = PIECE_LINES
        """Approximate lines of a piece: each takes memory, however short it is."""
        self.until: int | None = None
        """The number of the first line behind the range, once lines are read from there."""

    def __iter__(self) -> Iterator[Piece]:
        while True:
            if self._ended and self._behind is not None and self._rest and self._carried == len(self._rest):
                # The range ends within a row.
                self.until = self._line + count_byte(self._rest, b"\n")
                self._chunks, self._behind, self._ended = iter(self._behind), None, False
            elif self.until is not None and self._line >= self.until:
                return
            self._fill()
            end = self._end()
            piece, self._rest, self._carried = self._rest[:end], self._rest[end:], 0
            if b"\n" not in self._rest[: LONGEST + 1] and len(self._rest) > LONGEST:
                line = self._line + piece.count(b"\n")
                raise Refused(self._resource, Text("file.long-line", "line {line} is longer than 8 MB", line=line))
            if not piece:
                return
            yield Piece(piece, self._line, self._ended and not self._rest and self._behind is None)

    @property
    def held(self) -> int:
        """The bytes that were read and are not in a piece yet."""
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
            self._rest = self._rest.removeprefix(_BOM)
        if self._ended and self._rest and not self._rest.endswith(b"\n"):
            # The last line may lack its line feed.
            self._rest += b"\n"

    def _end(self) -> int:
        """Return the byte after the last line of the piece."""
        begin = self._carried
        lines = count_byte(self._rest[begin:], b"\n")
        if lines <= self.lines:
            return self._rest.rfind(b"\n") + 1
        share = (len(self._rest) - begin) * self.lines // lines
        while True:
            end = self._rest.find(b"\n", begin + share) + 1
            if share <= self.lines or self._rest.count(b"\n", begin, end) <= 2 * self.lines:
                return end
            share //= 2


def source(index: int) -> str:
    """Return the name of the drop's column at an index, before it gets its own."""
    return f"c{index}"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a piece."""

    piece: Piece
    lines: pl.Series
    """Without line ends; bytes that are not text are zeros."""
    frame: pl.DataFrame
    """The values of each row as text, and its line."""
    plain: bool
    """Whether each row is written as it came, except for its line end: nothing in it needs quotes."""
    breaks: bool
    """Whether values may contain line breaks."""
    left_out: pl.Series = field(default_factory=partial(pl.Series, dtype=pl.UInt32))
    """The numbers of the other lines, where the rows are plain."""
    unreadable: Sequence[Unreadable] = ()
    """Invalid rows other than `ragged`."""
    ragged: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema={LINE: pl.UInt32, VALUES: pl.UInt32}))
    """The lines with another number of values than the header has, and that number."""
    blank: int = 0
    """Blank lines, which are not rows."""
    separator: str = ","

    @property
    def suspects(self) -> Sequence[str] | None:
        """See `table.Rows`."""
        return () if self.plain else None

    @property
    def end(self) -> int:
        """The number of the last line."""
        return self.piece.line + self.lines.len() - 1

    @property
    def size(self) -> int:
        """The bytes of these lines."""
        return len(self.piece.data)

    @property
    def last(self) -> bool:
        """Whether no rows follow."""
        return self.piece.last

    def originals(self, numbers: Sequence[int]) -> list[str]:
        """Return the lines of some numbers, shortened if they are very long."""
        lines = self.lines.gather([number - self.piece.line for number in numbers])
        return [_shortened(line.replace("\0", "\ufffd")) for line in lines.to_list()]

    def texts(self, frame: pl.DataFrame) -> list[str]:
        """See `table.Rows`."""
        return self.originals(frame[LINE].to_list())

    def less(self, numbers: Sequence[int]) -> "Rows":
        """Return these rows without those of some lines."""
        others = ~pl.col(LINE).is_in([*numbers])
        left_out = pl.concat([self.left_out, pl.Series([*numbers], dtype=pl.UInt32)]).unique().sort()
        return replace(self, frame=self.frame.filter(others), ragged=self.ragged.filter(others), left_out=left_out)

    def without(self, numbers: pl.Series) -> list[bytes | memoryview]:
        """Return the lines except some (in ascending order), as parts of a CSV with a line feed after each line."""
        data = self.piece.data
        view, runs, end = memoryview(data), list[bytes | memoryview](), 0
        places = numbers - self.piece.line
        sizes = self.lines.gather(places).str.len_bytes()
        for begin, size in zip(starts(data, self.lines, places), sizes, strict=True):
            runs.append(view[end:begin])
            end = data.index(b"\n", begin + size) + 1
        runs.append(view[end:])
        if b"\r" in data:
            runs = [b"".join(runs).replace(b"\r\n", b"\n")]
        return runs if self.separator == "," else [b"".join(runs).replace(self.separator.encode(), b",")]


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written."""

    separator: str = ","
    """One ASCII character other than letters, digits, quotes, backslashes and line ends."""
    encoding: Callable[[], str] = lambda: "UTF-8"
    """Returns the name of its encoding, which may be found while it is read, for reasons.

    Its bytes are UTF-8 here, but for those that are not text.
    """
    header: Sequence[str] | None = None
    """The names of its columns, if they are known: its bytes begin behind the header."""
    names: Sequence[str] = ()
    """The names of its columns, if its first row may or may not be the header."""
    line: int = 1
    """The number of its first line."""
    above: int = 0
    """The lines above the names of its columns."""
    behind: Iterable[bytes] | None = None
    """What follows on its bytes: only their last row may go on there."""


CSV = Form()


@runtime_checkable
class BoundedSource(Protocol):
    """A source of bytes that knows how many may still come."""

    def left(self) -> int:
        """Return the bytes that may still come, at most."""


class Table:
    """A CSV: its header at once, its rows a piece at a time.

    Args:
        resource: the name in messages.
        chunks: the file's bytes, preferably a `BoundedSource`.
        size: bytes of a piece.
        form: how it is written.

    Raises:
        Refused: the file has no readable header, or a line longer than 8 MB.
    """

    @property
    def notes(self) -> Sequence[str]:
        """See `table.Table`."""
        return ()

    def __init__(self, resource: str, chunks: Iterable[bytes], size: int = PIECE_BYTES, form: Form = CSV) -> None:
        self._source = chunks if isinstance(chunks, BoundedSource) else None
        self._pieces = Pieces(resource, chunks, size, form.line, form.behind)
        self._turn = iter(self._pieces)
        self._shape = Shape(None, form.separator, form.encoding)
        if form.header is None:
            first = next(self._turn, Piece(b"", 1, last=True))
            self.header, rest = _header(resource, first, self._shape, form.above)
            if form.names and [*map(canonical, self.header)] != [*map(canonical, form.names)]:
                self.header, rest = [*form.names], first
            self._pieces.again(rest.line - first.line, rest.data)
        else:
            self.header = [*form.header]
        self._width = len(self.header)
        self._shape = replace(self._shape, width=self._width)
        self._pieces.lines = min(self._pieces.lines, _CELLS // self._width)
        self.behind = 0
        """Lines behind the range that belong to its last row."""

    def rows(self) -> Iterator[Rows]:
        """Yield the rows after the header, without blank lines."""
        for piece in self._turn:
            yield self._read(piece)

    def rows_left(self, shortest: int) -> int | None:
        """See `table.Table`."""
        return (self._source.left() + self.held) // shortest if self._source is not None else None

    @property
    def held(self) -> int:
        """The bytes that were read and are not in rows yet."""
        return self._pieces.held

    def _read(self, piece: Piece) -> Rows:
        data = _readable(piece.data)
        lines = _lines(data)
        quoted = lines.str.contains('"', literal=True).mean() if b'"' in data else 0
        many_quotes = isinstance(quoted, float) and quoted > _FEW
        if many_quotes and (joined := self._joined_rows(piece, data, lines)) is not None:
            return joined
        frame, regular = self._quoted(lines, data) if many_quotes else self._plain(lines, data)
        mark = self._shape.separator
        plain = not many_quotes and b"\\" not in data and (mark == "," or b"," not in data)
        breaks = _has_line_breaks(piece.data)
        if regular is None:
            self._pieces.done(lines.len())
            return Rows(piece, lines, frame.with_row_index(LINE, piece.line), plain, breaks, separator=mark)
        irregular = read_irregular(piece, data, lines, regular=regular, shape=self._shape, parse=self._parse)
        self._pieces.done(irregular.done, irregular.rest)
        line = pl.col(LINE)
        frame = frame.select(regular.arg_true().alias(LINE), pl.all())
        if irregular.taken or irregular.rest:
            frame = frame.filter(line.is_in(irregular.taken).not_() & (line < irregular.done))
        if irregular.rows:
            frame = pl.concat([frame, *irregular.rows]).sort(LINE)
        rows = Rows(
            piece,
            lines,
            frame.with_columns(line + piece.line),
            plain=plain and not irregular.rows,
            breaks=irregular.breaks or breaks,
            left_out=regular.not_().arg_true() + piece.line,
            unreadable=irregular.unreadable,
            ragged=irregular.ragged.with_columns(line + piece.line),
            blank=irregular.blank,
            separator=mark,
        )
        return rows if self._pieces.until is None else self._within(rows, irregular, self._pieces.until)

    def _joined_rows(self, piece: Piece, data: bytes, lines: pl.Series) -> Rows | None:
        """Return the rows of a piece, some with line breaks in quotes; None unless all have the form of RFC 4180.

        Then a line ends a row if there is an even number of quotes up to its end.
        """
        returns = data.count(b"\r")
        if b"\0" in data or (returns and not returns == data.count(b"\r\n") == lines.len()):
            return None
        open_after = lines.str.count_matches('"', literal=True).cum_sum() % 2 == 1
        if not open_after.any():
            return None
        begins = ~open_after.shift(1, fill_value=False)
        done, rest = lines.len(), b""
        if open_after[-1]:
            done = int(begins.arg_true()[-1])
            rest = piece.data[starts(data, lines, pl.Series([done]))[0] :]
            if piece.last or not done or len(rest) > LONGEST_VALUE:
                return None
            open_after, begins = open_after.head(done), begins.head(done)
        ends = pl.when(open_after).then(pl.lit("\0")).otherwise(pl.lit("\n"))
        text = pl.select(pl.concat_str(lines.head(done), ends).str.join("")).item().encode()
        rows = _lines(text)
        places, sizes = begins.arg_true(), rows.str.len_bytes()
        if blank := int((sizes == 0).sum()):
            places, rows = places.filter(sizes > 0), rows.filter(sizes > 0)
            text = _joined(rows)
        value = rf'(?:[^"{self._shape.mark}\r\x00]*|"(?:[^"\r]|"")*")'
        if (sizes > LONGEST_VALUE).any() or not rows.str.contains(self._shape.row(value)).all():
            return None
        frame = self._parse(text, '"')
        broken = [name for name in frame.columns if frame[name].str.contains("\0", literal=True).any()]
        frame = frame.with_columns(pl.col(broken).str.replace_all("\0", "\r\n" if returns else "\n", literal=True))
        self._pieces.done(done, rest)
        taken = begins.not_().arg_true().to_list() if self._pieces.until is not None else []
        split_rows = Rows(
            piece,
            lines,
            frame.select((places + piece.line).cast(pl.UInt32).alias(LINE), pl.all()),
            plain=False,
            breaks=True,
            blank=blank,
            separator=self._shape.separator,
        )
        return (
            split_rows
            if self._pieces.until is None
            else self._within(split_rows, Irregular(done, taken=taken), self._pieces.until)
        )

    def _within(self, rows: Rows, irregular: Irregular, until: int) -> Rows:
        """Return those of some rows that begin before a line, and note how far the last of them goes."""
        taken = {rows.piece.line + number for number in irregular.taken}
        while until + self.behind in taken:
            self.behind += 1
        before = pl.col(LINE) < until
        return replace(
            rows,
            frame=rows.frame.filter(before),
            plain=False,
            unreadable=[bad for bad in rows.unreadable if bad.line < until],
            ragged=rows.ragged.filter(before),
            blank=0,
        )

    def _plain(self, lines: pl.Series, data: bytes) -> tuple[pl.DataFrame, pl.Series | None]:
        """Return the rows of a piece without quotes, and which lines they are, or None for all."""
        mark = self._shape.separator
        if count_byte(data, mark.encode()) > 2 * self._width * lines.len():
            # polars needs much time and memory for lines with many more values than the header.
            fits = lines.str.count_matches(mark, literal=True) == self._width - 1
            frame, regular = self._plain(lines.filter(fits), _joined(lines.filter(fits)))
            return frame, fits if regular is None else fits.scatter(fits.arg_true(), regular)
        frame = self._parse(data, None) if self._width > 1 else lines.alias(source(0)).to_frame()
        sizes = lines.str.len_bytes()
        # polars cuts off extra values and fills in missing ones; then the sizes do not add up.
        cells = frame.select(pl.sum_horizontal(pl.all().str.len_bytes())).to_series()
        regular = (sizes == cells + (self._width - 1)) & (sizes <= LONGEST_VALUE)
        if self._width == 1:
            regular &= (sizes > 0) & ~lines.str.contains(mark, literal=True)
        if any(mark in data for mark in (b'"', b"\0", b"\r")):
            regular &= ~lines.str.contains(SPECIAL)
        return (frame, None) if regular.all() else (frame.filter(regular), regular)

    def _quoted(self, lines: pl.Series, data: bytes) -> tuple[pl.DataFrame, pl.Series | None]:
        """Return the rows of a piece with quotes in the form of RFC 4180 on single lines, and which lines they are."""
        value = rf'(?:[^"{self._shape.mark}\r\x00]*|"(?:[^"\r\x00]|"")*")'
        sizes = lines.str.len_bytes()
        regular = (sizes > 0) & (sizes <= LONGEST_VALUE)
        regular &= lines.str.contains(self._shape.row(value))
        if regular.all():
            return self._parse(data, '"'), None
        return self._parse(_joined(lines.filter(regular)), '"'), regular

    def _parse(self, data: bytes, quote: str | None) -> pl.DataFrame:
        schema = {source(index): pl.String for index in range(self._width)}
        if not data:
            return pl.DataFrame(schema=schema)
        return pl.read_csv(
            # polars would remove a byte order mark, but only one.
            _BOM + data if data.startswith((_BOM, *_PACKED)) else data,
            has_header=False,
            schema=schema,
            separator=self._shape.separator,
            quote_char=quote,
            empty_string_is_null=False,
            extra_columns="ignore",
            missing_columns="insert",
        )


def _header(resource: str, piece: Piece, shape: Shape, above: int) -> tuple[list[str], Piece]:
    """Return the column names of a file, below some lines, and the rest of its first piece.

    Raises:
        Refused: the header is missing or unreadable.
    """
    start, line = 0, piece.line
    for _ in range(above):
        start, line = piece.data.find(b"\n", start) + 1, line + 1
        if not start:
            raise Refused(resource, Text("file.short", _SHORT, above=above) if piece.data.strip() else EMPTY)
    names = list[str]()
    while not any(name.strip() for name in names):
        # A report may begin with rows that have separators alone.
        while start < len(piece.data) and not piece.data[start : piece.data.index(b"\n", start)].strip(b"\r"):
            start, line = piece.data.index(b"\n", start) + 1, line + 1
        if start >= len(piece.data):
            raise Refused(resource, EMPTY)
        begin, first = start, line
        row, start = RowReader(piece, shape).row(start)
        if not isinstance(row, list):
            problem = row.reason if row else QUOTES
            text = "line {line}, which must name the columns, {problem}"
            raise Refused(resource, Text("file.header", text, line=line, problem=problem))
        names, line = row, line + piece.data.count(b"\n", begin, start)
    if len(names) > MOST_COLUMNS:
        text = "line {line}, which must name the columns, has {columns:,} of them"
        raise Refused(resource, Text("file.many-columns", text, line=first, columns=len(names)))
    return names, Piece(piece.data[start:], line, piece.last)


def _lines(data: bytes) -> pl.Series:
    """Return the lines of a text without their ends."""
    if data.startswith(_PACKED):
        return pl.scan_lines(b"\n" + data).collect().to_series().slice(1)
    return pl.scan_lines(data).collect().to_series()


def _joined(lines: pl.Series) -> bytes:
    return ("\n".join(lines) + "\n").encode() if lines.len() else b""


def _readable(data: bytes) -> bytes:
    """Return a piece as UTF-8 of the same size."""
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


def _has_line_breaks(data: bytes) -> bool:
    """Tell whether lines that end with LF or CRLF have other line breaks in them.

    Lone carriage returns don't count: `irregular` reads such lines.
    """
    return b"\v" in data or b"\f" in data or (not data.isascii() and any(line_break in data for line_break in _BREAKS))


def _shortened(line: str) -> str:
    return line if len(line) <= _SHOWN // 4 else line.encode()[:_SHOWN].decode(errors="replace")


def render(frame: pl.DataFrame, suspects: Iterable[str]) -> bytes:
    """Return a frame of texts as rows in Personalize's form, without a header: see `dialect.record`.

    Args:
        frame: the rows.
        suspects: columns that may contain commas, quotes or backslashes; others must not.
    """
    to_quote = [name for name in suspects if frame[name].str.contains(dialect.SPECIAL).any()]
    file = BytesIO()
    frame.with_columns(map(_quoted, to_quote)).write_csv(file, include_header=False, quote_style="never")
    return file.getvalue()


def _quoted(name: str) -> pl.Expr:
    """Return the cells of a column, quoted where they need it."""
    cell = pl.col(name)
    escaped = cell.str.replace_all(f"({dialect.ESCAPED})", r"\${1}")
    return pl.when(cell.str.contains(dialect.SPECIAL)).then(pl.format('"{}"', escaped)).otherwise(cell).alias(name)
