# SPDX-License-Identifier: Apache-2.0
"""What DescribeRecipe, DescribeAlgorithm and DescribeFeatureTransformation tell about each recipe, in one table."""

from collections.abc import Mapping
from types import MappingProxyType

from personalize_local.recipes.spec import Parameter, RecipeSpec

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
