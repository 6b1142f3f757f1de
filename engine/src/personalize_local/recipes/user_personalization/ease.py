# SPDX-License-Identifier: Apache-2.0
"""EASE at serving time: what all of a user's items suggest together, whatever their order (numpy only)."""

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.topk import Places, Scores

MAX_HISTORY = 500
"""How many of the latest interactions count."""
Weights = npt.NDArray[np.float32]
"""[popular items, popular items] weight of having one item for another, given everything else that a user has."""


def ease_scores(items: Places, weights: Weights, count: int) -> Scores:
    """[count] how much a user's items suggest each item; 0 for what they suggest against, and for rare items."""
    scores = np.zeros(count)
    if not len(weights):
        return scores
    total = np.zeros(len(weights), np.float32)
    for item in sorted(set(items[-MAX_HISTORY:].tolist())):  # quicker than a sum of copied rows
        if item < len(weights):
            total += weights[item]
    scores[: len(weights)] = np.maximum(total, 0.0)
    return scores


def blended(owned: Places, follow: Scores, ease: Scores, share: float) -> Scores:
    """[items] shares of what follows; among items that are not `owned`, a `share` of it goes by EASE instead.

    All zero where neither suggests anything.
    """
    total = float(follow.sum())
    scores = follow / total if total > 0 else follow.copy()
    if share > 0:
        new, suggested = scores.copy(), ease.copy()
        new[owned], suggested[owned] = 0.0, 0.0
        of_ease = float(suggested.sum())
        if of_ease > 0:
            rest = float(new.sum()) if total > 0 else 1.0
            scores += share * (rest / of_ease * suggested - new)
    return scores
