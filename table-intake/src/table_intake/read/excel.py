# SPDX-License-Identifier: Apache-2.0
"""Excel workbooks (.xlsx) as tables. Lines are the sheet's rows."""

import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime, time, timedelta
from html import unescape
from itertools import chain, islice
from pathlib import Path

import polars as pl
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from table_intake.errors import Refused
from table_intake.read import archives, cells, titles, totals
from table_intake.read.cells import Cells
from table_intake.read.irregular import LINE, MOST_COLUMNS, ragged
from table_intake.settings.files import FileSettings
from table_intake.wording import Text

MOST_CELLS = 10_000_000
"""Cells of the largest sheet: it is held in memory, empty ones as well."""
MOST_BYTES = 1_000_000_000
"""Bytes of the largest workbook, unpacked."""
_PIECE_ROWS = 1 << 16
_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_CELL = re.compile(rb' r="([A-Z]{1,3})([0-9]{1,7})"')
_UNCOUNTED = re.compile(rb"(?:</f>|<f[^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
"""A formula without a value, as it is written by programs that do not calculate."""
_LOCAL_HEADER = 30
_BROKEN = (
    CalamineError,
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    KeyError,
    StopIteration,
    UnicodeDecodeError,
)
_DIGITS = 15
"""Digits of a number that Excel keeps."""
Merged = tuple[tuple[int, int], tuple[int, int]]
"""The row and the column, from 0, of the first and of the last of merged cells."""


def is_workbook(path: Path) -> bool:
    """Tell whether a zip archive is a workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _WORKBOOK in archive.namelist()
    except archives.BROKEN_ZIP:
        return False


def sheets(resource: str, path: Path) -> list[str]:
    """Return the names of the sheets that are shown and have data.

    Raises:
        Refused: the file is damaged or too large.
    """
    with ExitStack() as stack:
        book, names = _opened(resource, path, stack)
        try:
            return _filled(resource, path, book, names)
        except _BROKEN as error:
            raise _damaged(resource, error) from None


def _opened(resource: str, path: Path, stack: ExitStack) -> tuple[CalamineWorkbook, list[str]]:
    """Open a workbook; return it, and the names of its sheets."""
    try:
        _check_sizes(resource, path)
        book = stack.enter_context(CalamineWorkbook.from_path(path))
        return book, [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    except _BROKEN as error:
        raise _damaged(resource, error) from None


def _damaged(resource: str, error: Exception) -> Refused:
    text = "the file is not a whole Excel workbook: {error}"
    return Refused(resource, Text("excel.damaged", text, error=str(error)))


class Table:
    """A sheet of a workbook; see `table.Table`.

    Args:
        resource: the name in messages.
        path: the file.
        settings: how files of its kind are read.
        stack: closes the workbook.
        sheet: the name of the sheet; without one, the settings decide, or there is only one with data.

    Raises:
        Refused: the file is damaged or too large, several sheets have data, or cells of several columns are merged.
    """

    def __init__(self, resource: str, path: Path, settings: FileSettings, stack: ExitStack, *, sheet: str = "") -> None:
        self._resource = resource
        book, names = _opened(resource, path, stack)
        try:
            name, notes = _chosen(resource, path, book, names, sheet or settings.sheet)
            self._sheet = book.get_sheet_by_name(name)
        except _BROKEN as error:
            raise _damaged(resource, error) from None
        down = _merged_down(self._sheet)
        turn = _filled_rows(self._sheet, down)
        first = titles.leading(turn)
        index, line = _names_at(resource, name, first, settings.header)
        header = [*first[index][1]]
        _check_merged(resource, name, self._sheet, line)
        if len(header) > MOST_COLUMNS:
            text = "row {line}, which must name the columns, has {columns:,} of them"
            raise Refused(resource, Text("excel.many-columns", text, line=line, columns=len(header)))
        self.header = header
        """The names of the columns."""
        self.notes = [*notes, *([titles.note(line)] if index and settings.header is None else [])]
        if below := [cells for cells in down if cells[0][0] >= line]:
            self.notes.append(_note_merged(below))
        self._turn = chain(first[index + 1 :], turn)
        self._totals = settings.totals
        self._line = line
        self._end = self._sheet.end[0] + 1 if self._sheet.end else line

    def rows(self) -> Iterator[Cells]:
        """Yield the rows after the header, without sums in the last of them."""
        width, names = len(self.header), cells.names(len(self.header))
        while some := list(islice(self._turn, _PIECE_ROWS)):
            self._line = some[-1][0]
            padded = [values[:width] + [""] * (width - len(values)) for _, values in some]
            frame = pl.DataFrame(padded, schema=dict.fromkeys(names, pl.String), orient="row")
            lines = pl.Series(LINE, [line for line, _ in some], dtype=pl.UInt32)
            wide = [ragged(len(values), width, line) for line, values in some if len(values) > width]
            for piece in cells.pieces(frame, lines, names, last=self._line >= self._end, refused=wide):
                sums = totals.find(piece.frame, names) if piece.last and self._totals == "skip" else []
                yield piece.less([line for line, _ in sums]) if sums else piece
                self.notes += [totals.note(word) for _, word in reversed(sums)]

    def rows_left(self, _shortest: int) -> int:
        """Return how many rows may still come."""
        return max(0, self._end - self._line)


def _names_at(resource: str, sheet: str, first: Sequence[titles.Numbered], line: int | None) -> tuple[int, int]:
    """Return the index, among the first rows of a sheet that are not empty, and the line of the names of its columns.

    Args:
        resource, sheet: their names in messages.
        first: these rows.
        line: what the settings say.

    Raises:
        Refused: the row is empty.
    """
    if not first:
        text = "the sheet {sheet} is empty: its first row must name the columns"
        raise Refused(resource, Text("excel.empty", text, sheet=sheet))
    if line is None:
        index = titles.find(first)
        return index, first[index][0]
    for index, (number, _) in enumerate(first):
        if number == line:
            return index, line
    text = "row {line:,} of the sheet {sheet}, which the setting header names, is empty or not there"
    raise Refused(resource, Text("excel.no-header", text, line=line, sheet=sheet))


def _merged_down(sheet: CalamineSheet) -> list[Merged]:
    """Return the cells of one column that are merged: each of their rows has the value of the first."""
    ranges = sheet.merged_cell_ranges or ()
    return sorted(cells for cells in ranges if cells[0][1] == cells[1][1] and cells[0][0] < cells[1][0])


def _check_merged(resource: str, sheet: str, data: CalamineSheet, line: int) -> None:
    """Check that no cells of several columns are merged, but in a title and in the last rows, which may be sums.

    Raises:
        Refused: such cells stand below the names of the columns, which are in this line.
    """
    last = data.end[0] if data.end else 0
    for first, end in data.merged_cell_ranges or ():
        is_sum = first[0] == end[0] > last - totals.MOST
        if first[1] < end[1] and end[0] + 1 >= line and not is_sum:
            text = (
                "the sheet {sheet} has merged cells ({cells}), of which only the first has a value: split them, and "
                "fill in what each row means"
            )
            raise Refused(resource, Text("excel.merged", text, sheet=sheet, cells=_range(first, end)))


def _note_merged(down: Sequence[Merged]) -> Text:
    text = (
        "{count:,} {count:range|ranges} of cells, such as {cells}, {count:is|are} merged down a column: each of their "
        "rows has the value of the first"
    )
    return Text("note.merged", text, count=len(down), cells=_range(*down[0]))


def _filled_rows(sheet: CalamineSheet, down: Sequence[Merged]) -> Iterator[titles.Numbered]:
    """Yield the numbers and the values of rows that are not empty, without empty cells at their ends.

    Args:
        sheet: with these rows.
        down: cells of a column whose rows have the value of the first.
    """
    # These rows begin at the top of the sheet, and at the first column with a value.
    left = sheet.start[1] if sheet.start else 0
    columns = {first[1] - left for first, _ in down}
    ends, above, waiting = dict[int, int](), dict[int, str](), deque(down)
    for line, row in enumerate(sheet.iter_rows(), 1):
        values = [value if isinstance(value, str) else _text(value) for value in row]
        is_filled = any(values)
        while waiting and waiting[0][0][0] < line:
            first, last = waiting.popleft()
            ends[first[1] - left], above[first[1] - left] = last[0] + 1, values[first[1] - left]
        for column in columns:
            if is_filled and line <= ends.get(column, 0):
                values[column] = values[column] or above[column]
        while values and not values[-1]:
            values.pop()
        if values:
            yield line, values


def _text(value: object) -> str:
    """Return the text of a cell: numbers as Excel shows them without a format, dates in ISO 8601."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 10**20 else f"{value:.{_DIGITS}g}"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.{_DIGITS}g}"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _chosen(
    resource: str, path: Path, book: CalamineWorkbook, names: Sequence[str], sheet: str | int | None
) -> tuple[str, list[str]]:
    """Return the sheet to read, and what to say about that; no sheet is loaded that takes too much memory."""
    listed = ", ".join(names)
    if sheet is not None:
        name = names[sheet - 1] if isinstance(sheet, int) and sheet <= len(names) else str(sheet)
        if name not in names:
            text = "the workbook has no sheet {sheet}: it has {sheets}"
            raise Refused(resource, Text("excel.no-sheet", text, sheet=name, sheets=listed))
        _check_sheet(resource, path, name)
        return name, []
    filled = _filled(resource, path, book, names)
    if len(filled) > 1:
        text = (
            "several sheets have data ({sheets}): name one in the section of its kind in the settings "
            "(sheet: {first}), or save each as a file"
        )
        raise Refused(resource, Text("excel.several", text, sheets=", ".join(filled), first=filled[0]))
    if not filled:
        text = "no sheet that is shown has data: the workbook has {sheets}"
        raise Refused(resource, Text("excel.no-data", text, sheets=listed))
    others = len(names) - 1
    text = "the sheet {sheet} was read, since no other one that is shown has data: the setting sheet overrules this"
    return filled[0], [Text("note.sheet", text, sheet=filled[0])] if others else []


def _filled(resource: str, path: Path, book: CalamineWorkbook, names: Sequence[str]) -> list[str]:
    """Return the sheets that are shown and have data."""
    visible = {sheet.name for sheet in book.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible}
    filled = []
    for name in names:
        if name in visible:
            _check_sheet(resource, path, name)
            if len(names) == 1 or book.get_sheet_by_name(name).height:
                filled.append(name)
    return filled


def _check_sizes(resource: str, path: Path) -> None:
    """Check that a workbook has no more bytes than it says, and than fit into memory."""
    with zipfile.ZipFile(path) as archive:
        size = sum(info.file_size for info in archive.infolist())
        if size > MOST_BYTES:
            text = (
                "the workbook has {size:,.1f} GB when it is unpacked; {most:,.0f} GB is the most: save the sheet as CSV"
            )
            raise Refused(resource, Text("excel.large", text, size=size / 1e9, most=MOST_BYTES / 1e9))
        for entry in archive.infolist():
            if entry.compress_type == zipfile.ZIP_DEFLATED and _inflated(path, entry) != entry.file_size:
                raise zipfile.BadZipFile(f"{entry.filename} has another size than it says")


def _inflated(path: Path, entry: zipfile.ZipInfo) -> int:
    """Return the bytes of a member, or one more than it says."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        head = file.read(_LOCAL_HEADER)
        file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
        unpacker, size, left = zlib.decompressobj(-15), 0, entry.compress_size
        while left > 0 and size <= entry.file_size and (data := file.read(min(left, 1 << 16))):
            left -= len(data)
            while data:
                size += len(unpacker.decompress(data, 1 << 20))
                data = unpacker.unconsumed_tail if size <= entry.file_size else b""
    return size


def _check_sheet(resource: str, path: Path, name: str) -> None:
    """Check that a sheet has no cells far away, and that its formulas have values.

    It looks for what spreadsheet programs write, since XML can be written in other ways as well: of what it misses, the
    limits of `core.bounded` refuse what does not fit.
    """
    columns, rows, cells, rest = set[bytes](), 0, 0, b""
    with zipfile.ZipFile(path) as archive, archive.open(_member(archive, name)) as file:
        while data := file.read(1 << 22):
            # The end of the bytes before, for what is cut between both.
            text = rest + data
            used = _CELL.findall(text)
            columns.update(column for column, _ in used)
            rows = max(rows, max((int(row) for _, row in used), default=0))
            cells += data.count(b"<c ") + data.count(b"<c>") + data.count(b"<c/>")
            if _UNCOUNTED.search(text):
                message = (
                    "the sheet {sheet} has formulas without values: the program that wrote it did not calculate "
                    "them. Open the file in Excel and save it, or write values"
                )
                raise Refused(resource, Text("excel.formulas", message, sheet=name))
            rest = text[-200:]
    width = max(map(_column, columns), default=0)
    if max(width * rows, cells) > MOST_CELLS:
        message = (
            "the sheet {sheet} reaches to column {columns:,} and row {rows:,}: {most:,} cells are the most, also empty "
            "ones. Delete what lies beside the table, or save it as CSV"
        )
        raise Refused(resource, Text("excel.wide", message, sheet=name, columns=width, rows=rows, most=MOST_CELLS))


def _member(archive: zipfile.ZipFile, name: str) -> str:
    """Return the file of a sheet within a workbook."""
    book = archive.read(_WORKBOOK).decode()
    relations = archive.read(_RELATIONS).decode()
    sheets = (dict(re.findall(r'([\w:]+)="([^"]*)"', tag)) for tag in re.findall(r"<(?:\w+:)?sheet\b[^>]*>", book))
    identity = next(sheet["r:id"] for sheet in sheets if unescape(sheet["name"]) == name)
    links = (
        dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<(?:\w+:)?Relationship\b[^>]*>", relations)
    )
    target = next(link["Target"] for link in links if link["Id"] == identity)
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def _range(first: tuple[int, int], last: tuple[int, int]) -> str:
    return ":".join(f"{_letters(column)}{row + 1}" for row, column in (first, last))


def _letters(column: int) -> str:
    letters, column = "", column + 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return letters
