# SPDX-License-Identifier: Apache-2.0
"""What the shelves earned: figures beside those of before, what is proven and what is wrong, in two languages."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import polars as pl
import pytest
from personalization.experiments.experiment import Experiment, Variant
from personalization.experiments.shelves import earnings, weekly
from personalization.experiments.shelves.earnings import Facts, Span, Trial
from personalization.experiments.shelves.placement_days import SHELVES
from personalization.reports import pages
from personalization.shop.settings.settings import parse
from personalization.shop.settings.shelves import WeeklyMail

from tests.reports.reading import english, texts

TODAY = date(2026, 12, 1)
NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
SETTINGS = "placements:\n  home: {recipe: user-personalization}\n  cart: {recipe: similar-items}\n"
WEEK = Span.of("week", TODAY)


def placed(**figures: Mapping[str, float]) -> pl.DataFrame:
    """Return a day with figures of placements."""
    rows = [{"level": "placement", "placement": name, **row} for name, row in figures.items()]
    total = {key: sum(row.get(key, 0) for row in figures.values()) for row in figures.values() for key in row}
    shop = {"level": "shop", "userAndItem": total.get("orders", 0), "none": 3 * total.get("orders", 0), **total}
    items = [
        {"level": "item", "placement": name, "item": "i1", "clicks": row["clicks"]}
        for name, row in figures.items()
        if "clicks" in row
    ]
    return pl.DataFrame([shop, *rows, *items], schema=SHELVES).with_columns(
        pl.col("placement", "variant", "release", "item").fill_null("")
    )


HOME = {"lists": 100, "viewable": 400, "clicks": 20, "carts": 5, "orders": 4, "items": 6.0, "attributed": 80.0,
        "engaged": 200.0}  # fmt: skip


def days(now: Mapping[str, float], before: Mapping[str, float] | None = None) -> dict[date, pl.DataFrame]:
    """Return a week of days with the same figures of home, and the week before."""
    yesterday = TODAY - timedelta(days=1)
    made = {yesterday - timedelta(days=number): placed(home=now) for number in range(7)}
    if before is not None:
        made |= {yesterday - timedelta(days=number): placed(home=before) for number in range(7, 14)}
    return made


def facts(settings: str = SETTINGS, **more: Any) -> Facts:  # noqa: ANN401
    return Facts(shop="demo", settings=parse("settings.yaml", settings), now=NOW, currency="KRW", **more)


def report(made: Mapping[date, pl.DataFrame], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return earnings.document(made, WEEK, facts(**more))


def trial(serves: str, money: Sequence[float], outcome: str = "worse", state: str = "keep") -> Trial:
    experiment = Experiment(
        name="own-list", hypothesis="", owner="", placements=("home",), control="own", goal="orders", seed="own-list",
        variants=(Variant(name="own"), Variant(name="best", serves=serves)),  # type: ignore[arg-type]
        slices=(), starts_at=0, ends_at=10, definition="",
    )  # fmt: skip
    low, estimate, high = money
    result = {"outcome": outcome, "money": [{"estimate": estimate, "interval": [low, high]}]}
    said = {"state": "ended", "verdict": {"state": state}, "sentence": "Keep own.", "findings": []}
    variants = [{"variant": "own", "result": None}, {"variant": "best", "result": result}]
    return Trial(experiment=experiment, report={**said, "variants": variants})


def test_a_week_stands_beside_the_week_before() -> None:
    (shelf,) = (document := report(days(HOME, {**HOME, "attributed": 100.0, "clicks": 20})))["shelves"]

    assert (document["from"], document["to"], document["beforeFrom"]) == ("2026-11-24", "2026-11-30", "2026-11-17")
    assert (shelf["figures"]["vctr"], shelf["figures"]["attributedRevenue"]) == (0.05, 560)
    assert shelf["changes"]["attributedRevenue"] == {"word": "less", "share": pytest.approx(0.2)}
    assert shelf["changes"]["clicks"] == {"word": "same", "share": 0}
    assert document["sentence"] == (
        "1 shelf: 2,800 items were on screen and 140 were clicked, and 28 orders for 560 KRW are attributed to it. "
        "Revenue is 20% less than before."
    )
    assert document["joined"]["shares"] == {"listId": 0, "recommendationId": 0, "userAndItem": 0.25, "none": 0.75}


@pytest.mark.parametrize(
    ("period", "first", "last", "before"),
    [
        ("today", "12-01", "12-01", "11-24"),
        ("day", "11-30", "11-30", "11-23"),
        ("week", "11-24", "11-30", "11-17"),
        ("month", "11-03", "11-30", "10-06"),
    ],
)
def test_a_period_is_compared_with_the_same_weekdays(period: Any, first: str, last: str, before: str) -> None:  # noqa: ANN401
    span = Span.of(period, TODAY)

    assert [f"{day:%m-%d}" for day in (span.first, span.last, span.before[0])] == [first, last, before]


def test_the_bill_of_a_campaign_is_shared_by_the_lists_that_were_seen() -> None:
    both = {day: placed(home=HOME, cart={**HOME, "lists": 300}) for day in days(HOME)}
    settings = SETTINGS.replace("similar-items", "user-personalization") + "  top: {recipe: popularity-count}\n"

    shelves = {shelf["placement"]: shelf for shelf in report(both, settings=settings)["shelves"]}

    least = 0.0556 * 3.6 * 24 * 7
    assert shelves["home"]["dollars"] == pytest.approx(least / 4)
    assert shelves["cart"]["figures"]["costPerThousandLists"] == pytest.approx(least / 2.8)


def test_lists_of_the_engine_cost_what_its_answers_cost_and_nothing_while_nobody_asks() -> None:
    settings = f"backend: engine\n{SETTINGS}"

    made = days(HOME)
    shelves = {shelf["placement"]: shelf for shelf in report(made, settings=settings)["shelves"]}

    assert shelves["home"]["dollars"] == pytest.approx(0.00149 * len(made) * HOME["lists"] / 1_000)


def test_a_campaign_bills_no_hours_of_today_that_are_still_to_come() -> None:
    document = earnings.document({TODAY: placed(home=HOME)}, Span.of("today", TODAY), facts())

    assert document["total"]["dollars"] == pytest.approx(0.0556 * 3.6 * 9.5)


def test_only_what_a_test_proves_in_money_is_earned() -> None:
    def earned(test: Trial) -> Any:  # noqa: ANN401
        return report(days(HOME), tests=[test])["shelves"][0]["earned"]

    told = earned(trial("bestsellers", (-9.0, -5.0, -1.0)))
    assert (told["estimate"], told["interval"]) == (5, [1, 9])
    assert earned(trial("off", (-9.0, -5.0, 1.0))) is None
    assert earned(trial("off", (-9.0, -5.0, -1.0), outcome="open")) is None
    assert earned(trial("off", (-9.0, -5.0, -1.0), state="hidden")) is None
    assert earned(trial("placement", (-9.0, -5.0, -1.0))) is None
    proof = report(days(HOME), tests=[trial("off", (-9.0, -5.0, -1.0))])["proof"]
    assert proof == "Proven: home earned about 5 KRW a month (1 KRW to 9 KRW), as own-list shows."
    assert "Nothing of it is proven" in report(days(HOME))["proof"]


def test_what_shelves_earned_together_is_said_once() -> None:
    test = trial("off", (-9.0, -5.0, -1.0))
    both = replace(test, experiment=replace(test.experiment, placements=("home", "cart")))
    made = {day: placed(home=HOME, cart=HOME) for day in days(HOME)}

    document = report(made, tests=[both])

    assert document["proof"] == "Proven: home, cart earned about 5 KRW a month (1 KRW to 9 KRW), as own-list shows."
    page = earnings.page(pages.with_codes(document))
    assert page.count("home, cart together") == len(document["shelves"]) == 2


@pytest.mark.parametrize(("name", "linked"), [("week", True), ("weeks/2026-11-23", False)])
def test_a_page_leads_to_what_experiments_say(name: str, linked: bool) -> None:
    document = report(days(HOME), tests=[trial("off", (-9.0, -5.0, -1.0))])

    page = earnings.page(pages.with_codes({**document, "linked": linked}))

    (link,) = re.findall(r'href="([^"]*report\.html)"', page)
    address = urljoin(f"https://bucket/{earnings.stem('demo', name)}.html", link)
    assert address == "https://bucket/reports/demo/experiments/own-list/report.html"


def test_what_is_wrong_is_said_in_a_sentence_each() -> None:
    blind = report(days({"clicks": 3, "orders": 1}), foreign={"EUR": 2}, whole=False, refused="no end")

    assert blind["findings"] == [
        "Some days are not in these figures yet. The next round adds them within the hour.",
        "Nobody reports which items were on screen, so that the clicked share is unknown: send impressions.",
        "Nothing of cart was seen.",
        "2 bought items are in EUR and not added to KRW.",
        "The file of experiments is refused: no end",
    ]
    deaf = report({day: placed(home={"orders": 2}) for day in days(HOME)})
    assert deaf["findings"] == ["56 bought items came without any click in a list: send listId with events."]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("made", [days(HOME, HOME), {}], ids=["figures", "empty"])
def test_a_page_is_whole_in_the_shops_language(made: dict[date, pl.DataFrame], language: str) -> None:
    document = report(made, settings=f"language: {language}\n{SETTINGS}", tests=[trial("off", (-9.0, -5.0, -1.0))])
    document["tests"] = []

    page = earnings.page(pages.with_codes({**document, "shelves": document["shelves"]}))

    assert ("<svg class=shelves" in page) == bool(made)
    if language == "ko":
        names = ("home", "cart", "demo", "own-list", "KRW", "listId", "recommendationId", "JavaScript")
        assert not [text for text in texts(page) if english(text, *names)]
    elif made:
        assert document["sentence"] in html.unescape(page)
    else:
        assert "Name your shelves in the settings" in page


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zone", "first"),
    [
        ("2026-11-30T07:59", "UTC", None),
        ("2026-11-30T08:00", "UTC", "2026-11-23"),
        ("2026-12-01T23:00", "UTC", "2026-11-23"),
        ("2026-12-02T00:00", "UTC", None),
        # In Seoul it is Monday already, while Sunday's events still come.
        ("2026-11-29T23:00", "Asia/Seoul", None),
        ("2026-11-30T00:00", "Asia/Seoul", "2026-11-23"),
        ("2026-11-30T15:00", "America/Los_Angeles", None),
        ("2026-11-30T16:00", "America/Los_Angeles", "2026-11-23"),
    ],
)
def test_a_week_is_mailed_on_monday_morning(now: str, zone: str, first: str | None) -> None:
    due = weekly.due(WeeklyMail(timezone=zone), at(now))

    assert (due.first.isoformat() if due else None) == first


def test_a_mail_has_a_line_for_everything_in_the_shops_language() -> None:
    document = report(days(HOME), settings=f"language: ko\n{SETTINGS}", tests=[trial("off", (-9.0, -5.0, -1.0))])

    lines = weekly.lines(document, "s3://b/page")

    assert lines["shelves"] == "home: 주문 28건, 560 KRW"
    assert lines["page"] == "s3://b/page"
    assert lines["problems"] == "cart: 보인 것이 없습니다."
    assert not any("\n" in line for line in lines.values())


def test_a_mail_tells_of_an_experiment_until_the_week_in_which_it_ended() -> None:
    document = report(days(HOME), tests=[trial("off", (-9.0, -5.0, -1.0))])
    document["tests"][0]["ends"] = document["from"]
    assert weekly.lines(document, "s3://b/page")["verdicts"] != "No experiment ran."
    document["tests"][0]["ends"] = "2026-01-05"
    assert weekly.lines(document, "s3://b/page")["verdicts"] == "No experiment ran."


def test_the_first_day_of_a_picture_is_written_whole() -> None:
    month = {TODAY - timedelta(days=number): placed(home=HOME) for number in range(1, 29)}
    document = earnings.document(month, Span.of("month", TODAY), facts())

    drawn = earnings.page(pages.with_codes(document))

    assert re.search(r"<text x='(\d+\.\d)' [^>]*>11-03</text>", drawn)[1] == "30.0"  # type: ignore[index]


def test_days_are_not_compared_with_fewer_days() -> None:
    made = days(HOME, HOME)
    first_known = {day: rows for day, rows in made.items() if day >= WEEK.first - timedelta(days=1)}

    document = report(first_known)

    assert document["daysBefore"] == 1
    assert not document["compares"]
    assert (document["shelves"][0]["changes"], document["total"]["before"]) == ({}, None)
    assert "than before" not in document["sentence"]


def test_what_browsers_call_a_currency_fills_no_mail() -> None:
    codes = {f"{number:03}": number for number in range(1, 900)} | {"SEE EVIL.EXAMPLE": 5_000}

    told = report(days(HOME, HOME), foreign=codes)["findings"]

    assert told[1:] == [
        f"{number:,} bought items are in {code} and not added to KRW."
        for number, code in ((5_000, "SEE"), (899, "899"), (898, "898"))
    ]


def test_a_picture_of_money_never_marks_clicks() -> None:
    unsold = {**HOME, "attributed": 0.0, "clicks": 37}
    made = days(HOME, HOME)
    quiet = TODAY - timedelta(days=3)
    made |= {quiet: placed(home=unsold), quiet - timedelta(days=7): placed(home=unsold)}

    page = earnings.page(pages.with_codes(report(made)))

    assert f"{quiet}: 0, before 0" in page
