# SPDX-License-Identifier: Apache-2.0
"""Files for the check of drops: honest ones of every shape that costs time, and such as are made to cost.

Each is a stream that is made while it is read: none takes memory or disk of its own.
"""

import zlib
from collections.abc import Callable, Iterator

from table_intake import DataKind

INTERACTIONS = b"USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"
ITEMS = b"ITEM_ID,PRICE,CATEGORY_L1,DESCRIPTION\n"
_BLOCK = 20_000
"""Rows that are made at a time."""


def _history(user: bytes, end: bytes, number: int) -> bytes:
    value = (number * 7919 % 50_000, number * 31 % 20_000, 1_600_000_000 + number, number % 97)
    return user % value + end


def _item(row: bytes, number: int) -> bytes:
    return row % (number, number % 97, number % 100, number)


HONEST: dict[str, tuple[DataKind, Callable[[int], bytes]]] = {
    "plain rows": ("interactions", lambda n: _history(b"u%d,i%d,%d,View,%d.5", b"\n", n)),
    "dates": (
        "interactions",
        lambda n: b"u%d,i%d,2024-03-%02d 10:%02d:%02d+00,View,1\n" % (n % 50_000, n % 999, n % 28 + 1, n % 60, n % 59),
    ),
    "quoted": ("interactions", lambda n: _history(b'"u%d","i%d","%d","View","%d.5"', b"\n", n)),
    "quoted, CRLF": ("interactions", lambda n: _history(b'"u%d","i%d","%d","View","%d.5"', b"\r\n", n)),
    "line breaks in quotes": (
        "items",
        lambda n: _item(b'"i%d",%d.50,"cat %d","A fine thing\nfor every %d day, and\n\nnight ""x"""\n', n),
    ),
    "line breaks in quotes, CRLF": (
        "items",
        lambda n: _item(b'"i%d",%d.50,"cat %d","A fine thing\r\nfor every %d day, and\r\nnight"\r\n', n),
    ),
    "escaped quotes and line breaks": (
        "items",
        lambda n: _item(b'"i%d",%d.50,"cat %d","A \\"fine\\" thing\nfor every %d day, and night"\n', n),
    ),
    "quotes within values": ("items", lambda n: _item(b'i%d,%d.50,cat %d,A 5" pipe for every %d day and night\n', n)),
}
"""Shapes of good rows."""
BOMBS: dict[str, bytes] = {
    "blank lines": b"\n",
    "blank lines, CRLF": b"\r\n",
    "carriage returns": b"\r",
    "one value a line": b"a\n",
    "too many values": b",,,,,,,,,\n",
    "very many values": b"," * 7_000_000 + b"\n",
    "empty values": b",,,,\n",
    "no times": b"u,i,x,View,1\n",
    "a quote a line": b'"\n',
    "three quotes a line": b'"""\n',
    "quotes": b'"',
    "open quotes": b'a","b\n',
    "quotes that are never closed": b'"u,i,1700000000,View,1\n',
    "long quoted values": b'"' + b"x\n" * 65_000 + b'"\n',
    "an endless line": b"x",
    "zeros": b"\0",
    "a zero a line": b"\0\n",
    "no text": b"\xff\n",
}
"""What is repeated to the end of the file."""
PACKED = ("blank lines", "a quote a line", "zeros", "one value a line")
"""Those that come as gzip as well."""


class Made:
    """A file that is made while it is read.

    Args:
        header: its first line.
        blocks: what follows.
        size: bytes that it says it has.
    """

    def __init__(self, header: bytes, blocks: Iterator[bytes], size: int) -> None:
        self._header = header
        self._blocks = blocks
        self._size = size
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        held = self._header
        while self.given < self._size:
            while len(held) < 1 << 20:
                held += next(self._blocks)
            chunk, held = held[: 1 << 20], held[1 << 20 :]
            self.given += len(chunk)
            yield chunk

    def left(self) -> int:
        """Bytes that may still come, at most."""
        return max(0, self._size - self.given)


def honest(name: str, size: int) -> tuple[DataKind, Made]:
    """A file of good rows of a shape, of about so many bytes and whole rows."""
    kind, row = HONEST[name]

    def blocks() -> Iterator[bytes]:
        number = 0
        while True:
            yield b"".join(row(row_number) for row_number in range(number, number + _BLOCK))
            number += _BLOCK

    return kind, Made(ITEMS if kind == "items" else INTERACTIONS, blocks(), size)


def bomb(name: str, size: int) -> Made:
    """A file of so many bytes, of one thing over and over."""
    block = BOMBS[name] * max(1, (1 << 20) // len(BOMBS[name]))

    def blocks() -> Iterator[bytes]:
        while True:
            yield block

    return Made(INTERACTIONS, blocks(), size)


class Packed:
    """A gzip file of the bytes of another, as a body that is read.

    Args:
        file: the other.
    """

    size = 4_000_000
    """Bytes that it says it has."""

    def __init__(self, file: Made) -> None:
        self._chunks = iter(file)
        self._packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        self._held = b""

    def read(self, size: int, /) -> bytes:
        """Some bytes; none at the end."""
        while len(self._held) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._held += self._packer.flush()
                break
            self._held += self._packer.compress(chunk)
        data, self._held = self._held[:size], self._held[size:]
        self.size -= len(data)
        return data

    def left(self) -> int:
        """Bytes that it says are still to come."""
        return max(0, self.size)
