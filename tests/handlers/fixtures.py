# SPDX-License-Identifier: Apache-2.0
"""What handlers have here: the template's environment, a bucket, a table, and a Personalize that tests script.

A module asks for it with ``pytestmark = pytest.mark.usefixtures("aws")``, or by any fixture that stands on `aws`. Heavy
imports wait until a test asks.
"""

import gzip
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from tests.handlers.fakes import FakePersonalize
    from tests.handlers.queues import Queues
    from tests.handlers.samples import Drop, Event

GROUP = "retail-schedules"


@pytest.fixture(scope="module")
def aws() -> Iterator["FakePersonalize"]:
    from moto import mock_aws
    from personalization.core.aws import clients

    from functions.deliver_events import app as deliver_events
    from functions.get_recommendations import app as get_recommendations
    from functions.record_events import app as record_events
    from tests.handlers import containers
    from tests.handlers.fakes import FakePersonalize
    from tests.handlers.silences import wait_patiently
    from tests.handlers.variables import VARIABLES

    fake = FakePersonalize()
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        for service in ("PERSONALIZE", "PERSONALIZE_RUNTIME", "PERSONALIZE_EVENTS"):
            patch.setenv(f"AWS_ENDPOINT_URL_{service}", fake.url)
        wait_patiently(patch)
        clients.forget()
        clients.secretsmanager().create_secret(Name=VARIABLES["LIST_ID_KEYS"], SecretString="k" * 64)
        containers.start(deliver_events, get_recommendations, record_events)
        yield fake
    clients.forget()
    fake.close()


@pytest.fixture
def personalize(aws: "FakePersonalize") -> "FakePersonalize":
    """A Personalize in which there is nothing, until a test says otherwise."""
    aws.reset()
    return aws


@pytest.fixture(scope="module")
def _bucket(aws: "FakePersonalize") -> "S3Client":
    import boto3
    from personalization.core.aws import clients

    from tests.handlers.samples import BUCKET

    # With what boto3 adds to clients, such as upload_file.
    client = boto3.Session(botocore_session=clients.session()).client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def bucket(_bucket: "S3Client") -> Iterator["S3Client"]:
    """The drop bucket, empty."""
    from tests.handlers.samples import BUCKET

    yield _bucket
    for content in _bucket.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        _bucket.delete_object(Bucket=BUCKET, Key=content["Key"])


@pytest.fixture(scope="module")
def table(aws: "FakePersonalize") -> "DynamoDBClient":
    """The table of shops, and beside it that of what shoppers did since the last fit."""
    from personalization.core.aws import clients

    from tests.handlers.samples import LIVE, SHOPPER_EVENTS, TABLE

    client = clients.dynamodb()
    client.create_table(
        TableName=LIVE,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("p", "s")],
        BillingMode="PAY_PER_REQUEST",
    )
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
    from botocore.exceptions import ReadTimeoutError
    from personalization.core.aws import clients

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
def queues(aws: "FakePersonalize", monkeypatch: pytest.MonkeyPatch) -> Iterator["Queues"]:
    """The queues of events, of dead events and of impressions, empty."""
    from personalization.core.aws import clients

    from tests.handlers.queues import Queues

    client = clients.sqs()
    made = [client.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "dead", "impressions")]
    monkeypatch.setenv("EVENTS_QUEUE_URL", made[0])
    monkeypatch.setenv("DEAD_EVENTS_QUEUE_URL", made[1])
    monkeypatch.setenv("IMPRESSIONS_QUEUE_URL", made[2])
    yield Queues(client, *made)
    for url in made:
        client.delete_queue(QueueUrl=url)


@pytest.fixture(scope="module")
def demo(table: "DynamoDBClient") -> None:
    """A shop called `demo` that a run has promoted."""
    from personalization.shop.records import release_store

    from tests.handlers.samples import RELEASE, TABLE

    release_store.put(table, TABLE, RELEASE)


@pytest.fixture(scope="module")
def _scheduler(aws: "FakePersonalize") -> "EventBridgeSchedulerClient":
    from personalization.core.aws import clients

    client = clients.scheduler()
    client.create_schedule_group(Name=GROUP)
    return client


@pytest.fixture
def scheduler(_scheduler: "EventBridgeSchedulerClient") -> Iterator["EventBridgeSchedulerClient"]:
    """EventBridge Scheduler with the stack's group, empty."""
    yield _scheduler
    for schedule in _scheduler.list_schedules(GroupName=GROUP)["Schedules"]:
        _scheduler.delete_schedule(GroupName=GROUP, Name=schedule["Name"])


@pytest.fixture
def drop(bucket: "S3Client") -> "Drop":
    """See Drop."""
    from tests.handlers.samples import BUCKET, load

    def put(key: str, content: str | bytes) -> "Event":
        data = content.encode() if isinstance(content, str) else content
        body = gzip.compress(data) if key.endswith(".gz") else data
        bucket.put_object(Bucket=BUCKET, Key=key, Body=body)
        return {**load("validate_drop"), "key": key}

    return put


@pytest.fixture
def unfitted(table: "DynamoDBClient") -> Iterator[None]:
    """A container that has just started, and a shop without a fit or an event; so it is left, too."""
    from personalization.shop.records.release import RECORD

    from functions.get_recommendations import app
    from tests.handlers import containers
    from tests.handlers.samples import SHOPPER_EVENTS, TABLE

    containers.start(app)
    yield
    for item in table.scan(TableName=TABLE)["Items"]:
        if item["record"]["S"] != RECORD:
            table.delete_item(TableName=TABLE, Key={name: item[name] for name in ("shop", "record")})
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})


@pytest.fixture
def fitted(
    unfitted: None,
    bucket: "S3Client",
    table: "DynamoDBClient",
    personalize: "FakePersonalize",
) -> dict[str, object]:
    """The shop's likelihood, fitted on the world of `worlds`; what the function answered."""
    from tests.handlers import likelihoods

    likelihoods.drop(bucket, personalize)
    return likelihoods.fit_once(bucket, table)
