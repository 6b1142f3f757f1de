# SPDX-License-Identifier: Apache-2.0
"""Items that nobody has interacted with yet, put in order by what is known of items of the same kind (numpy only)."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Mass
from personalize_local.recipes.user_personalization.repeat_features import Places

MOST = 1500
"""Unseen items, the newest, that borrow."""
LENDERS = 30
"""Items, the most alike by their categories, that each borrows from."""
POWER = 6.0
"""Power of a lender's likeness that its say grows by."""
DOUBT = 0.02
"""What is added to either of two shares, of the best, before they are multiplied: none of them has the last word."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Which items were never seen, and whom each borrows from."""

    items: Places
    lenders: SparseRows
    """Row `n` has the shares of the lenders of `items[n]`."""

    @classmethod
    def of(cls, content: Content, seen: npt.NDArray[Any], created: npt.NDArray[np.float64]) -> Self:
        """Choose lenders among the items that were seen."""
        cold = np.flatnonzero(seen == 0)
        cold = np.sort(cold[np.argsort(-created[cold], kind="stable")][:MOST]) if content.size else cold[:0]
        columns, values = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
        warm = seen > 0
        for item in cold.tolist():
            alike = content.affinity(content.profile(np.array([item]), np.ones(1))) * warm
            some = np.argpartition(-alike, min(LENDERS, len(alike) - 1))[:LENDERS]
            some = some[alike[some] > 0]
            share = alike[some] ** POWER
            columns.append(some.astype(np.int32))
            values.append((share / max(float(share.sum()), 1e-12)).astype(np.float32))
        starts = np.cumsum([len(each) for each in columns])
        return cls(cold, SparseRows(starts.astype(np.int64), np.concatenate(columns), np.concatenate(values)))

    def shares(self, follow: Mass, alike: Mass) -> Mass:
        """[unseen items] shares, from what follows [items] and from likeness to the user's own items [unseen items]."""
        rows = np.repeat(np.arange(len(self.items)), np.diff(self.lenders.start))
        borrowed = np.bincount(rows, follow[self.lenders.column] * self.lenders.value, minlength=len(self.items))
        share: Mass = (_relative(borrowed) + DOUBT) * (_relative(alike) + DOUBT)
        return share / float(share.sum())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to save."""
        return {"unseen.items": self.items, **self.lenders.arrays("lenders")}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self:
        """What was saved."""
        return cls(np.asarray(files["unseen.items"]), SparseRows.from_arrays(files, "lenders"))


def _relative(values: npt.NDArray[Any]) -> Mass:
    relative: Mass = values / max(float(values.max(initial=0.0)), 1e-12)
    return relative
