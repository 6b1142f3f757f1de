# SPDX-License-Identifier: Apache-2.0
"""The recipes: their public description, their parameters, and the family that trains each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal

from personalize_local.wire.errors import InvalidInput, ResourceNotFound

RecipeType = Literal[
    "USER_PERSONALIZATION",
    "PERSONALIZED_RANKING",
    "RELATED_ITEMS",
    "POPULAR_ITEMS",
    "PERSONALIZED_ACTIONS",
    "USER_SEGMENTATION",
]


METRICS: Final = (
    "coverage",
    "mean_reciprocal_rank_at_25",
    *(f"normalized_discounted_cumulative_gain_at_{depth}" for depth in (5, 10, 25)),
    *(f"precision_at_{depth}" for depth in (5, 10, 25)),
)
"""The offline metrics of every recipe that recommends items."""


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
        if self.kind == "categorical":
            return value.lower() in {allowed.lower() for allowed in self.values}
        try:
            number = int(value) if self.kind == "integer" else float(value)
        except ValueError:
            return False
        return self.low <= number <= self.high


_USER, _ITEM = ("userId",), ("itemId",)
_FAMILIES: Final[Mapping[str, tuple[RecipeType, tuple[str, ...]]]] = {
    "personal": ("USER_PERSONALIZATION", _USER),
    "ranking": ("PERSONALIZED_RANKING", (*_USER, "inputList")),
    "similar": ("RELATED_ITEMS", _ITEM),
    "sims": ("RELATED_ITEMS", _ITEM),
    "together": ("RELATED_ITEMS", _ITEM),
    "semantic": ("RELATED_ITEMS", _ITEM),
    "popularity": ("POPULAR_ITEMS", _USER),
    "events": ("POPULAR_ITEMS", _USER),
    "trending": ("POPULAR_ITEMS", ()),
    "actions": ("PERSONALIZED_ACTIONS", _USER),
    "segments": ("USER_SEGMENTATION", ()),
}
"""By what trains a recipe: its type, and what a runtime request must name."""


@dataclass(frozen=True, slots=True)
class RecipeSpec:
    """One recipe: its public description and how it is trained here."""

    name: str
    description: str
    family: str
    """A key of _FAMILIES."""
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
    for_user: bool = False
    """Whether a request must name a user too, where its family does without."""
    events_config: bool = False
    """Whether solutionConfig.eventsConfig is allowed."""
    objectives: bool = False
    """Whether solutionConfig.optimizationObjective is allowed."""
    trains_on: str | None = None
    """The one event type that trains a use case, of which it needs 1000; None = every type."""
    left_out: str | None = None
    """A use case never shows items that the user has an event of this type with (the 100 newest count)."""
    needs_items: bool = False
    """Whether a use case needs an Items dataset."""
    question: str = ""
    """What a list answers, by AWS's description, what measures that, and what does not; empty for popular lists."""
    retired: bool = False
    """Whether the service still describes the recipe, and takes no new solutions of it."""

    @property
    def recipe_type(self) -> RecipeType:
        return _FAMILIES[self.family][0]

    @property
    def needs(self) -> tuple[str, ...]:
        """What a runtime request must name: userId, itemId, inputList."""
        return (*(_USER if self.for_user else ()), *_FAMILIES[self.family][1])

    @property
    def scores_shown(self) -> bool:
        return self.domain is None and self.family in {"personal", "ranking", "actions"}

    @property
    def metadata_shown(self) -> bool:
        """Whether campaigns show metadata without being asked to."""
        return self.events_config or self.family == "semantic"

    @property
    def algorithm_name(self) -> str:
        return self.algorithm or self.name

    def defaults(self) -> dict[str, str]:
        """Return the default of every algorithm and featurization hyperparameter."""
        return {
            name: parameter.default
            for name, parameter in (*self.hyperparameters.items(), *self.feature_parameters.items())
        }


_SWITCH = ("true", "false")
TIERS: Final = ("auto", "fast", "standard", "deep")
"""How much is learned; see `_TIER`."""
_TIER = {
    "tier": Parameter("standard", "categorical", values=TIERS),
    "deep_minutes": Parameter("20.0", "continuous", 0.0, 1440.0),
}
"""Of this engine only. `fast` counts; `standard` adds a learned ranker as far as that is better; `deep` also a neural
network as one of the ranker's features where lists are better by it, and so does `auto`. `deep_minutes`: most minutes
for the network, by its steps and by the clock."""
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
EXPLORATION = {
    "explorationWeight": Parameter("0.3", "continuous"),
    "explorationItemAgeCutOff": Parameter("30.0", "continuous", 1.0, 36500.0),
}
WINDOWS: Final[Mapping[str, int]] = MappingProxyType(
    {"30 minutes": 1800, "1 hour": 3600, "2 hours": 7200, "3 hours": 10_800, "1 day": 86_400}
)
"""Seconds of a window by the value of trend_discovery_frequency."""
_TREND = {"trend_discovery_frequency": Parameter("2 hours", "categorical", values=tuple(WINDOWS))}
_COLD_START = {
    "cold_start_max_interactions": Parameter("15", "integer", 1, 2**31 - 1),
    "cold_start_max_duration": Parameter("5.0", "continuous", 0.0, 36500.0),
    "cold_start_relative_from": Parameter("latestItem", "categorical", values=("latestItem", "currentTime")),
}
_HIDDEN = {"hidden_dimension": Parameter("149", "integer", 32, 256)}

_NEXT = "The next item says little: what sells is next by chance."
_SIMILAR = (
    "Which items are like this one, by who took both and by metadata? Measured by what held-out users took with it"
    f" beyond chance, by shared categories, and by how different the lists of different items are. {_NEXT}"
)
_SIMS = (
    "Which items go with this one, by who took both? Measured by what held-out users took with it beyond chance, in a"
    f" basket where there are some. Neither categories nor the order tell. {_NEXT}"
)
_TOGETHER = "What is in one basket with this item? Measured by baskets of held-out users, beyond chance; not by views."
_VIEWED = (
    "What do those who viewed this item view, within a session? Measured by sessions of held-out users, beyond chance;"
    " not by purchases."
)
_PERSONAL = (
    "What does this user take next? Measured by all items of held-out users' next baskets, each user counting once."
    " What is new in a basket, and the rest of one that has begun, are parts of it: rankers of their own learn from"
    " them, but decide nothing."
)
_RANKING = f"In which order does this user take the items of a list? {_PERSONAL.partition('? ')[2]}"

_RECIPES = (
    RecipeSpec(
        "aws-user-personalization",
        "Predicts the items that a user will interact with next, and explores new ones.",
        "personal",
        question=_PERSONAL,
        hyperparameters=_SEQUENCE,
        feature_parameters=_HISTORY_LENGTH,
        exploration=EXPLORATION,
        objectives=True,
    ),
    RecipeSpec(
        "aws-user-personalization-v2",
        "Predicts the items that a user will interact with next; scores a candidate subset of a large catalogue.",
        "personal",
        question=_PERSONAL,
        hyperparameters=_RECENCY_BIAS,
        events_config=True,
    ),
    RecipeSpec(
        "aws-personalized-ranking",
        "Puts a list of items in the order in which a user is likely to want them.",
        "ranking",
        question=_RANKING,
        hyperparameters=_SEQUENCE,
        feature_parameters=_HISTORY_LENGTH,
        objectives=True,
    ),
    RecipeSpec(
        "aws-personalized-ranking-v2",
        "Puts a list of items in the order in which a user is likely to want them; second generation.",
        "ranking",
        question=_RANKING,
        hyperparameters=_RECENCY_BIAS,
        events_config=True,
    ),
    RecipeSpec(
        "aws-similar-items",
        "Finds items like a given one, by who interacted with both and by their metadata.",
        "similar",
        question=_SIMILAR,
        hyperparameters={
            "popularity_discount_factor": Parameter("0.0", "continuous"),
            "item_id_hidden_dim": Parameter("100", "integer", 30, 200, tunable=True),
            "item_metadata_hidden_dim": Parameter("100", "integer", 30, 200, tunable=True),
        },
    ),
    RecipeSpec(
        "aws-sims",
        "Finds items that the same users interacted with.",
        "sims",
        question=_SIMS,
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
    ),
    RecipeSpec(
        "aws-popularity-count",
        "Ranks items by how many different users interacted with them.",
        "popularity",
        feature_transformation="sims",
    ),
    RecipeSpec(
        "aws-trending-now",
        "Ranks items by how fast their interactions grow.",
        "trending",
        feature_parameters=_TREND,
        algorithm="aws-trending-now-custom",
    ),
    RecipeSpec(
        "aws-next-best-action",
        "Predicts which action a user is most likely to take.",
        "actions",
        hyperparameters={"action_optimization_period": Parameter("14", "integer", 7, 28)},
    ),
    RecipeSpec(
        "aws-item-affinity",
        "Finds the users who are most interested in an item.",
        "segments",
        hyperparameters=_HIDDEN,
        feature_transformation="item-affinity",
    ),
    RecipeSpec(
        "aws-item-attribute-affinity",
        "Finds the users who are most interested in items with an attribute.",
        "segments",
        hyperparameters=_HIDDEN,
        feature_transformation="item-attribute-affinity",
    ),
    RecipeSpec(
        "aws-semantic-similarity",
        "Finds items whose texts mean something alike.",
        "semantic",
        feature_transformation="aws-semantic-similarity",
    ),
)

_hrnn = partial(RecipeSpec, family="personal", hyperparameters=_NETWORK, retired=True)
_RETIRED = (
    _hrnn(
        "aws-hrnn",
        "Predicts the items that a user will interact with; aws-user-personalization took its place.",
        feature_parameters=_HISTORY_LENGTH,
    ),
    _hrnn(
        "aws-hrnn-coldstart",
        "The same with new items; aws-user-personalization took its place.",
        feature_parameters=_COLD_START | _HISTORY_LENGTH,
        feature_transformation="featurize_coldstart",
    ),
    _hrnn(
        "aws-hrnn-metadata",
        "The same with contexts and metadata; aws-user-personalization took its place.",
        feature_parameters=_HISTORY_LENGTH,
        feature_transformation="featurize_metadata",
    ),
)

_ecomm, _vod = partial(RecipeSpec, domain="ECOMMERCE"), partial(RecipeSpec, domain="VIDEO_ON_DEMAND")
_USE_CASES = (
    _ecomm(
        "aws-ecomm-recommended-for-you",
        "Items that a user is likely to want next.",
        "personal",
        question=_PERSONAL,
        exploration=EXPLORATION,
        left_out="Purchase",
    ),
    _ecomm(
        "aws-ecomm-customers-who-viewed-x-also-viewed",
        "Items viewed by those who viewed a given one.",
        "similar",
        question=_VIEWED,
        for_user=True,
        trains_on="View",
        left_out="Purchase",
    ),
    _ecomm(
        "aws-ecomm-frequently-bought-together",
        "Items bought together with a given one.",
        "together",
        question=_TOGETHER,
        trains_on="Purchase",
    ),
    _ecomm("aws-ecomm-popular-items-by-purchases", "Items purchased most often.", "events", trains_on="Purchase"),
    _ecomm("aws-ecomm-popular-items-by-views", "Items viewed most often.", "events", trains_on="View"),
    _vod(
        "aws-vod-top-picks",
        "Titles that a viewer is likely to watch next.",
        "personal",
        question=_PERSONAL,
        exploration=EXPLORATION,
        left_out="Watch",
    ),
    _vod(
        "aws-vod-because-you-watched-x",
        "Titles for those who watched a given one.",
        "similar",
        question=_VIEWED,
        for_user=True,
        trains_on="Watch",
        left_out="Watch",
    ),
    _vod(
        "aws-vod-more-like-x",
        "Titles like a given one.",
        "similar",
        question=_SIMILAR,
        for_user=True,
        left_out="Watch",
        needs_items=True,
    ),
    _vod("aws-vod-most-popular", "Titles watched by most viewers.", "popularity", trains_on="Watch"),
    _vod("aws-vod-trending-now", "Titles whose views grow fastest.", "trending", feature_parameters=_TREND),
)

RECIPES: Mapping[str, RecipeSpec] = MappingProxyType(
    {spec.name: spec for spec in sorted(_RECIPES + _RETIRED + _USE_CASES, key=lambda spec: spec.name)}
)
"""Every recipe that ListRecipes names, by name, in alphabetical order."""

BUILT_IN: Final = "arn:aws:personalize:::"
"""What the ARNs of recipes, algorithms and feature transformations begin with."""
RECIPE: Final = f"{BUILT_IN}recipe/"
"""What the ARN of every recipe begins with."""


def recipe_of(arn: str) -> RecipeSpec:
    """Return the recipe of an ARN. Raises ResourceNotFound."""
    spec = RECIPES.get(arn.removeprefix(RECIPE))
    if spec is None:
        raise ResourceNotFound(f"Resource Arn {arn} does not exist.")
    return spec


def check_parameters(config: Mapping[str, Any], member: str, parameters: Mapping[str, Parameter], recipe: str) -> None:
    """Check one map of a configuration: its names and their values. Raises InvalidInput."""
    for name, value in config.get(member, {}).items():
        if name not in parameters:
            raise InvalidInput(f"{recipe} has no {member} named {name}; it has: {', '.join(parameters) or 'none'}.")
        if not parameters[name].accepts(value):
            raise InvalidInput(f"Value {value} is out of the range of {name} of {recipe}.")
