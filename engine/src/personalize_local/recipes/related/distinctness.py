# SPDX-License-Identifier: Apache-2.0
"""Whether the lists of different items are different lists: three figures of lists, and what plain cosine reaches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from personalize_local.recipes.common.cooccurrence import Matrix, dense_rows
from personalize_local.recipes.common.rows import Floats, Ints

PAIRS = 4_000
"""Pairs of lists that are compared."""
SHRINKAGE, COSINE = 5.0, 0.5
"""The plain rule is a cosine: shared users, over the other item's users plus SHRINKAGE to this power."""
TIMES, MORE, MOST, COVERED = 1.2, 0.02, 0.3, 0.8
"""Bounds by the figures of plain cosine. Overlap and best sellers may be TIMES cosine's or MORE above it, whichever is
more, but not above MOST unless cosine's is; coverage must be COVERED times cosine's."""


@dataclass(frozen=True, slots=True)
class Distinctness:
    """Figures of the lists of some items, all from 0 to 1."""

    overlap: float
    """What two lists have in common, beyond what lists of chance would have."""
    best_sellers: float
    """Share of the lists' places that best sellers have."""
    coverage: float
    """Share of the catalogue that is in any list."""

    @classmethod
    def of(cls, lists: Sequence[Ints], depth: int, popular: Floats) -> Self:
        """Measure lists of at most `depth` items; `popular` [items] counts of the catalogue."""
        items = max(int(np.count_nonzero(popular)), 1)
        places = np.concatenate(lists) if lists else np.zeros(0, np.int64)
        # Places that a list leaves empty have nothing in common.
        left_lists, other_lists = (np.full((len(lists), depth), empty, np.int64) for empty in (-1, -2))
        for row, listed in enumerate(lists):
            left_lists[row, : len(listed)] = other_lists[row, : len(listed)] = listed
        random = np.random.default_rng(3)
        left, other = random.integers(max(len(lists), 1), size=(2, PAIRS)) if len(lists) > 1 else np.zeros((2, 0), int)
        left, other = left[left != other], other[left != other]
        same = left_lists[left][:, :, None] == other_lists[other][:, None, :]
        common = float(same.sum(axis=(1, 2)).mean()) / depth if len(left) else 0.0
        return cls(
            max(beyond_chance(common, depth / items), 0.0),
            float(np.isin(places, best_sellers(popular)).mean()) if len(places) else 0.0,
            len(np.unique(places)) / items,
        )

    def is_enough(self, plain: "Distinctness", more: float = MORE) -> bool:
        """Whether lists are as different as those of a plain rule, or worse by no more than this."""
        return (
            self.overlap <= bound(plain.overlap, more)
            and self.best_sellers <= bound(plain.best_sellers, more)
            and self.coverage >= COVERED * plain.coverage
        )


def best_sellers(popular: Floats) -> Ints:
    """Return the hundredth of the items with the most sales, 5 at least and 20 at most."""
    sold = int(np.count_nonzero(popular))
    return np.argsort(-popular, kind="stable")[: int(np.clip(sold // 100, 5, 20))]


def beyond_chance(common: float, by_chance: float) -> float:
    """Return what lists have in common beyond what lists of chance have, as a share of what is left."""
    by_chance = min(by_chance, 1.0 - 1e-9)
    return (common - by_chance) / (1.0 - by_chance)


def bound(plain: float, more: float = MORE) -> float:
    """Return how large an overlap, or a share of best sellers, may be where the plain rule has this one."""
    return max(min(max(TIMES * plain, plain + more), MOST), plain)


def of_cosine(shared: Matrix, takers: Floats, items: Ints) -> Iterator[Floats]:
    """Yield the plain rule's scores of all items for each of `items`; `shared` [len(items), all items] of both."""
    discount = (takers + SHRINKAGE) ** -COSINE
    for item, users in zip(items.tolist(), dense_rows(shared), strict=True):
        scores = users.astype(np.float64) * discount
        scores[item] = 0.0
        yield scores
