# SPDX-License-Identifier: Apache-2.0
"""Dataset import jobs: where they read, what FULL and INCREMENTAL mean, and how they fail."""

from pathlib import Path
from typing import Any

import pytest

from engine.tests.harness import Aws, StillAws
from engine.tests.names import ROLE
from engine.tests.shop_data import columns, interactions, write_csv, write_shop


@pytest.fixture
def dataset(aws: Aws) -> str:
    """An empty Interactions dataset."""
    return aws.dataset(aws.group(), "Interactions")


def drop(bucket: Path, name: str, rows: list[tuple[object, ...]]) -> str:
    """Write interactions; returns their location."""
    write_csv(bucket / name, columns("Interactions"), rows)
    return f"s3://{bucket.name}/{name}"


def test_job_is_described_as_made(aws: Aws, dataset: str, bucket: Path) -> None:
    location = drop(bucket, "a.csv", interactions())
    job = aws.imported(dataset, location, "job", tags=[{"tagKey": "k", "tagValue": "v"}])
    description = aws.control.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]
    assert job.endswith(":dataset-import-job/job")
    assert (description["jobName"], description["importMode"], description["dataSource"]["dataLocation"]) == (
        "job",
        "FULL",
        location,
    )
    assert aws.control.list_dataset_import_jobs(datasetArn=dataset)["datasetImportJobs"][0]["status"] == "ACTIVE"


def test_folder_is_read_on_its_first_level_only(aws: Aws, dataset: str, bucket: Path) -> None:
    drop(bucket, "days/1.csv", interactions(30))
    drop(bucket, "days/2.csv", interactions(60)[600:])
    write_csv(bucket / "days/deeper/3.csv", ["NONSENSE"], [])
    aws.imported(dataset, f"s3://{bucket.name}/days/")


@pytest.mark.parametrize("key", ["none.csv", "none/", "../secret.csv", ""])
def test_location_without_anything_fails_the_job(aws: Aws, dataset: str, bucket: Path, key: str) -> None:
    bucket.mkdir(parents=True)
    (bucket.parent / "secret.csv").write_text("x\n")
    reason = aws.failed_import(dataset, f"s3://{bucket.name}/{key}")
    assert reason.startswith(f"Failed to create a data import job for INTERACTIONS dataset {dataset}.")
    assert reason.endswith("Invalid Data location.")


def test_missing_columns_are_named(aws: Aws, dataset: str, bucket: Path) -> None:
    write_csv(bucket / "a.csv", ["USER_ID", "ITEM_ID", "EVENT_TYPE"], [("u", "i", "View")])
    reason = aws.failed_import(dataset, f"s3://{bucket.name}/a.csv")
    assert "Input CSV is missing the following columns: [" in reason
    assert "TIMESTAMP" in reason


def test_failed_job_can_be_followed_by_another(aws: Aws, dataset: str, bucket: Path) -> None:
    aws.failed_import(dataset, f"s3://{bucket.name}/a.csv", "first")
    aws.imported(dataset, drop(bucket, "a.csv", interactions()), "second")


def test_first_import_must_be_full(aws: Aws, dataset: str, bucket: Path) -> None:
    location = drop(bucket, "a.csv", interactions())
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="must be FULL"):
        aws.begin_import(dataset, location, importMode="INCREMENTAL")


def test_import_needs_a_role_and_a_location(aws: Aws, dataset: str) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="roleArn"):
        aws.control.create_dataset_import_job(jobName="x", datasetArn=dataset, dataSource={"dataLocation": "s3://b/k"})
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="dataLocation"):
        aws.control.create_dataset_import_job(jobName="x", datasetArn=dataset, dataSource={}, roleArn=ROLE)


def test_incremental_adds_and_full_replaces(aws: Aws, bucket: Path) -> None:
    group = aws.group()
    dataset = aws.dataset(group, "Interactions")
    everything, later = interactions(), interactions(start=1_700_000_000)
    aws.imported(dataset, drop(bucket, "a.csv", everything), "a")
    aws.imported(dataset, drop(bucket, "b.csv", [("extra", *row[1:]) for row in later]), "b", importMode="INCREMENTAL")
    campaign = aws.campaign(aws.version(aws.solution(group, "aws-popularity-count")))
    seen: Any = {"filterArn": aws.filter(group, 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')}
    assert aws.recommended(campaign, userId="extra", numResults=40, **seen) == []
    assert len(aws.recommended(campaign, userId="u0", numResults=40, **seen)) == 20
    aws.imported(dataset, drop(bucket, "a.csv", everything), "c")
    assert len(aws.recommended(campaign, userId="extra", numResults=40, **seen)) == 40


def test_an_incremental_import_has_a_quota_of_bytes(still: StillAws) -> None:
    dataset, bucket = still.dataset(still.group(), "Interactions"), still.engine.s3_root / "b"
    still.imported(dataset, drop(bucket, "all.csv", interactions(60)), "full")
    for name, rows in (
        ("two/1.csv", interactions(60)),
        ("two/2.csv", interactions(30)),
        ("one/1.csv", interactions()),
    ):
        drop(bucket, name, rows)
    size = sum(file.stat().st_size for file in (bucket / "two").iterdir())
    assert size > 50_000 > (bucket / "one/1.csv").stat().st_size
    reason = still.failed_import(dataset, "s3://b/two/", "two", importMode="INCREMENTAL")
    assert reason.endswith(f"larger than the quota of this import: {size} bytes of 50000.")
    still.imported(dataset, "s3://b/one/", "one", importMode="INCREMENTAL")


def test_imports_at_the_same_time_publish_all_their_rows(aws: Aws, bucket: Path) -> None:
    group = aws.group()
    write_shop(bucket)
    datasets = {kind: aws.dataset(group, kind) for kind in ("Interactions", "Items", "Users")}
    jobs = [
        aws.begin_import(dataset, f"s3://{bucket.name}/{kind.lower()}.csv", kind) for kind, dataset in datasets.items()
    ]
    for job in jobs:
        aws.settle("DatasetImportJob", job)
    campaign = aws.campaign(aws.version(aws.solution(group, "aws-popularity-count")))
    for number, condition in enumerate(('Items.CATEGORY_L1 IN ("books")', 'Interactions.EVENT_TYPE IN ("View")')):
        only = aws.filter(group, f'INCLUDE ItemID WHERE {condition} IF CurrentUser.AGE_GROUP = "old"', f"f{number}")
        assert len(aws.recommended(campaign, userId="u0", numResults=40, filterArn=only)) == 20


def test_deleted_dataset_takes_its_jobs_and_rows_with_it(aws: Aws, bucket: Path) -> None:
    group = aws.group()
    dataset = aws.dataset(group, "Interactions")
    aws.imported(dataset, drop(bucket, "a.csv", interactions()))
    aws.control.delete_dataset(datasetArn=dataset)
    aws.settle("Dataset", dataset, "")
    assert aws.control.list_dataset_import_jobs()["datasetImportJobs"] == []
    aws.control.create_dataset(
        name="again", datasetType="Interactions", datasetGroupArn=group, schemaArn=aws.schema("Interactions", "again")
    )
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="must be FULL"):
        aws.begin_import(aws.settle("Dataset", dataset), "s3://b/k", importMode="INCREMENTAL")
