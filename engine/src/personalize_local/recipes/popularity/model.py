# SPDX-License-Identifier: Apache-2.0
"""Popularity, overall, recent, in first baskets and by metadata: the answer without a history (numpy only)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common.repeat_features import DAY
from personalize_local.recipes.common.topk import Places, Scores, best
from personalize_local.recipes.ltr.trees import Trees

HALF_LIVES = (1 / 90, 1 / 36, 1 / 13, 1 / 4)
"""As shares of the data's span (a year at most): four days, ten days, four weeks, three months."""
BASE = 1
"""The half-life that the base scores take."""
RECENT = 2
"""The half-life of recent popularity within a group."""
FIRST_PRIOR = 100.0
"""Pseudo-counts of popularity among first interactions: a basket or two say little."""
SHRINKAGES = (3.0, 20.0)
"""Pseudo-counts, light and strong, that a lift is shrunk by."""
GROUP_PRIOR = 50.0
"""Pseudo-counts of overall popularity in a group."""
COMMON = 0.75
"""Share of a column's interactions above which a value is the usual one."""
TOP = 50
"""How many of the best items of each kind of popularity are put in order."""
NAMES = (
    *(f"{kind} share by {number}" for number in range(len(HALF_LIVES)) for kind in ("whole", "first")),
    "group share",
    "recent group share",
    *(f"lift shrunk by {shrinkage:g}" for shrinkage in SHRINKAGES),
    "group size",
    "age",
    "popularity",
    "base",
)
SOURCES = 2 * len(HALF_LIVES) + 2
"""Popularities that are mixed: overall and in first baskets by half-life, as in `NAMES`, of all time, and that in the
same weeks of earlier years."""
STRANGERS = tuple(0.5 if source in {2 * BASE, 2 * BASE + 1} else 0.0 for source in range(SOURCES))
"""The mixture for users without metadata, if too few new users exist to fit one."""
_NONE = (0.0,) * SOURCES
GROUPS = (*_NONE, *(0.5 * share for share in STRANGERS), *_NONE, 0.25, 0.25)
"""The same for users with metadata: shares of SOURCES, of SOURCES times the tempered lifts of their values (columns
overlap), of SOURCES times the full lifts, and of two group shares."""
LEAST_SHARE = 0.01
"""Shares below it are left out: each costs time in every answer."""
_ARRAYS = (
    "whole",
    "first",
    "total",
    "year",
    "groups",
    "recent",
    "created",
    "spans",
    "of_context",
    "strangers",
    "with_metadata",
)


@dataclass
class GroupPopularity:
    """Decayed counts at one time; training moves it through time, serving takes it as it is at the end."""

    time: float
    """Unix epoch seconds."""
    whole: npt.NDArray[np.float64]
    """[half-lives, items] interactions."""
    first: npt.NDArray[np.float64]
    """[half-lives, items] interactions of users' first baskets."""
    total: npt.NDArray[np.float64]
    """[items] interactions, not decayed."""
    year: npt.NDArray[np.float64]
    """[items] interactions in the same weeks of earlier years."""
    groups: npt.NDArray[np.float32]
    """[values, most popular items] interactions by value of users' metadata and of context, not decayed."""
    recent: npt.NDArray[np.float32]
    """[values, most popular items] the same, decayed."""
    created: npt.NDArray[np.float64]
    """[items] Unix epoch seconds."""
    spans: npt.NDArray[np.int64]
    """[columns, 2] the first value of each column of users' metadata, then of context, and the one after its last."""
    of_context: npt.NDArray[np.int64]
    """[1] how many of the columns are context."""
    strangers: npt.NDArray[np.float64] = field(default_factory=lambda: np.array(STRANGERS))
    """[SOURCES] shares that held-out newcomers chose; see STRANGERS."""
    with_metadata: npt.NDArray[np.float64] = field(default_factory=lambda: np.array(GROUPS))
    """[3 * SOURCES + 2] the same; see GROUPS."""

    @classmethod
    def empty(
        cls, time: float, lifted: int, created: npt.NDArray[np.float64], spans: npt.NDArray[np.int64], of_context: int
    ) -> Self:
        """Start without interactions; groups will be counted over the `lifted` most popular items."""
        items = len(created)
        decayed = np.zeros((len(HALF_LIVES), items))
        groups = np.zeros((int(spans.max(initial=0)), min(lifted, items)), np.float32)
        none, context = np.zeros(items), np.array([of_context])
        return cls(time, decayed, decayed, none, none, groups, groups, created, spans, context)

    @cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """[2 * half-lives, items] popularity, and popularity in first baskets, for each half-life in turn."""
        even = (self.total + 1e-3) / (self.total.sum() + 1e-3 * len(self.total))
        shares = []
        for whole, first in zip(self.whole, self.first, strict=True):
            popular = (whole + 0.1 * even) / (whole.sum() + 0.1)
            shares += [popular, (first + FIRST_PRIOR * popular) / (first.sum() + FIRST_PRIOR)]
        return np.stack(shares)

    @cached_property
    def sources(self) -> npt.NDArray[np.float64]:
        """[SOURCES, items] each adds up to 1."""
        even = (self.total + 1e-3) / (self.total.sum() + 1e-3 * len(self.total))
        return np.vstack((self.shares, even, (self.year + 0.1 * even) / (self.year.sum() + 0.1)))

    @cached_property
    def _base(self) -> Scores:
        base: Scores = self.strangers @ self.sources
        return base

    @cached_property
    def _top(self) -> Places:
        return np.unique(np.argpartition(-self.shares, min(TOP, len(self.total) - 1), axis=1)[:, :TOP])

    @cached_property
    def _expected(self) -> npt.NDArray[np.float64]:
        """[most popular items] share of all interactions."""
        counts = self.total[: self.groups.shape[1]]
        share: npt.NDArray[np.float64] = counts / max(float(self.total.sum()), 1.0)
        return share

    def base(self, codes: Sequence[int]) -> Scores:
        """[items] what users with these values of metadata and context take, by counting alone; adds up to 1."""
        codes = self._unusual(codes)
        if self.of_context[0]:
            tilted: Scores = self._in_context * self._all_lifts(codes, SHRINKAGES[1])
            return tilted / float(tilted.sum())
        scores = self._base.copy() if not codes else self._mixed(codes)
        scores /= scores.sum()
        return scores

    def _mixed(self, codes: Sequence[int]) -> Scores:
        plain, tempered, whole, groups = np.split(self.with_metadata, (SOURCES, 2 * SOURCES, 3 * SOURCES))
        scores: Scores = plain @ self.sources
        for shares, lift in zip((tempered, whole), self._both_lifts(codes), strict=True):
            some = np.flatnonzero(shares)
            if len(some):
                scores += (shares[some] / (self.sources[some] @ lift)) @ self.sources[some] * lift
        for share, recent in zip(groups.tolist(), (False, True), strict=True):
            if share:
                scores += share * self._group_share(codes, recent=recent)
        return scores

    def by_source(self, codes: Sequence[int], items: Places) -> npt.NDArray[np.float64]:
        """[3 * SOURCES + 2, items] what `with_metadata` mixes, for some items."""
        codes = self._unusual(codes)
        some = self.sources[:, items]
        lifted = [some * lift[items] / (self.sources @ lift)[:, None] for lift in self._both_lifts(codes)]
        groups = [self._group_share(codes, recent=recent)[items] for recent in (False, True)]
        return np.vstack((some, *lifted, *groups))

    def _both_lifts(self, codes: Sequence[int]) -> tuple[Scores, Scores]:
        """[items] the lifts of some values, tempered and whole."""
        tempered = self._all_lifts(codes, SHRINKAGES[1])
        return tempered, tempered ** max(len(codes), 1) ** 0.5

    def scores(self, codes: Sequence[int], trees: Trees | None, online: Scores | None = None) -> Scores:
        """[items] the base scores, with the best items reordered by trees; `online`: interactions [items] since."""
        scores = self.base(codes)
        if online is not None:
            trained = float(self.whole[BASE].sum())
            scores = (trained * scores + online) / (trained + float(online.sum()))
        if trees is None:
            return scores
        candidates = self.candidates(scores)
        weight = np.exp(offset(scores[candidates]) + trees.predict(self.features(codes, candidates, scores)))
        scores[candidates] = (scores[candidates].sum() / weight.sum()) * weight
        return scores

    def candidates(self, scores: Scores) -> Places:
        """Return the best items of each kind of popularity and of base scores, in order of position."""
        return np.union1d(self._top, best(scores, None, 2 * TOP))

    def features(self, codes: Sequence[int], candidates: Places, scores: Scores) -> npt.NDArray[np.float32]:
        """[candidates, NAMES] the features of the trees."""
        codes = self._unusual(codes)
        columns: list[npt.NDArray[Any]] = list(self.shares[:, candidates])
        columns += [self._group_share(codes, recent=recent)[candidates] for recent in (False, True)]
        columns += [self._all_lifts(codes, shrinkage)[candidates] for shrinkage in SHRINKAGES]
        size = float(self.groups[codes].sum(axis=1).min()) / max(float(self.total.sum()), 1.0) if codes else 1.0
        columns += [np.full(len(candidates), size), (self.time - self.created[candidates]) / DAY]
        columns += [self.total[candidates], scores[candidates]]
        return np.stack(columns, axis=1).astype(np.float32)

    @cached_property
    def _in_context(self) -> Scores:
        """[items] all-time share times recent growth, relative to what recent contexts predict.

        What sells in winter does not grow because it is winter: a query of June has no use for that.
        """
        share = (self.total + 1e-3) / (self.total.sum() + 1e-3 * len(self.total))
        recent, width = self.whole[RECENT], self.groups.shape[1]
        usual = share * recent.sum()
        expected = usual.copy()
        for start, stop in self.spans[len(self.spans) - int(self.of_context[0]) :].tolist():
            groups = self.groups[start:stop].astype(np.float64) + GROUP_PRIOR * share[:width]
            groups *= (self.recent[start:stop].sum(axis=1) / groups.sum(axis=1))[:, None]
            expected[:width] *= groups.sum(axis=0) / np.maximum(self.recent[start:stop].sum() * share[:width], 1e-12)
        growth: Scores = share * (recent + FIRST_PRIOR) / (expected + FIRST_PRIOR)
        return growth

    def _all_lifts(self, codes: Sequence[int], shrinkage: float) -> Scores:
        lift = np.ones(len(self.total))
        lift[: self.groups.shape[1]] = self._lift(codes, shrinkage)
        return lift

    def _lift(self, codes: Sequence[int], shrinkage: float) -> npt.NDArray[np.float64]:
        """[most popular items] how much more often these values choose an item than all do, multiplied.

        The product is tempered, because the columns of a user overlap in what they say.
        """
        lift = np.ones(self.groups.shape[1])
        for code in codes:
            group, rare = self.groups[code].astype(np.float64), self._rare.get(code)
            usual = (
                1.0 if rare is None else (rare[0] + GROUP_PRIOR) / (self._expected * float(rare[0].sum()) + GROUP_PRIOR)
            )
            lift *= (group + shrinkage * usual) / (self._expected * float(group.sum()) + shrinkage)
        tempered: npt.NDArray[np.float64] = lift ** (max(len(codes), 1) ** -0.5)
        return tempered

    def _group_share(self, codes: Sequence[int], *, recent: bool) -> Scores:
        """[items] share among those with one of these values, shrunk towards popularity; the mean of the values.

        A rare value's share is shrunk towards that of all rare values of its column.
        """
        if not codes:
            return self._base
        share = np.zeros(len(self._base))
        for code in codes:
            rare = self._rare.get(code)
            usual = self._base if rare is None else _shrunk(rare[recent], self._base)
            share += _shrunk((self.recent if recent else self.groups)[code], usual)
        return share / len(codes)

    def _unusual(self, codes: Sequence[int]) -> list[int]:
        """Drop the values of a large majority, which say no more than overall popularity."""
        common = {usual for usual, _ in self._majorities}
        return [code for code in codes if code not in common]

    @cached_property
    def _majorities(self) -> list[tuple[int, Places]]:
        """The usual value and the rare ones of each column that has a usual value."""
        majorities = []
        for start, stop in self.spans.tolist():
            sizes = self.groups[start:stop].sum(axis=1, dtype=np.float64)
            common = start + int(sizes.argmax())
            if sizes.max() > COMMON * sizes.sum():
                majorities.append((common, np.array([code for code in range(start, stop) if code != common], np.intp)))
        return majorities

    @cached_property
    def _rare(self) -> dict[int, tuple[Scores, Scores]]:
        """[most popular items] for each rare value, the interactions of all rare values of its column, and recent ones.

        Users without the usual value are alike in that, so the rare values of a column share their evidence.
        """
        of_rare: dict[int, tuple[Scores, Scores]] = {}
        for _, rare in self._majorities:
            whole, recent = (table[rare].sum(axis=0, dtype=np.float64) for table in (self.groups, self.recent))
            of_rare |= dict.fromkeys(rare.tolist(), (whole, recent))
        return of_rare

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {f"popularity.{name}": getattr(self, name) for name in _ARRAYS}
        return {"popularity.time": np.array([self.time]), **arrays}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self:
        """Read what `arrays` made."""
        arrays = {name: np.asarray(files[f"popularity.{name}"]) for name in _ARRAYS}
        return cls(float(files["popularity.time"][0]), **arrays)


def _shrunk(group: npt.NDArray[Any], usual: Scores) -> Scores:
    """[items] share within a group, which counts the most popular items, shrunk towards the usual share."""
    part: Scores = GROUP_PRIOR * usual
    part[: len(group)] += group
    return part / (float(group.sum()) + GROUP_PRIOR)


def offset(scores: Scores) -> npt.NDArray[np.float64]:
    """Return the score that the trees start from: they correct the base scores."""
    return np.log(np.maximum(scores.astype(np.float64), 1e-12))
