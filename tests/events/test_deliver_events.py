# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.core.aws import routing
from personalization.core.aws.errors import refusal
from personalization.core.environment import Environment
from personalization.shop.records import release_store

from functions.deliver_events import app
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.queues import Context, Queues
from tests.handlers.samples import RELEASE, SHOPPER_EVENTS, TABLE, Event, load
from tests.handlers.variables import changed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MARGIN_MS = 20_000

pytestmark = pytest.mark.usefixtures("aws", "demo")


def deliver(event: Event, milliseconds: int = 60_000) -> list[str]:
    answer = app.handler(event, cast("Any", Context(milliseconds)))
    return [failure["itemIdentifier"] for failure in cast("list[dict[str, str]]", answer["batchItemFailures"])]


def sent(personalize: FakePersonalize) -> list[list[str]]:
    return [[event["eventId"] for event in request["eventList"]] for _, request in personalize.calls]


def test_a_message_is_delivered_with_its_times_and_ids(personalize: FakePersonalize, queues: Queues) -> None:
    assert deliver(load("deliver_events")) == []
    request = personalize.body_of("PutEvents")
    assert (request["trackingId"], request["userId"], request["sessionId"]) == (
        RELEASE["trackingId"],
        "2375",
        "s-20261125",
    )
    assert [event["sentAt"] for event in request["eventList"]] == [1795594812, 1795594813]
    assert request["eventList"][1]["eventId"] == "order-1009-1"
    assert queues.messages(queues.dead) == []


def test_messages_of_a_session_go_together_in_tens(personalize: FakePersonalize, queues: Queues) -> None:
    for start in (0, 4, 8):
        queues.put(*(str(number) for number in range(start, start + 4)), sent_at=1_795_594_812 + start)
    queues.put("other", session="t")
    assert deliver(queues.batch()) == []
    assert [len(ids) for ids in sent(personalize)] == [10, 2, 1]
    assert [int(id_) for ids in sent(personalize)[:2] for id_ in ids] == list(range(12))


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 400), ("ServiceUnavailable", 503)])
def test_what_is_not_taken_comes_again(code: str, status: int, personalize: FakePersonalize, queues: Queues) -> None:
    queues.put("a")
    queues.put("b", session="t")
    batch = queues.batch()
    personalize.fails("PutEvents", code, status=status)
    assert sorted(deliver(batch)) == sorted(record["messageId"] for record in batch["Records"])
    assert queues.messages(queues.dead) == []


def test_a_pause_that_is_not_set_is_told(
    personalize: FakePersonalize, queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    queues.put("a")
    batch = queues.batch()
    personalize.fails("PutEvents", "ThrottlingException")
    assert len(deliver(batch)) == 1
    assert "Pauses not set" not in caplog.text
    batch["Records"][0]["receiptHandle"] = "of another delivery"
    assert len(deliver(batch)) == 1
    assert "Pauses not set" in caplog.text


def test_a_shop_that_is_throttled_is_left_alone_for_the_batch(personalize: FakePersonalize, queues: Queues) -> None:
    for session in "abcde":
        queues.put("x", session=session)
    personalize.fails("PutEvents", "ThrottlingException")
    assert len(deliver(queues.batch())) == 5
    assert len(personalize.calls) <= 2  # one call, and the SDK's second attempt


def test_a_refused_event_is_buried_with_its_reason_and_its_neighbours_are_delivered(
    personalize: FakePersonalize, queues: Queues
) -> None:
    queues.put("good", "bad")
    for _ in range(2):
        personalize.fails("PutEvents", "InvalidInputException", "Error parsing properties json")
        personalize.says("PutEvents", {})
    # The call of both is refused, "good" is taken, "bad" is refused.
    assert deliver(queues.batch()) == []
    (dead,) = queues.messages(queues.dead)
    assert [event["eventId"] for event in json.loads(dead["Body"])["events"]] == ["bad"]
    assert dead["MessageAttributes"]["reason"]["StringValue"] == "Error parsing properties json"


def test_what_is_no_message_of_ours_is_buried(personalize: FakePersonalize, queues: Queues) -> None:
    for body in ("nonsense", "{}", "[]", '{"shop":"demo","sessionId":"s","userId":null,"events":[1]}'):
        queues.client.send_message(QueueUrl=queues.events, MessageBody=body)
    assert deliver(queues.batch()) == []
    assert len(queues.messages(queues.dead)) == 4
    assert personalize.calls == []


def test_events_of_a_shop_that_is_gone_are_buried(personalize: FakePersonalize, queues: Queues) -> None:
    queues.put("a", shop="gone")
    assert deliver(queues.batch()) == []
    (dead,) = queues.messages(queues.dead)
    assert "no such shop" in dead["MessageAttributes"]["reason"]["StringValue"]
    assert personalize.calls == []


def test_without_time_messages_come_again(personalize: FakePersonalize, queues: Queues) -> None:
    queues.put("a")
    assert len(deliver(queues.batch(), milliseconds=MARGIN_MS - 1)) == 1
    assert personalize.calls == []


def test_a_table_that_does_not_answer_is_left_alone_for_the_batch(
    personalize: FakePersonalize, queues: Queues, unanswered: list[str]
) -> None:
    for session in "abcde":
        queues.put("x", session=session, delivered=True)
    queues.put("y")
    batch = queues.batch()
    written = {record["messageId"] for record in batch["Records"] if json.loads(record["body"])["delivered"]}
    assert (set(deliver(batch)), len(written)) == (written, 5)
    assert unanswered == [SHOPPER_EVENTS]
    # Personalize is asked all the same, and the table again by the next batch.
    assert sent(personalize) == [["y"]]
    assert set(deliver(batch)) == written
    assert len(unanswered) == 2


def test_without_time_nothing_is_written_down(queues: Queues, unanswered: list[str]) -> None:
    queues.put("a", delivered=True)
    assert len(deliver(queues.batch(), milliseconds=MARGIN_MS - 1)) == 1
    assert unanswered == []


def test_no_log_line_names_a_user(
    personalize: FakePersonalize,
    queues: Queues,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    personalize.fails("PutEvents", "InvalidInputException", "no")
    deliver(load("deliver_events"))
    told = capsys.readouterr().out + caplog.text
    assert "Batch done" in told
    assert queues.events
    assert not [word for word in ("2375", "s-20261125", "1082185") if word in told]


def test_a_container_gets_its_share_of_the_calls() -> None:
    assert Environment({"EVENT_CALLS_PER_SECOND": "900", "EVENT_DELIVERIES": "5"}).event_calls_per_second == 180


def test_what_waits_of_a_user_who_is_to_be_deleted_is_discarded(
    personalize: FakePersonalize, queues: Queues, table: "DynamoDBClient"
) -> None:
    containers.start(app)
    key = {"shopper": {"S": "!demo"}, "event": {"S": "2375"}}
    table.put_item(TableName=SHOPPER_EVENTS, Item={**key, "receipt": {"S": "r"}})
    waiting = load("deliver_events")
    written = [
        {**record, "body": json.dumps({**json.loads(record["body"]), "delivered": True})}
        for record in waiting["Records"]
    ]
    assert deliver({"Records": [*waiting["Records"], *written]}) == []
    assert (personalize.calls, queues.messages(queues.dead)) == ([], [])
    table.delete_item(TableName=SHOPPER_EVENTS, Key=key)
    containers.start(app)
    assert deliver(waiting) == []
    assert personalize.body_of("PutEvents")["userId"] == "2375"


def test_where_nobody_says_who_is_to_be_deleted_messages_come_again(
    personalize: FakePersonalize, queues: Queues
) -> None:
    containers.start(app)
    with changed("SHOPPER_EVENTS_TABLE", "down"):
        assert len(deliver(load("deliver_events"))) == 1
    assert (personalize.calls, queues.messages(queues.dead)) == ([], [])


class Second:
    """An engine beside Personalize, which refuses the event `bad`, or fails."""

    def __init__(self) -> None:
        self.fails, self.calls, self.taken = False, 0, list[str]()
        self.accepted: list[float] = []

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, object]:
        self.calls += 1
        ids = [event["eventId"] for event in parameters["eventList"]]
        if self.fails or "bad" in ids:
            raise refusal(operation, "ThrottlingException" if self.fails else "InvalidInputException", "no")
        self.taken += ids
        self.accepted += [event["acceptedAt"] for event in parameters["eventList"] if "acceptedAt" in event]
        return {}


@pytest.fixture
def second(table: "DynamoDBClient") -> Iterator[Second]:
    """The shop's fallback."""
    release_store.put(table, TABLE, {**RELEASE, "fallbackTrackingId": "engine:retail-demo"})
    containers.start(app)
    before, second = routing.connected("engine"), Second()
    routing.connect("engine", second)
    yield second
    assert before
    routing.connect("engine", before)
    release_store.put(table, TABLE, RELEASE)
    containers.start(app)


def test_a_shops_fallback_has_what_waited_but_for_what_it_refuses(
    personalize: FakePersonalize, queues: Queues, second: Second
) -> None:
    queues.put("a", "bad", "b")
    assert deliver(queues.batch()) == []
    assert (sent(personalize), second.taken) == ([["a", "bad", "b"]], ["a", "b"])


def test_a_fallback_that_fails_keeps_nothing_from_personalize_and_has_it_later(
    personalize: FakePersonalize, queues: Queues, second: Second
) -> None:
    queues.put("a")
    queues.put("b", session="t")
    batch, second.fails = queues.batch(), True
    assert len(deliver(batch)) == 2
    assert (sent(personalize), second.calls) == ([["a"], ["b"]], 1)
    second.fails = False
    assert deliver(batch) == []
    assert (second.taken, queues.messages(queues.dead)) == (["a", "b"], [])


def test_what_waited_comes_to_the_engine_and_its_table_with_the_time_of_its_acceptance(
    queues: Queues, second: Second, table: "DynamoDBClient"
) -> None:
    event = {"eventType": "View", "eventId": "e", "itemId": "i", "sentAt": 1_795_594_812, "accepted": 1_795_594_820.5}
    for delivered in (False, True):
        body = {"shop": "demo", "sessionId": "s", "userId": "late", "delivered": delivered, "events": [event]}
        queues.client.send_message(QueueUrl=queues.events, MessageBody=json.dumps(body))
    assert deliver(queues.batch()) == []
    assert second.accepted == [1_795_594_820.5]
    key = {"shopper": {"S": "demo#late"}, "event": {"S": "e"}}
    noted = table.get_item(TableName=SHOPPER_EVENTS, Key=key)["Item"]
    assert json.loads(noted["more"]["S"])["accepted"] == 1_795_594_820
