# SPDX-License-Identifier: Apache-2.0
"""Effects from sums: equal to what single users give, for means, ratios, their pasts and their looks."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.experiments.statistics.effects import Effect, Metric, correlation, covariance, effect
from personalization.experiments.statistics.sums import Sums

ORDERS = Metric(name="orders", value="orders", past=("past.orders", "users"))
CLICKS = Metric(name="clicks", value="clicks", per="viewable")
SEEDS = st.integers(0, 2**32 - 1)
Floats = npt.NDArray[np.float64]
User = dict[str, float]


def users(seed: int, size: int, lift: float = 1.0) -> list[User]:
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.7, 1 / 0.7, size)
    viewable = rng.poisson(5 * rate) + 1
    figures = zip(
        rng.poisson(rate * lift),
        rng.poisson(rate),
        viewable,
        rng.binomial(viewable, 0.1),
        rng.random(size),
        strict=True,
    )
    return [
        {
            "known": float(chance < 0.8),
            "buyers": float(orders > 0),
            "orders": float(orders),
            "past.orders": float(past) * (chance < 0.8),
            "viewable": float(views),
            "clicks": float(clicks),
        }
        for orders, past, views, clicks, chance in figures
    ]


def compared(metric: Metric, control: Sequence[User], treated: Sequence[User]) -> Effect:
    result = effect(metric, Sums.of(control), Sums.of(treated))
    assert result is not None
    return result


def column(rows: Sequence[User], name: str) -> Floats:
    return np.array([row[name] for row in rows])


@given(SEEDS)
def test_a_mean_has_its_past_taken_off(seed: int) -> None:
    arms = users(seed, 50), users(seed + 1, 70, 1.3)
    now, past = ([column(arm, name) for arm in arms] for name in ("orders", "past.orders"))
    spread = np.cov(np.concatenate(now), np.concatenate(past))
    theta = spread[0, 1] / spread[1, 1]
    control, treated = (orders - theta * before for orders, before in zip(now, past, strict=True))
    result = compared(ORDERS, *arms)
    assert result.difference == pytest.approx(treated.mean() - control.mean(), rel=1e-9)
    assert result.error == pytest.approx(math.sqrt(treated.var(ddof=1) / 70 + control.var(ddof=1) / 50), rel=1e-9)
    assert result.lift == pytest.approx(result.difference / now[0].mean(), rel=1e-9)
    plain = now[0].var(ddof=1) / 50 + now[1].var(ddof=1) / 70
    assert result.reduction == pytest.approx(1 - result.error**2 / plain, rel=1e-6, abs=1e-9)


def test_the_past_counts_where_half_of_the_users_have_one() -> None:
    arms = users(1, 200), users(2, 200)
    assert compared(ORDERS, *arms).reduction > 0.1
    few = [[{**user, "known": float(number < 99)} for number, user in enumerate(arm)] for arm in arms]
    assert compared(ORDERS, *few).reduction == 0


@given(SEEDS)
def test_a_ratio_spreads_as_its_linear_part(seed: int) -> None:
    arms = users(seed, 50), users(seed + 1, 70)
    result, values, variances = compared(CLICKS, *arms), [], []
    for arm in arms:
        clicks, viewable = column(arm, "clicks"), column(arm, "viewable")
        values.append(clicks.sum() / viewable.sum())
        variances.append(np.var((clicks - values[-1] * viewable) / viewable.mean(), ddof=1) / len(arm))
    assert result.difference == pytest.approx(values[1] - values[0], rel=1e-9)
    assert result.error == pytest.approx(math.sqrt(sum(variances)), rel=1e-9)


@given(SEEDS, st.floats(0.5, 3))
def test_a_lift_s_interval_has_the_lifts_that_no_test_refuses(seed: int, multiple: float) -> None:
    arms = users(seed, 150), users(seed + 1, 150, 1.2)
    for metric in (ORDERS, CLICKS):
        result = compared(metric, *arms)
        ends = result.interval(multiple)
        assert ends is not None
        assert (ends[0] <= 0 <= ends[1]) == (abs(result.z) <= multiple)
        for lift in ends:
            rest = result.difference - lift * result.base
            variance = result.error**2 + 2 * lift * result.base_covariance + lift**2 * result.base_variance
            assert abs(rest) / math.sqrt(variance) == pytest.approx(multiple, rel=1e-6)


def test_what_cannot_be_compared_has_no_effect() -> None:
    arms = [Sums.of(users(seed, 50)) for seed in (1, 2)]
    nobody = Sums.of([dict.fromkeys(users(1, 1)[0], 0.0) for _ in range(50)])
    assert effect(ORDERS, nobody, arms[0]) is None
    assert effect(CLICKS, arms[0], nobody) is None
    assert effect(ORDERS, arms[0], Sums.of(users(1, 1))) is None


def test_parts_add_up() -> None:
    whole, parts = users(3, 90), [users(3, 90)[:40], users(3, 90)[40:]]
    added = Sums.of(parts[0], parts[0]) + Sums.of(parts[1], parts[1])
    assert np.array(added.products) == pytest.approx(np.array(Sums.of(whole).products))
    assert np.array(added.since) == pytest.approx(np.array(added.products))
    with pytest.raises(ValueError, match="cannot be added"):
        added + Sums.of([{"other": 1.0}])


def test_looks_are_as_alike_as_many_draws_of_the_arms_say() -> None:
    rng = np.random.default_rng(5)
    rate = rng.gamma(0.7, 1 / 0.7, 2_000)
    visits = rng.poisson(rate[:, None], (2_000, 2))
    there = visits.cumsum(axis=1) > 0
    orders = rng.binomial(visits, 0.3).cumsum(axis=1)
    rows = [[{"orders": float(count)} for count in orders[:, look]] for look in range(2)]
    plain = Metric(name="orders", value="orders")

    def looks(treated: npt.NDArray[np.bool_]) -> list[list[Sums]]:
        sides = []
        for side in (~treated, treated):
            first = [rows[0][user] for user in np.flatnonzero(side & there[:, 0])]
            now = np.flatnonzero(side & there[:, 1])
            before = [rows[0][user] if there[user, 0] else {} for user in now]
            sides.append([Sums.of(first), Sums.of([rows[1][user] for user in now], before)])
        return sides

    sides = looks(rng.random(2_000) < 0.5)
    pair = [effect(plain, sides[0][look], sides[1][look]) for look in range(2)]
    assert pair[0]
    assert pair[1]
    told = correlation(pair[0], pair[1], sides[0][1], sides[1][1])
    differences = []
    for _ in range(4_000):
        treated = rng.random(2_000) < 0.5
        differences.append(
            [
                orders[treated & there[:, look], look].mean() - orders[~treated & there[:, look], look].mean()
                for look in range(2)
            ]
        )
    assert told == pytest.approx(np.corrcoef(np.array(differences).T)[0, 1], abs=0.03)


def test_what_happened_since_the_look_before() -> None:
    rng = np.random.default_rng(6)
    earlier = [{"orders": float(rng.poisson(1))} if number % 3 else {} for number in range(60)]
    now = [{"orders": row.get("orders", 0.0) + float(rng.poisson(1))} for row in earlier]
    since = [{"orders": later["orders"] - row.get("orders", 0.0)} for row, later in zip(earlier, now, strict=True)]
    before = Sums.of([row for row in earlier if row])
    assert np.array(Sums.of(now, earlier).after(before).products) == pytest.approx(np.array(Sums.of(since).products))


def test_effects_of_two_metrics_vary_together() -> None:
    arms = [Sums.of(users(seed, 500)) for seed in (8, 9)]
    orders, clicks = effect(ORDERS, *arms), effect(CLICKS, *arms)
    assert orders
    assert clicks
    assert covariance(orders, orders, *arms) == pytest.approx(orders.error**2, rel=0.01)
    assert abs(covariance(orders, clicks, *arms)) < orders.error * clicks.error
