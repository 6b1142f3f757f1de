# SPDX-License-Identifier: Apache-2.0
"""What an interleaved experiment says: which ranker's items users prefer, and that an A/B test comes next."""

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import reduce
from typing import Self

import polars as pl
from table_intake.wording import Text

from personalization.experiments.days import credit, looks, units
from personalization.experiments.days.units import Days
from personalization.experiments.experiment import INTERLEAVED, Experiment
from personalization.experiments.statistics import signs
from personalization.experiments.statistics.checks import Finding
from personalization.experiments.statistics.effects import Interval
from personalization.experiments.statistics.signs import LEAST_PREFERRING, Preferred, Signs

_WEEK = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The curve on a day: by how much more users prefer the variant than the control, of those who prefer one."""

    day: str
    lift: float
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a preference."""

    sides: tuple[str, str]
    """The control first."""
    preferred: Preferred
    now: Signs
    sums: Mapping[str, Mapping[str, int]]
    """By variant: clicks, lines that were bought, and the users behind either."""
    curve: tuple[Point, ...]
    least: float | None
    """The share of the users who prefer one that is found in 80 of 100 such experiments by the end."""

    @property
    def winner(self) -> str:
        """The variant whose items are preferred; empty while that is open."""
        return {"control": self.sides[0], "variant": self.sides[1], "open": ""}[self.preferred.outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """What some users prefer by the end of each week and of each day, and what they did."""

    weekly: Sequence[Signs]
    daily: Sequence[Signs]
    sums: Mapping[str, Mapping[str, int]]
    """By variant."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            weekly=[*map(operator.add, self.weekly, other.weekly)],
            daily=[*map(operator.add, self.daily, other.daily)],
            sums={
                side: {name: number + other.sums[side][name] for name, number in sums.items()}
                for side, sums in self.sums.items()
            },
        )


def whole(shard: Days) -> dict[date, pl.DataFrame]:
    """Return the rows of units as in other experiments, without those of single rankers."""
    is_whole = pl.col("variant").is_null() | (pl.col("variant") == INTERLEAVED)
    return {day: rows.filter(is_whole) for day, rows in shard.items()}


def see(experiment: Experiment, shards: Iterator[Days], over: Sequence[date]) -> Seen:
    """Return what the days say.

    Args:
        shards: the rows of the experiment.
        over: the days that are over, in order.
    """
    control = experiment.control
    other = next(variant.name for variant in experiment.variants if variant.name != control)
    weeks = max(round((experiment.ends_at - experiment.starts_at) / _WEEK), 1)
    ends = looks.days_of_looks(experiment.starts_at, over)

    def chosen(shard: Days) -> _Chosen:
        robots = units.robots(whole(shard).values()).implode()
        people = {day: rows.filter(~pl.col("unit").is_in(robots)) for day, rows in shard.items() if day in over}
        return _Chosen(
            weekly=credit.signs(people, ends, experiment.goal, (control, other)),
            daily=credit.signs(people, over, experiment.goal, (control, other)),
            sums={side: credit.sums(people, side) for side in (control, other)},
        )

    seen = reduce(operator.add, map(chosen, shards))
    preferred = signs.judge(list(enumerate(seen.weekly, 1)), weeks)
    daily = seen.daily
    # By the first week, as the plan of any experiment.
    first = daily[min(len(daily), 7) - 1].users * weeks * 7 / min(len(daily), 7) if daily else 0.0
    planned = max(round(first), 1)
    points = [
        Point(day=day.isoformat(), lift=_net(at.for_variant / at.users), interval=_band(at, planned))
        for day, at in zip(over, daily, strict=True)
        if at.users >= LEAST_PREFERRING
    ]
    return Seen(
        sides=(control, other),
        preferred=preferred,
        now=daily[-1] if daily else Signs(users=0, for_variant=0),
        sums=seen.sums,
        curve=tuple(points),
        least=preferred.least if preferred.least is not None else signs.least(first, weeks),
    )


def findings(seen: Seen) -> Iterator[Finding]:
    """Yield what hides the preference beside the checks of all experiments."""
    if seen.now.users < LEAST_PREFERRING:
        text = "{users:,} {users:user prefers|users prefer} one of the rankers so far, and {least} are needed."
        told = Text("experiment.few-preferring", text, users=seen.now.users, least=LEAST_PREFERRING)
        yield Finding(name="tooLittleData", hides=True, text=told)


def sentence(experiment: Experiment, seen: Seen) -> Text:
    """Return what a preference says, if nothing hides it."""
    preferred = seen.preferred
    if seen.winner and preferred.share is not None and preferred.interval is not None:
        share, ends = preferred.share, preferred.interval
        if preferred.outcome == "control":
            share, ends = 1 - share, (1 - ends[1], 1 - ends[0])
        values = {"variant": seen.winner, "share": share, "low": ends[0], "high": ends[1]}
        said = Text(
            "experiment.preferred",
            "{variant}'s items are preferred by {share:.0%} of the users who prefer one ({low:.0%} to {high:.0%})",
            **values,
        )
        if preferred.outcome == "control":
            text = "{said}. Keep {control}: an A/B test of {variant} is hardly worth its time."
            return Text("experiment.preferred-control", text, said=said, control=seen.sides[0], variant=seen.sides[1])
        text = "{said}. Prove it with an A/B test before shipping."
        return Text("experiment.preferred-variant", text, said=said)
    if seen.least is None:
        return Text("experiment.early", "Nothing proven yet: the first look comes after a week.")
    values = {"least": seen.least, "end": datetime.fromtimestamp(experiment.ends_at, UTC).date().isoformat()}
    if preferred.ended:
        text = (
            "No preference proven: one of less than {least:.0%} of the users who prefer one could not be seen by {end}."
        )
        return Text("experiment.no-preference", text, **values)
    text = "No preference proven yet: one of less than {least:.0%} of the users who prefer one cannot be seen by {end}."
    return Text("experiment.no-preference-yet", text, **values)


def document(seen: Seen) -> dict[str, object]:
    """Return what a report has of a preference beside the rest."""
    preferred = seen.preferred
    return {
        "sides": [
            {"variant": side, "preferring": preferring, **seen.sums[side]}
            for side, preferring in zip(
                seen.sides, (seen.now.users - seen.now.for_variant, seen.now.for_variant), strict=True
            )
        ],
        "outcome": preferred.outcome,
        "share": preferred.share,
        "interval": preferred.interval,
        "least": seen.least,
        "looks": [
            {
                "week": look.week,
                "users": look.users,
                "z": look.z,
                "bound": look.bound,
                "share": look.share,
                "interval": look.interval,
            }
            for look in preferred.looks
        ],
        "curve": [{"day": point.day, "lift": point.lift, "interval": point.interval} for point in seen.curve],
    }


def _net(share: float) -> float:
    return 2 * share - 1


def _band(at: Signs, planned: int) -> Interval | None:
    ends = signs.band(at, planned)
    return (_net(ends[0]), _net(ends[1])) if ends else None
