# SPDX-License-Identifier: Apache-2.0
"""What the API's functions make of a browser's requests: of its origin, and of whom it names."""

import json
import time
from typing import TYPE_CHECKING

import pytest
from personalization.auth.caller import Caller

from functions.get_recommendations.app import handler as recommend
from functions.record_events.app import handler as record
from tests.handlers.fakes import FakePersonalize
from tests.handlers.queues import Queues
from tests.handlers.samples import RECOMMENDED, SHOPPER_EVENTS, Event, body, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.usefixtures("aws", "demo")
FAR = 4_000_000_000
VISITOR = Caller("", "s-1", "demo", FAR)
JOINED = Caller("2375", "s-1", "demo", FAR)


def by(caller: Caller, name: str, **changes: object) -> Event:
    event = load(name)
    told = {key: str(value) for key, value in caller.context().items()}
    context = {**event["requestContext"], "authorizer": {**told, "principalId": "x"}}
    return {**event, "stageVariables": {"callers": "browsers"}, "requestContext": context, **changes}


def test_a_user_is_served_and_another_s_id_reaches_nothing(personalize: FakePersonalize) -> None:
    personalize.says("GetRecommendations", RECOMMENDED)
    assert recommend(by(JOINED, "api_recommendations"), None)["statusCode"] == 200
    calls_before = len(personalize.calls)
    for name in ("api_recommendations", "api_ranking"):
        answer = recommend(by(VISITOR, name), None)
        assert (answer["statusCode"], body(answer)["title"]) == (403, "Forbidden")
    assert len(personalize.calls) == calls_before


@pytest.mark.parametrize("name", ["api_similar", "api_popular"])
@pytest.mark.parametrize("spelling", ["userId", "user_id", "userid", "USER_ID", "userId[]"])
def test_another_user_is_not_named_in_a_query_however_it_is_spelled(
    personalize: FakePersonalize, name: str, spelling: str
) -> None:
    personalize.says("GetRecommendations", RECOMMENDED)
    query = {"queryStringParameters": {spelling: "2375"}, "multiValueQueryStringParameters": {spelling: ["2375"]}}
    answer = recommend(by(VISITOR, name, **query), None)
    assert answer["statusCode"] == (403 if spelling == "userId" else 400)
    assert all(parameters["userId"] == "nobody-in-particular" for _, parameters in personalize.calls)


def test_an_event_is_its_caller_s(personalize: FakePersonalize) -> None:
    content = json.dumps({"sessionId": "s-1", "events": [{"eventType": "View"}]})
    for caller, user in ((VISITOR, None), (JOINED, "2375")):
        assert record(by(caller, "api_events", body=content), None)["statusCode"] == 202
        assert personalize.body_of("PutEvents").get("userId") == user


@pytest.mark.parametrize(
    ("ahead", "status"),
    [
        (-FAR, 400),
        (-8 * 86_400, 400),
        (-6 * 86_400, 202),
        (0, 202),
        (300, 202),
        (3_600, 400),
        (7 * 86_400, 400),
    ],
)
def test_a_browser_s_clock_is_not_believed_far_and_the_way_out_is_said(
    ahead: float, status: int, personalize: FakePersonalize
) -> None:
    at = max(0, int(time.time() + ahead))
    content = json.dumps({"sessionId": "s-1", "events": [{"eventType": "View"}, {"eventType": "View", "sentAt": at}]})
    answer = record(by(VISITOR, "api_events", body=content), None)
    assert answer["statusCode"] == status
    if status == 400:
        (error,) = body(answer)["errors"]
        assert error["field"] == "events.1.sentAt"
        assert "leave it out" in error["message"]
    assert ("PutEvents" in personalize.operations()) is (status == 202)


def test_a_browser_writes_no_users_and_no_items(personalize: FakePersonalize) -> None:
    for name in ("api_put_user", "api_put_item"):
        assert record(by(JOINED, name), None)["statusCode"] == 403
    assert personalize.calls == []


def test_a_browser_stores_the_choice_of_its_own_user_alone() -> None:
    choice = {"body": json.dumps({"enabled": True}), "pathParameters": {"shop": "demo", "userId": "2375"}}
    answer = record(by(JOINED, "api_put_personalization", **choice), None)
    assert (answer["statusCode"], body(answer)) == (202, {"enabled": True})
    other = {**choice, "pathParameters": {"shop": "demo", "userId": "2376"}}
    assert record(by(JOINED, "api_put_personalization", **other), None)["statusCode"] == 403
    stranger = {**choice, "pathParameters": {"shop": "demo", "userId": "s-1"}}
    answer = record(by(VISITOR, "api_put_personalization", **stranger), None)
    assert answer["statusCode"] == 403
    assert "personalize=false" in body(answer)["detail"]


def test_a_list_that_is_not_to_be_personal_names_nobody(personalize: FakePersonalize) -> None:
    personalize.says("GetRecommendations", RECOMMENDED)
    for caller, name in ((JOINED, "api_recommendations"), (VISITOR, "api_popular")):
        answer = recommend(by(caller, name, queryStringParameters={"personalize": "false"}), None)
        assert answer["statusCode"] == 200
    assert "2375" not in json.dumps(personalize.calls)
    bad = recommend(by(JOINED, "api_recommendations", queryStringParameters={"personalize": "no"}), None)
    assert (bad["statusCode"], body(bad)["errors"][0]["field"]) == (400, "personalize")


def test_a_request_that_the_authorizer_has_not_seen_is_refused_at_the_browsers_api() -> None:
    event = {**load("api_popular"), "stageVariables": {"callers": "browsers"}}
    answer = recommend(event, None)
    assert (answer["statusCode"], body(answer)["status"]) == (401, 401)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://a.example", ["https://a.example"]), ("https://b.example", ["https://b.example"]),
     ("https://evil.example", None), ("https://a.example.evil.example", None), ("null", None), (None, None)],
)  # fmt: skip
def test_of_several_origins_the_one_that_asks_may_read(origin: str | None, allowed: list[str] | None) -> None:
    event = {**load("api_health"), "stageVariables": {"origins": "https://a.example,https://b.example"}}
    event["headers"] = {**event["headers"], **({"origin": origin} if origin else {})}
    headers = recommend(event, None)["multiValueHeaders"]
    assert headers.get("Access-Control-Allow-Origin") == allowed
    assert headers["Vary"] == ["Origin"]


def test_a_browser_s_event_takes_nobody_s_id(personalize: FakePersonalize) -> None:
    """An anonymous user who knows the number of an order cannot send an event before the server with the same id."""
    content = json.dumps({"sessionId": "s-1", "events": [{"eventType": "View", "eventId": "order-4711"}]})
    other = Caller("", "s-2", "demo", FAR)
    requests = [
        by(VISITOR, "api_events", body=content),
        by(other, "api_events", body=content.replace("s-1", "s-2")),
        {**load("api_events"), "body": content},
        {**load("api_events"), "body": content},
        by(JOINED, "api_events", body=content),
    ]
    for request in requests:
        answer = record(request, None)
        assert (answer["statusCode"], body(answer)["events"]) == (
            202,
            [{"eventId": "order-4711", "status": "delivered"}],
        )
    visitor, stranger, server, again, joined = (request["eventList"][0]["eventId"] for _, request in personalize.calls)
    assert server == again == "order-4711"
    assert joined == visitor
    assert len({visitor, stranger, server}) == 3
    assert max(len(visitor), len(stranger)) <= 256


def test_a_session_that_no_token_proves_is_part_of_the_id(personalize: FakePersonalize) -> None:
    shopper = Caller("2375", "", "", FAR)
    sent = {"sessionId": "one", "events": [{"eventType": "View", "eventId": "e"}]}
    for request in (sent, {**sent, "sessionId": "two"}, sent):
        record(by(shopper, "api_events", body=json.dumps(request)), None)
    first, two, again = (request["eventList"][0]["eventId"] for _, request in personalize.calls)
    assert (first == again, first == two) == (True, False)


def test_an_id_that_was_made_for_a_browser_can_be_sent_again(personalize: FakePersonalize) -> None:
    content = {"sessionId": "s-1", "events": [{"eventType": "View"}]}
    made = body(record(by(VISITOR, "api_events", body=json.dumps(content)), None))["events"][0]["eventId"]
    content["events"] = [{"eventType": "View", "eventId": made}]
    record(by(VISITOR, "api_events", body=json.dumps(content)), None)
    first, second = (request["eventList"][0]["eventId"] for _, request in personalize.calls)
    assert first == second != made


def test_a_browser_s_event_is_queued_and_written_down_under_the_id_that_it_was_sent_with(
    personalize: FakePersonalize, queues: Queues, table: "DynamoDBClient"
) -> None:
    content = {"sessionId": "s-1", "events": [{"eventType": "View", "itemId": "i", "eventId": "order-4712"}]}
    record(by(JOINED, "api_events", body=json.dumps(content)), None)
    sent = personalize.body_of("PutEvents")["eventList"][0]["eventId"]
    personalize.fails("PutEvents", "ThrottlingException")
    answer = body(record(by(JOINED, "api_events", body=json.dumps(content)), None))
    assert answer["events"] == [{"eventId": "order-4712", "status": "queued"}]
    (message,) = queues.messages(queues.events)
    assert [event["eventId"] for event in json.loads(message["Body"])["events"]] == [sent]
    server = {**load("api_events"), "body": json.dumps({**content, "userId": "2375"})}
    record(server, None)
    stored = table.query(
        TableName=SHOPPER_EVENTS,
        KeyConditionExpression="shopper = :shopper",
        ExpressionAttributeValues={":shopper": {"S": "demo#2375"}},
    )
    assert {sent, "order-4712"} <= {item["event"]["S"] for item in stored["Items"]}
