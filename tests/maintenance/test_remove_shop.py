# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from personalization.core.errors import Broken, Rejected, RetryLater
from personalization.core.names import on_backend
from personalization.shop.records import dataset_groups, release_store

from functions.remove_shop.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, RELEASE, TABLE, Drop, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

pytestmark = pytest.mark.usefixtures("aws")

GROUP = f"{ARN}:dataset-group/retail-demo"
SOLUTION = f"{ARN}:solution/retail-demo-popularity-count"
CAMPAIGN = f"{ARN}:campaign/retail-demo-popularity-count"
DATASET = f"{ARN}:dataset/retail-demo/INTERACTIONS"
SCHEMA = f"{ARN}:schema/retail-interactions-0123456789ab"
Steps = Callable[[], dict[str, list[str]]]


def piece(kind: str, arn: str, status: str = "ACTIVE") -> dict[str, Any]:
    return {"name": arn.rpartition("/")[2], f"{kind}Arn": arn, "status": status}


def stocked(personalize: FakePersonalize, *, campaigns: bool = True, solutions: bool = True) -> None:
    """A shop with a dataset, and perhaps a solution and its campaign."""
    personalize.says("DescribeDatasetGroup", {"datasetGroup": piece("datasetGroup", GROUP)})
    # The group of a test on held-out time, which has cleared up after itself.
    personalize.fails("DescribeDatasetGroup", "ResourceNotFoundException")
    personalize.says("ListDatasets", {"datasets": [piece("dataset", DATASET)]})
    personalize.says("DescribeDataset", {"dataset": {"schemaArn": SCHEMA}})
    personalize.says("ListSolutions", {"solutions": [piece("solution", SOLUTION)] if solutions else []})
    personalize.says("ListCampaigns", {"campaigns": [piece("campaign", CAMPAIGN)] if campaigns else []})


def deletions(personalize: FakePersonalize) -> list[str]:
    return [name for name in personalize.operations() if name.startswith("Delete")]


@pytest.mark.usefixtures("bucket", "scheduler", "demo")
def test_a_listing_has_everything_in_its_order_and_changes_nothing(personalize: FakePersonalize) -> None:
    stocked(personalize)
    listed = handler(load("remove_shop_list"), None)
    resources = listed["resources"]
    assert isinstance(resources, list)
    assert [resource["kind"] for resource in resources] == ["campaign", "solution", "dataset", "datasetGroup"]
    assert (listed["schemas"], listed["records"]) == ([SCHEMA], ["release"])
    assert [resource["monthDollars"] for resource in resources] == [pytest.approx(146.12, abs=0.01), None, None, None]
    assert deletions(personalize) == []


@pytest.mark.usefixtures("scheduler", "demo")
@pytest.mark.parametrize(
    ("settings", "dollars"),
    [
        ("prices: {thousand_recommendations: 1}", 2628),
        ("prices: 3", 146),
        # What the shop left on Amazon Personalize bills, wherever it is now.
        ("backend: engine", 146),
    ],
)
def test_what_a_removal_saves_is_told_in_the_shops_own_prices(
    settings: str, dollars: float, drop: Drop, personalize: FakePersonalize
) -> None:
    drop("drops/demo/settings.yaml", settings)
    stocked(personalize)
    resources = handler(load("remove_shop_list"), None)["resources"]
    assert isinstance(resources, list)
    assert resources[0]["monthDollars"] == pytest.approx(dollars, abs=1)


@pytest.mark.parametrize(
    ("there", "deleted"),
    [
        ({}, ["DeleteCampaign"]),
        ({"campaigns": False}, ["DeleteSolution"]),
        ({"campaigns": False, "solutions": False}, ["DeleteDataset"]),
    ],
)
def test_what_others_are_based_on_waits(
    there: dict[str, bool], deleted: list[str], personalize: FakePersonalize
) -> None:
    stocked(personalize, **there)
    assert handler(load("remove_shop_remove"), None)["left"] == 4 - len(there)
    assert deletions(personalize) == deleted


def test_what_is_leaving_already_is_not_told_again(personalize: FakePersonalize) -> None:
    personalize.says("DescribeDatasetGroup", {"datasetGroup": piece("datasetGroup", GROUP, "DELETE IN_PROGRESS")})
    personalize.fails("DescribeDatasetGroup", "ResourceNotFoundException")
    answer = handler(load("remove_shop_remove"), None)
    assert answer == {
        "left": 1, "waitingFor": ["retail-demo"], "ready": False, "name": "retail-demo", "status": "there",
    }  # fmt: skip
    assert deletions(personalize) == []


@pytest.mark.usefixtures("personalize")
def test_without_a_dataset_group_nothing_is_left() -> None:
    answer = handler(load("remove_shop_remove"), None)
    assert (answer["left"], answer["waitingFor"], answer["ready"]) == (0, [], True)


@pytest.mark.parametrize("code", ["ResourceInUseException", "ResourceNotFoundException"])
def test_a_busy_or_a_gone_resource_is_left_to_the_next_look(code: str, personalize: FakePersonalize) -> None:
    stocked(personalize)
    personalize.fails("DeleteCampaign", code)
    assert handler(load("remove_shop_remove"), None)["left"] == 4


@pytest.mark.parametrize(("code", "error"), [("ThrottlingException", RetryLater), ("AccessDeniedException", Broken)])
def test_other_errors_are_told(code: str, error: type[Exception], personalize: FakePersonalize) -> None:
    stocked(personalize)
    personalize.fails("DeleteCampaign", code)
    with pytest.raises(error, match="retail-demo-popularity-count"):
        handler(load("remove_shop_remove"), None)


def test_a_schema_of_another_shop_is_kept(personalize: FakePersonalize) -> None:
    assert handler(load("remove_shop_schemas"), None) == {"removed": [SCHEMA], "kept": []}
    personalize.fails("DeleteSchema", "ResourceInUseException")
    assert handler(load("remove_shop_schemas"), None) == {"removed": [], "kept": [SCHEMA]}


@pytest.mark.usefixtures("personalize")
def test_a_shop_is_forgotten_and_another_is_not(
    table: "DynamoDBClient", scheduler: "EventBridgeSchedulerClient"
) -> None:
    for shop in ("demo", "demo-b"):
        release_store.put(table, TABLE, {**RELEASE, "shop": shop})
        target: Any = {
            "Arn": "arn:aws:states:us-east-1:123456789012:stateMachine:Retrain",
            "RoleArn": "arn:aws:iam::123456789012:role/r",
        }
        scheduler.create_schedule(
            GroupName="retail-schedules", Name=f"{shop}.weekly", ScheduleExpression="rate(7 days)",
            FlexibleTimeWindow={"Mode": "OFF"}, Target=target,
        )  # fmt: skip
    assert handler(load("remove_shop_forget"), None) == {"records": ["release"], "schedules": ["demo.weekly"]}
    assert release_store.get(table, TABLE, "demo", "release") is None
    assert release_store.get(table, TABLE, "demo-b", "release") is not None
    assert [schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]] == ["demo-b.weekly"]
    assert handler(load("remove_shop_finish"), None) == {"shop": "demo", "next": None}


@pytest.mark.usefixtures("personalize", "scheduler", "table")
def test_a_removal_leads_its_shop_and_can_repeat_its_steps() -> None:
    handler(load("remove_shop_forget"), None)
    assert handler(load("remove_shop_forget"), None)["records"] == []
    other = {**load("remove_shop_finish"), "run": "another"}
    handler(other, None)
    lease = boto3.client("dynamodb").get_item(TableName=TABLE, Key={"shop": {"S": "demo"}, "record": {"S": "lease"}})
    assert lease["Item"]["owner"]["S"] == load("remove_shop_forget")["run"]
    handler(load("remove_shop_finish"), None)
    left = boto3.client("dynamodb").get_item(TableName=TABLE, Key={"shop": {"S": "demo"}, "record": {"S": "lease"}})
    assert "Item" not in left


def test_objects_of_a_shop_go_with_all_their_versions(bucket: "S3Client") -> None:
    for key in ("drops/demo/items/a.csv", "reports/demo/run/data.html", "drops/demo-b/items/a.csv"):
        bucket.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    assert handler(load("remove_shop_objects"), None) == {"removed": 2, "more": False}
    keys_left = [content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys_left == ["drops/demo-b/items/a.csv"]


@pytest.fixture
def steps_of_a_removal(personalize: FakePersonalize, table: "DynamoDBClient") -> Steps:
    """Remove the shop step by step; return the operations that Amazon Personalize was asked, by step."""
    del table

    def play() -> dict[str, list[str]]:
        asked_for = {}
        for step in ("list", "forget", "remove", "remove", "finish"):
            personalize.calls.clear()
            handler(load(f"remove_shop_{step}"), None)
            asked_for[step] = personalize.operations()
        return asked_for

    return play


@pytest.mark.usefixtures("scheduler", "bucket")
def test_of_a_shop_that_was_always_on_the_engine_amazon_personalize_is_not_asked(
    steps_of_a_removal: Steps, table: "DynamoDBClient"
) -> None:
    engine = on_backend(GROUP, "engine")
    release_store.put(table, TABLE, {**RELEASE, "datasetGroupArn": engine})
    dataset_groups.note(table, TABLE, "demo", engine)
    assert not any(steps_of_a_removal().values())
    assert release_store.sort_keys(table, TABLE, "demo") == ()


@pytest.mark.usefixtures("scheduler", "bucket")
@pytest.mark.parametrize("groups", [[], [GROUP], [on_backend(GROUP, "engine"), GROUP]])
def test_of_other_shops_and_where_no_record_tells_it_is_asked(
    groups: list[str], steps_of_a_removal: Steps, table: "DynamoDBClient"
) -> None:
    for group in groups:
        dataset_groups.note(table, TABLE, "demo", group)
    asked_for = steps_of_a_removal()
    assert "DescribeDatasetGroup" in asked_for["list"]
    assert "DescribeDatasetGroup" in asked_for["remove"]


@pytest.mark.usefixtures("scheduler", "bucket")
def test_a_shop_from_before_there_were_records_of_groups_is_looked_for_there_after_its_move(
    steps_of_a_removal: Steps, table: "DynamoDBClient"
) -> None:
    release_store.put(table, TABLE, RELEASE)
    dataset_groups.note(table, TABLE, "demo", on_backend(GROUP, "engine"))
    assert "DescribeDatasetGroup" in steps_of_a_removal()["remove"]


@pytest.mark.usefixtures("scheduler", "bucket", "personalize")
def test_the_end_of_a_removal_is_no_end_of_the_run_after_it(table: "DynamoDBClient") -> None:
    handler(load("remove_shop_forget"), None)
    handler(load("remove_shop_finish"), None)
    dataset_groups.note(table, TABLE, "demo", GROUP)
    handler(load("remove_shop_finish"), None)
    assert dataset_groups.backends(table, TABLE, "demo") == {"personalize"}


@pytest.mark.parametrize("shop", ["", "Demo", "a/b", "*", "demo."])
def test_a_name_that_no_shop_can_have_is_refused(shop: str) -> None:
    with pytest.raises(Rejected, match="shop's name"):
        handler({**load("remove_shop_list"), "shop": shop}, None)
