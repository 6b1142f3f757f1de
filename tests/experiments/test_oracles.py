# SPDX-License-Identifier: Apache-2.0
"""Effects, bands and checks are those of gbstats and statsmodels, to nine digits."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from gbstats.frequentist.tests import FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TTest, TwoSidedTTest
from gbstats.models.statistics import RatioStatistic, RegressionAdjustedStatistic, SampleMeanStatistic
from gbstats.utils import check_srm
from personalization.experiments.statistics.bands import multiple
from personalization.experiments.statistics.checks import Period, sample_ratio
from personalization.experiments.statistics.effects import Effect, Metric, effect
from personalization.experiments.statistics.sums import Sums
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

EXACT = 1e-9
Users = dict[str, np.ndarray]
MEAN = Metric(name="orders", value="orders")
CUPED = Metric(name="orders", value="orders", past=("past", "users"))
RATIO = Metric(name="clicks", value="clicks", per="viewable")


def users(seed: int, size: int, lift: float) -> Users:
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.7, 1 / 0.7, size)
    viewable = rng.poisson(9 * rate) + 1.0
    return {
        "known": np.ones(size),
        "orders": np.round(rng.poisson(rate * lift) * rng.lognormal(3, 1, size), 2),
        "past": np.round(rng.poisson(rate) * rng.lognormal(3, 1, size), 2),
        "viewable": viewable,
        "clicks": rng.binomial(viewable.astype(int), 0.07 * lift).astype(float),
    }


ARMS = [(users(seed, 1_200, 1), users(seed + 100, 700, 1.2)) for seed in range(5)]


def compared(metric: Metric, arms: tuple[Users, Users]) -> Effect:
    sums = [Sums.of([dict(zip(arm, row, strict=True)) for row in zip(*arm.values(), strict=True)]) for arm in arms]
    result = effect(metric, *sums)
    assert result is not None
    return result


def mean(values: np.ndarray) -> SampleMeanStatistic:
    return SampleMeanStatistic(n=len(values), sum=values.sum(), sum_squares=(values**2).sum())


def statistic(metric: Metric, arm: Users) -> SampleMeanStatistic | RatioStatistic | RegressionAdjustedStatistic:
    value = mean(arm[metric.value])
    if metric is RATIO:
        products = (arm["clicks"] * arm["viewable"]).sum()
        per = mean(arm["viewable"])
        return RatioStatistic(n=value.n, m_statistic=value, d_statistic=per, m_d_sum_of_products=products)
    if metric is MEAN:
        return value
    products = (arm["orders"] * arm["past"]).sum()
    past = mean(arm["past"])
    return RegressionAdjustedStatistic(
        n=value.n, post_statistic=value, pre_statistic=past, post_pre_sum_of_products=products, theta=0
    )


def oracle(metric: Metric, arms: tuple[Users, Users], difference: str) -> TTest:
    sides = [statistic(metric, arm) for arm in arms]
    return SequentialTwoSidedTTest(
        *sides, SequentialConfig(difference_type=difference, sequential_tuning_parameter=2_500)
    )


@pytest.mark.parametrize("arms", ARMS)
@pytest.mark.parametrize("metric", [MEAN, CUPED, RATIO])
def test_differences_errors_and_lifts_are_those_of_gbstats(metric: Metric, arms: tuple[Users, Users]) -> None:
    result, absolute = compared(metric, arms), oracle(metric, arms, "absolute")
    assert result.difference == pytest.approx(absolute.point_estimate, rel=EXACT)
    assert result.error == pytest.approx(math.sqrt(absolute.variance), rel=EXACT)
    assert result.lift == pytest.approx(oracle(metric, arms, "relative").point_estimate, rel=EXACT)


@pytest.mark.parametrize("arms", ARMS)
def test_a_lift_s_interval_is_nearly_the_relative_one_of_gbstats(arms: tuple[Users, Users]) -> None:
    # Theirs is the first order of ours, which a narrow interval shows.
    sides = [statistic(MEAN, arm) for arm in arms]
    relative = TwoSidedTTest(*sides, FrequentistConfig(alpha=0.9)).confidence_interval
    assert compared(MEAN, arms).interval(0.1256613) == pytest.approx(relative, abs=0.001)


@pytest.mark.parametrize("arms", ARMS)
def test_bands_are_those_of_gbstats(arms: tuple[Users, Users]) -> None:
    result, absolute = compared(CUPED, arms), oracle(CUPED, arms, "absolute")
    assert result.within(multiple(result.users, 2_500)) == pytest.approx(absolute.confidence_interval, rel=EXACT)


@pytest.mark.parametrize("arms", ARMS)
def test_means_are_those_of_statsmodels(arms: tuple[Users, Users]) -> None:
    control, treated = (arm["orders"] for arm in arms)
    result = compared(MEAN, arms)
    means = CompareMeans(DescrStatsW(treated), DescrStatsW(control))
    assert result.difference == pytest.approx(means.d1.mean - means.d2.mean, rel=EXACT)
    assert result.error == pytest.approx(means.std_meandiff_separatevar, rel=EXACT)


@pytest.mark.parametrize("arms", ARMS)
def test_cuped_is_statsmodels_regression_on_the_past(arms: tuple[Users, Users]) -> None:
    now, past = (np.concatenate([arm[name] for arm in arms]) for name in ("orders", "past"))
    theta = sm.OLS(now, sm.add_constant(past)).fit().params[1]
    control, treated = (DescrStatsW(arm["orders"] - theta * arm["past"]) for arm in arms)
    result = compared(CUPED, arms)
    assert result.difference == pytest.approx(treated.mean - control.mean, rel=EXACT)
    assert result.error == pytest.approx(CompareMeans(treated, control).std_meandiff_separatevar, rel=EXACT)


@pytest.mark.parametrize("arms", ARMS)
def test_ratios_are_statsmodels_robust_regression(arms: tuple[Users, Users]) -> None:
    # A user's clicks per impression, weighted by the impressions: the constant is the ratio of the sums.
    values, variances = [], []
    for arm in arms:
        size, share = len(arm["clicks"]), arm["clicks"] / arm["viewable"]
        fit = sm.WLS(share, np.ones(size), weights=arm["viewable"]).fit(cov_type="HC0")
        values.append(fit.params[0])
        variances.append(fit.cov_params()[0, 0] * size / (size - 1))
    result = compared(RATIO, arms)
    assert result.difference == pytest.approx(values[1] - values[0], rel=EXACT)
    assert result.error == pytest.approx(math.sqrt(sum(variances)), rel=EXACT)


@pytest.mark.parametrize("counts", [[1_000, 1_040], [4_800, 5_200], [500, 480, 530]])
def test_sample_ratios_are_those_of_gbstats(counts: list[int]) -> None:
    names = "ABC"[: len(counts)]
    weights = dict(zip(names, [2.0, 2.0, 2.0], strict=False))
    period = Period(weights=weights, users=dict(zip(names, counts, strict=True)))
    assert sample_ratio([period]) == pytest.approx(check_srm(counts, list(weights.values())), rel=EXACT)
