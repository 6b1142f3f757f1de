# SPDX-License-Identifier: Apache-2.0
"""Ranking metrics: the figures of every evaluation here, on plain lists of item ids.

Names and definitions are those of Amazon Personalize's solution version metrics (developer guide, "Evaluating a
solution version with metrics"); hit rate and recall follow the literature. Gains are binary. A figure of one list is a
number from 0 to 1; a figure of many lists is its mean over users, with a bootstrap interval (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 13: percentile intervals).
"""

import math
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

DEPTHS = (5, 10, 25)
"""The depths of a solution version's metrics."""
DEEPEST = 25
ROUNDS = 1_000
"""Resamples of a bootstrap."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The distinct items of one list, best first, and the relevant ones: those that the user then took."""

    items: Sequence[str]
    relevant: Collection[str]

    def hits(self, depth: int) -> list[int]:
        """Return positions (from 1) of relevant items within `depth`."""
        return [position for position, item in enumerate(self.items[:depth], 1) if item in self.relevant]


Metric = Callable[[Answer, int], float]
"""A metric of one list at a depth."""


def hit_rate(answer: Answer, depth: int) -> float:
    """Return 1 if a relevant item is within `depth`, else 0."""
    return float(bool(answer.hits(depth)))


def precision(answer: Answer, depth: int) -> float:
    """Return the share of the first `depth` positions with a relevant item; positions past a short list's end count."""
    return len(answer.hits(depth)) / depth


def recall(answer: Answer, depth: int) -> float:
    """Return the share of relevant items within `depth`; 0 if no item is relevant."""
    return len(answer.hits(depth)) / len(answer.relevant) if answer.relevant else 0.0


def reciprocal_rank(answer: Answer, depth: int = DEEPEST) -> float:
    """Return one over the position of the first relevant item; 0 if there is none within `depth`."""
    hits = answer.hits(depth)
    return 1.0 / hits[0] if hits else 0.0


def discounted_gain(answer: Answer, depth: int) -> float:
    """Return the discounted gain of the hits as a share of the ideal one (NDCG)."""
    ideal = sum(1.0 / math.log2(1 + position) for position in range(1, min(depth, len(answer.relevant)) + 1))
    return sum(1.0 / math.log2(1 + position) for position in answer.hits(depth)) / ideal if ideal else 0.0


def relevant_last(scored: Iterable[tuple[str, object]], relevant: Collection[str]) -> list[str]:
    """Return the items of (item, score) pairs, best first, with relevant ones last among equal scores.

    So a model that cannot distinguish items earns nothing by their order. Pass more items than count where the list is
    cut: a tie may reach across the cut.
    """
    return [
        item
        for _, tied in groupby(scored, key=lambda pair: pair[1])
        for item, _ in sorted(tied, key=lambda pair: pair[0] in relevant)
    ]


def coverage(lists: Iterable[Iterable[str]], catalogue: int) -> float:
    """Return the share of a catalogue, given by its size, that is in any of the lists."""
    return len({item for items in lists for item in items}) / catalogue if catalogue else 0.0


def tail_share(lists: Iterable[Iterable[str]], head: Collection[str]) -> float:
    """Return the share of all positions with an item outside the head: the catalogue's most popular part."""
    places = [item in head for items in lists for item in items]
    return places.count(False) / len(places) if places else 0.0


def mean(values: Iterable[float]) -> float:
    """Return the mean; 0 if there are no values."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0


def summary(answers: Sequence[Answer], catalogue: int) -> dict[str, float]:
    """Return a solution version's metrics by Personalize's names, rounded to four decimals, sorted by name.

    Answers are lists of DEEPEST items; the catalogue is given by its size.
    """
    metrics = {
        "coverage": coverage((answer.items for answer in answers), catalogue),
        "mean_reciprocal_rank_at_25": mean(reciprocal_rank(answer) for answer in answers),
    }
    for depth in DEPTHS:
        metrics[f"normalized_discounted_cumulative_gain_at_{depth}"] = mean(discounted_gain(a, depth) for a in answers)
        metrics[f"precision_at_{depth}"] = mean(precision(answer, depth) for answer in answers)
    return {name: round(metrics[name], 4) for name in sorted(metrics)}


class Interval(NamedTuple):
    """A figure with its confidence bounds (usually 95 %)."""

    value: float
    low: float
    high: float


class Bootstrap:
    """Intervals of means over users, by resampling users with replacement.

    All figures of one bootstrap share the same draws, so that two models with the same users compare in pairs: users
    who are easy or hard for both cancel out.

    Args:
        size: the number of users, at least 1; every list of values has one value for each, in the same order.
        rounds: the number of draws. level: of confidence.
    """

    def __init__(self, size: int, seed: int = 7, rounds: int = ROUNDS, level: float = 0.95) -> None:
        places, draw = list(range(size)), random.Random(seed)  # noqa: S311 - no secret # nosec B311
        self._draws = [draw.choices(places, k=size) for _ in range(rounds)]
        self._size = size
        self._cut = int((1.0 - level) / 2 * rounds)

    def interval(self, values: Sequence[float]) -> Interval:
        """Return the interval of the mean of one value per user."""
        return self._between(mean(values), self._means(values))

    def gain(self, values: Sequence[float], others: Sequence[float]) -> Interval:
        """Return the interval of the paired difference between the means of values and others."""
        return self.interval([value - other for value, other in zip(values, others, strict=True)])

    def ratio(self, values: Sequence[float], others: Sequence[float]) -> Interval | None:
        """Return the interval of the ratio between the means of values and others; None if a mean of others is 0."""
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
