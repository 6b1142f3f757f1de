# SPDX-License-Identifier: Apache-2.0
"""Figures of a row: means over units, the paired difference to the rule, and which rows fail."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
ROUNDS, SEED = 2_000, 7
LIMIT, LEVEL = -0.02, 0.95
"""How far a primary row may be behind, and the level of its interval."""


@dataclass(frozen=True, slots=True)
class Sums:
    """By unit (a user, a window, an item): the sum of the metric, its weight, and the sum of the second metric."""

    value: Values
    weight: Values
    second: Values

    @classmethod
    def means(cls, value: Sequence[float], second: Sequence[float]) -> "Sums":
        """Make sums of units that weigh the same."""
        return cls(np.array(value, np.float64), np.ones(len(value)), np.array(second, np.float64))

    def mean(self) -> float:
        return float(self.value.sum() / max(self.weight.sum(), 1e-12))

    def second_mean(self) -> float:
        return float(self.second.sum() / max(self.weight.sum(), 1e-12))


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better than the rule, as a share of its figure, with the 95 % interval (percentiles of a bootstrap)."""

    value: float
    low: float
    high: float


def gain(ours: Sums, rule: Sums, *, loss: bool = False) -> Gain | None:
    """Compare in pairs, by resampling units; `loss`: whether small figures are good. None where the rule has 0."""
    below = rule.mean()
    if not below:
        return None
    sign = -1.0 if loss else 1.0
    value = sign * (ours.mean() / below - 1.0)
    random, size = np.random.default_rng(SEED), len(ours.value)
    drawn = []
    for _ in range(ROUNDS // 200):
        times = random.multinomial(size, np.full(size, 1.0 / size), 200).astype(np.float64)
        over, under = times @ ours.value, times @ rule.value
        drawn.append(sign * (over / np.maximum(under, 1e-12) - 1.0)[under > 0])
    drawn_means = np.concatenate(drawn)
    if not len(drawn_means):
        return None
    low, high = np.quantile(drawn_means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Gain(value, low, high)


def failing(gains: Sequence[Gain]) -> list[bool]:
    """Return which rows fail: those whose mean is below the limit while their interval excludes 0, or that lie below
    the limit as a whole.
    """
    return [gain.high < LIMIT or (gain.value < LIMIT and gain.high < 0) for gain in gains]
