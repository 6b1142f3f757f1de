# SPDX-License-Identifier: Apache-2.0
"""What handlers have here: the template's environment, a bucket, a table, and a Personalize that tests script."""

import gzip
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws
from personalization.core.aws import clients
from personalization.shop import records
from personalization.shop.release import RECORD

from functions.deliver_events import app as deliver_events
from functions.record_events import app as record_events
from tests.functions.fakes import FakePersonalize
from tests.functions.queues import Queues
from tests.functions.samples import BUCKET, RELEASE, SHOPPER_EVENTS, TABLE, Drop, Event, load
from tests.functions.silences import wait_patiently

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "PREFIX": "retail",
    "ACCOUNT_ID": "123456789012",
    "PARTITION": "aws",
    "BUCKET": BUCKET,
    "INCREMENTAL_IMPORT_BYTES": "1000000000",
    "CHECK_PART_BYTES": "1000000000",
    "SHOPS_TABLE": TABLE,
    "SHOPPER_EVENTS_TABLE": SHOPPER_EVENTS,
    "PERSONALIZE_ROLE_ARN": "arn:aws:iam::123456789012:role/retail-personalize",
    "SCHEDULE_GROUP": "retail-schedules",
    "SCHEDULE_ROLE_ARN": "arn:aws:iam::123456789012:role/retail-schedules",
    "RETRAIN_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:Retrain",
    "BATCH_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:Batch",
    "CHORES_QUEUE_ARN": "arn:aws:sqs:us-east-1:123456789012:chores",
    "UNUSED_DAYS": "30",
    "PROBE_RATE": "1000000",
    "EVENT_CALLS_PER_SECOND": "1000",
    "EVENT_DELIVERIES": "2",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "Test",
}


@pytest.fixture(scope="module", autouse=True)
def _personalize() -> Iterator[FakePersonalize]:
    fake = FakePersonalize()
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        for service in ("PERSONALIZE", "PERSONALIZE_RUNTIME", "PERSONALIZE_EVENTS"):
            patch.setenv(f"AWS_ENDPOINT_URL_{service}", fake.url)
        wait_patiently(patch)
        clients.forget()
        for function in (deliver_events, record_events):
            function.LEAVING.forget()
        yield fake
    clients.forget()
    fake.close()


@pytest.fixture
def personalize(_personalize: FakePersonalize) -> FakePersonalize:
    """A Personalize in which there is nothing, until a test says otherwise."""
    _personalize.reset()
    return _personalize


@pytest.fixture(scope="module")
def _bucket(_personalize: FakePersonalize) -> "S3Client":
    # With what boto3 adds to clients, such as upload_file.
    client = boto3.Session(botocore_session=clients._session()).client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def bucket(_bucket: "S3Client") -> Iterator["S3Client"]:
    """The drop bucket, empty."""
    yield _bucket
    for content in _bucket.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        _bucket.delete_object(Bucket=BUCKET, Key=content["Key"])


@pytest.fixture(scope="module")
def table(_personalize: FakePersonalize) -> "DynamoDBClient":
    """The table of shops, and beside it that of what shoppers did since the last fit."""
    client = clients.dynamodb()
    client.create_table(
        TableName=SHOPPER_EVENTS,
        KeySchema=[{"AttributeName": "shopper", "KeyType": "HASH"}, {"AttributeName": "event", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("shopper", "event")],
        BillingMode="PAY_PER_REQUEST",
    )
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "shop", "KeyType": "HASH"}, {"AttributeName": "record", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("shop", "record")],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture
def unanswered(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """A DynamoDB that answers no BatchWriteItem, or only the first so many; the tables that it was asked for."""
    requested: list[str] = []

    def fail(params: dict[str, dict[str, object]], **_: object) -> None:
        requested.extend(params["RequestItems"])
        if len(requested) > getattr(request, "param", 0):
            raise ReadTimeoutError(endpoint_url="dynamodb")

    made = (clients.dynamodb(), clients.dynamodb_once())
    for client in made:
        client.meta.events.register("provide-client-params.dynamodb.BatchWriteItem", fail)
    yield requested
    for client in made:
        client.meta.events.unregister("provide-client-params.dynamodb.BatchWriteItem", fail)


@pytest.fixture
def queues(_personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    """The queue of events and that of dead events, empty."""
    client = clients.sqs()
    made = [client.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "dead")]
    monkeypatch.setenv("EVENTS_QUEUE_URL", made[0])
    monkeypatch.setenv("DEAD_EVENTS_QUEUE_URL", made[1])
    yield Queues(client, *made)
    for url in made:
        client.delete_queue(QueueUrl=url)


@pytest.fixture(scope="module")
def demo(table: "DynamoDBClient") -> None:
    """A shop called `demo` that a run has promoted."""
    records.put(table, TABLE, RELEASE)


@pytest.fixture(scope="module")
def _scheduler(_personalize: FakePersonalize) -> "EventBridgeSchedulerClient":
    client = clients.scheduler()
    client.create_schedule_group(Name=VARIABLES["SCHEDULE_GROUP"])
    return client


@pytest.fixture
def scheduler(_scheduler: "EventBridgeSchedulerClient") -> Iterator["EventBridgeSchedulerClient"]:
    """EventBridge Scheduler with the stack's group, empty."""
    yield _scheduler
    for schedule in _scheduler.list_schedules(GroupName=VARIABLES["SCHEDULE_GROUP"])["Schedules"]:
        _scheduler.delete_schedule(GroupName=VARIABLES["SCHEDULE_GROUP"], Name=schedule["Name"])


@pytest.fixture
def drop(bucket: "S3Client") -> Drop:
    """See Drop."""

    def put(key: str, content: str | bytes) -> Event:
        data = content.encode() if isinstance(content, str) else content
        body = gzip.compress(data) if key.endswith(".gz") else data
        bucket.put_object(Bucket=BUCKET, Key=key, Body=body)
        return {**load("validate_drop"), "key": key}

    return put


@pytest.fixture
def unfitted(table: "DynamoDBClient") -> Iterator[None]:
    """A container that has just started, and a shop without a fit or an event; so it is left, too."""
    from functions.get_recommendations import app  # noqa: PLC0415 - reads the variables

    app.likelihoods.cache_clear()
    yield
    for item in table.scan(TableName=TABLE)["Items"]:
        if item["record"]["S"] != RECORD:
            table.delete_item(TableName=TABLE, Key={name: item[name] for name in ("shop", "record")})
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})


@pytest.fixture
def fitted(
    unfitted: None,  # noqa: ARG001
    bucket: "S3Client",
    table: "DynamoDBClient",
    personalize: FakePersonalize,
) -> dict[str, object]:
    """The shop's likelihood, fitted on the world of `worlds`; what the function answered."""
    from tests.functions import likelihoods  # noqa: PLC0415 - reads the variables

    likelihoods.drop(bucket, personalize)
    return likelihoods.fit_once(bucket, table)
