# SPDX-License-Identifier: Apache-2.0
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from personalization.core.errors import Broken, Rejected, RetryLater
from personalization.shop.records import release_store

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


@pytest.mark.parametrize("shop", ["", "Demo", "a/b", "*", "demo."])
def test_a_name_that_no_shop_can_have_is_refused(shop: str) -> None:
    with pytest.raises(Rejected, match="shop's name"):
        handler({**load("remove_shop_list"), "shop": shop}, None)
