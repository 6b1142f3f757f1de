# SPDX-License-Identifier: Apache-2.0
"""What the ranker looks at: how much each simple model wants an item for a user, and facts of both (numpy only).

The same code makes the features of training and those of an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from local.personalize.arrays import Arrays
from local.personalize.recipes.choosing import Mass
from local.personalize.recipes.content import Content
from local.personalize.recipes.sparse_rows import SparseRows

Places = npt.NDArray[np.intp]
DAY = 86_400.0
SOURCES = ("follow", "near", "walk", "factor", "content", "prior")
CANDIDATES: Mapping[str, int] = {
    "follow": 60,
    "near": 40,
    "walk": 30,
    "factor": 30,
    "content": 30,
    "prior": 20,
    "mixed": 60,
}
"""How many of the best items of each source the ranker looks at."""
OWN = 60
"""How many of the user's own latest items it looks at."""
LATEST = 50
"""How many of the user's latest interactions the sources start from."""
CATEGORIES = 12
"""How many of the user's categories bring candidates."""
NAMES = (
    *(f"{source} {kind}" for source in SOURCES for kind in ("mass", "relative")),
    "last follow",
    "last near",
    "last content",
    "popularity",
    "recent popularity",
    "age",
    "times",
    "share of baskets",
    "baskets since",
    "days since",
    "due",
    "returns",
    "history",
    "variety",
    "last popularity",
    "mixed",
    "mixed relative",
)
MIXED = NAMES.index("mixed")
TRUST = 0.5
"""The trees start from the counted masses to this power: 1 trusts them wholly, 0 starts from nothing."""


@dataclass(frozen=True, slots=True)
class Past:
    """A user's history as the model knows it, oldest first."""

    items: Places
    times: npt.NDArray[np.float64]
    weights: Mass
    """[rows] falls with the number of newer interactions."""
    now: float
    """The moment of the question, on the clock of the training data."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The simple models."""

    near: SparseRows
    """Items that the same people choose, in any order."""
    walk: SparseRows
    """Items two steps of `follow` away."""
    factors: npt.NDArray[np.float32]
    """[items, dimensions] unit-free item vectors; alike items point the same way."""
    content: Content
    seen: npt.NDArray[np.float32]
    """[items] interactions."""
    recent: npt.NDArray[np.float32]
    """[items] share of the newest interactions over the share of all."""
    created: npt.NDArray[np.float64]
    returns: npt.NDArray[np.float32]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to save that the model does not save already."""
        own = {"factors": self.factors, "recent": self.recent}
        return {**self.near.arrays("near"), **self.walk.arrays("walk"), **own}

    @classmethod
    def from_arrays(cls, files: Arrays, content: Content) -> Self:
        """What was saved."""
        return cls(
            SparseRows.from_arrays(files, "near"),
            SparseRows.from_arrays(files, "walk"),
            np.asarray(files["factors"]),
            content,
            np.asarray(files["seen"], np.float32),
            np.asarray(files["recent"]),
            np.asarray(files["created"]),
            np.asarray(files["returns"]),
        )


def _best(mass: Mass, most: int) -> Places:
    """Positions of the `most` heaviest items that have any mass; ties go to the lower position."""
    some = np.flatnonzero(mass)
    if len(some) <= most:
        return some
    masses = mass[some]
    threshold = np.partition(masses, len(some) - most)[len(some) - most]
    above = some[masses > threshold]
    return np.concatenate((above, some[masses == threshold][: most - len(above)]))


class View:
    """One user's look at the whole catalogue."""

    def __init__(self, sources: Sources, past: Past, follow: Mass, last_follow: Mass, prior: Mass) -> None:
        self._sources, self._past = sources, past
        self.follow, self._last_follow, self._prior = follow, last_follow, prior
        self.mixed = prior
        """[items] the counted masses, which the ranker starts from."""

    @cached_property
    def _masses(self) -> Mapping[str, Mass]:
        sources, count = self._sources, len(self._prior)
        items, weights = self._past.items[-LATEST:], self._past.weights[-LATEST:]
        return {
            "follow": self.follow,
            "near": sources.near.weighted(items, weights**0.5, count),
            "walk": sources.walk.weighted(items, weights, count),
            "factor": self._alike(items, weights**0.5),
            "content": sources.content.affinity(sources.content.profile(items, weights), CATEGORIES),
            "prior": self._prior,
            "mixed": self.mixed,
        }

    def _alike(self, items: Places, weights: Mass) -> Mass:
        factors = self._sources.factors
        return np.maximum(factors @ (weights.astype(np.float32) @ factors[items]), 0.0).astype(np.float64)

    def candidates(self, allowed: npt.NDArray[np.bool_] | None) -> Places:
        """The best allowed items of each source, and the user's own, in order of position."""
        chosen = np.zeros(len(self._prior), bool)
        chosen[self._past.items[-OWN:]] = True
        for name, most in CANDIDATES.items():
            mass = self._masses[name]
            chosen[_best(mass if allowed is None else mass * allowed, most)] = True
        if allowed is not None:
            chosen &= allowed
        return np.flatnonzero(chosen)

    def features(self, candidates: Places) -> npt.NDArray[np.float32]:
        """[candidates, NAMES] what the trees ask about."""
        columns: list[npt.NDArray[Any]] = []
        for name in SOURCES:
            mass = self._masses[name]
            some = mass[candidates]
            columns += [some, some / max(float(mass.max()), 1e-12)]
        columns += self._last(candidates) + self._facts(candidates) + self._own(candidates) + self._user(candidates)
        mixed = self.mixed[candidates]
        columns += [mixed, mixed / float(self.mixed.max())]
        return np.stack(columns, axis=1).astype(np.float32)

    def _last(self, candidates: Places) -> list[npt.NDArray[Any]]:
        last = self._past.items[-1:]
        content, count = self._sources.content, len(self._last_follow)
        near = self._sources.near.row(int(last[0]), count)
        alike = content.affinity_of(candidates, content.profile(last, np.ones(1)))
        return [self._last_follow[candidates], near[candidates], alike]

    def _facts(self, candidates: Places) -> list[npt.NDArray[Any]]:
        sources = self._sources
        age = (self._past.now - sources.created[candidates]) / DAY
        return [sources.seen[candidates], sources.recent[candidates], age]

    def _own(self, candidates: Places) -> list[npt.NDArray[Any]]:
        """How often, when and how regularly the user took each candidate."""
        past, count = self._past, len(self._last_follow)
        basket = np.cumsum(np.diff(past.times, prepend=past.times[0]) > 0)
        times = np.bincount(past.items, minlength=count)[candidates]
        newest, first = np.full(count, -1.0), np.full(count, np.inf)
        newest[past.items] = past.times
        np.minimum.at(first, past.items, past.times)
        latest = np.full(count, -1)
        latest[past.items] = basket
        known = times > 0
        since = np.where(known, (past.now - newest[candidates]) / DAY, 1e4)
        baskets = np.where(known, basket[-1] - latest[candidates], 1e4)
        with np.errstate(invalid="ignore"):
            gap = (newest[candidates] - first[candidates]) / DAY / np.maximum(times - 1, 1)
        due = np.where(times > 1, since / np.maximum(gap, 1e-3), -1.0)
        return [times, times / (basket[-1] + 1.0), baskets, since, due, self._sources.returns[candidates]]

    def _user(self, candidates: Places) -> list[npt.NDArray[Any]]:
        past, ones = self._past, np.ones(len(candidates))
        variety = len(set(past.items.tolist())) / len(past.items)
        return [ones * len(past.items), ones * variety, ones * float(self._sources.seen[past.items[-1]])]
