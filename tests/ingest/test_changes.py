# SPDX-License-Identifier: Apache-2.0
"""What looks wrong in a drop beside the last one, and what a shop's settings then refuse."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from personalization.core.errors import Rejected
from personalization.ingest import report
from personalization.ingest.report import Subject
from personalization.shop.settings import settings
from personalization.shop.settings.settings import ShopSettings
from table_intake import Mode
from table_intake.check import changes
from table_intake.check.changes import Last
from table_intake.check.findings import Filled, Findings, Range, Spread
from table_intake.columns.schema import Column

Document = Mapping[str, Any]
NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
DAY = 86_400
PRICE = Filled(Column("PRICE", "float"), 12_000, None, Range(1, 129, 900, 0))
BRAND = Filled(Column("BRAND", nullable=True, categorical=True), 11_640, 40)
TOP = tuple((f"i{number}", 1_000 - number) for number in range(10))
USERS = Spread(1_000, 12_000, {12: 1_000}, unknown_rows=120, unknown_ids=10)
GOODS = Spread(500, 12_000, {24: 500}, TOP)
TYPES = {"View": 11_000, "Cart": 1_000}
SALES = Findings(
    rows=12_000,
    accepted=12_000,
    reasons=(),
    duplicates=0,
    columns=(PRICE, BRAND),
    size=400_000,
    first=20_000 * DAY,
    last=20_059 * DAY,
    per_day=dict.fromkeys(range(20_000, 20_060), 200),
    event_types=TYPES,
    users=USERS,
    items=GOODS,
)
FEWER: dict[str, Any] = {
    "rows": 5_000,
    "accepted": 5_000,
    "columns": (replace(PRICE, cells=5_000), replace(BRAND, cells=5_000)),
}
ITEMS = Findings(3_000, 3_000, (), 0, (replace(PRICE, cells=3_000),), 90_000, ids=3_000, new_ids=3_000)


def subject(chosen: ShopSettings = ShopSettings(), **more: Any) -> Subject:  # noqa: ANN401, B008
    subject = Subject(
        shop="demo",
        run="run-1",
        kind="interactions",
        mode="FULL",
        key="drops/demo/interactions/b.csv",
        now=NOW,
        settings=chosen,
    )
    return replace(subject, **more)


Told = list[tuple[str, str]]
LAST = report.document(subject(run="run-0", key="drops/demo/interactions/a.csv"), SALES, "")


def told(
    findings: Findings,
    last: Mapping[str, Any] | None = LAST,
    since: Mapping[str, Any] | None = None,
    mode: Mode = "FULL",
) -> Told:
    document = report.document(subject(mode=mode), findings, "", Last(last, since))
    return [(suspicion["what"], suspicion["told"]) for suspicion in document["suspicions"]]


def without(*days: int) -> dict[int, int]:
    return {day: rows for day, rows in SALES.per_day.items() if day - 20_000 not in days}


@pytest.mark.parametrize(
    ("changed", "what", "clause"),
    [
        (FEWER, "rows", "it has 5,000 good rows, 42% of the 12,000 before"),
        ({"per_day": without(*range(20, 27))}, "days", "nothing happened from 2024-10-24 to 2024-10-30, 7 days"),
        (
            {"last": 20_050 * DAY},
            "history",
            "its last interaction is of 2024-11-23, and one of 2024-12-02",
        ),
        (
            {"columns": (replace(PRICE, range=Range(10, 1290, 9000, 0)), BRAND)},
            "numbers",
            "the median of PRICE is 1,290, 10 times the 129 before",
        ),
        (
            {"columns": (replace(PRICE, range=Range(0, 12.9, 90, 0)), BRAND)},
            "numbers",
            "the median of PRICE is 12.9, 0.1 times the 129 before",
        ),
        ({"users": replace(USERS, unknown_ids=960)}, "ids", "96% of its users are not in the shop's users"),
        (
            {"items": replace(GOODS, top=tuple((f"0{name}", rows) for name, rows in TOP))},
            "ids",
            "none of the 10 most popular items before is among the 10 now",
        ),
        ({"event_types": {"View": 12_000}}, "event_types", "the event type Cart is gone, which 8% of rows had"),
        ({"columns": (PRICE,)}, "columns", "BRAND is gone"),
        ({"columns": (PRICE, replace(BRAND, cells=360))}, "columns", "BRAND is filled in 3% of rows, and was in 97%"),
        (
            {"columns": (PRICE, replace(BRAND, column=Column("BRAND", "long")))},
            "columns",
            "BRAND was read as category before, and is whole number now",
        ),
    ],
)
def test_what_looks_wrong_is_told_beside_what_was_before(changed: dict[str, Any], what: str, clause: str) -> None:
    ((suspicion, text),) = told(replace(SALES, **changed))
    assert (suspicion, text[: len(clause)]) == (what, clause)
    page = report.page(report.document(subject(), replace(SALES, **changed), "", Last(LAST)))
    assert "What looks wrong" in page


@pytest.mark.parametrize(
    "changed",
    [
        {"rows": 6_000, "accepted": 6_000},
        {"per_day": without(*range(20, 26))},
        {"columns": (replace(PRICE, range=Range(1, 640, 900, 0)), BRAND)},
        {"users": replace(USERS, unknown_ids=500)},
        {"users": replace(USERS, ids=99, unknown_ids=99)},
        {"event_types": {"View": 11_000, "Cart": 900, "Like": 100}},
        {"columns": (PRICE, replace(BRAND, cells=5_820))},
    ],
)
def test_what_is_just_within_a_threshold_looks_right(changed: dict[str, Any]) -> None:
    assert told(replace(SALES, **changed)) == []


def test_what_was_rare_or_missing_before_is_not_missed() -> None:
    rare = replace(
        SALES,
        event_types=TYPES | {"Like": 119},
        columns=(PRICE, BRAND, Filled(Column("NOTE"), 99, None)),
        users=replace(USERS, unknown_ids=500),
    )
    now = replace(SALES, columns=(PRICE, BRAND, Filled(Column("NOTE"), 9, None)), users=replace(USERS, unknown_ids=740))
    assert told(now, report.document(subject(), rare, "")) == []
    worse = replace(now, users=replace(USERS, unknown_ids=760))
    assert [what for what, _ in told(worse, report.document(subject(), rare, ""))] == ["ids"]


def test_the_longest_of_several_times_without_anything_is_told() -> None:
    ((_, text),) = told(replace(SALES, per_day=without(*range(3, 11), *range(20, 30), *range(40, 49))))
    assert text == "nothing happened from 2024-10-24 to 2024-11-02, 10 days; 2 more such times"


def test_growth_the_same_gap_and_quiet_shops_look_right() -> None:
    grown = replace(SALES, last=20_100 * DAY, users=replace(USERS, ids=9_000), event_types=TYPES | {"Like": 9})
    assert told(SALES) == told(grown) == []
    closed = replace(SALES, per_day=without(*range(20, 40)))
    assert told(closed, report.document(subject(), closed, "")) == []
    assert told(replace(SALES, per_day=dict.fromkeys(range(20_000, 20_060, 10), 3))) == []
    few = replace(SALES, columns=(replace(PRICE, cells=9, range=Range(1, 9_000, 9_000, 0)), BRAND))
    assert [what for what, _ in told(few)] == ["columns"]


def test_a_first_drop_is_held_against_itself_and_the_other_datasets_alone() -> None:
    broken = replace(SALES, per_day=without(*range(20, 30)), users=replace(USERS, unknown_ids=1_000))
    assert [what for what, _ in told(broken, None)] == ["days", "ids"]


def test_incremental_drops_continue_the_last_one() -> None:
    later = replace(SALES, per_day={20_070: 200, 20_071: 200}, first=20_070 * DAY, last=20_071 * DAY)
    ((_, text),) = told(later, LAST | {"mode": "INCREMENTAL"}, mode="INCREMENTAL")
    assert text == "nothing happened from 2024-12-03 to 2024-12-12, 10 days"
    assert told(later) == []
    daily = replace(later, rows=150, accepted=150, columns=(replace(PRICE, cells=150), replace(BRAND, cells=150)))
    weekly = report.document(subject(mode="INCREMENTAL"), replace(SALES, last=20_069 * DAY), "")
    assert told(daily, weekly | {"mode": "INCREMENTAL"}, mode="INCREMENTAL")[:1] == [
        ("rows", "it has 75 good rows a day, 44% of the 171 before")
    ]
    history = LAST | {"span": {"last": "2024-12-11T00:00:00Z"}}
    assert told(later, LAST | {"mode": "INCREMENTAL"}, history, mode="INCREMENTAL") == []
    ((_, text),) = told(SALES, LAST, history)
    assert text == "its last interaction is of 2024-12-02, and one of 2024-12-11 was imported before"


@pytest.mark.parametrize(("new", "suspicious"), [(0, False), (1_400, False), (1_600, True), (3_000, True)])
def test_a_catalogue_with_other_ids_is_suspicious_and_a_grown_one_is_not(new: int, suspicious: bool) -> None:
    items = subject(kind="items", run="run-0")
    last = report.document(items, ITEMS, "")
    suspicions = report.document(items, replace(ITEMS, new_ids=new), "", Last(last))["suspicions"]
    assert [suspicion["what"] for suspicion in suspicions] == ["ids"] * suspicious
    grown = replace(ITEMS, accepted=30_000, columns=(replace(PRICE, cells=30_000),), ids=30_000, new_ids=27_000)
    assert report.document(items, grown, "", Last(last))["suspicions"] == []


@pytest.mark.parametrize(
    ("before", "now", "new", "mode", "suspicious"),
    [
        # A fifth of the catalogue is left, and was there before: rows, but no other ids.
        ((3_000, 0), 600, 0, "FULL", ["rows"]),
        # Rows of the same id, of which the last counts, are one item.
        ((3_000, 2_000), 3_000, 2_400, "FULL", []),
        ((60, 0), 99, 99, "FULL", []),
        ((3_000, 0), 3_000, 3_000, "INCREMENTAL", []),
    ],
)
def test_items_are_held_against_those_that_both_catalogues_can_share(
    before: tuple[int, int], now: int, new: int, mode: Mode, suspicious: list[str]
) -> None:
    rows, duplicates = before
    items = subject(kind="items", run="run-0", mode=mode)
    was = replace(ITEMS, rows=rows, accepted=rows, duplicates=duplicates, columns=(replace(PRICE, cells=rows),))
    findings = replace(ITEMS, rows=now, accepted=now, columns=(replace(PRICE, cells=now),), ids=now, new_ids=new)
    last = Last(report.document(items, was, ""))
    assert [suspicion["what"] for suspicion in report.document(items, findings, "", last)["suspicions"]] == suspicious


def test_a_refused_drop_names_the_setting_that_lets_in_these_data_alone() -> None:
    half = replace(SALES, **FEWER)

    def refused(findings: Findings, text: str) -> str:
        chosen = settings.parse("settings.yaml", text)
        return changes.refusal(report.document(subject(chosen), findings, "", Last(LAST)), chosen.changes)

    assert refused(half, "") == refused(SALES, "changes: {refuse: [all]}") == ""
    assert refused(half, "changes: {refuse: [days, numbers]}") == ""
    reason = refused(half, "changes: {refuse: [rows]}")
    assert "beside drops/demo/interactions/a.csv, the last one of run run-0: it has 5,000 good rows" in reason
    code = reason.partition("add accept: ")[2].partition(" ")[0]
    accepting = f"changes: {{refuse: [all], accept: {code}}}"
    assert refused(half, accepting) == ""
    assert refused(replace(half, rows=5_001, accepted=5_001), accepting)
    # The same data in another format or in other parts.
    assert refused(replace(half, size=9), accepting) == ""
    assert refused(half, "changes: {refuse: [all], rows: 0.4}") == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("changes: {refuse: [price]}", "changes.refuse.0: must be 'all', 'rows', 'days', 'history'"),
        ("changes: {refuse: all}", "changes.refuse: must be a list"),
        ("changes: {accept: true}", "changes.accept: must be a text"),
        ("changes: {accept: drop-1}", "changes.accept: must be the code in a refused drop's reason"),
        ("changes: {numbers: 1}", "changes.numbers: must be greater than 1"),
    ],
)
def test_a_wrong_setting_is_named(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        settings.parse("settings.yaml", text)
    assert reason in refused.value.reason.replace("Input should", "must")


def test_the_page_of_a_refused_drop_lists_why_and_how_to_let_it_in() -> None:
    chosen = settings.parse("settings.yaml", "changes: {refuse: [rows]}")
    half = replace(SALES, **FEWER)
    reason = changes.refusal(report.document(subject(chosen), half, "", Last(LAST)), chosen.changes)
    document = report.document(subject(chosen), half, reason, Last(LAST))
    page = report.page(document)
    assert f"<code>accept: {document['code']}</code>" in page
    assert "<li>It has 5,000 good rows, 42% of the 12,000 before.</li>" in page
    assert "the drop looks wrong" not in page
