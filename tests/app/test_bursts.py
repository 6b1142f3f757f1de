# SPDX-License-Identifier: Apache-2.0
"""Many uploads and few runs: bursts, uploads during a run, repeated events, two shops at a time, a killed run."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.client import Upload
from local.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop

FILES = {"interactions": retail.interactions(), "items": retail.items(), "users": retail.users()}
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
    """The claim of the file of that name."""
    (found,) = [item for item in laptop.shops.scan()["Items"] if str(item.get("key", "")).endswith(name)]
    return dict(found)


def jobs(laptop: Laptop) -> int:
    """How many import jobs the shop has had."""
    found = laptop.personalize.get_paginator("list_dataset_import_jobs").paginate()
    return sum(f"-{SHOP}-" in job["jobName"] for page in found for job in page["datasetImportJobs"])


def begun(laptop: Laptop, upload: Upload) -> Run:
    """The run of an upload, which has begun to import."""
    run = laptop.client.runs.started_by(upload.key, upload.before)
    for _ in range(400):
        if any("Ensure the dataset group" in json.dumps(event, default=str) for event in laptop.history(run)):
            return run
        time.sleep(0.02)
    pytest.fail("the run has not begun")


def ended(laptop: Laptop, arn: str) -> Run:
    """An execution at its end."""
    for _ in laptop.client.runs.follow(arn):
        pass
    return laptop.client.runs.describe(arn)


def test_a_burst_of_three_files_is_one_run(laptop: Laptop) -> None:
    upload(laptop, "settings", SMALL, "settings.yaml")
    uploads = [upload(laptop, kind, content, "data.csv") for kind, content in FILES.items()]
    runs = [laptop.wait_for_run(each) for each in uploads]
    assert len({run.arn for run in runs}) == 1
    assert (runs[0].status, runs[0].output["outcome"], runs[0].output["rows"]) == ("SUCCEEDED", "promoted", 1500)
    assert handled(runs[0]) == {"settings": "settings"} | dict.fromkeys(FILES, "imported")
    assert jobs(laptop) == 3
    assert "Item" not in laptop.shops.get_item(Key={"shop": SHOP, "record": "lease"})


def test_an_upload_during_a_run_is_handled_by_the_next(laptop: Laptop) -> None:
    before, first = jobs(laptop), upload(laptop, "users", FILES["users"], "first.csv")
    run = begun(laptop, first)
    during = laptop.wait_for_run(upload(laptop, "items", FILES["items"], "during.csv"))
    assert laptop.wait_for_run(first).arn == run.arn != during.arn
    assert (during.name.split("-")[0], handled(during)) == ("continue", {"items": "imported"})
    assert {claim(laptop, name)["state"] for name in ("first.csv", "during.csv")} == {"done"}
    assert jobs(laptop) == before + 2


def test_an_event_that_is_repeated_does_nothing(laptop: Laptop) -> None:
    run, machine = laptop.drop(SHOP, "users", FILES["users"], "again.csv"), laptop.client.runs
    before, started = jobs(laptop), machine.client.describe_execution(executionArn=run.arn)["input"]
    again = machine.client.start_execution(stateMachineArn=machine.machine, input=started)
    repeated = ended(laptop, again["executionArn"])
    assert (repeated.status, repeated.output["outcome"], repeated.output["by"]) == (
        "SUCCEEDED", "alreadyHandled", run.name,
    )  # fmt: skip
    assert jobs(laptop) == before


def test_shops_do_not_wait_for_each_other(laptop: Laptop) -> None:
    uploads = [upload(laptop, "users", FILES["users"], "both.csv", shop) for shop in (SHOP, OTHER)]
    one, other = (laptop.wait_for_run(each) for each in uploads)
    assert (one.status, other.status) == ("SUCCEEDED", "SUCCEEDED")
    assert one.ended is not None
    assert other.started < one.ended


def test_what_a_killed_run_had_taken_is_handled_by_another(laptop: Laptop) -> None:
    run = begun(laptop, upload(laptop, "users", FILES["users"], "killed.csv"))
    laptop.client.runs.client.stop_execution(executionArn=run.arn)
    # The rule on stopped runs starts the sweep, and the sweep a run.
    for _ in range(600):
        if (found := claim(laptop, "killed.csv"))["state"] == "done":
            break
        time.sleep(0.05)
    assert (found["state"], str(found["run"]).split("-")[0]) == ("done", "continue")
    assert laptop.client.runs.describe(run.arn).status == "ABORTED"


def test_a_refused_file_does_not_stop_the_others(laptop: Laptop) -> None:
    first = upload(laptop, "users", FILES["users"], "good.csv")
    upload(laptop, "items", "", "empty.csv")
    run = laptop.wait_for_run(first)
    assert (run.status, handled(run)) == ("SUCCEEDED", {"users": "imported", "items": "refused"})
    assert "empty" in claim(laptop, "items/empty.csv")["reason"]


def test_too_little_is_held_and_joined_with_the_next(laptop: Laptop) -> None:
    header, *rows = retail.interactions(each=50).splitlines()
    halves = ["\n".join([header, *rows[start : start + 600]]) for start in (0, 600)]
    held = laptop.drop(SHOP, "interactions", halves[0], "one.csv", incremental=True)
    assert (held.status, held.output["outcome"]) == ("SUCCEEDED", "held"), held.reason
    assert any("1,000" in note for note in held.output["notes"])
    joined = laptop.drop(SHOP, "interactions", halves[1], "two.csv", incremental=True)
    assert (joined.status, joined.output["rows"]) == ("SUCCEEDED", 1200), joined.reason
    assert {claim(laptop, name)["state"] for name in ("one.csv", "two.csv")} == {"done"}
    assert "one.csv is imported together with it" in json.dumps(joined.output["notes"])


def test_a_retraining_needs_no_drop_and_an_unknown_action_is_refused(laptop: Laptop) -> None:
    before = jobs(laptop)
    trained, refused = (ended(laptop, laptop.client.runs.start(SHOP, action).arn) for action in ("retrain", "explode"))
    assert (trained.status, handled(trained)) == ("SUCCEEDED", {"retrain": "retrained"}), trained.reason
    assert jobs(laptop) == before
    assert (refused.status, "Rejected" in refused.reason, "explode" in refused.reason) == ("FAILED", True, True)
