# SPDX-License-Identifier: Apache-2.0
"""However many services do not answer, the API answers, well before its functions' time is over."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ReadTimeoutError
from personalization.api import fallback
from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.breaker import Breaker
from personalization.core.errors import RetryLater
from personalization.core.problems import validate
from personalization.events.delivery import BUDGET_SECONDS, PATIENCE
from personalization.events.models import Call, Events, calls
from personalization.shop.records import release_store

from functions.get_recommendations import app as recommendations
from functions.record_events import app as recording
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.queues import Queues
from tests.handlers.samples import body, load
from tests.handlers.silences import longest, most, silence

pytestmark = pytest.mark.usefixtures("aws", "demo")
Waited = list[tuple[str, float]]
"""The operations that were asked for in vain, and the seconds that each may take."""


def hundred() -> list[Call]:
    events = validate(Events, {"sessionId": "s", "events": [{"eventType": "View", "itemId": "i"}] * 100})
    numbers = itertools.count()
    return calls(events, 0, lambda: str(next(numbers)))


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of the shop `demo` is a minute old."""
    releases = release_store.Releases(release_store.fetch_release(clients.dynamodb_once, environment.table))
    releases.get("demo", -release_store.REMEMBER_SECONDS)
    containers.start(recording)
    monkeypatch.setattr(recording, "RELEASES", releases)


@pytest.fixture
def silent() -> Iterator[Waited]:
    """No service answers any more."""
    waited: Waited = []

    def hang(operation: str, seconds: float) -> None:
        waited.append((operation, seconds))
        raise ReadTimeoutError(endpoint_url="https://aws.invalid")

    with silence([clients.dynamodb_once(), clients.events_once(), clients.sqs_once()], hang):
        yield waited


@pytest.mark.usefixtures("old")
def test_when_nothing_answers_events_are_refused_in_time(queues: Queues, silent: Waited) -> None:
    answer = recording.handler(load("api_events"), None)
    assert (answer["statusCode"], answer["multiValueHeaders"]["Retry-After"]) == (503, ["1"])
    assert [operation for operation, _ in silent] == ["GetItem", "Query", "SendMessage"]
    assert sum(seconds for _, seconds in silent) < most("RecordEventsFunction")
    assert queues.messages(queues.events) == []


def test_events_are_answered_in_time_however_slow_every_service_is() -> None:
    release = leaving = longest(clients.dynamodb_once())
    sending = longest(clients.events_once())
    # Whatever went before, there is time to ask the queue.
    assert release + leaving + PATIENCE + sending < BUDGET_SECONDS
    last = max(longest(clients.sqs_once()), longest(clients.dynamodb_once()))
    assert BUDGET_SECONDS + last < most("RecordEventsFunction")
    # The other routes make one or two calls beside those for the release and for who is to be deleted.
    assert release + leaving + longest(clients.events()) < most("RecordEventsFunction")
    assert release + longest(clients.dynamodb()) + longest(clients.dynamodb_once()) < most("RecordEventsFunction")


def test_lists_are_answered_in_time_when_the_table_does_not_answer_either() -> None:
    # The release's record, the shelf, then the list of bestsellers.
    waits = longest(clients.dynamodb()) + fallback.BUDGET_SECONDS + longest(clients.dynamodb_once())
    assert waits < most("GetRecommendationsFunction")


def test_a_slow_queue_takes_what_it_can_in_time(personalize: FakePersonalize, queues: Queues) -> None:
    personalize.fails("PutEvents", "ThrottlingException")
    ticks = itertools.count(0.0, 1.0)
    slow = replace(recording.ACCEPTANCE, breaker=Breaker(), clock=lambda: next(ticks))
    # Personalize takes three looks at the clock, and each message one.
    assert slow.deliver("demo", "t", hundred(), 5.0)[:2] == (0, 20)
    held = [json.loads(message["Body"])["events"] for message in queues.messages(queues.events)]
    assert sorted(int(event["eventId"]) for some in held for event in some) == list(range(20))
    with pytest.raises(RetryLater):
        slow.deliver("demo", "t", hundred(), 5.0)


def test_what_is_too_late_to_write_down_is_to_be_sent_again(queues: Queues, unanswered: list[str]) -> None:
    with pytest.raises(RetryLater):
        recording.ACCEPTANCE.keep("demo", hundred(), 0.0, 0.0)
    assert (unanswered, queues.messages(queues.events)) == ([], [])


@pytest.mark.parametrize("name", ["events", "put_user", "put_item", "delete_user"])
def test_a_table_that_does_not_answer_is_asked_once_and_not_called_personalize(name: str, silent: Waited) -> None:
    event = load(f"api_{name}")
    event["pathParameters"]["shop"] = "not-remembered"
    answer = recording.handler(event, None)
    assert (answer["statusCode"], answer["multiValueHeaders"]["Retry-After"]) == (503, ["1"])
    assert [operation for operation, _ in silent] == ["GetItem"]
    assert "Personalize" not in body(answer)["detail"]


@pytest.mark.parametrize("name", ["recommendations", "similar", "popular", "ranking", "purchase_likelihood"])
def test_nor_is_it_where_lists_are_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_shop: str) -> None:
        raise RetryLater("shops", "no answer")

    monkeypatch.setattr(recommendations, "RELEASES", release_store.Releases(away))
    answer = recommendations.handler(load(f"api_{name}"), None)
    assert (answer["statusCode"], answer["multiValueHeaders"]["Retry-After"]) == (503, ["1"])
    assert "Personalize" not in body(answer)["detail"]
