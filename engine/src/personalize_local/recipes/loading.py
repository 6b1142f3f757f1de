# SPDX-License-Identifier: Apache-2.0
"""Models that `Model.save` wrote, of every family."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays
from personalize_local.recipes.actions import ActionModel
from personalize_local.recipes.base import Model
from personalize_local.recipes.related.model import ListModel
from personalize_local.recipes.segments import AffinityModel
from personalize_local.recipes.semantic.model import SemanticModel
from personalize_local.recipes.user_personalization.model import PersonalModel

_LOADERS: dict[str, Callable[[Arrays, Mapping[str, Any]], Model]] = {
    "personal": PersonalModel.load,
    "list": ListModel.load,
    "actions": ActionModel,
    "segments": AffinityModel,
    "semantic": SemanticModel.load,
}


def load(directory: Path) -> Model:
    """Load a model, its arrays mapped from disk (numpy only)."""
    files, facts = arrays.load(directory)
    return _LOADERS[facts["family"]](files, facts)
