# SPDX-License-Identifier: Apache-2.0
"""The form of a recipe's description: what it is called, what can be asked of it, and which trainer makes its model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RecipeType = Literal[
    "USER_PERSONALIZATION",
    "PERSONALIZED_RANKING",
    "RELATED_ITEMS",
    "POPULAR_ITEMS",
    "PERSONALIZED_ACTIONS",
    "USER_SEGMENTATION",
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hyperparameter: its default as it goes on the wire, and what values it takes."""

    default: str
    kind: Literal["integer", "continuous", "categorical"]
    low: float = 0.0
    high: float = 1.0
    values: tuple[str, ...] = ()
    """The allowed values of a categorical parameter."""
    tunable: bool = False

    def accepts(self, value: str) -> bool:
        """Whether a caller may ask for this value."""
        if self.kind == "categorical":
            return value.lower() in {known.lower() for known in self.values}
        try:
            number = int(value) if self.kind == "integer" else float(value)
        except ValueError:
            return False
        return self.low <= number <= self.high


@dataclass(frozen=True, slots=True)
class RecipeSpec:
    """One recipe: its public description and how it is trained here."""

    name: str
    recipe_type: RecipeType
    description: str
    hyperparameters: Mapping[str, Parameter] = field(default_factory=dict)
    """algorithmHyperParameters."""
    feature_parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """featureTransformationParameters."""
    exploration: Mapping[str, Parameter] = field(default_factory=dict)
    """itemExplorationConfig of campaigns."""
    algorithm: str = ""
    """Name of the algorithm resource; the recipe's own name where empty."""
    feature_transformation: str = "JSON-percentile-filtering"
    domain: Literal["ECOMMERCE", "VIDEO_ON_DEMAND"] | None = None
    family: Literal[
        "personal",
        "ranking",
        "similar",
        "sims",
        "together",
        "popularity",
        "events",
        "trending",
        "actions",
        "segments",
        "",
    ] = ""
    """Which trainer of this package makes the model; empty = none yet."""
    scores_shown: bool = False
    needs: tuple[str, ...] = ("userId",)
    """What a runtime request must name: userId, itemId, inputList."""
    events_config: bool = False
    """Whether solutionConfig.eventsConfig is allowed."""
    trains_on: str | None = None
    """The one event type that trains a use case, of which it needs 1000; None = every type."""
    left_out: str | None = None
    """A use case never shows items that the user has an event of this type with (the 100 newest count)."""
    needs_items: bool = False
    """Whether a use case needs an Items dataset."""

    retired: bool = False
    """Whether the service still describes the recipe, and takes no new solutions of it."""

    @property
    def trainable(self) -> bool:
        """Whether this engine can train the recipe."""
        return bool(self.family)

    @property
    def algorithm_name(self) -> str:
        """Name of the algorithm resource."""
        return self.algorithm or self.name

    def defaults(self) -> dict[str, str]:
        """Every algorithm and featurization hyperparameter with its default, as strings."""
        return {
            name: p.default for table in (self.hyperparameters, self.feature_parameters) for name, p in table.items()
        }
