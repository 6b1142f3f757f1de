# SPDX-License-Identifier: Apache-2.0
"""Titles above the names of columns, and sums below the rows: found where it is sure, and said."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake import Refused, TableSettings
from test_skipped_rows import imported
from test_text_files import read as read_text
from test_workbooks import book
from test_workbooks import read as read_book

HEADER = ["일자", "회원", "상품", "수량"]
ROWS = [["2026-01-02", f"m{n}", f"p{n}", str(n)] for n in range(1, 9)]


def text(*rows: list[str], separator: str = ",") -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=separator).writerows(rows)
    return file.getvalue().encode()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "above",
    [
        [["판매 상세 내역"]],
        [["판매 상세 내역", "", "", ""], [], ["2026-01"]],
        [["Report, of all shops"], ["from 1,5 to 2;5"]],
        [["a title\nof two lines"]],
    ],
)
def test_a_title_above_the_names_is_found_and_said(above: list[list[str]], separator: str) -> None:
    rows, notes = read_text(text(*above, HEADER, *ROWS, separator=separator))
    assert rows == [HEADER, *ROWS]
    line = sum(1 + "".join(row).count("\n") for row in above) + 1
    assert f"the names of the columns are in row {line}, and what stands above it was left out" in notes
    assert read_text(text(*above, HEADER, *ROWS, separator=separator), header=line)[0] == rows


def test_a_title_of_a_sheet_may_be_merged() -> None:
    sheet = book(("판매", [["판매 내역", None, None, None], [], [*HEADER], *ROWS]), merged="A1:D1")
    rows, notes = read_book(sheet)
    assert rows[0] == ("", *HEADER)
    assert rows[1] == (4, *ROWS[0])
    assert "the names of the columns are in row 3" in notes
    assert read_book(sheet, header=3)[0] == rows
    with pytest.raises(Refused, match="row 2 of the sheet 판매, which the setting header names, is empty"):
        read_book(sheet, header=2)
    with pytest.raises(Refused, match=r"merged cells \(A4:D4\)"):
        read_book(book(("판매", [["판매 내역"], [], [*HEADER], *ROWS]), merged="A4:D4"))


@pytest.mark.parametrize(
    "rows",
    [
        [HEADER, *ROWS],
        [["id"], ["Kim, Lee, Park"], ["a, b, c"]],
        [["name", "", ""], ["x", "y", "z"], ["x", "y", "z"]],
        [["Report"], ["1", "2", "3"], ["4", "5", "6"]],
        [["a", "b"], ["u1", "2"], ["u2", "3"]],
        [["Report"], ["x", "y", "z"]],
    ],
)
def test_where_it_is_not_sure_the_first_row_names_the_columns(rows: list[list[str]]) -> None:
    read, notes = read_text(text(*rows))
    assert read[0] == rows[0]
    assert "names of the columns" not in notes


def test_a_row_that_may_be_a_title_is_told_with_the_way_out() -> None:
    data = text(["Report"], ["x", "y", "z"])
    with pytest.raises(Refused, match=r"the file has Report\. If that is a title, .* such as header: 3"):
        imported(data, TableSettings())


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=9))
def test_a_full_first_row_always_names_the_columns(rows: list[list[str]]) -> None:
    header = ["one", "two", "three"]
    read, _ = read_text(text(header, *rows), separator=",", encoding="utf-8", totals="keep")
    assert read[0] == header


@pytest.mark.parametrize(
    "last",
    [
        [["합계", "", "", "36"]],
        [["", "", "총 계:", "36"]],
        [["", "", "Summe", "1.234,50 €"], ["", "", "Gesamtsumme", "1.234,50 €"]],
        [["Total", "36"]],
        [["Grand total (8 rows)", "", "", "-36"]],
    ],
)
def test_sums_in_the_last_rows_are_left_out_and_said(last: list[list[str]]) -> None:
    data = text(HEADER, *ROWS, *last)
    rows, notes = read_text(data)
    assert rows == [HEADER, *ROWS]
    assert notes.count("is a sum of those above") == len(last)
    if len(last[0]) == len(HEADER):
        assert read_text(data, totals="keep")[0] == [HEADER, *ROWS, *last]
        sheet, notes = read_book(book(("s", [HEADER, *ROWS, *last])))
        assert [list(row[1:]) for row in sheet] == [HEADER, *ROWS]
        assert notes.count("is a sum of those above") == len(last)


@pytest.mark.parametrize(
    "last",
    [
        ["2026-01-02", "Total", "p9", "9"],
        ["2026-01-02", "m9", "합계", "9"],
        ["", "m9", "p9", "9"],
        ["Total", "m9", "", ""],
        ["Total recall", "", "", "9"],
    ],
)
def test_other_last_rows_stay(last: list[str]) -> None:
    rows, notes = read_text(text(HEADER, *ROWS, last))
    assert rows[-1] == last
    assert "sum" not in notes


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE html>\n<html><table><tr><td>1", "an HTML page, as some systems save one under the name .xls"),
        (b"\n<table border=1><tr><td>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook', "as Excel 2003 wrote it"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><orders>", "this is XML"),
        (b"%PDF-1.7", "the file is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        (b"Obj\x01\x04", "the file is Avro"),
        (b"7z\xbc\xaf\x27\x1c", "packed by 7-Zip"),
    ],
)
def test_what_is_no_table_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read_text(data + b"\0" * 9 if data[:1] in b"O7" else data)
