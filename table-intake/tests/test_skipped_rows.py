# SPDX-License-Identifier: Apache-2.0
"""Rows that are left out, are returns or take what their order's first row says: `skip`, `returns`, `fill_down`."""

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_settings import parse
from openpyxl import Workbook
from table_intake import Checked, Expected, Refused, TableSettings, check_table, open_table
from table_intake.check import findings
from table_intake.read.rows import Table
from test_text_files import Body

NOW = 1_800_000_000
HEADER = ("USER_ID", "ITEM_ID", "TIMESTAMP", "kind", "qty")
SKIP = "interactions: {skip: {Kind: [configurable, 7, '']}, returns: {column: qty}}"
GONE = ("configurable", "7", "")
kinds = st.sampled_from(["simple", "Configurable", " configurable ", "7", "", "70", "-1", "con,figurable", 'a "b"\nc'])
rows = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from(["i", "j", ""]), kinds, st.sampled_from(["1", "-1", "", "x"])),
    min_size=1,
    max_size=40,
)


def text(table: list[tuple[str, ...]], separator: str = ",") -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(table)
    return file.getvalue().encode()


def book(table: list[tuple[str, ...]]) -> bytes:
    made, file = Workbook(), io.BytesIO()
    for row in table:
        made.worksheets[0].append(row)
    made.save(file)
    return file.getvalue()


def parquet(table: list[tuple[str, ...]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(table[1:], schema=dict.fromkeys(table[0], pl.String), orient="row").write_parquet(file)
    return file.getvalue()


def json_lines(table: list[tuple[str, ...]]) -> bytes:
    return "".join(f"{json.dumps(dict(zip(table[0], row, strict=True)))}\n" for row in table[1:]).encode()


FORMATS = {
    "csv": text,
    "tsv": lambda table: text(table, "\t"),
    "xlsx": book,
    "parquet": parquet,
    "json": json_lines,
}


def imported(data: bytes, chosen: TableSettings) -> tuple[bytes, Checked]:
    written: list[bytes] = []
    expected = Expected("drop", "interactions", "FULL", chosen, now=NOW)
    files = chosen.file_settings("interactions")
    with TemporaryDirectory() as scratch, open_table("drop", Body(data), files, Path(scratch)) as table:
        copied = check_table(table, expected, lambda some: written.append(bytes(some)), Path(scratch))
    return b"".join(written), copied


@pytest.mark.parametrize("form", FORMATS)
@given(rows=rows)
def test_the_import_is_that_of_a_file_without_these_rows(form: str, rows: list[tuple[str, str, str, str]]) -> None:
    table = [(user, item, str(1_700_000_000 + number), *rest) for number, (user, item, *rest) in enumerate(rows)]
    remaining = [row for row in table if row[3].strip().lower() not in GONE]
    write = FORMATS[form]
    ours, skipped = imported(write([HEADER, *table]), parse("settings.yaml", SKIP))
    plain = parse("settings.yaml", SKIP.replace("skip: {Kind: [configurable, 7, '']}, ", ""))
    expected, oracle = imported(write([HEADER, *remaining]) if remaining else text([HEADER]), plain)
    assert ours == expected
    checked_rows, other = skipped.findings, oracle.findings
    assert (checked_rows.rows, checked_rows.accepted, checked_rows.rejected) == (
        other.rows,
        other.accepted,
        other.rejected,
    )
    assert [(reason.rule, reason.rows) for reason in checked_rows.reasons] == [
        (reason.rule, reason.rows) for reason in other.reasons
    ]
    assert (checked_rows.event_types, checked_rows.duplicates, checked_rows.size) == (
        other.event_types,
        other.duplicates,
        other.size,
    )
    assert checked_rows.skipped == len(table) - len(remaining)
    assert checked_rows.skipped == 0 or "left out, as the setting skip says: KIND is " in str(checked_rows.notes)


@pytest.mark.parametrize("form", FORMATS)
def test_what_the_first_row_of_an_order_says_goes_for_its_others_in_any_format(form: str) -> None:
    orders = [("u", "1", "paid"), ("u", "1", ""), ("v", "2", "Voided"), ("v", "2", ""), ("w", "3", "")]
    rows = [(user, f"i{n}", "1700000000", order, status) for n, (user, order, status) in enumerate(orders)]
    chosen = "interactions: {fill_down: {columns: [status], by: order}, skip: {status: [voided]}}"
    data = FORMATS[form]([("USER_ID", "ITEM_ID", "TIMESTAMP", "order", "status"), *rows])
    copy, copied = imported(data, parse("settings.yaml", chosen))
    assert [line.split(",")[:2] for line in copy.decode().splitlines()[1:]] == [["u", "i0"], ["u", "i1"], ["w", "i4"]]
    assert copied.findings.skipped == 2


def test_refused_rows_keep_their_lines_and_those_that_are_skipped_are_never_bad() -> None:
    cells = [("", "configurable"), ("", "simple"), ("i", "x")]
    lines = [("u", item, "1700000000", kind, "1") for item, kind in cells]
    _, copied = imported(text([HEADER, *lines]), parse("settings.yaml", SKIP))
    (reason,) = copied.findings.reasons
    assert [example.line for example in reason.examples] == [3]
    assert (copied.findings.rows, copied.findings.rejected, copied.findings.skipped) == (2, 1, 1)


def test_a_file_without_the_column_is_refused_and_values_that_it_lacks_are_noted() -> None:
    chosen = parse("settings.yaml", "interactions: {skip: {state: [cancelled]}}")
    with pytest.raises(Refused, match="leave rows out by the column state, which the file lacks: it has USER_ID, "):
        imported(text([HEADER, ("u", "i", "1700000000", "x", "1")]), chosen)
    for setting in ("fill_down: {columns: [state], by: kind}", "fill_down: {columns: [kind], by: state}"):
        with pytest.raises(Refused, match="fill empty cells by the column state, which the file lacks"):
            imported(text([HEADER]), parse("settings.yaml", f"interactions: {{{setting}}}"))
    data = text([(*HEADER[:3], "State"), ("u", "i", "1700000000", "paid")])
    assert "no row was left out by STATE" in str(imported(data, chosen)[1].findings.notes)


def test_a_file_of_which_nothing_is_left_is_refused_with_the_reason() -> None:
    chosen = parse("settings.yaml", SKIP)
    _, copied = imported(text([HEADER, ("u", "i", "1700000000", "", "1")]), chosen)
    expected = Expected("drop", "interactions", "FULL", chosen, now=NOW)
    assert findings.problems(expected, copied.findings) == [
        "nothing remains, since the setting skip leaves out 1 row: correct it, or the file"
    ]


MINUS = st.sampled_from(
    ["-{}", "- {}", "\u2212{}", "\u2013{}", "\uff0d{}", "{}-", "{} -", "{}\u2212", "({})", "( {} )",
        "\uff08{}\uff09", "△{}", "▲ {}", "-€{}", "€ -{}", "(€{})", "€({})", "{} €-", "-{} €"]
)  # fmt: skip
MARKS = {"": (".", ""), "decimal: ',', thousands: '.'": (",", "."), "thousands: ','": (".", ",")}


@given(
    st.lists(st.tuples(st.integers(0, 10**7), MINUS, st.booleans()), min_size=1, max_size=20),
    st.sampled_from(sorted(MARKS)),
)
def test_a_number_below_0_is_a_return_whatever_minus_it_has(written: list[tuple[int, str, bool]], marks: str) -> None:
    decimal, thousands = MARKS[marks]
    rows: list[tuple[str, ...]] = [HEADER]
    for index, (number, minus, below) in enumerate(written):
        digits = f"{number / 100:,.2f}".replace(",", "#").replace(".", decimal).replace("#", thousands)
        cell = minus.format(digits) if below else digits
        rows.append(("u", "i", str(1_700_000_000 + index), "sale", cell))
    chosen = parse("settings.yaml", f"interactions: {{currency: €, {marks or 'unit: s'}, returns: {{column: QTY}}}}")
    _, copied = imported(text(rows), chosen)
    assert copied.findings.rejected == 0
    assert copied.findings.event_types.get("Return", 0) == sum(below and number > 0 for number, _, below in written)


@pytest.mark.parametrize("cell", ["12,000-", "two", "1.2.3", "--5", "-(5)", "n/a"])
def test_a_cell_that_should_tell_a_return_and_is_no_number_makes_its_row_bad(cell: str) -> None:
    chosen = parse("settings.yaml", "interactions: {returns: {column: qty}}")
    lines = [
        ("u", "i", "1700000000", "sale", "3"),
        ("u", "i", "1700000000", "sale", cell),
        ("u", "i", "1700000000", "", ""),
    ]
    _, copied = imported(text([HEADER, *lines]), chosen)
    (reason,) = copied.findings.reasons
    sentence = f"QTY must be a number, since the setting returns tells returns by it, not {cell!r}"
    assert [(example.line, example.told) for example in reason.examples] == [(3, sentence)]
    assert copied.findings.event_types == {"Purchase": 2}
    expected = Expected("drop", "interactions", "FULL", chosen, now=NOW)
    assert findings.problems(expected, copied.findings) == [
        "1 of 3 rows is bad (33.33%; the shop's limit is 1.00%): 1 because QTY must be a number, since "
        f"the setting returns tells returns by it, not {cell!r} (first: line 3)"
    ]


def test_words_and_what_came_back_of_an_order_tell_returns_and_each_value_is_counted() -> None:
    chosen = parse(
        "settings.yaml",
        "interactions: {skip: {kind: ['void*']}, returns: [{column: kind, values: [반품완료, 7]}, {column: qty},"
        " {column: back, of: qty}]}",
    )
    cells = [
        ("반품완료", "1", "0"), ("7", "-1", ""), ("paid", "-1", "0"), ("paid", "3", "1"), ("paid", "3", "3"),
        ("VOIDED", "1", "0"), ("void(ed)", "9", "x"), ("a void", "1", "0"), ("70", "0", "0"), ("paid", "1.0", "1"),
    ]  # fmt: skip
    lines = [("u", "i", str(1_700_000_000 + number), *rest) for number, rest in enumerate(cells)]
    _, copied = imported(text([(*HEADER, "back"), *lines]), chosen)
    assert copied.findings.event_types == {"Return": 5, "Purchase": 3}
    notes = [note for note in copied.findings.notes if note.split()[1] in {"row", "rows"}]
    assert notes == [
        "2 rows were left out, as the setting skip says: KIND is void*",
        "2 rows became events of the type Return, as the setting returns says: BACK not below QTY",
        "1 row became events of the type Return, as the setting returns says: KIND is 7",
        "1 row became events of the type Return, as the setting returns says: KIND is 반품완료",
        "1 row became events of the type Return, as the setting returns says: QTY below 0",
    ]


FILL = "interactions: {ignore: [order], fill_down: {columns: [state, user_id], by: order}, skip: {state: [voided]}}"
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["#1", "#2", "#2 ", ""]),
        st.sampled_from(["", "", " ", "voided", "paid", 'a,"b"\nc']),
        st.sampled_from(["", "u", "v"]),
    ),
    max_size=60,
)


@given(ORDERS, st.sampled_from([60, 300, 1 << 20]))
def test_what_stands_in_an_orders_first_row_holds_for_its_other_rows(
    rows: list[tuple[str, str, str]], size: int
) -> None:
    header = ("ORDER", "STATE", "USER_ID", "ITEM_ID", "TIMESTAMP")
    given_: list[tuple[str, ...]] = [header]
    plain: list[tuple[str, ...]] = [header]
    last = ("", "", "")
    for number, (order, *cells) in enumerate(rows):
        above = last[1:] if order.strip() and order.strip() == last[0] else cells
        state, user = (cell if cell.strip() else up for cell, up in zip(cells, above, strict=True))
        last = (order.strip(), state, user)
        rest = ("i", str(1_700_000_000 + number))
        given_.append((order, *cells, *rest))
        plain.append((order, state, user, *rest))
    filled, other = (
        in_pieces(text(table), parse("settings.yaml", chosen), size)
        for table, chosen in (
            (given_, FILL),
            (plain, FILL.replace("fill_down: {columns: [state, user_id], by: order}, ", "")),
        )
    )
    assert filled[0] == other[0]
    # A value with a line break that goes down moves the lines of the other file.
    counted = [
        ({reason.rule: reason.rows for reason in copied.findings.reasons}, copied.findings.skipped)
        for _, copied in (filled, other)
    ]
    assert counted[0] == counted[1]


def in_pieces(data: bytes, chosen: TableSettings, size: int) -> tuple[bytes, Checked]:
    """Check a CSV in pieces of some bytes."""
    written: list[bytes] = []
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    expected = Expected("drop", "interactions", "FULL", chosen, now=NOW)
    with TemporaryDirectory() as scratch:
        copied = check_table(
            Table("drop", chunks, size), expected, lambda some: written.append(bytes(some)), Path(scratch)
        )
    return b"".join(written), copied
