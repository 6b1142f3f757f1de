# SPDX-License-Identifier: Apache-2.0
"""Trained models, opened from their folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personalize_local.library import folders
from personalize_local.library.refusals import DAMAGED, Refused
from personalize_local.recipes import base, loading


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A trained model, its arrays mapped from the disk. Threads may share it."""

    recipe: str
    """The recipe's name: aws-similar-items, for example."""
    solution: Mapping[str, Any]
    """The members of CreateSolution that it was trained with."""
    metrics: Mapping[str, float]
    """GetSolutionMetrics' map."""
    notes: Mapping[str, Any]
    """What the caller of `train` left for those who answer."""
    engine: str
    """The version of Personalize Local that trained it."""
    model: base.Model
    """What `Recommender` asks."""

    @property
    def counts(self) -> bool:
        """Whether what all do after the training changes answers; otherwise only a training does."""
        return self.model.online_counts() is not None


def open_model(folder: Path, *, verify: bool = False) -> Model:
    """Open a model folder that `train` wrote. It must stay until the model is gone.

    Sizes of files are always compared with the manifest; `verify`: their checksums too, which reads them all.
    Raises Refused: DAMAGED for a folder that is cut off, changed or no model, NEWER for one of a newer format.
    """
    manifest = folders.checked(folder, "model", verify=verify)
    try:
        model = loading.load(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(DAMAGED, f"The model in {folder} cannot be opened: {error!r}.") from error
    members = ("recipe", "solution", "metrics", "notes", "engine")
    return Model(model=model, **{name: manifest[name] for name in members})
