# SPDX-License-Identifier: Apache-2.0
"""Cut the bytes of a file, or of a range of one, into pieces of whole lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from personalization.core.errors import Rejected
from personalization.ingest.csv.byte_counts import count_byte

LONGEST = 8_000_000
"""Bytes of the longest line, and of the longest row with line breaks in its quotes."""
PIECE_BYTES = 8 << 20
"""Bytes of a piece: large enough for the overhead of calls, small enough for any function's memory."""
PIECE_LINES = 1 << 19
"""Approximate lines of a piece: as many as 8 MB have of the shortest rows."""
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole lines of a file."""

    data: bytes
    """Ends with a line feed."""
    line: int
    """The number of its first line."""
    last: bool


@runtime_checkable
class BoundedSource(Protocol):
    """A source of bytes that knows how many may still come."""

    def left(self) -> int:
        """Return the bytes that may still come, at most."""


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
                raise Rejected(self._resource, f"line {line} is longer than 8 MB")
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
            self._rest = self._rest.removeprefix(BOM)
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
