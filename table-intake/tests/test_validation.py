# SPDX-License-Identifier: Apache-2.0
"""Checking a drop, by what comes out of it: the copy, the schema, the refused rows, the reasons."""

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_intake import Checked, DataKind, Expected, Mode, Refused, TableSettings, check_table, problems
from table_intake.check.tallies import HashTally, WordTally
from table_intake.columns.schema import Column, Schema
from table_intake.read.rows import Table

SHOP, CUSTOM = TableSettings(), TableSettings(domain="custom")
ITEMS = "ITEM_ID,PRICE,CATEGORY_L1"


def checked(
    content: str | bytes,
    kind: DataKind = "items",
    shop: TableSettings = CUSTOM,
    existing: Schema | None = None,
    mode: Mode = "FULL",
    size: int = 1 << 20,
) -> tuple[Checked, list[str]]:
    written: list[bytes | memoryview] = []
    data = content.encode() if isinstance(content, str) else content
    expected = Expected("drop.csv", kind, mode, shop, existing, 1_800_000_000)
    chunks = [data[start : start + 1000] for start in range(0, len(data), 1000)]
    with tempfile.TemporaryDirectory() as scratch:
        copied = check_table(Table("drop.csv", chunks, size), expected, written.append, Path(scratch))
    return copied, b"".join(written).decode().split("\n")[:-1]


def refusal(content: str, kind: DataKind = "interactions", shop: TableSettings = SHOP, mode: Mode = "FULL") -> str:
    expected = Expected("drop.csv", kind, mode, shop)
    return "; ".join(problems(expected, checked(content, kind, shop, mode=mode)[0].findings))


def refused(copied: Checked) -> list[tuple[int, str]]:
    return [
        (int(line), reason) for line, reason, _ in list(csv.reader(io.StringIO(copied.rejects.file().decode())))[1:]
    ]


def column(values: Sequence[str], name: str = "X") -> Column:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("ITEM_ID", name), *enumerate(values)])
    return checked(text.getvalue())[0].schema.columns[1]


def history(rows: int = 1200, users: int = 100, types: int = 1, extra: str = "") -> str:
    lines = [f"u{row % users},i{row % 50},{1_700_000_000 + row},type{row % types}" for row in range(rows)]
    more = "," + ",".join("1" for _ in extra.split(",")[1:]) if extra else ""
    return "\n".join([f"USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE{extra}", *(line + more for line in lines)]) + "\n"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "22", "-3"], Column("X", "long", nullable=True)),
        (["1", "2.5", ""], Column("X", "float", nullable=True)),
        (["1e3", ".5", "7."], Column("X", "float", nullable=True)),
        (["1", "two"], Column("X", nullable=True, categorical=True)),
        (["007", "1"], Column("X", nullable=True, categorical=True)),
        (["1", "nan"], Column("X", nullable=True, categorical=True)),
        (["", ""], Column("X", nullable=True, categorical=True)),
        (["9" * 19, "1"], Column("X", "float", nullable=True)),
        ([f"name {n}" for n in range(1001)], Column("X", nullable=True, categorical=True)),
        ([f"name {n % 1001}" for n in range(4000)], Column("X", nullable=True, categorical=True)),
        ([f"name {n % 20_001}" for n in range(41_000)], Column("X", nullable=True, categorical=True)),
    ],
)
def test_a_columns_kind_is_found_out(values: list[str], expected: Column) -> None:
    assert column(values) == expected


def test_names_are_plain_text_unless_they_are_all_that_there_is() -> None:
    rows = "".join(f"{n},name {n},1\n" for n in range(1001))
    assert checked("ITEM_ID,NAME,SIZE\n" + rows)[0].schema.columns[1] == Column("NAME", nullable=True)
    rows = "".join(f"{n},name {n % 20_001},1\n" for n in range(41_000))
    assert not checked("ITEM_ID,NAME,SIZE\n" + rows)[0].schema.columns[1].categorical


def test_one_long_text_describes_an_item() -> None:
    rows = "".join(f"{n},d{n},s{n},l{n}\n" for n in range(3))
    copied, _ = checked("ITEM_ID,LONG_DESCRIPTION,DESCRIPTION,SHORT_DESCRIPTION\n" + rows)
    assert [column.name for column in copied.schema.columns if column.textual] == ["DESCRIPTION"]
    copied, _ = checked("ITEM_ID,PRICE,CATEGORY_L1,description,PRODUCT_DESCRIPTION\n1,2,c,a,b\n", shop=SHOP)
    assert [column.name for column in copied.schema.columns if column.textual] == ["PRODUCT_DESCRIPTION"]


CUT = "1 value of {} was cut off at 1,000 characters, the most that Personalize takes"


def test_a_text_of_an_item_is_cut_off_at_a_thousand_characters_and_one_that_was_is_no_category() -> None:
    copied, lines = checked(f"ITEM_ID,X,Y\n1,{'ü' * 1001},1\n2,{'ü' * 1000},1\n")
    assert lines[1:] == [f"1,{'ü' * 1000},1", f"2,{'ü' * 1000},1"]
    assert not copied.schema.columns[1].categorical
    assert CUT.format("X") in copied.findings.notes
    copied, lines = checked(f"{ITEMS}\n1,2,{'x' * 1001}\n", shop=SHOP)
    assert (refused(copied), lines[1:]) == ([], [f"1,2,{'x' * 1000}"])
    assert CUT.format("CATEGORY_L1") in copied.findings.notes
    copied, lines = checked(f"USER_ID,ABOUT\n1,{'x' * 1001}\n", "users")
    assert (lines[1:], copied.findings.notes) == ([f"1,{'x' * 1000}"], (CUT.format("ABOUT"),))


def test_only_the_text_that_describes_an_item_may_be_long() -> None:
    long, cut = "x" * 30_000, "x" * 1000
    copied, lines = checked(f"ITEM_ID,ABOUT,LONG_DESCRIPTION\n1,{long},{long}\n")
    assert lines[1:] == [f"1,{cut},{long}"]
    assert [column.name for column in copied.schema.columns if column.textual] == ["LONG_DESCRIPTION"]
    copied, lines = checked(f"{ITEMS},DESCRIPTION,PRODUCT_DESCRIPTION\n1,2,c,{long},{long}\n", shop=SHOP)
    assert lines[1:] == [f"1,2,c,{cut},{long}"]
    assert copied.findings.notes == (CUT.format("DESCRIPTION"),)
    # A dataset keeps the column that it has; a shop without one has none.
    existing = Schema("items", (Column("ITEM_ID"), Column("DESCRIPTION", nullable=True)))
    assert checked(f"ITEM_ID,DESCRIPTION\n1,{long}\n", existing=existing)[1][1:] == [f"1,{cut}"]
    assert checked(f"ITEM_ID,TEXT\n1,{long}\n")[1][1:] == [f"1,{cut}"]


@pytest.mark.parametrize("quote", ['"', ""])
@pytest.mark.parametrize("mark", ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_a_record_is_on_one_line_and_an_id_has_no_line_break(mark: str, quote: str) -> None:
    if not quote and mark in {"\n", "\r", "\r\n"}:
        return  # These end a row, or damage it.
    rows = [f"1,{quote}one{mark}two{quote},1", "2,three,1", f"{quote}3{mark}4{quote},five,1"]
    copied, lines = checked("\n".join(["ITEM_ID,X,Y", *rows, ""]))
    assert lines[1:] == ["1,one two,1", "2,three,1"]
    (bad,) = copied.findings.reasons
    assert (bad.rule, bad.rows) == ("ITEM_ID has a line break in it", 1)
    assert refused(copied)[0][1] == f"ITEM_ID has a line break in it: {f'3{mark}4'!r}"
    assert "1 value of X had line breaks, which are spaces now: Personalize reads one record a line" in (
        copied.findings.notes
    )


def test_a_default_is_put_on_one_line_as_well() -> None:
    shop = CUSTOM.model_copy(update={"defaults": {"X": "one\r\ntwo"}})
    assert checked("ITEM_ID,X,Y\n1,,2\n", shop=shop)[1][1:] == ["1,one two,2"]


@given(st.lists(st.tuples(*[st.text(st.sampled_from('ab," \n\r\v\f\x85\u2028\u2029é'), max_size=6)] * 2), max_size=20))
def test_a_copy_has_as_many_lines_as_rows_whoever_reads_it(values: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    # Its own line ends have a carriage return, without which Python before 3.13 leaves that of a value unquoted.
    csv.writer(text).writerows([("ITEM_ID", "X", "Y"), *((str(n), *two) for n, two in enumerate(values))])
    copied, lines = checked(text.getvalue(), size=50)
    assert copied.findings.accepted == len(values)
    assert "\n".join(lines).splitlines() == lines
    assert len(lines) == len(values) + 1


@pytest.mark.parametrize(
    ("user", "item", "warned"),
    [
        ("u-1_a.b@c.org", "日本/7:ü", []),
        ("it's", "i1", ["USER_ID"]),
        ('"say ""hi"""', '"a,b"', ["ITEM_ID", "USER_ID"]),
        ("u1", "🛒7", ["ITEM_ID"]),
        ("u 1", "i1", ["USER_ID"]),
    ],
)
def test_ids_that_personalize_advises_against_are_a_warning(user: str, item: str, warned: list[str]) -> None:
    copied, _ = checked(f"USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n{user},{item},1700000000,View\n", "interactions")
    assert copied.findings.accepted == 1
    assert [note.partition(" ")[0] for note in copied.findings.notes if "advises against" in note] == warned


def test_the_same_data_always_gives_the_same_schema() -> None:
    first, _ = checked(history(), "interactions", SHOP)
    two, _ = checked(history(1500), "interactions", SHOP)
    assert first.schema.text() == two.schema.text()
    assert first.schema.digest("ECOMMERCE") == two.schema.digest("ECOMMERCE") != first.schema.digest(None)


def test_gaps_are_filled_and_told() -> None:
    shop = TableSettings(defaults={"PRICE": 9.5, "CATEGORY_L1": 'a "b", c'})
    copied, lines = checked("ITEM_ID,PRICE\n1,\n2,3\n", shop=shop)
    assert lines == [ITEMS, '1,9.5,"a \\"b\\", c"', '2,3,"a \\"b\\", c"']
    assert copied.findings.notes[-1] == "1 empty cell of PRICE was filled in"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,,c", "PRICE is empty"),
        (",1,c", "ITEM_ID is empty"),
        ("2,three,c", "PRICE must be a number, not 'three'"),
        ("1,inf,c", "PRICE must be a number, not 'inf'"),
        ("1,1_000,c", "PRICE must be a number, not '1_000'"),
        ("1,\uff11,c", "PRICE must be a number, not '\uff11'"),
        ("é" * 129 + ",2,c", "ITEM_ID has 258 bytes; 256 are allowed"),
        ("1,2", "has 2 values and the header has 3"),
        ("1,2,3,4", "has 4 values and the header has 3"),
        ('"1"x,2,c', "cannot be read: its quotes do not match"),
        ('1,2,"c', "cannot be read: its quotes do not match"),
        ("1,2,c\rd,3,c", "has a carriage return in it"),
        ("1,2,\0", "contains a zero byte"),
        ("1,2," + "x" * 131_073, "has a value of more than 131,072 characters"),
    ],
)
def test_a_bad_row_is_left_out_by_its_line_and_named(row: str, reason: str) -> None:
    copied, lines = checked(f'{ITEMS}\n0,1,"a\nb"\n\n{row.replace(chr(0xDC), "")}\n9,9,c\n', shop=SHOP)
    assert refused(copied) == [(5, reason)]
    assert lines == [ITEMS, "0,1,a b", "9,9,c"]
    assert (copied.findings.rows, copied.findings.accepted) == (3, 2)


def test_bytes_that_are_no_text_cost_their_row_alone() -> None:
    copied, lines = checked(f"{ITEMS}\n1,2,gr".encode() + b"\xfcn\n2,2," + "grün\n".encode(), shop=SHOP)
    assert refused(copied) == [(2, "is not UTF-8 text")]
    assert lines[1:] == ["2,2,grün"]


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    rows = "".join(f"{n},1,c\n" for n in range(5_000))
    copied, _ = checked(f'{ITEMS}\nx,"1,c\n{rows}', shop=SHOP, size=2_000)
    assert refused(copied) == [(2, "cannot be read: its quotes do not match")]
    assert copied.findings.accepted == 5_000


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("2023-11-14", "1699920000"),
        ("2023-11-14T22:13:20Z", "1700000000"),
        ("2023-11-14 23:13:20.5+01:00", "1700000000"),
        ("2023-11-14T17:43-0430", "1699999980"),
        ("01700000000", "01700000000"),
        ("2023-11-14 22:13:20+00", "1700000000"),
        ("2023-11-14 22:13:20.123456+00", "1700000000"),
        ("2023-11-14 17:13:20-05", "1700000000"),
        ("2023-11-14 22:13:20+0000", "1700000000"),
        ("2023-11-14 22:13:20 UTC", "1700000000"),
        ("1700000000.0", "1700000000"),
        ("1700000000.", "1700000000"),
        ("1700000000.987", "1700000000"),
    ],
)
def test_a_time_may_be_a_date(cell: str, seconds: str) -> None:
    copied, lines = checked(history().replace("1700000003", cell), "interactions", SHOP)
    assert lines[4].split(",")[2] == seconds
    assert not copied.findings.rejected


def test_lines_are_counted_as_an_editor_does_however_the_file_is_cut() -> None:
    rows = "".join(f'{n},1,"c\r\n{n}"\r\n' if n % 3 else f"{n},x,c\r\n" for n in range(300))
    outcomes = [refused(checked(f"\ufeff{ITEMS}\r\n{rows}", shop=SHOP, size=size)[0]) for size in (50, 777, 1 << 20)]
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert [line for line, _ in outcomes[0]][:3] == [2, 7, 12]


def test_quotes_come_in_both_forms_and_leave_in_personalizes() -> None:
    _, lines = checked('ITEM_ID,X,Y\n1,"5"" nail",a\n2,"5\\" nail",b\\\n3,"a,\\\\",c\n', shop=CUSTOM)
    assert lines[1:] == ['1,"5\\" nail",a', '2,"5\\" nail","b\\\\"', '3,"a,\\\\\\\\",c']


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (history(999), "1,000 different interactions; the file has 999"),
        (history(600) + history(600).partition("\n")[2], "different interactions; the file has 600"),
        (history(1200, users=24), "of 24 users only 24 have two interactions or more"),
        (history(2000, users=1990).replace("type0", "t"), "of 1,990 users only 10 have two"),
        (history(types=11), "there are 11 event types; Personalize takes 10"),
        (history(types=8, extra=",A,B,C"), "event types (8) and columns of your own (3) can be ten"),
        (history().replace(",17000", ",x17000"), "1,200 of 1,200 rows are bad (100.00%; the shop's limit is 1.00%)"),
        ("USER_ID,ITEM_ID,TIMESTAMP\n", "a header and no rows"),
    ],
)
def test_what_is_too_little_or_too_bad_is_told_before_an_import(text: str, reason: str) -> None:
    assert reason in refusal(text)


def test_an_incremental_drop_needs_neither_rows_nor_users() -> None:
    assert refusal(history(10, users=10), mode="INCREMENTAL") == ""


def test_an_existing_schema_is_kept_and_its_kinds_are_demanded() -> None:
    existing = Schema("items", (Column("ITEM_ID"), Column("AGE", "long", nullable=True), Column("NAME", nullable=True)))
    copied, lines = checked("name,age,item_id\nx,3,1\ny,,2\nz,3.5,3\n", existing=existing)
    assert (copied.schema, lines[1:]) == (existing, ["1,3,x", "2,,y"])
    assert refused(copied) == [(4, "AGE must be a whole number, not '3.5'")]


def test_columns_that_items_get_come_after_those_that_they_have() -> None:
    existing = Schema("items", (Column("ITEM_ID"), Column("AGE", "long", nullable=True)))
    copied, lines = checked("brand,age,item_id\nx,3,1\n", existing=existing)
    assert copied.layout.added == ("BRAND",)
    assert copied.schema.columns[2] == Column("BRAND", nullable=True, categorical=True)
    assert lines == ["ITEM_ID,AGE,BRAND", "1,3,x"]


def test_what_is_found_is_exact() -> None:
    copied, _ = checked(history(1200, users=100) + history(300).partition("\n")[2], "interactions", SHOP, size=5_000)
    findings = copied.findings
    assert (findings.rows, findings.duplicates, findings.event_types) == (1500, 300, {"type0": 1500})
    assert findings.users is not None
    assert findings.items is not None
    assert (findings.users.ids, findings.users.at_least(2), findings.items.ids) == (100, 100, 50)
    assert (findings.first, findings.last, sum(findings.per_day.values())) == (1_700_000_000, 1_700_001_199, 1500)
    assert findings.items.share_of_top(0.5) == pytest.approx(0.5)


@given(keys=st.lists(st.integers(0, 40), max_size=200), most=st.sampled_from([10, 10_000]))
@settings(deadline=None)
def test_counts_are_the_same_in_memory_and_on_disk(keys: list[int], most: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        hashes, words = HashTally(Path(scratch), "h", most), WordTally(Path(scratch), "w", most)
        for start in range(0, len(keys), 7):
            some = pl.Series(keys[start : start + 7], dtype=pl.UInt64)
            hashes.take(some)
            words.take(some, some.cast(pl.String))
        numbers = [row for frame in hashes.counts() for row in frame.iter_rows()]
        texts = [row for frame in words.counts() for row in frame.select("word", "rows").iter_rows()]
    assert sorted(numbers) == sorted((key, keys.count(key)) for key in set(keys))
    assert sorted(texts) == sorted((str(key), keys.count(key)) for key in set(keys))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_rows_or_refused_with_a_reason(data: bytes) -> None:
    copied, _ = checked(b"ITEM_ID,X\n" + data)
    assert copied.findings.rejected == len(refused(copied))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b" , \n , \n", "the file is empty"),
        (b"A\xe9,B\n1,2\n", "line 1, which must name the columns, is not UTF-8 text"),
        (b'ITEM_ID,"X\n1,2\n', "line 1, which must name the columns, cannot be read"),
        (b"ITEM_ID,X\n1," + b"x" * 9_500_000, "line 2 is longer than 8 MB"),
        (b"USER_ID,ITEM_ID,TIMESTAMP\n1,2,3\n", "these look like interactions"),
        (b"USER_ID,AGE\n1,2\n", "these look like users"),
    ],
)
def test_what_is_no_table_of_items_is_refused_at_once(content: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        checked(content)


@pytest.mark.parametrize("row", ["=cmd|' /C calc'!A0,1", "+1,1", "-5,1", "@SUM(A1),1", "\t=1,1", "'=1,1"])
def test_a_refused_row_is_no_formula_in_a_spreadsheet_and_comes_back_by_one_apostrophe(row: str) -> None:
    copied, _ = checked(f"ITEM_ID,X\na,1\n{row},more\n")
    (_, _, value) = list(csv.reader(io.StringIO(copied.rejects.file().decode())))[1]
    assert value == f"'{row},more"
    copied, _ = checked("ITEM_ID,X\na,1\nc,=1,more\n")
    assert copied.rejects.file().decode().splitlines()[1] == '3,"has 3 values and the header has 2","c,=1,more"'


@pytest.mark.parametrize("word", ["NULL", "null", "NaN", "None", "N/A", "nil", "(null)", "\\N", "undefined"])
def test_words_for_no_value_are_named_where_an_id_should_be(word: str) -> None:
    warning = f"USER_ID is {word} in 24 rows (2.00%), which count as one user"
    copied, _ = checked(history().replace("u7,", f"{word},").replace("u8,", f"{word},"), "interactions", SHOP)
    assert copied.findings.accepted == 1200
    assert any(note.startswith(warning) for note in copied.findings.notes)
    copied, _ = checked(f"ITEM_ID,X\na,1\n{word},1\n{word},2\n")
    assert any(note.startswith(f"ITEM_ID is {word} in 2 rows (66.67%)") for note in copied.findings.notes)
    assert not [note for note in checked(history(), "interactions", SHOP)[0].findings.notes if "count as one" in note]


def test_the_median_of_many_numbers_is_about_right_and_the_ends_are_exact() -> None:
    rows = "".join(f"{n},{n * 7919 % 150_001 - 1000}.5\n" for n in range(150_001))
    (number,) = [column.range for column in checked("ITEM_ID,X\n" + rows)[0].findings.columns if column.range]
    assert (number.minimum, number.maximum, number.below_zero, number.exact) == (-1000.5, 149_000.5, 1000, False)
    assert abs(number.median / 74_000.5 - 1) < 0.005
    copied, _ = checked("ITEM_ID,PRICE,CATEGORY_L1,Y\n1,2,c,x\n2,4,c,\n3,-1,c,\n4,10,c,2\n", shop=SHOP)
    ranges = {column.column.name: column.range for column in copied.findings.columns}
    price = ranges["PRICE"]
    assert price
    assert (price.minimum, price.median, price.maximum, price.below_zero) == (-1, 3, 10, 1)
    assert ranges["Y"] is None
