# SPDX-License-Identifier: Apache-2.0
"""Training of taste: what speaks for what, and how much of what is new taste finds rather than what follows."""

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common.rows import Floats, Ints, Rows
from personalize_local.recipes.common.topk import best
from personalize_local.recipes.ltr.fitting import ALIKE, DEPTH, DISCOUNT, LEAST, ideal
from personalize_local.recipes.user_personalization import rankers
from personalize_local.recipes.user_personalization.baskets import Moments, parted
from personalize_local.recipes.user_personalization.ease import Speaking, found
from personalize_local.recipes.user_personalization.features import View
from personalize_local.recipes.user_personalization.model import PersonalModel

PRODUCTS = 200_000_000
"""Most pairs of one user's items that are counted; beyond, only some of the users are."""
RIDGE = 300.0
"""Users' worth of doubt that weights are shrunk by."""
SHARES = (0.0, 0.25, 0.5, 0.75, 0.95)
"""Shares of taste that are tried."""
USUAL = 0.25
"""The one that is taken where hardly anything can be asked."""
ROWS = 60_000
"""Interactions, of whole users, that are counted to find out."""
ASKED = 300
"""Moments that are asked about."""


def speaking(rows: Rows, most: int) -> Speaking:
    """[items, items] how much having one of the `most` popular items speaks for another, given all else a user has.

    Least squares of every item on all others, whatever their order: EASE (Steck, Embarrassingly Shallow Autoencoders
    for Sparse Data, 2019).
    """
    size = min(most, rows.items)
    if not size:
        return np.zeros((0, 0), np.float32)
    once = rows.once()
    once = once.where(once.item < size)
    lengths = np.bincount(once.user)
    some = np.random.default_rng(4).permutation(len(lengths))
    asked = np.zeros(len(lengths), bool)
    asked[some[np.cumsum(lengths[some] ** 2) <= PRODUCTS]] = True
    once = once.where(asked[once.user])
    places = (once.user, once.item)
    taken = sparse.coo_array((once.weight.astype(np.float32), places), shape=(len(lengths), size)).tocsr()
    shared = (taken.T @ taken).toarray().astype(np.float32)
    shared[np.diag_indices(size)] += RIDGE
    upper, _ = lapack.spotri(lapack.spotrf(shared)[0])
    inverse = np.triu(upper) + np.triu(upper, 1).T
    weights: Speaking = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


def share(snapshot: Snapshot, rows: Rows, count: Callable[[Rows], PersonalModel]) -> float:
    """The share of taste with the best lists of new items, or the smallest that is as good: events change what follows,
    but not what speaks for what."""
    rows = _some(rows)
    split = rankers.splits(rows)[0]
    asked = np.random.default_rng(13).permutation(split.asked)[:ASKED]
    if len(asked) < LEAST:
        return USUAL
    moments = Moments(snapshot, rows, split, count(rows.where(split.before)))
    told = [_told(moments, row) for row in asked.tolist()]
    some = np.array([each for each in told if each is not None])
    if len(some) < LEAST:
        return USUAL
    mean = some.mean(axis=0)
    less = some[:, [int(mean.argmax())]] - some
    as_good = less.mean(axis=0) <= ALIKE * less.std(axis=0) / len(some) ** 0.5
    return SHARES[int(np.flatnonzero(as_good)[0])]


def _told(moments: Moments, row: int) -> Floats | None:
    """[shares] NDCG at a moment; of a basket that of the rest when a part is taken, for then what is new is found."""
    taken, rest = parted(moments.chosen(row), row)
    return _gains(moments.view(row, taken), rest)


def _some(rows: Rows) -> Rows:
    """The rows of some users, ROWS of them at most."""
    lengths = np.bincount(rows.user)
    order = np.random.default_rng(14).permutation(len(lengths))
    chosen = np.zeros(len(lengths), bool)
    chosen[order[np.cumsum(lengths[order]) <= ROWS]] = True
    return rows.where(chosen[rows.user]) if len(rows) > ROWS and chosen.any() else rows


def _gains(view: View, chosen: Ints) -> Floats | None:
    """[shares] NDCG of what was new in a moment; None: nothing was."""
    unknown = view.unknown
    wanted = chosen[unknown[chosen]]
    if not len(wanted):
        return None
    known, gains = np.flatnonzero(~unknown), []
    follow = view.follow * (1.0 + view.content)
    for part in SHARES:
        mass = found(known, follow, view.taste, part) + 1e-3 * view.prior
        gains.append(DISCOUNT[np.isin(best(mass, unknown, DEPTH), wanted).nonzero()[0]].sum() / ideal(len(wanted)))
    return np.array(gains)
