# SPDX-License-Identifier: Apache-2.0
"""Training of the rankers for users with a history, by lists of candidates before their baskets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common.rows import Rows
from personalize_local.recipes.ltr.boosting import Plan
from personalize_local.recipes.ltr.fitting import FOLDS, Fitted, TrainingList, cross_fit
from personalize_local.recipes.ltr.splits import ENOUGH, Split
from personalize_local.recipes.ltr.trees import Rankers
from personalize_local.recipes.user_personalization.features import NAMES
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.training_lists import BasketLists

LISTS = (1700, ENOUGH)
"""Least and most baskets that rankers learn from, within these as many as users: cost grows slower than the data."""
NEW = 2
"""Where users come back to items, one basket in so many also teaches the order of new items."""
FRESH = 0.5
"""Share of the baskets whose recency windows end at the basket; the others' end at the cut.

A shop that streams its events answers from the former, one that only drops files from something like the latter.
"""
DEEP = Plan(rate=0.15, columns=0.5)
"""For trees with the network's features, which have more to correct."""
BOUND = 0.8416
"""Standard errors below the mean of a normal distribution above which 80 % of it lie."""
KINDS = ("trees", "new", "more")
"""The rankers that learn from baskets of users with a history."""
PRIMARY = KINDS[0]
"""The one whose lists answer the recipes' question, what a user takes next; the others' lists are parts of that."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What a network adds to lists of users whom its rankers did not learn from."""

    mean: float
    """Mean over users of what their lists gain in NDCG: a user with many baskets counts as much as any."""
    error: float
    """Standard error of the mean; lists of one user are no evidence of others."""
    users: int

    @classmethod
    def of(cls, more: npt.NDArray[np.float64], user: Sequence[int]) -> Self:
        """Take [lists] what each list gains, and whose each is."""
        number = np.unique(user, return_inverse=True)[1]
        gained = np.bincount(number, more) / np.bincount(number)
        return cls(float(gained.mean()), float(gained.std()) / len(gained) ** 0.5, len(gained))

    @property
    def bound(self) -> float:
        """Lower bound of the mean, with a confidence of 80 %."""
        return self.mean - BOUND * self.error

    @property
    def sure(self) -> bool:
        return self.bound > 0

    def __str__(self) -> str:
        return f"{self.mean:+.4f} NDCG for {self.users:,} users, 80 % bound {self.bound:+.4f}"


def train(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]
) -> tuple[Rankers, Gain | None]:
    """Fit trees that correct the counted order, as far as users' next items rank higher by them.

    Also return what a network is worth to them, None if `count` trains none; they use it where that is not in doubt.
    """
    lists: dict[str, list[TrainingList]] = {kind: [] for kind in KINDS}
    users: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for user, kind, each in _lists(snapshot, rows, splits, count):
        lists[kind].append(each)
        users[kind].append(user)
    fold = np.random.default_rng(11).permutation(int(np.max(rows.user)) + 1) % FOLDS
    folds = {kind: fold[some].astype(np.intp) for kind, some in users.items()}
    plain = {kind: cross_fit([_without_network(e) for e in lists[kind]], folds[kind]) for kind in KINDS}
    if all(each.counted is None for each in lists["trees"]):
        return _rankers(plain), None
    deep = {kind: cross_fit(lists[kind], folds[kind], plan=DEEP) for kind in KINDS}
    gain = Gain.of(deep[PRIMARY].ndcg - plain[PRIMARY].ndcg, users[PRIMARY])
    return _rankers(deep if gain.sure else plain), gain


def _rankers(fitted: Mapping[str, Fitted]) -> Rankers:
    return Rankers(**{kind: each.trees for kind, each in fitted.items()})


def _without_network(each: TrainingList) -> TrainingList:
    return each.without_network(len(NAMES))


def _lists(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]
) -> Iterator[tuple[int, str, TrainingList]]:
    """Yield (user, ranker, list) until there are enough of them."""
    random, made = np.random.default_rng(12), 0
    most = min(max(len(rows.first_of_user()), LISTS[0]), LISTS[1])
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
