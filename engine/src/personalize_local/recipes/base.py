# SPDX-License-Identifier: Apache-2.0
"""What every recipe has in common: the query, the form of a model, and the outcome of a training."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from personalize_local.data.records import Interaction, Value
from personalize_local.recipes.common.online_counts import OnlineCounts
from personalize_local.recipes.common.topk import Scored


@dataclass(frozen=True, slots=True)
class Query:
    """What an answer may depend on besides the model; every part may be missing."""

    user_id: str | None = None
    item_id: str | None = None
    """The item that RELATED_ITEMS recipes start from."""
    history: Sequence[Interaction] = ()
    """The user's bulk and streamed interactions, oldest first."""
    user: Mapping[str, Value] = field(default_factory=dict)
    """The user's metadata by column name."""
    context: Mapping[str, str] = field(default_factory=dict)
    """Interactions metadata of the request by column name."""
    now: float = 0.0
    """Unix epoch seconds, for recipes whose answers change with the season."""
    exploration: Mapping[str, float] = field(default_factory=dict)
    """`explorationWeight` (0 to 1) and `explorationItemAgeCutOff` (days); User-Personalization v1 only."""
    online: OnlineCounts | None = None
    """Counts of the events since the model's training."""
    influence: Mapping[str, float] = field(default_factory=dict)
    """`POPULARITY` and `FRESHNESS`, 0 to 1 each; Semantic-Similarity only."""


class Model(Protocol):
    """A trained solution version, ready to answer; threads may share it, because nothing writes to it."""

    item_ids: npt.NDArray[np.object_]
    """The catalogue: every item of the Interactions and Items datasets at training; masks are aligned with it."""

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        """Return the best `limit` items that `allowed` (aligned with `item_ids`; None = all) lets through, best first.

        A model of user segments recommends nothing.
        """
        del query, allowed, limit
        return []

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        """Return the same items, best first; unknown ones last, in the caller's order, without a score."""
        del query
        return [Scored(item_id) for item_id in item_ids]

    def online_counts(self) -> OnlineCounts | None:
        """Return empty counts for the events after the training; None where only a training changes the answers."""
        return None

    def without_users(self, user_ids: Collection[str]) -> "Model | None":
        """Return the model without some users; None if it names no users."""
        del user_ids
        return None

    def save(self, directory: Path) -> None:
        """Write the model as numpy arrays and one JSON file; the directory appears complete or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class Trained:
    model: Model
    metrics: dict[str, float]
    """GetSolutionMetrics' map: four decimals, measured on users that the measured model has not seen."""
    popularity: dict[str, float] = field(default_factory=dict)
    """The same of the plain rule, the same popular items for everybody; empty where the recipe recommends no items."""
    recipe: str = ""
    """The recipe that a search chose."""
    tuned: Mapping[str, str] | None = None
    """The algorithm's hyperparameters that it chose; None without a search."""
