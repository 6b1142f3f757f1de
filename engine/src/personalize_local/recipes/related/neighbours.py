# SPDX-License-Identifier: Apache-2.0
"""Training of Similar-Items and SIMS: the neighbours of an item, by several counts in shares that held-out lists chose.

An item's neighbours follow it (a Markov chain), or were taken near it, by the same users (Linden, Smith and York,
Amazon.com Recommendations, 2003) or in one basket. Each count becomes the distribution of the other item; what is held
out within training decides the share of each, as interpolated language models do it (Jelinek and Mercer, 1980). So
the direction of time counts where it tells something, and popularity and categories where counts are thin.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common import cooccurrence, seasons
from personalize_local.recipes.common.cooccurrence import Matrix, Shared
from personalize_local.recipes.common.recency_windows import RecencyWindows, span
from personalize_local.recipes.common.rows import Floats, Ints, Numbers, Rows
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Scores
from personalize_local.recipes.ltr.fitting import MIN_LISTS
from personalize_local.recipes.ltr.mixing import HeldOut, Lists, Shares, best_shares, lists, trusted_shares
from personalize_local.recipes.ltr.splits import some_users, soonest, splits
from personalize_local.recipes.related.model import NEAR, SELLING, SHARES

KINDS = ("next", "near", "shared", "basket")
"""Counts: what follows within some steps, what is taken within some steps, by the same user, and in one basket."""
TOGETHER = ("near", "shared", "basket")
"""The kinds without a direction."""
MAX_ROWS = 100_000
"""Interactions, of whole users, that shares are chosen on."""
LISTS = 600
"""Lists of each question."""
KEPT = 500
"""Neighbours of each item that are kept: as many as one answer may hold."""
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


class Neighbours:
    """What is near an item by each kind, made for the items that are asked for: all at once would fill the memory."""

    def __init__(self, rows: Rows, kinds: Sequence[str], counting: Counting) -> None:
        self._kinds, self._counting = kinds, counting
        popular = np.maximum(np.bincount(rows.item, minlength=rows.items), 1.0)
        self._rarity = (popular**-counting.discount).astype(np.float32)
        self._counts: dict[str, Matrix | Shared] = {}
        if "next" in kinds or "near" in kinds:
            self._counts["next"] = follow = cooccurrence.pairs(rows, decay=1.0)
            if "near" in kinds:
                self._counts["near"] = cooccurrence.both_ways(follow, backward=1.0)
        if "shared" in kinds or counting.least > 1:
            self._counts["shared"] = Shared(rows.user, rows)
        if "basket" in kinds:
            self._counts["basket"] = Shared(np.cumsum(rows.begins()) - 1, rows)

    def of(self, items: Ints) -> dict[str, Matrix]:
        """[len(items), all items] for each kind the distribution of the other item; it may be empty."""
        counts = {kind: self._counts[kind][items] for kind in self._kinds}
        if self._counting.least > 1:
            users = counts["shared"] if "shared" in counts else self._counts["shared"][items]
            enough = users.copy()
            enough.data = (users.data >= self._counting.least).astype(np.float32)
            enough.eliminate_zeros()
            counts = {kind: count.multiply(enough).tocsr() for kind, count in counts.items()}
        return {kind: self._distribution(count, items) for kind, count in counts.items()}

    def _distribution(self, counts: Matrix, items: Ints) -> Matrix:
        counts.data *= counts.data / (counts.data + self._counting.shrinkage)
        counts = cooccurrence.of_others(counts, items)
        return cooccurrence.scaled(counts, 1.0 / np.maximum(counts @ self._rarity, 1e-12), self._rarity)


@dataclass(frozen=True, slots=True)
class Decided:
    """What held-out lists decided about neighbours, and these lists, which decide what else a list is made of."""

    shares: Mapping[str, float]
    """Of each kind of neighbours; they add up to 1."""
    clock: bool
    """Whether times are a clock."""
    sold: Floats
    """[SELLING, items] what sold before the held-out lists."""
    asked: Sequence[Asked] = ()
    """The held-out lists of each question that may decide more; empty where there is too little to hold out."""
    near: Callable[[int], Floats] | None = None
    """[items] the neighbours in that past of an item that the lists ask about; None without lists."""

    def source_shares(self, similar: Callable[[int, Floats], npt.NDArray[np.float64]]) -> Shares:
        """[sources] the shares with the best lists, of SELLING last; `similar`: to an item with neighbours [items]."""
        near, sold = self.near, [*self.sold]
        if near is None or not self.asked:
            return np.array([*SHARES, *(0.0 for _ in SELLING)])

        def of_item(item: int) -> Sequence[Scores]:
            return [*similar(item, near(item)), *sold]

        return trusted_shares([_lists(each, of_item) for each in self.asked], usual=len(NEAR))


def decide(rows: Rows, kinds: Sequence[str], counting: Counting) -> Decided:
    """Choose the share of each kind of neighbours by lists that are held out within the rows.

    The rows number items by popularity. Those that nobody took are left out of all that is decided.
    """
    rows = replace(rows, items=int(np.max(rows.item)) + 1)
    past, clock, questions = held_out(some_users(rows, MAX_ROWS, 15))
    asked = [each for each in questions if len(each) >= MIN_LISTS]
    if kinds == TOGETHER:
        asked = asked[-1:]
    shares = dict.fromkeys(kinds, 1.0 / len(kinds))
    sold = selling(past, clock=clock)
    if not asked:
        return Decided(shares, clock, sold)
    items = np.unique([item for each in asked for item, _ in each])
    before, rules = Neighbours(past, kinds, counting).of(items), [*sold]
    place = {item: row for row, item in enumerate(items.tolist())}

    def sources(item: int) -> Sequence[Scores]:
        return [*(_row(matrix, place[item]) for matrix in before.values()), *rules]

    found = best_shares([_lists(each, sources) for each in asked])[: len(kinds)]
    if found.sum():
        shares = dict(zip(kinds, (found / found.sum()).tolist(), strict=True))
    if kinds == TOGETHER and asked[0] is not questions[-1]:
        asked = []  # what follows says how to count, but counts without a direction should not lose to what sells
    mixed = _mixed(before, shares)
    return Decided(shares, clock, sold, asked, lambda item: _row(mixed, place[item]))


def near(rows: Rows, shares: Mapping[str, float], counting: Counting) -> SparseRows:
    """Return the nearest KEPT neighbours of each item, with such shares of each kind."""
    neighbours = Neighbours(rows, [kind for kind, share in shares.items() if share > 0], counting)
    return cooccurrence.nearest(lambda items: _mixed(neighbours.of(items), shares), rows.items, KEPT)


def selling(rows: Rows, *, clock: bool) -> Floats:
    """[SELLING, items] each adds up to 1, or to 0; popularity of all time alone where times are no clock."""
    found = np.zeros((len(SELLING), rows.items))
    found[0] = np.bincount(rows.item, minlength=rows.items)
    if clock:
        now = int(np.max(rows.time)) + 1
        found[1:4] = RecencyWindows.of(rows.time, rows.item, rows.items, span(rows.time)).at(now)
        for begin, end in seasons.a_year_ago(now, int(np.min(rows.time))):
            found[4] += np.bincount(rows.item[(rows.time >= begin) & (rows.time < end)], minlength=rows.items)
    total: Floats = found.sum(axis=1, keepdims=True)
    found /= np.maximum(total, 1e-12)
    return found


def _mixed(matrices: Mapping[str, Matrix], shares: Mapping[str, float]) -> Matrix:
    first, *others = (matrix * np.float32(shares[kind]) for kind, matrix in matrices.items())
    return sum(others, start=first).tocsr()


def _lists(asked: Asked, sources: Callable[[int], Sequence[Scores]]) -> Lists:
    return lists(HeldOut(sources(item), others, np.array([item])) for item, others in asked)


def _row(matrix: Matrix, item: int) -> Floats:
    row = np.zeros(matrix.shape[1])
    part = slice(matrix.indptr[item], matrix.indptr[item + 1])
    row[matrix.indices[part]] = matrix.data[part]
    return row


def held_out(rows: Rows) -> tuple[Rows, bool, list[Asked]]:
    """Return the past, whether times are a clock, and lists: what follows an item, what goes into a basket with one.

    The lists are as near to the past as answers are to a training: a user's first basket after it comes before others.
    """
    split = splits(rows)[0]
    random = np.random.default_rng(16)
    follows: Asked = []
    together: Asked = []
    for row in soonest(rows, random.permutation(split.baskets)).tolist():
        stop = int(np.searchsorted(rows.user, rows.user[row], side="right"))
        end = row + int(np.searchsorted(rows.time[row:stop], rows.time[row], side="right"))
        basket = np.unique(rows.item[row:end])
        before = int(rows.item[row - 1]) if row and rows.user[row - 1] == rows.user[row] else -1
        for asked, item in ((follows, before), (together, int(random.choice(basket)) if len(basket) > 1 else -1)):
            others = basket[basket != item]
            if item >= 0 and len(others) and len(asked) < LISTS:
                asked.append((item, others))
        if min(len(follows), len(together)) >= LISTS:
            break
    return rows.where(split.before), split.clock, [follows, together]
