# SPDX-License-Identifier: Apache-2.0
"""Which row of a file names its columns: the first, unless what stands above the names is surely a title."""

import csv
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice

from table_intake.read import separators
from table_intake.settings.files import FileSettings
from table_intake.wording import Text

MOST = 30
"""Rows that are looked at for the names of the columns."""
_ROWS = 100
"""Rows by which the names are judged."""
_FEWEST = 3
"""Columns of a table that may have a title."""
_MOST_OF, _NAMED = 0.8, 1.2
"""The share of rows that must look like values; and the values of a row that there may be for each name."""
_LONGEST = 100
"""Characters of a name."""
_VALUE = re.compile(r"[\W\d_]*\d[\W\d_]*|\d{4}-\d\d-\d\d.*", re.DOTALL)
"""A number, a date or a time, which names no column."""
Numbered = tuple[int, list[str]]
"""A row that is not empty, and its line."""


def find(rows: Sequence[Numbered]) -> int:
    """Return the index of the row that names the columns: 0 where it is not sure that the first rows are a title.

    It is sure where the first rows have few filled cells each, those of the next one look like different names, and
    the rows below it are as wide as it and have numbers.
    """
    filled = [sum(bool(cell.strip()) for cell in row) for _, row in rows]
    for index, count in enumerate(filled[1:MOST], 1):
        if count < _FEWEST or max(filled[:index]) > max(1, count // 2):
            continue
        names = [cell.strip() for cell in rows[index][1]]
        below = rows[index + 1 :]
        if _are_names(names) and _are_values(len(names), count, below):
            return index
    return 0


def _are_names(cells: Sequence[str]) -> bool:
    names = [cell.casefold() for cell in cells if cell]
    return len(set(names)) == len(names) and not any(_is_value(name) or len(name) > _LONGEST for name in names)


def _is_value(cell: str) -> bool:
    return len(cell) <= _LONGEST and _VALUE.fullmatch(cell.strip()) is not None


def _are_values(width: int, filled: int, rows: Sequence[Numbered]) -> bool:
    """Tell whether most rows are as wide as the names, and have a number or a date."""
    similar = 0
    for _, row in rows:
        cells = [cell for cell in row if cell.strip()]
        # Groups of columns have names of their own, above those of the columns.
        is_named = len(cells) <= max(filled + 1, _NAMED * filled)
        similar += len(row) <= width and 2 * len(cells) >= filled and is_named and any(map(_is_value, cells))
    return bool(rows) and similar >= _MOST_OF * len(rows) - 1 and similar > 0


def of_text(head: str, settings: FileSettings, *, looks: bool = True) -> tuple[str, int]:
    """Return the separator of a text that begins so, and how many lines stand above the names of its columns.

    Titles that the settings do not tell are looked for unless `looks` is false.
    """
    if settings.header is not None:
        above = settings.header - 1
        rest = "\n".join(head.split("\n")[above:])
        return settings.separator or separators.guess(rest), above
    usual = settings.separator or separators.guess(head)
    if not looks:
        return usual, 0
    rows = _rows(head, usual)
    if index := find(rows):
        return usual, rows[index][0] - 1
    if settings.separator is None and not _is_regular(rows):
        # A title without the separator hides it.
        for mark in separators.SEPARATORS:
            rows = _rows(head, mark)
            if mark != usual and (index := find(rows)):
                return mark, rows[index][0] - 1
    return usual, 0


def _is_regular(rows: Sequence[Numbered]) -> bool:
    """Tell whether most rows have as many values as the first, which are several."""
    width = len(rows[0][1]) if rows else 0
    return width > 1 and sum(len(row) == width for _, row in rows) >= _MOST_OF * len(rows)


def _rows(head: str, mark: str) -> list[Numbered]:
    """Return the first rows that are not empty, as far as they can be read."""
    rows = list[Numbered]()
    lines = head.split("\n")
    # The last line may be cut.
    reader, line = csv.reader((f"{text}\n" for text in lines[:-1] or lines), delimiter=mark), 1
    with suppress(csv.Error):
        for row in islice(reader, MOST + _ROWS):
            if any(row):
                rows.append((line, row))
            line = reader.line_num + 1
    return rows


def note(line: int) -> Text:
    text = (
        "the names of the columns are in row {line:,}, and what stands above it was left out as a title: the setting "
        "header overrules this"
    )
    return Text("note.title", text, line=line)


def leading(rows: Iterable[Numbered]) -> list[Numbered]:
    """Return as many rows as `find` looks at."""
    return list(islice(rows, MOST + _ROWS))
