# SPDX-License-Identifier: Apache-2.0
"""Placements: the setting, what a release keeps of it, and what a page shows."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api import placements as placing
from personalization.api.fallback import BUDGET_SECONDS, FallbackChain
from personalization.api.lists import ListAsk
from personalization.api.placements import PageBody, Parallel, Slot
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.core.problems import Problem, validate
from personalization.personalize.runtime import Predicted
from personalization.shop.records.release import Release
from personalization.shop.settings import placements
from personalization.shop.settings.recipes import TRAINABLE
from personalization.shop.settings.settings import parse

SETTINGS = """
filters:
  cheap: INCLUDE ItemID WHERE Items.PRICE < $MOST
  in: INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($CATEGORY)
placements:
  home: {recipe: user-personalization, limit: 3, context: {slot: home, GONE: x}, metadata: [PRICE, GONE]}
  cheap: {recipe: popularity-count, filter: cheap, limit: 2, fallback: bestsellers}
  soups: {recipe: user-personalization, filter: in, filter_values: {CATEGORY: Soups}, limit: 2}
  basket: {recipe: similar-items, limit: 3, because: goesWithBasket}
  pushed:
    recipe: user-personalization
    promotions: [{percent: 50, filter: in, filter_values: {CATEGORY: Bread}}]
  optional: {recipe: similar-items, limit: 2, fallback: none}
  for-you: {recommender: for-you, limit: 2, context: {SLOT: top}}
  viewed: {recommender: also-viewed, limit: 2, because: becauseYouViewed, metadata: [PRICE]}
"""
RELEASE = Release(
    shop="demo",
    tracking_id="t",
    dataset_group_arn="arn:aws:personalize:us-east-1:1:dataset-group/retail-demo",
    campaigns={alias: f"arn:{alias}" for alias in TRAINABLE},
    filters={name: f"arn:aws:personalize:us-east-1:1:filter/retail-demo-{name}" for name in ("cheap", "in")},
    metadata_columns=("PRICE", "CATEGORY_L1"),
    context_columns=("SLOT",),
    filter_parameters={"cheap": {"MOST": "number"}, "in": {"CATEGORY": "text"}},
    placements=placements.record(parse("settings.yaml", SETTINGS).placements, ("SLOT",), {}),
)


def ask(name: str, **fields: Any) -> ListAsk:  # noqa: ANN401 - any field of a request
    return placing.ask(RELEASE, name, validate(Slot, {"userId": "u", **fields}), {"DEVICE": "phone"})


class World:
    """A clock, campaigns that all like the same items, and what stands in for them."""

    def __init__(self, fails: Sequence[str] = (), best: Sequence[str] = ("b1", "b2", "b3", "b4")) -> None:
        self.fails = fails
        self.asks: list[ListAsk] = []
        listed = [{"itemId": item} for item in best]
        self.chain = FallbackChain(lambda _: "slow", lambda _shop, _now: listed, lambda: 0.0)

    def predict(self, ask: ListAsk) -> Predicted:
        self.asks.append(ask)
        if ask.campaign_arn in self.fails:
            raise RetryLater(ask.campaign_arn, "no answer")
        number = range(min(ask.parameters["numResults"], 40))
        return Predicted("RID", [{"itemId": f"i{number_of_item}"} for number_of_item in number])

    def page(self, *names: str, release: Release = RELEASE, **body: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        sent = PageBody.model_validate_json(json.dumps({"placements": names, **body}))
        values = {"MOST": "3"} if "cheap" in names else {}
        asks = placing.slots(release, sent, {"userId": "u", "filterValues": values}, {})
        shown_placements: Any = placing.page(self.chain, release, asks, self.predict, Parallel())["placements"]
        return shown_placements  # type: ignore[no-any-return]


def shown(answer: dict[str, Any]) -> list[str]:
    return [item["itemId"] for item in answer["items"]]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("{recipe: sims}", ["recipe"]),
        ("{recipe: personalized-ranking}", ["recipe"]),
        ("{recipe: similar-items}", ["recipe"]),
        ("{recipe: popularity-count, limit: 0, colour: red}", ["limit", "colour"]),
        ("{recipe: popularity-count, filter: cheep}", ["filter"]),
        ("{recipe: popularity-count, filter_values: {A: x}}", ["filter_values"]),
        ("{recipe: popularity-count, filter: in, filter_values: {A: x}}", ["filter_values.A"]),
        ("{recipe: popularity-count, context: {A: b}, because: similarTo}", ["context", "because"]),
        ("{recipe: popularity-count, metadata: [price]}", ["metadata"]),
        ("{recipe: popularity-count, metadata: [PRICE], limit: 51}", ["metadata"]),
        ("{recipe: popularity-count, promotions: [{percent: 0, filter: in}]}", [
            "promotions.0.percent", "promotions.0.filter_values.CATEGORY",
        ]),
        ("{recipe: popularity-count, recommender: for-you}", [""]),
        ("{limit: 3}", [""]),
        ("{recommender: For You}", ["recommender"]),
        ("[]", [""]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_placement_is_told_all_at_once(text: str, places: list[str]) -> None:
    start = "recipes: [user-personalization, popularity-count]\n" + SETTINGS.partition("placements:")[0].strip()
    with pytest.raises(Rejected) as refused:
        parse("settings.yaml", f"{start}\nplacements:\n  a: {text}\n")
    names = [part.partition(": ")[0].partition(" is ")[0] for part in refused.value.reason.split("; ")]
    assert sorted(names) == sorted(f"placements.a.{position}".rstrip(".") for position in places)


def test_a_custom_shop_has_no_recommenders() -> None:
    with pytest.raises(Rejected, match=r"placements\.a\.recommender: a shop with domain: custom has none"):
        parse("settings.yaml", "domain: custom\nplacements: {a: {recommender: for-you}}")


def test_a_value_may_be_written_as_a_number() -> None:
    slot = "{recipe: popularity-count, filter: a, filter_values: {M: 2.5}}"
    text = f"filters: {{a: INCLUDE ItemID WHERE Items.PRICE < $M}}\nplacements: {{a: {slot}}}"
    assert parse("settings.yaml", text).placements["a"].filter_values == {"M": "2.5"}


@pytest.mark.parametrize("slot", ["{recipe: user-personalization, fallback: popular}", "{recipe: popularity-count}"])
def test_bestsellers_need_no_recipe(slot: str) -> None:
    text = f"recipes: [user-personalization]\nplacements: {{a: {slot}}}"
    assert parse("settings.yaml", text).placements["a"].fallback == "popular"


def test_a_release_keeps_what_personalize_would_not_refuse() -> None:
    home = RELEASE.placements["home"]
    # Columns may come with a later drop of items, and Personalize is asked only for those of the release.
    assert (home["metadata"], home["context"]) == (["PRICE", "GONE"], {"SLOT": "home"})
    assert (ask("home").columns, ask("home").parameters["metadataColumns"]) == (("PRICE", "GONE"), {"ITEMS": ["PRICE"]})
    bare: Any = placements.record(parse("settings.yaml", SETTINGS).placements, (), {})
    assert (bare["home"]["metadata"], bare["home"]["context"]) == (["PRICE", "GONE"], {})


def test_a_placement_asks_what_the_shop_chose() -> None:
    home = ask("home", context={"DEVICE": "tablet"}).parameters
    assert home == {
        "context": {"DEVICE": "tablet", "SLOT": "home"},
        "metadataColumns": {"ITEMS": ["PRICE"]},
        "numResults": 3,
        "userId": "u",
    }
    soups = ask("soups", limit=4).parameters
    assert (soups["filterValues"], soups["numResults"]) == ({"CATEGORY": '"Soups"'}, 4)
    (pushed,) = ask("pushed").parameters["promotions"]
    assert (pushed["percentPromotedItems"], pushed["filterValues"]) == (50, {"CATEGORY": '"Bread"'})
    assert ask("basket", itemId="i").because == {"code": "goesWithBasket", "itemId": "i"}
    assert "context" not in ask("cheap", filterValues={"MOST": "3"}).parameters


def test_a_recommender_is_asked_in_place_of_a_campaign() -> None:
    first = ask("for-you", itemId="i")
    assert first.campaign_arn == "arn:aws:personalize:us-east-1:1:recommender/retail-demo-for-you"
    assert (first.parameters, first.because) == ({"numResults": 3, "userId": "u", "context": {"SLOT": "top"}}, None)
    viewed = ask("viewed", itemId="i")
    # Columns come from the table of items, whether or not the recommender was made with any.
    assert viewed.columns == ("PRICE",)
    assert "metadataColumns" not in viewed.parameters
    assert (viewed.parameters["itemId"], viewed.because) == ("i", {"code": "becauseYouViewed", "itemId": "i"})
    answers = World(fails=[first.campaign_arn]).page("for-you", "viewed", itemId="i")
    assert [{item["source"] for item in answer["items"]} for answer in answers] == [{"popular"}, {"recommender"}]


@pytest.mark.parametrize(
    ("name", "fields", "status", "field"),
    [
        ("hom", {}, 404, "placement"),
        ("basket", {}, 400, "itemId"),
        ("viewed", {}, 400, "itemId"),
        ("home", {"excludeItemIds": ["i"] * 101}, 400, "excludeItemIds"),
        ("home", {"filter": "cheap"}, 400, "filter"),
        ("home", {"filterValues": {"MOST": "3"}}, 400, "filter"),
        ("home", {"limit": 101}, 400, "limit"),
        ("home", {"next": "x"}, 400, "next"),
        ("cheap", {}, 400, "filterValues.MOST"),
        ("cheap", {"filterValues": {"MOST": "much"}}, 400, "filterValues.MOST"),
        ("soups", {"filterValues": {"CATEGORY": "Bread"}}, 400, "filterValues.CATEGORY"),
    ],
)
def test_what_a_placement_cannot_be_asked(name: str, fields: dict[str, Any], status: int, field: str) -> None:
    with pytest.raises(Problem) as refused:
        ask(name, **fields)
    assert (refused.value.status, refused.value.errors[0].field) == (status, field)


@given(st.lists(st.sampled_from(sorted(RELEASE.placements)), min_size=1, unique=True), st.integers(0, 3))
def test_a_page_shows_no_item_twice_and_fills_every_slot(names: list[str], excluded: int) -> None:
    without = [f"i{number}" for number in range(excluded)]
    answers = World().page(*names, itemId="i5", excludeItemIds=without)
    assert [answer["placement"] for answer in answers] == names
    every = [item for answer in answers for item in shown(answer)]
    assert len(every) == len(set(every))
    assert not {"i5", *without} & set(every)
    assert [len(answer["items"]) for answer in answers] == [RELEASE.placements[name]["limit"] for name in names]


def test_a_slot_whose_campaign_fails_takes_from_the_others_what_they_do_not_show() -> None:
    world = World(fails=["arn:user-personalization", "arn:similar-items"])
    home, basket, optional = world.page("home", "basket", "optional", itemId="x")
    assert [shown(home), shown(basket), shown(optional)] == [["i0", "i1", "i2"], ["i3", "i4", "i5"], []]
    assert [placement["degradedReason"] for placement in (home, basket, optional)] == ["slow"] * 3
    assert [item["because"] for item in basket["items"]] == [{"code": "popular"}] * 3


def test_a_page_with_one_slot_that_nothing_fills_is_still_a_page() -> None:
    world = World(fails=["arn:similar-items"], best=())
    release = replace(RELEASE, campaigns={**RELEASE.campaigns, "popularity-count": "arn:similar-items"})
    home, basket = world.page("home", "basket", release=release, itemId="x")
    assert (len(home["items"]), basket["items"], basket["degradedReason"]) == (3, [], "slow")
    with pytest.raises(PersonalizationError):
        world.page("basket", release=release, itemId="x")


def test_a_campaign_that_was_never_promoted_is_a_slot_filled_with_something_else() -> None:
    release = replace(RELEASE, campaigns={"popularity-count": "arn:popularity-count"})
    world = World()
    home, optional, cheap = world.page("home", "optional", "cheap", release=release, itemId="x")
    assert [shown(home), shown(optional), shown(cheap)] == [["i0", "i1", "i2"], [], ["i3", "i4"]]
    assert [home["degradedReason"], optional["degradedReason"]] == ["missing"] * 2
    assert {ask.campaign_arn for ask in world.asks} == {"arn:popularity-count"}


def test_a_slot_behind_an_empty_one_shows_no_more_than_its_limit() -> None:
    world = World(fails=["arn:similar-items"])
    optional, home = world.page("optional", "home", itemId="x")
    assert ([shown(optional), shown(home)]) == ([[], ["i0", "i1", "i2"]])
    assert (optional["degradedReason"], "degraded" in home) == ("slow", False)


def test_a_campaign_that_rests_is_left_alone_by_pages_too() -> None:
    world = World(fails=["arn:user-personalization"])
    for _ in range(5):
        world.page("home", "soups")
    assert sum(ask.campaign_arn == "arn:user-personalization" for ask in world.asks) <= 6
    assert BUDGET_SECONDS > 0


@pytest.mark.parametrize("sent", [{}, {"placements": []}, {"placements": ["home", "home"]}, {"placements": ["x"] * 11}])
def test_a_page_names_one_to_ten_placements_once_each(sent: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        validate(PageBody, sent)
    assert refused.value.errors[0].field == "placements"
