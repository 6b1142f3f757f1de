# SPDX-License-Identifier: Apache-2.0
"""JSON lines, and JSON arrays of objects, as tables: a row for each object, or for each object of one of its lists.

Lines are those of the text at which objects begin. Numbers stay as they are written, so an id keeps its digits.
"""

import codecs
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import polars as pl

from table_intake.columns import usual_names
from table_intake.columns.usual_names import ITEM, LINES, plain, ranks
from table_intake.errors import Refused
from table_intake.read import archives, cells, nested
from table_intake.read.cells import Cells
from table_intake.read.irregular import LINE, LONGEST, MOST_COLUMNS
from table_intake.settings.files import FileSettings
from table_intake.table import Unreadable
from table_intake.wording import Text

_BEGINS = re.compile(r'\s*(?:\{\s*["}]|\[\s*(?:["\[\]{]|-?\d|(?:true|false|null)\b))')
_SPACE = re.compile(r"[\s,]*")
_HEAD = LONGEST
"""Bytes without the end of a line after which a text that begins with an object is one object."""
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]]')
_ITEMS = ranks(ITEM).keys()
_OBJECT = re.compile(rb"\s*\{")
_KEYS = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:|"(?:[^"\\]|\\.)*"|[{}]')
_SAMPLE, _OBJECTS = 4 << 20, 5_000
"""Characters and objects from which the columns are taken."""
_PIECE_ROWS, _PIECE_CELLS = 1 << 16, 4_000_000
_LONGEST_NAME = 1_000
_SHOWN = 2_500
_NAMED = 5
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=lambda _: None)
"""Numbers stay as they are written; what is no number in JSON is nothing."""
_WAY = Text(
    "json.way", "export JSON lines, with one object on each line (jq -c '.[]' makes them of an array), CSV or Parquet"
)
_LONE = "{lone:,} {lone:object has|objects have} no {rows}, but an item beside it, and {lone:gives|give} a row"
_HALF = Text("json.half", "has half of a character, which is no text")
_UNKNOWN = (
    "{objects:,} {objects:object has|objects have} keys that the first {sampled:,} {sampled:lacks|lack}, which are "
    "left out: {names}"
)


def is_json(head: str) -> bool:
    """Tell whether a text is JSON, by its beginning."""
    return _BEGINS.match(head) is not None


class _Bad(ValueError):
    """What is read is no row of a table."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason)
        self.reason = reason


def _too_deep() -> _Bad:
    return _Bad(Text("json.deep", "has objects more than {most} deep", most=nested.DEEPEST))


def _no_list(resource: str, problem: str) -> Refused:
    text = "this is JSON, and not a list of objects ({problem}): {way}"
    return Refused(resource, Text("json.no-list", text, problem=problem, way=_WAY))


@dataclass(slots=True)
class _Flat:
    """An object without objects in it."""

    cells: dict[str, str] = field(default_factory=dict)
    lists: dict[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Its lists of objects, and empty ones."""
    mixed: set[str] = field(default_factory=set)
    """Its lists of lists, or of objects and others."""

    def take(self, document: Mapping[str, Any], prefix: str = "", depth: int = 0) -> "_Flat":
        if depth > nested.DEEPEST:
            raise _too_deep()
        for key, value in document.items():
            name = prefix + key
            if len(name) > _LONGEST_NAME:
                raise _Bad(Text("json.long-key", "has a key of more than {most:,} characters", most=_LONGEST_NAME))
            if isinstance(value, dict):
                self.take(value, f"{name}.", depth + 1)
            elif not isinstance(value, list):
                self.cells[name] = _text(value)
            elif all(isinstance(inner, dict) for inner in value):
                self.lists[name] = value
            elif any(isinstance(inner, dict | list) for inner in value):
                self.mixed.add(name)
            else:
                self.cells[name] = nested.BETWEEN.join(_text(inner) for inner in value if inner is not None)
        return self


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


_UNREAD = object()


@dataclass(slots=True)
class _Raw:
    """The text of an object."""

    line: int
    text: str
    document: object = _UNREAD
    """What the text says, where its end was found by that."""
    _flat: "_Flat | _Bad | None" = None

    def flat(self) -> "_Flat":
        """Return the object, which is read once.

        Raises:
            _Bad: it is none.
        """
        if self._flat is None:
            try:
                self._flat = _Flat().take(_document(self.text, self.document))
            except _Bad as bad:
                self._flat = bad
        if isinstance(self._flat, _Bad):
            raise self._flat
        return self._flat


class Table:
    """A text of JSON objects; see `table.Table`.

    Args:
        resource: the name in messages.
        text: its bytes as UTF-8.
        settings: how files of its kind are read.
        given: returns what was guessed about the file so far.

    Raises:
        Refused: it is other JSON, or has no columns or too many.
    """

    def __init__(
        self, resource: str, text: Iterable[bytes], settings: FileSettings, given: Callable[[], Sequence[str]]
    ) -> None:
        self._resource = resource
        self._given = given
        self._wanted = nested.Wanted(settings)
        chunks = iter(text)
        head, begin = b"", -1
        while begin < 0 and (chunk := next(chunks, b"")):
            head += chunk
            begin = _begin(head, whole=len(head) > _HEAD)
        if settings.rows is not None:
            begin = len(head) - len(head.lstrip())
        elif begin < 0:
            begin = _begin(head, whole=True)
        chunks = chain([head[begin:]], chunks)
        is_array = head[begin : begin + 1] == b"["
        self._list = _path(head[:begin].decode(errors="replace")) if is_array else ""
        turn = _in_array(resource, chunks, head.count(b"\n", 0, begin) + 1) if is_array else _on_lines(resource, chunks)
        first, size = list[_Raw](), 0
        while size < _SAMPLE and len(first) < _OBJECTS and (raw := next(turn, None)) is not None:
            first.append(raw)
            size += len(raw.text)
        self._turn = chain(first, turn)
        self._sampled = len(first)
        self._pairs: dict[str, None] = {}
        self._others: dict[str, None] = {}
        self._rows = ""
        self._bare = self._lone = self._with_unknown = self._size = 0
        self.header = self._columns(first, settings, is_array=is_array)
        """The names of the columns."""
        self._index = {name: index for index, name in enumerate(self.header)}
        self._inner_names = self._names_beside()
        self._unknown: dict[str, None] = {}

    @property
    def notes(self) -> list[str]:
        """What was guessed, and what became of lists."""
        told = nested.notes(self._rows, [*self._pairs], [*self._others], self._bare)
        if self._list:
            told.insert(
                0, Text("note.list", "the objects of {name} are read, and nothing beside them", name=self._list)
            )
        if self._lone:
            told.append(Text("note.lone", _LONE, lone=self._lone, rows=self._rows))
        if self._with_unknown:
            names = ", ".join([*self._unknown][:_NAMED])
            values = {"objects": self._with_unknown, "sampled": self._sampled, "names": names}
            told.append(Text("note.unknown-keys", _UNKNOWN, **values))
        return [*self._given(), *told]

    def rows_left(self, _shortest: int) -> None:
        """Return nothing: an object may have any number of rows."""

    def rows(self) -> Iterator[Cells]:
        """Yield the rows."""
        before = None
        for batch in self._batches():
            if before is not None:
                yield from self._pieces(before, last=False)
            before = batch
        if before is not None:
            yield from self._pieces(before, last=True)

    def _columns(self, first: Sequence[_Raw], settings: FileSettings, *, is_array: bool) -> list[str]:
        """Return the names of the columns in some objects, in the order in which they come."""
        lists, plain, problem, flats = dict[str, None](), set[str](), "", list[_Flat]()
        for raw in first:
            try:
                flat = raw.flat()
            except _Bad as bad:
                problem = problem or Text("json.line", "line {line} {reason}", line=raw.line, reason=bad.reason)
                continue
            flats.append(flat)
            lists.update(dict.fromkeys(flat.lists))
            self._others.update(dict.fromkeys(flat.mixed))
            plain.update(flat.cells)
            self._check_keys(lists, self._others, plain)
        is_begun = not is_array and bool(first) and _is_begun(first[0].text)
        if is_begun or not flats:
            over_lines = Text("json.over-lines", "it is one object over several lines")
            problem = over_lines if is_begun else problem
            raise _no_list(self._resource, problem or Text("json.empty", "it is empty"))
        self._rows = nested.list_of_rows(self._resource, [name for name in lists if name not in plain], settings)
        names = dict[str, None]()
        for flat in flats:
            # A row that cannot be read is refused by its line.
            with suppress(_Bad):
                self._add_columns(names, flat)
            self._check_keys(names)
        if not names:
            text = "its objects are empty: their keys must name the columns"
            raise Refused(self._resource, Text("json.no-keys", text))
        return [*names]

    def _add_columns(self, names: dict[str, None], flat: _Flat) -> None:
        names.update(dict.fromkeys(flat.cells))
        for name, objects in flat.lists.items():
            if name == self._rows:
                for document in objects:
                    names.update(dict.fromkeys(self._inner(document).cells))
            elif objects and nested.is_pairs(objects[0]):
                self._pairs[name] = None
                names.update(dict.fromkeys(f"{name}.{key}" for key in self._wanted.keys(name)))
            elif objects:
                self._others[name] = None

    def _check_keys(self, *keys: Collection[str]) -> None:
        if max(map(len, keys)) > MOST_COLUMNS:
            text = "its objects have more than {most:,} different keys: export fewer of them"
            raise Refused(self._resource, Text("json.many-keys", text, most=MOST_COLUMNS))

    def _inner(self, document: Mapping[str, Any]) -> _Flat:
        """Return an object of the list whose objects are rows."""
        return _Flat().take(document, f"{self._rows}.")

    def _batches(self) -> Iterator[tuple[list[int], list[list[str]], list[Unreadable]]]:
        """Yield rows with their lines, and those that are none of the table."""
        most = max(1, min(_PIECE_ROWS, _PIECE_CELLS // len(self.header)))
        lines, rows, bad = list[int](), list[list[str]](), list[Unreadable]()
        size = 0
        for line, row, problem in self._numbered():
            lines.append(line)
            rows.append(row)
            if problem is not None:
                bad.append(problem)
            size += sum(map(len, row))
            if len(rows) >= most or size >= cells.MOST_BYTES:
                yield lines, rows, bad
                lines, rows, bad, size = [], [], [], 0
        if rows:
            yield lines, rows, bad

    def _numbered(self) -> Iterator[tuple[int, list[str], Unreadable | None]]:
        """Yield each row with its line, and what is wrong with it; one that is none of the table shows its text."""
        for raw in self._turn:
            try:
                for row in self._made(raw.flat()):
                    yield raw.line, row, None
            except _Bad as error:
                row = [raw.text[:_SHOWN].encode(errors="replace").decode(), *[""] * (len(self.header) - 1)]
                yield raw.line, row, Unreadable(raw.line, error.reason, error.reason)

    def _made(self, flat: _Flat) -> Iterator[list[str]]:
        """Yield the rows of an object."""
        row = [""] * len(self.header)
        is_known = self._fill(row, flat.cells)
        for name, objects in flat.lists.items():
            if name != self._rows and objects and nested.is_pairs(objects[0]):
                self._fill(row, {f"{name}.{key}": _value(objects, key) for key in self._wanted.keys(name)})
        if not self._rows:
            self._with_unknown += not is_known
            yield row
            return
        objects = flat.lists.get(self._rows, ())
        if not objects and (lone := self._own_line(flat)):
            self._lone += 1
            self._fill(row, lone)
            yield row
            return
        self._bare += not objects
        for document in objects:
            line_row = [*row]
            is_known = self._fill(line_row, self._inner(document).cells) and is_known
            yield line_row
        self._with_unknown += not is_known

    def _names_beside(self) -> Mapping[str, str]:
        """Return the columns of the list whose objects are rows, by the names that they have beside the list."""
        beside = self._rows.rpartition(".")[0]
        prefix = f"{self._rows}."
        inner = [name.removeprefix(prefix) for name in self.header if self._rows and name.startswith(prefix)]
        return {f"{beside}.{name}" if beside else name: f"{prefix}{name}" for name in inner}

    def _own_line(self, flat: _Flat) -> Mapping[str, str]:
        """Return the values of an object that has no list, and names its one item itself, as events of a view do."""
        values = {
            inner: flat.cells[name] for name, inner in self._inner_names.items() if flat.cells.get(name, "").strip()
        }
        return values if len(values) > 1 and any(usual_names.inner(inner) in _ITEMS for inner in values) else {}

    def _fill(self, row: list[str], values: Mapping[str, str]) -> bool:
        """Put values into a row; return whether all have a column."""
        is_known = True
        for name, value in values.items():
            index = self._index.get(name)
            if index is not None:
                row[index] = value
            elif value:
                is_known = False
                if len(self._unknown) < _NAMED:
                    self._unknown[name] = None
        return is_known

    def _pieces(self, batch: tuple[list[int], list[list[str]], list[Unreadable]], *, last: bool) -> Iterator[Cells]:
        numbers, rows, bad = batch
        for index, row in enumerate(rows):
            if not all(map(_is_text, row)):
                bad.append(Unreadable(numbers[index], _HALF, _HALF))
                rows[index] = [cell.encode(errors="replace").decode() for cell in row]
        names = cells.names(len(self.header))
        frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
        lines = pl.Series(LINE, numbers, dtype=pl.UInt32)
        for piece in cells.pieces(frame, lines, names, last=last, refused=bad):
            self._size += piece.size
            if self._size > archives.LARGEST:
                raise archives.too_large(self._resource, archives.more_than(archives.LARGEST, "values"))
            yield piece


def _value(pairs: Sequence[Mapping[str, Any]], wanted: str) -> str:
    """Return the value of a key; of values of several types, as in GA4, the one that is there."""
    for pair in pairs:
        key = next((pair[name] for name in nested.KEYS if name in pair), None)
        if isinstance(key, str) and key.casefold() == wanted.casefold():
            value = next((pair[name] for name in nested.VALUES if name in pair), None)
            values = value.values() if isinstance(value, dict) else [value]
            plain = (inner for inner in values if inner is not None and not isinstance(inner, dict | list))
            return _text(next(plain, None))
    return ""


def _is_text(cell: str) -> bool:
    if cell.isascii():
        return True
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _document(text: str, document: object = _UNREAD) -> dict[str, Any]:
    """Return an object; its numbers are texts.

    Args:
        text: of it.
        document: what the text says, where somebody read it already.

    Raises:
        _Bad: it is none.
    """
    try:
        document = _DECODER.decode(text) if document is _UNREAD else document
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        no_text = Text("json.not-utf-8", "is not JSON in UTF-8")
        raise _Bad(no_text if "\ufffd" in text else Text("json.none", "is not JSON")) from None
    if not isinstance(document, dict):
        raise _Bad(Text("json.no-object", "is JSON, but not an object with names and values"))
    return document


def _is_begun(text: str) -> bool:
    """Tell whether an object begins on a line that does not end it."""
    return text.lstrip().startswith("{") and not text.rstrip().endswith("}")


def _on_lines(resource: str, chunks: Iterable[bytes]) -> Iterator[_Raw]:
    """Yield the lines of a text that are not blank."""
    rest, line = b"", 0
    for chunk in chain(chunks, [b"\n"]):
        *lines, rest = (rest + chunk).split(b"\n")
        for data in lines:
            line += 1
            if data.strip():
                yield _Raw(line, _decoded(data))
        if len(rest) > LONGEST:
            text = "this is JSON, and the object in line {line:,} is longer than 8 MB: {way}"
            raise Refused(resource, Text("json.long", text, line=line + 1, way=_WAY))


def _decoded(data: bytes) -> str:
    """Return the text of a line; what is not text is no JSON, and is refused by its line."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "\ufffd"


def _begin(head: bytes, *, whole: bool) -> int:
    """Return where the objects of a text begin: at its array, at the list in its one object, or at its first line.

    Args:
        head: its beginning.
        whole: whether no more of it is to be read.

    Returns:
        The index; -1 where more of the text must be read to tell.
    """
    start = len(head) - len(head.lstrip())
    if not head[start:] or head[start : start + 1] == b"[":
        return start if head[start:] or whole else -1
    line, _, rest = head[start:].partition(b"\n")
    if not rest.strip() and not whole:
        return -1
    with suppress(_Bad):
        lists = [name for name, objects in _Flat().take(_document(_decoded(line))).lists.items() if objects]
        # One object on one line is around its list, unless the list has the lines of one order.
        is_lone = len(lists) == 1 and plain(lists[0].rpartition(".")[2]) not in ranks(LINES)
        return _list_in(head, start) if is_lone and not rest.strip() else start
    return _list_in(head, start) if _is_begun(line.decode(errors="replace")) else start


def _list_in(head: bytes, start: int) -> int:
    """Return where the first list of objects begins in an object; the object's own beginning where it has none."""
    lists = 0
    for token in _TOKENS.finditer(head, start):
        match token[0]:
            case b"[" if not lists and _OBJECT.match(head, token.end()):
                return token.start()
            case b"[":
                lists += 1
            case b"]":
                lists -= 1
    return start


def _path(text: str) -> str:
    """Return the keys around the end of a text that begins an object, with points between them."""
    keys, name = list[str](), ""
    for token in _KEYS.finditer(text):
        if token[1] is not None:
            name = token[1]
        elif token[0] == "{":
            keys.append(name)
        elif keys:
            keys.pop()
    return ".".join(key for key in [*keys, name] if key)


def _in_array(resource: str, chunks: Iterable[bytes], line: int = 1) -> Iterator[_Raw]:
    """Yield the objects of an array that begins on a line, without reading all of it at once."""
    texts = codecs.iterdecode(chunks, "utf-8")
    text, at, counted = "", 0, 0
    is_open = is_whole = False
    while True:
        at = _after_space(text, at)
        if at < len(text) and not is_open:
            at, is_open = at + 1, True
            continue
        if text[at : at + 1] == "]":
            return
        try:
            document, end = _value_at(text, at) if at < len(text) else (None, 0)
        except RecursionError:
            line += text.count("\n", counted, at)
            text = "this is JSON, and the object in line {line:,} has others more than {most} deep: {way}"
            values = {"line": line, "most": nested.DEEPEST, "way": _WAY}
            raise Refused(resource, Text("json.line-deep", text, **values)) from None
        if end:
            line += text.count("\n", counted, at)
            yield _Raw(line, text[at:end], document)
            at, counted = end, at
            continue
        line += text.count("\n", counted, at)
        if is_whole or len(text) - at > LONGEST:
            large = Text("json.large", "an object has more than 8 MB, or it is damaged")
            problem = Text("json.damaged", "it is damaged") if is_whole else large
            text = "this is JSON, and from line {line:,} on {problem}: {way}"
            raise Refused(resource, Text("json.damaged-from", text, line=line, problem=problem, way=_WAY))
        try:
            chunk = next(texts, None)
        except UnicodeDecodeError:
            text = "this is JSON, and behind line {line:,} it is not text in UTF-8"
            raise Refused(resource, Text("json.no-text", text, line=line)) from None
        is_whole = chunk is None
        text, at, counted = text[at:] + (chunk or ""), 0, 0


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _value_at(text: str, at: int) -> tuple[object, int]:
    """Return the value that begins there, and its end; 0 where it is not whole."""
    try:
        return _DECODER.raw_decode(text, at)
    except ValueError:
        return None, 0
