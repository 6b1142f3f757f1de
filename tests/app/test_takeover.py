# SPDX-License-Identifier: Apache-2.0
"""A run that is stopped or fails once it has trained: another one goes on with its work and pays for no training."""

from collections.abc import Callable, Iterator

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import BOUND, until

SHOP = "takeover"
RECIPES = ("user-personalization", "popularity-count")


@pytest.fixture(scope="module", autouse=True)
def _gone_at_the_end(laptop: Laptop) -> Iterator[None]:
    """Personalize allows few dataset groups, and other tests need theirs."""
    laptop.put(
        f"drops/{SHOP}/settings.yaml",
        f"recipes: [{', '.join(RECIPES)}]\ncampaigns: {{popularity-count: {{}}}}\ngate: {{enabled: false}}\n",
    )
    yield
    laptop.command("teardown", SHOP, "--yes", "--objects")


@pytest.fixture
def stuck(laptop: Laptop) -> Iterator[Callable[[], None]]:
    """Trainings of the shop do not end until this is called."""
    rule = laptop.faults.add("neverEnd", "CreateSolutionVersion", f"*-{SHOP}-*")
    ended = False

    def end() -> None:
        nonlocal ended
        if not ended:
            laptop.faults.clear(rule["id"])
        ended = True

    yield end
    end()


def versions(laptop: Laptop) -> dict[str, set[str]]:
    """The solution versions that were ever made of each recipe."""
    pages = laptop.personalize.get_paginator("list_solution_versions").paginate()
    every = [version["solutionVersionArn"] for page in pages for version in page["solutionVersions"]]
    return {alias: {arn for arn in every if f"-{SHOP}-{alias}-" in arn} for alias in RECIPES}


def jobs(laptop: Laptop) -> int:
    """How many import jobs the shop has had."""
    pages = laptop.personalize.get_paginator("list_dataset_import_jobs").paginate()
    return sum(f"-{SHOP}-" in job["jobName"] for page in pages for job in page["datasetImportJobs"])


def serving(laptop: Laptop) -> dict[str, str]:
    """The version that each campaign serves."""
    record = laptop.client.runs.record(SHOP, "release")
    arns = {alias: entry["arn"] for alias, entry in record["campaigns"].items()}
    described = {
        alias: laptop.personalize.describe_campaign(campaignArn=str(arn))["campaign"] for alias, arn in arns.items()
    }
    return {alias: campaign["solutionVersionArn"] for alias, campaign in described.items()}


def training(laptop: Laptop, name: str, events_each: int) -> Run:
    """A run of a new drop, stopped while all its recipes are being trained."""
    before, there = {alias: len(arns) for alias, arns in versions(laptop).items()}, set(laptop.client.runs.arns())
    key = f"drops/{SHOP}/interactions/{name}"
    laptop.s3.put_object(Bucket=laptop.bucket, Key=key, Body=retail.interactions(events_each=events_each).encode())
    run = laptop.client.runs.started_by(key, there)
    until(
        lambda: all(len(arns) == before[alias] + 1 for alias, arns in versions(laptop).items()), "all are being trained"
    )
    laptop.client.runs.client.stop_execution(executionArn=run.arn)
    return run


def handled(laptop: Laptop, name: str) -> str:
    """The run that has handled the file of that name, when it has."""
    arns: list[str] = []

    def done() -> bool:
        claims = laptop.client.runs.claims(SHOP)
        arns[:] = [str(claim["run"]) for claim in claims if claim["key"].endswith(name) and claim["state"] == "done"]
        return bool(arns)

    until(done, "the file is handled", bound=2 * BOUND)
    return arns[0]


def test_a_run_stopped_while_it_trains_is_taken_over_and_trains_once(laptop: Laptop, stuck: Callable[[], None]) -> None:
    before, imported = versions(laptop), jobs(laptop)
    run = training(laptop, "stopped.csv", 25)
    trained = versions(laptop)
    stuck()
    # The rule on stopped runs starts the sweep, and the sweep a run.
    after = handled(laptop, "stopped.csv")
    assert after.startswith("continue-")
    assert versions(laptop) == trained
    assert serving(laptop) == {alias: (trained[alias] - before[alias]).pop() for alias in RECIPES}
    assert jobs(laptop) == imported + 1
    assert laptop.client.runs.describe(run.arn).status == "ABORTED"
    (report,) = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=f"reports/{SHOP}/{after}/release.json")[
        "Contents"
    ]
    assert report["Size"] > 0


def test_a_run_that_failed_after_its_training_is_continued_without_another(laptop: Laptop) -> None:
    laptop.put(
        f"drops/{SHOP}/settings.yaml",
        f"recipes: [{', '.join(RECIPES)}]\ncampaigns: {{popularity-count: {{}}}}\nprobe: {{latency_ms: 0.01}}\n",
    )
    failed = laptop.drop(SHOP, "interactions", retail.interactions(events_each=26), "failed.csv")
    assert "the probe failed" in failed.reason
    trained, imported = versions(laptop), jobs(laptop)
    laptop.put(
        f"drops/{SHOP}/settings.yaml",
        f"recipes: [{', '.join(RECIPES)}]\ncampaigns: {{popularity-count: {{}}}}\ngate: {{enabled: false}}\n",
    )
    done = laptop.command_json("continue", SHOP, "--watch")
    assert (done["status"], done["output"]["outcome"]) == ("SUCCEEDED", "promoted"), done["reason"]
    assert (versions(laptop), jobs(laptop)) == (trained, imported)
    assert set(serving(laptop).values()) <= set().union(*trained.values())
    assert any("goes on with what run" in note for note in done["output"]["notes"])
