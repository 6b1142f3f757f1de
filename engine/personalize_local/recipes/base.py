# SPDX-License-Identifier: Apache-2.0
"""What every recipe speaks: the question, the answer, the configuration of a training and the shape of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from personalize_local.recipes.user_personalization.online_counts import Absorbed

RETURN = "return"
"""The event type, in lower case, that takes a purchase back: it trains only where a solution names it."""
Value = str | float
"""A cell of a Users or Items row: text (several values joined by `|`), a number, or a boolean as 1.0 / 0.0."""


class Interaction(NamedTuple):
    """One row of a user's history."""

    item_id: str
    timestamp: float
    """Unix epoch seconds."""
    event_type: str | None = None
    event_value: float | None = None


class Scored(NamedTuple):
    """One recommended or ranked item; `score` is None where Personalize shows none."""

    item_id: str
    score: float | None = None
    reason: str | None = None
    """`Popular item` or `Exploration` (User-Personalization-v2 only), else None."""


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that an answer may depend on besides the model; all of it may be missing."""

    user_id: str | None = None
    item_id: str | None = None
    """The item that RELATED_ITEMS recipes start from."""
    history: Sequence[Interaction] = ()
    """The user's bulk and streamed interactions, oldest first."""
    user: Mapping[str, Value] = field(default_factory=dict)
    """The user's metadata by column name."""
    context: Mapping[str, str] = field(default_factory=dict)
    """Interactions metadata of this moment by column name."""
    now: float = 0.0
    """Unix epoch seconds, for recipes whose answers change with the season."""
    exploration: Mapping[str, float] = field(default_factory=dict)
    """`explorationWeight` (0 to 1) and `explorationItemAgeCutOff` (days); User-Personalization v1 only."""
    absorbed: "Absorbed | None" = None
    """What events have added to the model's counts since its training."""


@dataclass(frozen=True, slots=True)
class EventParameters:
    """One entry of `eventsConfig`: which events train a v2 recipe, and how much they count."""

    event_type: str
    threshold: float | None = None
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """What a solution asks of its training."""

    event_type: str | None = None
    """Only interactions of this type train (Solution.eventType); None = all."""
    event_value_threshold: float | None = None
    """Only interactions whose EVENT_VALUE is at least this; rows without a value are then left out."""
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    """Algorithm and featurization parameters in one map; missing ones take the recipe's defaults."""
    events: tuple[EventParameters, ...] = ()
    """`eventsConfig.eventParametersList`; empty = every event type counts the same."""
    excluded_columns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Columns that must not train, by dataset type (INTERACTIONS, ITEMS, USERS)."""


class Model(Protocol):
    """A trained solution version, ready to answer; safe to share between threads (it is never written to)."""

    @property
    def item_ids(self) -> npt.NDArray[np.object_]:
        """The catalogue: every item of the Interactions and Items datasets at training; masks are aligned with it."""
        ...

    @property
    def recipe_type(self) -> str:
        """USER_PERSONALIZATION, PERSONALIZED_RANKING, RELATED_ITEMS or POPULAR_ITEMS."""
        ...

    @property
    def scores_shown(self) -> bool:
        """Whether answers carry scores."""
        ...

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        """The best `limit` items that `allowed` (aligned with `item_ids`; None = all) lets through, best first."""
        ...

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        """The same items, best first; unknown ones last, in the caller's order, without a score."""
        ...

    def save(self, directory: Path) -> None:
        """Write the model as numpy arrays and one JSON file; the directory appears complete or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome of a training."""

    model: Model
    metrics: dict[str, float]
    """GetSolutionMetrics' map: four decimals, measured on users that the measured model had not seen."""
