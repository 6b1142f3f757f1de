# SPDX-License-Identifier: Apache-2.0
"""Exploration: lists give some places to new items, so that events tell which of them are good (numpy only).

v1 gives up some of the lower places of each ten, as many as explorationWeight says, to the new items with the largest
random draws of their worth (Thompson sampling: Chapelle and Li, An Empirical Evaluation of Thompson Sampling, 2011). A
draw is centred on what interactions and impressions tell of an item, and varies less the more of them there are. It is
multiplied by how alike the item is to what the user gets anyway. v2 gives each item that came after the training a
small share.
"""

from zlib import crc32

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.repeat_features import DAY, Past
from personalize_local.recipes.common.topk import Places, Scores, top_k
from personalize_local.recipes.definitions import EXPLORATION

Mask = npt.NDArray[np.bool_]

NEW = 2000
"""Newest items that exploration chooses from."""
EXPLORED = 50
"""New items that one answer may explore."""
ALIKE, TAKEN = 20, 32
"""Best items of the list, and latest ones of the user, that a new one is compared with."""
UNLIKE = 0.01
"""Added to similarities from 0 to 1, so that unlike items have a chance where nothing is alike."""
TEN, FIRST, GIVEN_UP = 10, 3, 3.0
"""Of each ten places those from FIRST on, counted from 0, may be given up: GIVEN_UP of them at explorationWeight 1."""
PER_CLICK = 7.0
"""Logged impressions for one click: only lists with a click tell what they showed."""
PRIOR = 1.0
"""Interactions that the prior of an item's worth stands for."""
WEIGHT, DAYS = (float(EXPLORATION[name].default) for name in ("explorationWeight", "explorationItemAgeCutOff"))
"""Personalize's defaults."""
MOST_SHARE, ITEM_SHARE = 0.03, 0.003
"""Largest share of the scores for the items after the training, and for each of them, in v2."""


class Exploration:
    """The new items of a model."""

    def __init__(self, files: Arrays, content: Content, latest: float, first: int) -> None:
        """`files` are the model's; `latest` is the time of the newest interaction in training.

        Items from position `first` on came after the training.
        """
        self._first, self._content = first, content
        self._created, self._seen, self._shown = files["created"], files["seen"], files["shown"]
        self._latest = float(files["newest"][0]) if "newest" in files else latest
        self._new: dict[float, Places] = {}

    def listed(
        self, scores: Scores, allowed: Mask | None, past: Past, query: Query, limit: int
    ) -> tuple[Places, Scores]:
        """Return the best `limit` allowed items, new ones among them, best first; and the scores of all items.

        A user keeps their draws for a day: an answer repeats while the counts and their history, `past`, do.
        """
        weight = query.exploration.get("explorationWeight", WEIGHT)
        top = top_k(scores, allowed, max(limit, ALIKE))
        new = self._newer_than(query.exploration.get("explorationItemAgeCutOff", DAYS)) if weight > 0 else top[:0]
        if not len(new):
            return top[:limit], scores
        draw = np.random.default_rng(crc32(f"{query.user_id or ''} {query.now // DAY:.0f}".encode()))
        worth = self._worth(new, query, draw) * self._alike(new, top, scores, past)
        places = _places(draw, weight, min(limit, len(top)))
        offered = np.ones(len(scores), bool) if allowed is None else allowed.copy()
        offered[past.items] = False
        drawn = iter(new[top_k(worth, offered[new], EXPLORED)].tolist())
        items, scores = top.tolist(), scores.copy()
        for position in places:
            item = next((item for item in drawn if item not in items[:position]), None)
            if item is None:
                break
            scores[item] = max(scores[item], scores[items[position]])
            if item in items:
                items.remove(item)
            items.insert(position, item)
        return np.array(items[:limit], np.intp), scores

    def shared(self, scores: Scores, query: Query, past: Past) -> Scores:
        """Give the items after the training a small share of the scores, as v2 does: the less known, the more."""
        new = self._newer_than(DAYS)
        new = new[new >= self._first]
        if not len(new):
            return scores
        similarity = self._content.affinity_of(new, self._content.profile(*past.latest(TAKEN)))
        chance = np.random.default_rng(crc32((query.user_id or "").encode())).uniform(0.5, 1.0, len(new))
        bonus = chance * (similarity + UNLIKE) / (1.0 + self._seen[new] + self._shown[new])
        chosen = top_k(bonus, None, EXPLORED)
        share = min(MOST_SHARE, ITEM_SHARE * len(chosen))
        mixed = scores * (1.0 - share)
        mixed[new[chosen]] += share * bonus[chosen] / bonus[chosen].sum()
        return mixed

    def _worth(self, new: Places, query: Query, draw: np.random.Generator) -> Scores:
        """Draw how much oftener than others of its age each new item is taken, from a gamma distribution with mean 1.

        Each item takes one normal number, which the approximation of Wilson and Hilferty (1931) turns into a gamma one:
        so an event changes the draw of its own item alone.
        """
        taken = self._seen[new] + (0.0 if query.online is None else query.online.seen[new])
        age = np.maximum(self._latest - self._created[new], 0.0) / DAY + 0.5
        expected = age * taken.sum() / age.sum() + self._shown[new] / PER_CLICK
        shape = PRIOR + taken
        root = 1.0 - 1.0 / (9.0 * shape) + draw.standard_normal(len(new)) / (3.0 * np.sqrt(shape))
        worth: Scores = shape * np.maximum(root, 0.0) ** 3 / (PRIOR + expected)
        return worth

    def _alike(self, new: Places, top: Places, scores: Scores, past: Past) -> Scores:
        """Return how alike each new item is, by its categories, to what the user gets anyway and to what they took."""
        alike = np.ones(len(new))
        for items, weights in ((top[:ALIKE], scores[top[:ALIKE]]), past.latest(TAKEN)):
            if len(items):
                similarity = self._content.affinity_of(new, self._content.profile(items, weights))
                alike *= similarity / max(float(similarity.max()), 1e-12) + UNLIKE
        return alike

    def _newer_than(self, days: float) -> Places:
        """Return the newest items, at most so many days older than the newest interaction, at most NEW."""
        if days not in self._new:
            new = np.flatnonzero(self._created >= self._latest - days * DAY)
            self._new[days] = new[np.argsort(-self._created[new], kind="stable")][:NEW]
        return self._new[days]


def _places(draw: np.random.Generator, weight: float, most: int) -> list[int]:
    """Return the places of a list, from 0, that new items get; those of a smaller weight are among them."""
    places: list[int] = []
    for ten in range(0, most, TEN):
        count = int(GIVEN_UP * weight + draw.random())
        places += sorted((ten + FIRST + draw.permutation(TEN - FIRST)[:count]).tolist())
    return [position for position in places if position < most]
