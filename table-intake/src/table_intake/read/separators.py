# SPDX-License-Identifier: Apache-2.0
"""Which character separates the values of a text file."""

import csv
from collections import Counter
from contextlib import suppress
from itertools import islice

from table_intake.wording import Text

SEPARATORS = {
    ",": Text("separator.comma", "commas"),
    ";": Text("separator.semicolon", "semicolons"),
    "\t": Text("separator.tab", "tabs"),
    "|": Text("separator.vertical-bar", "vertical bars"),
}
"""Separators that are guessed, the likeliest first."""
_ROWS = 200


def guess(head: str) -> str:
    """Return the separator of a file that begins with this text: by it, most rows have as many values as the header.

    Where several are as good, it is the one with most columns.
    """
    lines = head.splitlines()
    best, rank = ",", (0.0, 0)
    for mark in SEPARATORS:
        rows = _rows(lines, mark)
        if not rows or len(rows[0]) < 2:
            continue
        widths = Counter(map(len, rows[1:]))
        share = widths[len(rows[0])] / max(1, len(rows) - 1)
        if (share, len(rows[0])) > rank or rank == (0.0, 0):
            best, rank = mark, (share, len(rows[0]))
    return best


def _rows(lines: list[str], mark: str) -> list[list[str]]:
    """Return the first rows, as far as they can be read."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(row for row in islice(csv.reader(lines, delimiter=mark), _ROWS) if row)
    return rows
