# SPDX-License-Identifier: Apache-2.0
"""What users are recommended: requests as they come, what Personalize is asked, and answers."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from personalization.core.problems import FieldError, Problem
from personalization.personalize import paging
from personalization.personalize.paging import NOTHING, Hidden
from personalization.shop import filters
from personalization.shop.release import BASELINE, Release

Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Fallback = Literal["popular", "bestsellers", "none"]
Source = Literal["campaign", "recommender", "cache", "popular", "bestsellers", "caller"]
"""Where an item came from; `caller` is an item of a ranking that stands where the caller put it."""

REASONS: Mapping[str, str] = {"Promoted item": "promoted", "Exploration": "new", "Popular item": "popular"}
"""Personalize's reasons, in the words of `because`; how the wire spells them is not published."""
CONTEXTUAL = ("user-personalization", "personalized-ranking")
"""The recipes that look at context."""
POPULAR = {"code": "popular"}
ANONYMOUS = "nobody-in-particular"
"""Stands for the user in a request that names none: some recipes and filters require a userId, and none minds one."""
MOST_WITH_METADATA = 50
"""Items of an answer up to which Personalize adds columns of Items."""
_NAME = re.compile(r"[A-Za-z0-9_]{1,50}")
_CONTEXT_NAME = re.compile(r"[A-Za-z0-9_]{1,150}")


class _Request(BaseModel):
    # By the names of the wire alone: a second spelling of userId would pass by what admits a browser.
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, defer_build=True)


class Choice(_Request):
    """What every kind of recommendation can be asked with; query parameters `filterValues.X` and `context.X`."""

    filter: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    filter_values: dict[str, str] = Field(default={}, max_length=25)
    context: dict[str, Annotated[str, StringConstraints(max_length=1000)]] = Field(default={}, max_length=150)

    @field_validator("filter_values")
    @classmethod
    def _values(cls, values: dict[str, str]) -> dict[str, str]:
        quoted = {name: _filter_value(value) for name, value in values.items()}
        if any(not _NAME.fullmatch(name) or len(value) > 1000 for name, value in quoted.items()):
            raise ValueError("names have 1 to 50 letters, digits and _, values up to 1000 characters")
        return quoted

    @field_validator("context")
    @classmethod
    def _keys(cls, context: dict[str, str]) -> dict[str, str]:
        if not all(map(_CONTEXT_NAME.fullmatch, context)):
            raise ValueError("names have 1 to 150 letters, digits and _")
        return {name.upper(): value for name, value in context.items()}


class Listing(Choice):
    """A request for a list of items."""

    limit: int = Field(default=25, ge=1, le=paging.MOST)
    user_id: Id | None = None
    item_id: Id | None = None
    exclude_item_ids: tuple[Id, ...] = Field(default=(), max_length=100)
    next: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None


class Ranking(Choice):
    """A request to put a user's items into the best order."""

    user_id: Id
    item_ids: list[Id] = Field(min_length=1, max_length=500)


class RankingBody(BaseModel):
    """The body of a ranking request."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)

    item_ids: list[Id] = Field(min_length=1, max_length=500)


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a campaign: the parameters of GetRecommendations or GetPersonalizedRanking."""

    campaign_arn: str
    """Or a recommender's; empty where the release has none, and something else must fill the list."""
    parameters: Mapping[str, Any]
    limit: int = paging.MOST
    """Items that are shown; more are asked for where some are hidden."""
    hidden: Hidden = NOTHING
    because: Mapping[str, str] | None = None
    """Why the campaign's items are shown, where that follows from the question."""
    fallback: Fallback = "popular"
    """What stands in for the campaign where no good answer is remembered."""
    scope: tuple[str, ...] = ()
    """What a page of the list belongs to; see `paging`."""
    columns: tuple[str, ...] = ()
    """Columns of Items that the answer shows, whoever tells them: the campaign, or the table of items."""
    kept: bool = False
    """Whether the bestsellers that runs keep answer; the campaign does where no list is known."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a campaign answered: items as Personalize describes them."""

    recommendation_id: str | None
    """None where it is not Personalize that answered."""
    items: Sequence[Mapping[str, Any]]


def values(query: Mapping[str, str] | None, **known: object) -> dict[str, object]:
    """Query parameters as the fields of a request; `known` ones, such as those of the path, win."""
    fields: dict[str, object] = {}
    groups: dict[str, dict[str, str]] = {"filterValues": {}, "context": {}}
    for name, value in (query or {}).items():
        group, dot, key = name.partition(".")
        if dot and group in groups:
            groups[group][key] = value
        else:
            fields[name] = value
    return {**fields, **groups, **known}


def listing(
    release: Release, recipe: str, asked: Listing, around: Mapping[str, str] | None = None, arn: str | None = None
) -> Ask:
    """What the campaign of a recipe is asked for a list of items.

    Args:
        release: the shop's.
        recipe: its alias, or another name of the list.
        asked: the request.
        around: context that is known without the request's saying so; what it says wins.
        arn: what is asked; the recipe's campaign, if nothing else is said.

    Raises:
        Problem: 400, naming what is wrong; 404, there is no such campaign.
    """
    scope = _scope(release, recipe, asked)
    shown = paging.read(release.tracking_id, scope, asked.next) if asked.next is not None else frozenset()
    hidden = Hidden(frozenset(asked.exclude_item_ids), shown) if asked.exclude_item_ids or shown else NOTHING
    limit = min(asked.limit, paging.MOST - len(shown))
    kept = recipe == BASELINE and BASELINE not in release.campaigns and asked.filter is None
    if recipe == BASELINE and not arn:
        # Nobody but a campaign can apply a filter.
        arn = release.campaigns.get(BASELINE) or release.campaigns.get("user-personalization", "")
    asked_of = _campaign(release, recipe) if arn is None else arn
    parameters = _shared(release, asked, limit + len(hidden), around if recipe in CONTEXTUAL else None)
    parameters["numResults"] = min(limit + len(hidden), paging.MOST)
    because = None
    parameters["userId"] = asked.user_id or ANONYMOUS
    if asked.item_id is not None:
        parameters["itemId"] = asked.item_id
        because = {"code": "similarTo", "itemId": asked.item_id} if recipe == "similar-items" else None
    if recipe == BASELINE and (kept or asked_of == release.campaigns.get(BASELINE)):
        because = POPULAR
    return suited(
        release, Ask(asked_of, parameters, limit, hidden, because, "popular", scope, _columns(parameters), kept)
    )


def after(release: Release, ask: Ask, told: dict[str, object]) -> dict[str, object]:
    """An answer with the token of the next page, where there may be one; `ask` is what was asked for this page."""
    items: Any = told["items"]
    seen = ask.hidden.shown.union(paging.mark(each["itemId"]) for each in items)
    if len(items) < ask.limit or len(seen) >= paging.MOST:
        return told
    return {**told, "next": paging.token(release.tracking_id, ask.scope, seen)}


def without(ask: Ask, items: Collection[str]) -> Ask:
    """The same question for a list in which `items` are not shown either."""
    hidden = ask.hidden.and_also(items)
    parameters = dict(ask.parameters)
    most = MOST_WITH_METADATA if "metadataColumns" in parameters else paging.MOST
    parameters["numResults"] = max(parameters["numResults"], min(ask.limit + len(hidden), most))
    return replace(ask, parameters=parameters, hidden=hidden)


def ranking(release: Release, asked: Ranking, around: Mapping[str, str] | None = None) -> Ask:
    """What the ranking campaign is asked; an item that is named twice is ranked once."""
    items = list(dict.fromkeys(asked.item_ids))
    parameters = _shared(release, asked, len(items), around)
    parameters |= {"userId": asked.user_id, "inputList": items}
    return suited(release, Ask(_campaign(release, "personalized-ranking"), parameters, columns=_columns(parameters)))


def suited(release: Release, ask: Ask) -> Ask:
    """The question as its campaign takes it: without columns of Items where it was made without them."""
    return without_metadata(ask) if ask.campaign_arn in release.without_metadata else ask


def without_metadata(ask: Ask) -> Ask:
    """The same question for items without their columns."""
    parameters = {name: value for name, value in ask.parameters.items() if name != "metadataColumns"}
    return replace(ask, parameters=parameters)


def answer(predicted: Predicted, source: Source = "campaign", ask: Ask | None = None) -> dict[str, object]:
    """The answer's JSON; `answers.Answer` describes it. Without the question, nothing of it is hidden or explained."""
    items = predicted.items
    because = None
    if ask is not None:
        because = ask.because
        if ask.hidden:
            items = [each for each in items if each["itemId"] not in ask.hidden]
        if len(items) > ask.limit:
            items = items[: ask.limit]
    return {
        "recommendationId": predicted.recommendation_id,
        "items": [item(each, source, because) for each in items],
    }


def item(predicted: Mapping[str, Any], source: Source, because: Mapping[str, str] | None = None) -> dict[str, object]:
    """An item's JSON; `answers.Item` describes it.

    Args:
        predicted: as Personalize describes it.
        source: where it came from.
        because: why it is shown, unless Personalize says so itself.
    """
    told = {"itemId": predicted["itemId"], "score": predicted.get("score"), "source": source}
    if predicted.get("promotionName"):
        because = {"code": "promoted"}
    elif reasons := predicted.get("reason"):
        words = (each.replace("_", " ").capitalize() for each in reasons)
        because = next(({"code": REASONS[word]} for word in words if word in REASONS), because)
        told["reason"] = reasons
    if because is not None:
        told["because"] = because
    if predicted.get("metadata"):
        told["metadata"] = predicted["metadata"]
    return told


def popular_instead(release: Release, ask: Ask) -> Ask | None:
    """The same question to the popular campaign, filter included; None where there is no other campaign to ask.

    Without a popular campaign the bestsellers stand in, which no filter applies to: what is filtered is asked of
    user-personalization.
    """
    popular = release.campaigns.get(BASELINE)
    arn = popular or (release.campaigns.get("user-personalization") if "filterArn" in ask.parameters else None)
    if arn is None or arn == ask.campaign_arn:
        return None
    left_out = {"context", "promotions", "itemId"}
    parameters = {name: value for name, value in ask.parameters.items() if name not in left_out}
    because = POPULAR if popular else None
    return suited(release, replace(ask, campaign_arn=arn, parameters=parameters, because=because))


def source(release: Release, recipe: str) -> Source:
    """What the items of a recipe's list are marked with where a campaign names them."""
    return "popular" if recipe == BASELINE and BASELINE in release.campaigns else "campaign"


def _scope(release: Release, recipe: str, asked: Listing) -> tuple[str, ...]:
    filtered = [part for pair in sorted(asked.filter_values.items()) for part in pair]
    return (release.shop, recipe, asked.user_id or "", asked.item_id or "", asked.filter or "", *filtered)


def _shared(release: Release, asked: Choice, items: int, around: Mapping[str, str] | None) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if asked.filter is not None:
        if asked.filter not in release.filters:
            known = ", ".join(release.filters) or "none"
            raise Problem(400, "The shop has no such filter.", [FieldError("filter", f"must be one of: {known}")])
        parameters["filterArn"] = release.filter_arn(asked.filter)
        kinds = release.filter_parameters.get(asked.filter)
        given = asked.filter_values if kinds is None else filters.checked(asked.filter_values, kinds)
        if given:
            parameters["filterValues"] = given
    elif asked.filter_values:
        raise Problem(400, "Values need a filter.", [FieldError("filter", "is missing, and there are filterValues")])
    if asked.context or around:
        parameters["context"] = {**around, **asked.context} if around else asked.context
    if release.metadata_columns and items <= MOST_WITH_METADATA:
        parameters["metadataColumns"] = {"ITEMS": list(release.metadata_columns)}
    return parameters


def _columns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of Items that a campaign is asked for."""
    return tuple(parameters.get("metadataColumns", {}).get("ITEMS", ()))


def _campaign(release: Release, recipe: str) -> str:
    arn = release.campaigns.get(recipe)
    if arn is None:
        raise Problem(404, f"The shop's settings leave out {recipe}, or no version of it was approved yet.")
    return arn


def _filter_value(value: str) -> str:
    """`a,b` as Personalize wants it, `"a","b"`; a number, or what is quoted already, as it is."""
    if filters.NUMBER.fullmatch(value) or value.startswith('"'):
        return value
    return ",".join('"' + part.strip().replace('"', '\\"') + '"' for part in value.split(","))
