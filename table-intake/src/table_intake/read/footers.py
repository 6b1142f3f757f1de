# SPDX-License-Identifier: Apache-2.0
"""The footer of a Parquet file: its row groups, checked against the size of the file.

polars ends the process where a damaged footer makes it ask for more memory than there is. So nothing is given to it
that has not passed here. https://parquet.apache.org/docs/file-format/metadata/ and Thrift's compact protocol.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from table_intake.wording import Text

MAGIC, ENCRYPTED = b"PAR1", b"PARE"
_TAIL = 8
"""Bytes behind the footer: its size, and the magic word."""
_MOST_BYTES = 64 << 20
"""Bytes of the largest footer."""
_DEEPEST = 20
_DEEPEST_COLUMNS = 60
"""Groups of columns within each other; a list has two."""
_CELL = 16
"""Bytes of a value as text, as of ids and times."""
_STRUCT, _LIST = 12, 9


_FOOTER = Text("parquet.footer", "its footer is damaged")


class Damaged(ValueError):
    """The file is no whole Parquet file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RowGroup:
    rows: int
    begin: int
    """The first byte of its pages."""
    end: int
    """The byte behind them."""
    unpacked: int
    """Bytes of its pages, decompressed."""
    columns: int
    values: Mapping[str, int]
    """The values of each column, those of lists and of all columns within it included."""

    @property
    def weight(self) -> int:
        """Bytes of its values as text, about: equal ones may take hardly any in its pages."""
        return max(self.unpacked, self.rows * self.columns * _CELL)


@dataclass(frozen=True, slots=True)
class Footer:
    begin: int
    """Its first byte, behind all row groups."""
    groups: tuple[RowGroup, ...]

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.groups)


def read(path: Path) -> Footer:
    """Read the footer of a file; see `parse`."""
    with path.open("rb") as file:

        def part(begin: int, size: int) -> bytes:
            file.seek(begin)
            return file.read(size)

        return parse(part, path.stat().st_size)


def parse(part: Callable[[int, int], bytes], size: int) -> Footer:
    """Return the footer of a file of so many bytes; `part` returns those from a place on, and how many.

    Raises:
        Damaged: it is cut or damaged; the reason says how.
    """
    begin = find(part, size)
    try:
        document = _Compact(part(begin, size - _TAIL - begin)).struct()
        _check_depth(document[2])
        footer = Footer(begin, tuple(_group(group, begin, len(_leaves(document[2]))) for group in document[4]))
        if footer.rows != document[3]:
            raise Damaged(Text("parquet.sums", "its row groups do not add up"))
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError, UnicodeDecodeError):
        raise Damaged(_FOOTER) from None
    return footer


def find(part: Callable[[int, int], bytes], size: int) -> int:
    """Return the place of the footer; see `parse`."""
    if size < len(MAGIC) + _TAIL:
        raise Damaged(Text("parquet.short", "it ends too early"))
    tail = part(size - _TAIL, _TAIL)
    if tail[4:] == ENCRYPTED:
        raise Damaged(Text("parquet.encrypted", "it is encrypted, and needs to be written without a key"))
    length = int.from_bytes(tail[:4], "little")
    begin = size - _TAIL - length
    if tail[4:] != MAGIC or begin < len(MAGIC) or length > _MOST_BYTES:
        raise Damaged(Text("parquet.end", "its end is missing"))
    return begin


def _check_depth(schema: list[dict[int, Any]]) -> None:
    """Check that columns are not nested so deep that reading them takes all of a stack."""
    left = list[int]()
    for element in schema:
        while left and not left[-1]:
            left.pop()
        if left:
            left[-1] -= 1
        left += [element[5]] if element.get(5) else []
        if len(left) > _DEEPEST_COLUMNS:
            raise Damaged(Text("parquet.deep", "its columns are nested more than {most} deep", most=_DEEPEST_COLUMNS))


def _leaves(schema: list[dict[int, Any]]) -> list[dict[int, Any]]:
    """Return the columns of the schema, without the root and groups of columns."""
    return [element for element in schema[1:] if not element.get(5)]


def _group(group: dict[int, Any], end: int, columns: int) -> RowGroup:
    """Check a row group, whose pages must lie before a byte."""
    chunks = [chunk[3] for chunk in group[1]]
    rows = group[3]
    begins, ends = [], []
    # Without rows there may be no pages.
    for chunk in chunks if rows else ():
        first = min(chunk[9], chunk.get(11) or chunk[9])
        begins.append(first)
        ends.append(first + chunk[7])
        if not (len(MAGIC) <= first and chunk[7] >= 0 and ends[-1] <= end and chunk[5] >= rows >= 0 <= chunk[6]):
            raise Damaged(Text("parquet.pages-missing", "its footer names pages that are not there"))
    if len(chunks) != columns or not chunks:
        raise Damaged(Text("parquet.columns", "its row groups lack columns"))
    unpacked = sum(chunk[6] for chunk in chunks)
    values = Counter[str]()
    for chunk in chunks:
        values[bytes(chunk[3][0]).decode()] += chunk[5]
    begin, behind = min(begins, default=end), max(ends, default=end)
    return RowGroup(rows, begin, end=behind, unpacked=unpacked, columns=columns, values=values)


class _Compact:
    """Thrift's compact protocol: structs become dictionaries by the numbers of their fields."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._depth = 0
        self._kinds: dict[int, Callable[[], Any]] = {
            1: lambda: True,
            2: lambda: False,
            3: self._byte,
            4: self._number,
            5: self._number,
            6: self._number,
            7: lambda: self._bytes(8),
            8: lambda: self._bytes(self._size()),
            _LIST: self._list,
            10: self._list,
            _STRUCT: self.struct,
        }

    def struct(self) -> dict[int, Any]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Damaged(_FOOTER)
        fields, field = dict[int, Any](), 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._number()
            fields[field] = self._kinds[head & 15]()
        self._depth -= 1
        return fields

    def _list(self) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._size()
        if head & 15 in {1, 2}:
            return [self._byte() == 1 for _ in range(size)]
        return [self._kinds[head & 15]() for _ in range(size)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise Damaged(_FOOTER)
        return self._data[self._at - size : self._at]

    def _size(self) -> int:
        """Return a length, of which each takes a byte or more."""
        size = self._varint()
        if size > len(self._data):
            raise Damaged(_FOOTER)
        return size

    def _varint(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift

    def _number(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
