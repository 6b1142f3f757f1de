# SPDX-License-Identifier: Apache-2.0
"""Accepted events as CSV in the bucket: each once, in whole objects, and never back to where they were streamed."""

import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from personalization.core.aws import clients
from personalization.core.errors import Rejected, RetryLater
from personalization.events import store
from personalization.events.models import Call
from table_intake import Refused, streamed
from table_intake.streamed import Group

from functions.copy_events.app import handler
from functions.deliver_events import app as delivering
from functions.record_events import app as recording
from functions.record_events.app import handler as record
from functions.validate_drop.app import handler as validate
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.queues import Context, Queues
from tests.handlers.samples import BUCKET, SHOPPER_EVENTS, Drop, load
from tests.handlers.variables import changed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

HEADER = (
    "USER_ID",
    "ITEM_ID",
    "EVENT_TYPE",
    "TIMESTAMP",
    "EVENT_VALUE",
    "RECOMMENDATION_ID",
    "IMPRESSION",
    *streamed.BESIDE,
)
pytestmark = pytest.mark.usefixtures("aws", "demo")
NOW = int(datetime(2026, 11, 25, 8, 30, tzinfo=UTC).timestamp())


def view(number: int, **more: object) -> dict[str, Any]:
    return {"eventType": "View", "itemId": f"i{number % 50}", "eventId": f"e{number}", "sentAt": NOW - number, **more}


@pytest.fixture
def written(table: "DynamoDBClient") -> Iterator["DynamoDBClient"]:
    """The table of what users did, empty."""
    yield table
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})


def stream(client: "DynamoDBClient", name: str = "INSERT") -> dict[str, Any]:
    """Lambda's event for what is in the table."""
    items = client.scan(TableName=SHOPPER_EVENTS)["Items"]
    return {
        "Records": [
            {"eventID": f"{number:032x}", "eventName": name, "dynamodb": {"NewImage": item}}
            for number, item in enumerate(items)
        ]
    }


def objects(bucket: "S3Client") -> dict[str, list[dict[str, str]]]:
    """The copies in the bucket."""
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix="events/").get("Contents", [])
    texts = {entry["Key"]: bucket.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in listed}
    return {key: list(csv.DictReader(io.StringIO(text.decode()))) for key, text in texts.items()}


def test_an_event_is_a_row_with_its_time_and_id(bucket: "S3Client") -> None:
    handler(load("copy_events"), None)
    ((key, (row,)),) = objects(bucket).items()
    assert key == "events/demo/2026/11/25/083012-9f1c2e7b5d0a4f3e8b6c7d2a1e0f4b3c.csv"
    assert row == {
        "USER_ID": "2375", "ITEM_ID": "1082185", "EVENT_TYPE": "Purchase", "TIMESTAMP": "1795595411",
        "EVENT_VALUE": "3.49", "RECOMMENDATION_ID": "RID-1", "IMPRESSION": "1082185|995242",
        "STREAMED_TO": "retail-demo/1795595412", "SESSION_ID": "s-20261125", "EVENT_ID": "order-1009-1",
        "PROPERTIES": '{"store":"367"}', "LIST_ID": "", "VISITOR": "",
    }  # fmt: skip


def test_a_batch_that_comes_again_replaces_what_it_wrote(bucket: "S3Client", written: "DynamoDBClient") -> None:
    calls = [Call("s", user, [view(number) for number in range(5)]) for user in ("u1", "u2")]
    for shop in ("demo", "other"):
        assert store.note(written, SHOPPER_EVENTS, shop, calls, NOW) == []
    for _ in range(2):
        handler(stream(written), None)
    files = objects(bucket)
    assert sorted(key.split("/")[1] for key in files) == ["demo", "other"]
    assert [len({(row["USER_ID"], row["EVENT_ID"]) for row in rows}) for rows in files.values()] == [10, 10]
    assert [len(rows) for rows in files.values()] == [10, 10]


@pytest.mark.parametrize("change", ["MODIFY", "REMOVE"])
def test_what_is_sent_again_or_expires_makes_no_row(change: str, bucket: "S3Client") -> None:
    (told,) = load("copy_events")["Records"]
    handler({"Records": [told | {"eventName": change}]}, None)
    assert objects(bucket) == {}


def test_events_that_no_import_takes_are_in_a_file_of_their_own(bucket: "S3Client", written: "DynamoDBClient") -> None:
    search = {"eventType": "Search", "eventId": "e", "sentAt": NOW, "properties": '{"words":"a, \\"b\\"\\nc"}'}
    calls = [Call("s", None, [view(1)]), Call("s", "u", [search]), Call("s", "u", [view(2)])]
    assert store.note(written, SHOPPER_EVENTS, "demo", calls, NOW) == []
    assert list(store.of_shop(written, SHOPPER_EVENTS, "demo", 0)) == [("u", "i2", "View", NOW - 2)]
    handler(stream(written), None)
    files = {key.endswith("-partial.csv"): rows for key, rows in objects(bucket).items()}
    assert [row["ITEM_ID"] for row in files[False]] == ["i2"]
    assert {(row["USER_ID"], row["ITEM_ID"]) for row in files[True]} == {("", "i1"), ("u", "")}
    assert {row["PROPERTIES"] for row in files[True]} == {"", '{"words":"a, \\"b\\"\\nc"}'}


@pytest.fixture
def sent() -> None:
    """Who is to be deleted was asked for a moment ago, when the table still answered."""
    for function in (recording, delivering):
        function.LEAVING.forget()
        assert not function.LEAVING.has("demo", "2375", time.monotonic())


@pytest.mark.usefixtures("sent")
def test_what_cannot_be_written_down_at_once_is_by_way_of_the_queue(
    bucket: "S3Client",
    written: "DynamoDBClient",
    personalize: FakePersonalize,
    queues: Queues,
) -> None:
    with changed("SHOPPER_EVENTS_TABLE", "gone"):
        answer = record(load("api_events"), None)
        assert {event["status"] for event in json.loads(answer["body"])["events"]} == {"delivered"}
        batch = queues.batch()
        # Still gone: it comes again.
        assert len(deliver(batch)) == 1
    assert deliver(batch) == []
    assert personalize.operations() == ["PutEvents"]
    handler(stream(written), None)
    assert sum(map(len, objects(bucket).values())) == 2
    assert queues.messages(queues.dead) == []


@pytest.fixture
def chores(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> Queues:
    """The queue for dead letters of the copy."""
    monkeypatch.setenv("CHORES_QUEUE_URL", queues.dead)
    return queues


@pytest.mark.parametrize("more", [{"S": "{"}, {"S": "[]"}, {"S": "{}"}, {"S": '{"shop":"demo","accepted":1e99}'}, {}])
def test_a_record_that_is_no_event_is_a_dead_letter_and_holds_up_no_other(
    more: dict[str, str],
    bucket: "S3Client",
    chores: Queues,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (good,) = load("copy_events")["Records"]
    bad = json.loads(json.dumps(good))
    bad["dynamodb"]["NewImage"]["more"] = more
    handler({"Records": [bad, good]}, None)
    assert [len(rows) for rows in objects(bucket).values()] == [1]
    (letter,) = chores.messages(chores.dead)
    assert json.loads(letter["Body"]) == {"record": bad["eventID"], "keys": bad["dynamodb"]["Keys"]}
    told = capsys.readouterr().out + caplog.text
    assert '"UncopiedEvents":[1.0]' in told
    assert not [word for word in ("2375", "s-20261125", "1082185") if word in told]


def test_requests_to_delete_a_user_and_receipts_are_no_events(bucket: "S3Client") -> None:
    (told,) = load("copy_events")["Records"]
    for shopper in ("!demo", "=demo"):
        told["dynamodb"]["NewImage"] = {"shopper": {"S": shopper}, "event": {"S": "2375"}}
        handler({"Records": [told]}, None)
    assert objects(bucket) == {}


def test_of_two_objects_one_is_written_though_the_other_fails_and_both_the_next_time(
    bucket: "S3Client",
) -> None:
    (first,) = load("copy_events")["Records"]
    second = json.loads(json.dumps(first).replace("demo", "other"))
    fails = [True]

    def refuse(params: dict[str, Any], **_: object) -> None:
        if fails and params["Key"].startswith("events/demo/"):
            raise EndpointConnectionError(endpoint_url="s3")

    used = clients.s3()
    used.meta.events.register("provide-client-params.s3.PutObject", refuse)
    try:
        with pytest.raises(RetryLater):
            handler({"Records": [first, second]}, None)
        assert [key.split("/")[1] for key in objects(bucket)] == ["other"]
        fails.clear()
        handler({"Records": [first, second]}, None)
    finally:
        used.meta.events.unregister("provide-client-params.s3.PutObject", refuse)
    assert [len(rows) for rows in objects(bucket).values()] == [1, 1]


def deliver(batch: dict[str, Any]) -> list[object]:
    answer: Any = delivering.handler(batch, cast("Any", Context()))
    return list(answer["batchItemFailures"])


def copied(rows: int = 1200) -> str:
    """A copy of events as the function writes it, of the shop `demo`."""
    client = boto3.client("dynamodb")
    calls = [Call("s", f"u{number % 100}", [view(number)]) for number in range(rows)]
    assert store.note(client, SHOPPER_EVENTS, "demo", calls, NOW) == []
    pages = client.get_paginator("scan").paginate(TableName=SHOPPER_EVENTS)
    items = [item for page in pages for item in page["Items"]]
    bucket = boto3.client("s3")
    handler({"Records": [
        {"eventID": f"{number:032x}", "eventName": "INSERT", "dynamodb": {"NewImage": item}}
        for number, item in enumerate(items)
    ]}, None)  # fmt: skip
    (key,) = [content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix="events/")["Contents"]]
    return bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()


def there(personalize: FakePersonalize, shop: str, made: int) -> None:
    """A dataset group without a dataset."""
    group = {"datasetGroupArn": f"{ARN}:dataset-group/retail-{shop}", "status": "ACTIVE", "domain": "ECOMMERCE"}
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {**group, "creationDateTime": made}})


@pytest.mark.usefixtures("written")
def test_a_copy_is_refused_where_its_events_were_streamed_to_and_taken_elsewhere(
    personalize: FakePersonalize, drop: Drop, bucket: "S3Client"
) -> None:
    content = copied()
    there(personalize, "demo", NOW - 1)
    with pytest.raises(Rejected) as refused:
        validate(drop("drops/demo/interactions/copy.csv", content), None)
    assert "would count twice" in str(refused.value)
    assert "new" in str(refused.value)
    for shop, made in (("other", NOW - 1), ("demo", NOW + 1)):
        personalize.reset()
        there(personalize, shop, made)
        plan: Any = validate(drop(f"drops/{shop}/interactions/copy.csv", content), None)
        assert plan["rows"] == 1200
        key = f"imports/{shop}/{plan['run']}/interactions/part-0.csv"
        header = bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().partition("\n")[0]
        assert set(header.split(",")) == set(HEADER) - set(streamed.BESIDE)


def test_one_streamed_row_anywhere_in_a_file_is_enough_and_other_columns_do_not_hide_it(
    personalize: FakePersonalize, drop: Drop
) -> None:
    there(personalize, "demo", NOW - 1)
    rows = [f"u{row},i{row % 9},{NOW - row},View,{row}," for row in range(2000)]
    header, last = "user_id,Item ID,timestamp,event_type,colour,streamed_to", f"u,i,{NOW},View,,retail-demo/{NOW}"
    with pytest.raises(Rejected, match="would count twice"):
        validate(drop("drops/demo/interactions/mixed.csv.gz", "\n".join([header, *rows, last])), None)


@pytest.mark.usefixtures("written", "bucket")
def test_the_script_of_the_docs_makes_one_file_of_copies_with_each_event_once(tmp_path: Path) -> None:
    page = Path("docs/operations/events.md").read_text()
    (script,) = re.findall(r"python3 -c '\n(import csv, glob.*?)'", page, re.DOTALL)
    content = copied(30)
    for name in ("a", "again", "b"):
        (tmp_path / "copies" / name).mkdir(parents=True)
        (tmp_path / "copies" / name / "1.csv").write_text(content.replace(",e", ",f") if name == "b" else content)
    made = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(io.StringIO(made.stdout)))
    assert made.stdout.splitlines()[0] == ",".join(HEADER)
    assert len(rows) == len({(row["USER_ID"], row["EVENT_ID"]) for row in rows}) == 60


@pytest.mark.parametrize(
    "mark", ["", "retail-demo", "retail-demo/", "retail-demo/x", "retail-demo-2/9", "retail-demo/4"]
)
def test_a_mark_of_another_group_or_of_none_is_no_reason(mark: str) -> None:
    Group("retail-demo", 5).refuse("copy.csv", [mark])
    with pytest.raises(Refused):
        Group("retail-demo", 5).refuse("copy.csv", [mark, "retail-demo/5"])
