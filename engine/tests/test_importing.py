# SPDX-License-Identifier: Apache-2.0
"""The importer: what it reads, and what it refuses, with the reason that an import job shows."""

import csv
import gzip
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalize_local.data import properties
from personalize_local.data.importing import import_files
from personalize_local.data.schemas import Field, Schema
from personalize_local.wire.errors import ImportRefused, InvalidInput

from engine.tests.planted import INTERACTIONS, USERS, csv_file, cycle_rows

NOTES = Schema(
    "ITEMS",
    (
        Field("ITEM_ID", "string"),
        Field("COLOUR", "string", nullable=True, categorical=True),
        Field("STOCK", "long", nullable=True),
        Field("PRICE", "double", nullable=True),
        Field("SOLD", "boolean", nullable=True),
        Field("TEXT", "string", nullable=True, textual=True),
    ),
)
NAMED = Schema("ITEMS", (*NOTES.fields, Field("NAME", "string", nullable=True)))
HEADER = "ITEM_ID,COLOUR,STOCK,PRICE,SOLD,TEXT\n"
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters='\\"'), min_size=1
)
CELL = TEXT.map(lambda text: text.replace("|", ",") + '"a, b"') | TEXT


GIVEN: dict[str, object] = {
    "COLOUR": "red",
    "STOCK": 3,
    "PRICE": 1.5,
    "SOLD": True,
    "TEXT": "green tea",
    "CREATION_TIMESTAMP": 1_600_000_000,
}
WHOLE = Schema(
    "ITEMS",
    (*(replace(field, nullable=field.name == "STOCK") for field in NOTES.fields), Field("CREATION_TIMESTAMP", "long")),
)
"""A schema that wants a value of every column but STOCK."""
NUMBERS: list[object] = [0, -7, 1.5, 1_600_000_000_000, 2**62, 2**63, "12", "1.5", "x", "", None]
CHANGES: dict[str, list[object]] = {
    "COLOUR": ["red", "x" * 1000, "x" * 1001, "", None, "a\u2028b"],
    "STOCK": NUMBERS,
    "PRICE": NUMBERS,
    "SOLD": [False, "", None],
    "TEXT": ["x" * 20_001, "", None],
    "CREATION_TIMESTAMP": NUMBERS,
}


def refusal(tmp_path: Path, content: str | bytes, schema: Schema = NOTES, name: str = "drop.csv") -> str:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ImportRefused) as refused:
        import_files([path], schema, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    return str(refused.value)


CAMEL = re.compile("_(.)")
"""What NUM_RATINGS turns into numRatings by."""


def read(tmp_path: Path, content: str | bytes, name: str = "drop.csv") -> list[dict[str, object]]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    import_files([path], NOTES, tmp_path / "out.parquet")
    return pl.read_parquet(tmp_path / "out.parquet").to_dicts()


def test_a_record_is_refused_where_a_file_of_it_is(tmp_path: Path) -> None:
    refusals = {True: 0, False: 0}
    for name, value in ((name, value) for name, values in CHANGES.items() for value in values):
        record = GIVEN | {name: value}
        by_file = refuses(partial(import_files, [item_file(tmp_path, record)], WHOLE, tmp_path / "out"))
        named = {CAMEL.sub(lambda part: part[1].upper(), column.lower()): cell for column, cell in record.items()}
        assert refuses(partial(properties.record, named, WHOLE)) == by_file, (name, value)
        refusals[by_file] += 1
    assert min(refusals.values()) > 10


def item_file(folder: Path, record: Mapping[str, object]) -> Path:
    """A file of one item with these values."""
    cells = {name: str(value).lower() if isinstance(value, bool) else value for name, value in record.items()}
    path = folder / "drop.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([WHOLE.names, ["i1", *(cells[name] for name in WHOLE.names[1:])]])
    return path


def refuses(act: Callable[[], object]) -> bool:
    try:
        act()
    except (ImportRefused, InvalidInput):
        return True
    return False


@given(
    cells=st.lists(st.tuples(TEXT, CELL), min_size=1, max_size=8),
    order=st.permutations(range(6)),
    bom=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
)
def test_any_column_order_quoting_bom_and_line_ends_read_alike(
    tmp_path_factory: pytest.TempPathFactory,
    cells: list[tuple[str, str]],
    order: list[int],
    bom: bool,
    end: str,
    packed: bool,
) -> None:
    rows = [(key, None, 5, 0.5, "true", text) for key, text in cells]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=end)
    writer.writerows([[row[position] for position in order] for row in [NOTES.names, *rows]])
    content = (b"\xef\xbb\xbf" if bom else b"") + file.getvalue().encode()
    directory = tmp_path_factory.mktemp("property")
    read_back = read(directory, gzip.compress(content) if packed else content, "a.csv.gz" if packed else "a.csv")
    expected = [(key[:256], None, 5, 0.5, True, text) for key, _, _, _, _, text in rows]
    assert [tuple(row.values()) for row in read_back] == expected


def test_a_quote_may_be_escaped_as_personalize_says(tmp_path: Path) -> None:
    [row] = read(tmp_path, HEADER + 'a,,,,,"17\\" wide, black"\n')
    assert row["TEXT"] == '17" wide, black'


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r'"\\\\\""', r'\\"'),
        (r'"ends\\"', "ends\\"),
        (r'"C:\new"', r"C:\new"),
        ("plain\\", "plain\\"),
        (r'"\"a\", ""b"""', '"a", "b"'),
    ],
)
def test_backslashes_in_quotes_escape_quotes_and_backslashes(tmp_path: Path, written: str, text: str) -> None:
    rows = read(tmp_path, f'{HEADER}a,,,,,{written}\nb,"red, \\"dark\\"",,,,{written}\n')
    assert [(row["ITEM_ID"], row["COLOUR"], row["TEXT"]) for row in rows] == [
        ("a", None, text),
        ("b", 'red, "dark"', text),
    ]


@pytest.mark.parametrize("row", [r'b,,,,,"C:\"', 'b,,,,,"one\n\\"two"', 'b,,,,,"one\\"\ntwo"'])
def test_quotes_that_do_not_match_are_refused_by_their_row(tmp_path: Path, row: str) -> None:
    reason = refusal(tmp_path, f"{HEADER}a,,,,,\n{row}\n")
    assert reason == "Each record must be on a single line: row 3 of drop.csv, its quotes do not match."


def test_columns_that_the_schema_lacks_are_left_out(tmp_path: Path) -> None:
    [row] = read(tmp_path, "EXTRA,TEXT,SOLD,PRICE,STOCK,COLOUR,ITEM_ID\nx,t,false,1,2,red,a\n")
    assert row == {"ITEM_ID": "a", "COLOUR": "red", "STOCK": 2, "PRICE": 1.0, "SOLD": False, "TEXT": "t"}


def test_missing_columns_are_named_in_the_order_of_the_schema(tmp_path: Path) -> None:
    reason = refusal(tmp_path, "TEXT,ITEM_ID\nt,a\n")
    assert reason == "Input CSV is missing the following columns: [COLOUR, STOCK, PRICE, SOLD]."


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,,x1,,,", "Column STOCK must be of type long: row 3 of drop.csv has 'x1'."),
        ("a,,1.5,,,", "Column STOCK must be of type long: row 3 of drop.csv has '1.5'."),
        ("a,,,cheap,,", "Column PRICE must be of type double: row 3 of drop.csv has 'cheap'."),
        ("a,,,nan,,", "Column PRICE must be of type double: row 3 of drop.csv has 'nan'."),
        ("a,,,,True,", "Column SOLD must be of type boolean: row 3 of drop.csv has 'True'."),
        (",red,,,,", "Column ITEM_ID does not allow null: row 3 of drop.csv has no value."),
        ('"",red,,,,', "Column ITEM_ID does not allow null: row 3 of drop.csv has no value."),
        ("a,red,,,,,surplus", "Input CSV has 7 values instead of 6 in row 3 of drop.csv."),
        ("a" * 257 + ",,,,,", "Length cannot be more than 256 characters for ITEM_ID: row 3 of drop.csv."),
        ("a," + "r" * 1001 + ",,,,", "Length cannot be more than 1000 characters for COLOUR: row 3 of drop.csv."),
        ("a,,,,,," + "r" * 1001, "Length cannot be more than 1000 characters for NAME: row 3 of drop.csv."),
    ],
)
def test_a_bad_row_is_refused_by_its_number(tmp_path: Path, row: str, reason: str) -> None:
    named = "NAME" in reason
    header, good = (HEADER.replace("TEXT", "TEXT,NAME"), "good,,,,,,") if named else (HEADER, "good,,,,,")
    assert refusal(tmp_path, f"{header}{good}\n{row}\n", NAMED if named else NOTES) == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Input CSV has no header: drop.csv."),
        (HEADER.encode(), "Input CSV has no rows."),
        (HEADER.encode() + b"\xe9t\xe9,,,,,\n", "Input CSV is not encoded in UTF-8: row 2 of drop.csv."),
        (HEADER.replace("TEXT", "SOLD").encode(), "Input CSV has the following columns more than once: [SOLD]."),
    ],
)
def test_a_file_that_cannot_be_data_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    assert refusal(tmp_path, content) == reason


def test_a_file_is_decoded_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personalize_local.data.importing._BLOCK", 3)
    good = HEADER.encode() + "été,,,,,\n가나다,,,,,\n".encode()
    assert refusal(tmp_path, good + b"\xed\xb0\x80,,,,,\n").endswith("row 4 of drop.csv.")
    assert refusal(tmp_path, good + "가".encode()[:2]).endswith("row 4 of drop.csv.")
    assert len(read(tmp_path, good)) == 2


@pytest.mark.parametrize("mark", ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_a_record_on_several_lines_is_refused(tmp_path: Path, mark: str) -> None:
    reason = refusal(tmp_path, f'{HEADER}a,red,,,,\nb,,,,,"one{mark}two"\n')
    assert reason == "Each record must be on a single line: row 3 of drop.csv has a line break in TEXT."


def test_a_text_is_cut_off_where_personalize_cuts_it(tmp_path: Path) -> None:
    [row] = read(tmp_path, f"{HEADER}a,,,,,{'t' * 30_000}\n")
    assert row["TEXT"] == "t" * 20_000


def test_event_types_and_metadata_columns_are_ten_together(tmp_path: Path) -> None:
    fields = [Field(name, "string") for name in ("USER_ID", "ITEM_ID", "EVENT_TYPE", "DEVICE")]
    schema = Schema("INTERACTIONS", (*fields, Field("TIMESTAMP", "long")))
    head = "USER_ID,ITEM_ID,EVENT_TYPE,DEVICE,TIMESTAMP\n"
    rows = "".join(f"u,i,type{number % 10},phone,{1_700_000_000 + number}\n" for number in range(1000))
    told = "Input CSV has more than 10 event types and metadata columns together: 10 and 1."
    assert refusal(tmp_path, head + rows, schema) == told
    (tmp_path / "good.csv").write_text(head + rows.replace("type9", "type0"))
    assert import_files([tmp_path / "good.csv"], schema, tmp_path / "good.parquet") == 1000


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"not packed", name="drop.csv.gz").startswith("drop.csv.gz is not a gzip file")


def test_no_file_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="no rows"):
        import_files([], NOTES, tmp_path / "out.parquet")


def test_milliseconds_are_refused_by_row(tmp_path: Path) -> None:
    rows = [list(row) for row in cycle_rows()]
    rows[7][2] = 1_700_000_000_000
    content = csv_file(tmp_path / "in.csv", INTERACTIONS, rows).read_bytes()
    reason = "Column TIMESTAMP is not in Unix epoch seconds: row 9 of drop.csv looks like milliseconds."
    assert refusal(tmp_path, content, INTERACTIONS) == reason


def test_fewer_than_a_thousand_interactions_are_refused(tmp_path: Path) -> None:
    content = csv_file(tmp_path / "in.csv", INTERACTIONS, cycle_rows()[:999]).read_bytes()
    assert refusal(tmp_path, content, INTERACTIONS) == "Input CSV has fewer than 1000 interactions: 999."


def test_exact_duplicates_are_kept_once_even_across_files(tmp_path: Path) -> None:
    rows = cycle_rows()
    file = csv_file(tmp_path / "1.csv", INTERACTIONS, [*rows, *rows[:5]])
    two = csv_file(tmp_path / "2.csv", INTERACTIONS, [*rows[:3], ("u0", "item-1", 1_700_000_001, "View")])
    assert import_files([file, two], INTERACTIONS, tmp_path / "out.parquet") == len(rows) + 1
    imported = pl.read_parquet(tmp_path / "out.parquet")
    assert imported["USER_ID"].to_list() == [row[0] for row in rows] + ["u0"]


def test_blank_lines_at_the_end_are_no_rows(tmp_path: Path) -> None:
    assert len(read(tmp_path, HEADER + "a,,,,,\n\n\r\n")) == 1


def test_long_texts_are_cut_not_refused(tmp_path: Path) -> None:
    [row] = read(tmp_path, f"{HEADER}a,,,,,{'t' * 20_001}\n")
    assert len(str(row["TEXT"])) == 20_000


def test_plain_strings_of_users_have_no_limit(tmp_path: Path) -> None:
    schema = Schema("USERS", (*USERS.fields, Field("ABOUT", "string", nullable=True)))
    path = csv_file(tmp_path / "in.csv", schema, [("a", "c", 1, "n" * 5000)])
    assert import_files([path], schema, tmp_path / "out.parquet") == 1
