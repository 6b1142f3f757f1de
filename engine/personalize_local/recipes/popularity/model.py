# SPDX-License-Identifier: Apache-2.0
"""What everybody takes, of late, at first and among people alike: the answer without a history (numpy only)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common.topk import Mass
from personalize_local.recipes.ltr.trees import Trees
from personalize_local.recipes.user_personalization.repeat_features import DAY, Places

HALVES = (1 / 90, 1 / 36, 1 / 13, 1 / 4)
"""Half-lives of popularity, as shares of the data's span (a year at most): four days, ten, four weeks, three months."""
BASE = 1
"""The half-life that the base answer takes."""
RECENT = 2
"""The half-life of what people alike take of late."""
FIRSTS = 100.0
"""First choices that popularity stands in for: a basket or two say little."""
DOUBTS = (3.0, 20.0)
"""Choices, expected and counted, that a lift is shrunk by: lightly, and in earnest."""
ALIKE = 50.0
"""Choices of a group that popularity stands in for."""
COMMON = 0.75
"""Share of a column's interactions from which on a value is what most have."""
BEST = 50
"""How many of the best items of each kind of popularity are put in order."""
NAMES = (
    *(f"{kind} share by {place}" for place in range(len(HALVES)) for kind in ("whole", "first")),
    "group share",
    "recent group share",
    *(f"lift less {doubt:g}" for doubt in DOUBTS),
    "group size",
    "age",
    "popularity",
    "base",
)


@dataclass
class Crowd:
    """Decayed counts at one moment; training moves it through time, serving takes it as it stands at the end."""

    time: float
    """Unix epoch seconds."""
    whole: npt.NDArray[np.float64]
    """[halves, items] interactions."""
    first: npt.NDArray[np.float64]
    """[halves, items] interactions of users' first moments."""
    total: npt.NDArray[np.float64]
    """[items] interactions, not decayed."""
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

    @classmethod
    def empty(
        cls, time: float, lifted: int, created: npt.NDArray[np.float64], spans: npt.NDArray[np.int64], of_context: int
    ) -> Self:
        """Before the first interaction; groups are counted over the `lifted` most popular items."""
        items = len(created)
        halves, groups = (len(HALVES), items), (int(spans.max(initial=0)), min(lifted, items))
        return cls(
            time,
            np.zeros(halves),
            np.zeros(halves),
            np.zeros(items),
            np.zeros(groups, np.float32),
            np.zeros(groups, np.float32),
            created,
            spans,
            np.array([of_context]),
        )

    @cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """[2 * halves, items] popularity, and popularity among first choices, for each half-life in turn."""
        even = (self.total + 1e-3) / (self.total.sum() + 1e-3 * len(self.total))
        found = []
        for whole, first in zip(self.whole, self.first, strict=True):
            popular = (whole + 0.1 * even) / (whole.sum() + 0.1)
            found += [popular, (first + FIRSTS * popular) / (first.sum() + FIRSTS)]
        return np.stack(found)

    @cached_property
    def _base(self) -> Mass:
        base: Mass = self.shares[2 * BASE : 2 * BASE + 2].mean(axis=0)
        return base

    @cached_property
    def _best(self) -> Places:
        return np.unique(np.argpartition(-self.shares, min(BEST, len(self.total) - 1), axis=1)[:, :BEST])

    @cached_property
    def _expected(self) -> npt.NDArray[np.float64]:
        """[most popular items] share of all interactions."""
        known = self.total[: self.groups.shape[1]]
        share: npt.NDArray[np.float64] = known / max(float(self.total.sum()), 1.0)
        return share

    def base(self, codes: Sequence[int]) -> Mass:
        """[items] what people with these values of metadata and context take, by counting alone; adds up to 1."""
        codes = self._telling(codes)
        if self.of_context[0]:
            tilted: Mass = self._in_context * self._all_lifts(codes, DOUBTS[1])
            return tilted / float(tilted.sum())
        mass = self._base.copy()
        if codes:
            mass[: self.groups.shape[1]] *= self._lift(codes, DOUBTS[1])
            shared = self._group_share(codes, lately=False) + self._group_share(codes, lately=True)
            mass = 0.5 * mass / mass.sum() + 0.25 * shared
        mass /= mass.sum()
        return mass

    def order(self, codes: Sequence[int], trees: Trees | None, fresh: Mass | None = None) -> Mass:
        """[items] the base answer, its best items put in order by trees; `fresh`: interactions [items] since."""
        mass = self.base(codes)
        if fresh is not None:
            known = float(self.whole[BASE].sum())
            mass = (known * mass + fresh) / (known + float(fresh.sum()))
        if trees is None:
            return mass
        candidates = self.candidates(mass)
        weight = np.exp(offset(mass[candidates]) + trees.predict(self.features(codes, candidates, mass)))
        mass[candidates] = (mass[candidates].sum() / weight.sum()) * weight
        return mass

    def candidates(self, mass: Mass) -> Places:
        """The best items of each kind of popularity and of a base answer, in order of position."""
        own = np.argpartition(-mass, min(2 * BEST, len(mass) - 1))[: 2 * BEST]
        return np.union1d(self._best, own)

    def features(self, codes: Sequence[int], candidates: Places, mass: Mass) -> npt.NDArray[np.float32]:
        """[candidates, NAMES] what the trees ask about."""
        codes = self._telling(codes)
        columns: list[npt.NDArray[Any]] = list(self.shares[:, candidates])
        columns += [self._group_share(codes, lately=lately)[candidates] for lately in (False, True)]
        columns += [self._all_lifts(codes, doubt)[candidates] for doubt in DOUBTS]
        size = float(self.groups[codes].sum(axis=1).min()) / max(float(self.total.sum()), 1.0) if codes else 1.0
        columns += [np.full(len(candidates), size), (self.time - self.created[candidates]) / DAY]
        columns += [self.total[candidates], mass[candidates]]
        return np.stack(columns, axis=1).astype(np.float32)

    @cached_property
    def _in_context(self) -> Mass:
        """[items] share of all times growth of late, held against what the contexts of late let expect.

        What sells in winter does not grow because it is winter: a question of June has nothing from that.
        """
        share = (self.total + 1e-3) / (self.total.sum() + 1e-3 * len(self.total))
        lately, width = self.whole[RECENT], self.groups.shape[1]
        usual = share * lately.sum()
        expected = usual.copy()
        for start, stop in self.spans[len(self.spans) - int(self.of_context[0]) :].tolist():
            groups = self.groups[start:stop].astype(np.float64) + ALIKE * share[:width]
            groups *= (self.recent[start:stop].sum(axis=1) / groups.sum(axis=1))[:, None]
            expected[:width] *= groups.sum(axis=0) / np.maximum(self.recent[start:stop].sum() * share[:width], 1e-12)
        growth: Mass = share * (lately + FIRSTS) / (expected + FIRSTS)
        return growth

    def _all_lifts(self, codes: Sequence[int], doubt: float) -> Mass:
        lift = np.ones(len(self.total))
        lift[: self.groups.shape[1]] = self._lift(codes, doubt)
        return lift

    def _lift(self, codes: Sequence[int], doubt: float) -> npt.NDArray[np.float64]:
        """[most popular items] how much more often these values choose an item than all do, multiplied.

        The product is tempered: several columns say in part the same of a user.
        """
        lift = np.ones(self.groups.shape[1])
        for code in codes:
            group, alike = self.groups[code].astype(np.float64), self._rare.get(code)
            usual = 1.0 if alike is None else self._raised(alike[0], ALIKE)
            lift *= (group + doubt * usual) / (self._expected * float(group.sum()) + doubt)
        tempered: npt.NDArray[np.float64] = lift ** (max(len(codes), 1) ** -0.5)
        return tempered

    def _raised(self, group: Mass, doubt: float) -> Mass:
        """[most popular items] how much more often a group chooses an item than all do, shrunk."""
        lift: Mass = (group + doubt) / (self._expected * float(group.sum()) + doubt)
        return lift

    def _group_share(self, codes: Sequence[int], *, lately: bool) -> Mass:
        """[items] share among those who have one of these values, shrunk towards popularity; the mean of the values.

        A rare value's is shrunk towards the share among those who have any of the column's rare values.
        """
        if not codes:
            return self._base
        found = np.zeros(len(self._base))
        for code in codes:
            alike = self._rare.get(code)
            usual = self._base if alike is None else _shrunk(alike[lately], self._base)
            found += _shrunk((self.recent if lately else self.groups)[code], usual)
        return found / len(codes)

    def _telling(self, codes: Sequence[int]) -> list[int]:
        """The values but those that most have: they say no more than what everybody takes."""
        common = {each for each, _ in self._majorities}
        return [code for code in codes if code not in common]

    @cached_property
    def _majorities(self) -> list[tuple[int, Places]]:
        """The value that most interactions have, and the rare ones, of each column that has such a value."""
        found = []
        for start, stop in self.spans.tolist():
            sizes = self.groups[start:stop].sum(axis=1, dtype=np.float64)
            common = start + int(sizes.argmax())
            if sizes.max() > COMMON * sizes.sum():
                found.append((common, np.array([code for code in range(start, stop) if code != common], np.intp)))
        return found

    @cached_property
    def _rare(self) -> dict[int, tuple[Mass, Mass]]:
        """[most popular items] of each rare value: interactions of all rare values of its column, and those of late.

        Where most people are of one kind, say at home, the others have in common that they are not.
        """
        found: dict[int, tuple[Mass, Mass]] = {}
        for _, rare in self._majorities:
            whole, recent = (table[rare].sum(axis=0, dtype=np.float64) for table in (self.groups, self.recent))
            found |= dict.fromkeys(rare.tolist(), (whole, recent))
        return found

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to save."""
        names = ("whole", "first", "total", "groups", "recent", "created", "spans", "of_context")
        return {"crowd.time": np.array([self.time]), **{f"crowd.{name}": getattr(self, name) for name in names}}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self:
        """What was saved."""
        names = ("whole", "first", "total", "groups", "recent", "created", "spans", "of_context")
        return cls(float(files["crowd.time"][0]), *(np.asarray(files[f"crowd.{name}"]) for name in names))


def _shrunk(group: npt.NDArray[Any], usual: Mass) -> Mass:
    """[items] share among a group, which counts the most popular ones, shrunk towards what is usual."""
    part: Mass = ALIKE * usual
    part[: len(group)] += group
    return part / (float(group.sum()) + ALIKE)


def offset(mass: Mass) -> npt.NDArray[np.float64]:
    """The score that the trees start from: they correct the base answer."""
    return np.log(np.maximum(mass.astype(np.float64), 1e-12))
