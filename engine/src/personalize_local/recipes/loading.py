# SPDX-License-Identifier: Apache-2.0
"""Models that `Model.save` wrote, of every family."""

from pathlib import Path

from personalize_local.data import arrays
from personalize_local.recipes.base import Model


def load(directory: Path) -> Model:
    """Load a model, its arrays mapped from disk (numpy only).

    Each family is imported when its first model is loaded: a process that answers often has no other.
    """
    files, facts = arrays.load(directory)
    match facts["family"]:
        case "personal":
            from personalize_local.recipes.user_personalization.model import PersonalModel  # noqa: PLC0415

            return PersonalModel.load(files, facts)
        case "list":
            from personalize_local.recipes.related.model import ListModel  # noqa: PLC0415

            return ListModel.load(files, facts)
        case "actions":
            from personalize_local.recipes.actions import ActionModel  # noqa: PLC0415

            return ActionModel(files, facts)
        case "segments":
            from personalize_local.recipes.segments import AffinityModel  # noqa: PLC0415

            return AffinityModel(files, facts)
        case "semantic":
            from personalize_local.recipes.semantic.model import SemanticModel  # noqa: PLC0415

            return SemanticModel.load(files, facts)
        case unknown:
            raise KeyError(unknown)
