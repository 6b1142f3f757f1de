# SPDX-License-Identifier: Apache-2.0
"""What makes an experiment's data unfit for a verdict is named, with its numbers."""

import numpy as np
import pytest
from personalization.experiments.statistics.bands import Guardrail, guarded, multiple
from personalization.experiments.statistics.checks import Facts, Period, chi_square_above, findings, sample_ratio
from personalization.experiments.statistics.effects import Effect, Metric, effect
from personalization.experiments.statistics.sums import Sums
from scipy import stats

ENOUGH = {"A": 900, "B": 950}
EVEN = (Period(weights={"A": 1, "B": 1}, users={"A": 10_000, "B": 10_020}),)


@pytest.mark.parametrize("free", range(1, 12))
@pytest.mark.parametrize("square", [0.0, 0.3, 3.0, 12.0, 40.0, 900.0])
def test_chi_square_is_scipy_s(square: float, free: int) -> None:
    assert chi_square_above(square, free) == pytest.approx(stats.chi2.sf(square, free), rel=1e-10, abs=1e-300)


def test_a_sample_ratio_is_compared_with_the_weights() -> None:
    weights, users = {"A": 50.0, "B": 30.0, "C": 20.0}, {"A": 5_100, "B": 2_950, "C": 1_950}
    expected = stats.chisquare(list(users.values()), [5_000, 3_000, 2_000]).pvalue
    assert sample_ratio([Period(weights=weights, users=users)]) == pytest.approx(expected)


def test_weights_that_grew_are_compared_period_by_period() -> None:
    ramp = [
        Period(weights={"A": 95, "B": 5}, users={"A": 9_500, "B": 500}),
        Period(weights={"A": 50, "B": 50}, users={"A": 5_000, "B": 5_000}),
    ]
    assert sample_ratio(ramp) == pytest.approx(1)
    assert sample_ratio([Period(weights={"A": 1, "B": 1}, users={"A": 14_500, "B": 5_500})]) < 1e-9


def test_a_few_users_are_no_sample() -> None:
    assert sample_ratio([Period(weights={"A": 1, "B": 1}, users={"A": 15, "B": 0})]) == 1
    assert sample_ratio([]) == 1


def test_a_ratio_of_48_to_52_is_found_among_20_000_users() -> None:
    draws = np.random.default_rng(1).binomial(20_000, 0.48, 2_000)
    share = np.mean(
        [sample_ratio([Period(weights={"A": 1, "B": 1}, users={"A": a, "B": 20_000 - a})]) < 0.001 for a in draws]
    )
    assert share >= 0.98


@pytest.mark.parametrize(
    ("facts", "converted", "name", "words"),
    [
        (
            Facts(periods=[Period(weights={"A": 1, "B": 1}, users={"A": 9_600, "B": 10_400})]),
            ENOUGH,
            "sampleRatio",
            "9,600",
        ),
        (Facts(periods=EVEN, double=300), ENOUGH, "doubleExposure", "1.5%"),
        (Facts(periods=EVEN, silent_days=("2026-11-03",)), ENOUGH, "lostExposures", "2026-11-03"),
        (Facts(periods=EVEN, shown=20_000, unexposed=700), ENOUGH, "lostExposures", "3.5%"),
        (Facts(periods=EVEN), {"A": 100, "B": 900}, "tooLittleData", "7 more days are missing"),
        (Facts(periods=EVEN), {"A": 0, "B": 900}, "tooLittleData", "no conversion"),
    ],
)
def test_what_hides_a_verdict_is_named(facts: Facts, converted: dict[str, int], name: str, words: str) -> None:
    (finding,) = findings(facts, converted, days=14)
    assert (finding.name, finding.hides) == (name, True)
    assert words in finding.text


def test_robots_are_told_and_hide_nothing() -> None:
    (finding,) = findings(Facts(periods=EVEN, robots=3), ENOUGH, days=14)
    assert (finding.name, finding.hides) == ("robots", False)
    assert "3 users" in finding.text


def test_sound_data_has_no_findings() -> None:
    assert findings(Facts(periods=EVEN, double=100, shown=20_000, unexposed=100), ENOUGH, days=14) == ()


@pytest.mark.parametrize("sided", [1, 2])
def test_a_band_holds_at_any_moment(sided: int) -> None:
    rng, crossed = np.random.default_rng(3), 0
    users = np.arange(100, 4_001, 100)
    bounds = np.array([multiple(int(number), 4_000, sided=sided) for number in users])  # type: ignore[arg-type]
    for _ in range(4_000):
        z = rng.normal(0, 10, len(users)).cumsum() / np.sqrt(users)
        crossed += bool(np.any((abs(z) if sided == 2 else z) > bounds))
    assert 0.003 < crossed / 4_000 < 0.05


def day(lift: float, size: int = 40_000) -> Effect:
    """A day by which the variant has so many more orders."""
    sums = [
        Sums(columns=("users", "orders"), products=((size, size * mean), (size * mean, size * (mean + mean**2))))
        for mean in (1, 1 + lift)
    ]
    result = effect(Metric(name="orders", value="orders"), *sums)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("lifts", "better", "state"),
    [
        ([0.0], "more", "safe"),
        ([-0.015], "more", "open"),
        ([-0.08, -0.02], "more", "harmed"),
        ([0.08], "more", "safe"),
        ([0.08], "less", "harmed"),
        ([-0.08], "less", "safe"),
    ],
)
def test_a_guardrail_is_harmed_by_any_day_and_safe_within_its_margin(
    lifts: list[float], better: str, state: str
) -> None:
    metric = Metric(name="orders", value="orders", better=better)  # type: ignore[arg-type]
    result = guarded(Guardrail(metric=metric, margin=0.03), [None, *map(day, lifts)], 80_000)
    assert result.state == state
    assert result.worst is not None
    assert result.best is not None
    assert (result.worst < result.best) == (better == "more")
