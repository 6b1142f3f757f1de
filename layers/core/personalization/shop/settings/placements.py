# SPDX-License-Identifier: Apache-2.0
"""Placements: named slots of a shop, each with its list and parameters."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from table_intake.wording import Text

from personalization.core.messages import is_none
from personalization.shop.filters import parameters
from personalization.shop.records.release import BASELINE, Value
from personalization.shop.settings import actions, recommenders
from personalization.shop.settings.campaigns import mapping
from personalization.shop.settings.diversity import SIMILAR, STRENGTH, Diversity, fixed, variety_record
from personalization.shop.settings.recipes import FROM_ITEM
from personalization.shop.settings.settings_errors import at

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]
Source = Literal["user-personalization", "similar-items", "popularity-count", "trending-now", "semantic-similarity"]
"""Recipes whose campaigns choose items; personalized-ranking orders the caller's."""
Fallback = Literal["popular", "bestsellers", "none"]
Because = Literal["similarTo", "becauseYouBought", "becauseYouViewed", "goesWithBasket"]
MAX_PLACEMENTS = 20
"""Placements that a shop may have."""
MOST_WITH_METADATA = 50
_COLUMN = re.compile(r"[A-Z_][A-Z0-9_]{0,149}")
_Texts = dict[
    Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,50}$")],
    Annotated[str, StringConstraints(min_length=1, max_length=1000)],
]


class Promotion(BaseModel):
    """Promoted items in a list, at positions that Personalize chooses."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: Name = "promotion"
    percent: Annotated[int, Field(ge=1, le=100)]
    """The share of the list that is promoted items."""
    filter: Name
    """The shop's filter that selects them."""
    filter_values: _Texts = {}


class Placement(BaseModel):
    """The list in one slot."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    recipe: Source | None = None
    """The recipe whose campaign is asked."""
    recommender: Name | None = None
    """Or the shop's recommender of this name, made for a use case of the domain ECOMMERCE."""
    limit: Annotated[int, Field(ge=1, le=100)] = 12
    """The number of items, unless a request sets it."""
    filter: Name | None = None
    """One of the shop's filters."""
    filter_values: _Texts = {}
    """Values of the filter's parameters; each request must give the others."""
    promotions: Annotated[tuple[Promotion, ...], Field(max_length=1)] = ()
    """Personalize accepts one."""
    context: _Texts = {}
    """Context of every request, such as the slot's own name; a request's own values take precedence."""
    fallback: Fallback = "popular"
    """The fallback if the campaign does not answer and no good answer is cached."""
    metadata: Annotated[tuple[str, ...], Field(max_length=10)] | None = None
    """Columns of Items in the answer. An empty list shows none; without a list the shop's first ten are
    shown."""
    because: Because | None = None
    """How the request's item relates to the user: bought, viewed, in the basket, or only similar, the default of
    recipes that start from an item. For a recommender it states that the request starts from the item."""
    diversity: Annotated[Diversity | None, Field(exclude_if=is_none)] = None
    """The placement's own variety; what it leaves out, and the default, are the shop's."""

    @property
    def starts_from_item(self) -> bool:
        """Whether the list starts from the request's item."""
        return self.recipe in FROM_ITEM or self.because is not None

    @field_validator("context")
    @classmethod
    def _spelled(cls, context: dict[str, str]) -> dict[str, str]:
        return {name.upper(): value for name, value in context.items()}

    @model_validator(mode="after")
    def _one_source(self) -> "Placement":
        if (self.recipe is None) == (self.recommender is None):
            raise ValueError(Text("settings.placement.source", "names a recipe or a recommender, one of them"))
        return self

    @field_validator("metadata")
    @classmethod
    def _columns(cls, metadata: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if not all(map(_COLUMN.fullmatch, metadata or ())):
            raise ValueError(
                Text("settings.placement.columns", "must be columns' names in capitals, out of A-Z, 0-9 and _")
            )
        return None if metadata is None else tuple(dict.fromkeys(metadata))


Placements = Annotated[dict[Name, Placement], Field(max_length=MAX_PLACEMENTS)]


def find_errors(settings: Mapping[Any, Any], recipes: Collection[str], filters: Mapping[str, str]) -> list[Text]:
    """Return placements that no request can fulfil, and contradictions.

    Args:
        settings: the settings file.
        recipes, filters: the recipes that the shop trains, and its filter expressions by name.
    """
    errors: list[Text] = []
    for name, placement in mapping(settings.get("placements")).items():
        if isinstance(placement, Mapping):
            errors += [Text.joined("", [f"placements.{name}.", why]) for why in _wrong(placement, recipes, filters)]
            if settings.get("domain") == "custom" and placement.get("recommender"):
                errors.append(at(f"placements.{name}.recommender", recommenders.CUSTOM))
    return errors


def record(
    placements: Mapping[str, Placement],
    context: Collection[str],
    varied: Mapping[str, Mapping[str, Value]],
) -> dict[str, Mapping[str, Value]]:
    """Return the placements in the release record's format, by the API's names.

    Args:
        placements: by name.
        varied: the variety of those that have any, in that format; see `varied`.
        context: the columns of Interactions that a request may give; Personalize refuses others.
    """
    entries: dict[str, Mapping[str, Value]] = {}
    for name, placement in placements.items():
        entry: dict[str, Value] = {"limit": placement.limit, "fallback": placement.fallback}
        entry |= {"recipe": placement.recipe} if placement.recipe else {"recommender": placement.recommender}
        entry["filterValues"] = dict(placement.filter_values)
        entry["context"] = {name: value for name, value in placement.context.items() if name in context}
        entry["promotions"] = [
            {
                "name": promotion.name,
                "percent": promotion.percent,
                "filter": promotion.filter,
                "filterValues": dict(promotion.filter_values),
            }
            for promotion in placement.promotions
        ]
        if placement.filter is not None:
            entry["filter"] = placement.filter
        if placement.metadata is not None:
            entry["metadata"] = list(placement.metadata)
        if placement.starts_from_item:
            entry["because"] = placement.because or "similarTo"
        if name in varied:
            entry["diversity"] = varied[name]
        entries[name] = entry
    return entries


def varied(
    placements: Mapping[str, Placement],
    diversity: Diversity,
    filters: Mapping[str, str],
    uses: Mapping[str, str],
) -> dict[str, Mapping[str, Value]]:
    """Return the variety of the placements that have any, in the release record's format.

    Args:
        placements, diversity: the settings.
        filters, uses: filter expressions and recommenders' recipes, by name.
    """
    by_name: dict[str, Mapping[str, Value]] = {}
    for name, placement in placements.items():
        given: dict[str, object] = {"recipe": placement.recipe, "promotions": placement.promotions}
        if fixed(given, filters.get(placement.filter or "")):
            continue
        if placement.recommender and recommenders.is_popular(
            uses.get(placement.recommender), unknown=placement.diversity is None
        ):
            continue
        usual = SIMILAR if placement.starts_from_item else STRENGTH
        if entry := variety_record(diversity, placement.diversity, usual):
            by_name[name] = entry
    return by_name


def _wrong(placement: Mapping[Any, Any], recipes: Collection[str], filters: Mapping[str, str]) -> Iterator[Text]:
    recipe, limit = placement.get("recipe"), placement.get("limit", 12)
    # Bestsellers are counted whatever is trained.
    trained = {*recipes, BASELINE}
    chooses = isinstance(recipe, str) and recipe in Source.__args__  # type: ignore[attr-defined]
    if chooses and recipe not in trained:
        yield at("recipe", Text("settings.left-out", "{recipe} is left out of the shop's recipes", recipe=recipe))
    if placement.get("context") and chooses and recipe != "user-personalization":
        yield at("context", Text("settings.placement.context", "{recipe} does not look at it", recipe=recipe))
    if "because" in placement and chooses and recipe not in FROM_ITEM:
        text = "is about the item that {others} starts from, and {recipe} has none"
        others = Text.any_of(FROM_ITEM)
        yield at("because", Text("settings.placement.because", text, recipe=recipe, others=others))
    if mapping(given := placement.get("diversity")) and mapping(given).get("enabled", True):
        filter_name = placement.get("filter")
        if why := fixed(placement, filters.get(filter_name) if isinstance(filter_name, str) else None):
            yield at("diversity", why, Text("settings.leave-out", "leave it out"))
    if placement.get("metadata") and isinstance(limit, int) and limit > MOST_WITH_METADATA:
        text = "Personalize shows it for a limit of {most} items at most"
        yield at("metadata", Text("settings.placement.metadata", text, most=MOST_WITH_METADATA))
    yield from _filtered("", placement, filters, complete=False)
    promotions = placement.get("promotions")
    for index, promotion in enumerate(promotions if isinstance(promotions, list) else ()):
        yield from _filtered(f"promotions.{index}.", mapping(promotion), filters, complete=True)


def _filtered(where: str, settings: Mapping[Any, Any], filters: Mapping[str, str], *, complete: bool) -> Iterator[Text]:
    name, values = settings.get("filter"), mapping(settings.get("filter_values"))
    if not isinstance(name, str):
        if values:
            yield at(f"{where}filter_values", Text("settings.filter.values", "mean nothing without a filter"))
        return
    if name not in filters:
        none = Text("settings.filter.none", "it has none")
        text = "{name} is none of the shop's filters ({filters})"
        unknown = Text("settings.filter.unknown", text, name=name, filters=", ".join(filters) or none)
        yield at(f"{where}filter", unknown)
        return
    if why := actions.filters_no_items(name, filters[name]):
        yield at(f"{where}filter", why)
    accepted = parameters(filters[name], ())
    for strange in (parameter for parameter in values if parameter not in accepted):
        text = "the filter {name} has no such parameter"
        yield at(f"{where}filter_values.{strange}", Text("settings.filter.parameter", text, name=name))
    for missing in (parameter for parameter in accepted if complete and parameter not in values):
        text = "is missing, and nobody else can give it"
        yield at(f"{where}filter_values.{missing}", Text("settings.filter.missing", text))
