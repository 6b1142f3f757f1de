# SPDX-License-Identifier: Apache-2.0
"""Whose likelihood an answer has: of a known user, of a newcomer, or of a stranger; and what is said of new items."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from functions.fit_likelihood.app import handler as fit
from functions.get_recommendations.app import handler
from functions.record_events import app as record_events
from functions.record_events.app import handler as record
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.likelihoods import drop, likelihood_event, put, stored
from tests.handlers.samples import Event, body, fields, load
from tests.likelihood import worlds

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo", "unfitted")


def told(user: str, *items: str, **query: str) -> dict[str, Any]:
    """The answer about a user."""
    answer = handler(likelihood_event(user, *(items or ("i0",)), **query), None)
    assert answer["statusCode"] == 200, answer["body"]
    answer_body: dict[str, Any] = body(answer)
    return answer_body


def chances(answer: dict[str, Any]) -> list[float]:
    """The probabilities of an answer."""
    return [item["probability"] for item in answer["items"]]


def viewed(user: str, item: str) -> None:
    """A user looks at an item, now."""
    happened = {"eventType": "View", "itemId": item, "eventId": f"{user}-{item}"}
    event = {**load("api_events"), "body": json.dumps({"userId": user, "sessionId": "s", "events": [happened]})}
    assert record(event, None)["statusCode"] == 202


@pytest.fixture
def erase() -> Any:  # noqa: ANN401 - a function
    """Ask for the deletion of a user, as a shop does."""

    def asking(user: str) -> None:
        event: Event = load("api_delete_user")
        event["pathParameters"]["userId"] = user
        assert record(event, None)["statusCode"] == 202
        containers.start(record_events)

    yield asking
    containers.start(record_events)


@pytest.mark.usefixtures("fitted")
def test_the_answer_says_whose_likelihood_it_is() -> None:
    assert told("u0")["user"] == "known"
    assert told("nobody")["user"] == told("nobody", **{"context.AGE": "65+"})["user"] == "stranger"


@pytest.mark.usefixtures("fitted", "queues")
def test_a_user_known_by_events_since_the_fit_is_a_newcomer() -> None:
    assert told("fresh")["user"] == "stranger"
    viewed("fresh", "i0")
    assert told("fresh")["user"] == "newcomer"
    viewed("u0", "i0")
    assert told("u0")["user"] == "known"


@pytest.mark.usefixtures("fitted", "queues")
def test_a_user_erased_a_minute_ago_is_a_stranger_at_once(erase: Any) -> None:  # noqa: ANN401 - a function
    viewed("u0", "i2")
    before, stranger = told("u0", "i0", "i2"), told("nobody", "i0", "i2")
    assert before["user"] == "known"
    erase("u0")
    after = told("u0", "i0", "i2")
    assert (after["user"], chances(after)) == ("stranger", chances(stranger))
    assert chances(before) != chances(after)
    assert told("u1")["user"] == "known"


@pytest.mark.parametrize("query", [{}, {"context.AGE": "65+"}])
@pytest.mark.parametrize("user", ["u0", "nobody"])
@pytest.mark.usefixtures("fitted")
def test_an_item_that_nobody_knows_is_refused_whoever_asks(user: str, query: dict[str, str]) -> None:
    answer = handler(likelihood_event(user, "i0", "moon", "i1", "sun", **query), None)
    assert (answer["statusCode"], fields(answer)) == (400, ["itemIds.1", "itemIds.3"])
    assert "knows no such item" in answer["body"]


def test_an_item_that_came_yesterday_has_a_probability_for_everybody(
    bucket: "S3Client", personalize: FakePersonalize
) -> None:
    drop(bucket, personalize)
    put(bucket, "items", [*worlds.items(), "new,fruit,fruit-0\n"], stamp=2)
    assert fit(load("fit_likelihood"), None)["outcome"] == "fitted"
    for user, popular in (("u0", "i0"), ("nobody", "i39")):
        new, other = chances(told(user, "new", popular))
        assert 0 < new < other < 1


def test_the_report_says_yes_or_no_and_tells_strangers_apart(fitted: dict[str, Any], bucket: "S3Client") -> None:
    page = stored(bucket, fitted["report"]).decode()
    assert "<h2>Does 5 % mean 5 %? <span" in page
    assert "<h2>And for strangers? <span" in page
    report = json.loads(stored(bucket, fitted["report"].replace(".html", ".json")))
    assert report["testedStrangers"]["pairs"] > 0
    assert report["newcomers"]["told"] is True
