# SPDX-License-Identifier: Apache-2.0
"""From lists with known choices to trees that rank such lists, or none where counting is as good."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.processes import spread
from personalize_local.recipes.common.rows import Mask
from personalize_local.recipes.ltr.boosting import Lists, Plan, boost
from personalize_local.recipes.ltr.trees import Trees

NEGATIVES = 50
"""Items that were not chosen, in each training list."""
DEPTH = 10
"""Places that NDCG counts."""
DISCOUNT = 1.0 / np.log2(np.arange(2, DEPTH + 2))
STEP = 5
"""Sums of STEP trees, of twice as many and so on are compared."""
MIN_LISTS = 50
"""Lists below which nothing is learned."""
FOLDS, MIN_PART = 3, 10
"""Parts of the lists, and the lists with a choice that each needs: trees learn from all parts but one, and that one
judges them; the trees of all parts answer together."""


@dataclass(frozen=True, slots=True)
class TrainingList:
    """Candidates before a basket: their features, the score that the trees start from, and what was chosen."""

    features: npt.NDArray[np.float32]
    offset: npt.NDArray[np.float64]
    """[candidates] the score that the trees start from."""
    chosen: Mask
    missed: int
    """Chosen items that are no candidates."""
    counted: Mask | None = None
    """The candidates that counting alone brings up; None: all of them."""

    def without_network(self, columns: int) -> "TrainingList":
        """Return the list without the deep tier, whose features come after the first `columns`."""
        if self.counted is None:
            return self
        counted, lost = self.counted, int(self.chosen[~self.counted].sum())
        return TrainingList(
            self.features[counted, :columns], self.offset[counted], self.chosen[counted], self.missed + lost
        )


@dataclass(frozen=True, slots=True)
class Fitted:
    """Trees that rank lists, and what they are worth by lists that they did not learn from."""

    trees: Trees | None
    """The mean of the folds' trees, shrunk by the evidence for them; None where counting is as good."""
    ndcg: npt.NDArray[np.float64]
    """[lists] NDCG by trees that did not learn from the list; by counting where there are none."""


def cross_fit(
    lists: Sequence[TrainingList], fold: npt.NDArray[np.intp], *, even: bool = False, plan: Plan | None = None
) -> Fitted:
    """Fit trees to the lists outside each fold, as many as rank the lists of all folds best.

    Their gain over counting decides how far they are trusted: m the mean gain and s its standard error, their values
    count 1 - (s / m)^2 (James and Stein 1961), so that weaker evidence means less trust, not a sudden end of it.

    Args:
        lists: what there is to learn from.
        fold: [lists] 0 to FOLDS - 1, the same for all lists of a user.
        even: whether all lists weigh the same; else as much as NDCG weighs them, large baskets more.
        plan: how to boost.
    """
    parts = [np.flatnonzero(fold == part) for part in range(FOLDS)]
    chosen = np.array([training_list.chosen.any() for training_list in lists], bool)
    if len(lists) < MIN_LISTS or min(np.count_nonzero(chosen[part]) for part in parts) < MIN_PART:
        return Fitted(None, np.array([ndcg(training_list, training_list.offset[None])[0] for training_list in lists]))
    some = np.flatnonzero(chosen)
    learned = sampled_lists([lists[n] for n in some.tolist()], even=even)
    _ = learned.binned  # once, for the processes of all folds

    def judged(part: int) -> tuple[Trees, npt.NDArray[np.float64]]:
        """Return trees that learned from the other parts, and what they are worth by this one."""
        trees = boost(learned, plan or Plan(), fold[some] != part)
        return trees, _ndcg_by_length(trees, [lists[n] for n in parts[part].tolist()])

    grown = spread(judged, FOLDS)
    gains = np.zeros((len(grown[0][1]), len(lists)))
    for part, (_, gained) in zip(parts, grown, strict=True):
        gains[:, part] = gained
    length, trust = _evidence(gains)
    shrunk = Trees.mean([trees.first(STEP * length) for trees, _ in grown], trust) if trust else None
    return Fitted(shrunk, gains[length])


def sampled_lists(lists: Sequence[TrainingList], *, even: bool) -> Lists:
    """Concatenate lists for boosting: what was chosen, and at most NEGATIVES others; `even` as in `cross_fit`."""
    random = np.random.default_rng(5)
    samples = []
    for training_list in lists:
        negatives = np.flatnonzero(~training_list.chosen)
        if len(negatives) > NEGATIVES:
            negatives = random.choice(negatives, NEGATIVES, replace=False)
        if training_list.chosen.any():
            samples.append((training_list, np.concatenate((np.flatnonzero(training_list.chosen), negatives))))
    features = np.concatenate([training_list.features[rows] for training_list, rows in samples])
    offset = np.concatenate([training_list.offset[rows] for training_list, rows in samples])
    chosen = np.concatenate([training_list.chosen[rows] for training_list, rows in samples]).astype(np.float64)
    starts = np.cumsum([0, *(len(rows) for _, rows in samples)])[:-1]
    weight = np.array(
        [
            training_list.chosen.sum() / ideal_gain(int(training_list.chosen.sum()) + training_list.missed)
            for training_list, _ in samples
        ]
    )
    weight = np.ones(len(samples)) if even else weight / weight.mean()
    return Lists(features, chosen, offset, starts.astype(np.intp), weight)


def _ndcg_by_length(trees: Trees, lists: Sequence[TrainingList]) -> npt.NDArray[np.float64]:
    """[lengths, lists] NDCG with the first trees: none, STEP, twice STEP and so on."""
    gains = []
    for training_list in lists:  # one at a time: the scores of all lists would be most of the memory
        stages = trees.stages(training_list.features)[STEP - 1 :: STEP]
        gains.append(ndcg(training_list, np.vstack((training_list.offset, training_list.offset + stages))))
    return np.stack(gains, axis=1)


def _evidence(gains: npt.NDArray[np.float64]) -> tuple[int, float]:
    """Return the best length, in STEPs, and how far its trees are trusted, from 0 to 1; of equals the shortest."""
    better = gains - gains[0]
    mean = better.mean(axis=1)
    best = int(np.argmax(mean))
    error = float(better[best].std()) / gains.shape[1] ** 0.5
    return (best, 1.0 - (error / float(mean[best])) ** 2) if mean[best] > error else (0, 0.0)


def ndcg(training_list: TrainingList, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """[orders] NDCG of the first DEPTH candidates by scores [orders, candidates]; ties count against them."""
    chosen = -np.sort(-scores[:, training_list.chosen], axis=1)[:, :DEPTH]
    others = scores[:, ~training_list.chosen]
    rank = np.arange(chosen.shape[1]) + (others[:, None] >= chosen[:, :, None]).sum(axis=2)
    reached = np.where(rank < DEPTH, DISCOUNT[np.minimum(rank, DEPTH - 1)], 0.0).sum(axis=1)
    gain: npt.NDArray[np.float64] = reached / ideal_gain(int(training_list.chosen.sum()) + training_list.missed)
    return gain


def ideal_gain(wanted: int) -> float:
    """Return the discounted gain of the best order of a list with so many wanted items."""
    return float(DISCOUNT[:wanted].sum())
