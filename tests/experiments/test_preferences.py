# SPDX-License-Identifier: Apache-2.0
"""Two rankers in one list, from the files of a week to the report: whose items users chose, and what that says."""

import html
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.experiments.analysing import Analyst, Clients
from personalization.experiments.assignment import unit_digest
from personalization.experiments.lists import Lists
from personalization.shop.records import release_store

from tests.experiments.test_aggregates import buy, copy, event
from tests.experiments.test_analyse_experiments import START, bus, numbers_in
from tests.handlers.samples import BUCKET, RELEASE, TABLE, Drop

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

__all__ = ["bus"]
pytestmark = pytest.mark.usefixtures("aws", "demo")
SETTINGS = """
recipes: [user-personalization, similar-items, popularity-count, personalized-ranking]
campaigns: {popularity-count: {}}
placements:
  home: {recipe: user-personalization, limit: 3}
"""
FILE = """
experiments:
  ranks:
    hypothesis: Users choose what is popular.
    owner: Kim
    placements: [home]
    compare: interleaved
    goal: clicks
    weeks: 1
    variants: {own: {}, other: {recipe: popularity-count}}
"""
NUMBERS = {"ranks.own": 1, "ranks.other": 2, "ranks.interleaved": 3}
"""In place of tokens, a listId is the number of the variant and a name."""
LISTS = Lists(
    numbers_in,
    NUMBERS.__getitem__,
    lambda lists: pl.DataFrame([lists.alias("list"), numbers_in(lists).alias("variant")]).with_columns(
        placement=pl.lit("home"), release=pl.lit("r"), at=pl.lit(int(START.timestamp()))
    ),
)
Did = Sequence[dict[str, str]]


@pytest.fixture
def shop(drop: Drop, table: "DynamoDBClient", bus: Any) -> Iterator[Drop]:  # noqa: ANN401
    """A shop with an interleaved experiment that starts with November 2nd."""
    drop("drops/demo/settings.yaml", SETTINGS)
    drop("drops/demo/experiments.yaml", FILE)
    drop(f"events/demo/{START - timedelta(days=1):%Y/%m/%d}/1.csv", copy([event("View", -5000)]))
    round_at(0, bus)
    yield drop
    release_store.delete(table, TABLE, "demo", "experiments")


def round_at(days: float, bus: object, objecting: Collection[str] = ()) -> None:
    aws = Clients(clients.s3(), clients.dynamodb(), cast("Any", bus), cast("Any", None))
    now = START + timedelta(days=days)
    assert not Analyst(aws, Environment(), now, lambda _: objecting, LISTS).round(lambda: False).failed


def happen(drop: Drop, days: Mapping[int, Did]) -> None:
    """Expose each user of a day's events before them, and tell the events, whose times are those of the day."""
    for number, rows in days.items():
        day = START + timedelta(days=number)
        at = (int(START.timestamp()) + number * 86_400) * 1000
        told = {"shop": "demo", "experiment": "ranks", "variant": "interleaved", "placement": "home", "at": at}
        users = sorted({row["USER_ID"] for row in rows})
        lines = [json.dumps({**told, "unit": unit_digest(str(RELEASE["trackingId"]), user)}) for user in users]
        drop(f"exposures/demo/{day:%Y/%m/%d}/1.jsonl", "\n".join(lines))
        drop(f"events/demo/{day:%Y/%m/%d}/1.csv", copy(moved(row, number * 86_400) for row in rows))


def moved(row: dict[str, str], seconds: int) -> dict[str, str]:
    """Return an event that happens so much later."""
    time = str(int(row["TIMESTAMP"]) + seconds)
    return {**row, "TIMESTAMP": time, "STREAMED_TO": f"retail-demo/{time}"}


def click(user: str, side: str, item: str = "i1", at: int = 60, name: str = "list") -> dict[str, str]:
    return event("Click", at, user, item, listed=f"{NUMBERS[f'ranks.{side}']}-{name}-{user}")


def preferring(personal: int, other: int, neither: int = 0) -> list[dict[str, str]]:
    """Return a day's clicks: of so many users who prefer one, and of some who click as often on the items of both."""
    rows = [click(f"o{number}", "own") for number in range(personal)]
    rows += [click(f"p{number}", "other") for number in range(other)]
    for number in range(neither):
        rows += [click(f"n{number}", "own"), click(f"n{number}", "other", "i2")]
    return rows


def report(bucket: "S3Client") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read(bucket, "json"))
    return document


def read(bucket: "S3Client", ending: str) -> str:
    key = f"reports/demo/experiments/ranks/report.{ending}"
    return bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()


def sides(bucket: "S3Client", column: str) -> tuple[int, int]:
    control, other = report(bucket)["preference"]["sides"]
    assert (control["variant"], other["variant"]) == ("own", "other")
    return control[column], other[column]


def test_the_ranker_whose_items_more_users_choose_is_preferred_and_an_ab_test_comes_next(
    shop: Drop,
    bucket: "S3Client",
    bus: Any,  # noqa: ANN401
) -> None:
    happen(shop, {0: preferring(100, 200, neither=50), 3: [click("p1", "other", "i9"), click("n1", "own", "i9")]})

    round_at(3, bus)
    early = report(bucket)
    assert (early["state"], early["verdict"]["state"]) == ("running", "undecided")
    assert early["sentence"].startswith("No preference proven yet: one of less than")
    round_at(7.1, bus)
    round_at(7.2, bus)

    told = report(bucket)
    assert told["verdict"] == {"state": "preferred", "variant": "other", "ended": True}
    assert told["sentence"].startswith("other's items are preferred by 66% of the users who prefer one (")
    assert told["sentence"].endswith("Prove it with an A/B test before shipping.")
    assert sides(bucket, "preferring") == (101, 200)
    assert sides(bucket, "clicks") == (151, 251)
    (row,) = told["variants"]
    assert (row["variant"], row["users"], row["weight"], row["result"]) == ("interleaved", 350, 1.0, None)
    assert told["announced"] == ["started", "decided"]
    assert bus.told[-1] == ("Experiment decided", told["sentence"])
    page = html.unescape(read(bucket, "html"))
    assert told["sentence"] in page
    assert "Both rankers in one list" in page
    assert "<svg class=lift" in page


def test_where_the_control_is_preferred_it_is_kept(shop: Drop, bucket: "S3Client", bus: Any) -> None:  # noqa: ANN401
    happen(shop, {1: preferring(150, 70)})
    round_at(7.1, bus)
    told = report(bucket)
    assert told["verdict"]["variant"] == "own"
    assert told["sentence"].startswith("own's items are preferred by 68% of")
    assert "Keep own" in told["sentence"]


def test_few_users_or_ties_decide_nothing(shop: Drop, bucket: "S3Client", bus: Any) -> None:  # noqa: ANN401
    happen(shop, {1: preferring(0, 49, neither=500)})
    round_at(7.1, bus)
    told = report(bucket)
    assert told["verdict"]["state"] == "hidden"
    assert told["sentence"] == "No verdict yet. 49 users prefer one of the rankers so far, and 50 are needed."


def test_a_korean_shop_reads_it_in_korean(shop: Drop, bucket: "S3Client", bus: Any) -> None:  # noqa: ANN401
    shop("drops/demo/settings.yaml", f"{SETTINGS}\nlanguage: ko\n")
    happen(shop, {1: preferring(100, 200)})
    round_at(7.1, bus)
    page = html.unescape(read(bucket, "html"))
    assert "한쪽을 선호한 고객의 66%가 other의 상품을 선호합니다" in page
    assert "적용하기 전에 A/B 테스트로 입증하세요" in page


def test_purchases_are_due_to_the_list_that_they_name_or_else_to_the_last_click(
    shop: Drop,
    bucket: "S3Client",
    bus: Any,  # noqa: ANN401
) -> None:
    rows = {
        0: [click("u1", "own", "i1"), click("u2", "own", "i1"), click("u2", "other", "i1", at=90, name="later")],
        1: [
            # A server told it, so that it names no list.
            buy(10, "u1", "i1", orderId="a"),
            buy(20, "u2", "i1", orderId="b"),
            # Nobody clicked on it.
            buy(30, "u2", "i7", orderId="b"),
            # The browser says in which list it was, and nobody clicked.
            buy(40, "u3", "i5", orderId="c", listed="2-list-u3"),
            # It was found in another list, which counts for neither.
            buy(50, "u1", "i1", orderId="d", listed="0-search-u1"),
        ],
        2: [buy(10, "u1", "i1", orderId="a"), click("u4", "other", "i4", at=50),
            buy(40, "u4", "i4", orderId="e"), buy(60, "u4", "i4", orderId="f")],
    }  # fmt: skip
    happen(shop, rows)
    for days in (0.5, 1.5, 2.5, 3.5):
        round_at(days, bus)
    assert sides(bucket, "bought") == (1, 3)
    assert sides(bucket, "buyers") == (1, 3)


def test_robots_and_users_who_object_are_left_out(shop: Drop, bucket: "S3Client", bus: Any) -> None:  # noqa: ANN401
    robot = [click("p1", "other", f"i{number}", name=str(number)) for number in range(1_100)]
    happen(shop, {1: [*preferring(60, 90), *robot]})
    round_at(3, bus, objecting=["p2", "o2"])
    assert sides(bucket, "preferring") == (59, 88)
    assert [finding["name"] for finding in report(bucket)["findings"]] == ["robots"]


def test_a_shelf_has_the_clicks_of_both_beside_what_was_on_screen(shop: Drop, bucket: "S3Client", bus: Any) -> None:  # noqa: ANN401
    happen(shop, {0: preferring(3, 5)})
    unit = unit_digest(str(RELEASE["trackingId"]), "o1")
    seen = {"unit": unit, "listId": "3-list-o1", "itemIds": ["i1", "i2"], "at": (int(START.timestamp()) + 50) * 1000}
    shop(f"impressions/demo/{START:%Y/%m/%d}/1.jsonl", json.dumps(seen))
    round_at(1.5, bus)
    key = f"aggregates/demo/placements/{START:%Y-%m-%d}.parquet"
    rows = pl.read_parquet(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    (row,) = rows.filter(pl.col("level") == "variant").to_dicts()
    assert (row["variant"], row["clicks"], row["viewable"]) == ("ranks.interleaved", 8, 2)


def test_of_two_clicks_in_one_second_the_same_one_counts_on_all_days(shop: Drop, bucket: "S3Client", bus: Any) -> None:  # noqa: ANN401
    users = [f"u{number}" for number in range(300)]
    clicks = [click(user, side) | {"EVENT_ID": f"{side} {user}"} for side in ("other", "own") for user in users]
    today = [buy(90, user, "i1", orderId="today") for user in users]
    happen(shop, {0: clicks + today, 1: [buy(10, user, "i1", orderId="later") for user in users]})
    for days in (1.5, 2.5):
        round_at(days, bus)
    assert sides(bucket, "bought") == (0, 600)
