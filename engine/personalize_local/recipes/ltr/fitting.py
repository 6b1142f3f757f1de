# SPDX-License-Identifier: Apache-2.0
"""From lists with known choices to trees that put such lists in order, or none where counting is as good."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.rows import Mask
from personalize_local.recipes.ltr.boosting import Lists, Plan, boost
from personalize_local.recipes.ltr.trees import Trees

OTHERS = 50
"""Items that were not chosen, in each list of training."""
DEPTH = 10
"""Places that count."""
DISCOUNT = 1.0 / np.log2(np.arange(2, DEPTH + 2))
ALIKE = 0.5
"""Standard errors by which a gain may be less than the best and still be taken for as good, where there is much to
learn; where there is little (new items, newcomers), more trees are not."""
LEAST = 50
"""Lists below which nothing is learned."""


@dataclass(frozen=True, slots=True)
class Case:
    """One list: what the trees see of the candidates, the score that they start from, and what was chosen."""

    features: npt.NDArray[np.float32]
    offset: npt.NDArray[np.float64]
    """[candidates]."""
    chosen: Mask
    missed: int
    """Chosen items that are no candidates."""
    counted: Mask | None = None
    """Which candidates counting alone brings up; None: all of them."""

    def without_network(self, columns: int) -> "Case":
        """The same list as it is without the deep tier, whose features come after the first `columns`."""
        if self.counted is None:
            return self
        kept, lost = self.counted, int(self.chosen[~self.counted].sum())
        return Case(self.features[kept, :columns], self.offset[kept], self.chosen[kept], self.missed + lost)


def learned(
    training: Sequence[Case],
    asked: Sequence[Case],
    alike: float = 0.0,
    *,
    even: bool = False,
    plan: Plan | None = None,
) -> Trees | None:
    """Trees made from `training`, as many of them as order `asked` best; None if their own scores are as good.

    `alike`: standard errors by which more trees may be worse and still be taken. `even`: whether all lists count the
    same; else as much as NDCG makes of them, large baskets more. `plan`: how to boost.
    """
    if len(training) < LEAST or len(asked) < LEAST // 5:
        return None
    trees = boost(training_lists(training, even=even), plan or Plan())
    return trees.first(_best_length(trees, asked, alike))


def training_lists(cases: Sequence[Case], *, even: bool) -> Lists:
    """Cases as the boosting takes them: all that was chosen, and OTHERS at most; `even` as in `learned`."""
    random = np.random.default_rng(5)
    kept = []
    for case in cases:
        others = np.flatnonzero(~case.chosen)
        if len(others) > OTHERS:
            others = random.choice(others, OTHERS, replace=False)
        if case.chosen.any():
            kept.append((case, np.concatenate((np.flatnonzero(case.chosen), others))))
    features = np.concatenate([case.features[rows] for case, rows in kept])
    offset = np.concatenate([case.offset[rows] for case, rows in kept])
    chosen = np.concatenate([case.chosen[rows] for case, rows in kept]).astype(np.float64)
    starts = np.cumsum([0, *(len(rows) for _, rows in kept)])[:-1]
    weight = np.array([case.chosen.sum() / ideal(int(case.chosen.sum()) + case.missed) for case, _ in kept])
    weight = np.ones(len(kept)) if even else weight / weight.mean()
    return Lists(features, chosen, offset, starts.astype(np.intp), weight)


def _best_length(trees: Trees, asked: Sequence[Case], alike: float) -> int:
    """After how many trees (in fives) the lists of `asked` are ordered best, or as well as that can be told.

    0, their own scores, unless the gain is larger than its standard error. Of lengths between which these lists
    hardly tell, the longest: the best of many on a few lists is best by luck.
    """
    stages = trees.stages(np.concatenate([case.features for case in asked]))
    offset = np.concatenate([case.offset for case in asked])
    spans = list(pairwise(np.cumsum([0, *(len(case.chosen) for case in asked)]).tolist()))
    gains = []
    for length in range(0, len(stages) + 1, 5):
        score = offset + (stages[length - 1] if length else 0.0)
        gains.append([gain(case, score[a:b]) for case, (a, b) in zip(asked, spans, strict=True)])
    better = np.array(gains) - np.array(gains[0])
    mean = better.mean(axis=1)
    best = int(np.argmax(mean))
    error = float(better[best].std()) / len(asked) ** 0.5
    return 5 * int(np.flatnonzero(mean >= mean[best] - alike * error)[-1]) if mean[best] > error else 0


def gain(case: Case, score: npt.NDArray[np.float64]) -> float:
    """NDCG of the first DEPTH candidates by score; ties count against us."""
    order = np.lexsort((case.chosen, -score))[:DEPTH]
    found = DISCOUNT[: len(order)][case.chosen[order]].sum()
    return float(found / ideal(int(case.chosen.sum()) + case.missed))


def ideal(wanted: int) -> float:
    """The discounted gain of the best order of a list with so many wanted items."""
    return float(DISCOUNT[:wanted].sum())
