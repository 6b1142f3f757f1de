# SPDX-License-Identifier: Apache-2.0
"""Team drafts: fair, without repeats, always the same, and a shorter list is the start of a longer one."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api.drafts import draft

ITEMS = [f"i{number}" for number in range(14)]
RANKINGS = st.tuples(st.permutations(ITEMS[:8]), st.permutations(ITEMS).map(lambda items: items[:8]))


@given(RANKINGS, st.text(max_size=12))
def test_a_draft_is_fair_and_a_shorter_one_is_its_start(rankings: tuple[list[str], list[str]], seed: str) -> None:
    picks = draft(rankings, 8, seed)

    assert picks == draft(rankings, 8, seed)
    assert all(draft(rankings, length, seed) == picks[:length] for length in range(8))
    items = [pick.item for pick in picks]
    assert len(items) == len(set(items)) == 8
    taken = list[str]()
    for pick in picks:
        # Each side adds the best of its items that the list does not have.
        assert pick.item == next(item for item in rankings[pick.side] if item not in taken)
        taken.append(pick.item)
    for start in range(0, 8, 2):
        assert {pick.side for pick in picks[start : start + 2]} == {0, 1}
    # With the sides exchanged, the other ones win the same coins.
    swapped = Counter(draft(rankings[::-1], 8, seed)[0].side for seed in map(str, range(200)))
    assert abs(swapped[0] - swapped[1]) < 80


def test_only_what_tells_the_rankings_apart_counts() -> None:
    first, second = ["a", "b", "c", "d", "e"], ["a", "b", "d", "c", "f"]
    assert [pick.counts for pick in draft((first, second), 5, "seed")] == [False, False, True, True, True]
    assert not any(pick.counts for pick in draft((first, first), 5, "seed"))


@pytest.mark.parametrize("position", range(6))
def test_neither_ranking_is_higher_than_the_other_on_the_whole(position: int) -> None:
    rankings = ([f"a{number}" for number in range(6)], [f"b{number}" for number in range(6)])
    sides = Counter(draft(rankings, 6, f"user-{number}")[position].side for number in range(4_000))
    assert abs(sides[0] - sides[1]) < 4 * 4_000**0.5


def test_a_ranking_that_runs_out_ends_the_list() -> None:
    assert [pick.item for pick in draft((["a"], ["a", "b"]), 5, "x")][:1] == ["a"]
    assert draft(([], []), 5, "x") == []
