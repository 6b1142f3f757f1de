# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api.fallback import answer, item
from personalization.api.http import Request
from personalization.api.lists import ListAsk, Listing, Ranking, listing, ranking, recipe_of
from personalization.core.problems import Problem
from personalization.personalize.runtime import Predicted
from personalization.shop.records.release import Release, ReleaseRecord
from personalization.shop.records.release_store import serving

GROUP = "arn:aws:personalize:us-east-1:1:dataset-group/retail-demo"
RELEASE = Release(
    shop="demo",
    tracking_id="t",
    dataset_group_arn=GROUP,
    campaigns={"similar-items": "arn:c"},
    filters={"cheap": "arn:f"},
    metadata_columns=("PRICE",),
)


def ask_of(**query: str) -> ListAsk:
    return listing(RELEASE, "similar-items", Request({"queryStringParameters": query}).parsed(Listing))


@pytest.mark.parametrize(
    ("operation", "campaigns", "chosen", "recipe"),
    [
        ("recommend", ["user-personalization"], "", "user-personalization"),
        ("similar", ["similar-items", "semantic-similarity"], "", "similar-items"),
        ("similar", ["similar-items", "semantic-similarity"], "semantic-similarity", "semantic-similarity"),
        # Until the chosen one has a campaign, and where there is but one.
        ("similar", ["similar-items"], "semantic-similarity", "similar-items"),
        ("similar", ["semantic-similarity"], "", "semantic-similarity"),
        ("similar", [], "semantic-similarity", "similar-items"),
        ("popular", ["trending-now"], "", "popularity-count"),
        ("popular", ["trending-now"], "trending-now", "trending-now"),
        ("popular", [], "trending-now", "popularity-count"),
    ],
)
def test_the_shop_chooses_which_recipe_answers_a_list(
    operation: str, campaigns: list[str], chosen: str, recipe: str
) -> None:
    lists = {operation: chosen} if chosen else {}
    release = replace(RELEASE, campaigns=dict.fromkeys(campaigns, "arn:c"), lists=lists)
    assert recipe_of(release, operation) == recipe


def test_items_that_trend_say_so_and_keep_their_order() -> None:
    release = replace(RELEASE, campaigns={"trending-now": "arn:t"}, diversity={"by": ["X"], "strength": "0.5"})
    ask = listing(release, "trending-now", Request({}).parsed(Listing))
    assert (ask.campaign_arn, ask.because, ask.diversity) == ("arn:t", {"code": "trending"}, None)


def test_arns_of_filters_and_datasets_follow_from_the_group() -> None:
    record = ReleaseRecord(
        shop="demo",
        run="r",
        promoted_at="2026-11-25T08:30:00Z",
        promoted_by="r",
        tracking_id="t",
        dataset_group_arn=GROUP,
        campaigns={},
        filters=("cheap",),
    )
    release = serving(record.as_record())
    assert release.filters == {"cheap": "arn:aws:personalize:us-east-1:1:filter/retail-demo-cheap"}
    assert release.dataset_arn("USERS") == "arn:aws:personalize:us-east-1:1:dataset/retail-demo/USERS"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("Soups", '"Soups"'),
        ("Soups, Bread", '"Soups","Bread"'),
        ("12.50", "12.50"),
        ("-3", "-3"),
        ('"12","13"', '"12","13"'),
        ("5.", '"5."'),
        ('a"b', '"a\\"b"'),
        ("가", '"가"'),
    ],
)
def test_filter_values_are_quoted_unless_they_are_a_number(value: str, sent: str) -> None:
    ask = ask_of(filter="cheap", **{"filterValues.X": value})
    assert ask.parameters["filterValues"] == {"X": sent}


@pytest.mark.parametrize(
    "query",
    [
        {"filterValues.bad name": "x"},
        {"filterValues.X": "x" * 1000},
        {"context.": "x"},
        {"context.X": "x" * 1001},
        {"filter": ""},
        {"itemId": ""},
        {f"filterValues.X{n}": "1" for n in range(26)},
    ],
)
def test_what_personalize_would_refuse_is_refused_first(query: dict[str, str]) -> None:
    with pytest.raises(Problem) as problem:
        ask_of(**query)
    assert problem.value.status == 400


def test_a_recipe_that_the_shop_left_out_is_not_found() -> None:
    with pytest.raises(Problem, match="leave out similar-items"):
        listing(replace(RELEASE, campaigns={}), "similar-items", Listing())


def test_the_path_wins_over_the_query() -> None:
    event = {"queryStringParameters": {"userId": "mallory", "limit": "3"}, "pathParameters": {"userId": "alice"}}
    assert Request(event).fields()["userId"] == "alice"


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=6))
def test_any_query_is_asked_or_a_bad_request(query: dict[str, str]) -> None:
    try:
        ask = ask_of(**query)
    except Problem as problem:
        status = problem.status
    else:
        status = 200 if 1 <= ask.parameters["numResults"] <= 500 else 0
    assert status in {200, 400}


@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=60))
def test_a_ranking_asks_for_each_item_once(items: list[str]) -> None:
    release = Release(
        shop="demo",
        tracking_id="t",
        dataset_group_arn=GROUP,
        campaigns={"personalized-ranking": "arn:r"},
        filters={},
        metadata_columns=("PRICE",),
    )
    ask = ranking(release, Ranking.model_validate({"userId": "u", "itemIds": items}))
    assert ask.parameters["inputList"] == list(dict.fromkeys(items))
    assert ("metadataColumns" in ask.parameters) == (len(set(items)) <= 50)


def test_reasons_and_metadata_are_passed_on() -> None:
    items: list[dict[str, object]] = [
        {"itemId": "a", "score": 0.5, "reason": ["Popular item"], "metadata": {"price": "1"}},
        {"itemId": "b"},
    ]
    told = {"score": 0.5, "reason": ["Popular item"], "because": {"code": "popular"}, "metadata": {"price": "1"}}
    assert answer(Predicted("RID", items)) == {
        "recommendationId": "RID",
        "items": [
            {"itemId": "a", "source": "campaign", **told},
            {"itemId": "b", "score": None, "source": "campaign"},
        ],
    }


@pytest.mark.parametrize(
    ("predicted", "code"),
    [
        ({"promotionName": "sale", "reason": ["Promoted item"]}, "promoted"),
        ({"reason": ["Exploration"]}, "new"),
        ({"reason": ["POPULAR_ITEM"]}, "popular"),
        ({"reason": ["Something that AWS adds one day"]}, "similarTo"),
        ({}, "similarTo"),
    ],
)
def test_personalizes_own_reason_comes_before_that_of_the_question(predicted: dict[str, object], code: str) -> None:
    because = item({"itemId": "a", **predicted}, "campaign", {"code": "similarTo", "itemId": "b"})["because"]
    assert because == ({"code": code, "itemId": "b"} if code == "similarTo" else {"code": code})
