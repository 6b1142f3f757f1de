# SPDX-License-Identifier: Apache-2.0
"""A user who is to be deleted: the request is safe at once, the round does it, and every step can be made again."""

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.answers import Receipt
from personalization.aws import erasure_requests, records, shopper_events
from personalization.erasures import PATIENCE_SECONDS, Request
from personalization.errors import Broken
from personalization.events import Call
from personalization.likelihood import shards

from functions.erase_users.app import MARGIN_MS, handler
from functions.record_events.app import handler as api
from tests.functions.fakes import ARN, FakePersonalize
from tests.functions.queues import Context
from tests.functions.samples import BUCKET, RELEASE, SHOPPER_EVENTS, TABLE, body, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("demo", "bucket")
JOB = f"{ARN}:data-deletion-job/retail-demo-erase-1"
WAITING, DONE = "!demo", "=demo"


@pytest.fixture(autouse=True)
def _empty(table: "DynamoDBClient", personalize: FakePersonalize) -> Iterator[None]:
    """No request is left of the test before, and a job can be made."""
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB})
    yield
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})


def ask(user: str = "2375") -> str:
    """A request to delete a user; its receipt."""
    event = load("api_delete_user")
    event["pathParameters"]["userId"] = user
    answer = api(event, None)
    assert answer["statusCode"] == 202
    return Receipt.model_validate_json(answer["body"]).receipt_id


def round_made(left: int = 600_000, **expected: object) -> dict[str, Any]:
    """A round with so many milliseconds; what it says, as far as a test expects something."""
    done = handler(load("erase_users"), cast("Any", Context(left)))
    assert done == {"sent": 0, "gone": 0, "failed": [], **expected}
    return done


def job_is(personalize: FakePersonalize, status: str) -> None:
    """What the data deletion job says of itself from now on."""
    personalize.reset()
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB + "-next"})
    personalize.says("DescribeDataDeletionJob", {"dataDeletionJob": {"status": status}})


def held(table: "DynamoDBClient", shopper: str) -> list[dict[str, Any]]:
    """What the table has under a key."""
    asked: Any = {":shopper": {"S": shopper}}
    found = table.query(
        TableName=SHOPPER_EVENTS, KeyConditionExpression="shopper = :shopper", ExpressionAttributeValues=asked
    )
    return [dict(item) for item in found["Items"]]


def files(bucket: "S3Client") -> list[str]:
    """The lists of users in the bucket."""
    found = bucket.list_objects_v2(Bucket=BUCKET, Prefix="erasures/").get("Contents", [])
    return [bucket.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read().decode() for each in found]


def test_a_user_is_deleted_by_a_job_and_the_receipt_stays(
    personalize: FakePersonalize, table: "DynamoDBClient", bucket: "S3Client"
) -> None:
    receipt, other = ask(), ask('u,"1"')
    round_made(sent=2)
    asked = personalize.asked("CreateDataDeletionJob")
    assert asked["datasetGroupArn"] == f"{ARN}:dataset-group/retail-demo"
    assert asked["dataSource"] == {"dataLocation": f"s3://{BUCKET}/erasures/demo/{asked['jobName']}.csv"}
    assert files(bucket) == ['USER_ID\n2375\n"u,""1"""\n']
    job_is(personalize, "IN_PROGRESS")
    round_made()
    job_is(personalize, "COMPLETED")
    round_made(gone=2)
    assert held(table, WAITING) == []
    assert {item["event"]["S"] for item in held(table, DONE)} == {receipt, other}
    assert "2375" not in json.dumps(held(table, DONE))
    round_made()
    assert "CreateDataDeletionJob" not in personalize.operations()


def test_what_the_table_has_of_the_user_goes_and_nobody_elses(table: "DynamoDBClient") -> None:
    view = {"eventType": "View", "itemId": "i", "sentAt": 5}
    search = {"eventType": "Search", "eventId": "s", "sentAt": 5}
    many = [Call("s", "2375", [{**view, "eventId": str(number)}]) for number in range(60)]
    calls = [*many, Call("s", "2375", [search]), Call("s", "23", [{**view, "eventId": "x"}])]
    for shop in ("demo", "demo-2"):
        assert shopper_events.note(table, SHOPPER_EVENTS, shop, calls, time.time()) == []
    ask()
    round_made(sent=1)
    assert (held(table, "demo#2375"), held(table, "~demo#user#2375")) == ([], [])
    assert [len(held(table, key)) for key in ("demo#23", "demo-2#2375", "~demo-2#user#2375")] == [1, 60, 1]


def test_the_same_user_twice_is_one_request(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    assert ask() == ask()
    round_made(sent=1)
    assert len(held(table, WAITING)) == 1
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    assert ask() not in {item["event"]["S"] for item in held(table, DONE)}


def test_who_is_asked_for_again_during_a_job_goes_into_the_next(
    personalize: FakePersonalize, table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = ask()
    round_made(sent=1)
    with monkeypatch.context() as patch:
        later = time.time() + 60
        patch.setattr(time, "time", lambda: later)
        assert ask() == receipt
    job_is(personalize, "COMPLETED")
    round_made(gone=1, sent=1)
    (item,) = held(table, WAITING)
    assert item["job"]["S"] == JOB + "-next"


@pytest.fixture
def run(table: "DynamoDBClient") -> Iterator[Callable[[str, str], None]]:
    """Writes a record of the shop into the table of shops: a lease, or a judged run."""
    made: list[dict[str, Any]] = []

    def write(record: str, judged: str = "") -> None:
        key = {"shop": {"S": "demo"}, "record": {"S": record}}
        made.append(key)
        table.put_item(TableName=TABLE, Item=key | ({"judgedAt": {"S": judged}} if judged else {}))

    yield write
    for key in made:
        table.delete_item(TableName=TABLE, Key=key)


def test_no_job_begins_while_a_run_is_at_work_unless_that_goes_on_for_days(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    run("lease")
    round_made()
    later = time.time() + PATIENCE_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    round_made(sent=1)


@pytest.mark.parametrize("seen", ["lease", "candidate#r"])
def test_where_a_run_was_at_work_during_a_job_one_more_follows(
    seen: str, run: Callable[..., None], personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    receipt = ask()
    round_made(sent=1)
    first = personalize.asked("CreateDataDeletionJob")["jobName"]
    run(seen, "" if seen == "lease" else "2999-01-01T00:00:00.000+00:00")
    job_is(personalize, "IN_PROGRESS")
    round_made()
    table.delete_item(TableName=TABLE, Key={"shop": {"S": "demo"}, "record": {"S": "lease"}})
    job_is(personalize, "COMPLETED")
    round_made(sent=1)
    assert personalize.asked("CreateDataDeletionJob")["jobName"] != first
    assert held(table, DONE) == []
    round_made(gone=1)
    assert [item["event"]["S"] for item in held(table, DONE)] == [receipt]
    assert held(table, WAITING) == []


def test_the_files_of_the_purchase_likelihood_have_the_user_no_more(
    personalize: FakePersonalize, bucket: "S3Client"
) -> None:
    folder = "likelihood/demo/"
    history = 'USER_ID,ITEM_ID,NOTE\n2375,i1,\nu2,i2,"a ""b"",\n2375,i3"\n"2375",i4,"c\nd"\n23,2375,\n2375\n'
    users = "AGE,USER_ID\r\n30,2375\r\n40,23\r\n"
    sample = {
        "anchors": ["i1", "i2"], "at": 5, "users": ["2375", "u2"], "items": ["i1", "i2"], "weights": [1.0, 2.0],
        "scores": [0.1, 0.2], "logits": [0.3, 0.4], "features": {"seen": [0.5, 0.6]}, "labels": None,
    }  # fmt: skip
    counters = {key: shards.packed(entries) for key, entries in {
        "run-1/shoppers-0000.json.gz": {}, "run-1/shoppers-0001.json.gz": {}, "run-1/items-0000.json.gz": {"2375": 1},
    }.items()}  # fmt: skip
    place = shards.place("2375", 2)
    counters[f"run-1/shoppers-{place:04d}.json.gz"] = shards.packed({"2375": {"user": [1]}, "u2": {"user": [2]}})
    for key, data in {
        "inputs/interactions/1-000-FULL-r.csv": history.encode(),
        "inputs/interactions/2-000-INCREMENTAL-live.csv": b"USER_ID,ITEM_ID\n2375,i1\nu2,i1\n",
        "inputs/users/1-000-FULL-r.csv": users.encode(),
        "inputs/items/1-000-FULL-r.csv": b"ITEM_ID\n2375\n",
        "snapshots/r.json.gz": shards.packed(sample),
        **counters,
    }.items():
        bucket.put_object(Bucket=BUCKET, Key=folder + key, Body=data)
    ask()
    round_made(sent=1)
    job_is(personalize, "COMPLETED")
    round_made(left=MARGIN_MS - 1, failed=["demo"])
    round_made(gone=1)

    def now(key: str) -> bytes:
        return bucket.get_object(Bucket=BUCKET, Key=folder + key)["Body"].read()

    kept = 'USER_ID,ITEM_ID,NOTE\nu2,i2,"a ""b"",\n2375,i3"\n23,2375,\n'
    assert now("inputs/interactions/1-000-FULL-r.csv").decode() == kept
    assert now("inputs/interactions/2-000-INCREMENTAL-live.csv") == b"USER_ID,ITEM_ID\nu2,i1\n"
    assert now("inputs/users/1-000-FULL-r.csv") == b"AGE,USER_ID\r\n40,23\r\n"
    assert now("inputs/items/1-000-FULL-r.csv") == b"ITEM_ID\n2375\n"
    assert shards.unpacked(now(f"run-1/shoppers-{place:04d}.json.gz")) == {"u2": {"user": [2]}}
    assert shards.unpacked(now("run-1/items-0000.json.gz")) == {"2375": 1}
    assert shards.unpacked(now("snapshots/r.json.gz")) == {
        "anchors": ["i1", "i2"], "at": 5, "users": ["u2"], "items": ["i2"], "weights": [2.0],
        "scores": [0.2], "logits": [0.4], "features": {"seen": [0.6]}, "labels": None,
    }  # fmt: skip


def test_a_request_that_another_round_has_closed_does_not_come_back(table: "DynamoDBClient") -> None:
    requests = erasure_requests.Requests(table, SHOPPER_EVENTS, "demo", 5)
    gone = Request("2375", "receipt", 1, job=JOB, sent=2)
    assert requests.closed(gone)
    with pytest.raises(Broken):
        requests.freed(gone, failed=True)
    assert held(table, WAITING) == []


def test_of_two_shops_the_second_is_served_though_the_first_fails(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    records.put(table, TABLE, {**RELEASE, "shop": "a-shop", "datasetGroupArn": f"{ARN}:dataset-group/a-shop"})
    erasure_requests.ask(table, SHOPPER_EVENTS, "a-shop", "u", "receipt", 5)
    ask()
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "InvalidInputException")
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB})
    done = handler(load("erase_users"), cast("Any", Context()))
    table.delete_item(TableName=TABLE, Key={"shop": {"S": "a-shop"}, "record": {"S": "release"}})
    assert done["sent"] == 1
    assert len(cast("list[str]", done["failed"])) == 1


def test_a_job_that_fails_is_made_again_under_another_name(personalize: FakePersonalize) -> None:
    ask()
    round_made(sent=1)
    first = personalize.asked("CreateDataDeletionJob")["jobName"]
    job_is(personalize, "FAILED")
    round_made(sent=1, failed=["demo"])
    assert personalize.asked("CreateDataDeletionJob")["jobName"] != first


def test_no_log_line_names_a_user(
    personalize: FakePersonalize, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ask("shopper-77")
    round_made(sent=1)
    job_is(personalize, "FAILED")
    personalize.reset()
    personalize.fails("DescribeDataDeletionJob", "InternalError")
    round_made(failed=["demo"])
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "InvalidInputException")
    round_made(failed=["demo"])
    told = capsys.readouterr().out + caplog.text
    assert "Users not deleted" in told
    assert "shopper-77" not in told


def test_a_job_that_was_made_by_a_round_that_died_is_found(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    ask()
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "ServiceUnavailable", status=503)
    round_made(failed=["demo"])
    name = personalize.asked("CreateDataDeletionJob")["jobName"]
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "ResourceAlreadyExistsException")
    personalize.says("ListDataDeletionJobs", {"dataDeletionJobs": [{"jobName": "other"}], "nextToken": "more"})
    personalize.says("ListDataDeletionJobs", {"dataDeletionJobs": [{"jobName": name, "dataDeletionJobArn": JOB}]})
    round_made(sent=1)
    assert [item["job"]["S"] for item in held(table, WAITING)] == [JOB]


def test_a_shop_or_a_user_that_cannot_be_is_refused() -> None:
    for name, value, status in (("shop", "nowhere", 404), ("userId", "x" * 300, 400)):
        event = load("api_delete_user")
        event["pathParameters"][name] = value
        assert api(event, None)["statusCode"] == status


def test_a_browser_may_not_ask_even_for_its_own_user(table: "DynamoDBClient") -> None:
    event = load("api_delete_user")
    event["requestContext"]["authorizer"] = {"user": "2375", "session": "", "shop": "", "expires": "9999999999"}
    answer = api(event, None)
    assert (answer["statusCode"], body(answer)["detail"]) == (403, "This is for the shop's servers.")
    assert held(table, WAITING) == []
