# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF002 - mathematics
"""Group-sequential tests: several looks at one experiment, whose chance of a false alarm is together 5 %.

A look at time t, the share of the whole information, may have spent 4(1 − Φ(z₀.₀₁₂₅ / √t)) of the level: the
O'Brien–Fleming-like function of Lan and DeMets (1983), Biometrika 70, 659–663, for two sides. The statistic is a
Brownian motion in t (Jennison and Turnbull, Group Sequential Methods, 2000, chapter 19): its density between the
boundaries is carried from look to look by numerical integration. Only ratios of times count for it, so the looks of a
running experiment need no knowledge of its end: time has a scale of its own, and what a look may have spent is told
apart, as Lan and DeMets (1989, Biometrics 45, 1017–1020) do with calendar time.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import NormalDist

LEVEL = 0.05
"""The chance of any false alarm, of both sides and of all looks."""
POWER = 0.8
_FARTHEST = 9.0
"""A z that chance passes once in 10^18 looks: no boundary is farther away."""
_NODES = 16
_HALVINGS = 60
_CLOSE = 1e-11
_NORMAL = NormalDist()
_Density = tuple[tuple[float, float], ...]
"""Where the statistic may be, and the probability there."""
_START: _Density = ((0.0, 1.0),)


@dataclass(frozen=True, slots=True)
class Looks:
    """When there is a look, as shares of the last one's information, and the |z| that decides there."""

    times: tuple[float, ...]
    bounds: tuple[float, ...]

    def crossed(self, means: Sequence[float]) -> tuple[tuple[float, float], ...]:
        """Return for each look the chance that z first passes its bound there: above, and below.

        Args:
            means: the expected z of each look.
        """
        return tuple(_passed(*state) for state in self._states(means))

    def above(self, means: Sequence[float], z: float) -> float:
        """Return the chance that a look before the last passes its bound above, or else that the last is above a z.

        This orders all ends of an experiment by how much they speak for the effect (Siegmund's stagewise order).
        """
        *earlier, (density, _, step, pull) = self._states(means)
        return sum(_passed(*state)[0] for state in earlier) + _passed(density, z * self._last, step, pull)[0]

    def median(self, z: float, growth: Sequence[float]) -> float:
        """Return the expected z of the last look under which its z, or a clearer end, has a chance of a half.

        An experiment that ends early, because it looks good, mostly looks better than it is; half of these estimates
        are too high, and half too low.

        Args:
            z: of the last look.
            growth: for each look, the expected z as a part of the last's.
        """
        if not z:
            return 0.0
        size = solved(lambda mean: self.above([mean * part for part in growth], abs(z)), abs(z), 0.5)
        return math.copysign(size, z)

    @property
    def _last(self) -> float:
        return math.sqrt(self.times[-1])

    def _states(self, means: Sequence[float]) -> Iterator[tuple[_Density, float, float, float]]:
        """Yield before each look where the statistic is, its edge there, the step to it, and the step's mean."""
        steps, density, before = _steps(self.times), _START, 0.0
        for time, bound, mean, step, later in zip(
            self.times, self.bounds, means, steps, [*steps[1:], math.inf], strict=True
        ):
            edge, pull = bound * math.sqrt(time), mean * math.sqrt(time) - before
            yield density, edge, step, pull
            density, before = _carried(density, edge, (step, later), pull), mean * math.sqrt(time)

    def power(self, means: Sequence[float]) -> float:
        """Return the chance that a look finds the effect, on its own side."""
        return sum(above for above, _ in self.crossed(means))

    def steady(self, last: float) -> list[float]:
        """Return the expected z of each look, where the effect comes as the information does."""
        return [last * math.sqrt(time) for time in self.times]


def solved(power: Callable[[float], float], start: float, goal: float = POWER) -> float:
    """Return the size of an effect that has a power: as z, power is nearly a line, so that a secant soon ends."""
    target = _NORMAL.inv_cdf(goal)

    def missing(size: float) -> float:
        return _NORMAL.inv_cdf(min(max(power(size), 1e-9), 1 - 1e-9)) - target

    size, other = start, start * 1.02
    left, right = missing(size), missing(other)
    for _ in range(_HALVINGS):
        if abs(right) < _CLOSE or left == right:
            break
        size, other, left = other, max(other - right * (other - size) / (right - left), other / 2), right
        right = missing(other)
    return other


def spent(time: float, level: float = LEVEL) -> float:
    """Return how much of the level is spent at a time, a share of the whole information."""
    return 4 * _above(_NORMAL.inv_cdf(1 - level / 4) / math.sqrt(time))


def looks(times: Sequence[float], shares: Sequence[float] = (), level: float = LEVEL) -> Looks:
    """Return the looks at some times, which rise, with the bounds that spend the level.

    Args:
        shares: the share of the whole information by which a look spends; without them the times, which end with 1.
        level: the chance of a false alarm when the share is 1.
    """
    times = [time / times[-1] for time in times]
    bounds, density, used = list[float](), _START, 0.0
    steps = _steps(times)
    for time, step, later, share in zip(times, steps, [*steps[1:], math.inf], shares or times, strict=True):
        bounds.append(_bound(density, math.sqrt(time), step, spent(share, level) - used))
        density, used = _carried(density, bounds[-1] * math.sqrt(time), (step, later), 0.0), spent(share, level)
    return Looks(tuple(times), tuple(bounds))


def single(mean: float) -> float:
    """Return the power of one look, by its expected z."""
    return Looks((1.0,), (_NORMAL.inv_cdf(1 - LEVEL / 2),)).power((mean,))


def _above(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2))


def _steps(times: Sequence[float]) -> list[float]:
    """Return what each look adds to the time."""
    return [time - before for before, time in pairwise((0.0, *times))]


def _bound(density: _Density, root: float, step: float, due: float) -> float:
    """Return the |z| that the statistic passes with a chance, at the square root of a time."""

    def passed(bound: float) -> float:
        return sum(_passed(density, bound * root, step, 0.0))

    if due <= passed(_FARTHEST):
        return _FARTHEST
    # As z, the chance is nearly a line in the bound, so that a secant soon ends.
    target = _NORMAL.inv_cdf(due / 2)
    bound, other = -target, -target * 0.99
    left, right = (_NORMAL.inv_cdf(passed(at) / 2) - target for at in (bound, other))
    for _ in range(_HALVINGS):
        if abs(right) < _CLOSE or left == right:
            return other
        bound, other, left = other, other - right * (other - bound) / (right - left), right
        right = _NORMAL.inv_cdf(passed(other) / 2) - target
    return _halved(lambda bound: passed(bound) > due, 0.0, _FARTHEST)


def _halved(below: Callable[[float], bool], low: float, high: float) -> float:
    """Return where an answer turns from yes to no."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def _passed(density: _Density, edge: float, step: float, pull: float) -> tuple[float, float]:
    """Return the chances to pass an edge above and below within a step, whose mean is the pull."""
    sd = math.sqrt(step)
    above = sum(weight * _above((edge - at - pull) / sd) for at, weight in density)
    below = sum(weight * _above((edge + at + pull) / sd) for at, weight in density)
    return above, below


def _carried(density: _Density, edge: float, steps: tuple[float, float], pull: float) -> _Density:
    """Return where the statistic is a step later, if it stayed between the edges.

    A panel is as wide as four standard deviations of the narrower of this step and the next, which its nodes resolve to
    fourteen digits.
    """
    if math.isinf(steps[1]):
        return ()
    step = steps[0]
    panels = math.ceil(edge / (2 * math.sqrt(min(steps))))
    half = edge / panels
    middles = [half * (2 * number + 1 - panels) for number in range(panels)]
    nodes = [(middle + half * at, half * weight) for middle in middles for at, weight in _legendre()]
    scale = math.sqrt(2 * math.pi * step)

    def arrived(to: float) -> float:
        return sum(weight * math.exp(-((to - at - pull) ** 2) / (2 * step)) for at, weight in density) / scale

    return tuple((at, weight * arrived(at)) for at, weight in nodes)


@cache
def _legendre() -> tuple[tuple[float, float], ...]:
    """Return the nodes of Gauss and Legendre in (−1, 1) and their weights, by Newton's method."""
    nodes = []
    for number in range(_NODES):
        at, slope = math.cos(math.pi * (number + 0.75) / (_NODES + 0.5)), 1.0
        for _ in range(10):
            last, value = 1.0, at
            for degree in range(2, _NODES + 1):
                last, value = value, ((2 * degree - 1) * at * value - (degree - 1) * last) / degree
            slope = _NODES * (at * value - last) / (at * at - 1)
            at -= value / slope
        nodes.append((at, 2 / ((1 - at * at) * slope * slope)))
    return tuple(nodes)
