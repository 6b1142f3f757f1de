# SPDX-License-Identifier: Apache-2.0
"""Text files of any separator, encoding and packing as tables."""

import gzip
import io
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake import FileSettings, Refused, Table, open_table
from table_intake.read import encodings, separators

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Body:
    """A file in memory, read in small pieces."""

    def __init__(self, data: bytes, most: int = 1 << 20) -> None:
        self._file = io.BytesIO(data)
        self._size = len(data)
        self._most = most

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._most))

    def left(self) -> int:
        return self._size - self._file.tell()


@contextmanager
def table(data: bytes, name: str = "drop.csv", most: int = 1 << 20, **settings: object) -> Iterator[Table]:
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_table(name, Body(data, most), FileSettings.model_validate(settings), Path(scratch)) as opened,
    ):
        yield opened


def read(data: bytes, name: str = "drop.csv", most: int = 1 << 20, **settings: object) -> tuple[list[list[str]], str]:
    """All rows, the header first, and the notes; refused ones are a line and the reason."""
    with table(data, name, most, **settings) as opened:
        rows = [[*opened.header]]
        for piece in opened.rows():
            rows += [list(row[1:]) for row in piece.frame.iter_rows()]
            rows += [[str(bad.line), bad.reason] for bad in piece.unreadable]
        return rows, "; ".join(opened.notes)


def zipped(*names: str, data: bytes = b"A,B\n1,2\n", packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packed) as archive:
        for name in names:
            archive.writestr(name, data)
    return file.getvalue()


KOREAN = "상품 코드,이름,가격\n" + "".join(f"i{n},신선한 우유 {n}개,{n}00\n" for n in range(40))
JAPANESE = "商品,名前\n" + "".join(f"i{n},牛乳とりんごのお菓子 {n}\n" for n in range(40))
FRENCH = "article,nom\n" + "".join(f"i{n},Crème brûlée à la façon du café n° {n}\n" for n in range(40))
GERMAN = "Artikel;Größe\ni1;Käse, jung\ni2;Müsli für 5 €\n"
POLISH = "produkt,nazwa\n" + "".join(f"i{n},Żółty ser i świeża śmietana {n}\n" for n in range(40))


@pytest.mark.parametrize(
    ("text", "encoding", "note"),
    [
        (KOREAN, "cp949", "cp949 (Korean)"),
        (JAPANESE, "cp932", "cp932 (Shift-JIS, Japanese)"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (FRENCH, "cp1252", "cp1252 (Latin, Western European)"),
        (GERMAN, "cp1252", "cp1252 (Latin, Western European), to judge by 3 values"),
        (POLISH, "cp1250", "cp1250"),
        (KOREAN, "utf-16", "utf-16"),
        (GERMAN, "utf-16-le", "utf-16-le"),
        (GERMAN, "utf-16-be", "utf-16-be"),
        (KOREAN, "utf-8-sig", ""),
        (KOREAN, "utf-8", ""),
    ],
)
@pytest.mark.parametrize("most", [1 << 20, 7])
def test_an_encoding_is_recognised_and_said(text: str, encoding: str, note: str, most: int) -> None:
    rows, notes = read(text.encode(encoding), most=most)
    assert rows == read(text.encode())[0]
    assert note in notes
    assert ("the setting encoding overrules this" in notes) == bool(note)
    assert read(text.encode(encoding), encoding=encoding)[0] == rows


def test_an_encoding_that_shows_late_is_recognised_there() -> None:
    head = "ITEM_ID,NAME\n" + "i,milk\n" * 400_000
    rows, notes = read((head + "i,신선한 우유\n" * 30).encode("cp949"))
    assert rows[-1] == ["i", "신선한 우유"]
    assert "cp949" in notes


def test_two_encodings_in_one_file_cost_the_rows_of_the_rarer_one() -> None:
    rows, _ = read(KOREAN.encode() + "i,가격\n".encode("cp949"))
    assert rows[-1] == ["42", "is not UTF-8 text"]
    rows, _ = read((KOREAN + "i,").encode("cp949") + b"\xff\n" + KOREAN.encode("cp949"))
    assert ["42", "is not cp949 text"] in rows


def test_bytes_that_fit_no_encoding_are_refused_by_their_lines() -> None:
    assert read(b"A,B\n1,\x81\x98\x8d\xff\n2,good\n")[0] == [["A", "B"], ["2", "good"], ["2", "is not UTF-8 text"]]


def test_settings_overrule_what_would_be_guessed() -> None:
    rows, notes = read("A;B\n1;é\n".encode("cp1250"), encoding="cp1250", separator=";")
    assert (rows, notes) == ([["A", "B"], ["1", "é"]], "")
    assert read(b"A,B;C\n1,2;3\n", separator=",")[0] == [["A", "B;C"], ["1", "2;3"]]


@given(st.text(st.characters(codec="cp949", exclude_characters="\r\n\0")), st.integers(1, 9))
def test_any_text_of_an_encoding_is_decoded_whatever_its_pieces(text: str, size: int) -> None:
    data = text.encode("cp949")
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert b"".join(encodings.Utf8("drop", chunks, "cp949")).decode() == text


@given(st.binary(max_size=60), st.sampled_from(["cp949", "cp932", "gb18030", "big5", "cp1252", "utf-16"]))
def test_bytes_that_are_no_text_cost_their_own_lines_only(data: bytes, encoding: str) -> None:
    good = "A,B\n".encode(encoding)
    bad = data.replace(b"\n", b"") if encoding != "utf-16" else b""
    text = b"".join(encodings.Utf8("drop", [good + bad, "\n".encode(encoding)[-1:] if bad else b"", good], encoding))
    assert text.startswith(b"A,B\n")


@pytest.mark.parametrize(
    ("head", "separator"),
    [
        ("a,b,c\n1,2,3\n", ","),
        ("a;b;c\n1,5;2;3\n", ";"),
        ("a\tb\n1,5\t2;3\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ('"a;b",c\n"1;2",3\n', ","),
        ('"a,x";b;c\n"1,1";2;3\n', ";"),
        ("a\n1\n2\n", ","),
        ("a,b;c\n1,2\n3,4\n", ","),
        ("a,b\n1\n2\n", ","),
        ("", ","),
    ],
)
def test_the_separator_is_that_by_which_rows_have_as_many_values_as_the_header(head: str, separator: str) -> None:
    assert separators.guess(head) == separator


@pytest.mark.parametrize("mark", [";", "\t", "|", ":"])
def test_rows_are_the_same_whatever_separates_their_values(mark: str) -> None:
    lines = ["A,B", "1,2", '"x,y",2', 'a""b,3', "1,2,3", '"open,4', '"two\nlines",5', "", 'c,"d""e"', r'"f\"g",h']
    commas = "\n".join(lines) + "\n"
    other = commas.replace(",", mark).replace(f"x{mark}y", "x,y")
    assert read(other.encode(), separator=mark)[0] == read(commas.encode())[0]
    with table(other.encode(), separator=mark) as opened:
        (piece,) = opened.rows()
        assert piece.ragged.rows() == [(5, 3)]


@pytest.mark.parametrize(
    ("packed", "name"),
    [
        (gzip.compress, "drop.csv.gz"),
        (zstd.compress, "drop.csv.zst"),
        (lambda data: zipped("__MACOSX/._a.csv", "folder/a.csv", data=data), "drop.zip"),
        (lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]), "drop.csv.gz"),
        (lambda data: zstd.compress(data[:9]) + zstd.compress(data[9:]), "drop.csv.zst"),
    ],
)
def test_what_is_packed_is_read_whatever_its_name(packed: Callable[[bytes], bytes], name: str) -> None:
    data = packed(KOREAN.encode("cp949"))
    assert read(data, name)[0] == read(KOREAN.encode())[0]
    assert "whatever its name says" not in read(data, name)[1]
    rows, notes = read(data, "drop.csv", most=5)
    assert rows == read(KOREAN.encode())[0]
    assert "whatever its name says" in notes


ZIPPED = zipped("a.csv")
ENCRYPTED = ZIPPED[:6] + b"\1" + ZIPPED[7:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"A,B\n1,2\n", mtime=0)[:-6], "the file is not whole gzip: "),
        (zstd.compress(b"A,B\n1,2\n")[:-2], "the file is not whole zstd: "),
        (zstd.compress(b"A,B\n1,2\n")[:8] + b"?", "the file is not whole zstd: "),
        (ZIPPED[:-9], "the file is not whole zip: "),
        # A name that is not text, and a place before the file.
        (zipped("ä.csv").replace("ä".encode(), b"\xe3\xa4", 1), "the file is not whole zip: "),
        (ZIPPED.replace(b"\x00\x00\x00\x00a.csvPK\x05", b"\xff\xff\xff\xffa.csvPK\x05"), "the file is not whole zip: "),
        # A megabyte of it may be as many gigabytes.
        (zipped("a.csv", packed=zipfile.ZIP_BZIP2), "packed by a method that few programs know: pack it as deflate"),
        (zipped(), "the zip has no file"),
        (
            zipped("a.csv", "b.csv", "c.csv", "d.csv"),
            r"has 4 files \(a.csv, b.csv, c.csv, d.csv\): name one.*member: a.csv",
        ),
        (gzip.compress(gzip.compress(b"A", mtime=0), mtime=0), "within the archive, the file is packed once more"),
        (gzip.compress(b"PAR1", mtime=0), "within the archive, the file is a Parquet file: drop it as it is"),
        (b"%PDF-1.7", "the file is a PDF: export the table as CSV, Excel or Parquet"),
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook, or one with a password"),
    ],
)
def test_what_is_no_table_is_refused_with_a_way_out(data: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read(data)
