# SPDX-License-Identifier: Apache-2.0
"""User-Personalization and Personalized-Ranking at serving time (numpy only).

The next item is one that the user comes back to, or one that follows from the latest ones, or one that people like the
user take: each source gives every item a mass, and the masses are mixed by how often each source was right in training.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

from local.personalize import arrays
from local.personalize.arrays import Arrays
from local.personalize.recipes.attributes import Vocabulary
from local.personalize.recipes.base import Interaction, Query, Scored, Value
from local.personalize.recipes.choosing import Mass, best, ranked, shares
from local.personalize.recipes.content import Content
from local.personalize.recipes.features import TRUST, Past, Places, Sources, View
from local.personalize.recipes.items import Catalogue
from local.personalize.recipes.sparse_rows import SparseRows
from local.personalize.recipes.trees import Trees

NEW = 2000
"""Newest items that exploration chooses from."""
EXPLORED = 50
"""New items that one answer may explore."""
EXPLORATION_SHARE = 0.1
"""Mass of the explored items at explorationWeight 1."""
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What training decided, and what serving needs to know of the recipe."""

    recipe: str
    recipe_type: str
    second_generation: bool
    """v2: scores are shares of a candidate subset, popular placeholders have none, exploration is not configurable."""
    sequence: int
    """How many of the latest interactions count (bptt)."""
    recency: float
    """Power by which an interaction's weight falls with the number of newer ones."""
    repeats: float
    """Share of interactions in training that were with an item the user already knew."""
    sequence_share: float
    """Share of the rest that goes to items following from the latest ones."""
    latest: float
    """Time of the newest interaction in training."""
    clock: bool = True
    """Whether the users' times are one clock; else each user's own last moment is all that is known of now."""
    scores_shown: bool = True
    """Whether answers carry scores: use cases keep them to themselves."""


class PersonalModel:
    """Mixes repeats, sequence, and popularity among people alike."""

    def __init__(self, settings: Settings, catalogue: Catalogue, files: Arrays, facts: Mapping[str, Any]) -> None:
        self.settings = settings
        self._catalogue = catalogue
        self._files, self._facts = files, facts
        self._follows = SparseRows.from_arrays(files, "follows")
        self._prior = np.asarray(files["prior"], np.float64)
        self._returns = files["returns"]
        self._created = files["created"]
        self._user_values = Vocabulary.from_facts(facts["users"])
        self._context_values = Vocabulary.from_facts(facts["context"])
        self._content = Content.from_arrays(files)
        self._new: dict[float, npt.NDArray[np.intp]] = {}
        self.trees = Trees.from_arrays(files)
        self._sources = Sources.from_arrays(files, self._content)

    @property
    def item_ids(self) -> npt.NDArray[np.object_]:
        """Every item of the training data, most popular first."""
        return self._catalogue.ids

    @property
    def recipe_type(self) -> str:
        """USER_PERSONALIZATION or PERSONALIZED_RANKING."""
        return self.settings.recipe_type

    @property
    def scores_shown(self) -> bool:
        """Whether answers carry scores."""
        return self.settings.scores_shown

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        """The heaviest allowed items; v1's scores add up to 1 over the whole catalogue, v2's over its candidates."""
        mass, personal, view = self._mass(query)
        if view is not None and self.trees is not None:
            mass = self._reordered(view, mass, view.candidates(allowed))
        if not self.settings.second_generation:
            mass = self._explore(mass, query)
        top = best(mass, allowed, limit)
        if not self.scores_shown:
            return [Scored(self.item_ids[i]) for i in top.tolist()]
        if not self.settings.second_generation:
            scores = shares(mass[top], float(mass.sum()))
            return [Scored(self.item_ids[i], score) for i, score in zip(top.tolist(), scores, strict=True)]
        return self._candidates_only(mass, personal, top)

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        """The same items, best first; the scores of known ones add up to 1, unknown ones come last without."""
        mass, _, view = self._mass(query)
        known = self._catalogue.positions(item_ids)
        if view is not None and self.trees is not None:
            mass = self._reordered(view, mass, np.unique([place for place in known if place >= 0]).astype(np.intp))
        return ranked(item_ids, known, mass)

    def save(self, directory: Path) -> None:
        """Write everything."""
        facts = {**self._facts, "family": "personal", "settings": asdict(self.settings)}
        arrays.save(directory, {**self._files, **self._catalogue.arrays()}, facts)

    @classmethod
    def load(cls, files: Arrays, facts: Mapping[str, Any]) -> Self:
        """What was saved."""
        return cls(Settings(**facts["settings"]), Catalogue.from_arrays(files), files, facts)

    def with_trees(self, trees: Trees | None) -> Self:
        """The same model with a ranker on top."""
        files = self._files if trees is None else {**self._files, **trees.arrays()}
        return type(self)(self.settings, self._catalogue, files, self._facts)

    def _mass(self, query: Query) -> tuple[Mass, Mass | None, View | None]:
        """[items] mass of each item; the part of it that does not come from popularity; what the ranker sees."""
        prior = self._prior_of(query.user)
        past = self._known(query.history)
        if not len(past.items):
            return self._in_context(prior, query.context), None, None
        view = self._view(past, prior)
        personal = self._personal(past, view.follow)
        mass = self._in_context(personal + (1.0 - personal.sum()) * prior, query.context)
        view.mixed = mass
        return mass, personal, view

    def view(self, items: Places, times: npt.NDArray[np.float64], user: Mapping[str, Value]) -> View:
        """What the ranker sees of a user with such a history (positions in `item_ids`, oldest first)."""
        prior = self._prior_of(user)
        past = self._past(items, times)
        view = self._view(past, prior)
        personal = self._personal(past, view.follow)
        view.mixed = personal + (1.0 - personal.sum()) * prior
        return view

    def _view(self, past: Past, prior: Mass) -> View:
        last, count = -self.settings.sequence, len(self._catalogue)
        follow = self._follows.weighted(past.items[last:], past.weights[last:], count)
        return View(self._sources, past, follow, self._follows.row(int(past.items[-1]), count), prior)

    def _prior_of(self, user: Mapping[str, Value]) -> Mass:
        return self._tilted(self._prior, "user_lift", self._user_values.encode(user)) if user else self._prior

    def _in_context(self, mass: Mass, context: Mapping[str, str]) -> Mass:
        return self._tilted(mass, "context_lift", self._context_values.encode(context)) if context else mass

    def _reordered(self, view: View, mass: Mass, items: Places) -> Mass:
        """Share the mass of some items out among them as the ranker finds right."""
        if self.trees is None or len(items) < 2:
            return mass
        score = self.trees.predict(view.features(items))
        weight = mass[items] ** TRUST * np.exp(score - score.max())
        mass = mass.copy()
        mass[items] = (mass[items].sum() / weight.sum()) * weight
        return mass

    def positions(self, item_ids: Iterable[str]) -> list[int]:
        """Where items are in `item_ids`; -1 for unknown ones."""
        return self._catalogue.positions(item_ids)

    def _known(self, history: Sequence[Interaction]) -> Past:
        places = np.array(self._catalogue.positions([row.item_id for row in history]), np.intp)
        times = np.array([row.timestamp for row in history], np.float64)
        known = places >= 0
        return self._past(places[known], times[known])

    def _past(self, items: Places, times: npt.NDArray[np.float64]) -> Past:
        newer = len(times) - np.searchsorted(times, times, side="right")
        weights = np.power(1.0 + newer, -self.settings.recency, dtype=np.float64)
        newest = float(times[-1]) if len(times) else 0.0
        return Past(items, times, weights, max(newest, self.settings.latest) if self.settings.clock else newest)

    def _personal(self, past: Past, follow: Mass) -> Mass:
        """What follows from the latest items and what the user comes back to, by how often each was right."""
        total = float(follow.sum())
        share = self.settings.sequence_share * (1.0 - self.settings.repeats)
        mass = follow * (share / total) if total > 0 else np.zeros(len(follow))
        if self.settings.repeats > 0:
            baskets = np.cumsum(np.diff(past.times, prepend=past.times[0]) > 0)
            again = (1.0 + baskets[-1] - baskets) ** -0.4 * self._returns[past.items]
            np.add.at(mass, past.items, self.settings.repeats * again / again.sum())
        return mass

    def _tilted(self, mass: Mass, table: str, codes: list[int]) -> Mass:
        """Mass times the lifts of some values over the most popular items; its sum stays."""
        if not codes:
            return mass
        lift = np.prod(self._files[table][codes], axis=0, dtype=np.float64)
        tilted = mass.copy()
        tilted[: len(lift)] *= lift
        tilted *= mass.sum() / max(tilted.sum(), 1e-12)
        return tilted

    def _explore(self, mass: Mass, query: Query) -> Mass:
        """Give some mass to new items, the more the less they were seen and the more they are like the user's items."""
        weight = query.exploration.get("explorationWeight", 0.3)
        days = query.exploration.get("explorationItemAgeCutOff", 30.0)
        new = self._new_items(days) if weight > 0 else np.zeros(0, np.intp)
        if not len(new):
            return mass
        past = self._known(query.history[-self.settings.sequence :])
        liking = self._content.affinity_of(new, self._content.profile(past.items, past.weights))
        chance = np.random.default_rng(crc32((query.user_id or "").encode())).uniform(0.5, 1.0, len(new))
        bonus = chance * (liking + 0.01) / (1.0 + self._files["seen"][new] + self._files["shown"][new])
        chosen = np.argsort(-bonus, kind="stable")[:EXPLORED]
        share = EXPLORATION_SHARE * weight
        mixed = mass * (1.0 - share)
        mixed[new[chosen]] += share * bonus[chosen] / bonus[chosen].sum()
        return mixed

    def _new_items(self, days: float) -> npt.NDArray[np.intp]:
        """The newest items that are at most so many days older than the newest interaction, NEW of them at most."""
        if days not in self._new:
            new = np.flatnonzero(self._created >= self.settings.latest - days * DAY)
            self._new[days] = new[np.argsort(-self._created[new], kind="stable")][:NEW]
        return self._new[days]

    def _candidates_only(self, mass: Mass, touched: Mass | None, top: npt.NDArray[np.intp]) -> list[Scored]:
        """v2: what sequence, repeats or broad popularity bring up has scores; popular items without one fill up."""
        candidate = np.arange(len(mass)) < 1000
        if touched is not None:
            candidate |= touched > 0
        total = float(mass[candidate].sum())
        scores = shares(mass[top], total)
        return [
            Scored(self.item_ids[i], score) if candidate[i] else Scored(self.item_ids[i], None, "Popular item")
            for i, score in zip(top.tolist(), scores, strict=True)
        ]
