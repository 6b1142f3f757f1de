# SPDX-License-Identifier: Apache-2.0
"""What an experiment proves: weekly looks decide, and nothing between them does.

The bounds of the looks spend the level by the shares of the information that the plan expects, which are fixed before
the start; how alike two looks are is measured in the users' figures at hand. So a missed look, a quiet week or users
who come often do no harm. Several variants are compared with the control by Holm's steps, each with the bounds of its
own level. What ended an experiment early looks better than it is, so the lift that is told is median-unbiased, and the
interval is the repeated one, which holds at all looks together.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from statistics import NormalDist
from typing import Literal

from table_intake.wording import Text

from personalization.experiments.statistics import checks, sequential
from personalization.experiments.statistics.bands import Guarded, Guardrail, band, guarded
from personalization.experiments.statistics.bootstrap import resampled
from personalization.experiments.statistics.checks import Facts, Finding
from personalization.experiments.statistics.effects import (
    Effect,
    Interval,
    Metric,
    combined,
    correlation,
    covariance,
    effect,
)
from personalization.experiments.statistics.sequential import LEVEL, POWER, Looks
from personalization.experiments.statistics.sums import Sums

State = Literal["ship", "keep", "undecided", "stopped", "hidden", "preferred"]
FEW_ORDERS = 200
"""Orders of a variant below which the interval of its revenue is resampled as well."""
LEAST_FOR_BAND = 25
"""Conversions that the smaller side would have by the rate of both, below which no band is drawn.

Means are far from normal there, and a side without any would seem to have no spread.
"""
_MOST_ALIKE = 0.99
"""A look whose squared correlation with the one before is higher has no news, and spends nothing but at the end."""
_NORMAL = NormalDist()
_FAR = NormalDist().inv_cdf(0.995)
"""The z from which the first and the last week are told to differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What was fixed before the start."""

    control: str
    variants: tuple[str, ...]
    """The others."""
    goal: Metric
    guardrails: tuple[Guardrail, ...] = ()
    revenue: tuple[Metric, ...] = ()
    """Revenue per user whole and winsorized, where orders have values."""
    shares: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """By the end of each week, the share of the information that the plan expects; it rises to 1."""
    planned: int
    """The users of a variant and the control together by the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All users exposed by the end of a week, and what they had done since."""

    week: int
    """From 1."""
    sums: Mapping[str, Sums]
    """By variant; from the second look on with what was there at the look before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The same by the end of a day."""

    day: str
    sums: Mapping[str, Sums]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A look that counted, for a variant."""

    week: int
    z: float
    bound: float
    """The |z| that decides."""
    lift: float
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What a variant would bring a month, absolute."""

    estimate: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The curve on a day: what holds whenever one looks."""

    day: str
    lift: float
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is known of a variant against the control."""

    variant: str
    outcome: Literal["better", "worse", "open"]
    looks: tuple[Looked, ...] = ()
    """Up to the one that decided."""
    lift: float | None = None
    """Relative, and median-unbiased."""
    interval: Interval | None = None
    """Of the last of the looks; it leaves out 0 where that one decides."""
    reduction: float = 0.0
    """The share of the variance that the users' past explains."""
    least: float | None = None
    """The lift that the last planned look finds in 80 of 100 such experiments."""
    money: tuple[Money, ...] = ()
    """A month, at today's traffic, by the design's revenue metrics."""
    resampled: Interval | None = None
    """The lift of revenue by the bootstrap, below 200 orders."""
    guardrails: tuple[Guarded, ...] = ()
    curve: tuple[Point, ...] = ()
    first_week: float | None = None
    last_week: float | None = None
    """The lifts of the first week and the last, where they differ by more than chance."""

    @property
    def harmed(self) -> tuple[Guarded, ...]:
        return tuple(guardrail for guardrail in self.guardrails if guardrail.state == "harmed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do."""

    state: State
    ended: bool
    """Whether the last planned look is there."""
    variant: str = ""
    """The one to ship, or that is stopped."""
    results: tuple[Result, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What is wrong with the data, or to be known of it."""

    def of(self, variant: str) -> Result:
        """Return what is known of a variant."""
        return next(result for result in self.results if result.variant == variant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What turns a difference per user into money, and single users' revenue for the bootstrap."""

    users_a_month: float = 0.0
    """Who would see the variant if all did."""
    revenues: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of users of each variant that brought any; needed below 200 orders alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A look that has news, and its time on a scale of its own."""

    look: Look
    effect: Effect
    time: float
    share: float


def judge(design: Design, looks: Sequence[Look], days: Sequence[Day], facts: Facts, scale: Scale) -> Verdict:
    """Return what an experiment proves by now.

    Args:
        looks: those that were, in order; one that was missed is left out.
        days: in order, for the curve and the guardrails; the last one is now.
        facts: what was counted beside the metrics.
    """
    seen = {variant: list(_seen(design, variant, looks)) for variant in design.variants}
    levels = _holm(seen)
    results = tuple(_result(design, variant, seen[variant], levels[variant], scale) for variant in design.variants)
    results = tuple(_watched(design, result, looks, days, scale) for result in results)
    converted = {
        variant: round(days[-1].sums[variant].total(design.goal.counted)) if days else 0
        for variant in (design.control, *design.variants)
    }
    findings = (*checks.findings(facts, converted, len(days)), *_novelties(results))
    ended = any(_share(design, look.week) >= 1 for look in looks)
    state, variant = _state(design, results, findings)
    return Verdict(state=state, ended=ended, variant=variant, results=results, findings=findings)


def _share(design: Design, week: int) -> float:
    return design.shares[min(week, len(design.shares)) - 1]


def _seen(design: Design, variant: str, looks: Sequence[Look]) -> Iterator[_Seen]:
    """Yield the looks that have enough conversions and news, up to the end.

    Whether a look counts depends on how much there is, and never on the difference.
    """
    before: _Seen | None = None
    previous: Effect | None = None
    alike = 1.0
    for look in looks:
        control, treated = look.sums[design.control], look.sums[variant]
        current, share = effect(design.goal, control, treated), _share(design, look.week)
        if current is None:
            continue
        if before and previous:
            alike *= max(correlation(previous, current, control, treated), 0.01) ** 2
        previous = current
        few = min(control.total(design.goal.counted), treated.total(design.goal.counted)) < checks.LEAST_CONVERTED
        if few or (before and alike > _MOST_ALIKE and share < 1):
            continue
        time = before.time / min(alike, _MOST_ALIKE) if before else 1.0
        before, alike = _Seen(look=look, effect=current, time=time, share=share), 1.0
        yield before
        if share >= 1:
            return


@dataclass(frozen=True, slots=True)
class _Tested:
    """The bounds of a variant's looks at the level of its step, and the look that decided, if any did."""

    level: float
    looks: Looks
    decided: int | None


def _holm(seen: Mapping[str, Sequence[_Seen]]) -> dict[str, _Tested]:
    """Test all variants by Holm's steps: whoever passes leaves more of the level to the others."""
    left, tested = dict(seen), dict[str, _Tested]()
    while left:
        step = {variant: _tested(points, LEVEL / len(left)) for variant, points in left.items()}
        passed = {variant: test for variant, test in step.items() if test.decided is not None}
        tested |= passed or step
        left = {variant: points for variant, points in left.items() if passed and variant not in passed}
    return tested


def _tested(points: Sequence[_Seen], level: float) -> _Tested:
    if not points:
        return _Tested(level, Looks((), ()), None)
    looks = sequential.looks([point.time for point in points], [point.share for point in points], level)
    decided = (number for number, bound in enumerate(looks.bounds) if abs(points[number].effect.z) > bound)
    return _Tested(level, looks, next(decided, None))


def _result(design: Design, variant: str, points: Sequence[_Seen], tested: _Tested, scale: Scale) -> Result:
    """Return what the looks say, up to the one that decided."""
    if not points:
        return Result(variant=variant, outcome="open")
    count = len(points) if tested.decided is None else tested.decided + 1
    points, last = points[:count], points[count - 1].effect
    looks = Looks(tested.looks.times[:count], tested.looks.bounds[:count])
    # A lift has an expected z at each look, by the control's mean and the standard error there.
    sizes = [point.effect.base / point.effect.error for point in points]
    median = looks.median(last.z, [size / sizes[-1] for size in sizes])
    outcome: Literal["better", "worse", "open"] = "open"
    if tested.decided is not None:
        outcome = "better" if (last.z > 0) == (design.goal.better == "more") else "worse"
    bound = looks.bounds[-1]
    return Result(
        variant=variant,
        outcome=outcome,
        looks=tuple(
            Looked(
                week=point.look.week,
                z=point.effect.z,
                bound=passes,
                lift=point.effect.lift,
                interval=point.effect.interval(passes),
            )
            for point, passes in zip(points, looks.bounds, strict=True)
        ),
        lift=median * last.error / last.base,
        interval=last.interval(bound),
        reduction=last.reduction,
        least=_least(design, points[-1], bound, tested.level),
        money=tuple(_money(design, variant, points[-1], (bound, median), scale)),
    )


def _least(design: Design, point: _Seen, bound: float, level: float) -> float:
    """Return the lift that the last planned look finds with 80 %, as errors are now or shrink by then."""
    if point.share < 1:
        bound = _last_bound(design.shares, level)
    error = point.effect.error / point.effect.base * math.sqrt(point.share)
    return (bound + _NORMAL.inv_cdf(POWER)) * error


@cache
def _last_bound(shares: tuple[float, ...], level: float) -> float:
    rising = [share for share, later in pairwise(shares) if later - share > 0.01]
    return sequential.looks([*rising, 1.0], level=level).bounds[-1]


def _money(design: Design, variant: str, point: _Seen, told: tuple[float, float], scale: Scale) -> Iterator[Money]:
    """Yield what a variant brings a month, less what chance gave to it with the goal that ended the experiment."""
    bound, median = told
    control, treated = point.look.sums[design.control], point.look.sums[variant]
    goal = point.effect
    for metric in design.revenue:
        if revenue := effect(metric, control, treated):
            shared = covariance(goal, revenue, control, treated) / goal.error
            low, high = revenue.within(bound)
            month = scale.users_a_month
            estimate = revenue.difference - shared * (goal.z - median)
            yield Money(estimate=estimate * month, interval=(low * month, high * month))


def _watched(design: Design, result: Result, looks: Sequence[Look], days: Sequence[Day], scale: Scale) -> Result:
    """Return a result with what is drawn and guarded between the looks."""
    sides = [(day, (day.sums[design.control], day.sums[result.variant])) for day in days]
    curve = [
        Point(day=day.day, lift=seen.lift, interval=band(seen, design.planned))
        for day, pair in sides
        if (seen := drawn(design.goal, [pair]))
    ]
    guardrails = [
        guarded(guardrail, [drawn(guardrail.metric, [pair]) for _, pair in sides], design.planned)
        for guardrail in design.guardrails
    ]
    first, last = _ends(design, result.variant, looks)
    few = days and min(_orders(sums) for sums in sides[-1][1]) < FEW_ORDERS
    return replace(
        result,
        curve=tuple(curve),
        guardrails=tuple(guardrails),
        first_week=first,
        last_week=last,
        resampled=_resampled(sides[-1][1], scale, design.control, result.variant) if few else None,
    )


def drawn(metric: Metric, strata: Iterable[tuple[Sums, Sums]]) -> Effect | None:
    """Return the effect in strata that a band is drawn of; None while they have too few conversions."""
    pairs = [*strata]
    wholes = [(control + treated, min(control.users, treated.users)) for control, treated in pairs]
    expected = sum(both.total(metric.counted) * fewer / max(both.users, 1) for both, fewer in wholes)
    return combined(metric, pairs) if expected >= LEAST_FOR_BAND else None


def _orders(sums: Sums) -> float:
    return sums.total("orders") if "orders" in sums.columns else 0.0


def _resampled(sides: Sequence[Sums], scale: Scale, control: str, variant: str) -> Interval | None:
    amounts = [scale.revenues.get(name, ()) for name in (control, variant)]
    if not all(amounts):
        return None
    return resampled((amounts[0], sides[0].users), (amounts[1], sides[1].users))


def _ends(design: Design, variant: str, looks: Sequence[Look]) -> tuple[float, float] | tuple[None, None]:
    """Return the lifts of the first week and of the last, if they differ by more than chance."""
    if len(looks) < 2:
        return None, None
    metric = replace(design.goal, past=None)
    pair = [design.control, variant]
    first = effect(metric, *(looks[0].sums[name] for name in pair))
    last = effect(metric, *(looks[-1].sums[name].after(looks[-2].sums[name]) for name in pair))
    if first is None or last is None:
        return None, None
    # The same users' weeks vary together, which would make the difference clearer: this is careful.
    variance = sum((side.error / side.base) ** 2 for side in (first, last))
    return (first.lift, last.lift) if abs(first.lift - last.lift) > _FAR * math.sqrt(variance) else (None, None)


def _novelties(results: Sequence[Result]) -> Iterator[Finding]:
    for result in results:
        if result.first_week is not None and result.last_week is not None:
            text = (
                "{variant}: the first week's difference was {first:+.1%}, and the last one's is {last:+.1%}. "
                "People may look at what is new, so let it run longer."
            )
            values = {"variant": result.variant, "first": result.first_week, "last": result.last_week}
            yield Finding(name="novelty", hides=False, text=Text("experiment.novelty", text, **values))


def _state(design: Design, results: Sequence[Result], findings: Sequence[Finding]) -> tuple[State, str]:
    """Return what to do, and with which variant."""
    faults = {finding.name for finding in findings if finding.hides}
    # Too little to prove a gain can be enough to prove harm; what is wrong cannot prove anything. A variant among
    # several cannot stop alone, since its users would have to go somewhere.
    harmed = [result for result in results if result.harmed]
    if harmed and faults <= {"tooLittleData"}:
        return "stopped", harmed[0].variant
    if faults:
        return "hidden", ""
    sign = 1 if design.goal.better == "more" else -1
    better = [result for result in results if result.outcome == "better"]
    if better:
        return "ship", max(better, key=lambda result: sign * (result.lift or 0.0)).variant
    if all(result.outcome == "worse" for result in results):
        return "keep", design.control
    return "undecided", ""
