# SPDX-License-Identifier: Apache-2.0
"""What was on screen: checked, in a queue before it is accepted, and then in files that name nobody."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from personalization.auth.list_ids import Shown, key_of, of
from personalization.core.aws import clients

from functions.copy_events.app import handler as copy
from functions.record_events import app
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.queues import Queues
from tests.handlers.samples import BUCKET, SHOPPER_EVENTS, TABLE, Event, body, described, load
from tests.handlers.variables import VARIABLES, changed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo", "bucket")
NOW = 1_795_594_812


@pytest.fixture(autouse=True)
def _started(monkeypatch: pytest.MonkeyPatch, queues: Queues, bucket: "S3Client") -> Iterator[None]:
    containers.start(app)
    monkeypatch.setattr("time.time", lambda: float(NOW))
    assert queues.impressions
    yield
    for listed in bucket.list_objects_v2(Bucket=BUCKET, Prefix="impressions/").get("Contents", []):
        bucket.delete_object(Bucket=BUCKET, Key=listed["Key"])


def token(user: str | None = "u1", shop: str = "demo", at: float = NOW - 5, key: str = "") -> str:
    answer = clients.secretsmanager().get_secret_value(SecretId=VARIABLES["LIST_ID_KEYS"])
    secret = key.encode() or answer["SecretString"].encode()
    return of(key_of(answer["VersionId"], secret), shop, user, Shown(name="placement/home", at=at, release=0))


def seen(list_id: object, *items: str, **more: object) -> dict[str, Any]:
    return {"listId": list_id, "itemIds": items or ("i1", "i2"), **more}


def post(*lists: dict[str, Any], **who: object) -> Event:
    request = {"sessionId": "s1", "userId": "u1", "lists": lists} | who
    answer: Event = app.handler({**load("api_impressions"), "body": json.dumps(request)}, None)
    return answer


def written(queues: Queues, bucket: "S3Client") -> dict[str, list[dict[str, Any]]]:
    """The files of what is in the queue."""
    messages = queues.messages(queues.impressions)
    copy(
        {"Records": [{"eventSource": "aws:sqs", "messageId": m["MessageId"], "body": m["Body"]} for m in messages]},
        None,
    )
    keys = [o["Key"] for o in bucket.list_objects_v2(Bucket=BUCKET, Prefix="impressions/").get("Contents", [])]
    texts = {key: bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys}
    return {key: [json.loads(line) for line in text.splitlines()] for key, text in texts.items()}


def test_what_was_seen_is_a_line_of_a_file_of_the_day_and_goes_nowhere_else(
    queues: Queues, bucket: "S3Client", personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    first, second = token(), token(None)
    answer = post(seen(first, "i1", "i2", "i1", seenAt=NOW - 2), seen(second, "i3"))
    assert described("ImpressionsAccepted", answer).accepted == 2
    ((key, lines),) = written(queues, bucket).items()
    assert key.startswith("impressions/demo/2026/11/25/082012-")
    unit = lines[0]["unit"]
    assert lines == [
        {"shop": "demo", "unit": unit, "listId": first, "itemIds": ["i1", "i2"], "at": (NOW - 2) * 1000},
        {"shop": "demo", "unit": unit, "listId": second, "itemIds": ["i3"], "at": NOW * 1000},
    ]
    assert len(unit) == 32
    assert "PutEvents" not in personalize.operations()
    assert table.scan(TableName=SHOPPER_EVENTS)["Count"] == 0


def test_what_only_a_session_has_seen_says_so(queues: Queues, bucket: "S3Client") -> None:
    post(seen(token(None)), userId=None)
    post(seen(token(None)), userId=None, visitorId="A" * 22)
    ((_, lines),) = written(queues, bucket).items()
    assert [line.get("session", False) for line in lines] == [True, False]


def test_a_bad_list_costs_no_other(queues: Queues, bucket: "S3Client") -> None:
    bad = {
        "malformed": "nonsense",
        "forged": token(key="f" * 64),
        "anotherShop": token(shop="other"),
        "tooOld": token(at=NOW - 90 * 86_400),
        "anotherUser": token("u2"),
    }
    good = token()
    answer = body(post(*map(seen, bad.values()), seen(None), seen(good)))
    assert answer["accepted"] == 1
    assert [refused["reason"] for refused in answer["refused"]] == [*bad, "malformed"]
    assert [refused["number"] for refused in answer["refused"]] == list(range(6))
    assert [line["listId"] for lines in written(queues, bucket).values() for line in lines] == [good]


@pytest.mark.parametrize(("at", "expected"), [(NOW + 9_999, NOW), (NOW - 9_999, NOW - 5), (NOW - 1, NOW - 1)])
def test_no_clock_makes_a_list_be_seen_before_it_was_there_or_later_than_now(
    at: int, expected: int, queues: Queues, bucket: "S3Client"
) -> None:
    post(seen(token(), seenAt=at))
    assert [line["at"] for lines in written(queues, bucket).values() for line in lines] == [expected * 1000]


@pytest.mark.parametrize(
    ("lists", "field"),
    [
        ([], "lists"),
        ([seen("x")] * 51, "lists"),
        ([{"listId": "x", "itemIds": []}], "lists.0.itemIds"),
        ([seen("x", *map(str, range(101)))], "lists.0.itemIds"),
        ([seen("x", "i" * 257)], "lists.0.itemIds.0"),
        ([{"itemIds": ["i1"]}], "lists.0.listId"),
    ],
)
def test_what_has_no_form_is_refused(lists: list[dict[str, Any]], field: str) -> None:
    answer = post(*lists)
    assert answer["statusCode"] == 400
    assert [error["field"] for error in body(answer)["errors"]] == [field]


def test_a_request_that_no_queue_takes_is_refused() -> None:
    lists = [seen(token(), *(f"{number}-{'i' * 240}" for number in range(100)))] * 9
    answer = post(*lists)
    assert (answer["statusCode"], body(answer)["errors"][0]["field"]) == (400, "lists")


def test_nothing_is_accepted_that_is_in_no_queue() -> None:
    with changed("IMPRESSIONS_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/gone"):
        assert post(seen(token()))["statusCode"] == 503


def test_nothing_is_accepted_while_no_list_can_be_checked() -> None:
    with changed("LIST_ID_KEYS", "gone"):
        containers.start(app)
        assert post(seen(token()))["statusCode"] == 503


def test_nothing_is_kept_of_a_user_who_objects(queues: Queues, table: "DynamoDBClient") -> None:
    choice = {**load("api_put_personalization"), "body": '{"enabled": false}'}
    choice["pathParameters"] = {"shop": "demo", "userId": "objector"}
    app.handler(choice, None)
    containers.start(app)
    assert body(post(seen(token(None)), userId="objector")) == {"accepted": 0, "refused": []}
    assert queues.messages(queues.impressions) == []
    for item in table.scan(TableName=TABLE)["Items"]:
        if item["record"]["S"].startswith("objections"):
            table.delete_item(TableName=TABLE, Key={name: item[name] for name in ("shop", "record")})


def test_a_message_of_somebody_else_goes_to_the_dead_letters(
    queues: Queues, bucket: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHORES_QUEUE_URL", queues.dead)
    good = token()
    post(seen(good))
    queues.client.send_message(QueueUrl=queues.impressions, MessageBody='{"shop": "demo"}')
    assert [line["listId"] for lines in written(queues, bucket).values() for line in lines] == [good]
    assert [message["Body"] for message in queues.messages(queues.dead)] == ['{"shop": "demo"}']
