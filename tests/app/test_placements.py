# SPDX-License-Identifier: Apache-2.0
"""Placements from a shop's settings, all the way: dropped, promoted, and asked for over HTTP."""

from typing import Any

import pytest

from local.storefront.server import open_shop
from tests.app import retail
from tests.app.conftest import Shop
from tests.app.laptop import Laptop
from tests.app.waiting import until

SETTINGS = """
filters:
  in: INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($CATEGORY)
  cheap: INCLUDE ItemID WHERE Items.PRICE < $MOST
placements:
  home: {recipe: user-personalization, limit: 5, metadata: [NAME]}
  kitchen: {recipe: user-personalization, limit: 4, filter: in, filter_values: {CATEGORY: kitchen}}
  cheap: {recipe: popularity-count, limit: 3, filter: cheap}
  cart: {recipe: similar-items, limit: 4, because: goesWithBasket}
  pushed: {recipe: user-personalization, limit: 4, promotions: [{percent: 50, filter: cheap, filter_values: {MOST: 7}}]}
"""
TOGETHER = "  together: {recommender: together, limit: 3, because: goesWithBasket, metadata: [NAME]}\n"
"""What only Amazon Personalize has."""


@pytest.fixture(scope="module")
def slots(laptop: Laptop) -> Shop:
    laptop.put("drops/slots/settings.yaml", SETTINGS + (TOGETHER if laptop.backend == "personalize" else ""))
    contents = {"items": retail.items(), "interactions": retail.interactions()}
    runs = tuple(laptop.drop("slots", kind, content) for kind, content in contents.items())
    slots = Shop("slots", laptop, runs)
    slots.ready("/users/u1/placements/home", "/items/garden-03/similar")
    return slots


def shown(answer: dict[str, Any]) -> list[str]:
    return [item["itemId"] for item in answer["items"]]


def test_a_page_is_filled_from_the_settings_without_an_item_twice(slots: Shop) -> None:
    assert [run.status for run in slots.runs] == ["SUCCEEDED"] * 2
    body = {"placements": ["home", "kitchen", "cheap", "cart"], "itemId": "garden-03"}
    answer = slots.call("POST", "/users/u1/placements", body, **{"filterValues.MOST": "20"})
    assert answer.status == 200, answer.body
    home, kitchen, cheap, cart = answer.body["placements"]
    assert [len(shown(page)) for page in (home, kitchen, cheap, cart)] == [5, 4, 3, 4]
    every = [item for page in (home, kitchen, cheap, cart) for item in shown(page)]
    assert len({*every, "garden-03"}) == len(every) + 1
    assert {item.partition("-")[0] for item in shown(kitchen)} == {"kitchen"}
    assert all(item["metadata"].keys() == {"NAME"} for item in home["items"])
    assert cart["items"][0]["because"] == {"code": "goesWithBasket", "itemId": "garden-03"}


def test_pages_of_a_slot_do_not_repeat_though_the_shopper_goes_on(slots: Shop) -> None:
    first = slots.call("GET", "/users/u1/placements/home").body
    seen = {"eventType": "Purchase", "itemId": shown(first)[0]}
    assert slots.call("POST", "/events", {"userId": "u1", "sessionId": "s", "events": [seen]}).status == 202
    second = slots.call("GET", "/users/u1/placements/home", next=first["next"])
    assert len({*shown(first), *shown(second.body)}) == 10
    assert slots.call("GET", "/users/u2/placements/home", next=first["next"]).status == 400


def test_promoted_items_say_so(slots: Shop) -> None:
    items = slots.call("GET", "/users/u1/placements/pushed").body["items"]
    promoted = [item["itemId"] for item in items if item.get("because") == {"code": "promoted"}]
    assert promoted
    assert set(promoted) <= {"garden-00", "garden-01"}


@pytest.mark.personalize("the engine has no recommenders")
def test_a_recommender_that_somebody_made_fills_its_slot_and_before_that_something_else_does(slots: Shop) -> None:
    def show() -> dict[str, Any]:
        answer = slots.call("GET", "/users/u1/placements/together", itemId="garden-03")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    before, engine = show(), slots.laptop.personalize
    assert (before["degradedReason"], len(shown(before))) == ("missing", 3)
    groups = slots.laptop.listed("list_dataset_groups")
    group = next(group["datasetGroupArn"] for group in groups if group["name"].endswith("-slots"))
    recipe = "arn:aws:personalize:::recipe/aws-ecomm-frequently-bought-together"
    name = f"{group.rpartition('/')[2]}-together"
    arn = engine.create_recommender(name=name, datasetGroupArn=group, recipeArn=recipe)["recommenderArn"]
    until(lambda: engine.describe_recommender(recommenderArn=arn)["recommender"]["status"] == "ACTIVE", "active")
    # It was made without columns; the table of items has them.
    until(lambda: all("metadata" in item for item in show()["items"]), "the items have names")
    items = show()["items"]
    assert {item["source"] for item in items} == {"recommender"}
    assert all(item["metadata"].keys() == {"NAME"} for item in items)
    assert items[0]["because"] == {"code": "goesWithBasket", "itemId": "garden-03"}


@pytest.mark.parametrize(
    ("path", "query", "status", "field"),
    [
        ("/users/u1/placements/nowhere", {}, 404, "placement"),
        ("/users/u1/placements/cart", {}, 400, "itemId"),
        ("/users/u1/placements/cheap", {"filterValues.MOST": "much"}, 400, "filterValues.MOST"),
        ("/users/u1/recommendations", {"filter": "cheap"}, 400, "filterValues.MOST"),
        ("/users/u1/recommendations", {"filterValues.MOST": "3"}, 400, "filter"),
        ("/popular", {"next": "forged"}, 400, "next"),
    ],
)
def test_what_cannot_be_asked_is_a_problem_with_its_field(
    slots: Shop, path: str, query: dict[str, str], status: int, field: str
) -> None:
    answer = slots.call("GET", path, **query)
    assert (answer.status, [error["field"] for error in answer.body["errors"]]) == (status, [field])


def test_the_storefront_is_told_which_slots_there_are(slots: Shop) -> None:
    shop = open_shop(slots.laptop.state, "slots").shop
    expected = ["cart", "cheap", "home", "kitchen", "pushed"]
    assert list(shop.placements) == expected + (["together"] if slots.laptop.backend == "personalize" else [])


def test_popular_items_are_kept_until_they_change(slots: Shop) -> None:
    state, http = slots.laptop.state, slots.laptop.client.http
    headers = {"x-api-key": state.key}
    first = http.request("GET", f"{state.api}/shops/slots/popular", headers=headers)
    again = {**headers, "If-None-Match": first.headers["etag"]}
    assert http.request("GET", f"{state.api}/shops/slots/popular", headers=again).status == 304
