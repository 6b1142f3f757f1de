# SPDX-License-Identifier: Apache-2.0
"""What may be deleted, and when: each sentence of AWS's page "Deleting a dataset" and of the Delete operations."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from personalize_local.testing import FaultDoor

from engine.tests.harness import Argument, Aws, StillAws, until
from engine.tests.names import RECIPE, ROLE
from engine.tests.shop_data import columns, interactions, write_csv

OUTPUT: Any = {"s3DataDestination": {"path": "s3://deletions/out/"}}
S3: Any = {"s3DataSource": {"path": "s3://deletions/in.json"}}
TYPES = ("Interactions", "Items", "Users")


@pytest.fixture
def door(still: StillAws) -> Iterator[FaultDoor]:
    faults = FaultDoor(still.engine.url)
    yield faults
    faults.clear()


@pytest.fixture
def aws(still: StillAws) -> Aws:
    """A region of an engine whose clock stands still; the fixture `door` moves it."""
    return still


def datasets(aws: Aws, group: str, *types: str, **options: Argument) -> dict[str, str]:
    return {kind: aws.dataset(group, kind, **options) for kind in types or TYPES}


def refused(aws: Aws, dataset: str, because: str) -> None:
    """A dataset can't be deleted because of something, by its ARN."""
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match=because.rpartition(":")[2]):
        aws.control.delete_dataset(datasetArn=dataset)


def test_all_filters_are_deleted_before_any_dataset(aws: Aws) -> None:
    group = aws.group()
    remaining = datasets(aws, group)
    blocking = aws.filter(group, "INCLUDE ItemID WHERE Items.PRICE > 1")
    for dataset in remaining.values():
        refused(aws, dataset, blocking)
    aws.delete("Filter", blocking)
    aws.delete("Dataset", remaining["Users"])


def test_the_event_tracker_is_deleted_before_the_interactions(aws: Aws) -> None:
    group = aws.group()
    remaining = datasets(aws, group)
    tracker = aws.control.create_event_tracker(name="events", datasetGroupArn=group)["eventTrackerArn"]
    aws.delete("Dataset", remaining["Items"])
    refused(aws, remaining["Interactions"], tracker)
    aws.settle("EventTracker", tracker)
    aws.delete("EventTracker", tracker)
    assert aws.status("Dataset", remaining["Interactions"]) == "ACTIVE", "a tracker takes no dataset with it"
    aws.delete("Dataset", remaining["Interactions"])


def test_a_metric_attribution_is_deleted_before_the_datasets_that_it_names(aws: Aws) -> None:
    group = aws.group()
    remaining = datasets(aws, group)
    metrics: Any = [{"eventType": "View", "metricName": "worth", "expression": "SUM(Items.PRICE)"}]
    made = aws.control.create_metric_attribution(
        name="sums", datasetGroupArn=group, metrics=metrics, metricsOutputConfig=OUTPUT | {"roleArn": ROLE}
    )["metricAttributionArn"]
    aws.settle("MetricAttribution", made)
    refused(aws, remaining["Items"], made)
    refused(aws, remaining["Interactions"], made)
    aws.delete("Dataset", remaining["Users"])
    aws.delete("MetricAttribution", made)
    aws.delete("Dataset", remaining["Items"])


def importing(aws: Aws, _group: str, dataset: str) -> tuple[str, str]:
    return "DatasetImportJob", aws.begin_import(dataset, "s3://deletions/none.csv")


def exporting(aws: Aws, _group: str, dataset: str) -> tuple[str, str]:
    made = aws.control.create_dataset_export_job(jobName="out", datasetArn=dataset, jobOutput=OUTPUT, roleArn=ROLE)
    return "DatasetExportJob", made["datasetExportJobArn"]


def training(aws: Aws, group: str, _dataset: str) -> tuple[str, str]:
    solution = aws.solution(group, "aws-popularity-count", performAutoTraining=False)
    return "SolutionVersion", aws.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]


def recommending(aws: Aws, group: str, _dataset: str) -> tuple[str, str]:
    recipe = RECIPE + "aws-ecomm-popular-items-by-views"
    made = aws.control.create_recommender(name="views", datasetGroupArn=group, recipeArn=recipe)
    return "Recommender", made["recommenderArn"]


@pytest.mark.parametrize("begin", [importing, exporting, training, recommending])
def test_no_job_on_a_dataset_is_pending_or_in_progress(
    aws: Aws, door: FaultDoor, begin: Callable[[Aws, str, str], tuple[str, str]]
) -> None:
    domain = {"domain": "ECOMMERCE"} if begin is recommending else {}
    group = aws.group(**domain)
    dataset = datasets(aws, group, "Interactions", **domain)["Interactions"]
    door.add("neverEnd", resource=f"*{aws.region}*")
    noun, arn = begin(aws, group, dataset)
    refused(aws, dataset, arn)
    door.advance(StillAws.STEP)
    until(lambda: aws.status(noun, arn) == "CREATE IN_PROGRESS", "a job")
    refused(aws, dataset, arn)
    door.clear()
    door.add("createFailed", resource=f"*{aws.region}*")
    until(lambda: aws.status(noun, arn) in {"CREATE FAILED", "ACTIVE"}, "its end")
    door.clear()
    aws.delete("Dataset", dataset)


@pytest.fixture
def trained(aws: Aws) -> tuple[str, str, str]:
    """A dataset group with nothing but Interactions and a version; the dataset and the version."""
    write_csv(aws.engine.s3_root / "deletions/a.csv", columns("Interactions"), interactions())
    group = aws.group()
    dataset = datasets(aws, group, "Interactions")["Interactions"]
    aws.imported(dataset, "s3://deletions/a.csv")
    return group, dataset, aws.version(aws.solution(group, "aws-popularity-count", performAutoTraining=False))


def test_no_campaign_is_pending_in_progress_or_active(aws: Aws, door: FaultDoor, trained: tuple[str, str, str]) -> None:
    _, dataset, version = trained
    door.add("neverEnd", "CreateCampaign", f"*{aws.region}*")
    campaign = aws.control.create_campaign(name="shop", solutionVersionArn=version)["campaignArn"]
    refused(aws, dataset, campaign)
    door.advance(StillAws.STEP)
    until(lambda: aws.status("Campaign", campaign) == "CREATE IN_PROGRESS", "deployment")
    refused(aws, dataset, campaign)
    door.clear()
    aws.settle("Campaign", campaign)
    refused(aws, dataset, campaign)
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match=campaign.rpartition(":")[2]):
        aws.control.delete_solution(solutionArn=version.rpartition("/")[0])
    aws.delete("Campaign", campaign)
    door.add("createFailed", "CreateCampaign", f"*{aws.region}*")
    failed = aws.control.create_campaign(name="failed", solutionVersionArn=version)["campaignArn"]
    aws.settle("Campaign", failed, "CREATE FAILED")
    aws.delete("Dataset", dataset)
    assert aws.status("SolutionVersion", version) == "ACTIVE", "a version outlives its datasets"


def test_no_batch_job_is_pending_or_in_progress(aws: Aws, door: FaultDoor, trained: tuple[str, str, str]) -> None:
    _, dataset, version = trained
    door.add("neverEnd", "CreateBatchInferenceJob", f"*{aws.region}*")
    job = aws.control.create_batch_inference_job(
        jobName="batch", solutionVersionArn=version, jobInput=S3, jobOutput=OUTPUT, roleArn=ROLE
    )["batchInferenceJobArn"]
    refused(aws, dataset, job)
    door.advance(StillAws.STEP)
    until(lambda: aws.status("BatchInferenceJob", job) == "CREATE IN_PROGRESS", "a job")
    refused(aws, dataset, job)
    door.clear()
    aws.settle("BatchInferenceJob", job, "CREATE FAILED")
    aws.delete("Dataset", dataset)


def test_a_dataset_group_loses_trackers_solutions_and_datasets_first(aws: Aws) -> None:
    group = aws.group()

    def in_use(because: str) -> None:
        with pytest.raises(aws.control.exceptions.ResourceInUseException, match=because.rpartition(":")[2]):
            aws.control.delete_dataset_group(datasetGroupArn=group)

    dataset = datasets(aws, group, "Interactions")["Interactions"]
    in_use(dataset)
    solution = aws.solution(group, "aws-popularity-count", performAutoTraining=False)
    tracker = aws.control.create_event_tracker(name="events", datasetGroupArn=group)["eventTrackerArn"]
    aws.settle("EventTracker", tracker)
    aws.delete("EventTracker", tracker)
    aws.delete("Dataset", dataset)
    in_use(solution)
    aws.delete("Solution", solution)
    aws.delete("DatasetGroup", group)


@pytest.mark.parametrize("strictly", [False, True])
def test_a_group_is_deleted_right_after_its_tracker_unless_the_engine_is_strict(
    still: StillAws, strict: StillAws, *, strictly: bool
) -> None:
    aws = strict if strictly else still
    group = aws.group()
    tracker = aws.control.create_event_tracker(name="events", datasetGroupArn=group)["eventTrackerArn"]
    aws.settle("EventTracker", tracker)
    aws.control.delete_event_tracker(eventTrackerArn=tracker)
    assert aws.status("EventTracker", tracker) == "DELETE PENDING"
    if strictly:
        with pytest.raises(aws.control.exceptions.ResourceInUseException, match="event-tracker"):
            aws.control.delete_dataset_group(datasetGroupArn=group)
    else:
        aws.delete("DatasetGroup", group)
        assert aws.status("EventTracker", tracker) == ""


def test_a_solution_waits_for_its_update(aws: Aws) -> None:
    solution = aws.solution(aws.group(), "aws-popularity-count", performAutoTraining=False)
    aws.control.update_solution(solutionArn=solution, performAutoTraining=True)
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match="being updated"):
        aws.control.delete_solution(solutionArn=solution)
