# SPDX-License-Identifier: Apache-2.0
"""Excel workbooks as tables, compared with openpyxl."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from table_intake import FileSettings, Refused, Table, open_table
from test_text_files import Body

Row = list[Any]


def book(*sheets: tuple[str, list[Row]], merged: str = "", hidden: str = "") -> bytes:
    made = Workbook()
    made.remove(made.worksheets[0])
    for name, rows in sheets:
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
        if merged and rows:
            sheet.merge_cells(merged)
        if name == hidden:
            sheet.sheet_state = "hidden"
    return saved(made)


def saved(made: Workbook) -> bytes:
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


@contextmanager
def table(data: bytes, **chosen: str | int) -> Iterator[Table]:
    form = FileSettings.model_validate(chosen)
    with tempfile.TemporaryDirectory() as scratch, open_table("drop.xlsx", Body(data), form, Path(scratch)) as opened:
        yield opened


def read(data: bytes, **chosen: str | int) -> tuple[list[tuple[Any, ...]], str]:
    """All rows with their lines, the header without one, and the notes."""
    with table(data, **chosen) as opened:
        rows: list[tuple[Any, ...]] = [("", *opened.header)]
        for piece in opened.rows():
            rows += piece.frame.rows()
            rows += [(bad.line, bad.reason) for bad in piece.unreadable]
        return rows, "; ".join(opened.notes)


def replaced(data: bytes, member: str, old: bytes, new: bytes) -> bytes:
    """The workbook with other bytes in one of its files."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, content.replace(old, new) if name == member else content)
    return file.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
ROWS: list[Row] = [["id", "when"], [1, "x"], [2, "y"]]


def test_cells_are_what_excel_shows_and_lines_are_its_rows() -> None:
    rows: list[Row] = [
        [],
        ["id", "when", "price", "ok", "name", "day"],
        [17850, datetime(2024, 3, 1, 10, 5), 0.1 + 0.2, True, " two\nlines ", date(2024, 3, 1)],  # noqa: DTZ001
        [],
        [8801234567890, time(1, 2), 1e-7, False, None, timedelta(hours=30)],
        [1e15, None, 12.50, None, "상품", None, "beside the table"],
    ]
    read_rows, notes = read(book(("Orders", rows)))
    assert read_rows == [
        ("", "id", "when", "price", "ok", "name", "day"),
        (3, "17850", "2024-03-01T10:05:00", "0.3", "true", " two\nlines ", "2024-03-01"),
        (5, "8801234567890", "01:02:00", "1e-07", "false", "", "108000"),
        (6, "has 7 values and the header has 6"),
    ]
    assert notes == ""


values = st.one_of(
    st.none(),
    st.integers(-(10**12), 10**12),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=20),
    st.booleans(),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),  # noqa: DTZ001
    st.decimals(-9999, 9999, places=3).map(float),
)


@given(st.lists(st.lists(values, min_size=3, max_size=3), max_size=6))
def test_all_values_are_those_of_openpyxl(rows: list[Row]) -> None:
    made = Workbook()
    sheet = made.worksheets[0]
    sheet.append(["a", "b", "c"])
    for number, row in enumerate(rows, 2):
        for column, value in enumerate(row, 1):
            cell = sheet.cell(number, column)
            cell.value = value
            if isinstance(value, str):
                # Otherwise openpyxl takes what begins with = for a formula.
                cell.data_type = "s"
    data = saved(made)
    oracle = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    expected = [
        (line, *map(shown, row))
        for line, row in enumerate(oracle.iter_rows(values_only=True), 1)
        if line > 1 and any(map(shown, row))
    ]
    assert read(data)[0][1:] == expected


def shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.15g}"
    # Excel's times have no day of their own: midnight is a date.
    return value.isoformat().removesuffix("T00:00:00") if isinstance(value, datetime) else str(value)


def test_formulas_have_the_values_that_excel_kept() -> None:
    data = book(("S", [["id", "n"], ["a", "=1+1"]]))
    with pytest.raises(Refused, match=r"the sheet S has formulas without values: .* Open the file in Excel and save"):
        read(data)
    assert read(replaced(data, SHEET, b"<v />", b"<v>2</v>").replace(b"<v></v>", b""))[0][1] == (2, "a", "2")


def test_the_only_sheet_with_data_is_read_and_others_are_chosen_by_name_or_number() -> None:
    hidden = book(("Cover", []), ("Orders", ROWS), ("Secret", [["x"]]), hidden="Secret")
    rows, notes = read(hidden)
    assert rows[1] == (2, "1", "x")
    assert notes.startswith("the sheet Orders was read, since no other one that is shown has data: the setting sheet")
    both = book(("Orders & more", ROWS), ("Customers", [["id"], ["c"]]))
    with pytest.raises(Refused, match=r"several sheets have data \(Orders & more, Customers\): .*sheet: Orders & more"):
        read(both)
    assert read(both, sheet="Customers")[0] == read(both, sheet=2)[0] == [("", "id"), (2, "c")]
    assert read(both, sheet="Orders & more") == (read(book(("S", ROWS)))[0], "")
    for unknown in ("Custmers", 3):
        with pytest.raises(Refused, match=f"no sheet {unknown}: it has Orders & more, Customers"):
            read(both, sheet=unknown)


def test_cells_merged_down_a_column_have_the_value_of_the_first_in_each_row() -> None:
    made = Workbook()
    sheet = made.worksheets[0]
    for row in (
        ["Report"],
        ["Order", None, None, None, "Sum"],
        ["Buyer", "Item", "Day", "Quantity", None],
        ["b1", "p1", "2026-01-02", 1, 10],
        [None, "p2", "2026-01-02", 2, None],
        [],
        [None, "p3", "2026-01-02", 3, None],
        ["b2", "p1", "2026-01-02", None, 20],
        [None, "p3", "2026-01-02", 5, None],
        ["Total", None, None, 11, 30],
    ):
        sheet.append(row)
    for cells in ("A1:E1", "A2:D2", "E2:E3", "A4:A7", "E4:E7", "A8:A9", "A10:C10"):
        sheet.merge_cells(cells)
    rows, notes = read(saved(made))
    assert rows == [
        ("", "Buyer", "Item", "Day", "Quantity", "Sum"),
        (4, "b1", "p1", "2026-01-02", "1", "10"),
        (5, "b1", "p2", "2026-01-02", "2", "10"),
        (7, "b1", "p3", "2026-01-02", "3", "10"),
        (8, "b2", "p1", "2026-01-02", "", "20"),
        (9, "b2", "p3", "2026-01-02", "5", ""),
    ]
    assert "3 ranges of cells, such as A4:A7, are merged down a column: each of their rows has the value of" in notes


def far(cell: bytes) -> bytes:
    return replaced(book(("S", ROWS)), SHEET, b'r="A3"', b'r="%s"' % cell)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (book(("S", ROWS), merged="A2:B3"), r"the sheet S has merged cells \(A2:B3\)"),
        (book(("S", [])), "the sheet S is empty|no sheet that is shown has data"),
        (far(b"XFD1048576"), "reaches to column 16,384 and row 1,048,576: 10,000,000 cells are the most"),
        (book(("S", ROWS))[:-40], "the file is not whole zip"),
        (replaced(book(("S", ROWS)), SHEET, b"<sheetData>", b"<sheetData"), "the file is not a whole Excel workbook"),
        (replaced(book(("S", ROWS)), "xl/workbook.xml", b"r:id", b"r:ix"), "the file is not a whole Excel workbook"),
        (replaced(book(("S", ROWS)), "xl/workbook.xml", b'r:id="rId1"', b'r:id="rId9"'), "not a whole Excel workbook"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_way_out(data: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read(data)


def test_a_workbook_that_swells_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = replaced(book(("S", ROWS)), SHEET, b"</sheetData>", b" " * 3_000_000 + b"</sheetData>")
    assert len(data) < 20_000
    assert read(data)[0][1] == (2, "1", "x")
    monkeypatch.setattr("table_intake.read.excel.MOST_BYTES", 2_000_000)
    with pytest.raises(Refused, match=r"the workbook has 0.0 GB when it is unpacked; 0 GB is the most: save the sheet"):
        read(data)


def test_a_workbook_that_hides_its_size_is_refused() -> None:
    data = bytearray(replaced(book(("S", ROWS)), SHEET, b"</sheetData>", b" " * 3_000_000 + b"</sheetData>"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo(SHEET).file_size
    shrunk = data.replace(size.to_bytes(4, "little"), (900).to_bytes(4, "little"))
    assert shrunk != data
    with pytest.raises(Refused, match=r"sheet1.xml has another size than it says"):
        read(bytes(shrunk))


def test_cells_without_a_place_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    data = replaced(book(("S", ROWS)), SHEET, b"</row>", b"<c/>" * 10 + b"</row>")
    assert read(data)[0][1] == (2, "1", "x")
    monkeypatch.setattr("table_intake.read.excel.MOST_CELLS", 35)
    with pytest.raises(Refused, match="35 cells are the most, also empty ones"):
        read(data)
