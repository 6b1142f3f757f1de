# SPDX-License-Identifier: Apache-2.0
"""The routes of the API: what each takes, answers and refuses, and who may call it. `openapi` describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from personalization.api import models, page
from personalization.auth import sessions
from personalization.events import models as events
from personalization.likelihood import answering
from personalization.personalize import requests
from personalization.shop.keys import SHOP, SHOP_RULE

PATH_PARAMETERS: Mapping[str, Mapping[str, object]] = {
    "shop": {"type": "string", "pattern": f"^{SHOP.pattern}$", "description": SHOP_RULE},
    "userId": {"type": "string", "minLength": 1, "maxLength": 256},
    "itemId": {"type": "string", "minLength": 1, "maxLength": 256},
    "placement": {
        "type": "string",
        "pattern": "^[a-z0-9][a-z0-9-]{0,19}$",
        "description": "The name of one of the shop's placements.",
    },
}
Parameter = tuple[str, Mapping[str, object], str]
"""A query parameter: name, JSON schema, description."""
_CHOICE: Sequence[Parameter] = (
    ("filter", {"type": "string", "minLength": 1, "maxLength": 63}, "The name of one of the shop's filters."),
    (
        "filterValues.NAME",
        {"type": "string"},
        "The value of the filter's parameter NAME; several values are separated by commas, and a value that looks like "
        "a number but is text is put into double quotes. Example: `filterValues.CATEGORIES=Soups,Bread`.",
    ),
    ("context.NAME", {"type": "string"}, "The value of the Interactions column NAME at this moment."),
)
_LIMIT: Parameter = ("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 25}, "How many items.")
_PAGES: Sequence[Parameter] = (
    (
        "excludeItemIds",
        {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1, "maxLength": 256}},
        "Items that are not shown, such as those in the basket; once for each.",
    ),
    (
        "next",
        {"type": "string", "minLength": 1, "maxLength": 4096},
        "The `next` of the page before, with all other parameters as they were.",
    ),
)
_VALUES = _CHOICE[1:]
"""What a placement leaves to the request: its filter is its own."""
_LIMIT_OF_SLOT: Parameter = (
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 100},
    "How many items; the placement's own number without it.",
)
_USER: Parameter = ("userId", PATH_PARAMETERS["userId"], "The user, for filters on what the user did.")
_ITEM: Parameter = ("itemId", PATH_PARAMETERS["itemId"], "The item that is being looked at.")
_ABOUT_USER: Parameter = (
    "context.NAME",
    {"type": "string"},
    "The value of the Users column NAME, in place of what the last run knew of this user.",
)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API."""

    method: str
    path: str
    operation: str
    summary: str
    answer: type[BaseModel] | None
    status: int = 200
    query: Sequence[Parameter] = ()
    body: type[BaseModel] | None = None
    problems: Sequence[int] = (400, 403, 404, 429, 503)
    """What it refuses, besides a body that is too large and a token that is not valid."""
    callers: Literal["everybody", "servers", "browsers too"] = "servers"
    kept: bool = False
    """Whether a client may keep the answer, and ask with If-None-Match whether it is still good."""


ROUTES: Sequence[Route] = (
    Route(
        "get",
        "/shops/{shop}/users/{userId}/recommendations",
        "recommend",
        "Items for a user. A user whom nobody knows is recommended what new shoppers like.",
        models.Answer,
        query=(_LIMIT, *_CHOICE, _ITEM, *_PAGES),
        callers="browsers too",
    ),
    Route(
        "get",
        "/shops/{shop}/items/{itemId}/similar",
        "similar",
        "Items that are like an item. For an item that nobody knows they are popular ones.",
        models.Answer,
        query=(_LIMIT, *_CHOICE, _USER, *_PAGES),
        callers="browsers too",
        kept=True,
    ),
    Route(
        "get",
        "/shops/{shop}/popular",
        "popular",
        "The items that most users take.",
        models.Answer,
        query=(_LIMIT, *_CHOICE, _USER, *_PAGES),
        callers="browsers too",
        kept=True,
    ),
    Route(
        "get",
        "/shops/{shop}/users/{userId}/placements/{placement}",
        "placement",
        "What one of the shop's placements shows the user.",
        models.Placed,
        query=(_LIMIT_OF_SLOT, *_VALUES, _ITEM, *_PAGES),
        callers="browsers too",
    ),
    Route(
        "post",
        "/shops/{shop}/users/{userId}/placements",
        "placements",
        "What the placements of a page show the user, in one answer, with no item twice.",
        models.Page,
        query=_VALUES,
        body=page.PageBody,
        callers="browsers too",
    ),
    Route(
        "post",
        "/shops/{shop}/users/{userId}/ranking",
        "rank",
        "The given items, best first for the user. Items that nobody knows come last.",
        models.Answer,
        query=_CHOICE,
        body=requests.RankingBody,
        callers="browsers too",
    ),
    Route(
        "post",
        "/shops/{shop}/users/{userId}/purchase-likelihood",
        "purchaseLikelihood",
        "How likely the user is to buy each of the given items within the shop's horizon: calibrated probabilities.",
        models.Likelihood,
        query=(_ABOUT_USER,),
        body=answering.LikelihoodBody,
        problems=(400, 403, 404, 409, 429, 503),
    ),
    Route(
        "post",
        "/shops/{shop}/events",
        "recordEvents",
        "What a shopper did. The very next answer knows it.",
        models.Accepted,
        202,
        body=events.Events,
        callers="browsers too",
    ),
    Route(
        "put",
        "/shops/{shop}/users/{userId}",
        "putUser",
        "What is known of a user, in place of what was known before.",
        models.PutAccepted,
        202,
        body=events.Put,
        problems=(400, 403, 404, 409, 429, 503),
    ),
    Route(
        "delete",
        "/shops/{shop}/users/{userId}",
        "deleteUser",
        "Delete a user. Nothing is taken of them any more. It takes a day or more, and models follow with a training.",
        models.Receipt,
        202,
    ),
    Route(
        "put",
        "/shops/{shop}/items/{itemId}",
        "putItem",
        "What is known of an item, in place of what was known before.",
        models.PutAccepted,
        202,
        body=events.Put,
    ),
    Route(
        "post",
        "/shops/{shop}/sessions",
        "beginSession",
        "A browser's token: for a visitor, and from her login on for the shopper. At the API of browsers only.",
        models.SessionBegun,
        201,
        body=sessions.SessionRequest,
        problems=(400, 401, 403, 404, 429, 503),
        callers="everybody",
    ),
    Route("get", "/health", "health", "Whether the API answers.", models.Health, problems=(), callers="everybody"),
    Route("get", "/openapi.json", "describe", "This description.", None, problems=(403, 429), kept=True),
)
