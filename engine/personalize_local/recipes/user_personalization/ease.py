# SPDX-License-Identifier: Apache-2.0
"""Taste: what all of a user's items speak for together, whatever their order (numpy only)."""

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.topk import Mass
from personalize_local.recipes.user_personalization.repeat_features import Places

ALL = 500
"""How many of the latest interactions speak for a user's taste."""
Speaking = npt.NDArray[np.float32]
"""[popular items, popular items] how much having one item speaks for another, given all else that a user has."""


def spoken_for(items: Places, speaking: Speaking, count: int) -> Mass:
    """[count] how much a user's items speak for each item; 0 for what they speak against, and for rare items."""
    taste = np.zeros(count)
    if not len(speaking):
        return taste
    known = np.unique(items[-ALL:])
    taste[: len(speaking)] = np.maximum(speaking[known[known < len(speaking)]].sum(axis=0), 0.0)
    return taste


def found(known: Places, follow: Mass, taste: Mass, share: float) -> Mass:
    """[items] shares of what is found for a user: what follows; of what is not `known` taste finds a `share`.

    All zero where neither finds anything.
    """
    total = float(follow.sum())
    mass = follow / total if total > 0 else follow.copy()
    if share > 0:
        new, speaks = mass.copy(), taste.copy()
        new[known], speaks[known] = 0.0, 0.0
        spoken = float(speaks.sum())
        if spoken > 0:
            rest = float(new.sum()) if total > 0 else 1.0
            mass += share * (rest / spoken * speaks - new)
    return mass
