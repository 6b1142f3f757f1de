# SPDX-License-Identifier: Apache-2.0
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from personalization.core.aws import routing
from personalization.core.aws.errors import refusal
from personalization.core.breaker import Breaker
from personalization.core.problems import validate
from personalization.events.models import Events, calls
from personalization.shop.records import release_store

from functions.record_events import app
from functions.record_events.app import handler
from tests.handlers import containers
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.queues import Queues
from tests.handlers.samples import RELEASE, SHOPPER_EVENTS, TABLE, Event, body, described, fields, load
from tests.handlers.variables import changed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THRESHOLD = 3

pytestmark = pytest.mark.usefixtures("aws", "demo", "bucket")


@pytest.fixture(autouse=True)
def _closed() -> None:
    """Whatever failed in the test before is forgotten."""
    app.ACCEPTANCE.breaker.succeeded(str(RELEASE["trackingId"]))


def sent(events: object, **other: object) -> Event:
    return {**load("api_events"), "body": json.dumps({"sessionId": "s", "events": events, **other})}


def test_events_are_delivered_under_the_shops_tracking_id(personalize: FakePersonalize) -> None:
    answer = handler(load("api_events"), None)
    assert answer["statusCode"] == 202
    accepted = described("Accepted", answer)
    assert (accepted.accepted, accepted.events[1].event_id) == (2, "order-1009-1")
    request = personalize.body_of("PutEvents")
    assert (request["trackingId"], request["userId"]) == (RELEASE["trackingId"], "2375")
    view, purchase = request["eventList"]
    assert (view["sentAt"], view["eventId"]) == (1795594812, accepted.events[0].event_id)
    assert (purchase["sentAt"], purchase["eventValue"]) == (1795594813, 3.49)
    assert purchase["properties"] == '{"store":"367"}'


def test_more_than_ten_events_are_split_and_more_than_a_hundred_refused(personalize: FakePersonalize) -> None:
    answer = handler(sent([{"eventType": "View", "eventId": str(number)} for number in range(23)]), None)
    assert [len(request["eventList"]) for _, request in personalize.calls] == [10, 10, 3]
    assert [event["eventId"] for event in body(answer)["events"]] == [str(number) for number in range(23)]
    answer = handler(sent([{"eventType": "View"}] * 101), None)
    assert (answer["statusCode"], fields(answer)) == (400, ["events"])


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "events.0.eventType"),
        ({"eventType": ""}, "events.0.eventType"),
        ({"eventType": "View", "itemId": "i" * 300}, "events.0.itemId"),
        ({"eventType": "View", "sentAt": "yesterday"}, "events.0.sentAt"),
        ({"eventType": "View", "sentAt": 1_795_594_813_000}, "events.0.sentAt"),
        ({"eventType": "View", "sentAt": 99_999_999_999}, "events.0.sentAt"),
        ({"eventType": "View", "sentAt": "5138-11-16T09:46:39Z"}, "events.0.sentAt"),
        ({"eventType": "View", "sentAt": time.time() + 2 * 86_400}, "events.0.sentAt"),
        ({"eventType": "View", "sentAt": True}, "events.0.sentAt"),
        ({"eventType": "View", "eventValue": "much"}, "events.0.eventValue"),
        ({"eventType": "View", "eventValue": "3.49"}, "events.0.eventValue"),
        ({"eventType": "View", "eventValue": False}, "events.0.eventValue"),
        ({"eventType": "View", "sentAt": "1969-12-31T23:59:59Z"}, "events.0.sentAt"),
        ({"eventType": "View", "impression": ["i"] * 26}, "events.0.impression"),
        ({"eventType": "View", "recommendationId": "r" * 41}, "events.0.recommendationId"),
        ({"eventType": "View", "properties": {"USER_ID": "u"}}, "events.0.properties"),
        ({"eventType": "View", "properties": {"store": "x" * 1024}}, "events.0.properties"),
        ({"eventType": "View", "typo": 1}, "events.0.typo"),
        ({"eventType": "View", "item_id": "i"}, "events.0.item_id"),
        ({"eventType": "View", "event_id": "e"}, "events.0.event_id"),
        ({"eventType": "View", "itemId": "i\n1"}, "events.0.itemId"),
        ({"eventType": "View", "eventId": "e\x85"}, "events.0.eventId"),
        ({"eventType": "View", "impression": ["i1", "i\u2028"]}, "events.0.impression.1"),
    ],
)
def test_a_bad_event_is_refused_by_its_field(event: object, field: str, personalize: FakePersonalize) -> None:
    answer = handler(sent([event]), None)
    assert answer["statusCode"] == 400
    assert field in {name[: len(field)] for name in fields(answer)}
    assert personalize.calls == []


def test_a_clock_that_is_some_hours_ahead_is_taken(personalize: FakePersonalize) -> None:
    ahead = int(time.time()) + 20 * 3_600
    assert handler(sent([{"eventType": "View", "sentAt": ahead}]), None)["statusCode"] == 202
    assert personalize.body_of("PutEvents")["eventList"][0]["sentAt"] == ahead


BREAKS = ("\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029")


@pytest.mark.parametrize("mark", BREAKS)
def test_a_line_break_is_refused_in_ids_and_a_space_in_properties(mark: str, personalize: FakePersonalize) -> None:
    for field in ("userId", "sessionId"):
        answer = handler(sent([{"eventType": "View"}], **{"sessionId": "s", field: f"a{mark}b"}), None)
        assert (answer["statusCode"], body(answer)["errors"]) == (
            400,
            [{"field": field, "message": "must not contain line breaks"}],
        )
    for name, parameter in (("api_put_user", "userId"), ("api_put_item", "itemId")):
        event = load(name)
        event["pathParameters"][parameter] = quote(f"a{mark}b", safe="")
        assert (handler(event, None)["statusCode"], fields(handler(event, None))) == (400, [parameter])
    assert personalize.calls == []
    assert handler(sent([{"eventType": "View", "properties": {"STORE": f"a{mark}b"}}]), None)["statusCode"] == 202
    assert personalize.body_of("PutEvents")["eventList"][0]["properties"] == '{"store":"a b"}'
    assert (
        handler({**load("api_put_item"), "body": json.dumps({"properties": {"NAME": f"a{mark}b"}})}, None)["statusCode"]
        == 202
    )
    assert personalize.body_of("PutItems")["items"][0]["properties"] == '{"name":"a b"}'


def test_ids_with_quotes_and_emoji_are_taken(personalize: FakePersonalize) -> None:
    assert handler(sent([{"eventType": "View", "itemId": "\"🛒'"}], userId="it's me"), None)["statusCode"] == 202
    assert personalize.body_of("PutEvents")["eventList"][0]["itemId"] == "\"🛒'"


@pytest.mark.parametrize(
    ("name", "operation", "kind", "told"),
    [("api_put_item", "PutItems", "items", ["about"]), ("api_put_user", "PutUsers", "users", ["about", "description"])],
)
def test_a_long_text_is_cut_off_as_a_drops_is(
    name: str, operation: str, kind: str, told: list[str], personalize: FakePersonalize
) -> None:
    given = {"ABOUT": "ü" * 1001, "DESCRIPTION": "d" * 20_000, "BRAND": "b" * 1000}
    answer = handler({**load(name), "body": json.dumps({"properties": given})}, None)
    assert described("PutAccepted", answer).shortened == told
    sizes = {
        key: len(value) for key, value in json.loads(personalize.body_of(operation)[kind][0]["properties"]).items()
    }
    assert sizes == {"about": 1000, "description": 1000 if "description" in told else 20_000, "brand": 1000}


@pytest.mark.parametrize("content", [None, "", "null", "[]", '""', "{", '{"sessionId":"s"}', "[" * 9999, "\ud800"])
def test_a_malformed_body_is_a_bad_request(content: str | None, personalize: FakePersonalize) -> None:
    for name in ("api_events", "api_put_user", "api_put_item"):
        answer = handler({**load(name), "body": content}, None)
        assert answer["statusCode"] == 400
        assert body(answer)["errors"]
    assert personalize.calls == []


def test_the_session_null_is_refused_because_personalize_would_drop_it() -> None:
    assert handler(sent([{"eventType": "View"}], sessionId="null"), None)["statusCode"] == 400


def test_a_user_in_a_spelling_that_is_not_ours_is_refused_by_name(personalize: FakePersonalize) -> None:
    answer = handler(sent([{"eventType": "View"}], user_id="2375"), None)
    assert (answer["statusCode"], fields(answer)) == (400, ["user_id"])
    assert personalize.calls == []


def test_a_large_body_and_a_large_event_are_refused() -> None:
    assert handler({**load("api_events"), "body": " " * 262_145}, None)["statusCode"] == 413
    event = {"eventType": "가" * 256, "itemId": "나" * 256, "impression": ["다" * 256] * 25}
    answer = handler(sent([event]), None)
    assert (answer["statusCode"], fields(answer)) == (400, ["events.0"])


def test_an_unknown_shop_is_not_found(personalize: FakePersonalize) -> None:
    for name in ("api_events", "api_put_user", "api_put_item"):
        event = load(name)
        event["pathParameters"]["shop"] = "nowhere"
        assert handler(event, None)["statusCode"] == 404
    assert personalize.calls == []


def ids_of(queues: Queues) -> list[str]:
    return [
        event["eventId"]
        for message in queues.messages(queues.events)
        for event in json.loads(message["Body"])["events"]
    ]


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 400), ("ServiceUnavailable", 503), ("AccessDeniedException", 403)]
)
def test_what_personalize_does_not_take_is_queued(
    code: str, status: int, personalize: FakePersonalize, queues: Queues
) -> None:
    personalize.fails("PutEvents", code, status=status)
    answer = handler(sent([{"eventType": "View", "eventId": str(number)} for number in range(12)]), None)
    accepted = described("Accepted", answer)
    assert (answer["statusCode"], accepted.accepted) == (202, 12)
    assert {event.status for event in accepted.events} == {"queued"}
    assert sorted(map(int, ids_of(queues))) == list(range(12))


def test_a_connection_that_ends_without_an_answer_queues(personalize: FakePersonalize, queues: Queues) -> None:
    personalize.hangs_up("PutEvents")
    assert handler(load("api_events"), None)["statusCode"] == 202
    (message,) = queues.messages(queues.events)
    told = json.loads(message["Body"])
    assert (told["shop"], told["userId"]) == ("demo", "2375")
    assert [event["sentAt"] for event in told["events"]] == [1795594812, 1795594813]


def test_the_rest_of_a_request_is_queued_and_a_refused_rest_is_not(
    personalize: FakePersonalize, queues: Queues
) -> None:
    for code, statuses in (("ThrottlingException", ["delivered"] * 10 + ["queued"] * 2), ("InvalidInputException", 10)):
        personalize.reset()
        personalize.says("PutEvents", {})
        personalize.fails("PutEvents", code)
        answer = handler(sent([{"eventType": "View", "eventId": str(number)} for number in range(12)]), None)
        told = [event["status"] for event in body(answer)["events"]]
        assert told == statuses or len(told) == statuses
    assert len(ids_of(queues)) == 2


def test_nothing_is_accepted_when_the_queue_fails_too(personalize: FakePersonalize, queues: Queues) -> None:
    personalize.fails("PutEvents", "ThrottlingException")
    with changed("EVENTS_QUEUE_URL", queues.events + "-gone"):
        answer = handler(load("api_events"), None)
    assert (answer["statusCode"], answer["multiValueHeaders"]["Retry-After"]) == (503, ["1"])
    assert "accepted" not in body(answer)


def test_a_slow_personalize_takes_what_it_can_in_time(personalize: FakePersonalize, queues: Queues) -> None:
    events = validate(Events, {"sessionId": "s", "events": [{"eventType": "View"}] * 40})
    ticks = itertools.count(0.0, 0.3)
    made = calls(events, 0, lambda: "id")
    hurried = replace(app.ACCEPTANCE, breaker=Breaker(), clock=lambda: next(ticks))
    assert hurried.deliver("demo", "t", made, 5.0)[:2] == (30, 10)
    assert (len(personalize.calls), len(queues.messages(queues.events))) == (3, 1)


def test_a_personalize_that_keeps_failing_is_left_alone(personalize: FakePersonalize, queues: Queues) -> None:
    personalize.fails("PutEvents", "ThrottlingException")
    for _ in range(THRESHOLD + 3):
        assert handler(load("api_events"), None)["statusCode"] == 202
    assert len(personalize.calls) == THRESHOLD
    assert len(queues.messages(queues.events)) == THRESHOLD + 3


def hundred() -> Event:
    return sent([{"eventType": "View", "itemId": "i", "eventId": str(number)} for number in range(100)])


def test_a_table_that_does_not_answer_is_asked_once_and_the_queue_has_the_events(
    personalize: FakePersonalize, queues: Queues, unanswered: list[str]
) -> None:
    answer = handler(hundred(), None)
    assert (answer["statusCode"], len(personalize.calls)) == (202, 10)
    assert {event["status"] for event in body(answer)["events"]} == {"delivered"}
    assert unanswered == [SHOPPER_EVENTS]
    held = [json.loads(message["Body"]) for message in queues.messages(queues.events)]
    assert sorted(int(event["eventId"]) for told in held for event in told["events"]) == list(range(100))
    assert all(told["delivered"] for told in held)


@pytest.mark.parametrize(("unanswered", "status", "accepted"), [(0, 503, 0), (2, 202, 50)], indirect=["unanswered"])
def test_what_neither_it_nor_the_queue_takes_is_to_be_sent_again(
    personalize: FakePersonalize,
    queues: Queues,
    unanswered: list[str],
    status: int,
    accepted: int,
) -> None:
    with changed("EVENTS_QUEUE_URL", queues.events + "-gone"):
        answer = handler(hundred(), None)
    assert (answer["statusCode"], body(answer).get("accepted", 0)) == (status, accepted)
    assert [event["eventId"] for event in body(answer).get("events", [])] == [str(number) for number in range(accepted)]
    assert (len(personalize.calls), len(unanswered)) == (10, accepted // 25 + 1)


def test_what_personalize_calls_invalid_is_a_bad_request(personalize: FakePersonalize) -> None:
    personalize.fails("PutEvents", "InvalidInputException", "Error parsing properties json")
    answer = handler(load("api_events"), None)
    assert (answer["statusCode"], "Error parsing properties json" in body(answer)["detail"]) == (400, True)


def test_a_message_of_personalize_is_passed_on_without_arns_and_accounts(personalize: FakePersonalize) -> None:
    reason = f"No schema for {ARN}:dataset/retail-demo/USERS. Account 123456789012 has '{ARN}:event-tracker/0bad-cafe'."
    personalize.fails("PutUsers", "InvalidInputException", reason)
    answer = handler(load("api_put_user"), None)
    assert answer["statusCode"] == 400
    told = "No schema for USERS. Account … has '0bad-cafe'."
    assert body(answer)["detail"] == f"Amazon Personalize refuses the request: {told}"


def test_what_is_known_of_a_user_and_an_item_is_put(personalize: FakePersonalize) -> None:
    for name in ("api_put_user", "api_put_item"):
        answer = handler(load(name), None)
        assert answer["statusCode"] == 202
        described("PutAccepted", answer)
    assert personalize.body_of("PutUsers") == {
        "datasetArn": f"{ARN}:dataset/retail-demo/USERS",
        "users": [{"userId": "2375", "properties": '{"age":"35-44","householdSize":3}'}],
    }
    item = {"itemId": "1082185", "properties": '{"price":1.29,"categoryL1":"Produce"}'}
    assert personalize.body_of("PutItems") == {"datasetArn": f"{ARN}:dataset/retail-demo/ITEMS", "items": [item]}


def test_a_shop_without_the_dataset_says_so(personalize: FakePersonalize) -> None:
    for operation, name in (("PutUsers", "api_put_user"), ("PutItems", "api_put_item")):
        personalize.fails(operation, "ResourceNotFoundException", status=404)
        answer = handler(load(name), None)
        assert (answer["statusCode"], "drop one first" in body(answer)["detail"]) == (404, True)


@pytest.mark.parametrize("properties", [{}, {"a": [1]}, {"a": {"b": 1}}, {"description": "y" * 33_000}, {"": 1}])
def test_properties_are_a_flat_object_of_a_bounded_size(properties: object, personalize: FakePersonalize) -> None:
    answer = handler({**load("api_put_item"), "body": json.dumps({"properties": properties})}, None)
    assert answer["statusCode"] == 400
    assert all(field.startswith("properties") for field in fields(answer))
    assert personalize.calls == []


def test_an_id_in_a_path_may_have_256_characters() -> None:
    for name, parameter in (("api_put_user", "userId"), ("api_put_item", "itemId")):
        event = load(name)
        event["pathParameters"][parameter] = "x" * 300
        answer = handler(event, None)
        assert (answer["statusCode"], fields(answer)) == (400, [parameter])


def test_no_log_line_names_a_user(
    personalize: FakePersonalize, queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    personalize.fails("PutEvents", "ThrottlingException")
    handler(load("api_events"), None)
    logged = capsys.readouterr().out
    assert (json.loads(logged.splitlines()[0])["queued"], "2375" in logged, "s-2026" in logged) == (2, False, False)
    assert queues.events


def test_accepted_events_are_counted_by_type(personalize: FakePersonalize, capsys: pytest.CaptureFixture[str]) -> None:
    bought = [{"eventType": "Purchase", "recommendationId": "RID-1"}, {"eventType": "purchase", "itemId": "i2"}]
    assert handler(sent([*bought, {"eventType": "a stranger's word"}]), None)["statusCode"] == 202
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counted = {metric["eventType"]: (metric["Events"], metric["AttributedEvents"], metric["shop"]) for metric in told}
    assert counted == {"Purchase": (2.0, 1.0, "demo"), "Other": (1.0, 0.0, "demo")}
    assert [line for line in told if "AnswerTime" in line] == told[:1]
    assert "stranger" not in str(told)
    assert personalize.operations() == ["PutEvents"]


def test_what_is_refused_counts_as_no_event(personalize: FakePersonalize, capsys: pytest.CaptureFixture[str]) -> None:
    personalize.fails("PutEvents", "InvalidInputException")
    assert handler(load("api_events"), None)["statusCode"] == 400
    assert '"Events"' not in capsys.readouterr().out


def test_where_nobody_says_who_is_to_be_deleted_events_wait_in_the_queue(
    personalize: FakePersonalize, queues: Queues
) -> None:
    containers.start(app)
    with changed("SHOPPER_EVENTS_TABLE", "down"):
        answer = handler(load("api_events"), None)
        assert (answer["statusCode"], {event["status"] for event in body(answer)["events"]}) == (202, {"queued"})
        told = [json.loads(message["Body"]) for message in queues.messages(queues.events)]
        assert sorted(message.get("delivered", False) for message in told) == [False, True]
        put = load("api_put_user")
        assert handler(put, None)["statusCode"] >= 500
        assert personalize.calls == []
        anonymous = sent([{"eventType": "View", "itemId": "i"}])
        assert body(handler(anonymous, None))["events"][0]["status"] == "delivered"


def trackers(personalize: FakePersonalize) -> list[str]:
    return [request["trackingId"] for _, request in personalize.calls]


def test_a_fallback_has_events_before_personalize_has_them(personalize: FakePersonalize) -> None:
    made = calls(validate(Events, {"sessionId": "s", "events": [{"eventType": "View"}]}), 0, lambda: "id")
    assert app.ACCEPTANCE.deliver("demo", "t", made, time.monotonic() + 5, fallback="second")[:2] == (1, 0)
    assert trackers(personalize) == ["second", "t"]


def test_a_fallback_has_events_while_personalize_rests(personalize: FakePersonalize, queues: Queues) -> None:
    made = calls(validate(Events, {"sessionId": "s", "events": [{"eventType": "View"}]}), 0, lambda: "id")
    resting = replace(app.ACCEPTANCE, breaker=Breaker(threshold=1))
    resting.breaker.failed("t", time.monotonic())
    assert resting.deliver("demo", "t", made, time.monotonic() + 5, fallback="second")[:2] == (0, 1)
    assert (trackers(personalize), len(queues.messages(queues.events))) == (["second"], 1)


class Second:
    """An engine beside Personalize: it fails by a code of AWS, or has no dataset."""

    def __init__(self, code: str = "") -> None:
        self.code = code
        self.says: dict[str, object] = {}
        self.taken: list[Any] = []

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, object]:
        if self.code:
            raise refusal(operation, self.code, "no")
        self.taken.append(parameters)
        return self.says


@pytest.fixture
def second() -> Iterator[Second]:
    """The engine's place."""
    before, second = routing.connected("engine"), Second()
    routing.connect("engine", second)
    yield second
    assert before
    routing.connect("engine", before)


@pytest.mark.parametrize(("code", "waiting"), [("", 0), ("ThrottlingException", 12), ("InternalServerException", 12)])
def test_what_a_fallback_does_keeps_nothing_from_personalize(
    code: str, waiting: int, personalize: FakePersonalize, queues: Queues, second: Second
) -> None:
    second.code = code
    made = calls(validate(Events, {"sessionId": "s", "events": [{"eventType": "View"}] * 12}), 0, lambda: "id")
    beside = replace(app.ACCEPTANCE, breaker=Breaker())
    assert beside.deliver("demo", "t", made, time.monotonic() + 5, fallback="engine:retail-demo")[:2] == (12, 0)
    assert [len(request["eventList"]) for _, request in personalize.calls] == [10, 2]
    told = [json.loads(message["Body"]) for message in queues.messages(queues.events)]
    assert sum(len(message["events"]) for message in told) == waiting


def test_what_a_fallback_refuses_is_delivered_and_waits_for_nobody(
    personalize: FakePersonalize, queues: Queues, second: Second
) -> None:
    second.code = "InvalidInputException"
    made = calls(validate(Events, {"sessionId": "s", "events": [{"eventType": "View"}]}), 0, lambda: "id")
    assert app.ACCEPTANCE.deliver("demo", "t", made, time.monotonic() + 5, fallback="engine:retail-demo")[:2] == (1, 0)
    assert (trackers(personalize), queues.messages(queues.events)) == (["t"], [])


@pytest.fixture
def _falls_back(table: "DynamoDBClient") -> Iterator[None]:
    release_store.put(table, TABLE, {**RELEASE, "fallbackTrackingId": "engine:retail-demo"})
    containers.start(app)
    yield
    release_store.put(table, TABLE, RELEASE)
    containers.start(app)


@pytest.mark.usefixtures("_falls_back")
@pytest.mark.parametrize("name", ["api_put_user", "api_put_item"])
@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("", 202, id="takes it"),
        pytest.param("ResourceNotFoundException", 202, id="has no dataset"),
        pytest.param("InvalidInputException", 202, id="refuses it"),
        pytest.param("ThrottlingException", 503, id="is throttled"),
    ],
)
def test_a_put_is_answered_by_what_personalize_says(
    name: str, code: str, status: int, personalize: FakePersonalize, second: Second
) -> None:
    second.code = code
    answer = handler(load(name), None)
    assert (answer["statusCode"], len(personalize.calls), len(second.taken)) == (status, 1, 0 if code else 1)
    assert status == 202 or "put it again" in body(answer)["detail"]
    personalize.fails(personalize.operations()[0], "ResourceNotFoundException")
    second.taken.clear()
    assert (handler(load(name), None)["statusCode"], second.taken) == (404, [])


@pytest.fixture
def _on_the_engine(table: "DynamoDBClient") -> Iterator[None]:
    release_store.put(table, TABLE, {**RELEASE, "trackingId": "engine:retail-demo"})
    containers.start(app)
    yield
    release_store.put(table, TABLE, RELEASE)
    containers.start(app)


@pytest.mark.usefixtures("_on_the_engine")
def test_an_event_that_came_before_is_written_down_with_its_first_time(second: Second, table: "DynamoDBClient") -> None:
    events = [{"eventType": "View", "itemId": "i", "eventId": name} for name in ("first", "again")]
    second.says = {"acceptedAt": {"again": 1_795_500_000.25}}
    began = int(time.time())
    assert handler(sent(events, userId="who-came-before"), None)["statusCode"] == 202
    times = {event["eventId"]: event["acceptedAt"] for event in second.taken[0]["eventList"]}
    assert min(times.values()) >= began
    noted = {
        item["event"]["S"]: json.loads(item["more"]["S"])["accepted"]
        for item in table.query(
            TableName=SHOPPER_EVENTS,
            KeyConditionExpression="shopper = :user",
            ExpressionAttributeValues={":user": {"S": "demo#who-came-before"}},
        )["Items"]
    }
    assert noted == {"again": 1_795_500_000, "first": int(times["first"])}


def test_an_event_keeps_the_time_of_its_acceptance_in_the_queue(personalize: FakePersonalize, queues: Queues) -> None:
    personalize.fails("PutEvents", "ThrottlingException")
    began = time.time()
    assert handler(load("api_events"), None)["statusCode"] == 202
    (message,) = queues.messages(queues.events)
    assert all(began - 1 < event["accepted"] <= time.time() for event in json.loads(message["Body"])["events"])
    assert all("accepted" not in event for event in personalize.body_of("PutEvents")["eventList"])
