# SPDX-License-Identifier: Apache-2.0
"""The rows that were refused, as a CSV for those who mend them: the line, the reason, the row as it came.

A spreadsheet takes a cell for a formula that begins with one of a few characters. A row that begins so has an
apostrophe before it, and so has one that begins with an apostrophe: without its first one, every row is as it came.
"""

from collections import Counter
from io import StringIO

from personalization.core.csv_dialect import standard
from personalization.ingest.findings import EXAMPLES, Example, Reason

MOST_ROWS = 100_000
MOST_BYTES = 24_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


class Rejects:
    """Counts what is refused, and keeps rows of it up to a limit that no file of repairs needs."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Example]] = {}
        self._text = StringIO()
        self._write("line", "reason", "row")
        self.written = 0
        """Rows in the file."""

    @property
    def rows(self) -> int:
        """All rows that were refused."""
        return self._counts.total()

    @property
    def full(self) -> bool:
        """Whether no more rows are kept."""
        return self.written >= MOST_ROWS or self._text.tell() >= MOST_BYTES

    def count(self, rule: str, rows: int) -> None:
        """Count rows that break a rule."""
        self._counts[rule] += rows

    def lacks(self, rule: str) -> bool:
        """Whether a rule has too few examples yet."""
        return len(self._examples.get(rule, ())) < EXAMPLES

    def wants(self, rule: str) -> bool:
        """Whether another row that breaks a rule would be kept."""
        return not self.full or self.lacks(rule)

    def room(self, rule: str) -> int:
        """How many more rows that break a rule would be kept, at most."""
        return max(MOST_ROWS - self.written, EXAMPLES) if self.wants(rule) else 0

    def example(self, rule: str, example: Example) -> None:
        """Remember one of the first rows that break a rule."""
        self._examples.setdefault(rule, []).append(example)

    def keep(self, line: int, reason: str, row: str) -> None:
        """Write a row, unless the file is full."""
        if not self.full:
            self._write(line, reason, f"'{row}" if row.startswith(_FORMULA) else row)
            self.written += 1

    def stop(self, line: int, reason: str) -> None:
        """Write that no row after a line was looked at."""
        self._write(line, reason, "")

    def reasons(self) -> tuple[Reason, ...]:
        """The rules that were broken, the most frequent first."""
        return tuple(Reason(rule, rows, tuple(self._examples[rule])) for rule, rows in self._counts.most_common())

    def file(self) -> bytes:
        """The file."""
        return self._text.getvalue().encode()

    def _write(self, *row: str | int) -> None:
        self._text.write(standard(row, all_quoted=True))
