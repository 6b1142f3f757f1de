# SPDX-License-Identifier: Apache-2.0
"""What a solution asks of its training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from personalize_local.data.snapshots import Column

RETURN = "return"
"""The event type, in lower case, that takes a purchase back: it trains only where a solution names it."""


@dataclass(frozen=True, slots=True)
class EventParameters:
    """One entry of `eventsConfig`: which events train a v2 recipe, and how much they count."""

    event_type: str
    threshold: float | None = None
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """`optimizationObjective`: what an answer should have much of, beside relevance."""

    attribute: str
    """A numeric column of Items."""
    sensitivity: Literal["OFF", "LOW", "MEDIUM", "HIGH"]


@dataclass(frozen=True, slots=True)
class Range:
    """The values of one hyperparameter that a search may try."""

    name: str
    kind: Literal["integer", "continuous", "categorical"]
    low: float = 0.0
    high: float = 0.0
    values: tuple[str, ...] = ()
    """Of a categorical one."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is tried before the training: each recipe with some values of its ranges."""

    spaces: Mapping[str, tuple[Range, ...]]
    """Ranges by recipe."""
    trials: int
    """Most trials of each recipe."""
    metric: str
    """The offline metric that decides."""
    maximize: bool = True


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """The part of a solution's configuration that decides what trains, and how."""

    minimum_interactions: int = 1000
    minimum_users: int = 25
    """With two interactions each."""
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
    objective: Objective | None = None
    search: Search | None = None

    def trainable(self, columns: "Mapping[str, Column]", dataset: str) -> "dict[str, Column]":
        excluded = self.excluded_columns.get(dataset, frozenset())
        return {name: column for name, column in columns.items() if name not in excluded}

    def training_events(self) -> tuple[EventParameters, ...]:
        """Return the events that train, in the form of `eventsConfig`; none = all."""
        if self.events or (self.event_type is None and self.event_value_threshold is None):
            return self.events
        return (EventParameters(self.event_type or "", self.event_value_threshold),)
