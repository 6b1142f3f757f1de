# SPDX-License-Identifier: Apache-2.0
"""Variety: the re-ranking itself, and what a release and an answer make of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api import diversity, lists
from personalization.api import placements as placing
from personalization.api.diversity import varied
from personalization.api.fallback import FallbackChain
from personalization.api.lists import ListAsk, Listing
from personalization.api.placements import PageBody, Parallel
from personalization.core.errors import Rejected, RetryLater
from personalization.personalize.runtime import Predicted
from personalization.shop.records.release import Release
from personalization.shop.settings import placements
from personalization.shop.settings.settings import parse

Trait = tuple[str, str]

TRAITS = st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "x", "y", "z"]))
LISTS = st.lists(TRAITS, max_size=30)
STRENGTHS = st.floats(0, 1)


def ids(traits: list[Trait]) -> dict[str, Trait]:
    return {f"i{number}": trait for number, trait in enumerate(traits)}


def of(traits: Mapping[str, Trait], most: int, strength: float) -> list[str]:
    return varied([*traits], traits, most, strength)


@given(LISTS, st.integers(1, 40), STRENGTHS)
def test_a_list_is_filled_from_its_candidates_and_begins_as_before(
    traits: list[Trait], most: int, strength: float
) -> None:
    traits_by_item = ids(traits)
    chosen = of(traits_by_item, most, strength)
    assert len(chosen) == len(set(chosen)) == min(most, len(traits_by_item))
    assert set(chosen) <= set(traits_by_item)
    assert chosen[:1] == [*traits_by_item][:1]
    assert chosen == of(traits_by_item, most, strength)


@given(LISTS, st.integers(1, 40), STRENGTHS)
def test_what_is_alike_gives_way_from_its_end(traits: list[Trait], most: int, strength: float) -> None:
    traits_by_item = {item: (trait[0], "") for item, trait in ids(traits).items()}
    chosen = of(traits_by_item, most, strength)
    for value in {trait[0] for trait in traits_by_item.values()}:
        alike = [item for item in traits_by_item if traits_by_item[item][0] == value]
        assert [item for item in chosen if item in alike] == alike[: sum(item in alike for item in chosen)]


@given(st.integers(0, 30), st.integers(1, 40), STRENGTHS)
def test_nothing_moves_where_nothing_is_alike(length: int, most: int, strength: float) -> None:
    traits_by_item = ids(
        [(f"v{number}" if number % 2 else "", f"n{number}" if number % 3 else "") for number in range(length)]
    )
    assert of(traits_by_item, most, strength) == [*traits_by_item][:most]


@given(LISTS, st.integers(1, 40))
def test_without_strength_only_repeats_of_names_move(traits: list[Trait], most: int) -> None:
    traits_by_item = {item: (trait[0], "") for item, trait in ids(traits).items()}
    assert of(traits_by_item, most, 0.0) == [*traits_by_item][:most]


@given(LISTS, st.integers(1, 40), STRENGTHS)
def test_a_name_comes_again_only_where_nothing_else_is_left(traits: list[Trait], most: int, strength: float) -> None:
    traits_by_item = ids(traits)
    chosen = of(traits_by_item, most, strength)
    names = Counter(traits_by_item[item][1] for item in chosen if traits_by_item[item][1])
    if max(names.values(), default=0) > 1:
        assert {traits_by_item[item][1] for item in traits_by_item if item not in chosen} <= {*names}
        assert not [item for item in traits_by_item if item not in chosen and not traits_by_item[item][1]]


def test_full_strength_shows_each_value_once_before_any_twice() -> None:
    traits_by_item = ids([(value, "") for value in "aaabbc"])
    assert ["".join(traits_by_item[item][0] for item in of(traits_by_item, most, 1.0)) for most in (2, 3, 4)] == [
        "ab",
        "abc",
        "aabc",
    ]


def test_a_repeat_counts_as_if_it_stood_further_down() -> None:
    """With a strength of one half twice as far: what is fourth stands eighth, behind the fifth and the sixth."""
    traits_by_item = ids([(value, "") for value in "aabacdefgh"])
    assert of(traits_by_item, 4, 0.1) == ["i0", "i1", "i2", "i3"]
    assert of(traits_by_item, 4, 0.5) == ["i0", "i1", "i2", "i4"]
    assert of(traits_by_item, 8, 0.5) == ["i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7"]


def test_the_best_size_stands_for_a_product() -> None:
    traits_by_item = {"s": ("", "t-shirt"), "m": ("", "t-shirt"), "hat": ("", "hat"), "sun": ("", "sunhat")}
    assert of(traits_by_item, 3, 0.3) == ["s", "hat", "sun"]
    assert of(traits_by_item, 4, 0.3) == ["s", "hat", "sun", "m"]
    assert varied([*traits_by_item], traits_by_item, 3, 0.3, {"hat"}) == ["s", "sun", "m"]


SETTINGS = """
recipes: [user-personalization, similar-items]
filters:
  again: INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")
  new: INCLUDE ItemID WHERE Interactions.event_type NOT IN ("Purchase")
  soups: INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("INCLUDE Interactions.X IN") | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")
recommenders:
  best: {use_case: best-sellers}
  together: {use_case: frequently-bought-together}
diversity: {strength: 0.5}
placements:
  home: {recipe: user-personalization, limit: 3}
  again: {recipe: user-personalization, filter: again}
  new: {recipe: user-personalization, filter: new}
  soups: {recipe: user-personalization, filter: soups}
  pushed: {recipe: user-personalization, promotions: [{percent: 50, filter: soups}]}
  top: {recipe: popularity-count}
  basket: {recipe: similar-items, because: becauseYouBought, limit: 2, diversity: {by: BRAND}}
  plain: {recipe: similar-items, diversity: off}
  best: {recommender: best}
  together: {recommender: together}
  mine: {recommender: mine}
  mine-varied: {recommender: mine, diversity: {strength: 1}}
"""  # noqa: E501


def of_settings(text: str = SETTINGS) -> dict[str, Any]:
    """The variety of placements in the release."""
    settings = parse("settings.yaml", text)
    uses = {name: f"arn:recipe/{recommender.recipe}" for name, recommender in settings.recommenders.items()}
    return {**placements.varied(settings.placements, settings.diversity, settings.filters, uses)}


def test_what_repeats_itself_sells_or_is_placed_is_never_varied() -> None:
    placements = of_settings()
    assert [*placements] == ["home", "new", "soups", "basket", "together", "mine-varied"]
    assert placements["home"] == {"by": ["CATEGORY_L3", "CATEGORY_L2"], "strength": "0.5"}
    assert placements["basket"] == {"by": ["BRAND"], "strength": "0.5"}
    assert placements["mine-varied"]["strength"] == "1"


def test_a_shop_without_categories_goes_by_names_and_one_without_names_by_nothing() -> None:
    home = diversity.read(of_settings()["home"])
    assert home is not None
    assert home.trait({"TITLE": "Oat milk", "PRICE": "1"}) == ("", "oat milk")
    assert home.trait({"PRICE": "1"}) == ("", "")
    assert [*of_settings(SETTINGS.replace("{strength: 0.5}", "off"))] == ["basket", "mine-varied"]


@pytest.mark.parametrize(
    ("placement", "reason"),
    [
        ("recipe: popularity-count, diversity: {strength: 1}", ": popularity-count shows what sells"),
        ("recommender: best, diversity: {by: BRAND}", ": the recommender best shows what is popular"),
        ("recipe: user-personalization, filter: again, diversity: {by: X}", ": its filter includes what"),
        ("recipe: user-personalization, diversity: {strength: 2}", ".strength: must be less than or"),
        ("recipe: user-personalization, diversity: {by: brand}", ".by: must be a column's name"),
        ("recipe: user-personalization, diversity: often", ": must be settings"),
        (
            "recipe: user-personalization, diversity: {strenght: 1}",
            ".strenght is not a setting (did you mean strength?",
        ),
    ],
)
def test_contradictions_are_told(placement: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse("settings.yaml", f"{SETTINGS}  a: {{{placement}}}\n")
    assert f"placements.a.diversity{reason}" in refused.value.reason


def test_json_may_say_off_as_well() -> None:
    assert not parse("settings.json", '{"diversity": "off"}').diversity.enabled
    assert not parse("settings.json", '{"diversity": false}').diversity.enabled


SHELVES = ["Milk", "Milk", "Bread", "Milk", "Eggs", "Bread"]
CATALOGUE = {
    f"i{number}": {"CATEGORY_L2": SHELVES[number % 6], "NAME": f"n{number - number % 8 // 7}"} for number in range(200)
}
RELEASE = Release(
    shop="demo",
    tracking_id="t",
    dataset_group_arn="arn:aws:personalize:us-east-1:1:dataset-group/retail-demo",
    campaigns={"similar-items": "arn:similar", "user-personalization": "arn:personal"},
    filters={"new": "arn:new"},
    metadata_columns=("NAME",),
    placements=placements.record(parse("settings.yaml", SETTINGS).placements, (), of_settings()),
    diversity={"by": ["CATEGORY_L2"], "strength": "1"},
)


class World:
    """A campaign that likes the first items best, and a table of items."""

    def __init__(self, *, fails: bool = False, knows: bool = True) -> None:
        self.fails, self.knows, self.asks = fails, knows, list[ListAsk]()
        self.chain = FallbackChain(lambda _: "slow", lambda _shop, _now: [], lambda: 0.0, self.columns)

    def columns(self, _shop: str, ids: Iterable[str], _left: float) -> dict[str, dict[str, str]]:
        return {item: CATALOGUE[item] for item in ids if self.knows and item in CATALOGUE}

    def predict(self, ask: ListAsk) -> Predicted:
        self.asks.append(ask)
        if self.fails:
            raise RetryLater("arn:similar", "no answer")
        return Predicted("RID", [{"itemId": f"i{number}"} for number in range(ask.parameters["numResults"])])

    def similar(self, release: Release = RELEASE, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a request
        ask = lists.listing(release, "similar-items", Listing.model_validate({"itemId": "i39", **fields}))
        answer: dict[str, Any] = lists.after(release, ask, self.chain.fill(release, ask, self.predict))
        return answer


def shown(answer: dict[str, Any]) -> list[str]:
    return [item["itemId"] for item in answer["items"]]


def test_similar_items_are_asked_for_threefold_and_shown_with_variety() -> None:
    world = World()
    assert shown(world.similar(limit=4)) == ["i0", "i1", "i2", "i4"]
    assert world.asks[0].parameters["numResults"] == 12
    assert shown(world.similar(limit=200)) == [f"i{number}" for number in range(200)]
    assert shown(World(knows=False).similar(limit=3)) == ["i0", "i1", "i2"]


def test_a_campaign_with_metadata_is_asked_for_fifty_at_most() -> None:
    world = World()
    world.similar(limit=25)
    assert world.asks[0].parameters["numResults"] == 50
    world.similar(replace(RELEASE, without_metadata=frozenset({"arn:similar"})), limit=25)
    assert world.asks[1].parameters["numResults"] == 75


def test_an_older_release_answers_as_before() -> None:
    world = World()
    assert shown(world.similar(replace(RELEASE, diversity=None), limit=3)) == ["i0", "i1", "i2"]
    assert world.asks[0].parameters["numResults"] == 3


def test_pages_show_every_item_once_and_no_name_again_before_the_others() -> None:
    world, pages, following = World(), list[list[str]](), None
    for _ in range(5):
        answer = world.similar(limit=4, **({"next": following} if following else {}))
        pages.append(shown(answer))
        following = answer["next"]
    every = [item for page in pages for item in page]
    assert len({*every}) == 20
    assert len({CATALOGUE[item]["NAME"] for item in every}) == 20
    assert all(len({CATALOGUE[item]["CATEGORY_L2"] for item in page}) == 3 for page in pages[:3])


def test_the_page_of_an_item_shows_it_in_no_other_size() -> None:
    world = World()
    assert "i7" not in shown(world.similar(limit=8, excludeItemIds=("i6",)))


def test_the_last_good_answer_is_varied_as_well() -> None:
    world = World()
    first = shown(world.similar(limit=4))
    world.fails = True
    again = world.similar(limit=4)
    assert (shown(again), again["items"][0]["source"]) == (first, "cache")


def test_placements_of_a_page_share_neither_items_nor_names() -> None:
    world = World()
    sent = PageBody.model_validate({"placements": ["home", "basket", "new"], "itemId": "i9"})
    asks = placing.slots(RELEASE, sent, {"userId": "u"}, {})
    shown_placements: Any = placing.page(world.chain, RELEASE, asks, world.predict, Parallel())["placements"]
    items = [item for placement in shown_placements for item in shown(placement)]
    assert len(items) == 3 + 2 + 12
    assert len({CATALOGUE[item]["NAME"] for item in items}) == len(items)
    assert shown(shown_placements[0]) == ["i0", "i1", "i2"]
