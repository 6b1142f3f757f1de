# SPDX-License-Identifier: Apache-2.0
"""The figures of lists: the worked examples of Personalize's documentation, hand-made cases, and another library's."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.releases import ranking_metrics
from personalization.releases.ranking_metrics import Answer, Bootstrap

RANX: dict[ranking_metrics.Metric, tuple[float, float]] = {
    ranking_metrics.discounted_gain: (0.1620606326691833, 0.1908292055109625),
    ranking_metrics.precision: (0.1, 0.075),
    ranking_metrics.recall: (0.20625, 0.2583333333333333),
    ranking_metrics.reciprocal_rank: (0.25416666666666665, 0.26805555555555555),
    ranking_metrics.hit_rate: (0.5, 0.625),
}
"""At 5 and at 10, of `drawn`, by ranx 0.3.21: ndcg, precision, recall, mrr, hit_rate."""
LISTS = st.lists(st.sampled_from("abcdefghij"), unique=True)
RELEVANT = st.frozensets(st.sampled_from("abcdefghij"))


def answer(*hits: int, length: int = 25) -> Answer:
    """An answer whose relevant items stand at these places."""
    items = [f"item-{number}" for number in range(1, length + 1)]
    return Answer(items, frozenset(f"item-{hit}" for hit in hits))


def drawn() -> list[Answer]:
    """Eight lists of 12 of 40 items, with one to nine relevant ones each, some of them in no list."""
    rng = random.Random(3)  # noqa: S311 - no secret
    pairs = [(rng.sample(range(40), 12), rng.sample(range(40), rng.randint(1, 9))) for _ in range(8)]
    return [Answer([f"i{item}" for item in items], {f"i{item}" for item in relevant}) for items, relevant in pairs]


def test_mean_reciprocal_rank_of_first_hits_at_4_2_and_6() -> None:
    summary = ranking_metrics.summary([answer(4), answer(2, 9), answer(6)], 100)
    assert summary["mean_reciprocal_rank_at_25"] == 0.3056


def test_discounted_gain_of_hits_at_2_and_5() -> None:
    assert ranking_metrics.discounted_gain(answer(2, 5), 5) == pytest.approx(0.6241, abs=5e-5)


def test_precision_of_two_hits_in_five() -> None:
    assert ranking_metrics.precision(answer(2, 5), 5) == pytest.approx(0.4)


def test_recall_is_a_share_of_the_relevant_and_hit_rate_asks_for_one() -> None:
    half = Answer(["a", "b", "c"], {"b", "z"})
    assert [ranking_metrics.recall(half, depth) for depth in (1, 2)] == [0.0, 0.5]
    assert [ranking_metrics.hit_rate(half, depth) for depth in (1, 2)] == [0.0, 1.0]


def test_nothing_found_is_zero_and_everything_found_is_one() -> None:
    nothing = ranking_metrics.summary([Answer(["a"], frozenset({"b"}))], 10)
    assert {value for name, value in nothing.items() if name != "coverage"} == {0.0}
    assert ranking_metrics.discounted_gain(answer(1, 2, 3), 5) == pytest.approx(1.0)
    assert ranking_metrics.reciprocal_rank(answer(26, length=30)) == 0.0
    assert {metric(Answer(["a"], ()), 5) for metric in RANX} == {0.0}


def test_coverage_counts_distinct_items_of_all_answers() -> None:
    assert ranking_metrics.summary([answer(1), answer(1, length=30)], 120)["coverage"] == 0.25


def test_the_tail_is_what_is_not_in_the_head() -> None:
    assert ranking_metrics.tail_share([["hit", "rare"], ["hit", "odd"], ["hit"]], {"hit"}) == 0.4


@pytest.mark.parametrize("metric", RANX, ids=lambda metric: metric.__name__)
def test_another_library_has_the_same_figures(metric: ranking_metrics.Metric) -> None:
    means = [ranking_metrics.mean(metric(answer, depth) for answer in drawn()) for depth in (5, 10)]
    assert means == pytest.approx(RANX[metric])


def test_of_equal_scores_the_relevant_come_last() -> None:
    scored = [("a", 3.0), ("b", 2.0), ("c", 2.0), ("d", 2.0), ("e", 1.0)]
    assert ranking_metrics.relevant_last(scored, {"a", "b", "e"}) == ["a", "c", "d", "b", "e"]


@given(LISTS, RELEVANT, st.data())
def test_ties_never_help_and_lose_no_item(items: list[str], relevant: frozenset[str], data: st.DataObject) -> None:
    scores = sorted(data.draw(st.lists(st.integers(0, 3), min_size=len(items), max_size=len(items))), reverse=True)
    order = ranking_metrics.relevant_last(zip(items, scores, strict=True), relevant)
    assert sorted(order) == sorted(items)
    for metric in RANX:
        assert metric(Answer(order, relevant), 3) <= metric(Answer(items, relevant), 3) + 1e-12


@given(LISTS, RELEVANT)
def test_every_figure_is_a_share_that_does_not_fall_with_depth(items: list[str], relevant: frozenset[str]) -> None:
    for metric in (ranking_metrics.hit_rate, ranking_metrics.recall, ranking_metrics.reciprocal_rank):
        shallow, deep = (metric(Answer(items, relevant), depth) for depth in (2, 5))
        assert 0.0 <= shallow <= deep <= 1.0


def test_an_interval_of_coin_tosses_is_about_two_standard_errors_wide() -> None:
    tosses = [float(number % 2) for number in range(400)]
    value, low, high = Bootstrap(400).interval(tosses)
    assert value == 0.5
    assert (low, high) == pytest.approx((0.451, 0.549), abs=0.01)


def test_a_pair_that_always_differs_by_the_same_has_no_doubt() -> None:
    bootstrap, values = Bootstrap(50), [float(number) for number in range(1, 51)]
    assert bootstrap.gain([value + 2 for value in values], values) == (2.0, 2.0, 2.0)
    assert bootstrap.ratio([3 * value for value in values], values) == pytest.approx((3.0, 3.0, 3.0))


def test_nothing_times_as_good_as_nothing_is_no_ratio() -> None:
    assert Bootstrap(3).ratio([1.0, 0.0, 1.0], [0.0, 0.0, 0.0]) is None
    assert Bootstrap(3).ratio([1.0, 0.0, 1.0], [0.0, 0.0, 1.0]) is None


def test_the_same_seed_draws_the_same_shoppers() -> None:
    values = [float(number**2) for number in range(30)]
    assert Bootstrap(30, seed=1).interval(values) == Bootstrap(30, seed=1).interval(values)
    assert Bootstrap(30, seed=1).interval(values) != Bootstrap(30, seed=2).interval(values)
