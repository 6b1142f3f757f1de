# SPDX-License-Identifier: Apache-2.0
"""What is held out within training: the past that models are made of, and the baskets after it."""

from dataclasses import dataclass

import numpy as np

from personalize_local.recipes.common.rows import Ints, Mask, Rows
from personalize_local.recipes.ltr.fitting import MIN_LISTS

CUTS = (0.9, 0.8, 0.7, 0.6)
"""Shares of the rows that are the past: a late cut first, earlier ones where that gives too few lists."""
LAST = 10
"""If timestamps are only positions, the last of every so many baskets of a user comes after the cut."""
ENOUGH = 12_000
"""Baskets to predict beyond which no earlier cut is made."""


@dataclass(frozen=True, slots=True)
class Split:
    """The past, which models are made of, and the baskets after it to predict."""

    before: Mask
    """[rows] the past."""
    baskets: Ints
    """[baskets] the first row of each basket to predict."""
    clock: bool
    """Whether times are a clock, which tells what the shop sold before a basket; else only a user's order counts."""


def splits(rows: Rows) -> list[Split]:
    """Cut the rows by time if enough users go on after the cut; else before each user's last baskets.

    In the latter case timestamps are no clock: they only order a user's baskets. They are none either where most users
    begin in the same second, since they then count a user's steps.
    """
    users = int(np.max(rows.user)) + 1
    first, users_first = rows.begins(), rows.first_of_user()
    baskets = np.bincount(rows.user[first], minlength=users)
    cuts: list[Split] = []
    end = int(np.max(rows.time))
    starts = rows.time[users_first]
    at_once = 2 * np.unique(starts, return_counts=True)[1].max() > len(starts)
    for cut in map(int, np.quantile(rows.time, CUTS, method="lower")):
        if sum(len(split.baskets) for split in cuts) >= ENOUGH:
            break
        before, between = rows.time <= cut, (rows.time > cut) & (rows.time <= end)
        old = np.bincount(rows.user[before], minlength=users) > 0
        after = np.flatnonzero(between & first & old[rows.user])
        going_on = np.count_nonzero(np.diff(rows.user[after], prepend=-1))
        if not cuts and going_on < max(MIN_LISTS, 0.1 * (baskets > 1).sum()):
            last = rows.baskets_from_end() < np.maximum(baskets // LAST, 1)[rows.user]
            return [Split(~last, np.flatnonzero(last & first & (baskets > 1)[rows.user]), clock=False)]
        cuts.append(Split(before, after, clock=not at_once))
        end = cut
    return cuts


def some_users(rows: Rows, most: int, seed: int) -> Rows:
    """Return the rows of users drawn at random, `most` rows at most; all of them if no user has so few."""
    lengths = np.bincount(rows.user)
    order = np.random.default_rng(seed).permutation(len(lengths))
    chosen = np.zeros(len(lengths), bool)
    chosen[order[np.cumsum(lengths[order]) <= most]] = True
    return rows.where(chosen[rows.user]) if len(rows) > most and chosen.any() else rows


def soonest(rows: Rows, baskets: Ints) -> Ints:
    """Return the same baskets, by their first rows, with the earliest of each user before all others."""
    _, first = np.unique(rows.user[np.sort(baskets)], return_index=True)
    early = np.isin(baskets, np.sort(baskets)[first])
    return np.concatenate((baskets[early], baskets[~early]))
