# SPDX-License-Identifier: Apache-2.0
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api.fallback import answer
from personalization.api.http import Request
from personalization.api.lists import Listing, after, listing, read_token, token
from personalization.core.problems import Problem
from personalization.personalize.runtime import Predicted
from personalization.shop.records.release import Release

RELEASE = Release(
    shop="demo", tracking_id="secret", dataset_group_arn="arn:g", campaigns={"user-personalization": "arn:c"}
)
scopes = st.lists(st.text(max_size=10), max_size=4)
ids = st.lists(st.text(min_size=1, max_size=8), unique=True, min_size=1, max_size=60)


@given(scopes, st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=500))
def test_a_token_gives_back_what_it_holds(scope: list[str], marks: set[int]) -> None:
    text = token("secret", scope, marks)
    assert read_token("secret", scope, text) == marks
    assert len(text) <= 4096


@given(scopes, scopes, st.text(max_size=60))
def test_a_token_of_another_list_shop_or_forger_is_refused(scope: list[str], other: list[str], text: str) -> None:
    good = token("secret", scope, {1, 2})
    flipped = ("A" if good[0] != "A" else "B") + good[1:]
    for secret, signed_scope, given_ in (
        ("other", scope, good),
        ("secret", [*scope, "x"], good),
        ("secret", scope, flipped),
    ):
        with pytest.raises(Problem) as refused:
            read_token(secret, signed_scope, given_)
        assert (refused.value.status, refused.value.errors[0].field) == (400, "next")
    for secret, signed_scope, given_ in (("secret", other, good), ("secret", scope, text)):
        if signed_scope != scope or given_ != good:
            with pytest.raises(Problem):
                read_token(secret, signed_scope, given_)


def page(order: list[str], limit: int, following: str | None, excluded: tuple[str, ...] = ()) -> dict[str, Any]:
    """A page of a list that Personalize has in `order`."""
    query = {"limit": str(limit)} | ({"next": following} if following else {})
    request = Request({"queryStringParameters": query}).parsed(Listing, userId="u", excludeItemIds=excluded)
    ask = listing(RELEASE, "user-personalization", request)
    best = [{"itemId": item} for item in order][: ask.parameters["numResults"]]
    return after(RELEASE, ask, answer(Predicted("RID", best), "campaign", ask))


@given(ids, st.integers(1, 20), st.randoms(), st.data())
def test_no_page_repeats_an_item_whatever_happens_between(
    order: list[str], limit: int, random: Random, data: st.DataObject
) -> None:
    excluded = tuple(data.draw(st.lists(st.sampled_from(order), max_size=3, unique=True)))
    seen: list[str] = []
    following = None
    while True:
        told = page(order, limit, following, excluded)
        items = [item["itemId"] for item in told["items"]]
        assert len(items) <= limit
        seen += items
        following = told.get("next")
        if following is None:
            break
        # An event came: the list is another one now.
        random.shuffle(order)
    assert sorted(seen) == sorted(set(order) - set(excluded))


def test_pages_end_where_personalize_does() -> None:
    order = [f"i{number}" for number in range(600)]
    following, seen = None, set[str]()
    for limit in (300, 150, 100):
        told = page(order, limit, following)
        following = told.get("next")
        seen |= {item["itemId"] for item in told["items"]}
    assert (len(seen), following) == (500, None)
