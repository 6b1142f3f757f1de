# SPDX-License-Identifier: Apache-2.0
"""A shop that asks for a test on held-out time: releases that foretell what shoppers bought, and that do not."""

import json
import random
from typing import Any, cast

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import PART_BYTES, Laptop

SHOP = "foretold"
SETTINGS = "gate: {tolerance: 0.9, minimum_over_popularity: 0, held_out: {days: 1, minimum_users: 30}}\n"
PURCHASES = 27
"""Of each shopper, one in three hours: those of the last day are held out."""


def history(users: int = 60) -> str:
    """Each shopper walks through the items of the own category, eight steps a day."""
    header, *rows = retail.interactions(users, events_each=PURCHASES).splitlines()
    slow = [line.rsplit(",", 1) for line in rows]
    return (
        "\n".join([header, *(f"{rest},{retail.START + 3 * (int(when) - retail.START)}" for rest, when in slow)]) + "\n"
    )


def noise() -> str:
    """The same history with items at random: nothing in it tells who will buy what."""
    chance = random.Random(7)  # noqa: S311 - no secret
    header, *rows = history().splitlines()
    cells = [row.split(",") for row in rows]
    return "\n".join([header, *(",".join([row[0], chance.choice(retail.ITEMS), *row[2:]]) for row in cells)]) + "\n"


def report(laptop: Laptop, shop: str, run: Run, name: str = "heldout") -> dict[str, Any]:
    body = laptop.s3.get_object(Bucket=laptop.bucket, Key=f"reports/{shop}/{run.name}/{name}.json")["Body"].read()
    return cast(dict[str, Any], json.loads(body))


def campaigns(laptop: Laptop) -> dict[str, Any]:
    """What the API serves from."""
    record = laptop.client.runs.record(SHOP, "release")
    return cast(dict[str, Any], record["campaigns"])


def groups(laptop: Laptop, shop: str) -> list[str]:
    """The dataset groups of the shop's tests."""
    names = [group["name"] for group in laptop.listed("list_dataset_groups")]
    return [name for name in names if f"heldout_{shop}" in name]


@pytest.fixture(scope="module")
def good(laptop: Laptop) -> Run:
    """A shop's first release, tested on held-out time."""
    laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS)
    laptop.drop(SHOP, "items", retail.items())
    return laptop.drop(SHOP, "interactions", history())


def test_a_release_that_foretells_what_was_bought_is_promoted(laptop: Laptop, good: Run) -> None:
    assert good.output["outcome"] == "promoted", good.reason or good.output
    document = report(laptop, SHOP, good)
    assert (document["outcome"], document["shoppers"], document["eventType"]) == ("judged", 60, "Purchase")
    personal = {recipe["alias"]: recipe for recipe in document["recipes"]}["user-personalization"]
    assert personal["decision"] == "approved"
    assert personal["lift"]["low"] > 1.5
    assert document["trainedOn"] + document["heldOut"] == 60 * PURCHASES


def test_nothing_of_the_test_stays_and_nothing_serves_from_it(laptop: Laptop, good: Run) -> None:
    assert good.status == "SUCCEEDED"
    assert groups(laptop, SHOP) == []
    page = laptop.s3.get_object(Bucket=laptop.bucket, Key=good.output["report"])["Body"].read().decode()
    assert "On held-out time" in page


@pytest.mark.nightly
def test_noise_is_refused_by_the_test_and_the_old_versions_serve_on(laptop: Laptop, good: Run) -> None:
    before = campaigns(laptop)
    run = laptop.drop(SHOP, "interactions", noise())
    assert (good.status, run.status) == ("SUCCEEDED", "SUCCEEDED"), run.reason
    assert "user-personalization: " in run.output["reason"]
    assert "held-out time" in run.output["reason"]
    assert before["user-personalization"] == campaigns(laptop)["user-personalization"]


@pytest.mark.nightly
def test_too_few_shoppers_are_said_and_the_offline_metrics_decide(laptop: Laptop) -> None:
    few = "recipes: [user-personalization, popularity-count]\ngate: {held_out: {days: 1, minimum_users: 200}}\n"
    laptop.put("drops/small/settings.yaml", few)
    run = laptop.drop("small", "interactions", history())
    assert run.output["outcome"] == "promoted", run.reason or run.output
    assert any("only 60 users with a past came back" in note for note in run.output["notes"])
    assert report(laptop, "small", run)["outcome"] == "tooLittle"
    assert groups(laptop, "small") == []


def test_a_test_that_fails_costs_no_training_and_a_rerun_continues(laptop: Laptop) -> None:
    laptop.put("drops/unlucky/settings.yaml", "recipes: [user-personalization, popularity-count]\n" + SETTINGS)
    with laptop.faults.during("createFailed", "CreateSolutionVersion", "*heldout_unlucky*", reason="no luck"):
        run = laptop.drop("unlucky", "interactions", history())
    assert run.status == "FAILED"
    assert "the test on held-out time failed: " in run.reason
    assert "no luck" in run.reason
    assert groups(laptop, "unlucky") == []
    solutions = laptop.listed("list_solutions")
    assert [solution["name"] for solution in solutions if "unlucky" in solution["name"]] == []
    again = laptop.client.runs.start("unlucky", "continue", run=run.name)
    assert laptop.ended(again.arn).output["outcome"] == "promoted"


@pytest.mark.nightly
def test_a_history_above_the_bound_is_cut_in_parts_though_functions_are_killed(laptop: Laptop) -> None:
    laptop.put("drops/vast/settings.yaml", "recipes: [user-personalization, popularity-count]\n" + SETTINGS)
    users = 900
    text = history(users)
    assert len(text) > 2 * PART_BYTES
    run = laptop.drop_while_killing("vast", text, "SplitHistoryFunction", {"latest": True, "cut": False, "read": True})
    document = report(laptop, "vast", run)
    assert (document["outcome"], document["shoppers"]) == ("judged", users)
    last = [int(line.rpartition(",")[2]) for line in text.splitlines()[1:]]
    cut_off = max(last) - 86_400
    assert document["trainedOn"] == sum(when <= cut_off for when in last)
    assert document["trainedOn"] + document["heldOut"] == users * PURCHASES
    # Each pass over the parts is a map run, and no part was given up.
    machine = laptop.state.outputs["EvaluateStateMachineArn"]
    steps = laptop.client.runs.client
    ended = steps.list_executions(stateMachineArn=machine)["executions"]
    arns = [test["executionArn"] for test in ended]
    ours = [arn for arn in arns if '"vast"' in steps.describe_execution(executionArn=arn)["input"]]
    runs = [run for arn in ours for run in steps.list_map_runs(executionArn=arn)["mapRuns"]]
    views = [steps.describe_map_run(mapRunArn=run["mapRunArn"]) for run in runs]
    assert [view["mapRunArn"].split("/")[1].partition(":")[0] for view in views] == ["latest", "cut", "read"]
    assert {view["status"] for view in views} == {"SUCCEEDED"}
    assert min(view["executionCounts"]["total"] for view in views) >= 3
    assert all(view["executionCounts"]["succeeded"] == view["executionCounts"]["total"] for view in views)
