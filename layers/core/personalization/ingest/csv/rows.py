# SPDX-License-Identifier: Apache-2.0
"""The rows of a CSV as frames of text, each row with its line number.

polars reads all lines that are clearly rows of the table. Irregular lines (a broken quote, a line break inside quotes,
too many values, bytes that are not text) are read one by one, with the same result as reading the whole file by the
csv module.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import polars as pl

from personalization.core import line_breaks
from personalization.ingest.csv.pieces import (
    BOM,
    LONGEST_VALUE,
    PIECE_BYTES,
    Piece,
    Pieces,
    RowReader,
    Unreadable,
    header,
    unescaped,
)

SPECIAL = r'["\r\x00]'
"""Characters that no plain line has."""
LINE = "line"
"""The column with the line numbers; no column of a drop has lower-case letters."""
Parse = Callable[[bytes, str | None], pl.DataFrame]
VALUES = "values"
"""The column with the number of a line's values."""


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
    piece: Piece,
    data: bytes,
    lines: pl.Series,
    regular: pl.Series,
    width: int,
    parse: Parse,
) -> Irregular:
    """Read the irregular lines of a piece.

    Args:
        piece: the piece.
        data: its bytes, with zeros in place of those that are not text.
        lines: its lines as text, without their ends.
        regular: the lines to skip.
        width: the number of values of a row.
        parse: reads rows of one line each: in the form of RFC 4180, or with literal quotes.
    """
    result = Irregular(lines.len())
    places = regular.not_().arg_true()
    texts = lines.gather(places)
    sizes = texts.str.len_bytes()
    blank = (texts.str.strip_chars("\r").str.len_bytes() if b"\r" in data else sizes) == 0
    values = texts.str.count_matches(",", literal=True) + 1
    plain = ~texts.str.contains(SPECIAL) & ((sizes <= LONGEST_VALUE) | (values != width))
    ragged = ~blank & plain & (values != width)
    other_lines = ~blank & ~ragged
    if other_lines.any():
        chosen = places.filter(other_lines)
        begins = starts(data, lines, chosen)
        ends = [begin + size for begin, size in zip(begins, sizes.filter(other_lines).to_list(), strict=True)]
        _read_lines(
            _Candidates(chosen.to_list(), begins, ends, texts.filter(other_lines)), piece, data, width, parse, result
        )
    result.ragged = pl.DataFrame([places.alias(LINE), values.alias(VALUES)]).filter(ragged & (places < result.done))
    result.blank = int((blank & (places < result.done)).sum())
    if result.taken:
        result.ragged = result.ragged.filter(pl.col(LINE).is_in(result.taken).not_())
    return result


def starts(data: bytes, lines: pl.Series, places: pl.Series) -> list[int]:
    """Return the bytes at which some lines begin."""
    returns = data.count(b"\r\n") if b"\r" in data else 0
    if returns not in {0, lines.len()}:
        ends = list(accumulate(len(line) + 1 for line in data.split(b"\n")))
        return [ends[place - 1] if place else 0 for place in places.to_list()]
    sizes = lines.str.len_bytes().cast(pl.Int64) + (2 if returns else 1)
    return (sizes.cum_sum() - sizes).gather(places).to_list()


def _read_lines(
    candidates: _Candidates, piece: Piece, data: bytes, width: int, parse: Parse, result: Irregular
) -> None:
    """Read these lines in order."""
    literal = _literal(candidates.texts, width)
    valid = _rows(candidates, data, width)
    plain: list[int] = []
    multi_line: dict[int, str] = {}
    read_singly: dict[int, list[str]] = {}
    reader = RowReader(piece, width)
    after = 0
    for number, place in enumerate(candidates.places):
        if place < after:
            continue
        if literal[number]:
            plain.append(number)
            continue
        if number in valid:
            multi_line[place], last = valid[number]
            after = last + 1
        else:
            start = candidates.begins[number]
            row, end = reader.row(start)
            if row is None:
                result.done, result.rest = place, piece.data[start:]
                break
            if isinstance(row, Unreadable):
                result.unreadable.append(Unreadable(piece.line + place, row.reason, row.rule))
                continue
            read_singly[place] = row
            after = place + piece.data.count(b"\n", start, end)
        if after > place + 1:
            result.taken += range(place + 1, after)
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


def _rows(candidates: _Candidates, data: bytes, width: int) -> dict[int, tuple[str, int]]:
    """Return the rows in the form of RFC 4180 that begin at these lines, and their last lines.

    A row ends where it has an even number of quotes: with its first line, or with the next one that has an odd number.
    So each line is in at most two possible rows, and checking all of them costs two passes.
    """
    ends = _row_ends((candidates.texts.str.count_matches('"', literal=True) % 2 == 0).to_list())
    begins = _row_starts(ends)
    valid = _valid_rows(candidates, data, width, begins, ends)
    if len(valid) == len(begins):
        return valid
    valid |= _valid_rows(candidates, data, width, sorted({*range(len(ends))}.difference(begins)), ends)
    if b'\\"' in data:
        ends = _row_ends([unescaped(text).count('"') % 2 == 0 for text in candidates.texts.to_list()])
        others = [number for number in range(len(ends)) if number not in valid]
        valid |= _valid_rows(candidates, data, width, others, ends, escaped=True)
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
    width: int,
    numbers: Sequence[int],
    lasts: Sequence[int],
    *,
    escaped: bool = False,
) -> dict[int, tuple[str, int]]:
    """Return the valid ones of possible rows, and their last lines."""
    begins, ends = candidates.begins, candidates.ends
    known = [each for each in numbers if lasts[each] >= 0 and ends[lasts[each]] - begins[each] <= LONGEST_VALUE]
    texts = [data[begins[each] : ends[lasts[each]]].decode() for each in known]
    if escaped:
        texts = [unescaped(text) for text in texts]
    value = r'(?:[^",\r\n\x00]*|"(?:[^"\r\x00]|\r\n|"")*")'
    good = pl.Series(texts, dtype=pl.String).str.contains(rf"^{value}(?:,{value}){{{width - 1}}}$")
    rows = zip(known, texts, good, strict=True)
    return {each: (text, candidates.places[lasts[each]]) for each, text, fits in rows if fits}


def _literal(texts: pl.Series, width: int) -> list[bool]:
    """Tell which lines are rows with literal quotes, because no value begins with one."""
    value = r'(?:[^",\r\x00][^,\r\x00]*)?'
    good = texts.str.contains(rf"^{value}(?:,{value}){{{width - 1}}}$") & (texts.str.len_bytes() <= LONGEST_VALUE)
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


_CELLS = 8_000_000
"""Approximate cells of a piece: with many columns, pieces are smaller."""
_SHOWN = 10_000
"""Bytes of a refused row that are kept."""
_FEW = 0.1
"""The share of lines with quotes up to which each of them is read separately."""
_ZEROS = "personalization.zeros"
_NO_LINES = pl.Series(dtype=pl.UInt32)
_NONE_RAGGED = pl.DataFrame(schema={LINE: pl.UInt32, VALUES: pl.UInt32})


def source(index: int) -> str:
    """Return the name of the drop's column at an index, before it gets its own."""
    return f"c{index}"


@dataclass(frozen=True, slots=True)
class Text:
    """The lines of a piece."""

    piece: Piece
    lines: pl.Series
    """Without line ends; bytes that are not text are zeros."""

    @property
    def end(self) -> int:
        """Return the number of the last line."""
        return self.piece.line + self.lines.len() - 1

    def originals(self, numbers: Sequence[int]) -> list[str]:
        """Return the lines of some numbers, shortened if they are very long."""
        lines = self.lines.gather([number - self.piece.line for number in numbers])
        return [_shortened(line.replace("\0", "\ufffd")) for line in lines.to_list()]

    def without(self, numbers: pl.Series) -> list[bytes | memoryview]:
        """Return the lines except some (in ascending order), as parts with a line feed after each line."""
        data = self.piece.data
        view, kept, end = memoryview(data), list[bytes | memoryview](), 0
        places = numbers - self.piece.line
        sizes = self.lines.gather(places).str.len_bytes()
        for begin, size in zip(starts(data, self.lines, places), sizes, strict=True):
            kept.append(view[end:begin])
            end = data.index(b"\n", begin + size) + 1
        kept.append(view[end:])
        return [b"".join(kept).replace(b"\r\n", b"\n")] if b"\r" in data else kept


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the file."""

    frame: pl.DataFrame
    """The values of each row as text, and its line."""
    plain: bool
    """Whether each row is written as it came, except for its line end: nothing in it needs quotes."""
    left_out: pl.Series
    """The numbers of the other lines, where the rows are plain."""
    breaks: bool
    """Whether values may contain line breaks."""
    unreadable: Sequence[Unreadable]
    """Invalid rows other than `ragged`."""
    ragged: pl.DataFrame
    """The lines with another number of values than the header has, and that number."""
    blank: int
    """Blank lines, which are not rows."""
    text: Text


class Table:
    """A CSV: its header at once, its rows a piece at a time.

    Args:
        resource: the name in messages.
        chunks: the file's bytes.
        size: bytes of a piece.

    Raises:
        Rejected: the file is not text, has no header, or has a line longer than 8 MB.
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
        """Yield the rows after the header, without blank lines."""
        for piece in self._turn:
            yield self._read(piece)

    @property
    def held(self) -> int:
        """Return the bytes that were read and are not in rows yet."""
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
        """Return the rows of a piece without quotes, and which lines they are, or None for all."""
        if data.count(b",") > 2 * self._width * lines.len():
            # polars needs much time and memory for lines with many more values than the header.
            fits = lines.str.count_matches(",", literal=True) == self._width - 1
            frame, regular = self._plain(lines.filter(fits), _joined(lines.filter(fits)))
            return frame, fits if regular is None else fits.scatter(fits.arg_true(), regular)
        frame = self._parse(data, None) if self._width > 1 else lines.alias(source(0)).to_frame()
        sizes = lines.str.len_bytes()
        # polars cuts off extra values and fills in missing ones; then the sizes do not add up.
        cells = frame.select(pl.sum_horizontal(pl.all().str.len_bytes())).to_series()
        regular = (sizes == cells + (self._width - 1)) & (sizes <= LONGEST_VALUE)
        if self._width == 1:
            regular &= (sizes > 0) & ~lines.str.contains(",", literal=True)
        if any(mark in data for mark in (b'"', b"\0", b"\r")):
            regular &= ~lines.str.contains(SPECIAL)
        return (frame, None) if regular.all() else (frame.filter(regular), regular)

    def _quoted(self, lines: pl.Series, data: bytes) -> tuple[pl.DataFrame, pl.Series | None]:
        """Return the rows of a piece with quotes in the form of RFC 4180 on single lines, and which lines they are."""
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
            # polars would remove these three bytes as a byte order mark.
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
        """Combine the regular lines in `frame` with the irregular ones of the piece."""
        irregular = read_irregular(piece, data, text.lines, regular, self._width, self._parse)
        self._pieces.done(irregular.done, irregular.rest)
        place = pl.col(LINE)
        frame = frame.select(regular.arg_true().alias(LINE), pl.all())
        if irregular.taken or irregular.rest:
            frame = frame.filter(place.is_in(irregular.taken).not_() & (place < irregular.done))
        if irregular.rows:
            frame = pl.concat([frame, *irregular.rows]).sort(LINE)
        return Rows(
            frame=frame.with_columns(place + piece.line),
            plain=plain and not irregular.rows,
            left_out=regular.not_().arg_true() + piece.line,
            breaks=irregular.breaks or line_breaks.within(piece.data),
            unreadable=irregular.unreadable,
            ragged=irregular.ragged.with_columns(place + piece.line),
            blank=irregular.blank,
            text=text,
        )


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


def _shortened(line: str) -> str:
    return line if len(line) <= _SHOWN // 4 else line.encode()[:_SHOWN].decode(errors="replace")
