# SPDX-License-Identifier: Apache-2.0
"""Items without interactions: scores of similar items (numpy only)."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import POSITIVE, Places, Scores, best

MAX_ITEMS = 1500
"""Cold items, the newest, that borrow."""
NEIGHBOURS = 60
"""Items, the most similar by their categories, that each borrows from."""
POWER = 6.0
"""Power of a neighbour's similarity that its weight grows by."""
SMOOTHING = 0.02
"""Added to each of two relative scores before they are multiplied, so that neither decides alone."""


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
        warm = np.flatnonzero(seen > 0)
        sold = content.part(warm)
        for item in cold.tolist():
            similar = sold.affinity(content.profile(np.array([item]), np.ones(1)))
            some = best(similar, None, NEIGHBOURS, POSITIVE)
            weight = similar[some] ** POWER
            columns.append(warm[some].astype(np.int32))
            values.append((weight / max(float(weight.sum()), 1e-12)).astype(np.float32))
        starts = np.cumsum([len(column) for column in columns])
        return cls(cold, SparseRows(starts.astype(np.int64), np.concatenate(columns), np.concatenate(values)))

    def shares(self, follow: Scores, similarity: Scores) -> Scores:
        """[cold items] shares, by what follows [items] and by similarity to the user's own items [cold items]."""
        rows = np.repeat(np.arange(len(self.items)), np.diff(self.neighbours.start))
        weighted = follow[self.neighbours.column] * self.neighbours.value
        borrowed = np.bincount(rows, weighted, minlength=len(self.items))
        share: Scores = (_relative(borrowed) + SMOOTHING) * (_relative(similarity) + SMOOTHING)
        return share / float(share.sum())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"cold.items": self.items, **self.neighbours.arrays("cold")}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self:
        return cls(np.asarray(files["cold.items"]), SparseRows.from_arrays(files, "cold"))


def _relative(values: npt.NDArray[Any]) -> Scores:
    relative: Scores = values / max(float(values.max(initial=0.0)), 1e-12)
    return relative
