# SPDX-License-Identifier: Apache-2.0
"""Updates between trainings: a model learns of new items, and of what was shown; trends are found anew."""

from collections.abc import Mapping

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.actions import ActionModel
from personalize_local.recipes.base import Model
from personalize_local.recipes.common.rows import training_rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RECIPES, WINDOWS
from personalize_local.recipes.related.model import ListModel
from personalize_local.recipes.semantic.model import SemanticModel
from personalize_local.recipes.user_personalization import new_items
from personalize_local.recipes.user_personalization.model import PersonalModel

_HOURS, _HALF_AN_HOUR = 2, 1800.0
_FAMILIES = ("personal", "actions")


def seconds_between(recipe: str, parameters: Mapping[str, str]) -> float | None:
    """Return the time from one update of a recipe's models to the next; None if only a training changes them.

    `parameters`: the featureTransformationParameters of the solution.
    """
    spec = RECIPES[recipe]
    if spec.family == "trending":
        return float(WINDOWS[{**spec.defaults(), **parameters}["trend_discovery_frequency"].lower()])
    if spec.family == "semantic":
        return _HALF_AN_HOUR
    return _HOURS * 3600.0 if spec.family in _FAMILIES else None


def updated(model: Model, snapshot: Snapshot, config: TrainingConfig) -> Model:
    """Return the model with the items, or the trends, of a newer snapshot."""
    if isinstance(model, PersonalModel):
        return new_items.added(model, snapshot, config)
    if isinstance(model, ActionModel):
        return model.added(snapshot)
    if isinstance(model, ListModel):
        from personalize_local.recipes.related.training import RelatedTrainer  # noqa: PLC0415 — scipy is not for serving

        return RelatedTrainer(snapshot, RECIPES[model.settings.recipe], config).fit(training_rows(snapshot, config))
    if isinstance(model, SemanticModel):
        from personalize_local.recipes.semantic import training as semantic  # noqa: PLC0415 — scipy again

        return semantic.updated(model, snapshot)
    return model
