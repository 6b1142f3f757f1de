# SPDX-License-Identifier: Apache-2.0
"""Files of several tables: sheets of a workbook, files of a zip, and sheets of workbooks within a zip."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from table_intake import FileSettings, Refused, list_tables, open_file
from test_text_files import read as read_text
from test_workbooks import book

ORDERS = [["order", "sku"], ["o1", "0017"]]
BUYERS = [["buyer", "city"], ["b1", "Seoul"]]


def zipped(files: Mapping[str, bytes], folder: Path) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def rows_of(path: Path, table: str = "", **settings: str | int) -> list[tuple[str, ...]]:
    with open_file(path, FileSettings.model_validate(settings), table) as opened:
        rows = [row[1:] for piece in opened.rows() for row in piece.frame.iter_rows()]
        return [tuple(opened.header), *rows]


def test_each_table_of_a_file_is_listed_and_read_by_its_name(tmp_path: Path) -> None:
    parquet = io.BytesIO()
    pl.DataFrame({"id": ["p1"]}).write_parquet(parquet)
    files = {
        "data/orders.csv": b"id;day\n1;2\n",
        "data/orders.csv#old": b"id,day\n3,4\n",
        "shop.xlsx": book(("Orders", ORDERS), ("Buyers #2", BUYERS), ("Empty", []), ("Notes", [["x"]]), hidden="Notes"),
        "one.xlsx": book(("Sheet1", BUYERS)),
        "items.parquet": parquet.getvalue(),
        "__MACOSX/._orders.csv": b"\0",
        "data/.DS_Store": b"\0",
    }
    path = zipped(files, tmp_path)
    tables = {table: rows_of(path, table) for table in list_tables(path)}
    assert tables == {
        "/data/orders.csv": [("id", "day"), ("1", "2")],
        "/data/orders.csv#old": [("id", "day"), ("3", "4")],
        "/shop.xlsx#Orders": [tuple(row) for row in ORDERS],
        "/shop.xlsx#Buyers #2": [tuple(row) for row in BUYERS],
        "/one.xlsx": [tuple(row) for row in BUYERS],
        "/items.parquet": [("id",), ("p1",)],
    }


def test_a_file_of_one_table_has_no_name_to_choose(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "shop.xlsx").write_bytes(two := book(("Orders", ORDERS), ("Buyers", BUYERS)))
    (tmp_path / "one.xlsx").write_bytes(book(("Orders", ORDERS), ("Empty", [])))
    assert list_tables(tmp_path / "orders.csv") == ("",)
    assert list_tables(tmp_path / "one.xlsx") == ("",)
    assert list_tables(tmp_path / "shop.xlsx") == ("#Orders", "#Buyers")
    assert rows_of(tmp_path / "shop.xlsx", "#Buyers") == [tuple(row) for row in BUYERS]
    assert list_tables(zipped({"a/shop.xlsx": two}, tmp_path)) == ("#Orders", "#Buyers")
    assert rows_of(tmp_path / "export.zip", "#Orders") == [tuple(row) for row in ORDERS]


@pytest.mark.parametrize("member", ["ORDERS.csv", "data/orders.csv", "data/ord*", "*orders.csv"])
def test_a_setting_names_the_file_of_a_zip(member: str, tmp_path: Path) -> None:
    path = zipped({"data/orders.csv": b"a,b\n1,2\n", "buyers.csv": b"c,d\n3,4\n"}, tmp_path)
    assert rows_of(path, member=member) == [("a", "b"), ("1", "2")]
    assert read_text(path.read_bytes(), "drop.zip", member=member)[0] == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize(
    ("table", "member", "reason"),
    [
        ("", "", r"2 files \(orders.csv, buyers.csv\): name one .* \(member: orders.csv\)"),
        ("", "*.csv", r"the settings read \*.csv, and the zip has 2 files like \*.csv"),
        ("", "items.csv", "the settings read items.csv, and the zip has no such file: it has orders.csv, buyers.csv"),
        ("/items.csv", "", "the zip has no file items.csv: it has orders.csv, buyers.csv"),
    ],
)
def test_a_table_that_is_not_there_is_refused(table: str, member: str, reason: str, tmp_path: Path) -> None:
    path = zipped({"orders.csv": b"a,b\n1,2\n", "buyers.csv": b"c,d\n3,4\n"}, tmp_path)
    with pytest.raises(Refused, match=reason):
        rows_of(path, table, **({"member": member} if member else {}))


class WrittenByWindows(zipfile.ZipInfo):
    """A file whose name is in the encoding of the language, without a mark that says so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - the standard library's name
        return self.filename.encode("cp949"), 0


def test_names_that_windows_wrote_in_korean_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("주문내역.csv", "상품목록.csv"):
            archive.writestr(WrittenByWindows(name), f"a,b\n{name},2\n")
    assert list_tables(path) == ("/주문내역.csv", "/상품목록.csv")
    assert rows_of(path, "/상품목록.csv") == [("a", "b"), ("상품목록.csv", "2")]
    assert rows_of(path, member="상품*") == [("a", "b"), ("상품목록.csv", "2")]


def test_a_name_that_an_extra_field_says_in_unicode_is_not_guessed(tmp_path: Path) -> None:
    path, name = tmp_path / "export.zip", "주문.csv"
    entry, data = WrittenByWindows(name), name.encode()
    field = struct.pack("<BL", 1, zlib.crc32(name.encode("cp949"))) + data
    entry.extra = struct.pack("<HH", 0x7075, len(field)) + field
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "a,b\n1,2\n")
        archive.writestr("상품.csv", "c,d\n3,4\n")
    assert list_tables(path) == ("/주문.csv", "/상품.csv")
    assert rows_of(path, "/주문.csv") == [("a", "b"), ("1", "2")]
