# SPDX-License-Identifier: Apache-2.0
"""Training of Similar-Items and SIMS: the neighbours of an item, by several counts in shares that held-out lists chose.

An item's neighbours follow it (a Markov chain), or were taken near it, by the same users (Linden, Smith and York,
Amazon.com Recommendations, 2003) or in one basket. Each count becomes the distribution of the other item; what is held
out within training decides the share of each, as interpolated language models do it (Jelinek and Mercer, 1980). So
the direction of time counts where it tells something, and popularity and categories where counts are thin.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.cooccurrence import Matrix
from personalize_local.recipes.common.rows import Floats, Numbers, Rows
from personalize_local.recipes.ltr.fitting import MIN_LISTS
from personalize_local.recipes.ltr.mixing import Lists, Shares, Sources, best_shares, lists
from personalize_local.recipes.ltr.splits import some_users, splits
from personalize_local.recipes.related.model import SHARES

KINDS = ("next", "near", "shared", "basket")
"""Counts: what follows within some steps, what is taken within some steps, by the same user, and in one basket."""
TOGETHER = ("near", "shared", "basket")
"""The kinds without a direction."""
MAX_PAIRS = 30_000_000
"""Pairs of one owner's items that are counted."""
MAX_ROWS = 100_000
"""Interactions, of whole users, that shares are chosen on."""
LISTS = 600
"""Lists of each question."""
Asked = list[tuple[int, Numbers]]
"""Of each list the item that is asked about, and the items that were taken."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How pairs become neighbours."""

    discount: float
    """Power of popularity that divides the counts of an item: 0 finds what sells anyway, 0.5 the cosine."""
    shrinkage: float
    """Count that is worth half: a single pair is chance."""
    least: int = 0
    """Users that must share a pair."""


def counted(rows: Rows, kinds: Sequence[str], counting: Counting) -> dict[str, Matrix]:
    """[items, items] for each kind the distribution of the other item, which may be empty; no item with itself."""
    found: dict[str, Matrix] = {}
    if {"next", "near"} & {*kinds}:
        found["next"] = cooccurrence.pairs(rows, decay=1.0)
        found["near"] = cooccurrence.both_ways(found["next"], backward=1.0)
    if "shared" in kinds or counting.least > 1:
        found["shared"] = _together(rows.user, rows)
    if "basket" in kinds:
        found["basket"] = _together(np.cumsum(rows.begins()) - 1, rows)
    popular = np.maximum(np.bincount(rows.item, minlength=rows.items), 1).astype(np.float64)
    enough = found["shared"] >= counting.least if counting.least > 1 else None
    return {kind: _distribution(found[kind], enough, counting, popular) for kind in kinds}


def _together(owner: Numbers, rows: Rows) -> Matrix:
    """[items, items] owners of both items; some owners, drawn at random, where there are too many pairs."""
    taken = sparse.coo_array((np.ones(len(rows), np.float32), (owner, rows.item)), shape=(owner[-1] + 1, rows.items))
    taken = taken.tocsr()
    taken.data[:] = 1.0
    sizes = np.diff(taken.indptr).astype(np.int64)
    order = np.random.default_rng(18).permutation(np.flatnonzero(sizes > 1))
    order = order[np.cumsum(sizes[order] ** 2) <= MAX_PAIRS]
    taken = taken[np.sort(order)]
    return (taken.T @ taken).tocsr()


def _distribution(counts: Matrix, enough: "Matrix | None", counting: Counting, popular: Floats) -> Matrix:
    counts = counts if enough is None else counts.multiply(enough).tocsr()
    counts.data *= counts.data / (counts.data + counting.shrinkage)
    counts.data[counts.indices == np.repeat(np.arange(len(popular)), np.diff(counts.indptr))] = 0.0
    counts = cooccurrence.scaled(counts, np.ones(len(popular)), popular**-counting.discount)
    total = np.maximum(np.asarray(counts.sum(axis=1), np.float64).ravel(), 1e-12)
    return cooccurrence.scaled(counts, 1.0 / total, np.ones(len(popular)))


@dataclass(frozen=True, slots=True)
class Decided:
    """What held-out lists decided about neighbours, and these lists, which decide what else a list is made of."""

    shares: Mapping[str, float]
    """Of each kind of neighbours; they add up to 1."""
    popular: Floats
    """[items] popularity in the past before the held-out lists."""
    asked: Sequence[Asked] = ()
    """The held-out lists of each question; empty where there is too little to hold out."""
    near: "Matrix | None" = None
    """[items, items] neighbours of each item in that past; None without lists."""

    def source_shares(self, sources: Callable[[int, Floats], Sources]) -> Shares:
        """[sources] the shares with the best lists; `sources`: of an item with its neighbours [items]."""
        near = self.near
        if near is None:
            return np.array(SHARES)

        def of_item(item: int) -> Sources:
            return sources(item, _row(near, item))

        return best_shares([_lists(each, of_item) for each in self.asked])


def decide(rows: Rows, kinds: Sequence[str], counting: Counting) -> Decided:
    """Choose the share of each kind of neighbours by lists that are held out within the rows."""
    past, asked = held_out(some_users(rows, MAX_ROWS, 15))
    if kinds == TOGETHER:
        asked = asked[-1:]
    shares = dict.fromkeys(kinds, 1.0 / len(kinds))
    popular = np.bincount(past.item, minlength=rows.items) / max(len(past), 1)
    if not asked:
        return Decided(shares, popular)
    before = counted(past, kinds, counting)

    def sources(item: int) -> Sources:
        return np.stack([*(_row(counts, item) for counts in before.values()), popular])

    found = best_shares([_lists(each, sources) for each in asked])[:-1]
    if found.sum():
        shares = dict(zip(kinds, (found / found.sum()).tolist(), strict=True))
    return Decided(shares, popular, asked, _mixed(before, shares))


def near(rows: Rows, shares: Mapping[str, float], counting: Counting) -> Matrix:
    """[items, items] neighbours of each item, with such shares of each kind."""
    return _mixed(counted(rows, [kind for kind, share in shares.items() if share > 0], counting), shares)


def _mixed(matrices: Mapping[str, Matrix], shares: Mapping[str, float]) -> Matrix:
    first, *others = (matrix * np.float32(shares[kind]) for kind, matrix in matrices.items())
    return sum(others, start=first).tocsr()


def _lists(asked: Asked, sources: Callable[[int], Sources]) -> Lists:
    def found() -> Iterator[tuple[Sources, Numbers]]:
        for item, others in asked:
            each = sources(item)
            each[:, item] = 0.0
            yield each, others

    return lists(found())


def _row(matrix: Matrix, item: int) -> Floats:
    row = np.zeros(matrix.shape[1])
    part = slice(matrix.indptr[item], matrix.indptr[item + 1])
    row[matrix.indices[part]] = matrix.data[part]
    return row


def held_out(rows: Rows) -> tuple[Rows, list[Asked]]:
    """Return the past, and lists after it: what follows an item, and what goes into a basket with one.

    A question with too few lists to tell anything is left out.
    """
    split = splits(rows)[0]
    random = np.random.default_rng(16)
    follows: Asked = []
    together: Asked = []
    for row in random.permutation(split.baskets).tolist():
        stop = int(np.searchsorted(rows.user, rows.user[row], side="right"))
        end = row + int(np.searchsorted(rows.time[row:stop], rows.time[row], side="right"))
        basket = np.unique(rows.item[row:end])
        before = int(rows.item[row - 1]) if row and rows.user[row - 1] == rows.user[row] else -1
        for asked, item in ((follows, before), (together, int(random.choice(basket)) if len(basket) > 1 else -1)):
            others = basket[basket != item]
            if item >= 0 and len(others) and len(asked) < LISTS:
                asked.append((item, others))
    return rows.where(split.before), [asked for asked in (follows, together) if len(asked) >= MIN_LISTS]
