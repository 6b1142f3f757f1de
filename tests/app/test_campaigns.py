# SPDX-License-Identifier: Apache-2.0
"""Campaigns over time: what was set by hand stays, new columns reach what serves, and a generation follows another."""

from typing import Any

import pytest

from tests.app import retail
from tests.app.laptop import Laptop

SHOP = "campaigned"
SETTINGS = "recipes: [user-personalization, popularity-count]\ngate: {enabled: false}\nprobe: {latency_ms: 60000}\n"


def release(laptop: Laptop) -> dict[str, Any]:
    release = laptop.client.runs.record(SHOP, "release")
    return dict(release["campaigns"]["user-personalization"])


def campaign(laptop: Laptop) -> dict[str, Any]:
    return dict(laptop.personalize.describe_campaign(campaignArn=release(laptop)["arn"])["campaign"])


def solution(laptop: Laptop) -> str:
    return str(campaign(laptop)["solutionVersionArn"]).rpartition("/")[0]


def run(laptop: Laptop, events_each: int) -> dict[str, Any]:
    done = laptop.drop(SHOP, "interactions", retail.interactions(events_each=events_each))
    assert done.output["outcome"] == "promoted", done.reason or done.output
    return dict(done.output)


def test_a_campaign_keeps_what_was_set_by_hand_through_new_columns_and_generations(laptop: Laptop) -> None:
    laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS)
    laptop.drop(SHOP, "items", retail.items())
    run(laptop, 25)
    first, arn = solution(laptop), release(laptop)["arn"]

    exploration = {"explorationWeight": "0.1", "explorationItemAgeCutOff": "14"}
    by_hand: Any = {"itemExplorationConfig": exploration, "enableMetadataWithRecommendations": False}
    laptop.personalize.update_campaign(campaignArn=arn, minProvisionedTPS=4, campaignConfig=by_hand)
    run(laptop, 26)
    assert (campaign(laptop)["minProvisionedTPS"], solution(laptop)) == (4, first)
    assert campaign(laptop)["campaignConfig"]["itemExplorationConfig"] == exploration

    # A column more: another solution, which the same campaign serves from. A file without it is refused as ever.
    header, *rows = retail.items().splitlines()
    wider = "\n".join([f"{header},BRAND", *(f"{row},{'ab'[number % 2]}" for number, row in enumerate(rows))])
    laptop.drop(SHOP, "items", wider)
    run(laptop, 27)
    second = solution(laptop)
    assert second != first
    refused = laptop.drop(SHOP, "items", retail.items())
    assert "BRAND" in str(refused.reason or refused.output)
    run(laptop, 28)
    assert solution(laptop) == second

    laptop.put(f"drops/{SHOP}/settings.yaml", f"{SETTINGS}generation: v2\n")
    run(laptop, 29)
    description = laptop.personalize.describe_solution(solutionArn=solution(laptop))["solution"]
    assert description["recipeArn"].endswith("/aws-user-personalization-v2")
    assert description["performAutoTraining"] is False
    assert (release(laptop)["arn"], campaign(laptop)["minProvisionedTPS"]) == (arn, 4)
    answer = laptop.call("GET", f"/shops/{SHOP}/users/u1/recommendations", limit="5")
    assert (answer.status, len(answer.body["items"])) == (200, 5)
    assert all(item["source"] == "campaign" for item in answer.body["items"])

    # Back to the release before: the campaign explores again as it did then.
    laptop.command("rollback", SHOP)
    assert (solution(laptop), campaign(laptop)["minProvisionedTPS"]) == (second, 4)
    assert campaign(laptop)["campaignConfig"]["itemExplorationConfig"] == exploration


WEIGHED = "weighing"
OF_WEIGHED = (
    "recipes: [user-personalization, similar-items]\ngeneration: v2\nprobe: {latency_ms: 60000}\n"
    "gate: {minimum_over_popularity: 0, tolerance: 0.9}\n"
    "training: {all: {exclude: {items: [NAME]}}, similar-items: {event_type: Purchase}}\n"
)


def views_of_everything() -> str:
    """Purchases of the own category, and as many views of the other one right before them."""
    header, *rows = retail.interactions().splitlines()
    swapped = {"garden": "kitchen", "kitchen": "garden"}
    seen = []
    for row in rows:
        user, item, _, seconds = row.split(",")
        category, _, number = item.partition("-")
        seen.append(f"{user},{swapped[category]}-{number},View,{int(seconds) - 60}")
    return "\n".join([header, *rows, *seen]) + "\n"


def weighed(laptop: Laptop) -> dict[str, Any]:
    """What serves, as the engine describes the solution and the version."""
    record = laptop.client.runs.record(WEIGHED, "release")
    version = record["campaigns"]["user-personalization"]["solutionVersionArn"]
    solution = laptop.personalize.describe_solution(solutionArn=version.rpartition("/")[0])["solution"]
    described = laptop.personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    return {"arn": solution["solutionArn"], "version": version, "config": described["solutionConfig"]}


@pytest.mark.nightly
def test_weights_train_and_change_in_the_solution_that_is_there(laptop: Laptop) -> None:
    laptop.put(f"drops/{WEIGHED}/settings.yaml", f"{OF_WEIGHED}events: {{Purchase: 0.01, View: 1}}\n")
    laptop.drop(WEIGHED, "items", retail.items())
    done = laptop.drop(WEIGHED, "interactions", views_of_everything())
    assert done.output["outcome"] == "promoted", done.reason or done.output
    first = weighed(laptop)
    events = first["config"]["eventsConfig"]["eventParametersList"]
    assert [(event["eventType"], event["weight"]) for event in events] == [("Purchase", 0.01), ("View", 1.0)]
    assert first["config"]["trainingDataConfig"] == {"excludedDatasetColumns": {"Items": ["NAME"]}}
    similar = [
        laptop.personalize.describe_solution(solutionArn=solution["solutionArn"])["solution"]
        for solution in laptop.listed("list_solutions")
        if f"-{WEIGHED}-similar-items-" in solution["name"]
    ]
    assert [solution["eventType"] for solution in similar] == ["Purchase"]

    laptop.put(f"drops/{WEIGHED}/settings.yaml", f"{OF_WEIGHED}events: {{Purchase: 1, View: 0.01}}\n")
    trained = laptop.command_json("retrain", WEIGHED, "--watch")
    assert trained["output"]["outcome"] == "promoted", trained
    second = weighed(laptop)
    assert second["arn"] == first["arn"]
    assert second["version"] != first["version"]
    assert [event["weight"] for event in second["config"]["eventsConfig"]["eventParametersList"]] == [1.0, 0.01]
    answer = laptop.call("GET", f"/shops/{WEIGHED}/users/u1/recommendations", limit="5")
    assert (answer.status, len(answer.body["items"])) == (200, 5)

    # A drop that names a column in vain is refused, and another generation needs another solution.
    laptop.put(f"drops/{WEIGHED}/settings.yaml", f"{OF_WEIGHED.replace('NAME', 'COLOUR')}events: {{Purchase: 1}}\n")
    refused = laptop.drop(WEIGHED, "interactions", retail.interactions(events_each=26))
    assert "the items don't have: COLOUR" in str(refused.reason or refused.output)

    laptop.command("teardown", WEIGHED, "--yes")
    left = [solution["name"] for solution in laptop.listed("list_solutions")]
    assert [name for name in left if f"-{WEIGHED}-" in name] == []
