# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF002 - mathematics
"""What holds at any moment, however often one looks: bands of an effect, and guardrails.

Asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2024, The Annals of Statistics 52,
2613–2640): a mixture of normal effects, narrowest where the experiment has the users that it was planned for. They
are wider than the interval of a weekly look, so they draw the curve and stop for harm, and never decide for a variant.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from personalization.experiments.statistics.effects import Effect, Interval, Metric
from personalization.experiments.statistics.sequential import LEVEL

State = Literal["safe", "open", "harmed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A metric that must not get worse by more than a margin, which is relative."""

    metric: Metric
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What is known of a guardrail at a moment."""

    name: str
    state: State
    worst: float | None
    """The end of the band on the bad side, as a lift; None without one."""
    best: float | None


def multiple(users: int, planned: int, level: float = LEVEL, *, sided: Literal[1, 2] = 2) -> float:
    """Return how many standard errors a band is wide to one side.

    Args:
        users: of both variants, by now.
        planned: the users for whom the band is narrowest.
        level: the chance that the effect is ever outside, on one side or on either.
        sided: 1 for a band with one end.
    """
    tuned = level * 2 / sided
    grown = users / planned * (-2 * math.log(tuned) + math.log(-2 * math.log(tuned) + 1))
    ratio = math.sqrt(grown + 1) / tuned
    return math.sqrt(2 * (grown + 1) / grown * math.log(ratio if sided == 2 else 1 + ratio))


def band(effect: Effect, planned: int) -> Interval | None:
    """Return the lifts that are still possible at 95 %, whenever one asks; None where they have no end."""
    return effect.interval(multiple(effect.users, planned))


def guarded(guardrail: Guardrail, effects: Iterable[Effect | None], planned: int) -> Guarded:
    """Return whether a variant harmed a metric on any day, and whether harm is ruled out by the last.

    A test of non-inferiority: it is safe where a harm of the margin is ruled out. It is harmed where no harm at all is
    ruled out instead. Guardrails are not corrected for their number, since all must hold.

    Args:
        effects: of each day, all users since the start.
    """
    state: State = "open"
    worst = best = None
    sign = 1 if guardrail.metric.better == "more" else -1
    for effect in effects:
        ends = effect.interval(multiple(effect.users, planned, sided=1)) if effect else None
        if ends is None:
            state, worst, best = "open", None, None
            continue
        worst, best = ends[::sign]
        if sign * worst >= -guardrail.margin:
            state = "safe"
        elif sign * best < 0:
            return Guarded(name=guardrail.metric.name, state="harmed", worst=worst, best=best)
        else:
            state = "open"
    return Guarded(name=guardrail.metric.name, state=state, worst=worst, best=best)
