# SPDX-License-Identifier: Apache-2.0
"""User-Personalization v1 shows new items to learn of them: a share of an answer's mass goes there (numpy only)."""

from zlib import crc32

import numpy as np

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.topk import Mass
from personalize_local.recipes.user_personalization.repeat_features import DAY, Past, Places

NEW = 2000
"""Newest items that exploration chooses from."""
EXPLORED = 50
"""New items that one answer may explore."""
EXPLORATION_SHARE = 0.1
"""Mass of the explored items at explorationWeight 1."""


class Exploration:
    """The new items of a model, and who may like them."""

    def __init__(self, files: Arrays, content: Content, latest: float) -> None:
        """`files` are the model's; `latest` is the time of the newest interaction in training."""
        self._created, self._seen, self._shown = files["created"], files["seen"], files["shown"]
        self._content, self._latest = content, latest
        self._new: dict[float, Places] = {}

    def mixed(self, mass: Mass, query: Query, past: Past) -> Mass:
        """Give some mass to new items, the more the less they were seen and the more they are like the user's items."""
        weight = query.exploration.get("explorationWeight", 0.3)
        days = query.exploration.get("explorationItemAgeCutOff", 30.0)
        new = self._new_items(days) if weight > 0 else np.zeros(0, np.intp)
        if not len(new):
            return mass
        liking = self._content.affinity_of(new, self._content.profile(past.items, past.weights))
        chance = np.random.default_rng(crc32((query.user_id or "").encode())).uniform(0.5, 1.0, len(new))
        bonus = chance * (liking + 0.01) / (1.0 + self._seen[new] + self._shown[new])
        chosen = np.argsort(-bonus, kind="stable")[:EXPLORED]
        share = EXPLORATION_SHARE * weight
        mixed = mass * (1.0 - share)
        mixed[new[chosen]] += share * bonus[chosen] / bonus[chosen].sum()
        return mixed

    def _new_items(self, days: float) -> Places:
        """The newest items that are at most so many days older than the newest interaction, NEW of them at most."""
        if days not in self._new:
            new = np.flatnonzero(self._created >= self._latest - days * DAY)
            self._new[days] = new[np.argsort(-self._created[new], kind="stable")][:NEW]
        return self._new[days]
