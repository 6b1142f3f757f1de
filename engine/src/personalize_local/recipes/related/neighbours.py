# SPDX-License-Identifier: Apache-2.0
"""Neighbours of an item, by several counts: what users take after it, near it, ever, or in one basket with it.

An item's neighbours follow it (a Markov chain), or were taken near it, by the same users (Linden, Smith and York,
Amazon.com Recommendations, 2003) or in one basket. A pair is a relation where it was counted more often than chance
would have it: the lower bound of its lift is above 1 (Brin, Motwani, Ullman and Tsur, Dynamic itemset counting, 1997).
So what everybody takes anyway is nobody's neighbour. Each count then becomes the distribution of the other item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.cooccurrence import Matrix, Shared
from personalize_local.recipes.common.rows import Floats, Ints, Rows
from personalize_local.recipes.common.sparse_rows import SparseRows

KINDS = ("next", "near", "shared", "basket")
"""Counts: what follows within some steps, what is taken within some steps, by the same user, and in one basket."""
TOGETHER = ("near", "shared", "basket")
"""The kinds without a direction."""
SURE = 1.645
"""Standard errors below a count at which its lower bound is: 19 of 20 pairs by chance are under it."""
WEAK = 1e-4
"""Weight of a pair that fewer users than `Counting.least` share: it comes after all others."""
MOST_NEIGHBOURS = 500
"""Neighbours of each item that are kept: as many as one answer may hold."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How pairs become neighbours."""

    shrinkage: float
    """A count of this size is trusted by half, since a single pair may be chance."""
    least: int = 0
    """Users that a pair should share; with fewer it comes after all others."""


class Neighbours:
    """What is near an item by each kind, made for the items that are asked for: all at once would fill the memory."""

    def __init__(self, rows: Rows, kinds: Sequence[str], counting: Counting) -> None:
        """`kinds`: some of KINDS, `shared` among them."""
        self._counting = counting
        self.popular: Floats = np.bincount(rows.item, minlength=rows.items).astype(np.float64)
        self.counts: dict[str, Matrix | Shared] = {}
        if "next" in kinds or "near" in kinds:
            follow = cooccurrence.pairs(rows, decay=1.0)
            if "next" in kinds:
                self.counts["next"] = follow
            if "near" in kinds:
                self.counts["near"] = cooccurrence.both_ways(follow, backward=1.0)
        self.counts["shared"] = Shared(rows.user, rows)
        if "basket" in kinds:
            self.counts["basket"] = Shared(np.cumsum(rows.begins()) - 1, rows)
        self._chance = {kind: chance(counts) for kind, counts in self.counts.items()}

    def related(self, items: Ints) -> dict[str, Matrix]:
        """[len(items), all items] the counts of each kind, of pairs that one of the kinds counts more often than
        chance would."""
        counts = {kind: counts[items] for kind, counts in self.counts.items()}
        needed = sum((_relation(count, items, self._chance[kind]) for kind, count in counts.items()), start=0)
        needed = needed.tocsr()
        needed.data[:] = 1.0
        if self._counting.least > 1:
            needed = counts["shared"].multiply(needed).tocsr()
            needed.data = np.where(needed.data >= self._counting.least, 1.0, WEAK).astype(np.float32)
        return {kind: count.multiply(needed).tocsr() for kind, count in counts.items()}

    def distributions(self, counts: Mapping[str, Matrix], power: float, knee: float = 0.0) -> dict[str, Matrix]:
        """Return for each kind the distribution of the other item, whose popularity to this power divides its counts;
        rows may be empty.

        `knee`: times the mean popularity that are added to each item's, so that best sellers lose more than others do.
        """
        rarity = (np.maximum(self.popular, 1.0) + knee * float(np.mean(self.popular))) ** -power
        by_kind = {}
        for kind, count in counts.items():
            trusted = count.copy()
            trusted.data *= trusted.data / (trusted.data + self._counting.shrinkage)
            by_kind[kind] = cooccurrence.scaled(trusted, 1.0 / np.maximum(trusted @ rarity, 1e-12), rarity)
        return by_kind


def chance(counts: "Matrix | Shared") -> Floats:
    """[items] the share of each item in what is counted of other items: what a partner would be by chance.

    An item is no partner of its own, so what nearly every basket has is a larger share of the others' partners than of
    all.
    """
    total = counts.totals() if isinstance(counts, Shared) else cooccurrence.partners(counts)
    return np.asarray(total / np.maximum(float(total.sum()) - total, 1e-12), np.float64)


class BeyondChance:
    """How much more often than by chance some items are counted with each other item; negative where less often.

    Rows are made on request, since all of them would fill the memory.
    """

    def __init__(self, counts: "Matrix | Shared", items: Ints) -> None:
        self._taken = cooccurrence.of_others(counts[items], items)
        self._totals, self._chance = np.asarray(self._taken.sum(axis=1)), chance(counts)

    def __getitem__(self, row: int) -> Floats:
        """[all items] of the item of this row."""
        worth = cooccurrence.dense_row(self._taken, row).astype(np.float64)
        return np.asarray(worth - self._totals[row] * self._chance)


def _expected(counts: Matrix, by_chance: Floats) -> Floats:
    """[pairs] what chance would have counted of each pair in some rows."""
    totals = np.asarray(counts.sum(axis=1)).ravel()
    return np.asarray(np.repeat(totals, np.diff(counts.indptr)) * by_chance[counts.indices])


def _relation(counts: Matrix, items: Ints, by_chance: Floats) -> Matrix:
    """Return 1 for pairs whose lift has a lower bound above 1: that of a Poisson count (Wilson and Hilferty 1931)."""
    cooccurrence.of_others(counts, items)
    counts.eliminate_zeros()
    count = counts.data.astype(np.float64)
    lower = count * np.maximum(1.0 - 1.0 / (9.0 * count) - SURE / (3.0 * np.sqrt(count)), 0.0) ** 3
    relation = counts.copy()
    relation.data = (lower > _expected(counts, by_chance)).astype(np.float32)
    relation.eliminate_zeros()
    return relation


def mixed(matrices: Mapping[str, Matrix], shares: Mapping[str, float]) -> Matrix:
    """Return the neighbours of some items, with such shares of each kind."""
    first, *others = (matrix * np.float32(shares[kind]) for kind, matrix in matrices.items())
    return sum(others, start=first).tocsr()


def nearest(
    rows: Rows,
    shares: Mapping[str, float],
    power: float,
    knee: float,
    counting: Counting,
    query_items: Ints | None = None,
) -> SparseRows:
    """Return the MOST_NEIGHBOURS nearest neighbours of each item, with such shares of each kind.

    `query_items`: the only items whose neighbours are wanted; None: all.
    """
    neighbours = Neighbours(rows, [kind for kind, share in shares.items() if share > 0], counting)

    def of(items: Ints) -> Matrix:
        return mixed(neighbours.distributions(neighbours.related(items), power, knee), shares)

    if query_items is None:
        return cooccurrence.nearest(of, rows.items, MOST_NEIGHBOURS)
    some = cooccurrence.pruned(of(query_items), MOST_NEIGHBOURS)
    sizes = np.zeros(rows.items, np.int64)
    sizes[query_items] = np.diff(some.start)
    return SparseRows(np.concatenate(([0], np.cumsum(sizes))), some.column, some.value)
