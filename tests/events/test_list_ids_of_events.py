# SPDX-License-Identifier: Apache-2.0
"""An event says from which list it follows; one with a bad listId is accepted without it, and its answer says so."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.auth.list_ids import Shown, key_of, of
from personalization.core.aws import clients
from personalization.events import models
from personalization.events.attribution import sources

from functions.copy_events.app import handler as copy
from functions.deliver_events.app import handler as deliver
from functions.get_recommendations.app import handler as recommend
from functions.record_events import app
from functions.record_events.app import handler
from tests.events.test_copy_events import objects, stream
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.queues import Context, Queues
from tests.handlers.samples import RECOMMENDED, SHOPPER_EVENTS, Event, body, described, load
from tests.handlers.variables import VARIABLES, changed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo", "bucket", "_empty")
NOW = 1_795_594_812
DAY = 86_400


@pytest.fixture
def _empty(table: "DynamoDBClient") -> Iterator[None]:
    """Without events of other tests."""
    containers.start(app)
    yield
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: float(NOW))


def token(
    user: str | None = "u1", shop: str = "demo", at: float = NOW, key: str = "", *, name: str = "placement/home"
) -> str:
    """A listId of the stack, or of another key."""
    answer = clients.secretsmanager().get_secret_value(SecretId=VARIABLES["LIST_ID_KEYS"])
    secret = key.encode() or answer["SecretString"].encode()
    return of(key_of(answer["VersionId"], secret), shop, user, Shown(name=name, at=at, release=0))


def post(events: list[dict[str, Any]], **who: object) -> Event:
    request = {"sessionId": "s1", "userId": "u1", "events": events} | who
    answer: Event = handler({**load("api_events"), "body": json.dumps(request)}, None)
    assert answer["statusCode"] == 202
    return answer


def click(list_id: object, **more: object) -> dict[str, Any]:
    return {"eventType": "Click", "itemId": "i1", "eventId": "e1", "listId": list_id, **more}


def stored(table: "DynamoDBClient") -> list[str | None]:
    """The listIds of the stored events."""
    items = table.scan(TableName=SHOPPER_EVENTS)["Items"]
    return [json.loads(item["more"]["S"]).get("listId") for item in items]


def test_an_event_follows_the_list_that_was_shown(table: "DynamoDBClient", personalize: FakePersonalize) -> None:
    personalize.says("GetRecommendations", RECOMMENDED)
    shown = body(recommend(load("api_recommendations"), None))["listId"]
    (event,) = body(post([click(shown)], userId="2375"))["events"]
    assert event == {"eventId": "e1", "status": "delivered"}
    assert stored(table) == [shown]


def test_the_list_is_in_the_copy_and_never_sent_to_personalize(
    table: "DynamoDBClient", personalize: FakePersonalize, bucket: "S3Client"
) -> None:
    shown = token()
    post([click(shown, recommendationId="RID-1")])
    assert "listId" not in personalize.body_of("PutEvents")["eventList"][0]
    copy(stream(table), None)
    assert [row["LIST_ID"] for rows in objects(bucket).values() for row in rows] == [shown]


@pytest.mark.parametrize(
    ("name", "source"), [("placement/home", "home"), ("placement/gone", "other"), ("similar", None)]
)
def test_personalize_counts_an_event_for_the_placement_of_its_list(
    name: str, source: str | None, personalize: FakePersonalize
) -> None:
    post([click(token(name=name), recommendationId="RID-1"), click(None, eventId="e2")])
    first, second = personalize.body_of("PutEvents")["eventList"]
    assert (first.get("metricAttribution") or {}).get("eventAttributionSource") == source
    assert "metricAttribution" not in second


def test_personalize_gets_no_more_sources_than_it_counts() -> None:
    placements = [f"p{number:02}" for number in range(20)]
    variants = [(placement, variant) for placement in placements for variant in "abcdef"]
    told = sources(placements, variants)
    assert len(told | {"other"}) == 100
    assert {*placements, "p00.a", "p13.a"} <= told == sources(reversed(placements), reversed(variants))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "malformed"),
        ("nonsense", "malformed"),
        ("x" * 9_000, "malformed"),
        (7, "malformed"),
        ({"a": []}, "malformed"),
        ("forged", "forged"),
        ("another shop's", "anotherShop"),
        ("old", "tooOld"),
        ("another user's", "anotherUser"),
    ],
)
def test_an_event_with_a_bad_list_is_kept_without_it(
    bad: object, reason: str, table: "DynamoDBClient", personalize: FakePersonalize
) -> None:
    made = {
        "forged": token(key="f" * 64),
        "another shop's": token(shop="other"),
        "old": token(at=NOW - 90 * DAY),
        "another user's": token("u2"),
    }
    answer = post([click(made.get(str(bad), bad)), click(token(), eventId="e2")])
    assert described("Accepted", answer).accepted == 2
    assert [event.get("listIdRefused") for event in body(answer)["events"]] == [reason, None]
    assert sorted(stored(table), key=str) == sorted([None, token()], key=str)
    assert [event["itemId"] for event in personalize.body_of("PutEvents")["eventList"]] == ["i1", "i1"]


def test_a_list_of_before_the_login_is_followed_after_it(table: "DynamoDBClient") -> None:
    assert "listIdRefused" not in body(post([click(token("s1"))]))["events"][0]
    assert "listIdRefused" not in body(post([click(token(None), eventId="e2")]))["events"][0]
    assert stored(table) == [token("s1"), token(None)]


def test_null_is_no_list(table: "DynamoDBClient") -> None:
    assert body(post([click(None)]))["events"] == [{"eventId": "e1", "status": "delivered"}]
    assert stored(table) == [None]


def test_an_event_that_waited_keeps_its_list(
    table: "DynamoDBClient", queues: Queues, personalize: FakePersonalize
) -> None:
    personalize.fails("PutEvents", "InternalServiceException", status=500)
    shown = token()
    post([click(shown)])
    personalize.reset()
    assert deliver(queues.batch(), cast("Any", Context())) == {"batchItemFailures": []}
    assert "listId" not in personalize.body_of("PutEvents")["eventList"][0]
    assert stored(table) == [shown]


def test_an_event_is_accepted_while_the_keys_cannot_be_read(table: "DynamoDBClient") -> None:
    shown = token()
    with changed("LIST_ID_KEYS", "gone"):
        containers.start(app)
        (event,) = body(post([click(shown)]))["events"]
    assert event == {"eventId": "e1", "status": "delivered", "listIdRefused": "unchecked"}
    assert stored(table) == [None]


def test_refusals_are_of_the_events_that_they_are_about() -> None:
    listed = [{"eventId": str(number)} | ({"listId": "bad"} if number in {3, 12} else {}) for number in range(14)]
    made = [models.Call("s", None, listed[:10]), models.Call("s", None, listed[10:])]
    checked, refused = models.without_refused(made, lambda _call, text: "forged" if text == "bad" else None)
    assert refused == {3: "forged", 12: "forged"}
    assert [event for call in checked for event in call.events] == [{"eventId": str(number)} for number in range(14)]
    answered: Any = models.accepted(made, 5, 2, refused)["events"]
    assert [event["eventId"] for event in answered if "listIdRefused" in event] == ["3"]
