# SPDX-License-Identifier: Apache-2.0
"""Whether an experiment's data can be believed. What fails hides the verdict, and is named."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from table_intake.wording import Text

from personalization.experiments.statistics.sums import counted

RATIO_LEVEL = 0.001
"""The chance of a false alarm of the sample ratio at each check; two checks a day make some 2 % in four weeks."""
LEAST_PER_VARIANT = 8
MOST_DOUBLE = 0.01
"""The share of users in two variants from which nothing is believed."""
MOST_LOST = 0.01
"""The same, of users who were shown a variant's lists and have no exposure."""
LEAST_CONVERTED = 150
"""Users of a variant who converted, below which nothing is decided."""
Name = Literal["sampleRatio", "doubleExposure", "lostExposures", "tooLittleData", "robots", "crowds", "novelty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A time of constant weights: who was exposed for the first time, by variant."""

    weights: Mapping[str, float]
    users: Mapping[str, int]

    def __add__(self, other: Self) -> Self:
        """Return the same time with the users of both."""
        return type(self)(weights=self.weights, users=counted(self.users, other.users))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was counted beside the metrics."""

    periods: Sequence[Period]
    double: int = 0
    """Users who were exposed to two variants; they are in no sums."""
    shown: int = 0
    """Users whom lists of the experiment name, since the start."""
    unexposed: int = 0
    """Those of them without an exposure."""
    silent_days: Sequence[str] = ()
    """Days with events of the experiment's lists, and no exposure at all."""
    robots: int = 0
    """Users who did more than a person does; they are in no sums."""
    crowds: int = 0
    """Ids of users or of browsers that many share, and which are therefore not joined."""
    most_others: int = 0
    """How many one may be linked with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check says."""

    name: Name
    hides: bool
    """Whether the verdict is hidden until it is mended."""
    text: Text


def findings(facts: Facts, converted: Mapping[str, int], days: float) -> tuple[Finding, ...]:
    """Return what is wrong with an experiment's data.

    Args:
        converted: users who did what the goal counts, by variant.
        days: how long the experiment has run.
    """
    return tuple(_findings(facts, converted, days))


def _findings(facts: Facts, converted: Mapping[str, int], days: float) -> Iterator[Finding]:
    users = sum(sum(period.users.values()) for period in facts.periods)
    if (chance := sample_ratio(facts.periods)) < RATIO_LEVEL:
        yield Finding(name="sampleRatio", hides=True, text=_uneven(facts.periods, chance))
    if facts.double > MOST_DOUBLE * max(users + facts.double, 1):
        text = (
            "{share:.1%} of the users were in two variants, and 1% is the most: an id changes between requests, such "
            "as at a login."
        )
        told = Text("experiment.double", text, share=facts.double / (users + facts.double))
        yield Finding(name="doubleExposure", hides=True, text=told)
    if facts.silent_days:
        text = "Exposures are lost: {days} had events of the experiment's lists, and no exposure."
        told = Text("experiment.silent", text, days=Text.some_of(facts.silent_days))
        yield Finding(name="lostExposures", hides=True, text=told)
    elif facts.unexposed > MOST_LOST * max(facts.shown, 1):
        text = (
            "Exposures are lost: {share:.1%} of the users who were shown the experiment's lists have none, and 1% is "
            "the most."
        )
        told = Text("experiment.lost", text, share=facts.unexposed / max(facts.shown, 1))
        yield Finding(name="lostExposures", hides=True, text=told)
    if (fewest := min(converted.values(), default=0)) < LEAST_CONVERTED:
        yield Finding(name="tooLittleData", hides=True, text=_missing(fewest, days))
    if facts.robots:
        text = "Left out, as no person does so much: {users:,} {users:user|users}."
        yield Finding(name="robots", hides=False, text=Text("experiment.robots-out", text, users=facts.robots))
    if facts.crowds:
        text = (
            "More than {most:,} browsers or users share one id, as with one for all guests, so that it is joined with "
            "none of them: {ids:,} such {ids:id|ids}."
        )
        told = Text("experiment.crowds", text, most=facts.most_others, ids=facts.crowds)
        yield Finding(name="crowds", hides=False, text=told)


def sample_ratio(periods: Sequence[Period]) -> float:
    """Return the chance that users spread at least so unevenly over the variants by the weights: a chi-square test.

    Periods of different weights are compared with their own, and their squares added. One with fewer than eight users
    in a variant is left out.
    """
    square, free = 0.0, 0
    for period in periods:
        users = [period.users.get(name, 0) for name in period.weights]
        expected = [sum(users) * weight / sum(period.weights.values()) for weight in period.weights.values()]
        if min(expected, default=0) < LEAST_PER_VARIANT:
            continue
        square += sum((here - due) ** 2 / due for here, due in zip(users, expected, strict=True))
        free += len(users) - 1
    return chi_square_above(square, free)


def chi_square_above(square: float, free: int) -> float:
    """Return the chance that chi-square with degrees of freedom is greater, by its recurrence in steps of two."""
    if not free:
        return 1.0
    half = square / 2
    shape, chance = (0.5, math.erfc(math.sqrt(half))) if free % 2 else (1.0, math.exp(-half))
    while shape < free / 2:
        if half > 0:
            chance += math.exp(shape * math.log(half) - half - math.lgamma(shape + 1))
        shape += 1
    return min(chance, 1.0)


def _uneven(periods: Sequence[Period], chance: float) -> Text:
    users: dict[str, int] = {}
    expected: dict[str, float] = {}
    for period in periods:
        whole = sum(period.users.values())
        for name, weight in period.weights.items():
            users[name] = users.get(name, 0) + period.users.get(name, 0)
            expected[name] = expected.get(name, 0.0) + whole * weight / sum(period.weights.values())
    name = max(users, key=lambda name: abs(users[name] - expected[name]))
    text = (
        "Users do not spread as the weights say: {variant} has {users:,} where {expected:,.0f} are due, and chance "
        "alone does that in {chance:.1e} of the experiments."
    )
    values = {"variant": name, "users": users[name], "expected": expected[name]}
    return Text("experiment.uneven", text, **values, chance=chance)


def _missing(fewest: int, days: float) -> Text:
    if not fewest or days <= 0:
        text = "A variant has no conversion yet, and {least} are needed."
        return Text("experiment.no-data", text, least=LEAST_CONVERTED)
    more = math.ceil((LEAST_CONVERTED - fewest) * days / fewest)
    text = (
        "A variant has {fewest:,} of the {least} conversions that are needed: as they come now, "
        "{days:,} more {days:day is|days are} missing."
    )
    return Text("experiment.little-data", text, fewest=fewest, least=LEAST_CONVERTED, days=more)
