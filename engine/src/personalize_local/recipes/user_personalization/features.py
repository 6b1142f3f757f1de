# SPDX-License-Identifier: Apache-2.0
"""Candidates and features of the ranker: the score of each simple source, and facts of item and user (numpy only).

The same code makes the features of training and those of an answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common import repeat_features, seasons
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.recency_windows import WINDOWS, WindowCounts
from personalize_local.recipes.common.repeat_features import DAY, Past
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import POSITIVE, Places, Scores, best
from personalize_local.recipes.sequence.model import SequenceModel
from personalize_local.recipes.user_personalization.ease import Weights

SOURCES = ("follow", "near", "walk", "factor", "content", "prior", "recent", "basket", "ease")
CANDIDATES: Mapping[str, int] = {
    "follow": 60,
    "near": 40,
    "walk": 30,
    "factor": 30,
    "content": 30,
    "prior": 20,
    "recent": 20,
    "basket": 60,
    "ease": 60,
    "mixed": 60,
    "sequence": 60,
}
"""The best items of each source that the ranker sees; `sequence` is the deep tier's."""
OWN_ITEMS = 60
"""The user's own latest items that it sees."""
LATEST = 50
"""The user's latest interactions that the sources start from."""
SESSION = 3600.0
"""Seconds after an interaction for which its basket may go on."""
BEFORE_LAST = (1, 2)
"""Baskets before the last one whose newest item has features of its own."""
STANDING = ("newest", "place", "baskets")
"""Means over an item's interactions: how new, how far on in the user's baskets, the logarithm of how many these are."""
CATEGORIES = 12
"""The user's categories that bring candidates."""
NAMES = (
    *(f"{source} {kind}" for source in SOURCES for kind in ("score", "relative")),
    "last follow",
    "last near",
    "last content",
    "basket near",
    "popularity",
    "recent popularity",
    "age",
    *(f"{kind} of window {number}" for number in range(len(WINDOWS)) for kind in ("share", "growth")),
    *repeat_features.NAMES,
    "returns",
    "item gap",
    "category times",
    "category since",
    *repeat_features.USER_NAMES,
    "tilt",
    "mixed",
    "mixed relative",
    *STANDING,
    "share of category",
    "last category",
    "share of own category",
    *(f"near of last but {back}" for back in BEFORE_LAST),
    "step",
    "step share",
)
"""The features by name, in the order of columns: trees know them by number."""
DEEP_NAMES = ("sequence score", "sequence relative")
"""The deep tier's features, after NAMES."""
MIXED = NAMES.index("mixed")
TRUST = 0.5
"""The trees start from the counted scores to this power: 1 trusts them wholly, 0 starts from nothing."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The simple models."""

    near: SparseRows
    """Co-occurrence within users, in any order."""
    walk: SparseRows
    """Items two steps of `near` away."""
    basket: SparseRows
    """Co-occurrence within baskets."""
    ease: Weights
    factors: npt.NDArray[np.float32]
    """[items, dimensions] item vectors; similar items point the same way."""
    content: Content
    seen: npt.NDArray[np.float32]
    """[items] interactions."""
    recent: npt.NDArray[np.float32]
    """[items] share of the newest interactions over the share of all."""
    created: npt.NDArray[np.float64]
    returns: npt.NDArray[np.float32]
    gaps: npt.NDArray[np.float32]
    """[items] days until users come back to an item."""
    windows: WindowCounts
    sequence: SequenceModel | None
    """The deep tier's network; None in other tiers."""
    step: SparseRows | None
    """What is taken in the basket after an item, as counted; None in models without rankers, which alone read it."""
    standing: npt.NDArray[np.float32]
    """[STANDING, items]."""
    of_category: npt.NDArray[np.float64]
    """[categories] interactions with the items of which each is the rarest category."""

    @classmethod
    def from_arrays(cls, files: Arrays, content: Content) -> Self:
        seen, rarest = np.asarray(files["seen"], np.float32), content.rarest
        some = rarest >= 0
        return cls(
            near=SparseRows.from_arrays(files, "near"),
            walk=SparseRows.from_arrays(files, "walk"),
            basket=SparseRows.from_arrays(files, "together"),
            ease=np.asarray(files["ease"]),
            factors=np.asarray(files["factors"]),
            content=content,
            seen=seen,
            recent=np.asarray(files["recent"]),
            created=np.asarray(files["created"]),
            returns=np.asarray(files["returns"]),
            gaps=np.asarray(files["gaps"]),
            windows=np.asarray(files["windows"]),
            sequence=SequenceModel.from_arrays(files),
            step=SparseRows.from_arrays(files, "step") if "step.start" in files else None,
            standing=np.asarray(files["standing"]),
            of_category=np.bincount(rarest[some], seen[some], minlength=content.size).astype(np.float64),
        )


@dataclass(frozen=True, slots=True)
class SourceScores:
    """[items] the scores of the simple models that need no ranker."""

    follow: Scores
    """What follows the latest items."""
    last_follow: Callable[[], Scores]
    """What follows the latest item."""
    content: Scores
    """Similarity to the latest items by their categories."""
    ease: Scores
    """What all of the user's items suggest together."""
    prior: Scores
    """Popularity among users with the same metadata."""
    mixed: Scores
    """The recipe's answer without a ranker, made of all these; the trees start from it."""
    tilts: tuple[Scores | None, Scores | None] = (None, None)
    """How much more often the query's context chooses an item; and the same for what sold lately, which is of the
    season at the end of the training already. None: no context."""
    by_rule: Mapping[str, Scores] = field(default_factory=dict)
    """Scores that the plain rules take over: `counted` (the answer without them), `follow` and `ease`."""
    since: Scores | None = None
    """What has followed the latest item since the training; None: nothing happened."""


class UserView:
    """The whole catalogue from the view of one user at one time."""

    def __init__(self, sources: Sources, past: Past, scores: SourceScores, windows: WindowCounts | None = None) -> None:
        self._sources, self.past, self.scores = sources, past, scores
        self._windows = sources.windows if windows is None else windows

    @cached_property
    def _by_source(self) -> Mapping[str, Scores]:
        sources, counted, count = self._sources, self.scores, len(self.scores.prior)
        items, weights = self.past.latest(LATEST)
        factors = sources.factors
        factor = np.maximum(factors @ ((weights**0.5).astype(np.float32) @ factors[items]), 0.0).astype(np.float64)
        # The middle window, and a little of the long one for items without recent interactions.
        recent: Scores = self._windows[1] + 0.25 * self._windows[2].astype(np.float64)
        return {
            "follow": counted.follow,
            "near": sources.near.weighted(items, weights**0.5, count),
            "walk": sources.walk.weighted(items, weights, count),
            "factor": factor,
            "content": counted.content * (sources.seen > 0) if sources.content.size else counted.content,
            "prior": counted.prior,
            "recent": recent,
            "basket": self._of_basket(sources.basket),
            "ease": counted.ease,
            "mixed": counted.mixed,
            **({} if sources.sequence is None else {"sequence": sources.sequence.probabilities(self.past)}),
        }

    def _of_basket(self, source: SparseRows) -> Scores:
        """[items] what goes with the newest basket."""
        basket = self.past.last_basket(LATEST)
        return source.weighted(basket, np.ones(len(basket)), len(self.scores.prior))

    @cached_property
    def unknown(self) -> npt.NDArray[np.bool_]:
        """[items] whether each is new to the user."""
        mask = np.ones(len(self.scores.prior), bool)
        mask[self.past.items] = False
        return mask

    def basket_goes_on(self, now: float, latest: float) -> float:
        """Return how likely the user's newest basket is unfinished."""
        if seasons.is_replay(now, latest):
            return 0.5
        return float(now - self.past.times[-1] <= SESSION)

    def all_new(self, items: Places) -> bool:
        return bool(self.unknown[items].all())

    def candidates(self, allowed: npt.NDArray[np.bool_] | None, *, deep: bool = True) -> Places:
        """Return the best allowed items of each source and the user's own, by position; with `deep`, the network's."""
        chosen = np.zeros(len(self.scores.prior), bool)
        chosen[self.past.items[-OWN_ITEMS:]] = True
        for name, scores in self._by_source.items():
            if deep or name != "sequence":
                chosen[best(scores, allowed, CANDIDATES[name], POSITIVE)] = True
        if allowed is not None:
            chosen &= allowed
        return np.flatnonzero(chosen)

    def features(self, candidates: Places) -> npt.NDArray[np.float32]:
        """[candidates, NAMES, then DEEP_NAMES if there is a network] the features of the trees."""
        sources, past, tilt = self._sources, self.past, self.scores.tilts[0]
        columns = [column for name in SOURCES for column in self._source_features(name, candidates)]
        columns += self._latest_features(candidates) + self._item_features(candidates)
        columns += past.repeat_features(candidates, sources.gaps, len(self.scores.mixed))
        columns += [sources.returns[candidates], sources.gaps[candidates]]
        columns += past.category_features(candidates, sources.content.rarest)
        ones = np.ones(len(candidates))
        columns += [ones * fact for fact in past.user_features(sources.seen)]
        columns += [ones if tilt is None else tilt[candidates]]
        columns += self._source_features("mixed", candidates)
        if sources.step is not None:
            columns += [*sources.standing[:, candidates], *self._category_features(candidates)]
            columns += self._step_features(candidates, sources.step)
        if sources.sequence is not None:
            columns += self._source_features("sequence", candidates)
        return np.array(columns, np.float32).T

    def _source_features(self, name: str, candidates: Places) -> list[npt.NDArray[Any]]:
        """Return a source's score of each candidate, and that as a share of its best score."""
        scores = self._by_source[name]
        some = scores[candidates]
        return [some, some / max(float(scores.max()), 1e-12)]

    def _latest_features(self, candidates: Places) -> list[npt.NDArray[Any]]:
        """Return the scores by the newest item and the newest basket."""
        last, content = self.past.items[-1:], self._sources.content
        return [
            self.scores.last_follow()[candidates],
            self._sources.near.at(int(last[0]), candidates),
            content.affinity_of(candidates, content.profile(last, np.ones(1))),
            self._of_basket(self._sources.near)[candidates],
        ]

    def _category_features(self, candidates: Places) -> list[npt.NDArray[Any]]:
        """Return what the candidates' rarest categories say: -1 without one."""
        content, seen, items = self._sources.content, self._sources.seen, self.past.items
        of_candidate, of_item = content.rarest[candidates], content.rarest[items]
        some, category = of_candidate >= 0, np.maximum(of_candidate, 0)
        if not content.size:
            return [np.full(len(candidates), -1.0)] * 3
        sold, taken = self._sources.of_category[category], np.bincount(of_item[of_item >= 0], minlength=content.size)
        return [
            np.where(some, seen[candidates] / np.maximum(sold, 1.0), -1.0),
            np.where(some, of_candidate == of_item[-1], -1.0),
            np.where(some, taken[category] / len(items), -1.0),
        ]

    def _step_features(self, candidates: Places, step: SparseRows) -> list[npt.NDArray[Any]]:
        """Return the scores by items of baskets before the last, and how often the last item led to each candidate."""
        last, sources = int(self.past.items[-1]), self._sources
        columns = [
            sources.near.at(int(item[0]), candidates) if len(item) else np.full(len(candidates), -1.0)
            for item in map(self.past.of_basket_before, BEFORE_LAST)
        ]
        followed: npt.NDArray[Any] = step.at(last, candidates)
        seen, since = float(sources.seen[last]), self.scores.since
        if since is not None:
            followed, seen = followed + since[candidates], seen + float(since.sum())
        return [*columns, followed, followed / max(seen, 1.0)]

    def _item_features(self, candidates: Places) -> list[npt.NDArray[Any]]:
        """Return popularity, age and growth: each window in proportion to the whole time."""
        sources = self._sources
        seen, total = sources.seen[candidates], max(float(sources.seen.sum()), 1.0)
        columns: list[npt.NDArray[Any]] = [
            seen,
            sources.recent[candidates],
            (self.past.now - sources.created[candidates]) / DAY,
        ]
        for window in self._windows:
            recent, part = window[candidates], max(float(window.sum()) / total, 1e-9)
            columns += [recent / part, (recent + 1.0) / (seen * part + 1.0)]
        return columns


def offset(mixed: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the score that the trees start from, made of the mixed scores."""
    start: npt.NDArray[np.float64] = TRUST * np.log(np.maximum(mixed.astype(np.float64), 1e-12))
    return start
