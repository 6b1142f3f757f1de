# SPDX-License-Identifier: Apache-2.0
"""Top-k selection among many items: exact, fast, and never by the order of ids."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
"""[items] non-negative; an item's shown score is its share of the sum, which is a softmax over the logarithms."""
Places = npt.NDArray[np.intp]
"""Positions of items in a model's catalogue."""
SAMPLED = 16
"""One score of so many is looked at first to find the best ones, and before that one of its square."""
POSITIVE = float(np.finfo(np.float64).tiny)
"""The smallest positive score: as the least one of `best`, it leaves out scores of 0."""


class Scored(NamedTuple):
    """One recommended or ranked item; `score` is None where Personalize shows none."""

    item_id: str
    score: float | None = None
    reason: str | None = None
    """`Popular item` or `Exploration` (User-Personalization-v2 only), else None."""


def top_k(scores: Scores, allowed: npt.NDArray[np.bool_] | None, limit: int) -> Places:
    """Return the positions of the `limit` best allowed items, best first; of equals, the lower (more popular) one."""
    some = best(scores, allowed, limit)
    return some[np.argsort(-scores[some], kind="stable")]


def best(scores: Scores, allowed: npt.NDArray[np.bool_] | None, most: int, least: float = 0.0) -> Places:
    """Return the positions of the `most` best allowed scores not below `least`, in no order; of equals, the lower."""
    if most <= 0:
        return np.zeros(0, np.intp)
    for step in (SAMPLED**2, SAMPLED):
        # The best of some items are a lower bound for the best of all, which leaves little to put in order. The bound
        # by a few goes first: it leaves out most scores of a long tail, and equal ones are slow to put in order.
        sample = scores[::step] if allowed is None else scores[::step] * allowed[::step]
        sample = sample[sample >= least]
        if len(sample) > most:
            sample.partition(len(sample) - most)
            least = float(sample[len(sample) - most])
    some = (scores >= least).nonzero()[0]
    if allowed is not None:
        some = some[allowed[some]]
    if len(some) <= most:
        return some
    values = scores[some]
    threshold = np.partition(values, len(some) - most)[len(some) - most]
    return np.concatenate((some[values > threshold], some[values == threshold]))[:most]


def shown_scores(scores: Scores, total: float) -> list[float]:
    """Return scores as Personalize prints them: shares of `total` with at most seven decimals."""
    return [round(value / total, 7) for value in scores.tolist()] if total > 0 else [0.0] * len(scores)


def ranked(item_ids: Sequence[str], positions: Sequence[int], scores: Scores) -> list[Scored]:
    """Put a caller's list in order, best first; `positions` of its items in `scores`, -1 for items without a score."""
    index = np.asarray(positions, np.intp)
    inside = index >= 0
    weights = np.where(inside, scores[np.where(inside, index, 0)], -1.0)
    shown = shown_scores(weights, float(weights[inside].sum()))
    order = np.lexsort((index, -weights))
    return [Scored(item_ids[i], shown[i] if inside[i] else None) for i in order.tolist()]
