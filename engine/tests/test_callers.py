# SPDX-License-Identifier: Apache-2.0
"""Accounts by access key, and regions, side by side in one engine."""

from collections.abc import Callable

import boto3
import pytest

from engine.tests.harness import Argument, Engine
from engine.tests.shop_data import avro

ACCOUNT, OTHER, DEFAULT = "111111111111", "222222222222", "123456789012"
Client = Callable[..., Argument]


@pytest.fixture
def client(engine: Engine) -> Client:
    def made(key: str, region: str, service: str = "personalize") -> Argument:
        session = boto3.Session(key, "secret", region_name=region)
        return session.client(service, endpoint_url=engine.url)  # type: ignore[call-overload]

    return made


@pytest.mark.parametrize(
    ("key", "account"), [(ACCOUNT, ACCOUNT), ("AKIAIOSFODNN7EXAMPLE", DEFAULT), ("1234", DEFAULT), ("٣" * 12, DEFAULT)]
)
def test_an_access_key_of_twelve_digits_is_the_account(client: Client, region: str, key: str, account: str) -> None:
    arn = client(key, region).create_schema(name="users", schema=avro("Users"))["schemaArn"]
    assert arn == f"arn:aws:personalize:{region}:{account}:schema/users"


def test_what_is_in_one_account_or_region_does_not_show_in_another(client: Client, region: str) -> None:
    control = client(ACCOUNT, region)
    arn = control.create_schema(name="users", schema=avro("Users"))["schemaArn"]
    for other in (client(OTHER, region), client(ACCOUNT, f"{region}-2")):
        assert other.list_schemas()["schemas"] == []
        for call in (other.describe_schema, other.delete_schema):
            with pytest.raises(other.exceptions.ResourceNotFoundException, match="does not exist"):
                call(schemaArn=arn)
        assert other.create_schema(name="users", schema=avro("Users"))["schemaArn"] != arn
    assert [schema["schemaArn"] for schema in control.list_schemas()["schemas"]] == [arn]


def test_nothing_of_another_account_can_be_asked_or_fed(client: Client, region: str) -> None:
    control = client(ACCOUNT, region)
    group = control.create_dataset_group(name="shop")["datasetGroupArn"]
    tracker = control.create_event_tracker(name="events", datasetGroupArn=group)
    runtime, events = (client(OTHER, region, f"personalize-{service}") for service in ("runtime", "events"))
    with pytest.raises(runtime.exceptions.ResourceNotFoundException):
        runtime.get_recommendations(campaignArn=group.replace("dataset-group", "campaign"), userId="u")
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.put_users(datasetArn=group.replace("dataset-group", "dataset") + "/USERS", users=[{"userId": "u"}])
    event = {"eventType": "View", "itemId": "i", "sentAt": 1_700_000_000}
    with pytest.raises(events.exceptions.InvalidInputException, match="No ACTIVE event tracker"):
        events.put_events(trackingId=tracker["trackingId"], sessionId="s", eventList=[event])
