# SPDX-License-Identifier: Apache-2.0
"""Campaign settings of a shop: `generation` and `campaigns`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from personalization.shop.recipes import SECOND_GENERATION

Members = Mapping[str, Any]
"""Members of Personalize's `campaignConfig`."""

MAX_TPS = 500
"""Requests a second that Personalize allows a campaign."""
EXPLORES = "user-personalization"
"""The recipe whose first generation takes settings of its exploration."""
_EXPLORATION = ("exploration_weight", "exploration_item_age_cutoff")


class CampaignSettings(BaseModel):
    """What a shop chooses for one campaign; what it doesn't name stays as the campaign has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_provisioned_tps: Annotated[int, Field(ge=1, le=MAX_TPS, strict=True)] | None = None
    """Requests a second that are always provided for, and billed whether they come or not."""
    exploration_weight: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """How much a list shows new items: 0 not at all, 1 as much as possible."""
    exploration_item_age_cutoff: Annotated[float, Field(ge=1, le=100_000, allow_inf_nan=False)] | None = None
    """The days after which an item is no longer new."""
    metadata: StrictBool | None = None
    """Whether answers can carry columns of Items."""

    @property
    def config(self) -> dict[str, Any]:
        """The members of `campaignConfig` that the settings decide; numbers of the exploration are texts there."""
        exploration = {
            name: f"{value:g}"
            for name, value in (
                ("explorationWeight", self.exploration_weight),
                ("explorationItemAgeCutOff", self.exploration_item_age_cutoff),
            )
            if value is not None
        }
        found: dict[str, Any] = {"itemExplorationConfig": exploration} if exploration else {}
        return found if self.metadata is None else {**found, "enableMetadataWithRecommendations": self.metadata}


def impossible(document: object, recipes: Sequence[str]) -> list[str]:
    """What a campaign can't be set to, each with its place and the way out.

    Args:
        document: the settings as they were written, of any shape.
        recipes: the recipes that the shop trains.
    """
    settings = document if isinstance(document, Mapping) else {}
    given = settings.get("campaigns")
    found: list[str] = []
    for alias, each in given.items() if isinstance(given, Mapping) else ():
        if alias not in recipes:
            found.append(f"campaigns.{alias}: the shop does not train this recipe; it trains {', '.join(recipes)}")
        elif isinstance(each, Mapping):
            found += [f"campaigns.{alias}.{told}" for told in _lacking(alias, each, settings.get("generation") == "v2")]
    return found


def _lacking(alias: str, given: Mapping[Any, Any], second: bool) -> Iterator[str]:
    """The members that the recipe doesn't have."""
    for name in _EXPLORATION:
        if given.get(name) is None or (alias == EXPLORES and not second):
            continue
        if alias == EXPLORES:
            yield f"{name}: {alias} of generation v2 explores by itself: leave it out, or set generation: v1"
        else:
            yield f"{name}: {alias} doesn't explore: leave it out; {EXPLORES} of generation v1 has it"
    if second and alias in SECOND_GENERATION and given.get("metadata") is False:
        yield "metadata: generation v2 shows it without a charge and can't turn it off: leave it out"
