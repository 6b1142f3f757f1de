# SPDX-License-Identifier: Apache-2.0
"""User-Personalization and Personalized-Ranking at serving time (numpy only).

The next item is one that the user comes back to, or one that follows from the latest ones, or one that people like the
user take: each source gives every item a mass, and the masses are mixed by how often each source was right in training.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays
from personalize_local.recipes.base import RETURN, EventParameters, Interaction, Query, Scored, Value
from personalize_local.recipes.common import seasons
from personalize_local.recipes.common.attributes import Vocabulary
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.items import Catalogue
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Mass, best, ranked, shares
from personalize_local.recipes.ltr.trees import Rankers, Trees
from personalize_local.recipes.popularity.model import Crowd
from personalize_local.recipes.spec import RecipeSpec
from personalize_local.recipes.user_personalization.cold_items import Unseen
from personalize_local.recipes.user_personalization.ease import found, spoken_for
from personalize_local.recipes.user_personalization.exploration import Exploration
from personalize_local.recipes.user_personalization.features import CATEGORIES, LATEST, Masses, Sources, View, offset
from personalize_local.recipes.user_personalization.online_counts import Absorbed
from personalize_local.recipes.user_personalization.recency_windows import Pulse
from personalize_local.recipes.user_personalization.repeat_features import Past, Places
from personalize_local.recipes.user_personalization.settings import Settings

BACKWARD, FROM, TO = 0.25, -0.5, -0.15
"""What precedes counts a quarter of what follows; powers of the popularity of where a step starts and where it ends."""


class PersonalModel:
    """Mixes repeats, sequence, and popularity among people alike."""

    def __init__(self, settings: Settings, catalogue: Catalogue, files: Arrays, facts: Mapping[str, Any]) -> None:
        self.settings = settings
        self._catalogue = catalogue
        self._files, self._facts = files, facts
        self._follows = SparseRows.from_arrays(files, "follows")
        self._prior = np.asarray(files["prior"], np.float64)
        self._returns = files["returns"]
        self._user_values = Vocabulary.from_facts(facts["users"])
        self._context_values = Vocabulary.from_facts(facts["context"])
        self._content = Content.from_arrays(files)
        self._exploration = Exploration(files, self._content, settings.latest)
        self._unseen = Unseen.from_arrays(files)
        self._crowd = Crowd.from_arrays(files)
        self.rankers = Rankers.from_arrays(files)
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
        if view is not None:
            if not self.settings.returning:
                mass = np.where(view.unknown, mass, self.settings.repeats * mass)
            if self.rankers.for_histories:
                mass = self._reordered(view, mass, view.candidates(self._offered(view, allowed)), query.now)
            mass = mass if allowed is None else self._with_unseen(view, mass)
        if not self.settings.second_generation:
            past = self._known(query.history[-self.settings.sequence :])
            mass = self._exploration.mixed(mass, query, past)
        top = best(mass, allowed, limit)
        if not self.scores_shown:
            return [Scored(self.item_ids[i]) for i in top.tolist()]
        if not self.settings.second_generation:
            scores = shares(mass[top], float(mass.sum()))
            return [Scored(self.item_ids[i], score) for i, score in zip(top.tolist(), scores, strict=True)]
        return self._candidates_only(mass, personal, top)

    def _offered(self, view: View, allowed: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_] | None:
        """What a ranker chooses from: where people hardly ever come back to items, only what is new to the user."""
        if self.settings.returning:
            return allowed
        return view.unknown if allowed is None else allowed & view.unknown

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        """The same items, best first; the scores of known ones add up to 1, unknown ones come last without."""
        mass, _, view = self._mass(query)
        known = self._catalogue.positions(item_ids)
        if view is not None:
            mass = self._reordered(
                view, mass, np.unique([place for place in known if place >= 0]).astype(np.intp), query.now
            )
            mass = self._with_unseen(view, mass)
        return ranked(item_ids, known, mass)

    def save(self, directory: Path) -> None:
        """Write everything."""
        facts = {**self._facts, "family": "personal", "settings": asdict(self.settings)}
        arrays.save(directory, {**self._files, **self._catalogue.arrays()}, facts)

    @classmethod
    def load(cls, files: Arrays, facts: Mapping[str, Any]) -> Self:
        """What was saved."""
        settings = facts["settings"]
        events = tuple(EventParameters(**event) for event in settings["events"])
        return cls(Settings(**{**settings, "events": events}), Catalogue.from_arrays(files), files, facts)

    @property
    def deep(self) -> bool:
        """Whether a neural network is one of its sources."""
        return self._sources.sequence is not None

    def of_recipe(self, spec: RecipeSpec, events: tuple[EventParameters, ...]) -> Self:
        """The same counts as another recipe answers by them, of which these events train."""
        settings = replace(
            self.settings,
            recipe=spec.name,
            recipe_type=spec.recipe_type,
            second_generation=spec.events_config,
            scores_shown=spec.scores_shown,
            events=events,
        )
        return type(self)(settings, self._catalogue, self._files, self._facts)

    def with_rankers(self, rankers: Rankers) -> Self:
        """The same model with rankers on top."""
        return type(self)(self.settings, self._catalogue, {**self._files, **rankers.arrays()}, self._facts)

    def _mass(self, query: Query) -> tuple[Mass, Mass | None, View | None]:
        """[items] mass of each item; the part of it that does not come from popularity; what the ranker sees."""
        past, context = self._known(query.history), query.context
        if self.settings.seasons:
            context = {**context, seasons.COLUMN: seasons.current(query.now, self.settings.latest)}
        if not len(past.items):
            fresh = query.absorbed.seen if query.absorbed and query.absorbed.count else None
            return self._crowd.order(self._codes(query.user, context), self.rankers.newcomers, fresh), None, None
        return self._seen(past, query.user, context, absorbed=query.absorbed)

    def _codes(self, user: Mapping[str, Value], context: Mapping[str, Value]) -> list[int]:
        """The values of a user's metadata and of a moment's context, as the crowd numbers them."""
        shift = self._user_values.size
        return [*self._user_values.encode(user), *(shift + code for code in self._context_values.encode(context))]

    def view(
        self,
        items: Places,
        times: npt.NDArray[np.float64],
        user: Mapping[str, Value],
        context: Mapping[str, Value],
        pulse: Pulse | None,
    ) -> View:
        """What a ranker sees of a user with such a history (positions in `item_ids`, oldest first)."""
        return self._seen(self._past(items, times), user, context, pulse)[2]

    def absorbing(self) -> Absorbed:
        """A place for the counts of events that come after the training."""
        return Absorbed(self.positions, len(self._catalogue), self.settings.events)

    def _seen(
        self,
        past: Past,
        user: Mapping[str, Value],
        context: Mapping[str, Value],
        pulse: Pulse | None = None,
        absorbed: Absorbed | None = None,
    ) -> tuple[Mass, Mass, View]:
        last = -self.settings.sequence
        absorbed = absorbed if absorbed and absorbed.count else None
        follow = self._following(past.items[last:], past.weights[last:], absorbed)
        alike, taste = self._alike(past), spoken_for(past.items, self._sources.taste, len(self._catalogue))
        prior, tilt, personal = (
            self._prior_of(user),
            self._tilt(context),
            self._personal(past, follow * (1.0 + alike) if self.settings.by_kind else follow, taste),
        )
        mass = personal + (1.0 - personal.sum()) * prior
        if tilt is not None:
            mass = _tilted(mass, tilt)
        masses = Masses(follow, self._following(past.items[-1:], np.ones(1), absorbed), alike, taste, prior, mass, tilt)
        if absorbed is not None:
            pulse = (self._sources.pulse if pulse is None else pulse) + absorbed.seen.astype(np.float32)
        return mass, personal, View(self._sources, past, masses, pulse)

    def _alike(self, past: Past) -> Mass:
        """[items] how much each is like the latest ones by its categories; 1 for the most alike."""
        content, items, weights = self._content, past.items[-LATEST:], past.weights[-LATEST:]
        alike = content.affinity(content.profile(items, weights), CATEGORIES)
        return alike / max(float(alike.max(initial=0.0)), 1e-12)

    def _following(self, items: Places, weights: Mass, absorbed: Absorbed | None) -> Mass:
        """[items] what follows from some items, by the counts of training and of the events since."""
        follow = self._follows.weighted(items, weights, len(self._catalogue))
        if absorbed is not None:
            popular = np.maximum(self._sources.seen, 1.0).astype(np.float64)
            since = absorbed.weighted(items, weights * popular[items] ** FROM, backward=BACKWARD)
            follow += since * popular**TO
        return follow

    def _prior_of(self, user: Mapping[str, Value]) -> Mass:
        lift = self._lift("user_lift", self._user_values.encode(user)) if user else None
        return self._prior if lift is None else _tilted(self._prior, lift)

    def _tilt(self, context: Mapping[str, Value]) -> Mass | None:
        return self._lift("context_lift", self._context_values.encode(context)) if context else None

    def _reordered(self, view: View, mass: Mass, items: Places, now: float) -> Mass:
        """Share the mass of some items out among them as the rankers find right."""
        items = items[self._sources.seen[items] > 0]
        asked = self._asked(view, items, now)
        if len(items) < 2 or all(trees is None for trees, _ in asked):
            return mass
        features, start = view.features(items), offset(mass[items])
        weight = np.zeros(len(items))
        for trees, share in asked:
            score = start if trees is None else start + trees.predict(features)
            each = np.exp(score - score.max())
            weight += share * each / each.sum()
        mass = mass.copy()
        mass[items] = mass[items].sum() * weight
        return mass

    def _asked(self, view: View, items: Places, now: float) -> list[tuple[Trees | None, float]]:
        """Whose order counts how much; None is that of the counts."""
        rankers = self.rankers
        if not view.all_new(items):
            return [(rankers.trees, 1.0)]
        more = view.goes_on(now, self.settings.latest) if rankers.more is not None else 0.0
        shares = [(rankers.for_new, 1.0 - more), (rankers.more, more)]
        return [(trees, share) for trees, share in shares if share]

    def _with_unseen(self, view: View, mass: Mass) -> Mass:
        """Share the mass of unseen items out among them as items of the same kind suggest."""
        unseen = self._unseen.items
        if not len(unseen):
            return mass
        mass = mass.copy()
        mass[unseen] = mass[unseen].sum() * self._unseen.shares(view.follow, view.content[unseen])
        return mass

    def positions(self, item_ids: Iterable[str]) -> list[int]:
        """Where items are in `item_ids`; -1 for unknown ones."""
        return self._catalogue.positions(item_ids)

    def _known(self, history: Sequence[Interaction]) -> Past:
        named = any(event.event_type.lower() == RETURN for event in self.settings.events)
        history = [row for row in history if named or (row.event_type or "").lower() != RETURN]
        places = np.array(self._catalogue.positions([row.item_id for row in history]), np.intp)
        times = np.array([row.timestamp for row in history], np.float64)
        known = places >= 0
        return self._past(places[known], times[known])

    def _past(self, items: Places, times: npt.NDArray[np.float64]) -> Past:
        newer = len(times) - np.searchsorted(times, times, side="right")
        weights = np.power(1.0 + newer, -self.settings.recency, dtype=np.float64)
        newest = float(times[-1]) if len(times) else 0.0
        return Past(items, times, weights, max(newest, self.settings.latest) if self.settings.clock else newest)

    def _personal(self, past: Past, follow: Mass, taste: Mass) -> Mass:
        """What is found for the user and what he comes back to, by how often each was right."""
        share = self.settings.sequence_share * (1.0 - self.settings.repeats)
        mass = share * found(past.items, follow, taste, self.settings.taste)
        if self.settings.repeats > 0:
            again = past.faded(clock=self.settings.clock) * self._returns[past.items] ** 0.5
            np.add.at(mass, past.items, self.settings.repeats * again / again.sum())
        return mass

    def _lift(self, table: str, codes: list[int]) -> Mass | None:
        """[items] how much more often some values choose an item than all do; None: nothing is known of them."""
        if not codes:
            return None
        known = np.prod(self._files[table][codes], axis=0, dtype=np.float64)
        lift = np.ones(len(self._catalogue))
        lift[: len(known)] = known
        return lift

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


def _tilted(mass: Mass, lift: Mass) -> Mass:
    """Mass times lift; its sum stays."""
    tilted = mass * lift
    tilted *= mass.sum() / max(float(tilted.sum()), 1e-12)
    return tilted
