# SPDX-License-Identifier: Apache-2.0
"""The interval of a lift from the users' amounts themselves, where there are too few for a normal distribution.

The Poisson bootstrap (Chamandy, Muralidharan, Najmi and Naidu, 2012, Estimating uncertainty for massive data streams,
Google): each user counts as often as a Poisson number of mean 1 says. Users without an amount only count.
"""

import math
import random
from bisect import bisect
from collections.abc import Sequence

from personalization.experiments.statistics.effects import Interval

SAMPLES = 2_000
_SEED = 20_271
_MOST = 12
"""A Poisson number of mean 1 is greater once in 60 billion draws."""
Arm = tuple[Sequence[float], int]
"""The amounts of users who have one, and the number of all users."""


def resampled(control: Arm, treated: Arm, level: float = 0.05) -> Interval:
    """Return the central interval of the resampled relative differences of means; the same each time."""
    draws = random.Random(_SEED)  # noqa: S311 - no secret # nosec B311
    limits = _limits()
    lifts = sorted(_mean(draws, limits, treated) / _mean(draws, limits, control) - 1 for _ in range(SAMPLES))
    cut = int(SAMPLES * level / 2)
    return lifts[cut], lifts[-1 - cut]


def _limits() -> list[float]:
    chances = [math.exp(-1) / math.factorial(number) for number in range(_MOST)]
    return [sum(chances[: number + 1]) for number in range(_MOST)]


def _mean(draws: random.Random, limits: Sequence[float], arm: Arm) -> float:
    amounts, users = arm
    total, counted = 0.0, 0
    for amount in amounts:
        times = bisect(limits, draws.random())
        total += amount * times
        counted += times
    others = users - len(amounts)
    # So many Poisson numbers together are a normal one.
    counted_others = max(draws.gauss(others, math.sqrt(others)), 0.0) if others > 0 else 0.0
    return max(total, 1e-300) / max(counted + counted_others, 1.0)
