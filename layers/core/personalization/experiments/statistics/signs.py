# SPDX-License-Identifier: Apache-2.0
"""Which of two rankers users prefer, where one list shows both: a sign test per user with weekly looks.

A user prefers the ranker from whose items more of their clicks or purchases came, and a tie counts nothing. Without a
difference, each preference is a fair coin, whatever users are like: one who clicks a hundred times counts once. The
looks spend the level as those of other experiments do, see `verdicts`, and how alike two looks are is measured in the
preferences of both.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, Self

from personalization.experiments.statistics import sequential
from personalization.experiments.statistics.bands import multiple
from personalization.experiments.statistics.effects import Interval
from personalization.experiments.statistics.sequential import LEVEL, POWER, Looks

LEAST_PREFERRING = 50
"""Users with a preference below which nothing is decided: fewer coins are no normal distribution."""
_MOST_ALIKE = 0.99
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What the users of an experiment prefer by some moment."""

    users: int
    """Those who prefer one."""
    for_variant: int
    """Those of them who prefer the variant."""
    before: int = 0
    """The users at the look before."""
    shared: int = 0
    """Users who preferred the same one there, less those who preferred the other one."""

    def __add__(self, other: Self) -> Self:
        """Return what both prefer."""
        return type(self)(
            users=self.users + other.users,
            for_variant=self.for_variant + other.for_variant,
            before=self.before + other.before,
            shared=self.shared + other.shared,
        )

    @property
    def z(self) -> float:
        """Return the statistic, by half a user nearer to 0: whole users are no normal distribution."""
        net = 2 * self.for_variant - self.users
        return math.copysign(max(abs(net) - 1, 0), net) / math.sqrt(self.users) if self.users else 0.0

    @property
    def alike(self) -> float:
        """Return the correlation with the look before, without a difference between the rankers."""
        return self.shared / math.sqrt(max(self.users * self.before, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A look that counted."""

    week: int
    users: int
    """Who prefer one."""
    z: float
    bound: float
    """The |z| that decides."""
    share: float
    """Of those who prefer the variant, as it was."""
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """What is known of the preference."""

    outcome: Literal["variant", "control", "open"]
    looks: tuple[Looked, ...] = ()
    """Up to the one that decided."""
    share: float | None = None
    """Of the users who prefer one, those who prefer the variant; median-unbiased, as early wins overstate."""
    interval: Interval | None = None
    """Of the last of the looks; it leaves out one half where that one decides."""
    least: float | None = None
    """The share that the last planned look finds in 80 of 100 such experiments."""
    ended: bool = False
    """Whether the last planned look is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    week: int
    signs: Signs
    time: float
    """On a scale of its own."""
    due: float
    """The share of its weeks."""


def judge(weekly: Sequence[tuple[int, Signs]], weeks: int) -> Preferred:
    """Return what the weekly looks say.

    Args:
        weekly: the number of each week, from 1, and what users preferred by its end; one may be missing.
        weeks: how many are planned.
    """
    seen = list(_seen(weekly, weeks))
    ended = any(week >= weeks for week, _ in weekly)
    if not seen:
        return Preferred(outcome="open", ended=ended)
    tested = sequential.looks([point.time for point in seen], [point.due for point in seen], LEVEL)
    passed = (number for number, bound in enumerate(tested.bounds) if abs(seen[number].signs.z) > bound)
    decided = next(passed, None)
    seen = seen[: len(seen) if decided is None else decided + 1]
    bounds, last = tested.bounds[: len(seen)], seen[-1].signs
    # A share of preferences has an expected z at each look by how many prefer one there.
    growth = [math.sqrt(point.signs.users / last.users) for point in seen]
    median = Looks(tested.times[: len(seen)], bounds).median(last.z, growth)
    outcome: Literal["variant", "control", "open"] = "open"
    if decided is not None:
        outcome = "variant" if last.z > 0 else "control"
    return Preferred(
        outcome=outcome,
        looks=tuple(
            Looked(
                week=point.week,
                users=point.signs.users,
                z=point.signs.z,
                bound=bound,
                share=point.signs.for_variant / point.signs.users,
                interval=interval(point.signs, bound),
            )
            for point, bound in zip(seen, bounds, strict=True)
        ),
        share=_share(median, last.users),
        interval=interval(last, bounds[-1]),
        least=least(last.users / seen[-1].due, weeks),
        ended=ended,
    )


def interval(signs: Signs, bound: float) -> Interval:
    """Return the shares within a bound of what is seen (Wilson's): it leaves out one half where |z| is more."""
    users, share = signs.users, _share(signs.z, signs.users)
    square = bound * bound / users
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square * square / 4) / (1 + square)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def band(signs: Signs, planned: int) -> Interval | None:
    """Return the shares that are possible at 95 % whenever one asks; None while too few prefer one.

    Args:
        planned: the users with a preference by the end.
    """
    return interval(signs, multiple(signs.users, planned)) if signs.users >= LEAST_PREFERRING else None


def least(users: float, weeks: int) -> float | None:
    """Return the share that is found in 80 of 100 experiments, by the users who prefer one by the end; None if none."""
    if users < LEAST_PREFERRING:
        return None
    bound = sequential.looks([(week + 1) / weeks for week in range(weeks)]).bounds[-1]
    share = _share(bound + _NORMAL.inv_cdf(POWER), users)
    return share if share < 1 else None


def _share(z: float, users: float) -> float:
    return min(max((1 + z / math.sqrt(users)) / 2, 0.0), 1.0)


def _seen(weekly: Sequence[tuple[int, Signs]], weeks: int) -> Iterator[_Seen]:
    """Yield the looks that have enough preferences and news; which ones does not depend on the difference."""
    before: _Seen | None = None
    alike = 1.0
    for week, signs in weekly:
        due = min(week / weeks, 1.0)
        if before:
            alike *= max(signs.alike, 0.01) ** 2
        if signs.users < LEAST_PREFERRING or (before and alike > _MOST_ALIKE and due < 1):
            continue
        time = before.time / min(alike, _MOST_ALIKE) if before else 1.0
        before, alike = _Seen(week=week, signs=signs, time=time, due=due), 1.0
        yield before
        if due >= 1:
            return
