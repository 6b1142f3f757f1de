# SPDX-License-Identifier: Apache-2.0
"""What a training of Similar-Items or SIMS decides: the share of each count and source, and how popularity counts.

Every user is held out once: what the others' counts say of an item is measured by what these users took with it, beyond
what chance would have it. Hits alone would reward lists of what sells anyway. Then popularity is discounted until the
lists of different items are different lists, nearly as different as those of plain cosine.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.cooccurrence import Matrix, dense_rows
from personalize_local.recipes.common.rows import Floats, Ints, Mask, Rows
from personalize_local.recipes.common.topk import POSITIVE, best
from personalize_local.recipes.ltr.fitting import DEPTH, DISCOUNT
from personalize_local.recipes.ltr.mixing import shrunk
from personalize_local.recipes.related.distinctness import Distinctness, of_cosine
from personalize_local.recipes.related.model import SHARES
from personalize_local.recipes.related.neighbours import BeyondChance, Counting, Neighbours, mixed

Scores = npt.NDArray[np.floating[Any]]
Number = TypeVar("Number", np.float32, np.float64)
MAX_ROWS = 120_000
"""Interactions, of whole users, that shares are chosen on."""
FOLDS = 2
"""Parts of the users that are held out in turn."""
FOLD_ITEMS, COMPARED_LISTS = 200, 300
"""Most items of a fold whose lists held-out users judge, and most lists that are compared with plain cosine's."""
MIN_ITEMS = 10
"""With fewer items to judge, nothing is decided."""
LEAST_SHARE = 0.04
"""Smaller shares are left out, since their counts cost time and change little. `shared` keeps this one at least: users
who took both relate items that nobody took one after the other."""
TAKEN = 5
"""Least interactions of an item whose list is judged."""
CANDIDATES = 40
"""The best items of each source that may be in a list."""
STEPS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Shares that are tried."""
LEAST_GAIN = 1.002
"""A change of shares must gain so much: a smaller gain is chance."""
CLEAR = 3.0
"""Standard errors by which a discount of best sellers must be better than that of all items alike."""
SAFE = 0.01
"""How much worse than cosine's the figures may be: little, since only a sample of the lists is measured."""
COSINE, HALVINGS = 0.5, 5
"""Power of popularity that divides the counts in a cosine, and the steps to the least."""
HIGHEST = {0.0: 1.0, 4.0: 2.0}
"""By knee, the highest power that is tried. Where best sellers are related to nearly everything, as in a shop of
clicks, a power that is high enough for them would take too much from all other items; a knee spares these."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists of candidates to judge: the scores of each source, and what candidates are worth by held-out counts."""

    scores: npt.NDArray[np.float32]
    """[sources, lists, candidates]."""
    worth: Floats
    """[truths, lists, candidates] how much more often than by chance the held-out users took it with the item."""
    ideal: Floats
    """[truths, lists] the discounted sum of the best order; 0 where held-out users took nothing else with the item."""

    def gains(self, shares: Floats) -> Floats:
        """[truths, lists] the discounted sum of what the first DEPTH are worth, as a share of the best order's."""
        score = np.tensordot(shares.astype(np.float32), self.scores, 1)
        lists = np.arange(len(score))[:, None]
        first = np.argpartition(-score, DEPTH, axis=1)[:, :DEPTH]
        first = first[lists, np.argsort(-score[lists, first], axis=1, kind="stable")]
        weight = DISCOUNT[:DEPTH] * (score[lists, first] > 0)
        return np.asarray((self.worth[:, lists, first] * weight).sum(axis=2) / np.maximum(self.ideal, 1e-9))

    def means(self, shares: Floats) -> Floats:
        """[truths] the mean gain of the lists of which something is known."""
        judged = self.ideal > 0
        return np.asarray((self.gains(shares) * judged).sum(axis=1) / np.maximum(judged.sum(axis=1), 1))


@dataclass(frozen=True, slots=True)
class Fold:
    """Users who are held out: the items whose lists they judge, the counts of all other users, and what they took."""

    items: Ints
    related: Mapping[str, Matrix]
    neighbours: Neighbours
    """Of all others."""
    truths: Sequence[BeyondChance]
    """One for each kind of counts: how much more often than by chance they took both."""

    def lists(self, sources: Iterable[Sequence[Scores]]) -> Lists:
        """Return the lists that sources make: for each of the items, what each source says of all items."""
        scores, worth, ideal = list[npt.NDArray[np.float32]](), list[Floats](), list[list[float]]()
        for row, (item, said) in enumerate(zip(self.items.tolist(), sources, strict=True)):
            some = _candidates(item, said)
            truths = [truth[row] for truth in self.truths]
            scores.append(np.array([source[some] for source in said], np.float32))
            worth.append(np.array([truth[some] for truth in truths]))
            ideal.append([_best(truth) for truth in truths])
        width = max(DEPTH + 1, *(some.shape[1] for some in scores))
        return Lists(_padded(scores, width), _padded(worth, width), np.array(ideal).T)


def _padded(lists: Sequence[npt.NDArray[Number]], width: int) -> npt.NDArray[Number]:
    """[sources, lists, width] the lists of each source, filled up with 0."""
    filled = np.zeros((len(lists[0]), len(lists), width), lists[0].dtype)
    for row, some in enumerate(lists):
        filled[:, row, : some.shape[1]] = some
    return filled


def _best(truth: Floats) -> float:
    """Return the discounted sum of the best order."""
    most = min(DEPTH, len(truth))
    first = -np.sort(np.partition(-np.maximum(truth, 0.0), most - 1)[:most])
    return float(first @ DISCOUNT[:most])


def _candidates(item: int, sources: Sequence[Scores]) -> Ints:
    most = min(CANDIDATES, len(sources[0]))
    some = np.unique(np.concatenate([np.argpartition(-source, most - 1)[:most] for source in sources]))
    speaks = np.sum([source[some] for source in sources], axis=0) > 0
    return np.asarray(some[speaks & (some != item)])


Similar = Callable[[int, Floats], Floats]
"""[sources, items] what is similar to an item with such neighbours [items]."""
BySimilar = Callable[[float], Similar]
"""By the power of popularity."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a training decided."""

    shares: Mapping[str, float]
    """Of each kind of neighbours; they add up to 1."""
    power: float = COSINE
    """Of popularity, which divides the counts."""
    sources: tuple[float, ...] = SHARES
    """Shares of what is similar, as :data:`model.NEAR` names it."""
    knee: float = 0.0
    """Multiple of the mean popularity that is added to each item's before the power is taken."""
    simpler: bool = False
    """Whether the shares were given up, since their lists were not different enough."""


def decide(rows: Rows, users: Ints, kinds: Sequence[str], counting: Counting, similar: BySimilar | None) -> Decided:
    """Choose shares, power and knee by holding out each user once.

    The rows number items by popularity. `users` [users] are hashes, which divide the users at random. `similar` adds to
    neighbours what metadata say; None: metadata do not count.
    """
    rows = replace(rows, items=int(np.max(rows.item)) + 1)
    drawn = rows.where((users // FOLDS % 10_000 < 10_000 * MAX_ROWS / len(rows))[rows.user])
    parts = users[drawn.user] % FOLDS
    folds = [_fold(drawn, parts == part, kinds, counting) for part in range(FOLDS)]
    lists = _Lists(rows, kinds, counting, similar)
    if min(len(fold.items) for fold in folds) < MIN_ITEMS or len(lists.items) < MIN_ITEMS:
        return Decided(dict.fromkeys(kinds, 1.0 / len(kinds)))
    decided = _decided(folds, kinds, COSINE, similar)
    discounted = [replace(decided, knee=knee) for knee in HIGHEST if not (knee and similar)]
    different = [replace(of, power=power) for of in discounted if (power := lists.least_power(of)) is not None]
    if not different:
        return Decided({kind: float(kind == "shared") for kind in kinds}, sources=(1.0, 0.0, 0.0), simpler=True)
    return different[0] if len(different) == 1 else _better_discount(folds, *different)


class _Lists:
    """The lists of some items by all rows, whatever is decided, and those of plain cosine."""

    def __init__(self, rows: Rows, kinds: Sequence[str], counting: Counting, similar: BySimilar | None) -> None:
        self.items = _drawn(rows, COMPARED_LISTS)
        self._similar, self._neighbours = similar, Neighbours(rows, kinds, counting)
        self._related = self._neighbours.related(self.items)
        takers = np.bincount(rows.once().item, minlength=rows.items).astype(np.float64)
        shared = self._neighbours.counts["shared"][self.items]
        self._plain = self._distinctness(of_cosine(shared, takers, self.items))

    def are_different(self, decided: Decided) -> bool:
        """Whether the lists that are made so are different enough."""
        scores = _near(self._neighbours, self._related, decided)
        if self._similar:
            of_item, shares = self._similar(decided.power), np.array(decided.sources)
            near = zip(self.items.tolist(), scores, strict=True)
            scores = (shares @ of_item(item, row) for item, row in near)
        return self._distinctness(scores).is_enough(self._plain, SAFE)

    def least_power(self, decided: Decided) -> float | None:
        """Return the least power of popularity by which the lists are different enough; None where none is."""
        low, high = 0.0, HIGHEST[decided.knee]
        if self.are_different(replace(decided, power=low)):
            return low
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if self.are_different(replace(decided, power=middle)):
                high = middle
            else:
                low = middle
        return high if high < HIGHEST[decided.knee] or self.are_different(replace(decided, power=high)) else None

    def _distinctness(self, scores: Iterable[Floats]) -> Distinctness:
        return Distinctness.of(list(map(_first, scores)), DEPTH, self._neighbours.popular)


def _near(neighbours: Neighbours, related: Mapping[str, Matrix], decided: Decided) -> Iterator[Floats]:
    """Yield the neighbours [all items] of each of the items that `related` has the counts of."""
    near = mixed(neighbours.distributions(related, decided.power, decided.knee), decided.shares)
    return (row.astype(np.float64) for row in dense_rows(near))


def _better_discount(folds: Sequence[Fold], usual: Decided, other: Decided) -> Decided:
    """Return the other decision where the held-out users' lists are surely worth more by its discount."""
    gains = []
    for fold in folds:
        near = [_near(fold.neighbours, fold.related, decided) for decided in (usual, other)]
        lists = fold.lists(zip(*near, strict=True))
        without, with_it = (lists.gains(only) for only in np.eye(2))
        heard = lists.ideal > 0
        gains.append(((with_it - without) * heard).sum(axis=0)[heard.any(axis=0)])
    gain = np.concatenate(gains)
    return other if gain.sum() > CLEAR * np.sqrt((gain**2).sum()) else usual


def _first(scores: Floats) -> Ints:
    """Return the first items of a list, without those that have no score."""
    return best(scores, None, DEPTH, POSITIVE)


def _drawn(rows: Rows, most: int) -> Ints:
    """Draw items whose lists are judged, of those that were taken often enough."""
    often = np.flatnonzero(np.bincount(rows.item, minlength=rows.items) >= TAKEN)
    return np.sort(np.random.default_rng(15).permutation(often)[:most])


def _fold(rows: Rows, held: Mask, kinds: Sequence[str], counting: Counting) -> Fold:
    """Count the rows that are not held out; the counts of those that are held out are the truth, one of each kind."""
    past, later = rows.where(~held), rows.where(held)
    items: Ints = np.intersect1d(_drawn(past, FOLD_ITEMS), later.item).astype(np.int64)
    before, after = Neighbours(past, kinds, counting), Neighbours(later, kinds, counting)
    truths = [BeyondChance(counts, items) for counts in after.counts.values()]
    return Fold(items, before.related(items), before, truths)


def _decided(folds: Sequence[Fold], kinds: Sequence[str], power: float, similar: BySimilar | None) -> Decided:
    """Choose shares by the lists of all folds, with this power of popularity."""
    near = [fold.neighbours.distributions(fold.related, power) for fold in folds]
    of_kinds = [
        fold.lists(zip(*(dense_rows(of[kind]) for kind in kinds), strict=True))
        for fold, of in zip(folds, near, strict=True)
    ]
    weights = trusted_shares(of_kinds, len(kinds))
    weights[weights < LEAST_SHARE] = 0.0
    weights[kinds.index("shared")] = max(weights[kinds.index("shared")], LEAST_SHARE)
    shares = dict(zip(kinds, (weights / weights.sum()).tolist(), strict=True))
    if not similar:
        return Decided(shares, power)
    of_item, of_sources = similar(power), []
    for fold, matrices in zip(folds, near, strict=True):
        rows = zip(fold.items.tolist(), dense_rows(mixed(matrices, shares)), strict=True)
        of_sources.append(fold.lists(list(of_item(item, row.astype(np.float64))) for item, row in rows))
    return Decided(shares, power, tuple(trusted_shares(of_sources, 1).tolist()))


def trusted_shares(folds: Sequence[Lists], usual: int) -> Floats:
    """[sources] the shares with the best lists, shrunk towards those of the first `usual` sources by the evidence.

    Each fold judges what all others chose.
    """
    sources = len(folds[0].scores)
    others = [[*folds[:number], *folds[number + 1 :]] for number in range(len(folds))]
    chosen = [best_shares(lists, sources) for lists in others]
    if usual == sources or not any((judge.ideal > 0).any() for judge in folds):
        return np.asarray(np.mean(chosen, axis=0))
    few = [best_shares(lists, usual) for lists in others]
    more = [
        (judge.gains(shares) - judge.gains(usually))[judge.ideal > 0]
        for judge, shares, usually in zip(folds, chosen, few, strict=True)
    ]
    return shrunk(chosen, few, np.concatenate(more))


def best_shares(lists: Sequence[Lists], sources: int) -> Floats:
    """[all sources] shares, adding up to 1, of the first `sources`, with the best lists: each truth is measured by the
    best single source.
    """
    every = np.eye(len(lists[0].scores))
    alone = np.array([np.mean([fold.means(only) for fold in lists], axis=0) for only in every[:sources]])
    most = np.maximum(alone.max(axis=0), 1e-9)
    order = np.argsort(-(alone / most).sum(axis=1), kind="stable").tolist()
    shares: Floats = every[order[0]]
    reached = float((alone[order[0]] / most).sum())
    for source in [*order[1:], *order]:
        rest = np.where(np.arange(len(shares)) == source, 0.0, shares)
        if not rest.sum():
            continue
        rest /= rest.sum()
        for step in STEPS:
            tried = (1.0 - step) * rest
            tried[source] = step
            gain = float((np.mean([fold.means(tried) for fold in lists], axis=0) / most).sum())
            if gain > LEAST_GAIN * reached:
                shares, reached = tried, gain
    return shares
