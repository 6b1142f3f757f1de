# SPDX-License-Identifier: Apache-2.0
"""Recipes that a shop adds to the usual ones: dropped, trained, judged, asked for over HTTP, and removed."""

from typing import Any

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until

RISING = """
recipes: [user-personalization, popularity-count, trending-now]
training: {trending-now: {features: {trend_discovery_frequency: 1 hour}}}
placements: {rising: {recipe: trending-now, limit: 3}}
lists: {popular: trending-now}
probe: {latency_ms: 60000}
"""
STAR = "garden-29"


def with_rush() -> str:
    """The usual history, at the end of which ever more users buy one item within each hour."""
    header, *rows = retail.interactions().splitlines()
    end = max(int(row.rpartition(",")[2]) for row in rows)
    rush = [
        f"u{user},{STAR},Purchase,{end + hour * 3_600 + user}" for hour in range(3) for user in range(20 * (hour + 1))
    ]
    return "\n".join([header, *rows, *rush]) + "\n"


def serving(laptop: Laptop, shop: str, alias: str) -> dict[str, Any]:
    """What a campaign of the shop's release serves."""
    release = laptop.client.runs.record(shop, "release")
    return dict(release["campaigns"][alias])


def first_of_command(laptop: Laptop, shop: str) -> str:
    """The first item that `local popular` shows."""
    return str(laptop.command_json("popular", shop, "--limit", "2")["items"][0]["itemId"])


def test_what_is_wanted_more_and_more_is_shown_to_everybody(laptop: Laptop) -> None:
    shop = "rising"
    assert laptop.put(f"drops/{shop}/settings.yaml", RISING).status == "SUCCEEDED"
    laptop.drop(shop, "items", retail.items())
    run = laptop.drop(shop, "interactions", with_rush())
    assert run.output["outcome"] == "promoted", run.reason or run.output
    version = serving(laptop, shop, "trending-now")["solutionVersionArn"]
    trained: Any = laptop.personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert trained["recipeArn"].endswith("/aws-trending-now")
    features = trained["solutionConfig"]["featureTransformationParameters"]
    assert features == {"trend_discovery_frequency": "1 hour"}

    paths = (f"/shops/{shop}/popular", f"/shops/{shop}/users/u1/placements/rising")
    answers = [laptop.call("GET", path) for path in paths]
    for answer in answers:
        assert answer.status == 200, answer.body
        first = answer.body["items"][0]
        assert (first["itemId"], first["source"], first["because"]) == (STAR, "campaign", {"code": "trending"})
    assert len(answers[1].body["items"]) == 3
    until(lambda: first_of_command(laptop, shop) == STAR, "the command shows it, too")

    refused = laptop.put(f"drops/{shop}/settings.yaml", f"{RISING}batch: {{mail: {{recipe: trending-now}}}}\n")
    assert "batch" in str(refused.reason or refused.output)
    assert laptop.backend == "engine" or "Trending-Now has no batch jobs" in str(refused.reason or refused.output)

    removed = laptop.command("teardown", shop, "--yes", "--objects")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    groups = laptop.listed("list_dataset_groups")
    assert f"retail-{shop}" not in {group["name"] for group in groups}


TEXTS = """
recipes: [user-personalization, popularity-count, semantic-similarity]
training: {semantic-similarity: {incremental_updates: true}}
campaigns: {semantic-similarity: {ranking_influence: {popularity: 0.1}}}
placements: {alike: {recipe: semantic-similarity, limit: 4}}
probe: {latency_ms: 60000}
"""
JOBS = "batch: {alike: {recipe: semantic-similarity, items: 3}}\n"
"""What is tried on Amazon Personalize alone."""
USES = {"garden": "for roses, beds and lawns outside", "kitchen": "for pans, plates and cooking at the stove"}


def with_texts(name: str = "NAME", text: str = "DESCRIPTION", more: bool = False) -> str:
    """The items with names and descriptions by their use; with `more`, in columns beside those that they have."""
    header, *rows = retail.items().splitlines()
    if more:
        header, rows = f"{header},{name}", [f"{row},{row.split(',')[1]}" for row in rows]
    uses = [f'"{USES[row.partition("-")[0]]}, size {number % 7}"' for number, row in enumerate(rows)]
    # One item has no description.
    uses[0] = ""
    return "\n".join([f"{header},{text}", *(f"{row},{use}" for row, use in zip(rows, uses, strict=True))]) + "\n"


def told(run: Run) -> str:
    """Why a run was refused, or what it noted."""
    return f"{run.reason} {run.output}"


def test_items_whose_texts_are_alike_are_shown_beside_one(laptop: Laptop) -> None:
    shop = "reading"
    has_jobs = laptop.backend == "personalize"
    laptop.put(f"drops/{shop}/settings.yaml", TEXTS + (JOBS if has_jobs else ""))
    first = laptop.drop(shop, "interactions", retail.interactions(events_each=24))
    assert first.output["outcome"] == "promoted", first.reason or first.output
    assert "semantic-similarity is not trained: the shop has no items yet" in told(first)
    assert "the file lacks a column: one that describes it" in told(laptop.drop(shop, "items", retail.items()))
    items = laptop.drop(shop, "items", with_texts())
    assert "1 item has no DESCRIPTION" in told(items)
    run = laptop.drop(shop, "interactions", retail.interactions())
    assert run.output["outcome"] == "promoted", run.reason or run.output
    check_lists(laptop, shop)

    assert not has_jobs or laptop.command_json("batch", shop, "alike")

    removed = laptop.command("teardown", shop, "--yes", "--objects")
    assert removed.returncode == 0, removed.stdout + removed.stderr


def check_lists(laptop: Laptop, shop: str) -> None:
    """Check what serves, and that lists beside an item are of its use."""
    campaign: Any = laptop.personalize.describe_campaign(
        campaignArn=serving(laptop, shop, "semantic-similarity")["arn"]
    )["campaign"]
    assert campaign["campaignConfig"]["rankingInfluence"] == {"POPULARITY": 0.1}
    solution = campaign["solutionVersionArn"].rpartition("/")[0]
    assert laptop.personalize.describe_solution(solutionArn=solution)["solution"]["performIncrementalUpdate"] is True
    slot = laptop.call("GET", f"/shops/{shop}/users/u1/placements/alike", itemId="garden-03")
    for answer in (laptop.call("GET", f"/shops/{shop}/items/garden-03/similar", limit="4"), slot):
        assert (answer.status, len(answer.body["items"])) == (200, 4), answer.body
        assert {item["itemId"].partition("-")[0] for item in answer.body["items"]} == {"garden"}
        assert {item["source"] for item in answer.body["items"]} == {"campaign"}
        assert answer.body["items"][0]["because"] == {"code": "similarTo", "itemId": "garden-03"}


@pytest.mark.nightly
def test_a_dataset_without_texts_gets_them_in_new_columns(laptop: Laptop) -> None:
    shop = "rereading"
    laptop.drop(shop, "items", retail.items())
    laptop.put(f"drops/{shop}/settings.yaml", TEXTS)
    refused = laptop.drop(shop, "interactions", retail.interactions())
    assert "semantic-similarity needs a column with the names of items" in told(refused)
    refused = laptop.drop(shop, "items", with_texts())
    assert "drop the whole file of items with a new column, one that names each item, such as ITEM_NAME" in told(
        refused
    )
    laptop.drop(shop, "items", with_texts("ITEM_NAME", "PRODUCT_DESCRIPTION", more=True))
    run = laptop.drop(shop, "interactions", retail.interactions())
    assert run.output["outcome"] == "promoted", run.reason or run.output
    check_lists(laptop, shop)
