# SPDX-License-Identifier: Apache-2.0
"""Training of every recipe: a model without the held-out users to measure, and the model of everything to serve."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes import actions, offline_metrics, segments
from personalize_local.recipes.base import Model, Trained
from personalize_local.recipes.common import objective
from personalize_local.recipes.common.rows import Rows, training_rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RECIPES, RecipeSpec
from personalize_local.recipes.related import training as related_training
from personalize_local.recipes.user_personalization.training import PersonalTrainer, SharedCounts
from personalize_local.wire.errors import TrainingRefused

_SELF_MEASURED: dict[str, Callable[[Snapshot, RecipeSpec, TrainingConfig], Trained]] = {
    "actions": actions.train,
    "segments": segments.train,
}
"""Families with metrics of their own."""


def train(
    recipe: str,
    snapshot: Snapshot,
    config: TrainingConfig,
    shared: SharedCounts | None = None,
    enter: Callable[[str], None] = lambda _phase: None,
) -> Trained:
    """Train a recipe (a key of RECIPES) and measure it on held-out users; `shared` is what earlier trainings left.

    Calls `enter` at the beginning of each phase, with words for people.
    Raises TrainingRefused if the data is under Personalize's minimums, or the recipe has no trainer.
    """
    spec = RECIPES.get(recipe)
    if spec is None or not spec.trainable:
        raise TrainingRefused(f"Recipe {recipe} cannot be trained by this engine yet.")
    if spec.family in _SELF_MEASURED:
        return _SELF_MEASURED[spec.family](snapshot, spec, config)
    options = {**spec.defaults(), **config.hyperparameters}
    rows = training_rows(snapshot, config)
    if spec.trains_on:
        rows = training_rows(snapshot, replace(config, event_type=spec.trains_on))
    rows = _without_extremes(rows, options)
    held_out = offline_metrics.held_out_users(snapshot)
    questions = offline_metrics.questions(snapshot, rows, held_out)
    fit: Callable[[Rows], Model]
    if spec.family in {"personal", "ranking"}:
        fit = PersonalTrainer(snapshot, spec, config, shared or SharedCounts()).fit
    else:
        fit = lambda rows: related_training.fit(snapshot, rows, spec, config)  # noqa: E731
    rewards = objective.rewards(config.objective, snapshot) if config.objective else None
    seen = rows.where(~held_out[rows.user])
    enter("Training without the held-out users")
    measured = fit(seen)
    enter("Measuring on held-out users")
    metrics = offline_metrics.measure(measured, questions, rewards)
    popularity = offline_metrics.popularity(seen, snapshot.items, questions)
    if spec.family == "trending":
        metrics["trend_prediction_accuracy"] = round(
            related_training.accuracy(rows, related_training.frequency(options)), 4
        )
    enter("Training on everyone")
    return Trained(fit(rows), metrics, popularity)


def _without_extremes(rows: Rows, options: dict[str, str]) -> Rows:
    """Leave out users with less history than the lower percentile; of those above the upper keep the newest part."""
    low = float(options.get("min_user_history_length_percentile", 0.0))
    high = float(options.get("max_user_history_length_percentile", 1.0))
    lengths = np.bincount(rows.user)
    shortest, longest = np.quantile(lengths[lengths > 0], [low, high])
    mask = (rows.lengths() >= shortest) & (rows.position_from_end() < max(np.ceil(longest), 2))
    return rows.where(mask)
