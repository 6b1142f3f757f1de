# SPDX-License-Identifier: Apache-2.0
"""GetRecommendations and GetPersonalizedRanking."""

import re
from typing import Any

import pytest

from engine.tests.harness import Argument, until
from engine.tests.shop import Shop

UP, RANKING, SIMILAR, POPULAR = (
    "aws-user-personalization",
    "aws-personalized-ranking",
    "aws-similar-items",
    "aws-popularity-count",
)
BOOKS = {f"i{number}" for number in range(20)}


@pytest.fixture(scope="session")
def books(shop: Shop) -> str:
    return shop.aws.filter(shop.group, 'INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("books")', "runtime-books")


@pytest.fixture(scope="session")
def chosen(shop: Shop) -> str:
    return shop.aws.filter(shop.group, "INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($C)", "runtime-chosen")


def refused(shop: Shop, **question: Argument) -> str:
    """The message of a question that has to be refused."""
    invalid = shop.aws.runtime.exceptions.InvalidInputException
    with pytest.raises(invalid) as caught:
        shop.aws.runtime.get_recommendations(**question)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value)


def test_answer_has_scores_in_order_and_an_id(shop: Shop) -> None:
    answer = shop.aws.runtime.get_recommendations(campaignArn=shop.personal, userId="u0")
    scores = [item["score"] for item in answer["itemList"]]
    assert re.fullmatch(r"RID-[0-9a-f-]{36}", answer["recommendationId"])
    assert (len(scores), scores) == (25, sorted(scores, reverse=True))
    assert all(round(score, 7) == score for score in scores)


def test_everybody_is_recommended_their_own_taste(shop: Shop) -> None:
    """Users have seen all of their taste, and nobody comes back to an item; visitors have seen little."""
    for item, books in (("i3", True), ("i23", False)):
        shop.click(item, user=f"visitor-{item}", session=f"s-{item}")

        def of_taste(item: str = item, books: bool = books) -> bool:
            recommended = shop.aws.recommended(shop.personal, userId=f"visitor-{item}", numResults=10)
            return len([item for item in recommended if (item in BOOKS) == books]) >= 9

        until(of_taste, f"a list after {item}")


def test_unknown_user_gets_an_answer(shop: Shop) -> None:
    assert len(shop.aws.recommended(shop.personal, userId="nobody-yet", numResults=10)) == 10


@pytest.mark.parametrize("number", [0, 1, 40, 500])
def test_as_many_items_as_asked_or_there_are(shop: Shop, number: int) -> None:
    assert len(shop.aws.recommended(shop.personal, userId="u0", numResults=number)) == min(number, 40)


def test_similar_items_come_without_scores_and_without_the_item(shop: Shop) -> None:
    answer = shop.aws.runtime.get_recommendations(campaignArn=shop.campaigns[SIMILAR], itemId="i3", numResults=5)
    assert all("score" not in item for item in answer["itemList"])
    assert {item["itemId"] for item in answer["itemList"]} <= BOOKS - {"i3"}


def test_unknown_item_gets_popular_items(shop: Shop) -> None:
    assert len(shop.aws.recommended(shop.campaigns[SIMILAR], itemId="of-no-shop", numResults=5)) == 5


def test_popular_items_need_a_user_whom_nobody_has_to_know(shop: Shop) -> None:
    assert "userId is required" in refused(shop, campaignArn=shop.campaigns[POPULAR], numResults=5)
    assert len(shop.aws.recommended(shop.campaigns[POPULAR], userId="nobody-yet", numResults=5)) == 5


def test_ranking_returns_each_item_once_best_first_and_unknown_ones_last(shop: Shop) -> None:
    given_ids = ["i25", "unheard-of", "i3", "i3", "i30", "i7"]
    answer = shop.aws.runtime.get_personalized_ranking(
        campaignArn=shop.campaigns[RANKING], userId="u0", inputList=given_ids
    )
    ranked = answer["personalizedRanking"]
    ids, scores = [item["itemId"] for item in ranked], [item.get("score", 0.0) for item in ranked]
    assert sorted(ids) == sorted(set(given_ids))
    assert (set(ids[:2]), ids[-1], scores) == ({"i3", "i7"}, "unheard-of", sorted(scores, reverse=True))


def test_ranking_is_filtered_and_bounded(shop: Shop, books: str) -> None:
    rank, invalid = shop.aws.runtime.get_personalized_ranking, shop.aws.runtime.exceptions.InvalidInputException
    arguments: Any = {"campaignArn": shop.campaigns[RANKING], "userId": "u1"}
    answer = rank(inputList=["i25", "unheard-of", "i3"], filterArn=books, **arguments)
    assert [item["itemId"] for item in answer["personalizedRanking"]] == ["i3"]
    free = shop.aws.filter(shop.group, "EXCLUDE ItemID WHERE Items.PRICE > 9", "runtime-cheap")
    answer = rank(inputList=["i25", "unheard-of", "i3"], filterArn=free, **arguments)
    assert [item["itemId"] for item in answer["personalizedRanking"]] == ["i3", "unheard-of"]
    with pytest.raises(invalid, match="500"):
        rank(inputList=[f"i{number}" for number in range(501)], **arguments)


@pytest.mark.parametrize(
    ("recipe", "question", "reason"),
    [
        (UP, {}, "userId is required"),
        (SIMILAR, {"userId": "u0"}, "itemId is required"),
        (UP, {"userId": "u0", "numResults": 501}, "at most 500"),
        (RANKING, {"userId": "u0"}, "GetPersonalizedRanking"),
        (
            UP,
            {"userId": "u0", "numResults": 51, "metadataColumns": {"ITEMS": ["PRICE"]}},
            "at most 50 items with metadataColumns",
        ),
        (UP, {"userId": "u0", "metadataColumns": {"ITEMS": ["COLOUR"]}}, "no metadata column COLOUR"),
        (UP, {"userId": "u0", "metadataColumns": {"USERS": ["AGE_GROUP"]}}, "columns of ITEMS"),
        (UP, {"userId": "u0", "metadataColumns": {"ITEMS": ["PRICE"] * 11}}, "at most 10"),
    ],
)
def test_question_must_fit_campaign_and_recipe(shop: Shop, recipe: str, question: Argument, reason: str) -> None:
    assert reason in refused(shop, campaignArn=shop.campaigns[recipe], **question)


def test_exactly_one_of_campaign_and_recommender_is_named(shop: Shop) -> None:
    recommender = shop.personal.replace("campaign", "recommender")
    assert "either" in refused(shop, userId="u0")
    assert "either" in refused(shop, userId="u0", campaignArn=shop.personal, recommenderArn=recommender)
    with pytest.raises(shop.aws.runtime.exceptions.ResourceNotFoundException):
        shop.aws.runtime.get_recommendations(userId="u0", recommenderArn=recommender)


def test_only_ranking_campaigns_rank(shop: Shop) -> None:
    with pytest.raises(shop.aws.runtime.exceptions.InvalidInputException, match="GetRecommendations"):
        shop.aws.runtime.get_personalized_ranking(campaignArn=shop.personal, userId="u0", inputList=["i1"])


def test_context_of_the_schema_is_taken(shop: Shop) -> None:
    assert shop.aws.recommended(shop.personal, userId="u0", context={"DEVICE": "tablet"})


def test_metadata_is_shown_as_text_under_the_names_asked(shop: Shop) -> None:
    answer = shop.aws.runtime.get_recommendations(
        campaignArn=shop.personal, userId="u0", numResults=3, metadataColumns={"ITEMS": ["PRICE", "CATEGORY_L1"]}
    )
    for item in answer["itemList"]:
        kind = "books" if item["itemId"] in BOOKS else "games"
        assert item["metadata"] == {"PRICE": f"{int(item['itemId'][1:])}.5", "CATEGORY_L1": kind}


def test_metadata_must_have_been_enabled(shop: Shop) -> None:
    campaign = shop.aws.campaign(shop.versions[POPULAR], "runtime-plain")
    assert "enableMetadataWithRecommendations" in refused(
        shop, campaignArn=campaign, userId="u0", metadataColumns={"ITEMS": ["PRICE"]}
    )
    shop.aws.delete("Campaign", campaign)


def test_filters_narrow_the_answer(shop: Shop, books: str) -> None:
    recommended = shop.aws.recommended(shop.personal, userId="u1", numResults=500, filterArn=books)
    assert set(recommended) == BOOKS


def test_filter_values_are_quoted_lists(shop: Shop, chosen: str) -> None:
    question: Any = {"userId": "u0", "numResults": 500, "filterArn": chosen}
    both = shop.aws.recommended(shop.personal, filterValues={"C": '"books","games"'}, **question)
    games = shop.aws.recommended(shop.personal, filterValues={"C": '"games"'}, **question)
    assert (len(both), set(games)) == (40, set(both) - BOOKS)
    assert "C" in refused(shop, campaignArn=shop.personal, **question)


def test_filter_of_another_group_or_of_nobody_is_refused(shop: Shop) -> None:
    other = shop.aws.group("runtime-other")
    shop.aws.dataset(other, "Items")
    foreign = shop.aws.filter(other, "INCLUDE ItemID WHERE Items.PRICE > 1", "runtime-foreign")
    assert "another dataset group" in refused(shop, campaignArn=shop.personal, userId="u0", filterArn=foreign)
    with pytest.raises(shop.aws.runtime.exceptions.ResourceNotFoundException):
        shop.aws.recommended(shop.personal, userId="u0", filterArn=foreign + "x")


def test_current_item_is_that_of_the_question(shop: Shop) -> None:
    cheaper = shop.aws.filter(shop.group, "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE", "runtime-cheaper")
    recommended = shop.aws.recommended(shop.campaigns[SIMILAR], itemId="i5", numResults=500, filterArn=cheaper)
    assert set(recommended) == {"i0", "i1", "i2", "i3", "i4"}
    assert "RELATED_ITEMS" in refused(shop, campaignArn=shop.personal, userId="u0", itemId="i5", filterArn=cheaper)


def test_promoted_items_take_their_share(shop: Shop, books: str) -> None:
    promotion: Any = {"name": "spring", "percentPromotedItems": 40, "filterArn": books}
    answer = shop.aws.runtime.get_recommendations(
        campaignArn=shop.personal, userId="u1", numResults=10, promotions=[promotion]
    )["itemList"]
    promoted = [item["itemId"] for item in answer if item.get("promotionName") == "spring"]
    assert (len(answer), len(promoted)) == (10, 4)
    assert len({item["itemId"] for item in answer}) == 10
    assert set(promoted) <= BOOKS


def test_too_few_promoted_items_are_made_up_for(shop: Shop, chosen: str) -> None:
    promotion: Any = {"percentPromotedItems": 100, "filterArn": chosen, "filterValues": {"C": '"games"'}}
    recommended = shop.aws.recommended(shop.personal, userId="u0", numResults=30, promotions=[promotion])
    assert (len(recommended), len(set(recommended) - BOOKS)) == (30, 20)
