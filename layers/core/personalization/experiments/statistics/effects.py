# SPDX-License-Identifier: Apache-2.0

"""The effect of a variant: the difference of two means or ratios, its standard error, and the relative lift.

A ratio, such as clicks by viewable impressions, has the variance of its linear part (the delta method: Deng, Knoblich
and Lu, 2018, KDD). Of a metric with a past, θ times the past is subtracted (CUPED: Deng, Xu, Kohavi and Walker, 2013,
WSDM), with θ of both variants together. A lift's interval is Fieller's (1954): all lifts that the test of their
difference does not refuse, so that it leaves out 0 where the test finds a difference, and only there.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Literal, Self

from personalization.experiments.statistics.sums import HAS_PAST, USERS, Matrix, Row, Sums

LEAST_PAST = 0.5
"""The share of users with a past from which it is used."""
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A mean per user or a ratio of two sums, by the columns that it is made of."""

    name: str
    value: str
    per: str = USERS
    """What the value is divided by: users, or another column."""
    past: tuple[str, str] | None = None
    """The value and the divisor before the exposure (`users` for a mean per user)."""
    counted: str = "buyers"
    """The column that has 1 for a user who converted."""
    better: Literal["more", "less"] = "more"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Estimate:
    """A mean or a ratio. Its error is the mean over users of weights times columns."""

    value: float
    weights: Row

    def less(self, times: float, other: Self) -> "_Estimate":
        weights = tuple(here - times * there for here, there in zip(self.weights, other.weights, strict=True))
        return _Estimate(value=self.value - times * other.value, weights=weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """What one variant adds to an effect."""

    users: int
    adjusted: Row
    """The weights of the estimate that the past is taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The difference of a variant from the control."""

    difference: float
    """Absolute; from which the past is taken."""
    error: float
    """The standard error of the difference."""
    base: float
    """The control's mean or ratio, as it was."""
    variant: float
    base_variance: float
    base_covariance: float
    """Of the control's mean with the same from which the past is taken."""
    reduction: float
    """The share of the variance that the past explains; 0 where it is not used."""
    control: _Side
    treated: _Side

    @property
    def users(self) -> int:
        return self.control.users + self.treated.users

    @property
    def z(self) -> float:
        return self.difference / self.error

    @property
    def lift(self) -> float:
        return self.difference / self.base

    def interval(self, multiple: float) -> Interval | None:
        """Return the lifts whose difference is at most so many standard errors away; None where they have no end."""
        square = multiple**2
        first = self.base**2 - square * self.base_variance
        middle = self.difference * self.base + square * self.base_covariance
        last = self.difference**2 - square * self.error**2
        if first <= 0:
            return None
        root = math.sqrt(max(middle**2 - first * last, 0.0))
        return (middle - root) / first, (middle + root) / first

    def within(self, multiple: float) -> Interval:
        """Return the absolute differences that are at most so many standard errors away."""
        return self.difference - multiple * self.error, self.difference + multiple * self.error


def effect(metric: Metric, control: Sums, treated: Sums) -> Effect | None:
    """Return what a variant changed in a metric; None where there is too little to compare."""
    return combined(metric, [(control, treated)])


def combined(metric: Metric, strata: Iterable[tuple[Sums, Sums]]) -> Effect | None:
    """Return what a variant changed in strata, each with a control and a treated part and shares of its own.

    Differences are taken within the strata and weighed by n₁n₂/(n₁ + n₂) (Cochran, 1954; Mantel and Haenszel, 1959),
    which depends on no outcome. So users who came to the variant later are never compared with those before them.
    """
    compared = [pair for pair in strata if min(sums.users for sums in pair) >= 2]
    if not compared:
        return None
    every = reduce(add, [sums for pair in compared for sums in pair])
    parts = list(_parts(metric, compared, _theta(metric, every) if metric.past and _has_past(every) else 0.0))
    if not parts:
        return None
    whole = sum(part.weight for part in parts)
    shares = [part.weight / whole for part in parts]

    def mean(values: Iterable[float]) -> float:
        return sum(share * value for share, value in zip(shares, values, strict=True))

    def variance(values: Iterable[float]) -> float:
        return sum(share**2 * value for share, value in zip(shares, values, strict=True))

    spread, base = variance(part.variance for part in parts), mean(part.base.value for part in parts)
    if spread <= 0 or base <= 0:
        return None
    return Effect(
        difference=mean(part.here_adjusted.value - part.base_adjusted.value for part in parts),
        error=math.sqrt(spread),
        base=base,
        variant=mean(part.here.value for part in parts),
        base_variance=variance(_covariance(part.control, part.base, part.base) for part in parts),
        base_covariance=variance(_covariance(part.control, part.base, part.base_adjusted) for part in parts),
        reduction=1 - spread / variance(part.unadjusted for part in parts),
        # Only effects of one stratum are compared with those of other looks.
        control=_Side(users=sum(part.control.users for part in parts), adjusted=parts[0].base_adjusted.weights),
        treated=_Side(users=sum(part.treated.users for part in parts), adjusted=parts[0].here_adjusted.weights),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What a stratum adds to an effect."""

    control: Sums
    treated: Sums
    base: _Estimate
    base_adjusted: _Estimate
    here: _Estimate
    here_adjusted: _Estimate

    @property
    def weight(self) -> float:
        return self.control.users * self.treated.users / (self.control.users + self.treated.users)

    @property
    def variance(self) -> float:
        sides = (self.control, self.base_adjusted), (self.treated, self.here_adjusted)
        return sum(_covariance(sums, estimate, estimate) for sums, estimate in sides)

    @property
    def unadjusted(self) -> float:
        sides = (self.control, self.base), (self.treated, self.here)
        return sum(_covariance(sums, estimate, estimate) for sums, estimate in sides)


def _parts(metric: Metric, strata: Iterable[tuple[Sums, Sums]], times: float) -> Iterator[_Part]:
    """Yield the strata that have both sides, with `times` the past taken from them."""
    for pair in strata:
        base, here = (_estimate(sums, metric.value, metric.per) for sums in pair)
        if base is None or here is None:
            continue
        past = [_estimate(sums, *metric.past) for sums in pair] if metric.past and times else [None, None]
        base_adjusted, here_adjusted = base, here
        if past[0] and past[1]:
            base_adjusted, here_adjusted = base.less(times, past[0]), here.less(times, past[1])
        yield _Part(
            control=pair[0],
            treated=pair[1],
            base=base,
            base_adjusted=base_adjusted,
            here=here,
            here_adjusted=here_adjusted,
        )


def correlation(before: Effect, now: Effect, control: Sums, treated: Sums) -> float:
    """Return how alike an effect and the one of the look before are by chance.

    Args:
        control: the sums of now, which say what was before; so for `treated`.
    """
    shared = sum(
        _form(earlier.adjusted, sums.since, later.adjusted) / (earlier.users * later.users)
        for earlier, later, sums in ((before.control, now.control, control), (before.treated, now.treated, treated))
    )
    return shared / (before.error * now.error)


def covariance(effect: Effect, other: Effect, control: Sums, treated: Sums) -> float:
    """Return the covariance of two metrics' effects at the same time."""
    return sum(
        _form(here.adjusted, sums.products, there.adjusted) / here.users**2
        for here, there, sums in (
            (effect.control, other.control, control),
            (effect.treated, other.treated, treated),
        )
    )


def _has_past(sums: Sums) -> bool:
    return sums.total(HAS_PAST) >= LEAST_PAST * sums.users


def _estimate(sums: Sums, value: str, per: str) -> _Estimate | None:
    """Return a mean (per users) or a ratio; None where its divisor is 0."""
    divisor = sums.total(per)
    if divisor <= 0:
        return None
    ratio = sums.total(value) / divisor
    weights = [0.0] * len(sums.columns)
    weights[sums.columns.index(value)] += sums.users / divisor
    weights[sums.columns.index(per)] -= ratio * sums.users / divisor
    return _Estimate(value=ratio, weights=tuple(weights))


def _theta(metric: Metric, both: Sums) -> float:
    """Return the times of the past that explain the most."""
    here, past = _estimate(both, metric.value, metric.per), metric.past and _estimate(both, *metric.past)
    if not here or not past or not (spread := _covariance(both, past, past)):
        return 0.0
    return _covariance(both, here, past) / spread


def _covariance(sums: Sums, one_estimate: _Estimate, other: _Estimate) -> float:
    """Return the covariance of two estimates of the same users, unbiased for means."""
    return _form(one_estimate.weights, sums.products, other.weights) / (sums.users * (sums.users - 1))


def _form(left: Row, products: Matrix, right: Row) -> float:
    columns = [number for number, weight in enumerate(right) if weight]
    return sum(
        weight * sum(products[row][column] * right[column] for column in columns)
        for row, weight in enumerate(left)
        if weight
    )
