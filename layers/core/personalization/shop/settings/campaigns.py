# SPDX-License-Identifier: Apache-2.0
"""Campaign settings of a shop: `generation` and `campaigns`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool
from table_intake.wording import Text

from personalization.shop.settings.recipes import SECOND_GENERATION, SEMANTIC
from personalization.shop.settings.settings_errors import at

Members = Mapping[str, Any]
"""Members of Personalize's `campaignConfig`."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
CAMPAIGN_QUOTA = 5
"""Campaigns that Personalize allows in a dataset group, unless AWS raises the quota."""
MAX_TPS = 500
"""Requests a second that Personalize allows a campaign."""
EXPLORES = "user-personalization"
"""The recipe whose first generation takes settings of its exploration."""
_EXPLORATION = ("exploration_weight", "exploration_item_age_cutoff")


class RankingInfluence(BaseModel):
    """How much lists of semantic-similarity go by more than the texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    popularity: Share | None = None
    """How much items that many had come first, from 0 to 1."""
    freshness: Share | None = None
    """How much new items come first, from 0 to 1; by CREATION_TIMESTAMP of the items."""

    @property
    def members(self) -> dict[str, float]:
        """The members of Personalize's `rankingInfluence` in the settings."""
        return {name.upper(): value for name, value in self if value is not None}


class CampaignSettings(BaseModel):
    """Settings of one campaign; missing ones leave the campaign's own unchanged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_provisioned_tps: Annotated[int, Field(ge=1, le=MAX_TPS, strict=True)] | None = None
    """Provisioned requests a second, billed whether used or not."""
    exploration_weight: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """The share of exploration in lists: from 0, no new items, to 1, as many as possible."""
    exploration_item_age_cutoff: Annotated[float, Field(ge=1, le=100_000, allow_inf_nan=False)] | None = None
    """The days after which an item is no longer new."""
    metadata: StrictBool | None = None
    """Whether answers can carry columns of Items."""
    ranking_influence: RankingInfluence | None = None
    """How much lists of semantic-similarity go by popularity and freshness."""

    @property
    def config(self) -> dict[str, Any]:
        """The members of `campaignConfig` in the settings; numbers of the exploration are texts there."""
        numbers = {
            "explorationWeight": self.exploration_weight,
            "explorationItemAgeCutOff": self.exploration_item_age_cutoff,
        }
        exploration = {name: f"{value:g}" for name, value in numbers.items() if value is not None}
        config: dict[str, Any] = {"itemExplorationConfig": exploration} if exploration else {}
        if influence := self.ranking_influence and self.ranking_influence.members:
            config["rankingInfluence"] = influence
        return config if self.metadata is None else {**config, "enableMetadataWithRecommendations": self.metadata}


def mapping(value: object) -> Mapping[Any, Any]:
    """Return a part of a settings file if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def switched_off(value: object) -> bool:
    """Return whether a part of a settings file is false, also as one of the words that stand for it."""
    return value is False or str(value).lower() in {"off", "no", "false"}


def find_errors(settings: Mapping[Any, Any], recipes: Sequence[str]) -> list[Text]:
    """Return errors in campaign settings, with place and remedy; `recipes` are those that the shop trains."""
    errors: list[Text] = []
    for alias, campaign in mapping(settings.get("campaigns")).items():
        if alias not in recipes:
            text = "the shop does not train this recipe; it trains {recipes}"
            errors.append(
                at(f"campaigns.{alias}", Text("settings.campaign.untrained", text, recipes=", ".join(recipes)))
            )
        elif isinstance(campaign, Mapping):
            lacking = _lacking(alias, campaign, settings.get("generation") == "v2")
            errors += [Text.joined("", [f"campaigns.{alias}.", why]) for why in lacking]
    return errors


def _lacking(alias: str, given: Mapping[Any, Any], second: bool) -> Iterator[Text]:
    """Iterate over errors about members that the recipe lacks."""
    for name in _EXPLORATION:
        if given.get(name) is None or (alias == EXPLORES and not second):
            continue
        if alias == EXPLORES:
            text = "{recipe} of generation v2 explores by itself: leave it out, or set generation: v1"
            yield at(name, Text("settings.campaign.explores", text, recipe=alias))
        else:
            text = "{recipe} doesn't explore: leave it out; {other} of generation v1 has it"
            yield at(name, Text("settings.campaign.no-exploring", text, recipe=alias, other=EXPLORES))
    if given.get("ranking_influence") is not None and alias != SEMANTIC:
        text = "{recipe} has no such setting: leave it out; {other} has it"
        yield at("ranking_influence", Text("settings.campaign.influence", text, recipe=alias, other=SEMANTIC))
    if alias == SEMANTIC and switched_off(given.get("metadata")):
        text = "{recipe} shows it without a charge and can't turn it off: leave it out"
        yield at("metadata", Text("settings.campaign.shows-metadata", text, recipe=alias))
    if second and alias in SECOND_GENERATION and switched_off(given.get("metadata")):
        text = "generation v2 shows it without a charge and can't turn it off: leave it out"
        yield at("metadata", Text("settings.campaign.metadata", text))
