# SPDX-License-Identifier: Apache-2.0
"""Semantic-Similarity at serving time (numpy only): cosine of text vectors, raised by popularity and freshness."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.common.topk import Scored, Scores, top_k

TRACE: Final = 1e-6
"""Part of popularity in every score: it orders items whose texts have nothing in common with the query's."""


class SemanticModel(Model):
    """Items whose texts are like that of the query's item; without such an item, popular ones."""

    def __init__(self, items: ItemIndex, files: Arrays) -> None:
        """`files`: `vectors` [items, dimensions] of length 1, or 0 without text; `popular`, `fresh` [items] 0 to 1."""
        self._items, self.item_ids, self.files = items, items.ids, files
        self._influences = {"POPULARITY": files["popular"], "FRESHNESS": files["fresh"]}

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        return [Scored(self.item_ids[i]) for i in top_k(self._scores(query), allowed, limit).tolist()]

    def similarity(self, item: int) -> Scores:
        """[items] cosine of the texts; nothing is below 0."""
        vectors = self.files["vectors"]
        cosine: Scores = np.maximum(vectors @ vectors[item], 0.0).astype(np.float64)
        return cosine

    def save(self, directory: Path) -> None:
        arrays.save(directory, {**self.files, **self._items.arrays()}, {"family": "semantic"})

    @classmethod
    def load(cls, files: Arrays, _facts: Mapping[str, Any]) -> Self:
        return cls(ItemIndex.from_arrays(files), files)

    def _scores(self, query: Query) -> Scores:
        [item] = self._items.positions([query.item_id or ""])
        popular = self.files["popular"].astype(np.float64)
        if item < 0:
            return popular
        raised = 1.0 + sum(query.influence.get(name, 0.0) * values for name, values in self._influences.items())
        scores: Scores = self.similarity(item) * raised + TRACE * popular
        scores[item] = -1.0
        return scores
