# SPDX-License-Identifier: Apache-2.0
"""How good lists are: the figures of every evaluation here, on plain lists of item ids.

The names and definitions are those of Amazon Personalize's solution version metrics (developer guide, "Evaluating a
solution version with metrics"); hit rate and recall are as usual in the literature. Gains are binary. A figure of one
list is a number from 0 to 1; a figure of many is its mean over users, whose uncertainty the bootstrap tells
(Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13: percentile intervals).
"""

import math
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

DEPTHS = (5, 10, 25)
"""The depths that a solution version is measured at."""
DEEPEST = 25
ROUNDS = 1_000
"""Resamples of a bootstrap."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The items of one list, best first and each once, and the relevant ones: what the user went on to take."""

    items: Sequence[str]
    relevant: Collection[str]

    def hits(self, depth: int) -> list[int]:
        """Places (from 1) of relevant items within `depth`."""
        return [place for place, item in enumerate(self.items[:depth], 1) if item in self.relevant]


Metric = Callable[[Answer, int], float]
"""A figure of one list down to a depth."""


def hit_rate(answer: Answer, depth: int) -> float:
    """1 if a relevant item is within `depth`, else 0."""
    return float(bool(answer.hits(depth)))


def precision(answer: Answer, depth: int) -> float:
    """Share of the first `depth` places that hold a relevant item; places that a short list leaves empty count."""
    return len(answer.hits(depth)) / depth


def recall(answer: Answer, depth: int) -> float:
    """Share of the relevant items that are within `depth`; 0 where nothing is relevant."""
    return len(answer.hits(depth)) / len(answer.relevant) if answer.relevant else 0.0


def reciprocal_rank(answer: Answer, depth: int = DEEPEST) -> float:
    """One over the place of the first relevant item; 0 if there is none within `depth`."""
    hits = answer.hits(depth)
    return 1.0 / hits[0] if hits else 0.0


def discounted_gain(answer: Answer, depth: int) -> float:
    """Gain of the hits, less the later they come, as a share of the best that was possible (NDCG)."""
    ideal = sum(1.0 / math.log2(1 + place) for place in range(1, min(depth, len(answer.relevant)) + 1))
    return sum(1.0 / math.log2(1 + place) for place in answer.hits(depth)) / ideal if ideal else 0.0


def against_us(scored: Iterable[tuple[str, object]], relevant: Collection[str]) -> list[str]:
    """The items of a list of (item, score), best first, where of equal scores the relevant ones come last.

    So a model that cannot tell items apart earns nothing by the order in which it happens to name them. Where the list
    is cut, ask for some more than are looked at: a tie may reach across the cut.
    """
    return [
        item
        for _, tied in groupby(scored, key=lambda pair: pair[1])
        for item, _ in sorted(tied, key=lambda pair: pair[0] in relevant)
    ]


def coverage(lists: Iterable[Iterable[str]], catalogue: int) -> float:
    """Share of a catalogue of so many items that is in any of the lists."""
    return len({item for items in lists for item in items}) / catalogue if catalogue else 0.0


def tail_share(lists: Iterable[Iterable[str]], head: Collection[str]) -> float:
    """Share of all places in the lists that hold an item outside the head: the catalogue's most popular part."""
    places = [item in head for items in lists for item in items]
    return places.count(False) / len(places) if places else 0.0


def mean(values: Iterable[float]) -> float:
    """The mean; 0 of nothing."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0


def summary(answers: Sequence[Answer], catalogue: int) -> dict[str, float]:
    """A solution version's metrics by Personalize's names, in four decimals, in the order of the alphabet.

    Args:
        answers: lists of DEEPEST items.
        catalogue: how many items there are.
    """
    found = {
        "coverage": coverage((answer.items for answer in answers), catalogue),
        "mean_reciprocal_rank_at_25": mean(reciprocal_rank(answer) for answer in answers),
    }
    for depth in DEPTHS:
        found[f"normalized_discounted_cumulative_gain_at_{depth}"] = mean(discounted_gain(a, depth) for a in answers)
        found[f"precision_at_{depth}"] = mean(precision(answer, depth) for answer in answers)
    return {name: round(found[name], 4) for name in sorted(found)}


class Interval(NamedTuple):
    """A figure, and the bounds that it is likely (usually 95 %) to be within with other users like these."""

    value: float
    low: float
    high: float


class Bootstrap:
    """Intervals of means over users, by drawing as many users with replacement, again and again.

    All figures of one bootstrap are of the same draws, so that two models that the same users were shown can be
    compared in pairs: what makes a user easy or hard for both falls out of the difference.

    Args:
        size: how many users there are, at least 1; every list of values is one value for each, in one order.
        seed: makes the draws the same every time.
        rounds: how many draws.
        level: how likely the interval is to hold the figure.
    """

    def __init__(self, size: int, seed: int = 7, rounds: int = ROUNDS, level: float = 0.95) -> None:
        places, draw = list(range(size)), random.Random(seed)  # noqa: S311 - no secret # nosec B311
        self._draws = [draw.choices(places, k=size) for _ in range(rounds)]
        self._size = size
        self._cut = int((1.0 - level) / 2 * rounds)

    def interval(self, values: Sequence[float]) -> Interval:
        """The mean of one value for each user."""
        return self._between(mean(values), self._means(values))

    def gain(self, values: Sequence[float], others: Sequence[float]) -> Interval:
        """By how much the mean of the values is above that of the others, of the same users."""
        return self.interval([value - other for value, other in zip(values, others, strict=True)])

    def ratio(self, values: Sequence[float], others: Sequence[float]) -> Interval | None:
        """How many times the mean of the others that of the values is; None where the others are nothing."""
        below = self._means(others)
        if not any(others) or not min(below):
            return None
        times = [above / under for above, under in zip(self._means(values), below, strict=True)]
        return self._between(mean(values) / mean(others), times)

    def _means(self, values: Sequence[float]) -> list[float]:
        return [sum(map(values.__getitem__, draw)) / self._size for draw in self._draws]

    def _between(self, value: float, drawn: Iterable[float]) -> Interval:
        ordered = sorted(drawn)
        return Interval(value, ordered[self._cut], ordered[-1 - self._cut])
