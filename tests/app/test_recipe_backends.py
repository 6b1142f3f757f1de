# SPDX-License-Identifier: Apache-2.0
"""A shop has recipes on both backends, and moves one of them there and back."""

import csv
import io
from typing import Any

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until

pytestmark = pytest.mark.nightly
SHOP = "split"
RECIPES = """\
recipes: [personalized-ranking, {}, popularity-count]
batch:
  likes:
    recipe: similar-items
    items: 3
"""
SIMILAR = "{name: similar-items, backend: engine}"


def release(laptop: Laptop) -> dict[str, Any]:
    return laptop.client.runs.record(SHOP, "release")


def backends(laptop: Laptop, member: str = "arn") -> dict[str, str]:
    """Whose campaigns serve, by their ARNs."""
    return {alias: served[member].split(":")[2] for alias, served in release(laptop)["campaigns"].items()}


def similar(laptop: Laptop, **query: str) -> list[str]:
    answer = laptop.call("GET", f"/shops/{SHOP}/items/garden-05/similar", limit="10", **query)
    assert answer.status == 200, answer.body
    return [] if "degraded" in answer.body else [item["itemId"] for item in answer.body["items"]]


def ranked(laptop: Laptop) -> set[str]:
    items = {"itemIds": ["garden-02", "kitchen-01", "garden-01"]}
    answer = laptop.call("POST", f"/shops/{SHOP}/users/u1/ranking", items)
    return {item["source"] for item in answer.body["items"]}


def campaigns(laptop: Laptop) -> set[str]:
    return {campaign["name"] for campaign in laptop.listed("list_campaigns")}


def settings(laptop: Laptop, similar_items: str) -> None:
    assert laptop.put(f"drops/{SHOP}/settings.yaml", RECIPES.format(similar_items)).status == "SUCCEEDED"


def retrained(laptop: Laptop) -> Run:
    return laptop.ended(laptop.client.runs.start(SHOP, "retrain").arn)


@pytest.fixture(scope="module")
def split(laptop: Laptop) -> list[str]:
    """What a shop answered before one of its recipes came to the engine."""
    settings(laptop, "similar-items")
    laptop.drop(SHOP, "items", retail.items())
    assert laptop.drop(SHOP, "interactions", retail.interactions()).output["outcome"] == "promoted"
    until(lambda: bool(similar(laptop)), "the campaign answers")
    before, usual = release(laptop), similar(laptop)
    settings(laptop, SIMILAR)
    refused = retrained(laptop)
    assert (refused.status, release(laptop)) == ("FAILED", before)
    assert "the engine does not have the shop's interactions yet" in str(refused.reason)
    early = laptop.drop(SHOP, "interactions", retail.interactions())
    assert (early.status, release(laptop)) == ("FAILED", before)
    assert "the engine does not have the shop's items" in str(early.reason)
    laptop.drop(SHOP, "items", retail.items())
    run = retrained(laptop)
    assert run.status == "SUCCEEDED", run.reason
    assert run.output["outcome"] == "promoted"
    return usual


def test_each_recipe_is_trained_judged_and_served_on_its_backend(laptop: Laptop, split: list[str]) -> None:
    expected = {"personalized-ranking": "personalize", "similar-items": "engine"}
    assert backends(laptop) == backends(laptop, "baselineArn") == expected
    until(lambda: f"retail-{SHOP}-similar-items" not in campaigns(laptop), "its campaign on Personalize is gone")
    assert f"retail-{SHOP}-personalized-ranking" in campaigns(laptop)
    # A new container may answer its first request by the fallback.
    until(lambda: bool(similar(laptop)), "the engine answers")
    assert similar(laptop) == split
    until(lambda: ranked(laptop) == {"campaign"}, "the campaign on Personalize answers")


@pytest.mark.usefixtures("split")
def test_both_backends_know_what_the_user_just_did(laptop: Laptop) -> None:
    bought, *_ = similar(laptop, userId="buyer", filter="not-purchased")
    event = {"eventType": "Purchase", "itemId": bought}
    body = {"userId": "buyer", "sessionId": "s", "events": [event]}
    assert laptop.call("POST", f"/shops/{SHOP}/events", body).status == 202
    after = similar(laptop, userId="buyer", filter="not-purchased")
    assert after
    assert bought not in after
    items = {"itemIds": [bought, "kitchen-01"]}
    answer = laptop.call("POST", f"/shops/{SHOP}/users/buyer/ranking", items, filter="not-purchased")
    assert [item["itemId"] for item in answer.body["items"]] == ["kitchen-01"]


@pytest.mark.usefixtures("split")
def test_a_batch_job_is_answered_on_its_recipes_backend(laptop: Laptop) -> None:
    told = laptop.command_json("batch", SHOP, "likes")
    assert (told["lists"] > 0, told["errors"]) == (True, 0)
    prefix = told["folder"].removeprefix(f"s3://{laptop.bucket}/")
    listed = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=prefix, Delimiter="/")["Contents"]
    (key,) = [entry["Key"] for entry in listed if entry["Key"].endswith(".csv")]
    text = laptop.s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read().decode()
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["ITEM_ID"] == "garden-05"]
    assert [row["SIMILAR_ITEM_ID"] for row in rows] == similar(laptop)[:3]
    jobs = laptop.listed("list_batch_inference_jobs")
    assert not [job["jobName"] for job in jobs if f"-{SHOP}-" in job["jobName"]]


def test_the_recipe_moves_back_and_a_rollback_returns_it_to_the_engine(laptop: Laptop, split: list[str]) -> None:
    settings(laptop, "similar-items")
    run = retrained(laptop)
    assert run.status == "SUCCEEDED", run.reason
    assert run.output["outcome"] == "promoted"
    assert {*backends(laptop).values()} == {"personalize"}
    assert not release(laptop).get("fallbackTrackingId")
    until(lambda: bool(similar(laptop)), "the campaign on Personalize answers")
    assert similar(laptop) == split
    done = laptop.command_json("rollback", SHOP)
    assert done["output"]["outcome"] == "rolled back"
    assert backends(laptop) == {"personalized-ranking": "personalize", "similar-items": "engine"}
    until(lambda: bool(similar(laptop)), "the engine answers")
    assert similar(laptop) == split


@pytest.mark.usefixtures("split")
def test_a_removal_leaves_nothing_of_either_backend(laptop: Laptop) -> None:
    assert laptop.command("teardown", SHOP, "--yes", "--objects").returncode == 0
    listed = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=f"engine/{SHOP}/")
    assert listed["KeyCount"] == 0
    assert f"retail-{SHOP}" not in {group["name"] for group in laptop.listed("list_dataset_groups")}
