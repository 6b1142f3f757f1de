# SPDX-License-Identifier: Apache-2.0
"""Recipes: what Personalize calls its algorithms. `train` makes a model, `load` brings a saved one back."""

from pathlib import Path

from personalize_local.data import arrays
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.actions import ActionModel
from personalize_local.recipes.base import EventParameters, Interaction, Model, Query, Scored, Trained, TrainingConfig
from personalize_local.recipes.related.model import ListModel
from personalize_local.recipes.segments import AffinityModel
from personalize_local.recipes.spec import RecipeSpec
from personalize_local.recipes.table import RECIPES
from personalize_local.recipes.user_personalization.model import PersonalModel

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
    from personalize_local.recipes.training import trained  # noqa: PLC0415 — scipy stays out of the serving process

    return trained(recipe, snapshot, config)


def load(directory: Path) -> Model:
    """A model that `Model.save` wrote, its arrays mapped from disk (numpy only)."""
    files, facts = arrays.load(directory)
    return _MODELS[facts["family"]].load(files, facts)
