# SPDX-License-Identifier: Apache-2.0
"""A promotion in steps: who gets a new version when, what its users say of it, and when it goes on.

Each step adds users to both sides, the new version's and the control's, who stay where they are. So a step is a
comparison of its own, with shares that never change, and nobody is ever on both sides; effects are taken within the
steps and then combined.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from table_intake.wording import Text

from personalization.core.names import run_hash
from personalization.experiments import sentences
from personalization.experiments.experiment import RAMP, SCALE, Experiment, Ramp, Slice, Variant
from personalization.experiments.statistics import bands, checks
from personalization.experiments.statistics.bands import Guarded, Guardrail
from personalization.experiments.statistics.checks import Facts, Finding, Period
from personalization.experiments.statistics.sequential import POWER
from personalization.experiments.statistics.sums import Sums
from personalization.experiments.statistics.verdicts import drawn
from personalization.shop.settings import gate

if TYPE_CHECKING:
    # Functions that promote import this module, and have no polars.
    from personalization.experiments.days.looks import Look

_DAY = 86_400
Outlook = Literal["harmed", "hidden", "open"]


def name_of(run: str) -> str:
    """Return the name of a run's ramp."""
    return f"{RAMP}{run_hash(run)}"


def sides(step: int) -> tuple[str, str]:
    """Return the names of a step's control and of its new variant; steps count from 0."""
    return f"now-{step + 1}", f"new-{step + 1}"


def control_share(share: int, last: int) -> int:
    """Return the share of the users who are the control at a step: more than get the new version, until the last.

    A small side is compared best with a large one; but all later steps need users for their own control as well.
    """
    return math.isqrt(share * last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a new ramp is begun."""

    recipe: str
    run: str
    version: str
    control: str
    campaign: str
    metadata: bool
    """Whether the second campaign shows columns of Items."""
    placements: tuple[str, ...]


def begin(begun: Begun, settings: gate.Ramp, now: int) -> Experiment:
    """Return the experiment of a ramp at its first step."""
    steps = tuple(round(percent * SCALE / 100) for percent in settings.steps)
    variants: list[Variant] = []
    for step in range(len(steps)):
        control, new = sides(step)
        shown = Variant(name=new, serves="campaign", campaign=begun.campaign, metadata=begun.metadata)
        variants += [Variant(name=control), shown]
    ramp = Ramp(
        recipe=begun.recipe,
        run=begun.run,
        version=begun.version,
        control=begun.control,
        campaign=begun.campaign,
        steps=steps,
        days=settings.days,
        since=(),
    )
    experiment = Experiment(
        name=name_of(begun.run),
        hypothesis=hypothesis(begun.recipe),
        owner="gate",
        placements=begun.placements,
        control=variants[0].name,
        variants=tuple(variants),
        goal="orders",
        guardrails=settings.guardrails,
        seed=name_of(begun.run),
        slices=(),
        starts_at=now,
        ends_at=now + gate.PATIENCE * len(steps) * settings.days * _DAY,
        definition=run_hash(begun.version),
        ramp=ramp,
    )
    return grown(experiment, now)


def hypothesis(recipe: str) -> Text:
    """Return what a ramp is to show."""
    return Text("experiment.ramp-hypothesis", "The new version of {recipe} does no harm.", recipe=recipe)


def grown(experiment: Experiment, now: int) -> Experiment:
    """Return a ramp at its next step."""
    ramp = _ramp(experiment)
    step, last = len(ramp.since), ramp.steps[-1]
    control, new = sides(step)
    before, share = (0, *ramp.steps)[step : step + 2]
    start, end = (SCALE - control_share(part, last) for part in (share, before))
    slices = (*experiment.slices, Slice(new, before, share, now), Slice(control, start, end, now))
    return replace(experiment, slices=slices, ramp=replace(ramp, since=(*ramp.since, now)))


def is_over(experiment: Experiment, now: float) -> bool:
    """Return whether the days of a ramp's present step are over."""
    ramp = _ramp(experiment)
    return now >= ramp.since[-1] + ramp.days * _DAY


def is_last(experiment: Experiment) -> bool:
    """Return whether a ramp is at its last step."""
    ramp = _ramp(experiment)
    return len(ramp.since) == len(ramp.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """What a step saw."""

    share: float
    users: int
    """Of it and of the steps before who got the new version, by its end."""
    sight: Mapping[str, float | None]
    """By guardrail, the least harm that it finds in 80 of 100 ramps, relative; None with too few conversions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the users say of a ramp."""

    outlook: Outlook
    guardrails: tuple[Guarded, ...]
    steps: tuple[StepSeen, ...]
    """Those that have begun."""
    findings: tuple[Finding, ...]

    @property
    def users(self) -> int:
        """How many users the present step has brought."""
        before = self.steps[-2].users if len(self.steps) > 1 else 0
        return self.steps[-1].users - before


def see(experiment: Experiment, guardrails: Sequence[Guardrail], days: "Sequence[Look]", facts: Facts) -> Seen:
    """Return what is known of a ramp.

    Args:
        experiment: the ramp.
        guardrails: its guardrails' metrics.
        days: for each day, all users exposed by its end and what they had done.
        facts: what was counted beside; its periods are of whole steps, see `periods`.
    """
    size = planned(experiment, days)
    rails = [
        bands.guarded(rail, [drawn(rail.metric, _strata(experiment, day)) for day in days], size) for rail in guardrails
    ]
    findings = [finding for finding in checks.findings(facts, {}, len(days)) if finding.name != "tooLittleData"]
    harmed = any(rail.state == "harmed" for rail in rails)
    outlook: Outlook = "hidden" if any(finding.hides for finding in findings) else "harmed" if harmed else "open"
    return Seen(
        outlook=outlook,
        guardrails=tuple(rails),
        steps=tuple(_steps(experiment, guardrails, days, size)),
        findings=tuple(findings),
    )


def planned(experiment: Experiment, days: "Sequence[Look]") -> int:
    """Return the users of both sides by the end, as the first step has them."""
    (_, end), *_ = pairwise([*_ramp(experiment).since, experiment.last_second])
    first = [day for day in days if day.day <= _day_before(end)]
    users = sum(first[-1].sums[name].users for name in sides(0)) if first else 0
    share = sum(experiment.weight(name) for name in sides(0))
    return max(round(users * 2 * _ramp(experiment).steps[-1] / share), 1)


def _day_before(end: int) -> date:
    """Return the day of the last second before a time."""
    return (datetime.fromtimestamp(end, UTC) - timedelta(seconds=1)).date()


def periods(experiment: Experiment, users: Mapping[str, int]) -> tuple[Period, ...]:
    """Return who was exposed in each step's own users, who have constant shares."""
    names = [sides(step) for step in range(len(_ramp(experiment).since))]
    return tuple(
        Period(
            weights={name: float(experiment.weight(name)) for name in pair},
            users={name: users.get(name, 0) for name in pair},
        )
        for pair in names
    )


def _strata(experiment: Experiment, day: "Look", steps: int | None = None) -> list[tuple[Sums, Sums]]:
    names = [sides(step) for step in range(len(_ramp(experiment).since))][:steps]
    return [(day.sums[control], day.sums[new]) for control, new in names]


def _steps(
    experiment: Experiment, guardrails: Sequence[Guardrail], days: "Sequence[Look]", size: int
) -> Iterator[StepSeen]:
    ramp = _ramp(experiment)
    for step, (_, end) in enumerate(pairwise([*ramp.since, experiment.last_second])):
        seen = [day for day in days if day.day <= _day_before(end)]
        strata = _strata(experiment, seen[-1], step + 1) if seen else []
        yield StepSeen(
            share=ramp.steps[step] / SCALE,
            users=sum(new.users for _, new in strata),
            sight={rail.metric.name: _sight(rail, strata, size) for rail in guardrails},
        )


def _sight(rail: Guardrail, strata: Sequence[tuple[Sums, Sums]], size: int) -> float | None:
    """Return the harm whose band has left 0 with 80 %; None where even the loss of everything would not be seen."""
    effect = drawn(rail.metric, strata)
    if effect is None:
        return None
    width = bands.multiple(effect.users, size, sided=1) + NormalDist().inv_cdf(POWER)
    harm = width * effect.error / effect.base
    return harm if harm < 1 or rail.metric.better == "less" else None


def _ramp(experiment: Experiment) -> Ramp:
    if experiment.ramp is None:
        raise ValueError(f"{experiment.name} is not a ramp")
    return experiment.ramp


def said(experiment: Experiment, seen: Seen) -> str:
    """Return what is known of a ramp in a sentence."""
    ramp = _ramp(experiment)
    if experiment.stopped_at is not None:
        return experiment.stopped_because
    if seen.outlook == "hidden":
        reasons = Text.joined(" ", [finding.text for finding in seen.findings if finding.hides])
        return Text("ramp.hidden", "It does not go on, since the data cannot be believed. {reasons}", reasons=reasons)
    share = ramp.steps[len(ramp.since) - 1] / SCALE
    return Text("ramp.open", "{share:.0%} of the users get it, and no harm is seen.", share=share)


def harm(experiment: Experiment, seen: Seen) -> Text | None:
    """Return why a ramp goes back; None if it does no harm that is seen."""
    if seen.outlook != "harmed":
        return None
    rail = next(rail for rail in seen.guardrails if rail.state == "harmed")
    values = {"recipe": _ramp(experiment).recipe, "metric": sentences.goal_name(rail.name), "size": abs(rail.best or 0)}
    if rail.name == "returns":
        text = "The new version of {recipe} goes back: it raises {metric} by {size:.1%} at least."
        return Text("ramp.raises", text, **values)
    text = "The new version of {recipe} goes back: it lowers {metric} by {size:.1%} at least."
    return Text("ramp.lowers", text, **values)


def late(experiment: Experiment) -> Text:
    """Return why a ramp that is not through goes back."""
    ramp = _ramp(experiment)
    text = "The new version of {recipe} goes back: it was not through after {days:,} days, twice those of its steps."
    return Text("ramp.late", text, recipe=ramp.recipe, days=gate.PATIENCE * len(ramp.steps) * ramp.days)


def step_said(experiment: Experiment) -> Text:
    """Return what is announced of a ramp's present step."""
    ramp = _ramp(experiment)
    text = "{share:.0%} of the users get the new version of {recipe}, for {days} {days:day|days} at least."
    return Text("ramp.step", text, share=ramp.steps[len(ramp.since) - 1] / SCALE, recipe=ramp.recipe, days=ramp.days)
