# SPDX-License-Identifier: Apache-2.0
"""Content-based similarity: items by their categories, for items with few interactions or none.

An item is a vector of its categories, each weighted by log(1 + items / items of the category), as TF-IDF weighs the
words of a text (Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988). Similarity is the
cosine of such vectors.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.data.snapshots import Column
from personalize_local.recipes.common.attributes import Vocabulary
from personalize_local.recipes.common.rows import Ints
from personalize_local.recipes.common.sparse_rows import spans

Codes = npt.NDArray[np.int32]
MAX_VALUES, MIN_ITEMS = 5_000, 2
"""Most values of a column that count (brands are many), and the least items that must share one."""
MIN_CATEGORY = 5
"""Items that a category must have to count as the rarest one of an item."""


class Content:
    """Each item's category codes, and the items of each category; rare categories weigh more than common ones."""

    def __init__(
        self, starts: npt.NDArray[np.int64], codes: Codes, size: int, counts: npt.NDArray[np.int64] | None = None
    ) -> None:
        """`counts`: how many items of the whole catalogue each category has, then how many items there are; None where
        these items are the whole catalogue.
        """
        self.starts, self.codes, self.size = starts, codes, size
        items = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
        self._counts = np.append(np.bincount(codes, minlength=size), len(starts) - 1) if counts is None else counts
        # An item may name a category twice. np.unique would import numpy.ma, which takes a tenth of numpy's import.
        pairs = np.sort(codes.astype(np.int64) * len(starts) + items)
        members = pairs[np.diff(pairs, prepend=-1) > 0]
        self._members = (members % len(starts)).astype(np.int32)
        self._member_starts = np.searchsorted(members, np.arange(size + 1) * len(starts))
        self._weight = np.log1p(self._counts[-1] / np.maximum(self._counts[:-1], 1))
        norms = np.bincount(items, self._weight[codes] ** 2, minlength=len(starts) - 1)
        self._norm = np.sqrt(np.maximum(norms, 1e-9))
        self.rarest = _rarest(items, codes, self._counts, len(starts) - 1)
        """[items] the rarest category of each that has MIN_CATEGORY items; -1 for none."""

    @classmethod
    def of(cls, columns: Mapping[str, Column], items: int, most: float = 1.0) -> Self:
        """Read the text columns of `items` items; leave out categories of more than this share of them."""
        texts = {name: column for name, column in columns.items() if column.dtype == object}
        vocabulary = Vocabulary.of(texts, MAX_VALUES, MIN_ITEMS)
        rows, codes = vocabulary.pairs(texts)
        telling = np.bincount(codes, minlength=vocabulary.size)[codes] <= most * items
        rows, codes = rows[telling], codes[telling]
        starts = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=items))))
        return cls(starts, codes.astype(np.int32), vocabulary.size)

    def part(self, items: Ints) -> Self:
        """Return the content of some items, in this order; categories stay as rare as they are in the catalogue."""
        low, high = self.starts[items], self.starts[items + 1]
        starts, places = spans(low, high)
        return type(self)(starts, self.codes[places], self.size, self._counts)

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """[codes] the weight of each code in its item; an item's weights have length 1."""
        owner = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        weights: npt.NDArray[np.float64] = self._weight[self.codes] / self._norm[owner]
        return weights

    def profile(self, items: npt.NDArray[np.intp], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """[categories] the weight of each category in some items."""
        if not self.size:
            return np.zeros(0)
        owner, codes = self._codes_of(items)
        code_weights = weights[owner] * self._weight[codes] / self._norm[items[owner]]
        return np.bincount(codes, code_weights, minlength=self.size).astype(np.float64, copy=False)

    def affinity(self, profile: npt.NDArray[np.float64], at_most: int = 50) -> npt.NDArray[np.float64]:
        """[items] cosine similarity to a profile, by its `at_most` heaviest categories."""
        codes = np.argsort(-profile)[:at_most]
        codes = codes[profile[codes] > 0]
        if not len(codes):
            return np.zeros(len(self.starts) - 1)
        low, high = self._member_starts[codes], self._member_starts[codes + 1]
        members = np.concatenate([self._members[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)])
        member_weights = np.repeat(profile[codes] * self._weight[codes], high - low)
        scores: npt.NDArray[np.float64] = (
            np.bincount(members, member_weights, minlength=len(self.starts) - 1) / self._norm
        )
        return scores

    def affinity_of(self, items: npt.NDArray[np.intp], profile: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """[len(items)] the same similarity for a few items only."""
        if not self.size:
            return np.zeros(len(items))
        owner, codes = self._codes_of(items)
        return np.bincount(owner, profile[codes] * self._weight[codes], minlength=len(items)) / self._norm[items]

    def _codes_of(self, items: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], Codes]:
        """Return (place in `items`, code) of every category of some items."""
        low, high = self.starts[items], self.starts[items + 1]
        return np.repeat(np.arange(len(items)), high - low), self.codes[spans(low, high)[1]]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        whole = {} if self._counts[-1] == len(self.starts) - 1 else {"content.counts": self._counts}
        return {
            "content.start": self.starts,
            "content.code": self.codes,
            "content.size": np.array([self.size]),
            **whole,
        }

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self:
        starts, codes = np.asarray(files["content.start"]), np.asarray(files["content.code"])
        return cls(starts, codes, int(files["content.size"][0]), files.get("content.counts"))


def _rarest(items: Codes, codes: Codes, counts: npt.NDArray[np.intp], size: int) -> Codes:
    some = np.flatnonzero(counts[codes] >= MIN_CATEGORY)
    rarest_last = some[np.argsort(-counts[codes[some]], kind="stable")]
    rarest = np.full(size, -1, np.int32)
    rarest[items[rarest_last]] = codes[rarest_last]
    return rarest
