# SPDX-License-Identifier: Apache-2.0
"""Training of the rankers for users with a history, by lists of candidates before their baskets."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common.rows import Floats, Rows
from personalize_local.recipes.ltr.boosting import Plan
from personalize_local.recipes.ltr.fitting import TOLERANCE, TrainingList, fit_trees, ndcg
from personalize_local.recipes.ltr.trees import Rankers
from personalize_local.recipes.user_personalization.features import NAMES
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.training_lists import BasketLists, Split

LISTS = (1700, 12_000)
"""Least and most baskets that rankers learn from, within these as many as users: cost grows slower than the data."""
HELD_OUT = 6
"""One user in so many decides only how many trees to keep."""
NEW = 2
"""Where users come back to items, one basket in so many also teaches the order of new items."""
FRESH = 0.5
"""Share of the baskets whose recency windows end at the basket; the others' end at the cut.

A shop that streams its events answers from the former, one that only drops files from something like the latter.
"""
DEEP = Plan(rate=0.15)
"""For trees with the network's features, which have more to correct."""
KINDS = ("trees", "new", "more")
"""The rankers that learn from baskets of users with a history."""
_Lists = dict[str, list[TrainingList]]
"""Lists by the ranker that learns from them."""


def train(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]
) -> tuple[Rankers, bool]:
    """Fit trees that correct the counted order; none where held-out users' next items don't rank higher by them.

    Also return whether they use a network: only if `count` trains one, and lists gain by more than their standard
    error.
    """
    training: _Lists = {kind: [] for kind in KINDS}
    held_out: _Lists = {kind: [] for kind in KINDS}
    is_held_out = np.random.default_rng(11).permutation(int(np.max(rows.user)) + 1) % HELD_OUT == 0
    for user, kind, each in _lists(snapshot, rows, splits, count):
        (held_out if is_held_out[user] else training)[kind].append(each)
    counted = _without_network(held_out)
    plain = _fit(_without_network(training), counted)
    if all(each.counted is None for each in held_out["trees"]):
        return plain, False
    deep = _fit(training, held_out, DEEP)
    more = _gains(deep, held_out) - _gains(plain, counted)
    better = float(more.mean()) > float(more.std()) / len(more) ** 0.5
    return (deep, True) if better else (plain, False)


def _fit(training: _Lists, held_out: _Lists, plan: Plan | None = None) -> Rankers:
    trees = {
        kind: fit_trees(lists, held_out[kind], TOLERANCE if kind == "trees" else 0.0, plan=plan)
        for kind, lists in training.items()
    }
    return Rankers(**trees)


def _without_network(lists: _Lists) -> _Lists:
    return {kind: [each.without_network(len(NAMES)) for each in some] for kind, some in lists.items()}


def _gains(rankers: Rankers, lists: _Lists) -> Floats:
    """[lists] NDCG of each."""
    gains = []
    for kind, trees in (("trees", rankers.trees), ("new", rankers.for_new), ("more", rankers.more)):
        for each in lists[kind]:
            gains.append(ndcg(each, each.offset if trees is None else each.offset + trees.predict(each.features)))
    return np.array(gains)


def _lists(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]
) -> Iterator[tuple[int, str, TrainingList]]:
    """Yield (user, ranker, list) until there are enough of them."""
    random, made = np.random.default_rng(12), 0
    most = min(max(len(np.unique(rows.user)), LISTS[0]), LISTS[1])
    for split in splits:
        if not len(split.baskets):
            continue
        baskets = BasketLists(snapshot, rows, split, count(rows.where(split.before)))
        for row in random.permutation(split.baskets).tolist():
            made += 1
            for kind, each in baskets.lists(row, fresh=random.random() < FRESH, new=made % NEW == 0):
                yield int(rows.user[row]), kind, each
            if made >= most:
                return
