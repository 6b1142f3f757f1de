# SPDX-License-Identifier: Apache-2.0
"""Training of User-Personalization and Personalized-Ranking: counting, in a few passes over the interactions."""

import pickle
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.data.snapshots import Column, Snapshot
from personalize_local.recipes.common import cooccurrence, objective, seasons
from personalize_local.recipes.common.attributes import Vocabulary, lifts
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.item_index import ItemIndex, by_popularity, new_positions
from personalize_local.recipes.common.online_counts import DECAY
from personalize_local.recipes.common.recency_windows import RecencyWindows, span
from personalize_local.recipes.common.rows import Floats, Ints, Rows, renumbered
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec
from personalize_local.recipes.ltr.splits import some_users, splits
from personalize_local.recipes.ltr.trees import Rankers
from personalize_local.recipes.popularity.training import (
    USUAL,
    Shares,
    Timeline,
    at_the_end,
    fit_ranker,
    fit_shares,
    row_codes,
)
from personalize_local.recipes.sequence.learner import Learner
from personalize_local.recipes.sequence.training import Learned
from personalize_local.recipes.user_personalization import ease_training, plain_rules, rankers
from personalize_local.recipes.user_personalization.cold_items import ColdItems
from personalize_local.recipes.user_personalization.ease_training import HeldOut
from personalize_local.recipes.user_personalization.item_statistics import (
    created,
    popularity,
    repeat_share,
    return_rates,
    returns,
    standing,
)
from personalize_local.recipes.user_personalization.model import BACKWARD, FROM, TO, PersonalModel, Settings
from personalize_local.recipes.user_personalization.rankers import Gain

STEPS = 10
"""Interactions within which something follows the last ones."""
MAX_FOLLOWERS = 300
"""Followers of each item that are kept."""
MAX_NEIGHBOURS, MAX_WALKED = 200, 100
"""Neighbours, and neighbours' neighbours, of each item that are kept."""
EASE_ITEMS = (1000, 1500)
"""Items, the most popular ones, with EASE weights: without rankers, and for rankers."""
DIMENSIONS, HIDDEN = 48, 149
"""Length of an item's vector, at so many hidden dimensions (the default); it grows and shrinks with them."""
DEEP_MINUTES, DEEP_MINUTES_A_MILLION = 5.0, 3.0
"""Minutes for the network, and for each million interactions more, unless `deep_minutes` is less."""
_OPEN = ("auto", "deep")
"""Tiers that try a network and choose."""
MAX_SHARED = 3_000_000
"""Rows up to which counts are kept for the next training; of more, memory is dearer than time."""
STEP_ROWS = 4_000_000
"""Interactions, of whole users, that steps from one basket to the next are counted in."""
UNIFORM = 0.001
"""Part of the prior that is the same for every item."""
LIFTED = 4000
"""Most popular items for which lifts are learned."""
LIFT_SHRINKAGE = 50.0


@dataclass(frozen=True, slots=True)
class Decisions:
    """What held-out baskets decided."""

    rankers: Rankers
    ease_share: float
    """See Settings."""
    clock: bool = True
    """Whether times are a clock."""
    newcomers: Shares = USUAL
    mixture: plain_rules.Shares = ()
    new: plain_rules.Shares = ()
    begun: plain_rules.Shares = ()
    """See Settings."""
    network: Learned | None = field(default=None, compare=False)
    """The one that the rankers use; models go on with it."""
    why: str = ""
    """What made `auto` choose its tier."""


@dataclass(slots=True)
class SharedCounts:
    """What one training leaves to the next: User-Personalization and Personalized-Ranking of one drop share it."""

    decided: tuple[object, Decisions] | None = None
    """The latest decisions, and what they were made from."""
    counted: list[tuple[object, PersonalModel]] = field(default_factory=list)
    """The two latest models, without the test users and with them, and what they were counted from."""


class PersonalTrainer:
    """Fits models of one recipe to one snapshot; the first fit decides, by held-out baskets, for all that follow."""

    def __init__(
        self,
        snapshot: Snapshot,
        spec: RecipeSpec,
        config: TrainingConfig,
        shared: SharedCounts,
        enter: Callable[[str], None] = lambda _phase: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`enter` is called with the progress of a network, in words for people; `clock` bounds its time in seconds."""
        self._snapshot, self._spec, self._config, self._shared = snapshot, spec, config, shared
        self._enter, self._clock = enter, clock
        self._options = {**spec.defaults(), **config.hyperparameters}
        self._columns = config.trainable(snapshot.item_columns, "ITEMS")
        self._decisions: Decisions | None = None
        self._learner: Learner | None = None

    @cached_property
    def _content(self) -> Content:
        return Content.of(self._columns, len(self._snapshot.items))

    def fit(self, rows: Rows, query_items: Collection[str] | None = None) -> PersonalModel:
        """Count, or take over the counts of the same data, and add the rankers."""
        del query_items
        source = (self._digest(rows), self._options, self._config.excluded_columns)
        self._learner = self._learner or self._learning(len(rows))
        if self._decisions is None:
            if self._shared.decided is None or self._shared.decided[0] != source:
                trainer, sold = self._of_what_sold(rows)
                self._shared.decided = (source, trainer.decide(sold))
            self._decisions = self._shared.decided[1]
        decisions = self._decisions
        ranked = decisions.rankers.for_histories
        key = (source, ranked, decisions.network is not None, replace(decisions, rankers=Rankers()))
        counted = next((model for source_key, model in self._shared.counted if source_key == key), None)
        if counted is None:
            counted = self.count(rows, decisions, ranked=ranked)
            if decisions.network is not None and self._learner is not None:
                network = self._learner.continued(rankers.counted(self._snapshot, rows, counted), decisions.network)
                counted = counted.with_arrays(network.model.arrays())
            self._shared.counted = [*self._shared.counted[-1:], (key, counted)] if len(rows) <= MAX_SHARED else []
        return counted.for_recipe(self._spec, self._config.training_events(), decisions.rankers, self._objective())

    @property
    def chosen(self) -> dict[str, str]:
        """The tier that was chosen, and why; empty in tiers that leave no choice."""
        if self._tier not in _OPEN or self._decisions is None:
            return {}
        tier, late = "standard", ""
        if self._decisions.network is not None:
            tier = "deep"
            if self._learner is not None and self._learner.stopped:
                late = f"; the clock ended its training after {self._learner.minutes:.1f} minutes"
        return {"tier": tier, "tier_reason": f"deep: {self._decisions.why}{late}"}

    @property
    def _tier(self) -> str:
        return self._options.get("tier", "standard").lower()

    def _objective(self) -> Mapping[str, float] | None:
        """Return what multiplies the score of each item; None without an objective."""
        if self._config.objective is None:
            return None
        weights = objective.weights(self._config.objective, self._snapshot)
        return None if weights is None else dict(zip(self._snapshot.items.tolist(), weights.tolist(), strict=True))

    def _digest(self, rows: Rows) -> bytes:
        digest, snapshot = blake2b(), self._snapshot
        for array in (rows.user, rows.item, rows.time, rows.weight):
            digest.update(np.ascontiguousarray(array).data)
        tables = (snapshot.items, snapshot.users, snapshot.item_columns, snapshot.user_columns, snapshot.context)
        digest.update(pickle.dumps(tables, protocol=5))
        return digest.digest()

    def _of_what_sold(self, rows: Rows) -> tuple["PersonalTrainer", Rows]:
        """Return the trainer and the rows of a catalogue without the items that nobody took: no basket has them."""
        taken = np.flatnonzero(np.bincount(self._snapshot.item_index, minlength=rows.items))
        if len(taken) == rows.items:
            return self, rows
        trainer = PersonalTrainer(self._snapshot.of_items(taken), self._spec, self._config, SharedCounts())
        trainer._learner = self._learner
        trainer._content = self._content.part(taken)
        position = np.zeros(rows.items, np.int32)
        position[taken] = np.arange(len(taken))
        return trainer, replace(renumbered(rows, position), items=len(taken))

    def decide(self, rows: Rows) -> Decisions:
        """Choose the share of EASE on held-out baskets, and rankers too, except in the fast tier."""
        snapshot, cuts = self._snapshot, splits(rows)
        first = Decisions(Rankers(), ease_share=1.0, clock=cuts[0].clock)
        newcomers = self._newcomers(rows) if first.clock else None
        held = HeldOut.of(snapshot, rows, lambda past: self.count(past, first, ranked=False))
        chosen = replace(
            first,
            newcomers=fit_shares(*newcomers) if newcomers else USUAL,
            ease_share=ease_training.best_share(held) if held else ease_training.DEFAULT_SHARE,
        )
        if self._tier == "fast":
            if not held:
                return chosen
            kinds = ("next", "new", "begun") if chosen.clock else ("next",)
            mixtures = ease_training.best_mixtures(held, chosen.ease_share, kinds)
            mixture, new, begun = (mixtures.get(kind, ()) for kind in ("next", "new", "begun"))
            return replace(chosen, mixture=mixture, new=new, begun=begun)
        outcome = rankers.train(snapshot, rows, cuts, lambda past: self.count(past, chosen), self._learner)
        trained = outcome.rankers
        if newcomers:
            trained = replace(trained, newcomers=fit_ranker(*newcomers, chosen.newcomers))
        return replace(chosen, rankers=trained, network=outcome.network, why=self._why(outcome.gain))

    def _why(self, gain: Gain | None) -> str:
        if self._learner is None:
            return "no time for it"
        if self._learner.stopped:
            return f"its {self._learner.minutes:.1f} minutes by the clock were over before it was decided"
        return str(gain or "not enough to learn from")

    def _newcomers(self, rows: Rows) -> tuple[Timeline, int, Floats]:
        """Return what the answers to newcomers are fitted to: rows in the order of time, and ages of items."""
        order = by_popularity(self._snapshot.items, popularity(rows, recent=False))
        rows = renumbered(rows, new_positions(order))
        born = created(rows, {name: column[order] for name, column in self._columns.items()})
        return Metadata(self._snapshot, rows, self._config).timeline(clock=True), LIFTED, born

    def count(self, rows: Rows, decisions: Decisions, *, ranked: bool = True) -> PersonalModel:
        """Count, and put the counts in the form that serves.

        `ranked`: count what only rankers use, too. The rankers and the network of `decisions` are left out.
        """
        snapshot, spec, options = self._snapshot, self._spec, self._options
        recent = _on(options, "recency_mask") and _on(options, "apply_recency_bias")
        prior = popularity(rows, recent=recent)
        order = by_popularity(snapshot.items, prior)
        rows, prior = renumbered(rows, new_positions(order)), prior[order]
        seen, (again, gaps) = np.bincount(rows.item, minlength=rows.items), returns(rows)
        metadata = Metadata(snapshot, rows, self._config)
        settings = Settings(
            recipe=spec.name,
            recipe_type=spec.recipe_type,
            second_generation=spec.events_config,
            sequence=int(options.get("bptt", 50)),
            recency=1.0 if recent else 0.3,
            repeats=repeat_share(rows, again),
            sequence_share=0.95,
            ease_share=decisions.ease_share,
            latest=float(np.max(rows.time)),
            clock=decisions.clock,
            scores_shown=spec.scores_shown,
            by_content=not ranked,
            mixture=decisions.mixture,
            new=decisions.new,
            begun=decisions.begun,
            seasons=metadata.seasons,
            events=self._config.training_events(),
        )
        born = created(rows, {name: column[order] for name, column in self._columns.items()})
        content = self._content.part(order)
        windows = RecencyWindows.of(rows.time, rows.item, rows.items, span(rows.time)).at(int(np.max(rows.time)) + 1)
        timeline = metadata.timeline(clock=decisions.clock)
        files: dict[str, npt.NDArray[Any]] = {
            **self._cooccurrences(rows, seen, prior, ranked=ranked),
            **({} if ranked else self._next(rows)),
            "ease": ease_training.train(rows, EASE_ITEMS[ranked]),
            **content.arrays(),
            **ColdItems.of(content, seen, born).arrays(),
            "prior": (1 - UNIFORM) * prior / prior.sum() + UNIFORM / rows.items,
            "returns": return_rates(rows, again).astype(np.float32),
            "gaps": gaps.astype(np.float32),
            "standing": standing(rows),
            "windows": windows,
            "seen": seen.astype(np.int32),
            "year": _a_year_ago(rows),
            "shown": np.zeros(rows.items, np.int64) if snapshot.impressions is None else snapshot.impressions[order],
            "created": born,
            **metadata.arrays(),
            **at_the_end(timeline, LIFTED, born, decisions.newcomers).arrays(),
        }
        return PersonalModel(settings, ItemIndex(snapshot.items[order]), files, metadata.facts())

    def _cooccurrences(self, rows: Rows, seen: Ints, prior: Floats, *, ranked: bool) -> dict[str, npt.NDArray[Any]]:
        """Count what follows what, and co-occurrence in baskets; for rankers (else empty) in users, too, and walks."""
        popular = np.maximum(seen, 1).astype(np.float64)
        follows, near = _paired(rows, popular, ranked=ranked)
        rare = popular**-0.5
        begins = rows.begins()
        several = rows.where(~(begins & np.append(begins[1:], True)))
        baskets = cooccurrence.Shared(np.cumsum(several.begins()) - 1, several)

        def together(items: Ints) -> cooccurrence.Matrix:
            return cooccurrence.scaled(cooccurrence.of_others(baskets[items], items), rare[items], rare)

        recent = (prior / prior.sum() + 1e-9) / (seen / max(int(seen.sum()), 1) + 1e-9)
        dimensions = round(DIMENSIONS * int(self._options.get("hidden_dimension", HIDDEN)) / HIDDEN)
        walk = cooccurrence.two_steps(near, MAX_WALKED) if ranked else cooccurrence.pruned(near, MAX_WALKED)
        return {
            **follows.arrays("follows"),
            **(self._step(rows) if ranked else {}),
            **cooccurrence.pruned(near, MAX_NEIGHBOURS).arrays("near"),
            **cooccurrence.nearest(together, rows.items, MAX_NEIGHBOURS).arrays("together"),
            **walk.arrays("walk"),
            "factors": _factors(near, dimensions, seen) if ranked else np.zeros((rows.items, 0), np.float32),
            "recent": recent.astype(np.float32),
        }

    def _next(self, rows: Rows) -> dict[str, npt.NDArray[Any]]:
        """[items, items] what follows within a few steps, as it was counted (a Markov chain)."""
        return cooccurrence.pruned(cooccurrence.pairs(rows, decay=1.0, window=STEPS), MAX_FOLLOWERS).arrays("next")

    def _step(self, rows: Rows) -> dict[str, npt.NDArray[Any]]:
        """[items, items] from the newest item of a basket to one of the next, in the histories of some users."""
        rows = some_users(rows, STEP_ROWS, 15)
        first = np.flatnonzero((rows.user[1:] == rows.user[:-1]) & (rows.time[1:] > rows.time[:-1]))
        places, weight = (rows.item[first], rows.item[first + 1]), rows.weight[first + 1].astype(np.float32)
        counted = sparse.coo_array((weight, places), shape=(rows.items, rows.items)).tocsr()
        return cooccurrence.pruned(counted, MAX_FOLLOWERS).arrays("step")

    def _learning(self, rows: int) -> Learner | None:
        """Return what trains a network in so many minutes as the rows are worth; None where none is to be tried."""
        minutes = min(budget(rows), float(self._options.get("deep_minutes", budget(rows))))
        return Learner(minutes, self._enter, self._clock) if self._tier in _OPEN and minutes > 0 else None


def budget(rows: int) -> float:
    """Return the most minutes that a network takes, unless `deep_minutes` is less."""
    return DEEP_MINUTES + DEEP_MINUTES_A_MILLION * rows / 1e6


def _paired(rows: Rows, popular: Floats, *, ranked: bool) -> tuple[SparseRows, cooccurrence.Matrix]:
    """[items, items] what follows an item, and what the same users took near it (empty unless `ranked`)."""
    pairs, rare = cooccurrence.pairs(rows, decay=DECAY), popular**-0.5
    follow = cooccurrence.scaled(cooccurrence.both_ways(pairs, backward=BACKWARD), popular**FROM, popular**TO)
    follows = cooccurrence.pruned(follow, MAX_FOLLOWERS)
    if not ranked:
        return follows, pairs[:0]
    return follows, cooccurrence.scaled(cooccurrence.both_ways(pairs, backward=1.0), rare, rare)


def _factors(near: cooccurrence.Matrix, dimensions: int, seen: Ints) -> npt.NDArray[np.float32]:
    """[items, dimensions] item vectors; the last items, which nobody took, point nowhere."""
    sold = int(np.count_nonzero(seen))
    vectors = cooccurrence.factors(near[:sold, :sold], dimensions)
    return np.concatenate((vectors, np.zeros((len(seen) - sold, vectors.shape[1]), np.float32)))


def _a_year_ago(rows: Rows) -> Ints:
    """[items] interactions in the same weeks of earlier years."""
    weeks = seasons.a_year_ago(int(np.max(rows.time)) + 1, int(np.min(rows.time)))
    some = [rows.item[(rows.time >= begin) & (rows.time < end)] for begin, end in weeks]
    return np.bincount(np.concatenate((*some, rows.item[:0])), minlength=rows.items)


def _on(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "true").lower() == "true"


class Metadata:
    """The values of metadata and context that may train, and the rows that have each."""

    def __init__(self, snapshot: Snapshot, rows: Rows, config: TrainingConfig) -> None:
        """`rows` number items by popularity."""
        self._rows, self._count = rows, len(snapshot.users)
        self.seasons = seasons.seen(rows.time)
        users = config.trainable(snapshot.user_columns, "USERS")
        columns = config.trainable(snapshot.context, "INTERACTIONS")
        context: dict[str, Column] = {name: column[rows.source] for name, column in columns.items()}
        if self.seasons:
            context[seasons.COLUMN] = seasons.months(rows.time)
        self.users, self.context = Vocabulary.of(users), Vocabulary.of(context)
        self._of_user, self._of_row = self.users.pairs(users), self.context.pairs(context)

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        row, code = self._of_row
        by_row = _incidence(code, self._rows.item[row], self.context.size, self._rows.items)
        return {"user_lift": _lifts(self._by_user()), "context_lift": _lifts(by_row)}

    def _by_user(self) -> sparse.csr_array:
        """[values, items] users with a value who took an item."""
        if not self.users.size:
            return sparse.csr_array((0, self._rows.items), dtype=np.float32)
        once, (user, code) = self._rows.once(), self._of_user
        taken = _incidence(once.user, once.item, self._count, once.items)
        return _incidence(code, user, self.users.size, self._count) @ taken

    def facts(self) -> dict[str, object]:
        return {"users": self.users.facts(), "context": self.context.facts()}

    def timeline(self, *, clock: bool) -> Timeline:
        """Return the rows in the order of time; all at one time if timestamps are only positions."""
        rows = self._rows if clock else replace(self._rows, time=np.zeros(len(self._rows), np.int64))
        codes = row_codes(rows, self._of_user, self._of_row, self.users.size)
        of_user, of_row = (
            np.array(vocabulary.spans(), np.int64).reshape(-1, 2) for vocabulary in (self.users, self.context)
        )
        return Timeline(rows, codes, np.concatenate((of_user, of_row + self.users.size)), len(of_row))


def _incidence(row: npt.NDArray[Any], column: npt.NDArray[Any], height: int, width: int) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(row), np.float32), (row, column)), shape=(height, width)).tocsr()


def _lifts(chosen: sparse.csr_array) -> npt.NDArray[np.float32]:
    return lifts(chosen[:, : min(LIFTED, chosen.shape[1])].toarray().astype(np.float64), LIFT_SHRINKAGE)
