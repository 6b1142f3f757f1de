# SPDX-License-Identifier: Apache-2.0
"""Statuses on the clock: what may be done while a resource is not settled, and stopping a training."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from botocore import xform_name
from personalize_local.testing import FaultDoor

from engine.tests.harness import Aws, EngineProcess, StillAws, until
from engine.tests.names import RECIPE, arn_member
from engine.tests.shop import Shop, open_shop
from engine.tests.shop_data import columns, interactions, write_csv


@pytest.fixture
def aws(strict: StillAws) -> Aws:
    """A region of an engine whose clock stands still."""
    return strict


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Aws]:
    """A shop's engine of its own on a clock that runs."""
    with EngineProcess(tmp_path) as engine:
        yield Aws(engine, "here")


def workers(aws: Aws) -> list[psutil.Process]:
    assert isinstance(aws.engine, EngineProcess)
    return aws.engine.workers()


def kill(processes: list[psutil.Process]) -> None:
    """Kill processes; one may just have ended."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_everything_waits_for_an_active_dataset_group(aws: Aws) -> None:
    group = aws.control.create_dataset_group(name="shop")["datasetGroupArn"]
    schema, control = aws.schema("Items"), aws.control
    assert aws.status("DatasetGroup", group) == "CREATE PENDING"
    too_early: tuple[Callable[[], object], ...] = (
        lambda: control.create_dataset(name="x", schemaArn=schema, datasetGroupArn=group, datasetType="Items"),
        lambda: control.create_event_tracker(name="x", datasetGroupArn=group),
        lambda: control.create_solution(name="x", datasetGroupArn=group, recipeArn=RECIPE + "aws-sims"),
        lambda: control.delete_dataset_group(datasetGroupArn=group),
    )
    for create in too_early:
        with pytest.raises(control.exceptions.ResourceInUseException, match="CREATE PENDING"):
            create()
    with pytest.raises(control.exceptions.InvalidInputException, match="CREATE PENDING"):
        control.create_filter(name="x", datasetGroupArn=group, filterExpression="INCLUDE ItemID WHERE Items.A > 1")


def test_in_progress_comes_between_pending_and_active(strict: StillAws) -> None:
    group = strict.control.create_dataset_group(name="shop")["datasetGroupArn"]
    seen = [strict.status("DatasetGroup", group)]

    def moved_on() -> bool:
        return strict.status("DatasetGroup", group) != seen[-1]

    for _ in range(2):
        FaultDoor(strict.engine.url).advance(StillAws.STEP)
        until(moved_on, "another status")
        seen.append(strict.status("DatasetGroup", group))
    assert seen == ["CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE"]


def test_sixth_running_import_of_a_region_is_over_quota(aws: Aws) -> None:
    dataset = aws.dataset(aws.group(), "Interactions")
    for number in range(5):
        aws.begin_import(dataset, "s3://b/k", f"job{number}")
    with pytest.raises(aws.control.exceptions.LimitExceededException, match="More than 5 resources with PENDING"):
        aws.begin_import(dataset, "s3://b/k", "job5")
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match="job0"):
        aws.control.delete_dataset(datasetArn=dataset)


def test_pending_training_is_stopped_at_once_and_for_good(aws: Aws) -> None:
    group = aws.group()
    aws.dataset(group, "Interactions")
    solution = aws.solution(group, performAutoTraining=False)
    version = aws.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    with pytest.raises(aws.control.exceptions.ResourceInUseException):
        aws.control.delete_solution(solutionArn=solution)
    aws.control.stop_solution_version_creation(solutionVersionArn=version)
    assert aws.status("SolutionVersion", version) == "CREATE STOPPED"
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match="CREATE STOPPED"):
        aws.control.stop_solution_version_creation(solutionVersionArn=version)


def test_running_training_is_stopped_with_its_worker(prepared: Aws, tmp_path: Path) -> None:
    write_csv(tmp_path / "s3/b/a.csv", columns("Interactions"), interactions(600, 20))
    group = prepared.group()
    prepared.imported(prepared.dataset(group, "Interactions"), "s3://b/a.csv")
    version = prepared.control.create_solution_version(solutionArn=prepared.solution(group))["solutionVersionArn"]
    until(lambda: prepared.status("SolutionVersion", version) == "CREATE IN_PROGRESS", "training")
    running = workers(prepared)
    prepared.control.stop_solution_version_creation(solutionVersionArn=version)
    until(lambda: prepared.status("SolutionVersion", version) == "CREATE STOPPED", "stopped")
    until(lambda: not any(worker.is_running() for worker in running), "end of the worker")
    assert prepared.version(prepared.solution(group, "aws-popularity-count"))


def test_old_version_serves_while_an_update_is_pending(aws: Aws) -> None:
    shop = open_shop(aws, ["aws-popularity-count"])
    solution = shop.versions["aws-popularity-count"].rpartition("/")[0]
    second, campaign = aws.version(solution), shop.campaigns["aws-popularity-count"]
    aws.control.update_campaign(campaignArn=campaign, solutionVersionArn=second)
    description = aws.control.describe_campaign(campaignArn=campaign)["campaign"]
    assert (description["status"], description["latestCampaignUpdate"]["status"]) == ("ACTIVE", "CREATE PENDING")
    assert (description["solutionVersionArn"] == second, len(aws.recommended(campaign, userId="u0", numResults=3))) == (
        False,
        3,
    )
    for change in (aws.control.update_campaign, aws.control.delete_campaign):
        with pytest.raises(aws.control.exceptions.ResourceInUseException, match="being updated"):
            change(campaignArn=campaign)


def test_nothing_answers_before_it_is_active(aws: Aws) -> None:
    shop = open_shop(aws, ["aws-popularity-count"])
    version = shop.versions["aws-popularity-count"]
    campaign = aws.control.create_campaign(name="late", solutionVersionArn=version)["campaignArn"]
    with pytest.raises(aws.runtime.exceptions.ResourceNotFoundException, match="CREATE PENDING"):
        aws.recommended(campaign, userId="u0")
    expression = "INCLUDE ItemID WHERE Items.PRICE > 1"
    made = aws.control.create_filter(name="late", datasetGroupArn=shop.group, filterExpression=expression)
    with pytest.raises(aws.runtime.exceptions.InvalidInputException, match="CREATE PENDING"):
        aws.recommended(shop.campaigns["aws-popularity-count"], userId="u0", filterArn=made["filterArn"])


def test_deleted_resources_pass_through_delete_pending(aws: Aws) -> None:
    group = aws.group()
    dataset = aws.dataset(group, "Items")
    aws.control.delete_dataset(datasetArn=dataset)
    assert aws.status("Dataset", dataset) == "DELETE PENDING"
    with pytest.raises(aws.control.exceptions.ResourceInUseException):
        aws.control.delete_dataset(datasetArn=dataset)
    with pytest.raises(aws.events.exceptions.ResourceInUseException) as caught:
        aws.events.put_items(datasetArn=dataset, items=[{"itemId": "i"}])
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_what_is_being_deleted_is_no_user_any_more(still: StillAws, strict: StillAws) -> None:
    """AWS's own clean-up notebooks delete one after another without waiting; its API reference asks to wait."""
    deletions = _deletions(still)
    for noun, arn in deletions:
        getattr(still.control, f"delete_{xform_name(noun)}")(**{arn_member(noun): arn})
    group = deletions[-1][1]
    assert still.status("DatasetGroup", group) == "DELETE PENDING"
    still.settle("DatasetGroup", group, "")
    assert [still.status(noun, arn) for noun, arn in deletions if noun != "Schema"] == [""] * (len(deletions) - 1)
    deletions = _deletions(strict)
    for noun, arn in deletions[:2]:
        getattr(strict.control, f"delete_{xform_name(noun)}")(**{arn_member(noun): arn})
    with pytest.raises(strict.control.exceptions.ResourceInUseException, match=r"filter.*DELETE PENDING"):
        strict.control.delete_dataset(datasetArn=deletions[2][1])


def _deletions(aws: StillAws) -> list[tuple[str, str]]:
    """Make a shop; return its nouns and ARNs in the order in which they can go."""
    group = aws.group()
    dataset = aws.dataset(group, "Items")
    schema = aws.control.describe_dataset(datasetArn=dataset)["dataset"]["schemaArn"]
    tracker = aws.control.create_event_tracker(name="events", datasetGroupArn=group)["eventTrackerArn"]
    aws.settle("EventTracker", tracker)
    chosen = aws.filter(group, "INCLUDE ItemID WHERE Items.PRICE > 1")
    made = [("EventTracker", tracker), ("Filter", chosen), ("Dataset", dataset), ("Schema", schema)]
    return [*made, ("Solution", aws.solution(group)), ("DatasetGroup", group)]


def test_killed_worker_is_replaced_and_the_job_tried_again(shop: Shop) -> None:
    aws = shop.aws
    solution = aws.solution(shop.group, "aws-user-personalization", name="killed", performAutoTraining=False)
    version = aws.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    until(lambda: aws.status("SolutionVersion", version) != "CREATE PENDING", "training")
    kill(workers(aws))
    assert aws.settle("SolutionVersion", version)


def test_job_whose_worker_dies_twice_fails_with_the_reason(prepared: Aws, tmp_path: Path) -> None:
    write_csv(tmp_path / "s3/b/a.csv", columns("Interactions"), interactions())
    dataset = prepared.dataset(prepared.group(), "Interactions")
    jobs = [prepared.begin_import(dataset, "s3://b/a.csv")]

    def failed() -> bool:
        kill(workers(prepared))
        status = prepared.status("DatasetImportJob", jobs[-1])
        # On a busy machine a job may end before its workers are killed.
        if status == "ACTIVE":
            jobs.append(prepared.begin_import(dataset, "s3://b/a.csv", f"import-{len(jobs)}"))
        return status == "CREATE FAILED"

    until(failed, "CREATE FAILED")
    description = prepared.control.describe_dataset_import_job(datasetImportJobArn=jobs[-1])["datasetImportJob"]
    assert description["failureReason"].startswith("The worker process died 2 times")
