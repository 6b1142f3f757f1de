# SPDX-License-Identifier: Apache-2.0
"""The least lift that an experiment can see, from what a shop's users did before it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from personalization.experiments.statistics import sequential
from personalization.experiments.statistics.sequential import Looks

LEAST_PAST = 0.5
"""The share of users with a past from which it is used."""
LEAST_BUYERS = 150
"""Users with an order in the smaller arm below which nothing is decided."""
_INEXACT = 1e-6
_LEAST_NEWS = 0.01
"""The share of the whole information that a look must add: one without news spends nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """A metric of the exposed users: its mean and unbiased variance, and its past's, for variance reduction.

    Variance reduction is CUPED (Deng, Xu, Kohavi and Walker, 2013, WSDM): the metric minus θ times the same metric
    before the exposure, with θ = covariance / past variance, has the same difference between arms and less spread.
    """

    users: int
    buyers: int
    with_past: int
    """Users who were seen before their exposure."""
    mean: float
    variance: float
    by_chance: float
    """The mean of a user's sum of squared amounts: the variance that orders have if each user's rate is the same."""
    last_mean: float
    """What the same users have done by the end."""
    last_covariance: float
    """Of both: what these users have done by now, and by the end."""
    past_variance: float = 0.0
    covariance: float = 0.0

    @property
    def reduction(self) -> float:
        """Return the share of the variance that the past explains; 0 where too few users have one."""
        if self.with_past < LEAST_PAST * self.users or self.past_variance <= 0 or self.variance <= 0:
            return 0.0
        return min(self.covariance**2 / (self.past_variance * self.variance), 1.0)

    @property
    def left(self) -> float:
        """Return the variance that is left by the past."""
        return self.variance * (1 - self.reduction)

    def time(self, last: Self) -> float:
        """Return the share of the last look's information that this one has: their squared correlation.

        Who comes often is exposed early, so standard errors alone would overstate the early looks, and the looks would
        be less alike than the bounds take them for. What the past explains is left aside here.
        """
        spread = self.variance * last.variance * last.users
        return min(self.last_covariance**2 * self.users / spread, 1.0) if spread > 0 else 0.0

    def among(self, more: int) -> Self:
        """Return the moments with more users of whom nothing was seen: no order, and no past."""
        users = self.users + more
        mean, last_mean = (value * self.users / users for value in (self.mean, self.last_mean))
        squares = (self.users - 1) * self.variance + self.users * self.mean**2
        products = (self.users - 1) * self.last_covariance + self.users * self.mean * self.last_mean
        return type(self)(
            users=users,
            buyers=self.buyers,
            with_past=self.with_past,
            mean=mean,
            variance=(squares - users * mean**2) / (users - 1),
            by_chance=self.by_chance * self.users / users,
            last_mean=last_mean,
            last_covariance=(products - users * mean * last_mean) / (users - 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What an experiment of some weeks can see."""

    looks: Looks
    expected: tuple[float, ...]
    """The z of each look, with the least lift."""
    single: float
    """The power that one look at the end would have for the same lift."""
    lift: float | None
    """The least relative lift; None where the smaller arm has too few buyers to decide anything, or no lift is seen."""
    buyers: int
    """Expected in the smaller arm."""


def sight(weeks: Sequence[Moments], share: float) -> Sight:
    """Return what an experiment sees with a look after each week.

    Args:
        weeks: the metric of who was exposed by the end of each week, since the start.
        share: the part of the users in the smaller of two arms.
    """
    last = weeks[-1]
    looked = [*_news([(moments, moments.time(last)) for moments in weeks[:-1]]), (last, 1.0)]
    looks = sequential.looks([time for _, time in looked])

    def expected(lift: float) -> list[float]:
        return [_expected(moments, share, lift) for moments, _ in looked]

    buyers, lift, means = int(last.buyers * share), None, looks.steady(0.0)
    if last.mean > 0 and last.left > 0:
        start = 3 * math.sqrt(last.left / (last.users * share * (1 - share))) / last.mean
        lift = sequential.solved(lambda lift: looks.power(expected(lift)), start)
        means = expected(lift)
    single = sequential.single(means[-1])
    seen = lift is not None and buyers >= LEAST_BUYERS and looks.power(means) > sequential.POWER - _INEXACT
    return Sight(looks=looks, expected=tuple(means), single=single, lift=lift if seen else None, buyers=buyers)


def _expected(moments: Moments, share: float, lift: float) -> float:
    """Return the expected z of a relative lift, the smaller arm being the control.

    A lift is taken for users who order at so many times their rate, so the variance of the treated arm depends on it:
    what comes by chance grows with it, and what users differ by with its square (a compound Poisson process whose
    rates differ).
    """
    by_chance = min(moments.by_chance, moments.left)
    times = 1 + lift
    treated = (times * by_chance + times**2 * (moments.left - by_chance)) / (moments.users * (1 - share))
    variance = treated + moments.left / (moments.users * share)
    return lift * moments.mean / math.sqrt(variance) if variance > 0 else 0.0


def _news(looks: Sequence[tuple[Moments, float]]) -> Iterator[tuple[Moments, float]]:
    """Yield the looks before the end that have news."""
    before = 0.0
    for moments, time in looks:
        if before + _LEAST_NEWS <= time <= 1 - _LEAST_NEWS:
            yield moments, time
            before = time
