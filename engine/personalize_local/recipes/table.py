# SPDX-License-Identifier: Apache-2.0
"""The recipes: their public description, their parameters, and the family that trains each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
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


_SWITCH = ("true", "false")
_TIER = {"tier": Parameter("standard", "categorical", values=("fast", "standard", "deep"))}
"""Of this engine only: `fast` counts, `standard` puts a learned ranker on top where that is better, `deep` gives the
ranker a neural network's opinion too where that is better."""
_RECENCY_BIAS = {"apply_recency_bias": Parameter("true", "categorical", values=_SWITCH), **_TIER}
_NETWORK = {
    "hidden_dimension": Parameter("149", "integer", 32, 256, tunable=True),
    "bptt": Parameter("32", "integer", 2, 32, tunable=True),
    "recency_mask": Parameter("True", "categorical", values=("True", "False"), tunable=True),
}
_SEQUENCE = {**_NETWORK, **_TIER}
_HISTORY_LENGTH = {
    "min_user_history_length_percentile": Parameter("0.0", "continuous"),
    "max_user_history_length_percentile": Parameter("0.99", "continuous"),
}
_EXPLORATION = {
    "explorationWeight": Parameter("0.3", "continuous"),
    "explorationItemAgeCutOff": Parameter("30.0", "continuous", 1.0, 36500.0),
}
_TREND = {
    "trend_discovery_frequency": Parameter(
        "2 hours", "categorical", values=("30 minutes", "1 hour", "2 hours", "3 hours", "1 day")
    )
}
_COLD_START = {
    "cold_start_max_interactions": Parameter("15", "integer", 1, 2**31 - 1),
    "cold_start_max_duration": Parameter("5.0", "continuous", 0.0, 36500.0),
    "cold_start_relative_from": Parameter("latestItem", "categorical", values=("latestItem", "currentTime")),
}
_HIDDEN = {"hidden_dimension": Parameter("149", "integer", 32, 256)}

_TABLE = (
    RecipeSpec(
        "aws-user-personalization",
        "USER_PERSONALIZATION",
        "Predicts the items that a user will interact with next, and explores new ones.",
        hyperparameters=_SEQUENCE,
        feature_parameters=_HISTORY_LENGTH,
        exploration=_EXPLORATION,
        family="personal",
        scores_shown=True,
    ),
    RecipeSpec(
        "aws-user-personalization-v2",
        "USER_PERSONALIZATION",
        "Predicts the items that a user will interact with next; scores a candidate subset of a large catalogue.",
        hyperparameters=_RECENCY_BIAS,
        family="personal",
        scores_shown=True,
        events_config=True,
    ),
    RecipeSpec(
        "aws-personalized-ranking",
        "PERSONALIZED_RANKING",
        "Puts a list of items in the order in which a user is likely to want them.",
        hyperparameters=_SEQUENCE,
        feature_parameters=_HISTORY_LENGTH,
        family="ranking",
        scores_shown=True,
        needs=("userId", "inputList"),
    ),
    RecipeSpec(
        "aws-personalized-ranking-v2",
        "PERSONALIZED_RANKING",
        "Puts a list of items in the order in which a user is likely to want them; second generation.",
        hyperparameters=_RECENCY_BIAS,
        family="ranking",
        scores_shown=True,
        needs=("userId", "inputList"),
        events_config=True,
    ),
    RecipeSpec(
        "aws-similar-items",
        "RELATED_ITEMS",
        "Finds items like a given one, by who interacted with both and by their metadata.",
        hyperparameters={
            "popularity_discount_factor": Parameter("0.0", "continuous"),
            "item_id_hidden_dim": Parameter("100", "integer", 30, 200, tunable=True),
            "item_metadata_hidden_dim": Parameter("100", "integer", 30, 200, tunable=True),
        },
        family="similar",
        needs=("itemId",),
    ),
    RecipeSpec(
        "aws-sims",
        "RELATED_ITEMS",
        "Finds items that the same users interacted with.",
        hyperparameters={
            "popularity_discount_factor": Parameter("0.5", "continuous", tunable=True),
            "min_cointeraction_count": Parameter("3", "integer", 0, 10, tunable=True),
        },
        feature_parameters={
            "min_user_history_length_percentile": Parameter("0.005", "continuous"),
            "max_user_history_length_percentile": Parameter("0.995", "continuous"),
            "min_item_interaction_count_percentile": Parameter("0.01", "continuous"),
            "max_item_interaction_count_percentile": Parameter("0.9", "continuous"),
        },
        feature_transformation="sims",
        family="sims",
        needs=("itemId",),
    ),
    RecipeSpec(
        "aws-popularity-count",
        "POPULAR_ITEMS",
        "Ranks items by how many different users interacted with them.",
        feature_transformation="sims",
        family="popularity",
    ),
    RecipeSpec(
        "aws-trending-now",
        "POPULAR_ITEMS",
        "Ranks items by how fast their interactions grow.",
        feature_parameters=_TREND,
        algorithm="aws-trending-now-custom",
        family="trending",
        needs=(),
    ),
    RecipeSpec(
        "aws-next-best-action",
        "PERSONALIZED_ACTIONS",
        "Predicts which action a user is most likely to take.",
        hyperparameters={"action_optimization_period": Parameter("14", "integer", 7, 28)},
        scores_shown=True,
        family="actions",
    ),
    RecipeSpec(
        "aws-item-affinity",
        "USER_SEGMENTATION",
        "Finds the users who are most interested in an item.",
        hyperparameters=_HIDDEN,
        feature_transformation="item-affinity",
        needs=(),
        family="segments",
    ),
    RecipeSpec(
        "aws-item-attribute-affinity",
        "USER_SEGMENTATION",
        "Finds the users who are most interested in items with an attribute.",
        hyperparameters=_HIDDEN,
        feature_transformation="item-attribute-affinity",
        needs=(),
        family="segments",
    ),
    RecipeSpec(
        "aws-semantic-similarity",
        "RELATED_ITEMS",
        "Finds items whose texts mean something alike.",
        feature_transformation="aws-semantic-similarity",
        needs=("itemId",),
    ),
)

_RETIRED = (
    RecipeSpec(
        "aws-hrnn",
        "USER_PERSONALIZATION",
        "Predicts the items that a user will interact with; aws-user-personalization took its place.",
        hyperparameters=_NETWORK,
        feature_parameters=_HISTORY_LENGTH,
        retired=True,
    ),
    RecipeSpec(
        "aws-hrnn-coldstart",
        "USER_PERSONALIZATION",
        "The same with new items; aws-user-personalization took its place.",
        hyperparameters=_NETWORK,
        feature_parameters=_COLD_START | _HISTORY_LENGTH,
        feature_transformation="featurize_coldstart",
        retired=True,
    ),
    RecipeSpec(
        "aws-hrnn-metadata",
        "USER_PERSONALIZATION",
        "The same with contexts and metadata; aws-user-personalization took its place.",
        hyperparameters=_NETWORK,
        feature_parameters=_HISTORY_LENGTH,
        feature_transformation="featurize_metadata",
        retired=True,
    ),
)
_BOTH = ("userId", "itemId")
_USE_CASES = (
    RecipeSpec(
        "aws-ecomm-recommended-for-you",
        "USER_PERSONALIZATION",
        "Items that a shopper is likely to want next.",
        domain="ECOMMERCE",
        exploration=_EXPLORATION,
        family="personal",
        left_out="Purchase",
    ),
    RecipeSpec(
        "aws-ecomm-customers-who-viewed-x-also-viewed",
        "RELATED_ITEMS",
        "Items viewed by those who viewed a given one.",
        domain="ECOMMERCE",
        family="similar",
        needs=_BOTH,
        trains_on="View",
        left_out="Purchase",
    ),
    RecipeSpec(
        "aws-ecomm-frequently-bought-together",
        "RELATED_ITEMS",
        "Items bought together with a given one.",
        domain="ECOMMERCE",
        family="together",
        needs=("itemId",),
        trains_on="Purchase",
    ),
    RecipeSpec(
        "aws-ecomm-popular-items-by-purchases",
        "POPULAR_ITEMS",
        "Items purchased most often.",
        domain="ECOMMERCE",
        family="events",
        trains_on="Purchase",
    ),
    RecipeSpec(
        "aws-ecomm-popular-items-by-views",
        "POPULAR_ITEMS",
        "Items viewed most often.",
        domain="ECOMMERCE",
        family="events",
        trains_on="View",
    ),
    RecipeSpec(
        "aws-vod-top-picks",
        "USER_PERSONALIZATION",
        "Titles that a viewer is likely to watch next.",
        domain="VIDEO_ON_DEMAND",
        exploration=_EXPLORATION,
        family="personal",
        left_out="Watch",
    ),
    RecipeSpec(
        "aws-vod-because-you-watched-x",
        "RELATED_ITEMS",
        "Titles for those who watched a given one.",
        domain="VIDEO_ON_DEMAND",
        family="similar",
        needs=_BOTH,
        trains_on="Watch",
        left_out="Watch",
    ),
    RecipeSpec(
        "aws-vod-more-like-x",
        "RELATED_ITEMS",
        "Titles like a given one.",
        domain="VIDEO_ON_DEMAND",
        family="similar",
        needs=_BOTH,
        left_out="Watch",
        needs_items=True,
    ),
    RecipeSpec(
        "aws-vod-most-popular",
        "POPULAR_ITEMS",
        "Titles watched by most viewers.",
        domain="VIDEO_ON_DEMAND",
        family="popularity",
        trains_on="Watch",
    ),
    RecipeSpec(
        "aws-vod-trending-now",
        "POPULAR_ITEMS",
        "Titles whose views grow fastest.",
        domain="VIDEO_ON_DEMAND",
        feature_parameters=_TREND,
        family="trending",
        needs=(),
    ),
)

RECIPES: Mapping[str, RecipeSpec] = MappingProxyType(
    {spec.name: spec for spec in sorted(_TABLE + _RETIRED + _USE_CASES, key=lambda s: s.name)}
)
"""Every recipe that ListRecipes names, by name, in alphabetical order."""
