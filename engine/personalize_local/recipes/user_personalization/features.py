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

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common import seasons
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Mass
from personalize_local.recipes.sequence.model import SequenceModel
from personalize_local.recipes.user_personalization import repeat_features
from personalize_local.recipes.user_personalization.ease import Speaking
from personalize_local.recipes.user_personalization.recency_windows import WINDOWS, Pulse
from personalize_local.recipes.user_personalization.repeat_features import DAY, Past, Places

SOURCES = ("follow", "near", "walk", "factor", "content", "prior", "lately", "together", "taste")
CANDIDATES: Mapping[str, int] = {
    "follow": 60,
    "near": 40,
    "walk": 30,
    "factor": 30,
    "content": 30,
    "prior": 20,
    "lately": 20,
    "together": 60,
    "taste": 60,
    "mixed": 60,
    "sequence": 60,
}
"""How many of the best items of each source the ranker looks at; `sequence` is the deep tier's."""
OWN = 60
"""How many of the user's own latest items it looks at."""
LATEST = 50
"""How many of the user's latest interactions the sources start from."""
SESSION = 3600.0
"""Seconds after an interaction for which its moment goes on."""
CATEGORIES = 12
"""How many of the user's categories bring candidates."""
NAMES = (
    *(f"{source} {kind}" for source in SOURCES for kind in ("mass", "relative")),
    "last follow",
    "last near",
    "last content",
    "basket near",
    "popularity",
    "recent popularity",
    "age",
    *(f"{kind} of window {place}" for place in range(len(WINDOWS)) for kind in ("share", "growth")),
    *repeat_features.NAMES,
    "returns",
    "item gap",
    "kind times",
    "kind since",
    *repeat_features.USER_NAMES,
    "tilt",
    "mixed",
    "mixed relative",
)
DEEP_NAMES = ("sequence mass", "sequence relative")
"""What the deep tier adds, after NAMES."""
MIXED = NAMES.index("mixed")
TRUST = 0.5
"""The trees start from the counted masses to this power: 1 trusts them wholly, 0 starts from nothing."""


_DENSE = ("taste", "factors", "recent", "created", "returns", "gaps", "pulse")


@dataclass(frozen=True, slots=True)
class Sources:
    """The simple models."""

    near: SparseRows
    """Items that the same people choose, in any order."""
    walk: SparseRows
    """Items two steps of `near` away."""
    together: SparseRows
    """Items that are taken at one moment."""
    taste: Speaking
    factors: npt.NDArray[np.float32]
    """[items, dimensions] unit-free item vectors; alike items point the same way."""
    content: Content
    seen: npt.NDArray[np.float32]
    """[items] interactions."""
    recent: npt.NDArray[np.float32]
    """[items] share of the newest interactions over the share of all."""
    created: npt.NDArray[np.float64]
    returns: npt.NDArray[np.float32]
    gaps: npt.NDArray[np.float32]
    """[items] days until people come back to an item."""
    pulse: Pulse
    """[windows, items] interactions in the newest windows of time."""
    sequence: SequenceModel | None
    """The deep tier's network; None: there is none."""

    @classmethod
    def from_arrays(cls, files: Arrays, content: Content) -> Self:
        """What was saved."""
        return cls(
            near=SparseRows.from_arrays(files, "near"),
            walk=SparseRows.from_arrays(files, "walk"),
            together=SparseRows.from_arrays(files, "together"),
            content=content,
            seen=np.asarray(files["seen"], np.float32),
            **{name: np.asarray(files[name]) for name in _DENSE},
            sequence=SequenceModel.from_arrays(files),
        )


@dataclass(frozen=True, slots=True)
class Masses:
    """[items] what the simple models that need no ranker say."""

    follow: Mass
    """Follows from the latest items."""
    last_follow: Mass
    """Follows from the latest item."""
    content: Mass
    """Like the latest items by their categories."""
    taste: Mass
    """What all of the user's items speak for together."""
    prior: Mass
    """Popular among people alike."""
    mixed: Mass
    """All of that as the recipe answers without a ranker; the trees start from it."""
    tilt: Mass | None = None
    """How much more often this moment's context chooses an item; None: no context."""


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

    def __init__(self, sources: Sources, past: Past, masses: Masses, pulse: Pulse | None = None) -> None:
        self._sources, self._past, self._counted = sources, past, masses
        self._pulse = sources.pulse if pulse is None else pulse

    @cached_property
    def _masses(self) -> Mapping[str, Mass]:
        sources, counted, count = self._sources, self._counted, len(self._counted.prior)
        items, weights = self._past.items[-LATEST:], self._past.weights[-LATEST:]
        return {
            "follow": counted.follow,
            "near": sources.near.weighted(items, weights**0.5, count),
            "walk": sources.walk.weighted(items, weights, count),
            "factor": self._alike(items, weights**0.5),
            "content": counted.content,
            "prior": counted.prior,
            "lately": self._lately,
            "together": self._of_basket(sources.together),
            "taste": counted.taste,
            "mixed": counted.mixed,
            **({} if sources.sequence is None else {"sequence": sources.sequence.mass(self._past)}),
        }

    def _of_basket(self, source: SparseRows) -> Mass:
        """[items] what goes with the newest basket."""
        basket = self._past.last_basket(LATEST)
        return source.weighted(basket, np.ones(len(basket)), len(self._counted.prior))

    @property
    def _lately(self) -> Mass:
        """[items] the middle window, and a little of the long one where it knows nothing."""
        lately: Mass = self._pulse[1] + 0.25 * self._pulse[2].astype(np.float64)
        return lately

    def _alike(self, items: Places, weights: Mass) -> Mass:
        factors = self._sources.factors
        return np.maximum(factors @ (weights.astype(np.float32) @ factors[items]), 0.0).astype(np.float64)

    @property
    def follow(self) -> Mass:
        """[items] what follows from the user's latest items."""
        return self._counted.follow

    @property
    def taste(self) -> Mass:
        """[items] what all of the user's items speak for together."""
        return self._counted.taste

    @property
    def prior(self) -> Mass:
        """[items] what is popular among people alike."""
        return self._counted.prior

    @property
    def content(self) -> Mass:
        """[items] how much each is like the user's latest items, by its categories."""
        return self._counted.content

    @property
    def unknown(self) -> npt.NDArray[np.bool_]:
        """[items] whether each is new to the user."""
        mask = np.ones(len(self._counted.prior), bool)
        mask[self._past.items] = False
        return mask

    def goes_on(self, now: float, latest: float) -> float:
        """How likely it is that the user's newest moment goes on: that he fills a basket still."""
        if seasons.is_replay(now, latest):
            return 0.5
        return float(now - self._past.times[-1] <= SESSION)

    def all_new(self, items: Places) -> bool:
        """Whether the user has taken none of some items."""
        return not np.isin(items, self._past.items).any()

    def candidates(self, allowed: npt.NDArray[np.bool_] | None, *, deep: bool = True) -> Places:
        """The best allowed items of each source and the user's own, in order of position; not `deep`: no network's."""
        chosen = np.zeros(len(self._counted.prior), bool)
        chosen[self._past.items[-OWN:]] = True
        for name, mass in self._masses.items():
            if deep or name != "sequence":
                chosen[_best(mass if allowed is None else mass * allowed, CANDIDATES[name])] = True
        if allowed is not None:
            chosen &= allowed
        return np.flatnonzero(chosen)

    def features(self, candidates: Places) -> npt.NDArray[np.float32]:
        """[candidates, NAMES, then DEEP_NAMES if there is a network] what the trees ask about."""
        sources, past, mixed = self._sources, self._past, self._counted.mixed
        columns = [column for name in SOURCES for column in self._weighed(name, candidates)]
        columns += self._last(candidates) + self._facts(candidates)
        columns += past.habits(candidates, sources.gaps, len(mixed))
        columns += [sources.returns[candidates], sources.gaps[candidates]]
        columns += past.of_kind(candidates, sources.content.kinds)
        ones = np.ones(len(candidates))
        columns += [ones * fact for fact in past.facts(sources.seen)]
        columns += [ones if self._counted.tilt is None else self._counted.tilt[candidates]]
        columns += self._weighed("mixed", candidates)
        if sources.sequence is not None:
            columns += self._weighed("sequence", candidates)
        return np.stack(columns, axis=1).astype(np.float32)

    def _weighed(self, name: str, candidates: Places) -> list[npt.NDArray[Any]]:
        """What a source gives each candidate, and that as a share of what it gives its favourite."""
        mass = self._masses[name]
        some = mass[candidates]
        return [some, some / max(float(mass.max()), 1e-12)]

    def _last(self, candidates: Places) -> list[npt.NDArray[Any]]:
        """What the newest item and the newest basket say."""
        last = self._past.items[-1:]
        content, count = self._sources.content, len(self._counted.prior)
        near = self._sources.near.row(int(last[0]), count)
        alike = content.affinity_of(candidates, content.profile(last, np.ones(1)))
        return [
            self._counted.last_follow[candidates],
            near[candidates],
            alike,
            self._of_basket(self._sources.near)[candidates],
        ]

    def _facts(self, candidates: Places) -> list[npt.NDArray[Any]]:
        """How popular each candidate is, how new, and how that changes: windows are held against the whole time."""
        sources = self._sources
        seen, total = sources.seen[candidates], max(float(sources.seen.sum()), 1.0)
        columns: list[npt.NDArray[Any]] = [
            seen,
            sources.recent[candidates],
            (self._past.now - sources.created[candidates]) / DAY,
        ]
        for window in self._pulse:
            lately, part = window[candidates], max(float(window.sum()) / total, 1e-9)
            columns += [lately / part, (lately + 1.0) / (seen * part + 1.0)]
        return columns


def offset(mixed: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The score that the trees start from, made of the counted masses."""
    start: npt.NDArray[np.float64] = TRUST * np.log(np.maximum(mixed.astype(np.float64), 1e-12))
    return start
