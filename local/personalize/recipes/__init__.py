# SPDX-License-Identifier: Apache-2.0
"""Recipes: what Personalize calls its algorithms. `train` makes a model, `load` brings a saved one back."""

from pathlib import Path

from local.personalize import arrays
from local.personalize.data import Snapshot
from local.personalize.recipes.actions import ActionModel
from local.personalize.recipes.base import (
    EventParameters,
    Interaction,
    Model,
    Query,
    Scored,
    Trained,
    TrainingConfig,
)
from local.personalize.recipes.personal import PersonalModel
from local.personalize.recipes.related import ListModel
from local.personalize.recipes.segments import AffinityModel
from local.personalize.recipes.spec import RecipeSpec
from local.personalize.recipes.table import RECIPES

__all__ = [
    "RECIPES",
    "EventParameters",
    "Interaction",
    "Model",
    "Query",
    "RecipeSpec",
    "Scored",
    "Trained",
    "TrainingConfig",
    "load",
    "train",
]

_MODELS: dict[str, type[PersonalModel | ListModel | ActionModel | AffinityModel]] = {
    "personal": PersonalModel,
    "list": ListModel,
    "actions": ActionModel,
    "segments": AffinityModel,
}


def train(recipe: str, snapshot: Snapshot, config: TrainingConfig) -> Trained:
    """Train a recipe (a key of RECIPES) and measure it on held-out users. Worker process: loads scipy.

    Raises TrainingRefused with Personalize's reason when the data is under its minimums or the recipe has no trainer.
    """
    from local.personalize.recipes.training import trained  # noqa: PLC0415 — scipy stays out of the serving process

    return trained(recipe, snapshot, config)


def load(directory: Path) -> Model:
    """A model that `Model.save` wrote, its arrays mapped from disk (numpy only)."""
    files, facts = arrays.load(directory)
    return _MODELS[facts["family"]].load(files, facts)
