# SPDX-License-Identifier: Apache-2.0
"""The hourly round: from files in the bucket to a report, a page, a message, and the end of what does harm."""

import html
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest
from personalization.core.aws import clients, objects
from personalization.core.environment import Environment
from personalization.core.errors import RetryLater
from personalization.experiments import following
from personalization.experiments.analysing import Analyst, Clients, Round
from personalization.experiments.assignment import unit_digest
from personalization.experiments.lists import Lists
from personalization.shop.records import release_store

from functions.analyse_experiments.app import handler
from tests.experiments.test_aggregates import buy, copy, event
from tests.handlers.queues import Context
from tests.handlers.samples import BUCKET, RELEASE, TABLE, Drop, load
from tests.reports.reading import english, texts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo")
START = datetime(2026, 11, 2, tzinfo=UTC)
SETTINGS = "placements:\n  home: {recipe: user-personalization, limit: 3}\nstorefront: {currency: KRW}\n"
FILE = """
experiments:
  best:
    hypothesis: Users buy more from the bestsellers.
    owner: Kim
    placements: [home]
    goal: orders
    guardrails: [orders, revenue]
    weeks: 1
    variants: {own: {}, best: {show: bestsellers}}
"""
USERS = 2_400
WRITE = objects.put_report
STEM = "reports/demo/experiments/best/report"


class Bus:
    """Takes what is announced."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, object]:  # noqa: N803 - as AWS names it
        details = [(entry["DetailType"], json.loads(entry["Detail"])) for entry in Entries]
        self.told += [(what, detail.get("reason", detail.get("summary"))) for what, detail in details]
        return {"FailedEntryCount": 0}


BUS = Bus()


@pytest.fixture
def bus() -> Bus:
    BUS.told.clear()
    return BUS


@pytest.fixture
def shop(drop: Drop, table: "DynamoDBClient", bus: Bus) -> Iterator[Drop]:  # noqa: ARG001
    """A shop with an experiment that starts with November 2nd."""
    drop("drops/demo/settings.yaml", SETTINGS)
    drop("drops/demo/experiments.yaml", FILE)
    drop(f"events/demo/{START - timedelta(days=1):%Y/%m/%d}/1.csv", copy([event("View", -5000)]))
    round_at(0)
    yield drop
    release_store.delete(table, TABLE, "demo", "experiments")


def numbers_in(lists: pl.Series) -> pl.Series:
    return lists.str.split("-").list.first().cast(pl.UInt32, strict=False).fill_null(0)


LISTS = Lists(
    numbers_in,
    {"best.own": 1, "best.best": 2}.__getitem__,
    lambda lists: pl.DataFrame([lists.alias("list"), numbers_in(lists).alias("variant")]).with_columns(
        placement=pl.lit("home"), release=pl.lit("r"), at=pl.lit(int(START.timestamp()))
    ),
)
"""In place of tokens, a listId is the number of the variant and a name."""


def round_at(days: float, objecting: Collection[str] = ()) -> Round:
    """Make a round so many days after the start, while some users object."""
    aws = Clients(clients.s3(), clients.dynamodb(), cast("Any", BUS), cast("Any", None))
    return Analyst(aws, Environment(), START + timedelta(days=days), lambda _: objecting, LISTS).round(lambda: False)


def happen(drop: Drop, rates: Mapping[str, float], days: int = 7, value: float = 10.0) -> None:
    """Expose users evenly, a part on each day, and let a share of each variant's buy once."""
    for number in range(days):
        lines, rows = [], []
        for user in range(number, USERS, days):
            variant, at = ("own", "best")[user % 2], number * 86_400 + 60
            unit = unit_digest(str(RELEASE["trackingId"]), f"u{user}")
            told = {"shop": "demo", "experiment": "best", "variant": variant, "unit": unit, "placement": "home"}
            lines.append(json.dumps({**told, "at": (int(START.timestamp()) + at) * 1000}))
            rows.append(event("View", at + 1, f"u{user}"))
            if user // 2 % 100 < 100 * rates[variant]:
                rows.append(buy(at + 5, f"u{user}", orderId=f"o{user}", value=value))
        day = START + timedelta(days=number)
        drop(f"exposures/demo/{day:%Y/%m/%d}/1.jsonl", "\n".join(lines))
        drop(f"events/demo/{day:%Y/%m/%d}/1.csv", copy(rows))


def report(bucket: "S3Client") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read(bucket, "json"))
    return document


def read(bucket: "S3Client", ending: str) -> str:
    return bucket.get_object(Bucket=BUCKET, Key=f"{STEM}.{ending}")["Body"].read().decode()


def test_a_variant_that_brings_more_orders_is_found_told_and_announced_once(
    shop: Drop, bucket: "S3Client", bus: Bus
) -> None:
    happen(shop, {"own": 0.20, "best": 0.30})

    assert round_at(3).analysed == {"demo": ("best",)}
    early = report(bucket)
    assert (early["verdict"]["state"], early["state"], early["daysLeft"]) == ("hidden", "running", 4)
    round_at(7.1)
    round_at(7.2)

    told = report(bucket)
    control, best = told["variants"]
    assert (control["users"], control["orders"], best["orders"], best["revenue"]) == (1200, 240, 360, 3600)
    assert (told["verdict"]["state"], told["verdict"]["variant"], told["state"]) == ("ship", "best", "ended")
    assert best["result"]["lift"] == pytest.approx(0.5, abs=0.02)
    assert told["sentence"].startswith("best brings 5")
    assert told["days"][0]["exposures"] == {"own": 172, "best": 171}
    assert told["announced"] == ["started", "decided"]
    assert bus.told == [
        ("Experiment started", "Users buy more from the bestsellers."),
        ("Experiment decided", told["sentence"]),
    ]
    page = read(bucket, "html")
    assert told["sentence"] in html.unescape(page)
    assert "<svg class=lift" in page


def test_harm_stops_an_experiment_by_itself_and_is_announced(
    shop: Drop, bucket: "S3Client", table: "DynamoDBClient", bus: Bus
) -> None:
    happen(shop, {"own": 0.40, "best": 0.20}, days=5)

    done = round_at(5)

    stored = following.get(table, TABLE, "demo").named("best")
    assert stored is not None
    assert done.stopped == {"demo": ("best",)}
    assert stored.stopped_at == int((START + timedelta(days=5)).timestamp())
    assert "stopped for harm" in stored.stopped_because
    assert [what for what, _ in bus.told] == ["Experiment started", "Experiment stopped"]
    assert report(bucket)["state"] == "stopped"
    assert round_at(5.05).stopped == {}


def test_a_korean_shop_has_a_korean_page(shop: Drop, bucket: "S3Client") -> None:
    shop("drops/demo/settings.yaml", SETTINGS + "language: ko\n")
    happen(shop, {"own": 0.20, "best": 0.30})

    round_at(7.1)

    page = read(bucket, "html")
    names = ("best", "own", "home", "Kim", "demo", "Users buy more from the bestsellers.", "orderId", "KRW")
    assert not [text for text in texts(page) if english(text, *names)]
    assert "실험" in page


def test_our_own_words_about_an_experiment_are_korean_too(
    shop: Drop, bucket: "S3Client", table: "DynamoDBClient", bus: Bus
) -> None:
    shop("drops/demo/settings.yaml", SETTINGS + "language: ko\n")
    happen(shop, {"own": 0.20, "best": 0.30}, days=1)
    before = following.get(table, TABLE, "demo")
    (first,) = before.experiments
    ours = replace(first, hypothesis="Personal lists bring more than bestsellers.")
    stopped = ours.stopped(int(START.timestamp()) + 86_400, "it was left out of the file")
    following.put(table, TABLE, before.changed([stopped]))

    round_at(1.1)

    page = read(bucket, "html")
    names = ("best", "own", "home", "Kim", "demo", "orderId", "KRW")
    assert not [text for text in texts(page) if english(text, *names)]
    assert ("Experiment stopped", "파일에서 빠졌습니다") in bus.told


def test_an_order_of_a_billion_decides_nothing(shop: Drop, bucket: "S3Client") -> None:
    happen(shop, {"own": 0.20, "best": 0.20})
    shop(f"events/demo/{START:%Y/%m/%d}/2.csv", copy([buy(70, "u0", orderId="huge", value=1e9)]))

    round_at(7.1)

    control, best = report(bucket)["variants"]
    assert control["revenuePerUser"] > 800_000
    assert control["winsorizedPerUser"] == pytest.approx(best["winsorizedPerUser"], rel=0.1)
    assert report(bucket)["verdict"]["state"] == "undecided"


def test_the_function_says_what_it_did_and_another_shops_fault_stops_nothing(
    shop: Drop, table: "DynamoDBClient"
) -> None:
    happen(shop, {"own": 0.2, "best": 0.2}, days=1)
    release_store.put(table, TABLE, {**RELEASE, "shop": "broken"})
    release_store.put(table, TABLE, {"shop": "broken", "record": "experiments", "version": 99, "revision": 1})

    answer = handler(load("analyse_experiments"), cast("Any", Context(900_000)))

    release_store.delete(table, TABLE, "broken", "release")
    release_store.delete(table, TABLE, "broken", "experiments")
    assert answer["failed"] == ["broken"]
    assert set(cast("dict[str, object]", answer["analysed"])) <= {"demo"}


def test_a_broken_file_fails_its_own_shop_alone(shop: Drop) -> None:
    happen(shop, {"own": 0.2, "best": 0.2}, days=1)
    shop(f"aggregates/demo/days/{START - timedelta(days=9):%Y-%m-%d}.parquet", b"no Parquet")
    done = round_at(4)
    assert ([name for name, _ in done.failed], done.analysed) == (["demo"], {})


def test_users_who_object_are_in_no_report_until_they_no_longer_do(shop: Drop, bucket: "S3Client") -> None:
    happen(shop, {"own": 0.2, "best": 0.2}, days=2)

    round_at(2, objecting=["u0", "u2", "unknown"])
    assert report(bucket)["variants"][0]["users"] == USERS // 2 - 2
    round_at(2)
    assert report(bucket)["variants"][0]["users"] == USERS // 2


def test_clicks_and_items_on_screen_count_in_the_lists_of_the_experiment(shop: Drop, bucket: "S3Client") -> None:
    happen(shop, {"own": 0.2, "best": 0.2}, days=1)
    unit = unit_digest(str(RELEASE["trackingId"]), "u1")
    at = int(START.timestamp()) * 1000 + 70_000
    lists = [
        {"shop": "demo", "unit": unit, "listId": name, "itemIds": items, "at": at}
        for name, items in (("2-a", ["i1", "i2"]), ("2-a", ["i2", "i3"]), ("0-b", ["i1"]), ("2-c", ["i1"]))
    ]
    shop(f"impressions/demo/{START:%Y/%m/%d}/1.jsonl", "\n".join(map(json.dumps, lists)))
    clicks = [event("View", 80, "u1", listed=name, named=name) for name in ("2-a", "0-b")]
    shop(f"events/demo/{START:%Y/%m/%d}/clicks.csv", copy(clicks))

    round_at(1)

    control, best = report(bucket)["variants"]
    assert (best["clicks"], best["viewable"], best["clicksPerViewable"]) == (1, 4, 0.25)
    assert (control["clicks"], control["viewable"], control["clicksPerViewable"]) == (0, 0, None)


def test_a_lost_log_of_exposures_is_named_and_hides_the_verdict(shop: Drop, bucket: "S3Client") -> None:
    happen(shop, {"own": 0.2, "best": 0.4})
    lists = []
    for user in range(USERS, USERS + 30):
        unit, at = unit_digest(str(RELEASE["trackingId"]), f"u{user}"), int(START.timestamp()) * 1000
        lists.append({"shop": "demo", "unit": unit, "listId": f"{user % 2 + 1}-{user}", "itemIds": ["i1"], "at": at})
    # Sessions are in no experiment, so that nothing of theirs is lost.
    lists.append({**lists[0], "unit": "of-a-session", "listId": "1-session", "session": True})
    shop(f"impressions/demo/{START:%Y/%m/%d}/1.jsonl", "\n".join(map(json.dumps, lists)))
    shown = [event("View", 80, "", listed="1-y", named="of-a-session", session="s1")]
    shown += [event("View", 80, f"u{user}", listed="1-x", named=f"x{user}") for user in range(0, 100, 7)]
    shop(f"events/demo/{START:%Y/%m/%d}/shown.csv", copy(shown))

    round_at(7.1)

    told = report(bucket)
    assert told["verdict"]["state"] == "hidden"
    lost = next(finding for finding in told["findings"] if finding["name"] == "lostExposures")
    assert lost["hides"]
    assert "66.7% of the users who were shown" in lost["text"]
    assert (told["counted"]["shown"], told["counted"]["unexposed"]) == (45, 30)
    assert sum(variant["users"] for variant in told["variants"]) == USERS


def test_placements_are_reported_without_experiments_too(
    shop: Drop, bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    shop("drops/demo/experiments.yaml", "experiments: {}\n")
    release_store.delete(table, TABLE, "demo", "experiments")
    shop(f"events/demo/{START:%Y/%m/%d}/1.csv", copy([event("View", 5, listed="0-a"), buy(9, value=70)]))

    assert round_at(1.5).analysed == {}

    told = json.loads(bucket.get_object(Bucket=BUCKET, Key="reports/demo/shelves/day.json")["Body"].read())
    (shelf,) = told["shelves"]
    assert (shelf["placement"], shelf["figures"]["clicks"], shelf["figures"]["attributedRevenue"]) == ("home", 1, 70)
    assert b"</html>" in bucket.get_object(Bucket=BUCKET, Key="reports/demo/shelves/month.html")["Body"].read()


def unwritten(s3: "S3Client", bucket: str, stem: str, *report: Any) -> str:  # noqa: ANN401
    """Write no page of a week, as where the bucket does not answer."""
    if "/weeks/" in stem:
        raise RetryLater(stem, "the bucket does not answer")
    return WRITE(s3, bucket, stem, *report)


def test_a_week_is_mailed_once_and_again_only_if_the_bus_did_not_take_it(
    shop: Drop, bucket: "S3Client", table: "DynamoDBClient", bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop("drops/demo/settings.yaml", SETTINGS + "shelves: {weekly_mail: {hour: 6}}\n")
    happen(shop, {"own": 0.2, "best": 0.2}, days=1)
    release_store.delete(table, TABLE, "demo", "weekly-mail")
    monday = 7 + 7 / 24

    with monkeypatch.context() as patched:
        patched.setattr(Bus, "put_events", lambda *_, **__: {"FailedEntryCount": 1})
        assert [name for name, _ in round_at(monday).failed] == ["demo"]
    with monkeypatch.context() as patched:
        patched.setattr(objects, "put_report", unwritten)
        assert [name for name, _ in round_at(monday).failed] == ["demo"]
    for hours in (1, 2, 20):
        round_at(monday + hours / 24)

    mails = [lines for what, lines in bus.told if what == "Shelves of the week"]
    assert len(mails) == 1
    page = bucket.get_object(Bucket=BUCKET, Key="reports/demo/shelves/weeks/2026-11-02.html")["Body"].read().decode()
    assert all(day in page for day in ("2026-11-02", "2026-11-08"))
    release_store.delete(table, TABLE, "demo", "weekly-mail")


def till(shop: Drop, run: str, orders: Iterable[tuple[str, int, str, str]]) -> None:
    """Drop a till's file: users, seconds since the start, items and order numbers, at ten each."""
    rows = [
        {
            "USER_ID": user,
            "ITEM_ID": item,
            "EVENT_TYPE": "Purchase",
            "TIMESTAMP": str(int(START.timestamp()) + at),
            "EVENT_VALUE": "10",
            "RECEIPT_NO": number,
        }
        for user, at, item, number in orders
    ]
    names = ("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP", "EVENT_VALUE", "RECEIPT_NO")
    shop(f"imports/demo/{run}/interactions/part-0.csv", copy(rows, names))


def test_orders_that_come_by_a_nightly_drop_alone_make_a_verdict(shop: Drop, bucket: "S3Client") -> None:
    happen(shop, {"own": 0.0, "best": 0.0})
    every = []
    for day in range(7):
        users = [user for user in range(day, USERS, 7) if user // 2 % 100 < (20, 30)[user % 2]]
        every += [(f"u{user}", day * 86_400 + 40_000, "i1", f"n{user}") for user in users]
        # Each night's file repeats what the ones before had.
        till(shop, f"r{day}", every)
        if day % 3 == 0:
            round_at(day + 1.1)

    control, best = report(bucket)["variants"]
    assert (control["orders"], best["orders"], best["revenue"]) == (240, 360, 3600)
    assert report(bucket)["verdict"]["state"] == "ship"


def test_an_order_that_was_sent_and_imported_counts_once_also_where_the_file_is_late(
    shop: Drop, bucket: "S3Client"
) -> None:
    happen(shop, {"own": 0.0, "best": 0.0}, days=1)
    sent = [
        buy(100, "u0", orderId="n1"),
        buy(200, "u0"),
        buy(300, "u0", item="i2", orderId="n3"),
        buy(559, "u0", item="i5"),
    ]
    shop(f"events/demo/{START:%Y/%m/%d}/sent.csv", copy(sent))
    round_at(1)
    round_at(4)

    # They have other seconds there, or none, and other numbers or none. The past does not count.
    told = [("u0", 101, "i1", "n1"), ("u0", 201, "i1", "n2"), ("u0", 300, "i2", ""), ("u0", 540, "i5", "")]
    told.append(("u0", -50, "i3", "n0"))
    till(shop, "late", [*told, ("u0", 400, "i1", "n4"), ("u0", 400, "i2", "n4"), ("nobody", 400, "i2", "n5")])
    round_at(4.1)
    round_at(4.2)

    control = report(bucket)["variants"][0]
    assert (control["orders"], control["buyers"], control["revenue"]) == (5, 1, 60)
