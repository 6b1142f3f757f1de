# SPDX-License-Identifier: Apache-2.0
"""What shoppers are recommended: requests as they come, what Personalize is asked, and answers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from personalization.problems import FieldError, Problem
from personalization.releases import Release

Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Source = Literal["campaign", "cache", "popular", "bestsellers", "caller"]
"""Where an item came from; `caller` is an item of a ranking that stands where the caller put it."""

MOST_WITH_METADATA = 50
"""Items of an answer up to which Personalize adds columns of Items."""
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_NAME = re.compile(r"[A-Za-z0-9_]{1,50}")
_CONTEXT_NAME = re.compile(r"[A-Za-z0-9_]{1,150}")


class _Request(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, populate_by_name=True, defer_build=True)


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

    limit: int = Field(default=25, ge=1, le=500)
    user_id: Id | None = None
    item_id: Id | None = None


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
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a campaign answered: items as Personalize describes them."""

    recommendation_id: str | None
    """None where it is not Personalize that answered."""
    items: Sequence[Mapping[str, Any]]


def values(query: Mapping[str, str] | None, **known: str) -> dict[str, object]:
    """Query parameters as the fields of a request; `known` ones come from the path and win."""
    fields: dict[str, object] = {}
    groups: dict[str, dict[str, str]] = {"filterValues": {}, "context": {}}
    for name, value in (query or {}).items():
        group, dot, key = name.partition(".")
        if dot and group in groups:
            groups[group][key] = value
        else:
            fields[name] = value
    return {**fields, **groups, **known}


def listing(release: Release, recipe: str, asked: Listing) -> Ask:
    """What the campaign of a recipe is asked for a list of items."""
    parameters = _shared(release, asked, asked.limit)
    parameters["numResults"] = asked.limit
    if asked.user_id is not None:
        parameters["userId"] = asked.user_id
    if asked.item_id is not None:
        parameters["itemId"] = asked.item_id
    return Ask(_campaign(release, recipe), parameters)


def ranking(release: Release, asked: Ranking) -> Ask:
    """What the ranking campaign is asked; an item that is named twice is ranked once."""
    items = list(dict.fromkeys(asked.item_ids))
    parameters = _shared(release, asked, len(items))
    return Ask(_campaign(release, "personalized-ranking"), {**parameters, "userId": asked.user_id, "inputList": items})


def answer(predicted: Predicted, source: Source = "campaign") -> dict[str, object]:
    """The answer's JSON; `answers.Answer` describes it."""
    return {
        "recommendationId": predicted.recommendation_id,
        "items": [item(each, source) for each in predicted.items],
    }


def item(predicted: Mapping[str, Any], source: Source) -> dict[str, object]:
    """An item's JSON; `answers.Item` describes it."""
    told = {"itemId": predicted["itemId"], "score": predicted.get("score"), "source": source}
    if predicted.get("reason"):
        told["reason"] = predicted["reason"]
    if predicted.get("metadata"):
        told["metadata"] = predicted["metadata"]
    return told


def popular_instead(release: Release, ask: Ask) -> Ask | None:
    """The same question to the popular campaign, filter included; None where there is no other campaign to ask."""
    arn = release.campaigns.get("popularity-count")
    if arn is None or arn == ask.campaign_arn:
        return None
    return Ask(arn, {name: value for name, value in ask.parameters.items() if name != "context"})


def _shared(release: Release, asked: Choice, items: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if asked.filter is not None:
        if asked.filter not in release.filters:
            known = ", ".join(release.filters) or "none"
            raise Problem(400, "The shop has no such filter.", [FieldError("filter", f"must be one of: {known}")])
        parameters["filterArn"] = release.filter_arn(asked.filter)
        if asked.filter_values:
            parameters["filterValues"] = asked.filter_values
    if asked.context:
        parameters["context"] = asked.context
    if release.metadata_columns and items <= MOST_WITH_METADATA:
        parameters["metadataColumns"] = {"ITEMS": list(release.metadata_columns)}
    return parameters


def _campaign(release: Release, recipe: str) -> str:
    arn = release.campaigns.get(recipe)
    if arn is None:
        raise Problem(404, f"The shop's settings leave out {recipe}, or no version of it was approved yet.")
    return arn


def _filter_value(value: str) -> str:
    """`a,b` as Personalize wants it, `"a","b"`; a number, or what is quoted already, as it is."""
    if _NUMBER.fullmatch(value) or value.startswith('"'):
        return value
    return ",".join('"' + part.strip().replace('"', '\\"') + '"' for part in value.split(","))
