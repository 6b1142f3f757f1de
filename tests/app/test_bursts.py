# SPDX-License-Identifier: Apache-2.0
"""Many uploads and few runs: bursts, uploads during a run, repeated events, two shops at a time, a killed run."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from local.cloud.client import Upload
from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import PACE, until

FILES = {"interactions": retail.interactions(), "items": retail.items(), "users": retail.users()}
_FRESH = count(61)


def fresh_users() -> str:
    """Users as no file before has had them: the same bytes once more would be handled already."""
    return retail.users(next(_FRESH))


SMALL = "recipes: [popularity-count]\n"


SHOP, OTHER = "burst", "beside"


@pytest.fixture(scope="module", autouse=True)
def _gone_at_the_end(laptop: Laptop) -> Iterator[None]:
    """Personalize allows few dataset groups, and other tests need theirs."""
    yield
    for shop in (SHOP, OTHER):
        laptop.command("teardown", shop, "--yes", "--objects")


def upload(laptop: Laptop, kind: str, content: str, name: str, shop: str = SHOP) -> Upload:
    """Put a file into the bucket without waiting for what it starts."""
    before = set(laptop.client.runs.arns())
    key = f"drops/{shop}/{name if kind == 'settings' else f'{kind}/{name}'}"
    laptop.s3.put_object(Bucket=laptop.bucket, Key=key, Body=content.encode())
    return Upload(key, before)


def handled(run: Run) -> dict[str, str]:
    """The outcome of each drop of a run, by its kind."""
    return {drop["kind"]: drop["outcome"] for drop in run.output.get("drops", [])}


def claim(laptop: Laptop, name: str) -> dict[str, Any]:
    """The claim of the shop's file of that name; other tests' shops have files of the same one."""
    ours = [record for record in laptop.records() if str(record.get("key", "")).startswith(f"drops/{SHOP}/")]
    (claim,) = [record for record in ours if "state" in record and record["key"].endswith(name)]
    return dict(claim)


def jobs(laptop: Laptop) -> int:
    """How many import jobs the shop has had."""
    pages = laptop.personalize.get_paginator("list_dataset_import_jobs").paginate()
    return sum(f"-{SHOP}-" in job["jobName"] for page in pages for job in page["datasetImportJobs"])


def begun(laptop: Laptop, upload: Upload) -> Run:
    """The run of an upload, which has begun to import."""
    run = laptop.client.runs.started_by(upload.key, upload.before)
    until(lambda: "Ensure the dataset group" in json.dumps(laptop.history(run), default=str), "the run has begun")
    return run


def claimed(laptop: Laptop, uploads: list[Upload]) -> None:
    """Wait until all uploads are known."""
    keys = {upload.key for upload in uploads}
    until(lambda: {str(item.get("key")) for item in laptop.records()} >= keys, "all files are claimed")


def together(laptop: Laptop, *files: tuple[str, str, str]) -> Run:
    """The run that handles files (kind, content, name) which all came while another run was at work."""
    with laptop.faults.during("neverEnd", "CreateDatasetImportJob", f"*-{SHOP}-*"):
        begun(laptop, upload(laptop, "users", fresh_users(), "before.csv"))
        uploads = [upload(laptop, *file) for file in files]
        claimed(laptop, uploads)
    (arn,) = {laptop.wait_for_run(upload).arn for upload in uploads}
    return laptop.client.runs.describe(arn)


def test_a_burst_of_three_files_is_one_run(laptop: Laptop) -> None:
    cloud = laptop.cloud_faults
    # The burst settles for fifteen seconds, which is enough for a busy machine.
    cloud.scale_waits(15.0)
    upload(laptop, "settings", SMALL, "settings.yaml")
    uploads = [upload(laptop, kind, content, "data.csv") for kind, content in FILES.items()]
    claimed(laptop, uploads)
    cloud.scale_waits(PACE)
    runs = [laptop.wait_for_run(upload) for upload in uploads]
    assert len({run.arn for run in runs}) == 1
    assert (runs[0].status, runs[0].output["outcome"], runs[0].output["rows"]) == ("SUCCEEDED", "promoted", 1500)
    assert handled(runs[0]) == {"settings": "settings"} | dict.fromkeys(FILES, "imported")
    assert jobs(laptop) == 3
    assert "Item" not in laptop.shops.get_item(Key={"shop": SHOP, "record": "lease"})


def test_an_upload_during_a_run_is_handled_by_the_next(laptop: Laptop) -> None:
    before = jobs(laptop)
    with laptop.faults.during("neverEnd", "CreateDatasetImportJob", f"*-{SHOP}-*"):
        first = upload(laptop, "users", fresh_users(), "first.csv")
        run = begun(laptop, first)
        later = upload(laptop, "items", FILES["items"].replace("Garden", "Gardens"), "during.csv")
        claimed(laptop, [later])
    during = laptop.wait_for_run(later)
    assert laptop.wait_for_run(first).arn == run.arn != during.arn
    assert (during.name.split("-")[0], handled(during)) == ("continue", {"items": "imported"})
    assert {claim(laptop, name)["state"] for name in ("first.csv", "during.csv")} == {"done"}
    assert jobs(laptop) == before + 2


def test_an_event_that_is_repeated_does_nothing(laptop: Laptop) -> None:
    run, machine = laptop.drop(SHOP, "users", fresh_users(), "again.csv"), laptop.client.runs
    before, started = jobs(laptop), machine.client.describe_execution(executionArn=run.arn)["input"]
    again = machine.client.start_execution(stateMachineArn=machine.machine, input=started)
    repeated = laptop.ended(again["executionArn"])
    assert (repeated.status, repeated.output["outcome"], repeated.output["by"]) == (
        "SUCCEEDED", "alreadyHandled", run.name,
    )  # fmt: skip
    assert jobs(laptop) == before


def test_the_bytes_of_the_last_import_are_handled_already_whatever_they_are_called(laptop: Laptop) -> None:
    users = fresh_users()
    first, before = laptop.drop(SHOP, "users", users, "monday.csv"), jobs(laptop)
    assert handled(first) == {"users": "imported"}
    for name in ("monday.csv", "tuesday.csv"):
        same = laptop.drop(SHOP, "users", users, name)
        assert (same.status, same.output["outcome"], handled(same)) == (
            "SUCCEEDED", "alreadyHandled", {"users": "alreadyHandled"},
        )  # fmt: skip
        assert first.name in str(same.output["notes"])
    assert (claim(laptop, "tuesday.csv")["state"], first.name in claim(laptop, "tuesday.csv")["reason"]) == (
        "done",
        True,
    )
    assert jobs(laptop) == before
    # After another one it is none of the last import's any more.
    runs = [laptop.drop(SHOP, "users", content, "wednesday.csv") for content in (fresh_users(), users)]
    assert [handled(run) for run in runs] == [{"users": "imported"}] * 2
    assert jobs(laptop) == before + 2


def test_shops_do_not_wait_for_each_other(laptop: Laptop) -> None:
    with laptop.faults.during("neverEnd", "CreateDatasetImportJob", f"*-{SHOP}-*"):
        held = begun(laptop, upload(laptop, "users", fresh_users(), "both.csv"))
        other = laptop.wait_for_run(upload(laptop, "users", fresh_users(), "both.csv", OTHER))
        assert other.status == "SUCCEEDED"
        assert laptop.client.runs.describe(held.arn).status == "RUNNING"
    assert laptop.ended(held.arn).status == "SUCCEEDED"


def test_what_a_killed_run_had_taken_is_handled_by_another(laptop: Laptop) -> None:
    run = begun(laptop, upload(laptop, "users", fresh_users(), "killed.csv"))
    laptop.client.runs.client.stop_execution(executionArn=run.arn)
    # The rule on stopped runs starts the sweep, and the sweep a run.
    until(lambda: bool(claim(laptop, "killed.csv")["state"] == "done"), "another run has handled the file")
    assert str(claim(laptop, "killed.csv")["run"]).split("-")[0] == "continue"
    assert laptop.client.runs.describe(run.arn).status == "ABORTED"


def test_a_refused_file_does_not_stop_the_others(laptop: Laptop) -> None:
    run = together(laptop, ("users", fresh_users(), "good.csv"), ("items", "", "empty.csv"))
    assert (run.status, handled(run)) == ("SUCCEEDED", {"users": "imported", "items": "refused"})
    assert "empty" in claim(laptop, "items/empty.csv")["reason"]


def test_a_refused_file_beside_settings_fails_the_run_and_the_settings_hold(laptop: Laptop) -> None:
    run = together(laptop, ("settings", SMALL, "settings.yml"), ("items", "", "void.csv"))
    assert run.status == "FAILED"
    assert "void.csv" in run.reason
    assert (claim(laptop, "settings.yml")["state"], claim(laptop, "void.csv")["state"]) == ("done", "refused")


def test_too_little_is_held_and_joined_with_the_next(laptop: Laptop) -> None:
    header, *rows = retail.interactions(events_each=50).splitlines()
    halves = ["\n".join([header, *rows[start : start + 600]]) for start in (0, 600)]
    held = laptop.drop(SHOP, "interactions", halves[0], "one.csv", incremental=True)
    assert (held.status, held.output["outcome"]) == ("SUCCEEDED", "held"), held.reason
    assert any("1,000" in note for note in held.output["notes"])
    joined = laptop.drop(SHOP, "interactions", halves[1], "two.csv", incremental=True)
    assert (joined.status, joined.output["rows"]) == ("SUCCEEDED", 1200), joined.reason
    assert {claim(laptop, name)["state"] for name in ("one.csv", "two.csv")} == {"done"}
    assert "one.csv is imported together with it" in json.dumps(joined.output["notes"])


def test_of_joined_files_the_one_that_is_refused_does_not_stop_the_others(laptop: Laptop) -> None:
    whole = retail.interactions(events_each=60).splitlines()
    more = "\n".join([whole[0], *whole[-1200:]])
    run = together(
        laptop,
        ("interactions/incremental", more, "whole.csv"),
        ("interactions/incremental", "USER_ID,ITEM_ID\nu1,", "broken.csv"),
    )
    assert (run.status, run.output["rows"]) == ("SUCCEEDED", 1200), run.reason
    assert {claim(laptop, name)["state"] for name in ("whole.csv", "broken.csv")} == {"done", "refused"}
    assert "TIMESTAMP" in claim(laptop, "broken.csv")["reason"]
    folder = f"imports/{SHOP}/{run.name}/interactions/"
    (copy,) = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=folder)["Contents"]
    assert copy["Size"] > 1000


def test_a_retraining_needs_no_drop_and_an_unknown_action_is_refused(laptop: Laptop) -> None:
    before = jobs(laptop)
    trained, refused = (laptop.ended(laptop.client.runs.start(SHOP, action).arn) for action in ("retrain", "explode"))
    assert (trained.status, handled(trained)) == ("SUCCEEDED", {"retrain": "retrained"}), trained.reason
    assert jobs(laptop) == before
    assert (refused.status, "Rejected" in refused.reason, "explode" in refused.reason) == ("FAILED", True, True)
