# SPDX-License-Identifier: Apache-2.0
"""The report on a drop: what it says, and that its page needs nothing else and trusts nothing that was dropped."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.ingest import report
from personalization.ingest.report import Subject
from personalization.reports import pages
from personalization.shop.settings.gate import Gate, HeldOut
from personalization.shop.settings.prices import Prices, estimate
from personalization.shop.settings.settings import ShopSettings
from table_intake.check.changes import Last
from table_intake.check.findings import Example, Filled, Findings, Reason, Spread, too_many_rejects
from table_intake.columns.schema import Column
from table_intake.origins import Origins

NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
Document = dict[str, Any]
SUBJECT = Subject(
    shop="demo",
    run="run-1",
    kind="interactions",
    mode="FULL",
    key="drops/demo/interactions/a.csv",
    now=NOW,
    settings=ShopSettings(),
)
USERS = Spread(100, 812, {1: 90, 2: 5, 142: 4, 144: 1}, unknown_rows=81, unknown_ids=9)
ITEMS = Spread(10, 812, {1: 8, 402: 2}, (("<b>i1</b>", 402), ("i2", 402)))
FINDINGS = Findings(
    rows=820,
    accepted=812,
    reasons=(Reason("PRICE is not a number", 8, (Example(7, "PRICE must be a number, not '<x>'", "<x>"),)),),
    duplicates=12,
    columns=(Filled(Column("USER_ID"), 812), Filled(Column("BRAND", nullable=True, categorical=True), 406, 7)),
    size=40_000,
    notes=("a note & more",),
    first=1_700_000_000,
    last=1_700_300_000,
    per_day={19_675: 800, 19_679: 12},
    event_types={"View": 800, "Purchase": 12},
    users=USERS,
    items=ITEMS,
)


def told(
    findings: Findings | None = FINDINGS, reason: str = "", before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return report.document(SUBJECT, findings, reason, Last(before))


def test_progress_to_what_personalize_needs_is_told() -> None:
    assert [(goal["have"], goal["minimum"]) for goal in told()["goals"]] == [(800, 1000), (10, 25)]
    page = report.page(told(reason="too little"))
    assert "800 of the 1,000 different interactions that are needed: 200 are missing" in page
    assert "Nothing of this file is imported." in page


def test_a_single_row_is_spoken_of_as_one() -> None:
    page = report.page(told(replace(FINDINGS, rows=813, users=replace(USERS, unknown_rows=1, unknown_ids=1))))
    assert "812 rows are imported. 1 row was left out." in page
    assert "(1) belongs to 1 user that is not in the shop&#39;s users." in page


def test_one_user_in_a_hundred_is_the_minimum_of_a_large_shop() -> None:
    users = Spread(10_000, 10_500, {1: 9_500, 2: 500})
    assert told(replace(FINDINGS, users=users))["goals"][1]["minimum"] == 100


def test_what_changed_since_the_last_drop_is_told() -> None:
    earlier = told(replace(FINDINGS, rows=700, accepted=700, event_types={"View": 700, "Cart": 1})) | {"run": "run-0"}
    changes = told(before=earlier)["changes"]
    assert {"what": "good rows", "before": 700, "now": 812} in changes["figures"]
    assert (changes["eventTypesAdded"], changes["eventTypesGone"]) == (["Purchase"], ["Cart"])
    assert "+112 <span>(+16.0%)" in report.page(told(before=earlier))
    assert told()["changes"] is None


def test_the_long_tail_and_unknown_ids_are_told() -> None:
    document = told()
    assert document["items"]["tail"][2] == {"top": 0.1, "share": pytest.approx(402 / 812)}
    assert document["users"]["unknown"] == {"rows": 81, "share": pytest.approx(81 / 812), "ids": 9}
    assert sum(group["ids"] for group in document["users"]["groups"]) == 100
    assert "unknown" not in document["items"]
    assert "10% of the interactions" in report.page(document)


def test_a_run_is_priced_by_the_shops_own_table() -> None:
    settings = ShopSettings()
    recipes = [settings.billed(alias) for alias in settings.trained]
    cost = estimate(Prices(training_hour=1.0, training_hours_per_million=2.0), 2_000_000_000, 1_000_000, recipes)
    assert (cost.import_dollars, cost.training_hours, cost.training_dollars) == (0.1, 8.0, 8.0)
    assert cost.month_dollars == pytest.approx(3 * 0.0556 * 3.6 * 730)
    assert estimate(Prices(), 100, 0, recipes).month_dollars == 0
    assert "Prices as of 2026-01" in report.page(told())


def test_the_second_generation_is_billed_by_interactions_and_dearer_requests() -> None:
    settings = ShopSettings.model_validate(
        {"generation": "v2", "campaigns": {"user-personalization": {"min_provisioned_tps": 2}}}
    )
    cost = estimate(Prices(), 0, 1_000_000, [settings.billed(alias) for alias in settings.trained])
    # Similar-Items and Popularity-Count have one generation.
    assert cost.training_hours == 4.0
    assert cost.training_dollars == pytest.approx(2 * 2.0 + 4.0 * 0.24)
    assert dict(cost.campaign_months) == {
        "user-personalization": pytest.approx(2 * 0.15 * 3.6 * 730),
        "personalized-ranking": pytest.approx(0.15 * 3.6 * 730),
        "similar-items": pytest.approx(0.0556 * 3.6 * 730),
    }
    page = report.page(report.document(replace(SUBJECT, settings=settings), FINDINGS, ""))
    assert "does not publish whether it bills an idle campaign" in page


def test_a_tuning_is_billed_with_what_it_tries_and_weights_are_told() -> None:
    text = {"training": {"user-personalization": {"tune": {"trainings": 5}}}}
    settings = ShopSettings.model_validate(text)
    cost = estimate(Prices(), 0, 1_000_000, [settings.billed(alias) for alias in settings.trained])
    assert cost.training_hours == (4 + 5) * 2.0
    page = report.page(report.document(replace(SUBJECT, settings=settings), FINDINGS, ""))
    assert "tuning user-personalization tries up to 5 trainings before each" in page
    weighs = ShopSettings.model_validate({"generation": "v2", "events": {"Purchase": 1, "View": 0.1}, "language": "ko"})
    assert "이벤트 가중치: Purchase 1, View 0.1" in report.page(
        report.document(replace(SUBJECT, settings=weighs), FINDINGS, "")
    )


def test_metadata_of_the_first_generation_costs_what_the_settings_say() -> None:
    settings = ShopSettings.model_validate(
        {"recipes": ["similar-items"], "campaigns": {"similar-items": {"metadata": True}}}
    )
    (alias,) = settings.trained
    cost = estimate(Prices(thousand_with_metadata=0.01), 0, 1, [settings.billed(alias)])
    assert cost.month_dollars == pytest.approx(0.0656 * 3.6 * 730)


def test_an_incremental_drop_trains_on_the_whole_history() -> None:
    document = report.document(replace(SUBJECT, mode="INCREMENTAL", before=1_000_000), FINDINGS, "")
    after = document["next"]
    assert after["interactions"] == 1_000_000 + FINDINGS.accepted
    assert after["trainingHours"] == pytest.approx(4 * 2.0 * (1 + FINDINGS.accepted / 1e6))
    assert f"{after['interactions']:,} interactions" in report.page(document)


def test_a_test_on_held_out_time_is_priced_before_it_is_paid_for() -> None:
    assert told()["next"]["heldOut"] is None
    chosen = ShopSettings(gate=Gate(held_out=HeldOut(days=14, users=500)))
    document = report.document(replace(SUBJECT, settings=chosen), FINDINGS, "")
    cost = document["next"]["heldOut"]
    assert (cost["days"], cost["recipes"]) == (14, ["user-personalization", "personalized-ranking"])
    assert (cost["trainingHours"], cost["lists"]) == (0.5, 1_000)
    assert cost["dollars"] == pytest.approx(0.5 * 0.24 + 0.067, abs=0.001)
    assert "on the last 14 days, which a second training" in report.page(document)


class Tags(HTMLParser):
    """The tags of a page, and whether each is closed."""

    VOID = frozenset({"meta", "br", "line", "rect", "html"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("findings", [FINDINGS, replace(FINDINGS, reasons=(), accepted=820), None])
def test_a_page_is_whole_and_loads_nothing(findings: Findings | None) -> None:
    page = report.page(told(findings, "" if findings else "it is no table"))
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.addresses == (["release.html"] if findings else [])
    assert not tags.seen & {"script", "link", "img", "iframe", "b>i1"}
    assert "url(" not in page
    assert "<x>" not in page
    assert "<b>i1</b>" not in page
    assert 'name="viewport"' in page
    assert "prefers-color-scheme:dark" in page


def test_a_refused_row_of_a_person_is_shown_by_its_line_alone() -> None:
    reason = Reason("USER_ID is longer than 256 bytes", 1, (Example(9, "USER_ID is longer than 256 bytes"),))
    page = report.page(told(replace(FINDINGS, reasons=(reason,))))
    assert "<li>line 9</li>" in page


@given(st.dictionaries(st.integers(7_305, 20_800), st.integers(1, 10**9), min_size=1, max_size=40))
def test_any_timeline_is_a_picture_with_few_bars(days: dict[int, int]) -> None:
    per_day = [
        (datetime.fromtimestamp(day * 86_400, UTC).date().isoformat(), rows) for day, rows in sorted(days.items())
    ]
    picture, word = pages.timeline(per_day)
    parsed = ElementTree.fromstring(re.sub(r"=(\w+)(?=[ >/])", r"='\1'", picture))  # noqa: S314 - our own
    bars = parsed.findall(".//rect")
    assert 1 <= len(bars) <= 124
    assert word in {"day", "week", "month", "year"}
    assert all(0 <= float(bar.attrib["height"]) <= 190 for bar in bars)


def test_lines_of_a_drop_of_parts_are_told_with_their_parts() -> None:
    examples = tuple(Example(line, "PRICE is not a number") for line in (7, 11, 12))
    findings = replace(
        FINDINGS,
        origins=Origins(("a.csv", "empty.csv", "b.csv"), (0, 10, 10)),
        reasons=(Reason("PRICE is not a number", 8, examples),),
        stopped=12,
    )
    assert "(first: a.csv, line 7); the check stopped at b.csv, line 2" in too_many_rejects(findings, 0.001)
    document = told(findings, reason="too many")
    page = report.page(document)
    assert (document["stoppedAt"], document["stoppedIn"]) == (2, "b.csv")
    assert "<li>a.csv, line 7; b.csv, line 1; b.csv, line 2</li>" in page
    assert "up to line 2 of b.csv" in page
    assert "Rows after b.csv, line 2 were not checked" in page
