# SPDX-License-Identifier: Apache-2.0
"""Training of every recipe: a model without the held-out users to measure, and the model of everything to serve."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes import actions, offline_metrics, segments, tuning
from personalize_local.recipes.base import Model, Trained
from personalize_local.recipes.common import objective
from personalize_local.recipes.common.rows import Rows, hashes, training_rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RECIPES, RecipeSpec
from personalize_local.recipes.related import trending
from personalize_local.recipes.related.training import RelatedTrainer, frequency
from personalize_local.recipes.semantic import training as semantic_training
from personalize_local.recipes.user_personalization.training import PersonalTrainer, SharedCounts
from personalize_local.wire.errors import TrainingRefused

_SELF_MEASURED: dict[str, Callable[[Snapshot, RecipeSpec, TrainingConfig], Trained]] = {
    "actions": actions.train,
    "segments": segments.train,
    "semantic": semantic_training.train,
}
"""Families with metrics of their own."""


_ENGINE_HYPERPARAMETERS = {"tier", "deep_minutes"}
"""Hyperparameters that AWS does not have."""
TRIED_ROWS = 200_000
"""Rows that a trial of a search learns from, those of as many users: more would cost more than they tell."""


def train(
    recipe: str,
    snapshot: Snapshot,
    config: TrainingConfig,
    shared: SharedCounts | None = None,
    enter: Callable[[str], None] = lambda _phase: None,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Train a recipe (a key of RECIPES) and measure it on held-out users; `shared` is what earlier trainings left.

    A search in `config` comes first: it may choose another recipe. Calls `enter` at the beginning of each phase, with
    words for people, and with the progress of a network, whose seconds by `clock` are bounded.
    Raises TrainingRefused if the data is under Personalize's minimums, or the recipe has no trainer.
    """
    if config.search is not None:
        search, config = config.search, replace(config, search=None)
        given = {name: _options(RECIPES[name], config) for name in search.spaces}
        recipe, tuned = tuning.best(search, given, _Trials(snapshot, config, search.metric).measured, enter)
        config = replace(config, hyperparameters={**config.hyperparameters, **tuned})
        trained = train(recipe, snapshot, config, shared, enter, clock)
        tuned = _without_tier(RECIPES[recipe], config) | dict(trained.tuned or {})
        return replace(trained, recipe=recipe, tuned=tuned)
    spec = RECIPES.get(recipe)
    if spec is None or spec.retired:
        raise TrainingRefused(f"Recipe {recipe} cannot be trained.")
    if spec.family in _SELF_MEASURED:
        return _SELF_MEASURED[spec.family](snapshot, spec, config)
    rows = _rows(snapshot, spec, config)
    held_out = offline_metrics.held_out_users(snapshot)
    questions = offline_metrics.questions(snapshot, rows, held_out)
    trainer = _trainer(snapshot, spec, config, (shared or SharedCounts(), enter, clock), rows)
    fit = trainer.fit
    rewards = objective.rewards(config.objective, snapshot) if config.objective else None
    seen = rows.where(~held_out[rows.user]) or rows  # where all of a handful of users are held out
    enter("Training without the held-out users")
    measured = fit(seen, {query.item_id for query, _ in questions if query.item_id})
    enter("Measuring on held-out users")
    metrics = offline_metrics.measure(measured, questions, rewards)
    popularity = offline_metrics.popularity(seen, snapshot.items, questions)
    if spec.family == "trending":
        window = frequency(_options(spec, config))
        metrics["trend_prediction_accuracy"] = round(trending.accuracy(rows, window), 4)
    enter("Training on everyone")
    return Trained(fit(rows), metrics, popularity, tuned=trainer.chosen or None)


class _Trials:
    """Measures hyperparameters on a tenth of the users that no metric of the solution version knows of."""

    def __init__(self, snapshot: Snapshot, config: TrainingConfig, metric: str) -> None:
        self._snapshot, self._config, self._metric = snapshot, config, metric
        self._held_out = offline_metrics.held_out_users(snapshot)
        self._validating = offline_metrics.held_out_users(snapshot, fold=1) & ~self._held_out
        self._drawn = hashes(snapshot.users) // 100 % 1000
        self._shared = SharedCounts()
        self._rows: dict[str, Rows] = {}
        """By recipe: hyperparameters of an algorithm change nothing about them."""

    def measured(self, recipe: str, tried: tuning.Values) -> float:
        """Return the metric of a recipe with some hyperparameters.

        Trials count only, without a ranker, which takes most of the time of a training; but hidden_dimension has no
        effect without one. None trains a network.
        """
        spec = RECIPES[recipe]
        config = replace(self._config, hyperparameters={**self._config.hyperparameters, **tried})
        if "tier" in spec.hyperparameters:
            counts = "hidden_dimension" not in tried or _options(spec, config)["tier"].lower() == "fast"
            tier = {"tier": "fast" if counts else "standard"}
            config = replace(config, hyperparameters={**config.hyperparameters, **tier})
        if recipe not in self._rows:
            self._rows[recipe] = self._sampled(_rows(self._snapshot, spec, config))
        rows = self._rows[recipe]
        questions = offline_metrics.questions(self._snapshot, rows, self._validating)
        rewards = objective.rewards(config.objective, self._snapshot) if config.objective else None
        model = _trainer(self._snapshot, spec, config, (self._shared,)).fit(rows.where(~self._validating[rows.user]))
        return offline_metrics.measure(model, questions, rewards)[self._metric]

    def _sampled(self, rows: Rows) -> Rows:
        sampled = self._drawn < 1000 * TRIED_ROWS / len(rows)
        return rows.where((~self._held_out & sampled)[rows.user])


def _options(spec: RecipeSpec, config: TrainingConfig) -> dict[str, str]:
    return {**spec.defaults(), **config.hyperparameters}


def _without_tier(spec: RecipeSpec, config: TrainingConfig) -> dict[str, str]:
    """Return the algorithm's hyperparameters, without the engine's own one."""
    options = _options(spec, config)
    return {name: options[name] for name in spec.hyperparameters if name not in _ENGINE_HYPERPARAMETERS}


def _rows(snapshot: Snapshot, spec: RecipeSpec, config: TrainingConfig) -> Rows:
    if spec.trains_on:
        training_rows(snapshot, config)
        config = replace(config, event_type=spec.trains_on)
    return _without_extremes(training_rows(snapshot, config), _options(spec, config))


class _Trainer(Protocol):
    def fit(self, rows: Rows, query_items: Collection[str] | None = None) -> Model:
        """Fit a model. It answers only queries that start from `query_items`; None: from any item."""
        ...

    @property
    def chosen(self) -> Mapping[str, str]:
        """Hyperparameters that the fits chose by themselves, and why."""
        ...


def _trainer(
    snapshot: Snapshot,
    spec: RecipeSpec,
    config: TrainingConfig,
    surroundings: tuple[SharedCounts] | tuple[SharedCounts, Callable[[str], None], Callable[[], float]],
    everybody: Rows | None = None,
) -> _Trainer:
    """Return what fits models.

    `everybody`: the rows of all users, held-out ones included, which decide a few shares; None: those of the first fit.

    `surroundings`: what earlier trainings left, and what a network's progress and its clock are, by default nothing
    and the machine's.
    """
    if spec.family in {"personal", "ranking"}:
        return PersonalTrainer(snapshot, spec, config, *surroundings)
    return RelatedTrainer(snapshot, spec, config, everybody)


def _without_extremes(rows: Rows, options: dict[str, str]) -> Rows:
    """Leave out users with less history than the lower percentile; of those above the upper keep the newest part."""
    low = float(options.get("min_user_history_length_percentile", 0.0))
    high = float(options.get("max_user_history_length_percentile", 1.0))
    lengths = np.bincount(rows.user)
    shortest, longest = np.quantile(lengths[lengths > 0], [low, high])
    newest = max(np.ceil(longest), 2)
    stays = [(part.lengths() >= shortest) & (part.position_from_end() < newest) for _, part in rows.parts()]
    return rows.where(np.concatenate(stays))
