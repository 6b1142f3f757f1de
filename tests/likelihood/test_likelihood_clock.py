# SPDX-License-Identifier: Apache-2.0
"""Likelihoods by HTTP: strangers buy as the users seen before do, one clock for everybody, and fits of before 0.1.0."""

import json
from typing import TYPE_CHECKING

import pytest
from personalization.shop.records import release_store

from functions.fit_likelihood.app import handler as fit
from functions.get_recommendations.app import handler
from functions.record_events.app import handler as record
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.likelihoods import SHIFT, chance, drop, likelihood_event, put
from tests.handlers.samples import TABLE, Event, body, load
from tests.likelihood import worlds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo", "unfitted")
ALL = [f"i{n}" for n in range(worlds.ITEMS)]
OLD = 30 * worlds.DAY
"""How long the data of some tests have ended, which is more than a horizon."""


def viewed(user: str, item: str) -> Event:
    """A view as a server reports it."""
    told = {"userId": user, "sessionId": "s", "events": [{"eventType": "View", "itemId": item, "eventId": f"{user}-v"}]}
    return {**load("api_events"), "body": json.dumps(told)}


def old(bucket: "S3Client", personalize: FakePersonalize) -> None:
    """A shop whose data end long before they are fitted."""
    drop(bucket, personalize)
    put(bucket, "interactions", worlds.interactions((u, i, k, at + SHIFT - OLD) for u, i, k, at in worlds.rows()))
    assert fit(load("fit_likelihood"), None)["outcome"] == "fitted"


def told(user: str, *items: str, **query: str) -> dict[str, float]:
    """The probability of each item."""
    answer = handler(likelihood_event(user, *items, **query), None)
    assert answer["statusCode"] == 200, answer["body"]
    return {item["itemId"]: item["probability"] for item in body(answer)["items"]}


def bought_a_week() -> float:
    """How many items one of the users bought in a week, on average over the last eight."""
    weeks, start = 8, worlds.START + 6 * 7 * worlds.DAY
    pairs = {
        (user, item, (at - start) // (7 * worlds.DAY))
        for user, item, kind, at in worlds.rows()
        if kind == "Purchase" and at >= start
    }
    return len(pairs) / weeks / worlds.SHOPPERS


@pytest.mark.usefixtures("fitted")
def test_a_stranger_is_told_to_buy_as_much_as_the_users_seen_before_did() -> None:
    probabilities = told("nobody", *ALL)
    assert sum(probabilities.values()) == pytest.approx(bought_a_week(), rel=0.25)


def test_households_that_came_late_do_not_decide_about_strangers(
    bucket: "S3Client", personalize: FakePersonalize
) -> None:
    drop(bucket, personalize)
    fit(load("fit_likelihood"), None)
    before = sum(told("nobody", *ALL).values())
    # Every week somebody comes who buys ten things at once, and never again.
    late = [
        (f"late-{week}", f"i{item}", "Purchase", worlds.START + SHIFT + week * 7 * worlds.DAY + 3_600)
        for week in range(7, 14)
        for item in range(10)
    ]
    rows = [(user, item, kind, at + SHIFT) for user, item, kind, at in worlds.rows()]
    put(bucket, "interactions", worlds.interactions([*rows, *late]), stamp=2)
    fit({**load("fit_likelihood"), "run": "run-2"}, None)
    from functions.get_recommendations import app  # noqa: PLC0415 - reads the variables

    containers.start(app)
    assert sum(told("nobody", *ALL).values()) == pytest.approx(before, rel=0.25)


def test_one_clock_for_everybody_whose_data_are_old(bucket: "S3Client", personalize: FakePersonalize) -> None:
    old(bucket, personalize)
    before, other = chance("u0", "i0"), chance("u1", "i7")
    assert record(viewed("u0", "i0"), None)["statusCode"] < 300
    moments = [body(handler(likelihood_event(user, "i0"), None))["asOf"] for user in ("u0", "u1", "nobody")]
    assert len({moment[:16] for moment in moments}) == 1
    assert chance("u0", "i0") >= before
    assert chance("u1", "i7") == pytest.approx(other, rel=1e-3)


def test_a_view_of_another_item_takes_nothing_of_the_clock(bucket: "S3Client", personalize: FakePersonalize) -> None:
    old(bucket, personalize)
    before = chance("u0", "i0")
    record(viewed("u0", "i2"), None)
    assert chance("u0", "i0") > 0.9 * before


@pytest.mark.usefixtures("fitted")
def test_a_view_of_a_stranger_makes_nothing_less_likely() -> None:
    before = told("nobody", *ALL)
    record(viewed("nobody", "i4"), None)
    assert all(after >= 0.999 * before[item] for item, after in told("nobody", *ALL).items())


@pytest.mark.usefixtures("fitted")
def test_a_fit_of_before_0_1_0_is_refused_and_stays(table: "DynamoDBClient") -> None:
    document = release_store.get(table, TABLE, "demo", "likelihood")
    assert document is not None
    of_before = {name: value for name, value in document.items() if name != "version"}
    release_store.put(table, TABLE, of_before)
    answer = handler(likelihood_event("u0", "i0"), None)
    assert answer["statusCode"] == 409
    assert body(answer)["detail"].endswith("was not fitted by version 0.1.0 or later: train the shop again.")
    assert release_store.get(table, TABLE, "demo", "likelihood") == of_before


def at_positions() -> list[str]:
    """Every user's first event at the same moment, and the next ones a day later each."""
    rows = [(f"u{n}", f"i{(n + k) % 40}", "Purchase", worlds.START + k * worlds.DAY)
            for n in range(60) for k in range(20 + n)]  # fmt: skip
    return worlds.interactions(rows)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (at_positions(), "needs times of purchases, and the history has positions"),
        (
            worlds.interactions((f"u{n}", f"i{n % 40}", "Purchase", worlds.START + n) for n in range(900)),
            "needs purchases over 35 days, and the history has them over 0.0",
        ),
    ],
    ids=["positions", "a single day"],
)
def test_a_history_that_says_nothing_of_time_is_refused_with_the_reason(
    rows: list[str], reason: str, bucket: "S3Client"
) -> None:
    put(bucket, "interactions", rows)
    done = fit(load("fit_likelihood"), None)
    assert (done["outcome"], reason in str(done["reason"])) == ("refused", True)
    answer = handler(likelihood_event("u0", "i0"), None)
    assert (answer["statusCode"], reason in body(answer)["detail"]) == (409, True)
