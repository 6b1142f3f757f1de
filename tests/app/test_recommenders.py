# SPDX-License-Identifier: Apache-2.0
"""Recommenders from a shop's settings, all the way: dropped, made beside the campaigns, shown, changed and left."""

from typing import Any

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.conftest import Shop
from tests.app.laptop import Laptop

SHOP = "cases"
SETTINGS = """
recipes: [user-personalization, popularity-count]
gate: {enabled: false}
probe: {enabled: false}
recommenders:
  together: {use_case: frequently-bought-together}
  viewed: {use_case: most-viewed}
metric_attribution:
  purchases: {event_type: Purchase}
placements:
  basket: {recommender: together, limit: 3, because: goesWithBasket}
"""


@pytest.fixture(scope="module")
def cases(laptop: Laptop) -> Shop:
    laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS)
    return Shop(SHOP, laptop, (laptop.drop(SHOP, "interactions", retail.interactions()),))


def recommenders(shop: Shop) -> dict[str, dict[str, Any]]:
    """What the engine knows of the shop's, by name."""
    engine = shop.laptop.personalize
    arns = [recommender["recommenderArn"] for recommender in shop.laptop.listed("list_recommenders")]
    of_shop = [arn for arn in arns if f"-{SHOP}-" in arn]
    return {
        arn.rpartition(f"-{SHOP}-")[2]: dict(engine.describe_recommender(recommenderArn=arn)["recommender"])
        for arn in of_shop
    }


def metrics(shop: Shop) -> dict[str, str]:
    """What the engine makes of the shop's events: expressions by name."""
    engine = shop.laptop.personalize
    listed = shop.laptop.listed("list_metric_attributions")
    (arn,) = (entry["metricAttributionArn"] for entry in listed if f"-{SHOP}-" in entry["metricAttributionArn"])
    listed_metrics = engine.list_metric_attribution_metrics(metricAttributionArn=arn)["metrics"]
    return {metric["metricName"]: f"{metric['eventType']} {metric['expression']}" for metric in listed_metrics}


def again(shop: Shop, events_each: int) -> Run:
    """A whole history that goes on a little further."""
    return shop.laptop.drop(SHOP, "interactions", retail.interactions(events_each=events_each))


def remarks(run: Run) -> list[str]:
    return [note for note in run.output["notes"] if "recommender" in note]


def test_a_run_makes_what_the_settings_name_and_placements_show_it(cases: Shop) -> None:
    (run,) = cases.runs
    assert run.status == "SUCCEEDED", run.reason
    made = recommenders(cases)
    assert {name: recommender["status"] for name, recommender in made.items()} == {"together": "ACTIVE"}
    assert made["together"]["recipeArn"].endswith("recipe/aws-ecomm-frequently-bought-together")
    assert metrics(cases) == {"purchases": "Purchase SAMPLECOUNT()"}
    (few,) = remarks(run)
    assert few.startswith("the recommender viewed is not made: most-viewed needs 1,000 events of type View")
    answer = cases.call("GET", "/users/u1/placements/basket", itemId="garden-03")
    assert (answer.status, len(answer.body["items"])) == (200, 3), answer.body
    assert {item["source"] for item in answer.body["items"]} == {"recommender"}
    assert "degraded" not in answer.body


def test_the_same_settings_change_nothing_and_others_change_what_they_name(cases: Shop) -> None:
    before = recommenders(cases)
    assert again(cases, 26).status == "SUCCEEDED"
    assert recommenders(cases) == before
    more = SETTINGS.replace("frequently-bought-together}", "frequently-bought-together, minimum_rps: 2}")
    more = more.replace("purchases: {event_type: Purchase}", "events: {event_type: View}")
    cases.laptop.put(f"drops/{SHOP}/settings.yaml", more)
    assert again(cases, 27).status == "SUCCEEDED"
    together = recommenders(cases)["together"]
    assert together["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 2
    assert together["latestRecommenderUpdate"]["status"] == "ACTIVE"
    assert metrics(cases) == {"events": "View SAMPLECOUNT()"}
    assert together["creationDateTime"] == before["together"]["creationDateTime"]


def test_one_that_cannot_be_made_ends_the_run_with_the_reason_and_the_campaigns_serve_on(cases: Shop) -> None:
    def serving() -> object:
        return cases.laptop.client.runs.record(SHOP, "release")["campaigns"]

    before = serving()
    run = cases.laptop.ended(cases.laptop.client.runs.start(SHOP, "retrain").arn)
    assert run.status == "FAILED"
    assert "fewer than 1000 interactions after filtering by event type: View" in run.reason
    assert serving() == before
    assert recommenders(cases)["viewed"]["status"] == "CREATE FAILED"


@pytest.mark.nightly
def test_what_is_no_longer_in_the_settings_is_left_and_told(cases: Shop) -> None:
    cases.laptop.put(f"drops/{SHOP}/settings.yaml", "recipes: [popularity-count]\ngate: {enabled: false}\n")
    run = again(cases, 28)
    assert run.status == "SUCCEEDED", run.reason
    (told,) = remarks(run)
    assert told.startswith("the recommender together is not in the settings: no run touches it, and it bills")
    assert recommenders(cases)["together"]["status"] == "ACTIVE"
