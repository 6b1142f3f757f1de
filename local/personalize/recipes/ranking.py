# SPDX-License-Identifier: Apache-2.0
"""Training of the ranker: lists of candidates before a user's next moment, made by models that know the past only."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from local.personalize.data import Snapshot
from local.personalize.recipes.cases import Moments, Split
from local.personalize.recipes.learning import ALIKE, LEAST, Case, learned
from local.personalize.recipes.personal import PersonalModel
from local.personalize.recipes.rows import Mask, Rows
from local.personalize.recipes.trees import Rankers

LISTS = (1700, 12_000)
"""Moments that the ranker is made from, some only to stop it in time: as many as users, within these bounds.

So its cost grows more slowly than the data.
"""
HELD_OUT = 6
"""One user in so many only tells when to stop."""
NEW = 2
"""Where people come back to items, one moment in so many also teaches the order of items that are new to the user."""
FRESH = 0.5
"""Share of the moments that see the shop's latest windows of time up to themselves; the others see them end at the cut.

A shop that streams its events answers from the former, one that only drops files from something like the latter.
"""
CUTS = (0.9, 0.8, 0.7, 0.6)
"""Shares of the rows that are the past: a later cut first, earlier ones where that gives too few lists."""


def splits(rows: Rows) -> list[Split]:
    """Cut the rows by time if enough users go on after the cut; else (times are no clock) before each last moment."""
    users = int(np.max(rows.user)) + 1
    first = _firsts(rows)
    moments = np.bincount(rows.user[first], minlength=users)
    found: list[Split] = []
    end = int(np.max(rows.time))
    for share in CUTS:
        cut = int(np.quantile(rows.time, share, method="lower"))
        before, between = rows.time <= cut, (rows.time > cut) & (rows.time <= end)
        old = np.bincount(rows.user[before], minlength=users) > 0
        asked = np.flatnonzero(between & first & old[rows.user])
        if not found and len(np.unique(rows.user[asked])) < max(LEAST, 0.1 * (moments > 1).sum()):
            last = rows.baskets_from_end() == 0
            return [Split(~last, np.flatnonzero(last & first & (moments > 1)[rows.user]), clock=False)]
        found.append(Split(before, asked, clock=True))
        end = cut
    return found


def learn(snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]) -> Rankers:
    """Trees that correct the counted order; none where held-out users' next items don't come up sooner by them."""
    found: dict[str, list[tuple[int, Case]]] = {"trees": [], "new": []}
    for user, kind, case in _cases(snapshot, rows, splits, count):
        found[kind].append((user, case))
    held_out = np.random.default_rng(11).permutation(int(np.max(rows.user)) + 1) % HELD_OUT == 0
    return Rankers(
        **{
            kind: learned(
                [case for u, case in cases if not held_out[u]],
                [case for u, case in cases if held_out[u]],
                ALIKE if kind == "trees" else 0.0,
            )
            for kind, cases in found.items()
        }
    )


def _cases(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]
) -> Iterator[tuple[int, str, Case]]:
    """(user, ranker, list) until there are enough of them."""
    random, made = np.random.default_rng(12), 0
    most = min(max(len(np.unique(rows.user)), LISTS[0]), LISTS[1])
    for split in splits:
        if not len(split.asked):
            continue
        moments = Moments(snapshot, rows, split, count(rows.where(split.before)))
        for row in random.permutation(split.asked).tolist():
            made += 1
            for kind, case in moments.cases(row, fresh=random.random() < FRESH, new=made % NEW == 0):
                yield int(rows.user[row]), kind, case
            if made >= most:
                return


def _firsts(rows: Rows) -> Mask:
    """[rows] whether a row is the first of its moment."""
    first = np.ones(len(rows), bool)
    first[1:] = (rows.time[1:] != rows.time[:-1]) | (rows.user[1:] != rows.user[:-1])
    return first
