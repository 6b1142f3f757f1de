# SPDX-License-Identifier: Apache-2.0
"""Picking the best of many items: exact, fast, and never by the order of ids."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.base import Scored

Mass = npt.NDArray[np.float64]
"""[items] non-negative; an item's score is its share of the sum, which is a softmax over the logarithms."""


def best(mass: Mass, allowed: npt.NDArray[np.bool_] | None, limit: int) -> npt.NDArray[np.intp]:
    """Positions of the `limit` heaviest allowed items, heaviest first; ties go to the lower (more popular) position."""
    if allowed is not None:
        mass = np.where(allowed, mass, -1.0)
    limit = min(limit, len(mass))
    if limit <= 0:
        return np.zeros(0, np.intp)
    threshold = np.partition(mass, len(mass) - limit)[len(mass) - limit]
    above = np.flatnonzero(mass > threshold)
    level = np.flatnonzero(mass == threshold)[: limit - len(above)] if threshold >= 0 else above[:0]
    chosen = np.concatenate((above, level))
    chosen = chosen[mass[chosen] >= 0]
    return chosen[np.lexsort((chosen, -mass[chosen]))]


def shares(mass: Mass, total: float) -> list[float]:
    """Scores as Personalize prints them: at most seven decimals."""
    return [round(value / total, 7) for value in mass.tolist()] if total > 0 else [0.0] * len(mass)


def ranked(item_ids: Sequence[str], known: Sequence[int], mass: Mass) -> list[Scored]:
    """Put a caller's list in order: `known` are positions in `mass` (-1 = unknown to the model: last, no score)."""
    positions = np.asarray(known, np.intp)
    inside = positions >= 0
    weights = np.where(inside, mass[np.where(inside, positions, 0)], -1.0)
    scores = shares(weights, float(weights[inside].sum()))
    order = np.lexsort((positions, -weights))
    return [Scored(item_ids[i], scores[i] if inside[i] else None) for i in order.tolist()]
