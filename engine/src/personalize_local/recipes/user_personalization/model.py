# SPDX-License-Identifier: Apache-2.0
"""User-Personalization and Personalized-Ranking at serving time (numpy only).

The next item is one that the user comes back to, one that follows the latest items, or one that similar users take:
each source scores every item, and the scores are mixed by how often each source was right in training.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays
from personalize_local.data.records import History, Interaction, Value
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common import seasons
from personalize_local.recipes.common.attributes import Vocabulary
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.common.online_counts import OnlineCounts
from personalize_local.recipes.common.recency_windows import WindowCounts
from personalize_local.recipes.common.repeat_features import Past
from personalize_local.recipes.common.rows import of_kind
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Places, Scored, Scores, ranked, shown_scores, top_k
from personalize_local.recipes.config import RETURN, EventParameters
from personalize_local.recipes.definitions import RecipeSpec
from personalize_local.recipes.ltr.trees import Rankers, Trees
from personalize_local.recipes.popularity.model import GroupPopularity
from personalize_local.recipes.user_personalization.cold_items import ColdItems
from personalize_local.recipes.user_personalization.ease import blended, ease_scores
from personalize_local.recipes.user_personalization.exploration import Exploration
from personalize_local.recipes.user_personalization.features import (
    CATEGORIES,
    LATEST,
    Sources,
    SourceScores,
    UserView,
    offset,
)
from personalize_local.recipes.user_personalization.plain_rules import PlainRules, Shares, tilted

BACKWARD, FROM, TO = 0.25, -0.5, -0.15
"""Weight of what precedes an item; powers of the popularity of an item and of what follows it."""
MIN_REPEATS = 0.01
"""Share of repeats above which known items are worth recommending."""
FRESH = 28 * 86_400.0
"""Seconds after training for which recent sales count fully; later they count FRESH / age of that."""
CANDIDATES = 1000
"""Most popular items, which are v2's candidates for every user."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What training decided, and what serving must know of the recipe."""

    recipe: str
    recipe_type: str
    second_generation: bool
    """v2: scores are shares of a candidate subset, popular placeholders have none, exploration is not configurable."""
    sequence: int
    """How many of the latest interactions count (bptt)."""
    recency: float
    """Power by which an interaction's weight falls with the number of newer ones."""
    repeats: float
    """Share of repeats among the newest interactions of training."""
    sequence_share: float
    """Share of the rest that goes to items after the latest ones."""
    ease_share: float
    """Share of new items that EASE decides; the rest follows the latest items. Rankers see EASE with any share."""
    latest: float
    """Time of the newest interaction in training."""
    clock: bool = True
    """Whether the users' times are one clock; else only the order within a user means anything."""
    scores_shown: bool = True
    """Whether answers carry scores; those of use cases do not."""
    by_content: bool = False
    """Whether similarity of categories up to doubles what follows; rankers learn that themselves."""
    seasons: bool = False
    """Whether the month of the year is part of every context."""
    mixture: Shares = ()
    """Shares of the plain rules that held-out baskets chose; empty: as counted."""
    new: Shares = ()
    """The same for lists of new items alone, where users come back to others."""
    begun: Shares = ()
    """The same for new items of a basket that has begun."""
    events: tuple[EventParameters, ...] = ()
    """The events that train; empty: all but RETURN."""

    @property
    def returning(self) -> bool:
        """Whether users come back to items often enough to recommend known ones."""
        return self.repeats > MIN_REPEATS


class PersonalModel(Model):
    """Mixes repeats, sequence, EASE and popularity, and lets rankers reorder the best."""

    def __init__(self, settings: Settings, items: ItemIndex, files: Arrays, facts: Mapping[str, Any]) -> None:
        self.settings = settings
        self._items, self.item_ids = items, items.ids
        self._files, self._facts = files, facts
        self._follows = SparseRows.from_arrays(files, "follows")
        self._prior = np.asarray(files["prior"], np.float64)
        self._returns = files["returns"]
        self._user_values = Vocabulary.from_facts(facts["users"])
        self._context_values = Vocabulary.from_facts(facts["context"])
        self._content = Content.from_arrays(files)
        self._trained = int(facts.get("trained_items", len(items)))
        """Items of the training; updates have added those after them."""
        self._exploration = Exploration(files, self._content, settings.latest, self._trained)
        self._cold = ColdItems.from_arrays(files)
        self._objective = files.get("objective")
        """[items] what an objective multiplies scores by; None without one."""
        self._popularity = GroupPopularity.from_arrays(files)
        self.rankers = Rankers.from_arrays(files)
        self._sources = Sources.from_arrays(files, self._content)
        self._popular = np.maximum(self._sources.seen, 1.0).astype(np.float64)

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        """As of every model; v1's scores add up to 1 over the whole catalogue, v2's over its candidates."""
        past = self._past_of(query.history)
        scores, personal, view = self._scores(query, past)
        if view is not None:
            offered = allowed
            if allowed is not None and not allowed[view.past.items].any():
                scores = self._for_new(view, scores, query)
            if not self.settings.returning:  # hardly anybody comes back to items: rank only new ones
                scores = np.where(view.unknown, scores, self.settings.repeats * scores)
                offered = view.unknown if allowed is None else allowed & view.unknown
            if self.rankers.for_histories:
                scores = self._reordered(view, scores, view.candidates(offered), query.now)
            scores = scores if allowed is None else self._with_cold_items(view, scores)
        scores = self._by_objective(scores)
        if not self.settings.second_generation:
            top, scores = self._exploration.listed(scores, allowed, past, query, limit)
        else:
            if self._trained < len(self._items):
                scores = self._exploration.shared(scores, query, past)
            top = top_k(scores, allowed, limit)
        if not self.settings.scores_shown:
            return [Scored(self.item_ids[i]) for i in top.tolist()]
        if not self.settings.second_generation:
            shown = shown_scores(scores[top], float(scores.sum()))
            return [Scored(self.item_ids[i], score) for i, score in zip(top.tolist(), shown, strict=True)]
        # v2: what sequence, repeats or broad popularity bring up has a score; popular items without one fill up.
        candidate = np.arange(len(scores)) < min(CANDIDATES, self._trained)
        if personal is not None:
            candidate |= personal > 0
        explored = ~candidate & (np.arange(len(scores)) >= self._trained)
        whole = float(scores[candidate | explored].sum())
        reasons = np.select([candidate, explored], ["", "Exploration"], "Popular item")[top].tolist()
        return [
            Scored(self.item_ids[i], None if reason == "Popular item" else score, reason or None)
            for i, score, reason in zip(top.tolist(), shown_scores(scores[top], whole), reasons, strict=True)
        ]

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        """As of every model; the scores of known items add up to 1."""
        scores, _, view = self._scores(query, self._past_of(query.history))
        positions = self._items.positions(item_ids)
        if view is not None:
            places = np.array(sorted({position for position in positions if position >= 0}), np.intp)
            scores = self._for_new(view, scores, query) if view.all_new(places) else scores
            scores = self._with_cold_items(view, self._reordered(view, scores, places, query.now))
        return ranked(item_ids, positions, self._by_objective(scores))

    def online_counts(self) -> OnlineCounts:
        return OnlineCounts(self.positions, len(self._items), self.settings.events)

    def save(self, directory: Path) -> None:
        facts = {**self._facts, "family": "personal", "settings": asdict(self.settings)}
        arrays.save(directory, {**self._files, **self._items.arrays()}, facts)

    @classmethod
    def load(cls, files: Arrays, facts: Mapping[str, Any]) -> Self:
        settings = dict(facts["settings"])
        settings |= {name: tuple(settings[name]) for name in ("mixture", "new", "begun")}
        settings["events"] = tuple(EventParameters(**event) for event in settings["events"])
        return cls(Settings(**settings), ItemIndex.from_arrays(files), files, facts)

    @cached_property
    def rules(self) -> PlainRules:
        """What may be mixed into what is counted."""
        return PlainRules.from_arrays(self._files, clock=self.settings.clock)

    @property
    def deep(self) -> bool:
        """Whether a neural network is one of its sources."""
        return self._sources.sequence is not None

    def for_recipe(
        self,
        spec: RecipeSpec,
        events: tuple[EventParameters, ...],
        rankers: Rankers,
        objective: Mapping[str, float] | None = None,
    ) -> Self:
        """Return the same counts as the model of another recipe, with its own training events and rankers.

        `objective`: what multiplies the score of each item; None leaves all as they are.
        """
        settings = replace(
            self.settings,
            recipe=spec.name,
            recipe_type=spec.recipe_type,
            second_generation=spec.events_config,
            scores_shown=spec.scores_shown,
            events=events,
        )
        files = {**self._files, **rankers.arrays()}
        if objective is not None:
            files["objective"] = np.array([objective[item] for item in self.item_ids.tolist()])
        return type(self)(settings, self._items, files, self._facts)

    @property
    def items(self) -> ItemIndex:
        return self._items

    @property
    def files(self) -> Arrays:
        """What was counted, by the names on disk."""
        return self._files

    def with_items(self, items: ItemIndex, files: Arrays) -> Self:
        """Return the same model with more items after its own; `files` are its arrays for all of them."""
        return type(self)(self.settings, items, files, {**self._facts, "trained_items": self._trained})

    def positions(self, item_ids: Iterable[str]) -> list[int]:
        """Return where items are in `item_ids`; -1 for unknown ones."""
        return self._items.positions(item_ids)

    def view(
        self,
        items: Places,
        times: npt.NDArray[np.float64],
        user: Mapping[str, Value],
        context: Mapping[str, Value],
        windows: WindowCounts | None,
    ) -> UserView:
        """Return the view of a user with such a history (positions in `item_ids`, oldest first)."""
        return self._personal_view(self._past(items, times), user, context, windows)[2]

    def _scores(self, query: Query, past: Past) -> tuple[Scores, Scores | None, UserView | None]:
        """[items] the scores of each item; the part that does not come from popularity; the ranker's view."""
        context = query.context
        if self.settings.seasons:
            context = {**context, seasons.COLUMN: seasons.current(query.now, self.settings.latest)}
        online = query.online if query.online and query.online.count else None
        if len(past.items):
            windows = self._outdated(query.now) if self.settings.mixture and self.settings.seasons else None
            return self._personal_view(past, query.user, context, windows, online)
        shift = self._user_values.size
        codes = [
            *self._user_values.encode(query.user),
            *(shift + code for code in self._context_values.encode(context)),
        ]
        return self._popularity.scores(codes, self.rankers.newcomers, online.seen if online else None), None, None

    def _personal_view(
        self,
        past: Past,
        user: Mapping[str, Value],
        context: Mapping[str, Value],
        windows: WindowCounts | None = None,
        online: OnlineCounts | None = None,
    ) -> tuple[Scores, Scores, UserView]:
        """Return the scores for a user with a history, as `_scores`."""
        follow = self._following(*past.latest(self.settings.sequence), online)
        content = np.zeros(len(self._items))
        if self._content.size:
            content = self._content.affinity(self._content.profile(*past.latest(LATEST)), CATEGORIES)
            content /= max(float(content.max(initial=0.0)), 1e-12)
        ease = ease_scores(past.items, self._sources.ease, len(self._items))
        prior = tilted(self._prior, self._lift("user_lift", self._user_values.encode(user) if user else []))
        tilt = self._lift("context_lift", self._context_values.encode(context) if context else [])
        by_content = self.settings.by_content and self._content.size > 0
        tilts = (tilt, tilt)
        if tilt is not None and self.settings.seasons:
            tilts = (tilt, tilt if self._season_lift is None else tilt / self._season_lift)
        personal = self._personal(past, follow * (1.0 + content) if by_content else follow, ease)
        mixed = tilted(personal + (1.0 - personal.sum()) * prior, tilt)
        by_rule = {"counted": mixed, "follow": follow, "ease": ease}
        if self.settings.mixture:
            mixed = self.rules.mixed(self.settings.mixture, past, by_rule, (windows, online), tilts)
        last_follow = partial(self._following, past.items[-1:], np.ones(1), online)
        since = None if online is None else online.weighted(past.items[-1:], np.ones(1), backward=0.0)
        scores = SourceScores(follow, last_follow, content, ease, prior, mixed, tilts, by_rule, since)
        if online is not None and self.rankers.for_histories:
            windows = (self._sources.windows if windows is None else windows) + online.seen.astype(np.float32)
        return mixed, personal, UserView(self._sources, past, scores, windows)

    @cached_property
    def _season_lift(self) -> Scores | None:
        """[items] the lift of the season at the end of the training."""
        end = {seasons.COLUMN: seasons.month(self.settings.latest)}
        return self._lift("context_lift", self._context_values.encode(end))

    def with_arrays(self, files: Arrays) -> Self:
        """Return the same counts with more arrays, those of a network."""
        return type(self)(self.settings, self._items, {**self._files, **files}, self._facts)

    def sharing(self, ease_share: float) -> Self:
        """Return the same counts with another share of EASE."""
        return type(self)(replace(self.settings, ease_share=ease_share), self._items, self._files, self._facts)

    def _outdated(self, now: float) -> WindowCounts | None:
        """Return the windows of a query long after the training: what sold in another season says less; None before."""
        age, latest = now - self.settings.latest, self.settings.latest
        if age <= FRESH or not self.settings.clock or seasons.is_replay(now, latest):
            return None
        windows, seen = self._sources.windows, self._sources.seen
        lately, usual = FRESH / age * windows, seen / max(float(seen.sum()), 1.0)
        outdated: WindowCounts = lately + (1.0 - FRESH / age) * windows.sum(axis=1, keepdims=True) * usual
        return outdated

    def _for_new(self, view: UserView, scores: Scores, query: Query) -> Scores:
        """Distribute the scores of new items among them by the mixture that held-out lists of such items chose."""
        online = query.online if query.online and query.online.count else None
        more = view.basket_goes_on(query.now, self.settings.latest) if self.settings.begun else 0.0
        new, distributed = view.unknown * scores, scores
        for shares, part in ((self.settings.new, 1.0 - more), (self.settings.begun, more)):
            if shares and part:
                mixed = self.rules.mixed(shares, view.past, view.scores.by_rule, (None, online), view.scores.tilts)
                mixed *= view.unknown
                distributed = distributed + part * (float(new.sum()) / max(float(mixed.sum()), 1e-12) * mixed - new)
        return distributed

    def _following(self, items: Places, weights: Scores, online: OnlineCounts | None) -> Scores:
        """[items] what follows some items, by the counts of training and of the events since."""
        follow = self._follows.weighted(items, weights, len(self._items))
        if online is not None:
            since = online.weighted(items, weights * self._popular[items] ** FROM, backward=BACKWARD)
            if since.any():
                follow += since * self._popular**TO
        return follow

    def _personal(self, past: Past, follow: Scores, ease: Scores) -> Scores:
        """[items] new items and repeats, by how often each was right; adds up to 1 at most."""
        share = self.settings.sequence_share * (1.0 - self.settings.repeats)
        scores = share * blended(past.items, follow, ease, self.settings.ease_share)
        if self.settings.repeats > 0:
            again = past.decayed(clock=self.settings.clock) * self._returns[past.items] ** 0.5
            np.add.at(scores, past.items, self.settings.repeats * again / again.sum())
        return scores

    def _lift(self, table: str, codes: list[int]) -> Scores | None:
        """[items] how much more often some values choose an item than all do; None without known values."""
        if not codes:
            return None
        lift = np.ones(len(self._items))
        learned = lift[: self._files[table].shape[1]]
        for code in codes:
            learned *= self._files[table][code]
        return lift

    def _reordered(self, view: UserView, scores: Scores, items: Places, now: float) -> Scores:
        """Distribute the scores of some items among them as the rankers decide."""
        items = items[self._sources.seen[items] > 0]
        weighted = self._weighted_rankers(view, items, now)
        if len(items) < 2 or all(trees is None for trees, _ in weighted):
            return scores
        features, start = view.features(items), offset(scores[items])
        weight = np.zeros(len(items))
        for trees, share in weighted:
            score = start if trees is None else start + trees.predict(features)
            likelihood = np.exp(score - score.max())
            weight += share * likelihood / likelihood.sum()
        scores = scores.copy()
        scores[items] = scores[items].sum() * weight
        return scores

    def _weighted_rankers(self, view: UserView, items: Places, now: float) -> list[tuple[Trees | None, float]]:
        """Return the trees that rank some items, and the weight of each; None is the counted order."""
        rankers = self.rankers
        if not view.all_new(items):
            return [(rankers.trees, 1.0)]
        more = view.basket_goes_on(now, self.settings.latest) if rankers.more is not None else 0.0
        shares = [(rankers.for_new, 1.0 - more), (rankers.more, more)]
        return [(trees, share) for trees, share in shares if share]

    def _by_objective(self, scores: Scores) -> Scores:
        """Give more of the scores to items that serve the objective; their sum stays."""
        return scores if self._objective is None else tilted(scores, self._objective)

    def _with_cold_items(self, view: UserView, scores: Scores) -> Scores:
        """Distribute the scores of cold items among them by similar items."""
        cold = self._cold.items
        if not len(cold):
            return scores
        scores = scores.copy()
        scores[cold] = scores[cold].sum() * self._cold.shares(view.scores.follow, view.scores.content[cold])
        return scores

    def _past_of(self, history: Sequence[Interaction]) -> Past:
        """Return the part of a history that trains and names known items."""
        columns = History.of(history)
        places = self._items.places(columns.item_ids)
        counts = places >= 0
        if self.settings.second_generation and self.settings.events:
            counts &= _trained_on(columns, self.settings.events)
        elif not any(event.event_type.lower() == RETURN for event in self.settings.events):
            counts &= ~_of_kind(columns, RETURN)
        return self._past(places[counts], columns.timestamps[counts])

    def _past(self, items: Places, times: npt.NDArray[np.float64]) -> Past:
        newest = float(times[-1]) if len(times) else 0.0
        now = max(newest, self.settings.latest) if self.settings.clock else newest
        return Past(items, times, self.settings.recency, now)


def _trained_on(history: History, events: Sequence[EventParameters]) -> npt.NDArray[np.bool_]:
    """[rows] whether a solution's `eventsConfig` takes a row: its type is named, weighs something, and its value is
    enough.
    """
    taken = np.zeros(len(history), bool)
    for event in events:
        if event.weight != 0:
            rows = _of_kind(history, event.event_type)
            taken |= rows if event.threshold is None else rows & (history.event_values >= event.threshold)
    return taken


def _of_kind(history: History, kind: str) -> npt.NDArray[np.bool_]:
    return of_kind(history.event_types.table.texts, history.event_types.codes, kind)
