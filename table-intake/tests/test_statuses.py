# SPDX-License-Identifier: Apache-2.0
"""What becomes of orders: words of many languages, what is proposed for them, and what a report says of the rest."""

import unicodedata
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_settings import parse
from table_intake import Proposal, Sample, TableSettings, propose_settings, sample_table
from table_intake.columns.statuses import meaning
from table_intake.read.rows import Table
from test_skipped_rows import in_pieces, text

SAID: Mapping[str, list[str]] = {
    "cancelled": ["취소", "취소완료", "Cancelled", "canceled", "voided", "failed", "draft", "storniert", "annulée",
        "cancelado", "annullato", "キャンセル済み", "取消", "已取消", "wc-cancelled", "Test order"],
    "returned": ["반품", "반품완료", "환불", "refunded", "Returned", "zurückerstattet", "remboursé", "devuelto",
        "rimborsato", "返品", "返金済", "退货", "退款成功"],
    "sold": ["구매확정", "배송완료", "paid", "Completed", "bezahlt", "payée", "enviado", "consegnato", "発送済み",
        "已完成", "반품철회"],
    "open": ["교환", "반품요청", "부분환불", "입금전", "pending", "partially_refunded", "on-hold", "teilerstattet",
        "en attente", "pendiente", "一部返品", "待付款"],
}  # fmt: skip
WORDS = [(word, what) for what, words in SAID.items() for word in words]
said = st.sampled_from(WORDS)


@given(said, st.sampled_from(["{}", " {}. ", "Order {}"]), st.booleans(), st.booleans())
def test_a_status_means_the_same_however_it_is_written(
    pair: tuple[str, str], form: str, capitals: bool, apart: bool
) -> None:
    word, what = pair
    written = form.format(word.upper() if capitals else word)
    assert meaning(unicodedata.normalize("NFD", written) if apart else written) == what


@given(said, said, st.sampled_from(["{}({})", "{} / {}", "{}、{}", "{} \u2013 {}", "{} [{}]"]))
def test_two_languages_in_one_cell_agree_or_leave_it_open(
    first: tuple[str, str], other: tuple[str, str], form: str
) -> None:
    both = {first[1], other[1]}
    alike = first[1] if len(both) == 1 else "cancelled" if both == {"cancelled", "returned"} else "open"
    if "\u2013" in form and first[1] == "sold":
        alike = other[1]  # what became of it
    assert meaning(form.format(first[0], other[0])) == alike


@given(st.text(max_size=30))
def test_any_other_text_is_nobodys_word(cell: str) -> None:
    assert meaning(cell) in {*SAID, None}
    assert meaning(f"{cell} qqq") is None
    assert meaning(f"not {cell}") in {"open", None}


CELLS = st.sampled_from([*(word for word, _ in WORDS), "", " paid ", "Gold", "x" * 101])
ROW = st.tuples(st.sampled_from(["u", "v", ""]), CELLS, st.sampled_from(["true", "no", ""]))


@given(st.lists(ROW, max_size=50), st.sampled_from([200, 1 << 20]))
def test_a_report_counts_what_counts_as_sold_by_value(rows: list[tuple[str, str, str]], size: int) -> None:
    chosen = parse(
        "settings.yaml",
        "interactions: {ignore: ['*'], skip: {state: [voided]}, returns: {column: state, values: [Refunded]}}",
    )
    table: list[tuple[str, ...]] = [("user_id", "item_id", "timestamp", "State", "Void?")]
    table += [(user, "i", str(1_700_000_000 + number), *rest) for number, (user, *rest) in enumerate(rows)]
    _, copied = in_pieces(text([*table]), chosen, size)
    counted = Counter(state[:100].strip() for user, state, _ in rows if user and state not in ("voided", "refunded"))
    assert copied.findings.fates["State"][1] == counted
    notes = "\n".join(copied.findings.notes)
    for word, what in WORDS:
        expected = {"cancelled": "never sold", "returned": "came back", "open": "nobody but you"}.get(what)
        lines = [line for line in notes.split("\n") if expected and expected in line and "State" in line]
        if counted[word] and expected and (what != "open" or lines):
            assert f"{word} ({counted[word]:,} row" in lines[0]
    void = sum(bool(user) and flag == "true" and state not in ("voided", "refunded") for user, state, flag in rows)
    assert ('skip: {"Void?": ["true"]}' in notes) == bool(void)


def taken(rows: list[tuple[str, ...]], size: int = 1 << 20) -> Sample:
    data = text(rows)
    return sample_table("orders.csv", Table("orders.csv", [data], size), 12)


def proposed(rows: list[tuple[str, ...]], chosen: TableSettings | None = None) -> Proposal:
    proposal = propose_settings(taken(rows), chosen or TableSettings())
    assert proposal is not None
    return proposal


def order_lines(*states: tuple[str, str]) -> list[tuple[str, ...]]:
    """Orders of three lines each, whose first line alone has the status and the buyer."""
    rows: list[tuple[str, ...]] = [("Name", "Email", "Created at", "Lineitem sku", "Financial Status", "Cancelled at")]
    for order, state in enumerate(states):
        at = f"2026-01-{order + 1:02} 10:00"
        rows.append((f"#{order}", "a@b.c", at, "s0", *state))
        rows += [(f"#{order}", "", at, sku, "", "") for sku in ("s1", "s2")]
    return rows


def test_what_an_orders_first_line_says_is_carried_down_and_counted_by_line() -> None:
    rows = order_lines(
        ("paid", ""), ("voided", ""), ("paid", "2026-01-02"), ("refunded", ""), ("partially_refunded", "")
    )
    proposal = proposed(rows)
    assert proposal.section["fill_down"] == {"columns": ["Email", "Financial Status", "Cancelled at"], "by": "Name"}
    assert proposal.section["skip"] == {"Financial Status": ["voided"], "Cancelled at": ["*"]}
    assert proposal.section["returns"] == {"column": "Financial Status", "values": ["refunded"]}
    remarks = " ".join(proposal.remarks)
    assert "never sold, so skip leaves them out: voided (3 rows)" in remarks
    assert "Cancelled at says of rows that they were never sold, so skip leaves them out: * (3 rows)" in remarks
    assert "partially_refunded (3 rows)" in remarks
    again = proposed(rows, parse("settings.yaml", "\n".join(proposal.lines())))
    assert (again.section, again.shared) == ({}, {})
    _, copied = in_pieces(text(rows), parse("settings.yaml", "\n".join(proposal.lines())), 200)
    assert (copied.findings.skipped, copied.findings.rejected) == (6, 0)
    assert copied.findings.event_types == {"Purchase": 6, "Return": 3}


def test_statuses_are_told_by_their_values_where_their_column_has_a_name_of_its_own() -> None:
    header = ("customer_id", "sku", "ordered_at", "vorgang", "qty", "qty_refunded", "region")
    words = ["bezahlt", "storniert", "versendet", "zurückerstattet", "Sonderfall", "bezahlt"]
    rows = [
        (f"c{n % 9}", f"s{n % 7}", f"2026-01-{n % 28 + 1:02}", words[n % 6], "2", str(n % 3), "OR") for n in range(60)
    ]
    proposal = proposed([header, *rows])
    assert proposal.section["skip"] == {"vorgang": ["storniert"]}
    assert proposal.section["returns"] == [
        {"column": "qty_refunded", "of": "qty"}, {"column": "vorgang", "values": ["zurückerstattet"]},
    ]  # fmt: skip
    remarks = " ".join(proposal.remarks)
    assert "vorgang is Sonderfall (10 rows)" in remarks
    assert "are returns (20 of those seen); those of which a part came back (20) stay purchases" in remarks


def test_fees_in_a_settlement_are_no_sales() -> None:
    header = ("Transaction creation date", "Type", "Buyer username", "Item ID", "Quantity")
    kinds = [*["Order"] * 3, "Other fee", "Refund", "Order", "Shipping label", "Payout", "Adjustment", *["Order"] * 2]
    rows = list[tuple[str, ...]]()
    for n, kind in enumerate(kinds * 20):
        is_fee = kind in {"Other fee", "Shipping label", "Payout"}
        buyer, quantity = ("--", "--") if is_fee else (f"b{n % 21}", "1")
        # An order of several items has a row of its own above those of its items.
        item = "--" if n % len(kinds) == len(kinds) - 1 or is_fee else f"i{n % 7}"
        rows.append((f"Nov {n % 30 + 1}, 2025", kind, buyer, item, quantity))
    proposal = proposed([header, *rows])
    assert proposal.columns["Transaction creation date"] == "TIMESTAMP"
    assert proposal.section["skip"] == {
        "Type": ["Other fee", "Payout", "Shipping label"], "Buyer username": ["--"], "Item ID": ["--"],
    }  # fmt: skip
    assert proposal.section["returns"] == {"column": "Type", "values": ["Refund"]}
    assert any("Type is Adjustment (20 rows)" in remark for remark in proposal.remarks)


def test_a_column_of_taxes_alone_tells_nothing_of_orders() -> None:
    header = ("customer_id", "sku", "ordered_at", "extra")
    rows = [(f"c{n}", f"s{n % 7}", "2026-01-01", "" if n % 5 else "Commission") for n in range(50)]
    assert "skip" not in proposed([header, *rows]).section


def test_a_till_whose_receipts_have_rows_of_their_own_above_their_lines() -> None:
    header = ("Uhrzeit", "Satzart", "Bonnr", "Datum", "Kundenkarte", "Storno", "Artikelnr", "Menge", "Zahlart")
    rows = list[tuple[str, ...]]()
    for n in range(40):
        number = f"{n:05}"
        day, void = f"{n % 28 + 1:02}.01.2026", "J" if n % 10 == 3 else "N"
        rows.append((f"{n % 24:02}:10:00", "K", number, day, f"29{n % 9:06}", void, "", "", ""))
        rows += [("", "P", number, "", "", "", f"a{(n + line) % 7}", "1", "") for line in range(3)]
        rows.append(("", "Z", number, "", "", "", "", "", "BAR"))
    proposal = proposed([header, *rows])
    assert dict(proposal.columns) == {"Kundenkarte": "USER_ID", "Datum": "TIMESTAMP", "Artikelnr": "ITEM_ID"}
    assert proposal.section["fill_down"] == {
        "columns": ["Uhrzeit", "Datum", "Kundenkarte", "Storno"], "by": "Bonnr",
    }  # fmt: skip
    assert proposal.section["time_of_day"] == "Uhrzeit"
    assert proposal.section["skip"] == {"Storno": ["J"]}
    settings = parse("settings.yaml", "\n".join(proposal.lines()))
    _, copied = in_pieces(text([header, *rows]), settings, 200)
    assert (copied.findings.rejected, copied.findings.event_types) == (36 * 2, {"Purchase": 36 * 3})


def test_an_order_with_a_row_for_each_status_is_noted_since_each_row_counts() -> None:
    header = ("order_id", "customer_id", "sku", "status", "created_at")
    log = [
        ("7", "c", "s", state, f"2026-01-0{n + 1}")
        for n, state in enumerate(["paid", "partially refunded", "cancelled"])
    ]
    remarks = " ".join(proposed([header, *log]).remarks)
    assert (
        "order_id 7 has several rows for one item, and status is paid in one, partially refunded in another" in remarks
    )


@pytest.mark.parametrize("name", ["Billing Province", "state", "estado"])
def test_towns_and_states_are_no_statuses(name: str) -> None:
    header = ("customer_id", "sku", "ordered_at", name)
    rows = [(f"c{n}", f"s{n % 7}", "2026-01-01", ["CA", "NY", "ON", "OK", "PA", "Test"][n % 6]) for n in range(5)]
    proposal = proposed([header, *rows])
    assert "skip" not in proposal.section
    assert not any("nobody but you" in remark for remark in proposal.remarks)
