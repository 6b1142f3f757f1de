# SPDX-License-Identifier: Apache-2.0
"""Whether a drop can still be accepted, while its rows stream past: a file of nothing but damage costs seconds."""

from typing import Protocol, runtime_checkable

from personalization.core.errors import Rejected
from personalization.ingest.csv.pieces import Piece
from personalization.shop.keys import DataKind

EARLY_ROWS = 100_000
"""Bad rows after which a file that is mostly bad is given up: as many as the file of refused rows has."""
EARLY_BYTES = 256_000_000
"""Bytes after which it is given up, however few its rows."""
MOSTLY = 0.5
"""The share of bad rows of a file that is mostly bad."""
BLANK_LINES = 1_000_000
"""Blank lines after which a file with ten times as many of them as rows is refused."""
_SHORTEST = {"interactions": 10, "users": 0, "items": 0}
"""Bytes of the shortest values that a row must have beyond one: another id and nine digits of a time."""


@runtime_checkable
class Ending(Protocol):
    """A source of bytes that knows how many may still come."""

    def left(self) -> int:
        """Bytes, at most."""


class Hope:
    """Counts what decides it.

    Args:
        resource: what the messages name.
        kind: of the drop.
        width: the number of values that a row has.
        limit: the share of rows that may be bad.
    """

    def __init__(self, resource: str, kind: DataKind, width: int, limit: float) -> None:
        self._resource = resource
        self._shortest = width + 1 + _SHORTEST[kind]
        self._limit = limit
        self._rows = self._bad = self._blank = self._bytes = 0

    def saw(self, piece: Piece, rows: int, bad: int, blank: int) -> None:
        """Note what was found up to the end of a piece.

        Args:
            piece: the piece.
            rows: all rows so far.
            bad: the bad ones of them.
            blank: blank lines of this piece.

        Raises:
            Rejected: the file is nearly all blank lines.
        """
        self._rows, self._bad = rows, bad
        self._blank += blank
        self._bytes += len(piece.data)
        if self._blank > BLANK_LINES and self._blank > 10 * rows:
            end = piece.line + piece.data.count(b"\n")
            told = f"{self._blank:,} of its first {end:,} lines are blank"
            raise Rejected(self._resource, f"{told}: leave the blank lines out")

    def gone(self, left: int | None) -> bool:
        """Whether the drop is refused whatever follows.

        Args:
            left: bytes that may follow, at most; None where that is not known.
        """
        if left is not None and self._bad > self._limit * (self._rows + left // self._shortest + 1):
            return True
        enough = self._bad >= EARLY_ROWS or self._bytes >= EARLY_BYTES
        return enough and self._bad > max(MOSTLY, self._limit) * self._rows
