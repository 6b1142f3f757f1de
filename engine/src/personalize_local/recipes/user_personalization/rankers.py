# SPDX-License-Identifier: Apache-2.0
"""Training of the rankers for users with a history, by lists of candidates before their baskets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.rows import Rows, renumbered
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.ltr.boosting import Plan
from personalize_local.recipes.ltr.fitting import FOLDS, MIN_LISTS, Fitted, TrainingList, cross_fit
from personalize_local.recipes.ltr.splits import ENOUGH, Split
from personalize_local.recipes.ltr.trees import Rankers
from personalize_local.recipes.sequence.learner import Learner
from personalize_local.recipes.sequence.training import Counted, Learned
from personalize_local.recipes.user_personalization.features import NAMES
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.training_lists import BasketLists, Draw

LISTS = (1700, ENOUGH)
"""Rankers learn from as many baskets as there are users or more, within these bounds: cost grows slower than data."""
TAKEN, TAKEN_A_USER = (10_000, 20_000), 3
"""The baskets have at least so many items for each user, within these bounds: of small baskets more are needed."""
NEW = 2
"""Where users come back to items, one basket in so many also teaches the order of new items."""
MORE = 5_000
"""Baskets of several items that also teach what is missing in a begun one: a bound on cost, as of LISTS."""
FRESH = 0.5
"""Share of the baskets whose recency windows end at the basket; the others' end at the cut.

A shop that streams its events answers from the former, one that only drops files from something like the latter.
"""
DEEP = Plan(rate=0.15, columns=0.5)
"""For trees with the network's features, which have more to correct."""
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
        """Average what lists gain, `more` [lists], first over the lists of each `user` [lists]."""
        if not len(user):
            return cls(0.0, 0.0, 0)
        number = np.unique(user, return_inverse=True)[1]
        gained = np.bincount(number, more) / np.bincount(number)
        return cls(float(gained.mean()), float(gained.std()) / len(gained) ** 0.5, len(gained))

    @property
    def sure(self) -> bool:
        """Whether the gain exceeds its standard error: a confidence of 84 %."""
        return self.mean > self.error

    @property
    def possible(self) -> bool:
        """Whether its upper bound, of one standard error, promises anything."""
        return self.mean + self.error > 0

    @property
    def expected(self) -> float:
        """What other users will gain: chosen for its size, the mean flatters, and is shrunk as in `cross_fit`."""
        return self.mean - self.error**2 / self.mean if self.sure else 0.0

    def __str__(self) -> str:
        seen = f"{self.mean:+.4f} ± {self.error:.4f} for {self.users:,} users"
        return f"{self.expected:+.4f} NDCG expected ({seen})" if self.sure else f"no sure gain in NDCG ({seen})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What held-out lists decided about rankers."""

    rankers: Rankers
    network: Learned | None = None
    """The one that the rankers use."""
    gain: Gain | None = None
    """What a network is worth; None where none was tried."""


def train(
    snapshot: Snapshot,
    rows: Rows,
    splits: Sequence[Split],
    count: Callable[[Rows], PersonalModel],
    learner: Learner | None = None,
) -> Outcome:
    """Fit trees that correct the counted order, as far as users' next items rank higher by them.

    With a learner also try a network, on the lists of the latest cut, since those of each earlier one would need a
    network of their own. A short trial comes first; only if its gain may be positive does the network train on.
    """
    trials: list[_Trial] = []

    def model_of(split: Split) -> PersonalModel:
        past = rows.where(split.before)
        model = count(past)
        if learner is None or split is not splits[0] or len(split.baskets) < MIN_LISTS:
            return model
        trials.append(_Trial(learner, counted(snapshot, past, model), model))
        return trials[0].model

    fold = np.random.default_rng(11).permutation(int(np.max(rows.user)) + 1) % FOLDS
    drawn = _Drawn.of(snapshot, rows, splits, model_of, fold)
    plain = {PRIMARY: drawn.plain(PRIMARY)}
    gain = None
    if learner is not None and trials and trials[0].network is not None:
        trial, latest = trials[0], drawn.latest()
        deep = {PRIMARY: latest.deep(PRIMARY)}
        gain = latest.gain(deep[PRIMARY], plain[PRIMARY])
        while gain.possible and trial.goes_on():
            latest = _Drawn.of(snapshot, rows, splits[:1], lambda _split: trial.model, fold)
            deep = {PRIMARY: latest.deep(PRIMARY)}
            gain = latest.gain(deep[PRIMARY], plain[PRIMARY])
        if trial.network is not None and deep[PRIMARY].trees is not None and gain.sure:
            learner.enter(f"The network is taken: {gain}")
            deep |= {kind: latest.deep(kind) for kind in KINDS[1:]}
            return Outcome(_rankers(deep), trial.network, gain)
        learner.enter(f"The network is left out: {gain}")
    plain |= {kind: drawn.plain(kind) for kind in KINDS[1:]}
    return Outcome(_rankers(plain), gain=gain)


def counted(snapshot: Snapshot, rows: Rows, model: PersonalModel) -> Counted:
    """Return what a network begins with: some rows, whose items are numbered as in the snapshot, and their model."""
    files = model.files
    return Counted(
        renumbered(rows, np.array(model.positions(snapshot.items), np.int32)),
        model.items,
        Content.from_arrays(files),
        np.asarray(files["factors"]),
        SparseRows.from_arrays(files, "near"),
    )


class _Trial:
    """A network on the way to a decision."""

    def __init__(self, learner: Learner, begin: Counted, model: PersonalModel) -> None:
        self._learner, self._begin, self._plain = learner, begin, model
        self.network = learner.tried(begin)
        self._whole = learner.is_whole(begin)

    def goes_on(self) -> bool:
        """Train what the small network lacks; tell whether there is another one now."""
        if self.network is None or self._whole:
            return False
        self._whole = True
        self.network = self._learner.whole(self._begin, self.network)
        return self.network is not None

    @property
    def model(self) -> PersonalModel:
        """The model of the cut, with the network if there is one."""
        return self._plain if self.network is None else self._plain.with_arrays(self.network.model.arrays())


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Lists before baskets, and whose each is, by the ranker that learns from them."""

    lists: Mapping[str, list[TrainingList]]
    users: Mapping[str, list[int]]
    fold: npt.NDArray[np.intp]
    """[users] the part that each is in."""

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        rows: Rows,
        splits: Sequence[Split],
        model_of: Callable[[Split], PersonalModel],
        fold: npt.NDArray[np.intp],
    ) -> Self:
        drawn = cls({kind: [] for kind in KINDS}, {kind: [] for kind in KINDS}, fold)
        for user, kind, training_list in _lists(snapshot, rows, splits, model_of):
            drawn.lists[kind].append(training_list)
            drawn.users[kind].append(user)
        return drawn

    def folds(self, kind: str) -> npt.NDArray[np.intp]:
        """[lists] the part that each list's user is in."""
        return self.fold[self.users[kind]].astype(np.intp)

    def plain(self, kind: str) -> Fitted:
        """Fit trees without the network."""
        return cross_fit(
            [training_list.without_network(len(NAMES)) for training_list in self.lists[kind]], self.folds(kind)
        )

    def deep(self, kind: str) -> Fitted:
        """Fit trees with the network."""
        return cross_fit(self.lists[kind], self.folds(kind), plan=DEEP)

    def gain(self, deep: Fitted, plain: Fitted) -> Gain:
        """Compare trees with the network, which learned from these lists, with those that learned from others too."""
        return Gain.of(deep.ndcg - plain.ndcg[: len(deep.ndcg)], self.users[PRIMARY])

    def latest(self) -> Self:
        """Return the lists with the network, which come first."""
        size = {
            kind: sum(training_list.counted is not None for training_list in lists)
            for kind, lists in self.lists.items()
        }
        return type(self)(
            {kind: lists[: size[kind]] for kind, lists in self.lists.items()},
            {kind: users[: size[kind]] for kind, users in self.users.items()},
            self.fold,
        )


def _rankers(fitted: Mapping[str, Fitted]) -> Rankers:
    return Rankers(**{kind: fit.trees for kind, fit in fitted.items()})


def enough(users: int, baskets: int, items: int) -> bool:
    """Tell whether so many baskets with so many items teach the rankers of a shop with so many users enough."""
    return all(
        number >= min(max(wanted, low), high)
        for number, wanted, (low, high) in ((baskets, users, LISTS), (items, TAKEN_A_USER * users, TAKEN))
    )


def _lists(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], model_of: Callable[[Split], PersonalModel]
) -> Iterator[tuple[int, str, TrainingList]]:
    """Yield (user, ranker, list) until there are enough of them, those of the latest cut first."""
    random, made, taken, begun, users = np.random.default_rng(12), 0, 0, 0, len(rows.first_of_user())
    for split in splits:
        if not len(split.baskets):
            continue
        baskets = BasketLists(snapshot, rows, split, model_of(split))
        drawn: list[Draw] = []
        for row in random.permutation(split.baskets).tolist():
            items = len(baskets.chosen(row))
            made, taken = made + 1, taken + items
            drawn.append(Draw(row, fresh=random.random() < FRESH, new=made % NEW == 0, more=begun < MORE))
            begun += items > 1
            if enough(users, made, taken):
                break
        for draw, lists in zip(drawn, baskets.lists(drawn), strict=True):
            yield from ((int(rows.user[draw.row]), kind, training_list) for kind, training_list in lists)
        if enough(users, made, taken):
            return
