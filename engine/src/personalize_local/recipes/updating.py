# SPDX-License-Identifier: Apache-2.0
"""Updates between trainings: a model learns of new items, and of what was shown; what it has learned stays."""

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.actions import ActionModel
from personalize_local.recipes.base import Model
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RECIPES
from personalize_local.recipes.user_personalization import new_items
from personalize_local.recipes.user_personalization.model import PersonalModel

_FAMILIES = ("personal", "actions")


def updatable(recipe: str) -> bool:
    """Tell whether models of a recipe (a key of RECIPES) are updated between trainings."""
    return RECIPES[recipe].family in _FAMILIES


def updated(model: Model, snapshot: Snapshot, config: TrainingConfig) -> Model:
    """Return the model with the items of a newer snapshot; the same one for recipes that only a training changes."""
    if isinstance(model, PersonalModel):
        return new_items.added(model, snapshot, config)
    if isinstance(model, ActionModel):
        return model.added(snapshot)
    return model
