# SPDX-License-Identifier: Apache-2.0
"""Similar-Items, SIMS and popular items at serving time (numpy only): the same list for every user, no scores."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Scored, Scores, top_k

COLD = 10.0
"""Users at which an item's co-occurrence and its categories weigh the same."""
CONTENT_BOOST = 3.0
"""What identical categories add to the weight of a neighbour, in multiples of it."""


@dataclass(frozen=True, slots=True)
class Settings:
    recipe: str
    recipe_type: str
    by_content: bool
    """Whether categories stand in for missing interactions (Similar-Items)."""
    content_boost: float = CONTENT_BOOST


class ListModel(Model):
    """Items near the query's item, then popular ones; without such an item, popular ones alone."""

    def __init__(self, settings: Settings, items: ItemIndex, files: Arrays) -> None:
        self.settings = settings
        self._items, self.item_ids = items, items.ids
        self._files = files
        self._popular = np.asarray(files["popular"], np.float64)
        self._near = SparseRows.from_arrays(files, "near") if "near.start" in files else None
        self._content = Content.from_arrays(files) if settings.by_content else None

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        return [Scored(self.item_ids[i]) for i in top_k(self._scores(query), allowed, limit).tolist()]

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        scores = self._scores(query)
        known = self._items.positions(item_ids)
        order = sorted(range(len(item_ids)), key=lambda i: (-scores[known[i]] if known[i] >= 0 else 1.0, known[i]))
        return [Scored(item_ids[i]) for i in order]

    def save(self, directory: Path) -> None:
        facts = {"family": "list", "settings": asdict(self.settings)}
        arrays.save(directory, {**self._files, **self._items.arrays()}, facts)

    @classmethod
    def load(cls, files: Arrays, facts: Mapping[str, Any]) -> Self:
        return cls(Settings(**facts["settings"]), ItemIndex.from_arrays(files), files)

    def _scores(self, query: Query) -> Scores:
        """[items] similarity to the query's item and a trace of popularity, -1 for itself; else popularity alone."""
        [item] = self._items.positions([query.item_id or ""])
        if item < 0 or self._near is None:
            return self._popular
        near = self._near.row(item, len(self._items))
        near[item] = 0.0
        if self._content is not None:
            cold = COLD / (COLD + float(self._files["seen"][item]))
            similar = self._content.affinity(self._content.profile(np.array([item]), np.ones(1)))
            similar[item] = 0.0
            similar /= max(float(np.max(similar)), 1e-12)
            near *= 1.0 + self.settings.content_boost * similar
            near = (1.0 - cold) * near / max(float(np.max(near)), 1e-12) + cold * similar
        scores = 1e-6 * self._popular + near / max(float(near.sum()), 1e-12)
        scores[item] = -1.0
        return scores
