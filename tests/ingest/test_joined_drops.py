# SPDX-License-Identifier: Apache-2.0
"""Incremental drops that are imported together: one that is refused costs its own rows alone, and leaves no copy."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.errors import Rejected
from personalization.ingest import sales

from functions.validate_drop import app
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, Drop, Event, interactions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

FOLDER = "drops/demo/interactions/incremental/"
COLUMNS = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE")
SCHEMA = {"fields": [{"name": name, "type": "long" if name == "TIMESTAMP" else "string"} for name in COLUMNS]}
GOOD, BAD = interactions(700), "USER_ID,ITEM_ID\nu1,i1\n"


@pytest.fixture
def existing(personalize: FakePersonalize) -> None:
    """A shop that has interactions."""
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": "ECOMMERCE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    personalize.says("DescribeSchema", {"schema": {"schema": json.dumps(SCHEMA)}})


def dropped(drop: Drop, *contents: str) -> Event:
    """The request to check several files, of which the first one is the newest."""
    events = [drop(f"{FOLDER}{number}.csv", content) for number, content in enumerate(contents)]
    also = [{"id": str(number), "key": event["key"]} for number, event in enumerate(events)]
    return {**events[0], "id": "0", "also": also[1:]}


def handler(event: Event) -> Any:  # noqa: ANN401 - the plan's JSON
    return app.handler(event, None)


def copies(bucket: "S3Client") -> list[str]:
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/").get("Contents", [])
    return [entry["Key"].rpartition("/")[2] for entry in listed]


@pytest.mark.usefixtures("existing")
def test_files_that_are_imported_together_are_parts_of_one_copy(drop: Drop, bucket: "S3Client") -> None:
    plan = handler(dropped(drop, GOOD, GOOD, GOOD))
    assert (plan["rows"], plan["leftOut"]) == (2100, [])
    assert copies(bucket) == ["part-0.csv", "part-1.csv", "part-2.csv"]


@pytest.mark.usefixtures("existing")
@pytest.mark.parametrize(("contents", "bad"), [((GOOD, BAD, GOOD), 1), ((BAD, GOOD, GOOD), 0), ((GOOD, GOOD, BAD), 2)])
def test_one_that_is_refused_is_left_out(contents: tuple[str, ...], bad: int, drop: Drop, bucket: "S3Client") -> None:
    event = dropped(drop, *contents)
    stale = f"imports/demo/{event['run']}/interactions/part-{bad}.csv"
    bucket.put_object(Bucket=BUCKET, Key=stale, Body=b"of an attempt before this one")
    plan = handler(event)
    assert plan["rows"] == 1400
    (left,) = plan["leftOut"]
    assert (left["id"], left["outcome"], "TIMESTAMP" in left["reason"]) == (str(bad), "refused", True)
    assert copies(bucket) == [f"part-{part}.csv" for part in range(3) if part != bad]


@pytest.mark.usefixtures("existing")
def test_nothing_is_left_where_all_are_refused(drop: Drop, bucket: "S3Client") -> None:
    with pytest.raises(Rejected, match=r"0\.csv: .*TIMESTAMP.*1\.csv: .*TIMESTAMP"):
        handler(dropped(drop, BAD, BAD))
    assert copies(bucket) == []


class Jobs:
    """Several files under a small quota: what their plan imports, and what it does when a run goes on with it."""

    def __init__(self, bucket: "S3Client", monkeypatch: pytest.MonkeyPatch, personalize: FakePersonalize) -> None:
        self.bucket, self.personalize = bucket, personalize
        self.quota = monkeypatch

    def checked(self, event: Event, quota: int) -> dict[str, Any]:
        self.quota.setenv("INCREMENTAL_IMPORT_BYTES", str(quota))
        plan: dict[str, Any] = handler(event)
        return plan

    def copies(self, plan: dict[str, Any]) -> list[list[bytes]]:
        """Of each job the bytes of all its copies."""
        folders = [job["dataLocation"].partition(f"{BUCKET}/")[2] for job in (plan["importJob"], *plan["further"])]
        return [[self.read(key) for key in self.keys(folder)] for folder in folders]

    def rows(self, plan: dict[str, Any]) -> list[list[bytes]]:
        return [[row for data in job for row in data.splitlines()[1:]] for job in self.copies(plan)]

    def keys(self, folder: str) -> list[str]:
        return [
            content["Key"] for content in self.bucket.list_objects_v2(Bucket=BUCKET, Prefix=folder).get("Contents", [])
        ]

    def read(self, key: str) -> bytes:
        return self.bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def states(self, *names: str) -> None:
        """What Personalize says of import jobs, one after the other; "" for one that is not there."""
        for status in names:
            if status:
                self.personalize.says("DescribeDatasetImportJob", {"datasetImportJob": {"status": status}})
            else:
                self.personalize.fails("DescribeDatasetImportJob", "ResourceNotFoundException")


@pytest.fixture
def jobs(
    bucket: "S3Client",
    monkeypatch: pytest.MonkeyPatch,
    personalize: FakePersonalize,
    existing: None,  # noqa: ARG001 - the shop
) -> Jobs:
    return Jobs(bucket, monkeypatch, personalize)


def numbered(first: int, rows: int) -> str:
    """Interactions, none of which is like another."""
    lines = (f"u{number},i{number % 50},{1_700_000_000 + number},View,1" for number in range(first, first + rows))
    return "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n" + "\n".join(lines) + "\n"


THREE = (numbered(10_000, 1_500), numbered(20_000, 1_500), numbered(30_000, 1_500))
ALL = sorted(row for content in THREE for row in content.encode().splitlines()[1:])


def test_files_that_exceed_an_incremental_job_together_are_imported_by_several(drop: Drop, jobs: Jobs) -> None:
    plan = jobs.checked(dropped(drop, *THREE), 70_000)
    rows = jobs.rows(plan)
    assert len(rows) == 3
    assert sorted(row for job in rows for row in job) == ALL
    assert (plan["rows"], plan["leftOut"], min(map(len, rows)) >= 1000) == (4500, [], True)
    assert all(sum(map(len, job)) <= 70_000 for job in jobs.copies(plan))
    names = [job["name"] for job in (plan["importJob"], *plan["further"])]
    assert [name.rpartition("-")[2] for name in names] == ["p1", "p2", "p3"]
    assert "imported by 3 jobs, one after the other: together the data exceed one incremental job" in plan["notes"]
    keys_left = jobs.keys("likelihood/demo/inputs/interactions/")
    assert sorted(row for key in keys_left for row in jobs.read(key).splitlines()[1:]) == ALL


def test_one_file_that_exceeds_a_job_is_cut_and_a_packed_one_is_measured_unpacked(drop: Drop, jobs: Jobs) -> None:
    plan = jobs.checked({**drop(f"{FOLDER}1.csv.gz", numbered(10_000, 5_000)), "id": "0"}, 70_000)
    rows = jobs.rows(plan)
    assert (sum(map(len, rows)), len(rows), min(map(len, rows)) >= 1000) == (5000, 3, True)


def test_too_few_rows_for_a_job_of_their_own_wait_for_the_next_run(drop: Drop, jobs: Jobs) -> None:
    few = numbered(40_000, 300)
    most = len(THREE[0]) + 200
    event = dropped(drop, THREE[0], few)
    plan = jobs.checked(event, most)
    assert (plan["rows"], plan["further"], [len(job) for job in jobs.rows(plan)]) == (1500, [], [1500])
    (left,) = plan["leftOut"]
    assert (left["id"], left["outcome"], "too few rows" in left["reason"]) == ("1", "later", True)
    assert len(jobs.keys("likelihood/demo/inputs/interactions/")) == 1
    # The next run counts what was sold in them; this one doesn't.
    assert sales.history(jobs.keys("catalogue/demo/sold/")) == 1500
    # The job of a run that was killed has none of them, however much room there is now.
    jobs.states("ACTIVE")
    again = jobs.checked({**event, "run": "run-2", "importedBy": [event["run"]]}, 1_000_000_000)
    assert (again["rows"], again["leftOut"], jobs.rows(again)) == (1500, plan["leftOut"], jobs.rows(plan))
    assert [job["name"] for job in again["importJob"]["earlier"]] == [plan["importJob"]["name"]]


def test_a_refused_file_leaves_nothing_in_any_job(drop: Drop, jobs: Jobs) -> None:
    bad = numbered(20_000, 2_000) + "u1,,,,\n" * 100
    plan = jobs.checked(dropped(drop, THREE[0], bad, THREE[2]), 70_000)
    assert [left["outcome"] for left in plan["leftOut"]] == ["refused"]
    rows = jobs.rows(plan)
    assert sorted(row for job in rows for row in job) == sorted(
        row for content in (THREE[0], THREE[2]) for row in content.encode().splitlines()[1:]
    )
    assert len(rows) == 2


def test_a_run_that_goes_on_cuts_where_the_first_did_and_finds_its_jobs(drop: Drop, jobs: Jobs) -> None:
    event = dropped(drop, *THREE)
    first = jobs.checked({**event, "run": "run-1"}, 70_000)
    again = {**event, "run": "run-2", "importedBy": ["run-1"]}
    jobs.states("ACTIVE")
    second = jobs.checked(again, 1_000_000_000)
    assert jobs.rows(second) == jobs.rows(first)
    pairs = zip((first["importJob"], *first["further"]), (second["importJob"], *second["further"]), strict=True)
    assert all([job["name"] for job in later["earlier"]] == [earlier["name"]] for earlier, later in pairs)
    # A third run finds both.
    third = jobs.checked({**event, "run": "run-3", "importedBy": ["run-1", "run-2"]}, 1_000_000_000)
    assert (jobs.rows(third), len(third["importJob"]["earlier"])) == (jobs.rows(first), 2)


@pytest.mark.parametrize("status", ["", "CREATE FAILED"])
def test_a_run_that_goes_on_where_nothing_was_imported_cuts_anew(status: str, drop: Drop, jobs: Jobs) -> None:
    event = dropped(drop, *THREE)
    first = jobs.checked({**event, "run": "run-1"}, 1_000_000_000)
    jobs.states(status)
    second = jobs.checked({**event, "run": "run-2", "importedBy": ["run-1"]}, 70_000)
    assert (len(first["further"]), len(second["further"]), second["importJob"]["earlier"]) == (0, 2, [])


def test_a_run_that_goes_on_with_one_that_imported_all_at_once_cuts_nothing(drop: Drop, jobs: Jobs) -> None:
    event = dropped(drop, *THREE)
    first = jobs.checked({**event, "run": "run-1"}, 1_000_000_000)
    jobs.states("ACTIVE")
    second = jobs.checked({**event, "run": "run-2", "importedBy": ["run-1"]}, 70_000)
    assert (second["further"], second["importJob"]["earlier"][0]["name"]) == ([], first["importJob"]["name"])
    assert jobs.rows(second) == jobs.rows(first)


def test_what_needs_too_many_jobs_is_refused_with_a_way_out(drop: Drop, jobs: Jobs) -> None:
    with pytest.raises(Rejected, match="more than 10 import jobs of 70,000 bytes: drop it as several smaller files"):
        jobs.checked({**drop(f"{FOLDER}1.csv", numbered(10_000, 25_000)), "id": "0"}, 70_000)
    assert jobs.keys("imports/") == []


def test_parts_of_a_folder_fill_jobs_as_one_file_and_beside_others(drop: Drop, jobs: Jobs) -> None:
    header, *rows = numbered(50_000, 2_500).splitlines(keepends=True)
    for part in range(5):
        drop(f"{FOLDER}autumn/part-{part}.csv", header + "".join(rows[part * 500 : part * 500 + 500]))
    folder = {**drop(f"{FOLDER}autumn/_SUCCESS", ""), "id": "0"}
    lone = drop(f"{FOLDER}1.csv", THREE[0])
    event = {**folder, "also": [{"id": "1", "key": lone["key"]}], "run": "run-1"}
    plan = jobs.checked(event, 70_000)
    assert (plan["rows"], plan["leftOut"], [len(job) >= 1000 for job in jobs.rows(plan)]) == (4_000, [], [True] * 3)
    expected = sorted(row.encode().strip() for row in (*rows, *THREE[0].splitlines()[1:]))
    assert sorted(row for job in jobs.rows(plan) for row in job) == expected
    # A run that goes on cuts within the same parts.
    jobs.states("ACTIVE")
    again = jobs.checked({**event, "run": "run-2", "importedBy": ["run-1"]}, 1_000_000_000)
    assert jobs.rows(again) == jobs.rows(plan)
