# SPDX-License-Identifier: Apache-2.0
"""Keep refused rows as a CSV for repairs, and give up a drop that can no longer be accepted.

The file has the line, the reason and the original row.

Spreadsheets treat cells with certain first characters as formulas. An apostrophe precedes rows that begin with one of
them or with an apostrophe; without it, every row is as it came.
"""

from collections import Counter
from io import StringIO
from typing import Protocol, runtime_checkable

from personalization.core.csv_dialect import standard
from personalization.core.errors import Rejected
from personalization.ingest.csv.pieces import Piece
from personalization.ingest.findings import EXAMPLES, Example, Reason
from personalization.shop.keys import DataKind

EARLY_ROWS = 100_000
"""Bad rows after which a mostly bad file is given up: as many as the file of refused rows has."""
EARLY_BYTES = 256_000_000
"""Bytes after which it is given up, even with fewer rows."""
MOSTLY = 0.5
"""The share of bad rows in a mostly bad file."""
BLANK_LINES = 1_000_000
"""Blank lines above which a file with ten times as many of them as rows is refused."""
_SHORTEST = {"interactions": 10, "users": 0, "items": 0}
"""Bytes of the shortest values of a row besides one: another id and nine digits of a time."""


@runtime_checkable
class BoundedSource(Protocol):
    """A source of bytes that knows how many may still come."""

    def left(self) -> int:
        """Return the bytes that may still come, at most."""


class Acceptance:
    """Counts what decides the acceptance of a drop.

    Args:
        resource: the name in messages.
        kind: of the drop.
        width: the number of values of a row.
        limit: the share of rows that may be bad.
    """

    def __init__(self, resource: str, kind: DataKind, width: int, limit: float) -> None:
        self._resource = resource
        self._shortest = width + 1 + _SHORTEST[kind]
        self._limit = limit
        self._rows = self._bad = self._blank = self._bytes = 0

    def note(self, piece: Piece, rows: int, bad: int, blank: int) -> None:
        """Record the counts up to the end of a piece.

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
            problem = f"{self._blank:,} of its first {end:,} lines are blank"
            raise Rejected(self._resource, f"{problem}: leave the blank lines out")

    def is_hopeless(self, left: int | None) -> bool:
        """Tell whether the drop is refused whatever follows.

        Args:
            left: bytes that may follow, at most; None where unknown.
        """
        if left is not None and self._bad > self._limit * (self._rows + left // self._shortest + 1):
            return True
        enough = self._bad >= EARLY_ROWS or self._bytes >= EARLY_BYTES
        return enough and self._bad > max(MOSTLY, self._limit) * self._rows


MOST_ROWS = 100_000
MOST_BYTES = 24_000_000
_HEADER = '"line","reason","row"\n'
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


class Rejects:
    """Counts refused rows, and keeps as many as a repair can use."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Example]] = {}
        self._text = StringIO()
        self._text.write(_HEADER)
        self.written = 0
        """Rows in the file."""

    @property
    def rows(self) -> int:
        """Return the number of all refused rows."""
        return self._counts.total()

    @property
    def full(self) -> bool:
        """Tell whether no more rows are kept."""
        return self.written >= MOST_ROWS or self._text.tell() >= MOST_BYTES

    def count(self, rule: str, rows: int) -> None:
        """Count rows that break a rule."""
        self._counts[rule] += rows

    def lacks(self, rule: str) -> bool:
        """Tell whether a rule needs more examples."""
        return len(self._examples.get(rule, ())) < EXAMPLES

    def wants(self, rule: str) -> bool:
        """Tell whether another row that breaks a rule would be kept."""
        return not self.full or self.lacks(rule)

    def room(self, rule: str) -> int:
        """Return how many more rows that break a rule would be kept, at most."""
        return max(MOST_ROWS - self.written, EXAMPLES) if self.wants(rule) else 0

    def example(self, rule: str, example: Example) -> None:
        """Keep one of the first rows that break a rule."""
        self._examples.setdefault(rule, []).append(example)

    def keep(self, line: int, reason: str, row: str) -> None:
        """Write a row, unless the file is full."""
        if not self.full:
            self._write(line, reason, f"'{row}" if row.startswith(_FORMULA) else row)
            self.written += 1

    def stop(self, line: int, reason: str) -> None:
        """Write that the rows after a line were not checked."""
        self._write(line, reason, "")

    def reasons(self) -> tuple[Reason, ...]:
        """Return the broken rules, the most frequent first."""
        return tuple(Reason(rule, rows, tuple(self._examples[rule])) for rule, rows in self._counts.most_common())

    def file(self) -> bytes:
        return self._text.getvalue().encode()

    def _write(self, *row: str | int) -> None:
        self._text.write(standard(row, all_quoted=True))
