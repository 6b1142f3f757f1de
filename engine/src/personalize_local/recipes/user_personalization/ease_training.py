# SPDX-License-Identifier: Apache-2.0
"""Training of EASE: its weights, and the share of new items that it decides rather than what follows."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common.rows import Floats, Ints, Rows
from personalize_local.recipes.common.topk import top_k
from personalize_local.recipes.ltr.fitting import DEPTH, DISCOUNT, MIN_LISTS, ideal_gain
from personalize_local.recipes.ltr.mixing import Collector, trusted_shares
from personalize_local.recipes.ltr.splits import Split, some_users, soonest, splits
from personalize_local.recipes.user_personalization.ease import Weights, blended
from personalize_local.recipes.user_personalization.features import UserView
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.plain_rules import MIXTURE, Shares
from personalize_local.recipes.user_personalization.training_lists import BasketLists, divided

MAX_PAIRS = 200_000_000
"""Most pairs of one user's items that are counted; of more, only some of the users count."""
RIDGE = 300.0
"""Pseudo-counts that weights are shrunk by."""
SHARES = (0.0, 0.25, 0.5, 0.75, 0.95)
"""Shares that are tried."""
DEFAULT_SHARE = 0.25
"""The share where there is too little data to try any."""
MAX_ROWS = 200_000
"""Interactions, of whole users, that are counted to try shares; of few, EASE looks better than it is of all."""
TOLERANCE = 0.5
"""Standard errors by which a gain may be below the best and still count as equal."""
LEAST_COUNTED = 0.02
"""Least share of the counted scores in what the fast tier mixes: they put the rest of the catalogue in order."""
BASKETS = 600
"""Baskets that shares are tried on."""


def train(rows: Rows, most: int) -> Weights:
    """[items, items] EASE weights of the `most` popular items.

    Least squares of every item on all others (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019).
    """
    size = min(most, rows.items)
    if not size:
        return np.zeros((0, 0), np.float32)
    parts = (part.where(part.item < size).once() for _, part in rows.parts())
    user, item, weight = map(np.concatenate, zip(*((part.user, part.item, part.weight) for part in parts), strict=True))
    lengths = np.bincount(user)
    order = np.random.default_rng(4).permutation(len(lengths))
    counted = np.zeros(len(lengths), bool)
    counted[order[np.cumsum(lengths[order] ** 2) <= MAX_PAIRS]] = True
    some = counted[user]
    places = (user[some], item[some])
    taken = sparse.coo_array((weight[some].astype(np.float32), places), shape=(len(lengths), size)).tocsr()
    gram = (taken.T @ taken).toarray().astype(np.float32)
    gram[np.diag_indices(size)] += RIDGE
    upper, _ = lapack.spotri(lapack.spotrf(gram)[0])
    inverse = np.triu(upper) + np.triu(upper, 1).T
    weights: Weights = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Baskets after a past, and the model of that past."""

    snapshot: Snapshot
    rows: Rows
    split: Split
    baskets: Ints
    """The first row of each, the earliest of each user first."""
    model: PersonalModel

    @classmethod
    def of(cls, snapshot: Snapshot, rows: Rows, count: Callable[[Rows], PersonalModel]) -> Self | None:
        """Hold out baskets of some users; None if they are too few to tell anything."""
        rows = some_users(rows, MAX_ROWS, 14)
        split = splits(rows)[0]
        baskets = soonest(rows, np.random.default_rng(13).permutation(split.baskets))[:BASKETS]
        if len(baskets) < MIN_LISTS:
            return None
        return cls(snapshot, rows, split, baskets, count(rows.where(split.before)))

    def lists(self, model: PersonalModel) -> BasketLists:
        return BasketLists(self.snapshot, self.rows, self.split, model)


def best_mixtures(held: HeldOut, ease_share: float, kinds: Collection[str]) -> dict[str, Shares]:
    """Return the shares of the plain rules with the best lists of each kind; none where what is counted has them."""
    lists = held.lists(held.model.sharing(ease_share))
    collectors = {kind: Collector() for kind in kinds}
    for row in held.baskets.tolist():
        for kind, held_out in lists.rules(row, kinds):
            collectors[kind].add(held_out)
    return {kind: shares for kind, some in collectors.items() if (shares := _best_mixture(some))}


def _best_mixture(collector: Collector) -> Shares:
    if len(collector) < MIN_LISTS:
        return ()
    shares = trusted_shares([collector.lists()], usual=1, start=0)
    if shares[0] == 1.0:
        return ()
    return tuple((LEAST_COUNTED * np.eye(len(MIXTURE))[0] + (1.0 - LEAST_COUNTED) * shares).tolist())


def best_share(held: HeldOut) -> float:
    """Return the share of EASE with the best lists of new items, or the smallest that is as good.

    Events change what follows, but not the EASE weights: a small share lets answers follow them.
    """
    lists = held.lists(held.model)
    gains = []
    for row in held.baskets.tolist():
        begun, rest = divided(lists.chosen(row), row)  # what the rest of a basket shows is how well new items are found
        gain = _gains(lists.view(row, begun), rest)
        if gain is not None:
            gains.append(gain)
    if len(gains) < MIN_LISTS:
        return DEFAULT_SHARE
    some = np.array(gains)
    mean = some.mean(axis=0)
    less = some[:, [int(mean.argmax())]] - some
    as_good = less.mean(axis=0) <= TOLERANCE * less.std(axis=0) / len(some) ** 0.5
    return SHARES[int(np.flatnonzero(as_good)[0])]


def _gains(view: UserView, chosen: Ints) -> Floats | None:
    """[SHARES] NDCG of the new items of a basket; None if it has none."""
    unknown = view.unknown
    wanted = chosen[unknown[chosen]]
    if not len(wanted):
        return None
    follow, ease, gains = view.scores.follow * (1.0 + view.scores.content), view.scores.ease, []
    some = np.flatnonzero((follow + ease > 0) & unknown)
    for share in SHARES:
        scores = blended(some[:0], follow[some], ease[some], share)
        hits = np.isin(some[top_k(scores, None, DEPTH)], wanted).nonzero()[0]
        gains.append(DISCOUNT[hits].sum() / ideal_gain(len(wanted)))
    return np.array(gains)
