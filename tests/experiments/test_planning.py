# SPDX-License-Identifier: Apache-2.0
"""The statistics of a plan: bounds as published and integrated anew, CUPED as a regression, lifts as simulated."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from personalization.experiments.statistics.planning import Moments, Sight, sight
from scipy import stats

from benchmarks.planned_lifts import measured

RISING = st.lists(st.integers(1, 49), max_size=4, unique=True).map(lambda parts: [*sorted(parts), 50])


def moments(users: int = 10_000, mean: float = 1.0, variance: float = 1.0, **others: float) -> Moments:
    values = {
        "by_chance": mean,
        "last_mean": mean,
        "last_covariance": variance,
        "past_variance": 0.0,
        "covariance": 0.0,
        **others,
    }
    return Moments(users=users, buyers=users, with_past=users, mean=mean, variance=variance, **values)


def planned(times: Sequence[float]) -> Sight:
    """A plan whose looks have these shares of the information."""
    return sight([moments(round(1_000_000 * time)) for time in times], 0.5)


def spent(time: float) -> float:
    return float(4 * stats.norm.sf(stats.norm.isf(0.0125) / math.sqrt(time)))


@pytest.mark.parametrize(
    ("looks", "published"),
    [
        (2, (2.9626, 1.9686)),
        (3, (3.7103, 2.5114, 1.9930)),
        (4, (4.3326, 2.9631, 2.3590, 2.0141)),
        (5, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
    ],
)
def test_bounds_are_those_that_are_published(looks: int, published: tuple[float, ...]) -> None:
    # Two sides, 5 %, equal steps: Reboussin, DeMets, Kim and Lan (1996) for five; gsDesign's sfLDOF for the others.
    plan = planned([(number + 1) / looks for number in range(looks)])
    assert plan.looks.bounds == pytest.approx(published, abs=2e-4)


@pytest.mark.parametrize("times", [(0.25, 0.5, 0.75, 1.0), (0.31, 0.6, 0.79, 1.0), (0.1, 0.8, 0.85, 1.0)])
@pytest.mark.parametrize("drift", [0.0, 2.8])
def test_chances_agree_with_simpsons_rule_on_a_fine_grid(times: tuple[float, ...], drift: float) -> None:
    looks = planned(times).looks
    grid, density, before, chances = np.zeros(1), np.ones(1), 0.0, []
    for time, bound in zip(looks.times, looks.bounds, strict=True):
        sd, edge = math.sqrt(time - before), bound * math.sqrt(time)
        mean = grid + drift * (time - before)
        chances.append((density @ stats.norm.sf((edge - mean) / sd), density @ stats.norm.cdf((-edge - mean) / sd)))
        after, before = np.linspace(-edge, edge, 1201), time
        weights = np.r_[1.0, np.tile([4.0, 2.0], 599), 4.0, 1.0] * (after[1] - after[0]) / 3
        density = stats.norm.pdf(after[:, None], mean, sd) @ density * weights
        grid = after
    assert np.array(looks.crossed(looks.steady(drift))) == pytest.approx(np.array(chances), abs=1e-6)


def test_two_looks_are_a_box_of_a_normal_distribution() -> None:
    looks = planned((0.4, 1.0)).looks
    both = stats.multivariate_normal(cov=[[1, math.sqrt(0.4)], [math.sqrt(0.4), 1]])
    inside = both.cdf(looks.bounds, lower_limit=[-bound for bound in looks.bounds])
    assert inside == pytest.approx(0.95, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(RISING)
def test_any_looks_spend_what_they_may_and_have_their_power(parts: list[int]) -> None:
    plan = planned([part / 50 for part in parts])
    used = np.cumsum([sum(both) for both in plan.looks.crossed(plan.looks.steady(0.0))])
    assert used == pytest.approx([spent(time) for time in plan.looks.times], abs=1e-9)
    assert plan.looks.power(plan.expected) == pytest.approx(0.8, abs=1e-9)
    powers = [plan.looks.power(plan.looks.steady(drift)) for drift in (0.0, 1.0, 2.0, 3.0, 4.0)]
    assert all(less < more for less, more in pairwise(powers))
    assert 0.8 - 1e-9 <= plan.single < 0.84


def test_a_week_without_news_is_no_look() -> None:
    plan = sight([moments(1_000), moments(1_000), moments(900), moments(2_000)], 0.5)
    assert plan.looks.times == (0.5, 1.0)
    assert sight([moments(1_000, 0.0, 0.0), moments(1_000, 1.0, 1.0)], 0.5).looks.times == (1.0,)


@given(st.integers(0, 2**32 - 1))
def test_the_past_explains_what_a_regression_explains(seed: int) -> None:
    rng = np.random.default_rng(seed)
    past = rng.poisson(rng.gamma(0.5, 2.0, 500)).astype(float)
    now = past * 0.3 + rng.lognormal(0, 1, 500)
    spread = np.cov(now, past)
    own_moments = moments(500, now.mean(), spread[0, 0], past_variance=spread[1, 1], covariance=spread[0, 1])
    design = np.column_stack([np.ones(500), past])
    residual = now - design @ np.linalg.lstsq(design, now, rcond=None)[0]
    assert own_moments.left == pytest.approx(residual @ residual / 499, rel=1e-9)


def test_the_past_counts_where_half_of_the_users_have_one() -> None:
    def reduction(with_past: int) -> float:
        return Moments(
            users=100,
            buyers=100,
            with_past=with_past,
            mean=1,
            variance=4,
            by_chance=1,
            last_mean=1,
            last_covariance=1,
            past_variance=1,
            covariance=1,
        ).reduction

    assert (reduction(50), reduction(49)) == (0.25, 0.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3_000))
def test_users_who_only_look_are_users_with_nothing(seed: int, more: int) -> None:
    now = np.random.default_rng(seed).lognormal(0, 1, 200)
    padded = np.r_[now, np.zeros(more)]
    later = np.r_[2 * now + 1, np.zeros(more)]
    among = moments(
        200,
        now.mean(),
        now.var(ddof=1),
        by_chance=(now**2).mean(),
        last_mean=2 * now.mean() + 1,
        last_covariance=2 * now.var(ddof=1),
    ).among(more)
    expected = (padded.mean(), padded.var(ddof=1), (padded**2).mean(), later.mean(), np.cov(padded, later)[0, 1])
    actual = (among.mean, among.variance, among.by_chance, among.last_mean, among.last_covariance)
    assert actual == pytest.approx(expected, rel=1e-9)


@given(st.floats(0.1, 5), st.floats(0, 3), st.sampled_from([0.05, 0.2, 0.5]), st.integers(2_000, 10**6))
def test_the_least_lift_has_the_expected_z_that_its_power_needs(
    by_chance: float, between: float, share: float, users: int
) -> None:
    plan = sight([moments(users, 1.0, by_chance + between, by_chance=by_chance)], share)
    if plan.lift is None:
        assert share * users < 150 or 2.81**2 * between >= users * (1 - share)
        return
    times = 1 + plan.lift
    treated = (times * by_chance + times**2 * between) / (users * (1 - share))
    control = (by_chance + between) / (users * share)
    assert plan.lift / math.sqrt(treated + control) == pytest.approx(2.8015852, rel=1e-6)


def test_one_look_is_the_text_book_s_sample_size() -> None:
    # Orders that come by chance alone, 3 a hundred users: 2 * (1.96 + 0.8416)² * 0.03 / (0.03 * lift)² a group.
    users, lift = 2 * 53_900, 0.1
    told = sight([moments(users, 0.03, 0.03, by_chance=0.03)], 0.5).lift
    a_group = (1.959964 + 0.841621) ** 2 * (0.03 * (1 + lift) + 0.03) / (0.03 * lift) ** 2
    assert a_group == pytest.approx(users / 2, rel=0.02)
    assert told == pytest.approx(lift, rel=0.01)


def test_too_few_buyers_tell_nothing() -> None:
    assert sight([moments(2_980)], 0.05).lift is None
    assert sight([moments(3_000)], 0.05).lift is not None


@pytest.mark.parametrize(
    ("number", "within"), [(1, 0.06), pytest.param(8, 0.02, marks=pytest.mark.nightly)], ids=["short", "long"]
)
def test_the_told_lift_is_found_in_80_of_100_experiments(number: int, within: float) -> None:
    shops = [measured(4_000, "orders", 4, 0.5, 400, seed) for seed in range(number)]
    assert np.mean([shop.found_share for shop in shops]) == pytest.approx(0.8, abs=within)
    assert np.mean([shop.false_alarms for shop in shops]) == pytest.approx(0.05, abs=within / 2)
