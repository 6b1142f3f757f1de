# SPDX-License-Identifier: Apache-2.0
"""The throw-away engine of `personalize_local.testing`: clients, redirection, moto beside it, time and faults."""

import asyncio
import csv
import io
import multiprocessing
import os
import subprocess
import sys
import threading
import unittest
from collections.abc import Iterator
from datetime import timedelta

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from personalize_local.testing import Personalize, mock_personalize, personalize

from engine.tests.harness import Argument
from engine.tests.names import RECIPE, ROLE
from engine.tests.shop_data import avro, columns, interactions, write_csv

EARLY = boto3.client("personalize", region_name="eu-west-1", aws_access_key_id="t", aws_secret_access_key="t")
"""A client that was made before any engine, as modules often make theirs."""


@pytest.fixture(scope="module")
def aws() -> Iterator[Personalize]:
    with personalize() as aws:
        yield aws


def dataset(client: Argument) -> tuple[str, str]:
    """Make a group with a dataset of interactions; returns their ARNs."""
    group = client.create_dataset_group(name="shop")["datasetGroupArn"]
    schema = client.create_schema(name="events", schema=avro("Interactions"))["schemaArn"]
    made = client.create_dataset(name="events", datasetType="Interactions", datasetGroupArn=group, schemaArn=schema)
    return group, made["datasetArn"]


def imported(client: Argument, arn: str, name: str = "day-1") -> Argument:
    """Import `s3://shop/events.csv`; returns the job's description."""
    source = {"dataLocation": "s3://shop/events.csv"}
    job = client.create_dataset_import_job(jobName=name, datasetArn=arn, dataSource=source, roleArn=ROLE)
    return client.describe_dataset_import_job(datasetImportJobArn=job["datasetImportJobArn"])["datasetImportJob"]


def trained(client: Argument, group: str, **options: Argument) -> str:
    """Train on what is imported; returns the ARN of the solution."""
    recipe = RECIPE + "aws-popularity-count"
    solution = client.create_solution(name="popular", datasetGroupArn=group, recipeArn=recipe, **options)["solutionArn"]
    version = client.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    assert client.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["status"] == "ACTIVE"
    client.create_campaign(name="popular", solutionVersionArn=version)
    return str(solution)


def code(call: Argument, **request: Argument) -> str:
    """The error code of a call that fails."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


def versions(client: Argument, solution: str) -> list[str]:
    return [version["status"] for version in client.list_solution_versions(solutionArn=solution)["solutionVersions"]]


def test_a_test_imports_trains_and_asks_without_waiting(aws: Personalize) -> None:
    write_csv(aws.s3_root / "shop" / "events.csv", columns("Interactions"), interactions())
    group, events = dataset(aws.personalize)
    assert imported(aws.personalize, events)["status"] == "ACTIVE"
    solution = trained(aws.personalize, group)
    campaign = aws.personalize.list_campaigns(solutionArn=solution)["campaigns"][0]["campaignArn"]
    assert len(aws.runtime.get_recommendations(campaignArn=campaign, userId="u1", numResults=3)["itemList"]) == 3
    tracker = aws.personalize.create_event_tracker(name="live", datasetGroupArn=group)["trackingId"]
    event = {"eventType": "View", "itemId": "i1", "sentAt": 1_700_000_000}
    aws.events.put_events(trackingId=tracker, sessionId="s", userId="u1", eventList=[event])  # type: ignore[list-item]
    # A week later the solution trains again, on what came meanwhile.
    before = aws.clock.now()
    assert aws.clock.advance(days=8) - before >= timedelta(days=8)
    assert versions(aws.personalize, solution) == ["ACTIVE", "ACTIVE"]
    aws.personalize.delete_campaign(campaignArn=campaign)
    assert not aws.personalize.list_campaigns(solutionArn=solution)["campaigns"]
    assert not multiprocessing.active_children()


def test_faults_happen_on_demand(aws: Personalize) -> None:
    aws.faults.add("resourceInUse", "ListSchemas", times=1)
    assert code(aws.personalize.list_schemas) == "ResourceInUseException"
    assert "schemas" in aws.personalize.list_schemas()
    with aws.faults.during("neverEnd", "CreateDatasetGroup"):
        group = aws.personalize.create_dataset_group(name="stuck")["datasetGroupArn"]
        shown = aws.personalize.describe_dataset_group(datasetGroupArn=group)
        assert shown["datasetGroup"]["status"] == "CREATE IN_PROGRESS"
    aws.faults.clear()


def test_every_client_of_the_process_finds_the_engine(aws: Personalize) -> None:
    for client in (EARLY, boto3.client("personalize"), boto3.client("personalize", endpoint_url="http://127.0.0.1:9")):
        arn = client.create_schema(name=f"schema-{id(client)}", schema=avro("Users"))["schemaArn"]
        assert arn in {schema["schemaArn"] for schema in client.list_schemas()["schemas"]}
    with personalize() as inner:
        assert boto3.client("personalize").list_schemas()["schemas"] == []
        assert inner.personalize.list_schemas()["schemas"] == []
        assert aws.personalize.list_schemas()["schemas"]
    assert boto3.client("personalize").list_schemas()["schemas"]


def test_statuses_last_by_a_clock_that_moves_by_hand() -> None:
    with personalize(step_seconds=3600, strict=True) as aws:
        group = aws.personalize.create_dataset_group(name="slow")["datasetGroupArn"]

        def status() -> str:
            return aws.personalize.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]["status"]

        seen = [status()]
        for _ in range(2):
            aws.clock.advance(hours=1)
            seen.append(status())
        assert seen == ["CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE"]


def test_an_engine_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    before, threads = dict(os.environ), set(threading.enumerate())
    with personalize() as aws:
        assert boto3.client("personalize").list_schemas()["schemas"] == []
        folder = aws.s3_root
    assert not folder.exists()
    assert os.environ == before
    assert set(threading.enumerate()) <= threads


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="no option stric: it has account_id"), personalize(stric=True):
        pass
    with (
        pytest.raises(TypeError, match="option dataset_groups is of type int, not '3'"),
        personalize(dataset_groups="3"),
    ):
        pass
    with pytest.raises(TypeError, match="option strict is of type bool, not 1"), personalize(strict=1):
        pass


@mock_aws
@mock_personalize
def test_imports_read_what_moto_keeps() -> None:
    file = io.StringIO()
    csv.writer(file).writerows([columns("Interactions"), *interactions()])
    storage = boto3.client("s3", region_name="us-east-1")
    storage.create_bucket(Bucket="shop")
    storage.put_object(Bucket="shop", Key="events.csv", Body=file.getvalue())
    client = boto3.client("personalize", region_name="us-east-1")
    group, events = dataset(client)
    assert imported(client, events)["status"] == "ACTIVE"
    source = {"jobName": "back", "datasetArn": events, "roleArn": ROLE, "ingestionMode": "ALL"}
    client.create_dataset_export_job(**source, jobOutput={"s3DataDestination": {"path": "s3://shop/out/"}})  # type: ignore[arg-type]
    assert storage.get_object(Bucket="shop", Key="out/back.csv")["Body"].read().startswith(b"USER_ID,")
    storage.delete_object(Bucket="shop", Key="events.csv")
    assert "Invalid Data location." in imported(client, events, "day-2")["failureReason"]
    assert group in {resource["datasetGroupArn"] for resource in client.list_dataset_groups()["datasetGroups"]}


@mock_aws
def test_metrics_of_live_events_reach_moto_s_cloudwatch() -> None:
    with personalize() as aws:
        group, _ = dataset(aws.personalize)
        views = [{"eventType": "View", "metricName": "views", "expression": "SAMPLECOUNT()"}]
        sums = {"name": "sums", "datasetGroupArn": group, "metricsOutputConfig": {"roleArn": ROLE}}
        aws.personalize.create_metric_attribution(**sums, metrics=views)  # type: ignore[arg-type]
        tracker = aws.personalize.create_event_tracker(name="live", datasetGroupArn=group)["trackingId"]
        seen = {"eventType": "View", "itemId": "i1", "sentAt": aws.clock.now()}
        seen["metricAttribution"] = {"eventAttributionSource": "front-page"}
        aws.events.put_events(trackingId=tracker, sessionId="s", userId="u1", eventList=[seen])  # type: ignore[list-item]
        aws.clock.advance(minutes=16)
        (metric,) = boto3.client("cloudwatch").list_metrics()["Metrics"]
        assert (metric["MetricName"], metric["Dimensions"][1]["Value"]) == ("views", "front-page")


def test_another_process_finds_the_engine(aws: Personalize) -> None:
    statements = (
        "import boto3; print(boto3.client('personalize').meta.region_name, boto3.client('personalize').list_recipes())"
    )
    told = subprocess.run(
        [sys.executable, "-c", statements], env=aws.environment, check=True, capture_output=True, text=True
    )
    assert told.stdout.startswith("us-east-1 {'recipes': [{")


@mock_personalize(dataset_groups=1)
@mock_aws
def test_decorators_take_options_and_any_order() -> None:
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.client("personalize", region_name="us-east-1", config=once)
    client.create_dataset_group(name="one")
    assert code(client.create_dataset_group, name="two") == "LimitExceededException"


def test_an_async_test_has_an_engine_until_its_end() -> None:
    @mock_personalize
    async def groups() -> int:
        await asyncio.sleep(0)
        return len(boto3.client("personalize", region_name="us-east-1").list_dataset_groups()["datasetGroups"])

    assert asyncio.run(groups()) == 0


@mock_personalize
class TestEachHasAnEngine:
    def setup_method(self) -> None:
        self.client = boto3.client("personalize", region_name="us-east-1")
        self.client.create_dataset_group(name="shop")

    def test_one(self) -> None:
        assert self.client.list_dataset_groups()["datasetGroups"]

    def test_another(self) -> None:
        self.client.create_dataset_group(name="other")
        assert len(self.client.list_dataset_groups()["datasetGroups"]) == 2


@mock_personalize
@mock_aws
class TestEachHasAnEngineAndMoto:
    def setup_method(self, method: Argument) -> None:
        self.bucket = method.__name__.replace("_", "-")
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=self.bucket)

    def teardown_method(self) -> None:
        assert boto3.client("personalize").list_dataset_groups()["datasetGroups"] == []

    def test_both_are_there(self) -> None:
        (bucket,) = boto3.client("s3").list_buckets()["Buckets"]
        assert bucket["Name"] == self.bucket
        assert boto3.client("personalize").list_schemas()["schemas"] == []


@mock_personalize
class TestOfTheStandardLibrary(unittest.TestCase):
    def setUp(self) -> None:
        self.client = boto3.client("personalize", region_name="us-east-1")
        self.client.create_dataset_group(name="shop")

    def test_an_engine_is_there_from_set_up_on(self) -> None:
        assert len(self.client.list_dataset_groups()["datasetGroups"]) == 1


@pytest.mark.personalize(region="eu-central-1", step_seconds=60)
def test_the_fixture_takes_options_by_marker(personalize: Personalize) -> None:
    group = boto3.client("personalize").create_dataset_group(name="shop")["datasetGroupArn"]
    assert group.split(":")[3] == personalize.region == "eu-central-1"
    shown = personalize.personalize.describe_dataset_group(datasetGroupArn=group)
    assert shown["datasetGroup"]["status"] == "CREATE PENDING"
