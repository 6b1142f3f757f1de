# SPDX-License-Identifier: Apache-2.0
"""Items with few interactions or none: scores of similar items, and the exploration of new items (numpy only)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.repeat_features import DAY, Past
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Places, Scores, top_k

MAX_ITEMS = 1500
"""Cold items, the newest, that borrow."""
NEIGHBOURS = 30
"""Items, the most similar by their categories, that each borrows from."""
POWER = 6.0
"""Power of a neighbour's similarity that its weight grows by."""
SMOOTHING = 0.02
"""Added to each of two relative scores before they are multiplied, so that neither decides alone."""
NEW = 2000
"""Newest items that exploration chooses from."""
EXPLORED = 50
"""New items that one answer may explore."""
EXPLORATION_SHARE = 0.1
"""Share of the explored items at explorationWeight 1."""
EACH = 0.003
"""Most that each of the items after a training gets where only those are explored."""


@dataclass(frozen=True, slots=True)
class ColdItems:
    """The items without interactions at training, and the neighbours that each borrows from."""

    items: Places
    neighbours: SparseRows
    """Row `n` has the weights of the neighbours of `items[n]`."""

    @classmethod
    def of(cls, content: Content, seen: npt.NDArray[Any], created: npt.NDArray[np.float64]) -> Self:
        """Choose neighbours among the items with interactions."""
        cold = np.flatnonzero(seen == 0)
        cold = np.sort(cold[np.argsort(-created[cold], kind="stable")][:MAX_ITEMS]) if content.size else cold[:0]
        columns, values = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
        warm = seen > 0
        for item in cold.tolist():
            similar = content.affinity(content.profile(np.array([item]), np.ones(1))) * warm
            some = np.argpartition(-similar, min(NEIGHBOURS, len(similar) - 1))[:NEIGHBOURS]
            some = some[similar[some] > 0]
            weight = similar[some] ** POWER
            columns.append(some.astype(np.int32))
            values.append((weight / max(float(weight.sum()), 1e-12)).astype(np.float32))
        starts = np.cumsum([len(each) for each in columns])
        return cls(cold, SparseRows(starts.astype(np.int64), np.concatenate(columns), np.concatenate(values)))

    def shares(self, follow: Scores, similarity: Scores) -> Scores:
        """[cold items] shares, by what follows [items] and by similarity to the user's own items [cold items]."""
        rows = np.repeat(np.arange(len(self.items)), np.diff(self.neighbours.start))
        weighted = follow[self.neighbours.column] * self.neighbours.value
        borrowed = np.bincount(rows, weighted, minlength=len(self.items))
        share: Scores = (_relative(borrowed) + SMOOTHING) * (_relative(similarity) + SMOOTHING)
        return share / float(share.sum())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"unseen.items": self.items, **self.neighbours.arrays("lenders")}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self:
        return cls(np.asarray(files["unseen.items"]), SparseRows.from_arrays(files, "lenders"))


def _relative(values: npt.NDArray[Any]) -> Scores:
    relative: Scores = values / max(float(values.max(initial=0.0)), 1e-12)
    return relative


class Exploration:
    """The new items of a model, which a share of every answer explores."""

    def __init__(self, files: Arrays, content: Content, latest: float, first: int = 0) -> None:
        """`files` are the model's; `latest` is the time of the newest interaction in training.

        Items before position `first` are not explored.
        """
        self._first = first
        self._created, self._seen, self._shown = files["created"], files["seen"], files["shown"]
        self._content, self._latest = content, latest
        self._new: dict[float, Places] = {}
        self._known: dict[float, npt.NDArray[Any]] = {}
        """[new items] how often each was seen and shown."""

    def mixed(self, scores: Scores, query: Query, latest: Callable[[], Past]) -> Scores:
        """Give a share to new items: the less seen, and the more similar to the user's latest items, the more."""
        weight = query.exploration.get("explorationWeight", 0.3)
        days = query.exploration.get("explorationItemAgeCutOff", 30.0)
        new = self._new_items(days) if weight > 0 else np.zeros(0, np.intp)
        if not len(new):
            return scores
        similarity = np.zeros(len(new))
        if self._content.size:
            past = latest()
            similarity = self._content.affinity_of(new, self._content.profile(*past.latest(len(past.items))))
        chance = np.random.default_rng(crc32((query.user_id or "").encode())).uniform(0.5, 1.0, len(new))
        bonus = chance * (similarity + 0.01) / self._known[days]
        chosen = top_k(bonus, None, EXPLORED)
        share = EXPLORATION_SHARE * weight
        if self._first:
            share = min(share, EACH * len(chosen))
        mixed = scores * (1.0 - share)
        mixed[new[chosen]] += share * bonus[chosen] / bonus[chosen].sum()
        return mixed

    def _new_items(self, days: float) -> Places:
        """Return the newest items, at most so many days older than the newest interaction, at most NEW."""
        if days not in self._new:
            new = self._first + np.flatnonzero(self._created[self._first :] >= self._latest - days * DAY)
            new = self._new[days] = new[np.argsort(-self._created[new], kind="stable")][:NEW]
            self._known[days] = 1.0 + self._seen[new] + self._shown[new]
        return self._new[days]
