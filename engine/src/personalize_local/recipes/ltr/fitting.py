# SPDX-License-Identifier: Apache-2.0
"""From lists with known choices to trees that rank such lists, or none where counting is as good."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.rows import Mask
from personalize_local.recipes.ltr.boosting import Lists, Plan, boost
from personalize_local.recipes.ltr.trees import Trees

NEGATIVES = 50
"""Items that were not chosen, in each training list."""
DEPTH = 10
"""Places that NDCG counts."""
DISCOUNT = 1.0 / np.log2(np.arange(2, DEPTH + 2))
TOLERANCE = 0.5
"""Standard errors by which a gain may be below the best and still count as equal, where there is much to learn."""
MIN_LISTS = 50
"""Lists below which nothing is learned."""


@dataclass(frozen=True, slots=True)
class TrainingList:
    """Candidates before a basket: their features, the score that the trees start from, and what was chosen."""

    features: npt.NDArray[np.float32]
    offset: npt.NDArray[np.float64]
    """[candidates]."""
    chosen: Mask
    missed: int
    """Chosen items that are no candidates."""
    counted: Mask | None = None
    """The candidates that counting alone brings up; None: all of them."""

    def without_network(self, columns: int) -> "TrainingList":
        """Return the list without the deep tier, whose features come after the first `columns`."""
        if self.counted is None:
            return self
        kept, lost = self.counted, int(self.chosen[~self.counted].sum())
        return TrainingList(self.features[kept, :columns], self.offset[kept], self.chosen[kept], self.missed + lost)


def fit_trees(
    training: Sequence[TrainingList],
    held_out: Sequence[TrainingList],
    tolerance: float = 0.0,
    *,
    even: bool = False,
    plan: Plan | None = None,
) -> Trees | None:
    """Fit trees, as many as rank the held-out lists best; None if the lists' own scores are as good.

    `tolerance`: standard errors by which more trees may be worse and still be kept. `even`: whether all lists weigh
    the same; else as much as NDCG weighs them, large baskets more.
    """
    if len(training) < MIN_LISTS or len(held_out) < MIN_LISTS // 5:
        return None
    trees = boost(sampled_lists(training, even=even), plan or Plan())
    return trees.first(_best_length(trees, held_out, tolerance))


def sampled_lists(lists: Sequence[TrainingList], *, even: bool) -> Lists:
    """Concatenate lists for boosting: all that was chosen, and NEGATIVES at most; `even` as in `fit_trees`."""
    random = np.random.default_rng(5)
    kept = []
    for each in lists:
        negatives = np.flatnonzero(~each.chosen)
        if len(negatives) > NEGATIVES:
            negatives = random.choice(negatives, NEGATIVES, replace=False)
        if each.chosen.any():
            kept.append((each, np.concatenate((np.flatnonzero(each.chosen), negatives))))
    features = np.concatenate([each.features[rows] for each, rows in kept])
    offset = np.concatenate([each.offset[rows] for each, rows in kept])
    chosen = np.concatenate([each.chosen[rows] for each, rows in kept]).astype(np.float64)
    starts = np.cumsum([0, *(len(rows) for _, rows in kept)])[:-1]
    weight = np.array([each.chosen.sum() / ideal_gain(int(each.chosen.sum()) + each.missed) for each, _ in kept])
    weight = np.ones(len(kept)) if even else weight / weight.mean()
    return Lists(features, chosen, offset, starts.astype(np.intp), weight)


def _best_length(trees: Trees, held_out: Sequence[TrainingList], tolerance: float) -> int:
    """Return the number of trees (in fives) that ranks the held-out lists best, or as well within the tolerance.

    0, the lists' own scores, unless the gain is larger than its standard error. Of lengths that are equal within the
    tolerance, the longest: the best of many on a few lists is best by luck.
    """
    gains = []
    for each in held_out:
        stages = trees.stages(each.features)[4::5]
        gains.append([ndcg(each, each.offset), *(ndcg(each, each.offset + stage) for stage in stages)])
    by_length = np.array(list(zip(*gains, strict=True)))
    better = by_length - by_length[0]
    mean = better.mean(axis=1)
    best = int(np.argmax(mean))
    error = float(better[best].std()) / len(held_out) ** 0.5
    return 5 * int(np.flatnonzero(mean >= mean[best] - tolerance * error)[-1]) if mean[best] > error else 0


def ndcg(each: TrainingList, score: npt.NDArray[np.float64]) -> float:
    """Return the NDCG of the first DEPTH candidates by score; ties count against the model."""
    order = np.lexsort((each.chosen, -score))[:DEPTH]
    found = DISCOUNT[: len(order)][each.chosen[order]].sum()
    return float(found / ideal_gain(int(each.chosen.sum()) + each.missed))


def ideal_gain(wanted: int) -> float:
    """Return the discounted gain of the best order of a list with so many wanted items."""
    return float(DISCOUNT[:wanted].sum())
