# SPDX-License-Identifier: Apache-2.0
"""One way to train every recipe: rows, a model without the test users to measure, the model of everything to serve."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes import actions, metrics, segments
from personalize_local.recipes.base import Model, Trained, TrainingConfig
from personalize_local.recipes.common.rows import Rows, training_rows
from personalize_local.recipes.popularity import trending
from personalize_local.recipes.related.training import fit as fit_related
from personalize_local.recipes.spec import RecipeSpec
from personalize_local.recipes.table import RECIPES
from personalize_local.recipes.user_personalization.training import fit as fit_personal
from personalize_local.wire.errors import TrainingRefused

Fit = Callable[[Snapshot, Rows, RecipeSpec, TrainingConfig, Model | None], Model]
_FAMILIES: dict[str, Fit] = {
    "personal": fit_personal,
    "ranking": fit_personal,
    "similar": fit_related,
    "sims": fit_related,
    "together": fit_related,
    "popularity": fit_related,
    "events": fit_related,
    "trending": fit_related,
}

_OWN: dict[str, Callable[[Snapshot, RecipeSpec, TrainingConfig], Trained]] = {
    "actions": actions.train,
    "segments": segments.train,
}
"""Families that measure themselves in a way of their own."""


def trained(recipe: str, snapshot: Snapshot, config: TrainingConfig) -> Trained:
    """Train a recipe; see `recipes.train`."""
    spec = RECIPES.get(recipe)
    if spec and spec.family in _OWN:
        return _OWN[spec.family](snapshot, spec, config)
    fit = _FAMILIES.get(spec.family) if spec else None
    if spec is None or fit is None:
        raise TrainingRefused(f"Recipe {recipe} cannot be trained by this engine yet.")
    options = {**spec.defaults(), **config.hyperparameters}
    rows = training_rows(snapshot, config)
    if spec.trains_on:
        rows = training_rows(snapshot, replace(config, event_type=spec.trains_on))
    rows = usable(rows, options)
    test = metrics.test_users(snapshot)
    questions = metrics.cases(snapshot, rows, test)
    measured = fit(snapshot, rows.where(~test[rows.user]), spec, config, None)
    figures = metrics.measure(measured, questions)
    if spec.family == "trending":
        figures["trend_prediction_accuracy"] = round(trending.accuracy(rows, trending.frequency(options)), 4)
    return Trained(fit(snapshot, rows, spec, config, measured), figures)


def usable(rows: Rows, options: dict[str, str]) -> Rows:
    """Leave out users with less history than the lower percentile; of those above the upper keep the newest part."""
    low = float(options.get("min_user_history_length_percentile", 0.0))
    high = float(options.get("max_user_history_length_percentile", 1.0))
    lengths = np.bincount(rows.user)
    shortest, longest = np.quantile(lengths[lengths > 0], [low, high])
    mask = (rows.lengths() >= shortest) & (rows.position_from_end() < max(np.ceil(longest), 2))
    return rows.where(mask)
