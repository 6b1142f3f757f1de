# SPDX-License-Identifier: Apache-2.0
"""Training of the ranker: lists of candidates before a user's next moment, made by models that know the past only."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common.rows import Floats, Rows
from personalize_local.recipes.ltr.boosting import Plan
from personalize_local.recipes.ltr.fitting import ALIKE, LEAST, Case, gain, learned
from personalize_local.recipes.ltr.trees import Rankers, Trees
from personalize_local.recipes.user_personalization.baskets import Moments, Split
from personalize_local.recipes.user_personalization.features import NAMES
from personalize_local.recipes.user_personalization.model import PersonalModel

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
DEEP = Plan(rate=0.15)
"""How trees that ask a network are boosted: they have more to say, and want longer steps."""
CUTS = (0.9, 0.8, 0.7, 0.6)
"""Shares of the rows that are the past: a later cut first, earlier ones where that gives too few lists."""

KINDS = ("trees", "new", "more")
"""The rankers that learn from moments of users with a history."""
_Lists = dict[str, list[Case]]
"""Lists by the trees that learn from them."""


def splits(rows: Rows) -> list[Split]:
    """Cut the rows by time if enough users go on after the cut; else (times are no clock) before each last moment."""
    users = int(np.max(rows.user)) + 1
    first = rows.begins()
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


def learn(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]
) -> tuple[Rankers, bool]:
    """Trees that correct the counted order; none where held-out users' next items don't come up sooner by them.

    Also whether they ask a network: only where `count` trains one, and lists gain by it more than their standard error.
    """
    training: _Lists = {kind: [] for kind in KINDS}
    asked: _Lists = {kind: [] for kind in KINDS}
    held_out = np.random.default_rng(11).permutation(int(np.max(rows.user)) + 1) % HELD_OUT == 0
    for user, kind, case in _cases(snapshot, rows, splits, count):
        (asked if held_out[user] else training)[kind].append(case)
    counted = _without_network(asked)
    plain = _rankers(_without_network(training), counted)
    if all(case.counted is None for case in asked["trees"]):
        return plain, False
    deep = _rankers(training, asked, DEEP)
    more = _gains(deep, asked) - _gains(plain, counted)
    better = float(more.mean()) > float(more.std()) / len(more) ** 0.5
    return (deep, True) if better else (plain, False)


def _rankers(training: _Lists, asked: _Lists, plan: Plan | None = None) -> Rankers:
    return Rankers(
        **{
            kind: learned(cases, asked[kind], ALIKE if kind == "trees" else 0.0, plan=plan)
            for kind, cases in training.items()
        }
    )


def _without_network(lists: _Lists) -> _Lists:
    return {kind: [case.without_network(len(NAMES)) for case in cases] for kind, cases in lists.items()}


def _gains(rankers: Rankers, lists: _Lists) -> Floats:
    """[lists] how good the order of each is."""
    trees = {"trees": rankers.trees, "new": rankers.for_new, "more": rankers.more}
    return np.array([_gain(trees[kind], case) for kind, cases in lists.items() for case in cases])


def _gain(trees: Trees | None, case: Case) -> float:
    return gain(case, case.offset if trees is None else case.offset + trees.predict(case.features))


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
