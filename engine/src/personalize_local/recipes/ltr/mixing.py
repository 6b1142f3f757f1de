# SPDX-License-Identifier: Apache-2.0
"""Shares of several sources in one score, chosen by held-out lists (Jelinek and Mercer, 1980, by NDCG)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.rows import Floats, Mask, Numbers
from personalize_local.recipes.ltr.fitting import DEPTH, DISCOUNT, ideal_gain

CANDIDATES, WIDTH = 40, 320
"""The best items of each source that are candidates, and the most candidates of a list."""
STEPS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Shares that are tried."""
LEAST_GAIN = 1.002
"""A change of shares must gain so much: a smaller gain is chance."""
Shares = npt.NDArray[np.float64]
Sources = npt.NDArray[np.float64]
"""[sources, items] distributions."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Held-out lists of one question: the candidates by each source, and which of them were taken."""

    scores: npt.NDArray[np.float32]
    """[lists, candidates, sources]; -1 where a list has fewer candidates."""
    taken: Mask
    """[lists, candidates]."""
    ideal: Floats
    """[lists] the gain of the best order."""

    def gain(self, shares: Shares) -> float:
        """Return the mean NDCG."""
        return float(self.gains(shares).mean())

    def gains(self, shares: Shares) -> Floats:
        """[lists] NDCG; ties count against it."""
        score = self.scores @ shares.astype(np.float32)
        score -= 1e-6 * np.abs(score) * self.taken
        top = np.argpartition(-score, DEPTH, axis=1)[:, :DEPTH]
        order = np.argsort(-np.take_along_axis(score, top, axis=1), axis=1, kind="stable")
        found = np.take_along_axis(self.taken, np.take_along_axis(top, order, axis=1), axis=1)
        gains: Floats = (found * DISCOUNT).sum(axis=1) / self.ideal
        return gains


def lists(found: Iterable[tuple[Sources, Numbers]]) -> Lists:
    """Keep the candidates of each list: its sources, 0 for items that it may not have, and what was taken."""
    scores, takes, ideal = [], [], []
    for sources, wanted in found:
        most = min(CANDIDATES, sources.shape[1] - 1)
        best = np.unique(np.argpartition(-sources, most, axis=1)[:, :most])[:WIDTH]
        each = np.full((WIDTH, len(sources)), -1.0, np.float32)
        each[: len(best)] = sources[:, best].T
        taken = np.zeros(WIDTH, bool)
        taken[: len(best)] = np.isin(best, wanted)
        scores.append(each)
        takes.append(taken)
        ideal.append(ideal_gain(len(wanted)))
    return Lists(np.stack(scores), np.stack(takes), np.array(ideal))


def best_shares(questions: Sequence[Lists], start: int | None = None) -> Shares:
    """[sources] the shares, adding up to 1, with the best lists, each question measured by its best single source."""
    sources = questions[0].scores.shape[2]
    alone = np.array([[each.gain(share) for share in np.eye(sources)] for each in questions])
    best = np.maximum(alone.max(axis=1), 1e-9)

    def gain(shares: Shares) -> float:
        return float(np.sum([each.gain(shares) for each in questions] / best))

    order = np.argsort(-(alone / best[:, None]).sum(axis=0), kind="stable")
    shares: Shares = np.eye(sources)[order[0] if start is None else start]
    reached = gain(shares)
    for source in [*order, *order]:
        rest = np.where(np.arange(sources) == source, 0.0, shares)
        if not rest.sum():
            continue
        for step in STEPS:
            tried = (1.0 - step) * rest / rest.sum()
            tried[source] = step
            if gain(tried) > LEAST_GAIN * reached:
                shares, reached = tried, gain(tried)
    return shares
