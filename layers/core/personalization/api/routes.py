# SPDX-License-Identifier: Apache-2.0
"""The routes of the API: their parameters, models, problems and callers.

Functions register handlers of operations, and find that of a request by its method and path. Models are named and not
imported, so that no function imports one that it does not use. A test compares the template's paths with this table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API; `openapi` resolves the names of models."""

    method: str
    path: str
    """API Gateway's `resource`."""
    operation: str
    summary: str
    answer: str
    """The model of the answer; empty for the description itself."""
    status: int = 200
    asks: str = ""
    """The model of the query."""
    query: Sequence[str] = ()
    """Its fields in the query; others are in the path."""
    body: str = ""
    """The model of the body."""
    problems: Sequence[int] = (400, 403, 404, 429, 503)
    """Statuses of its problems, besides those of too large bodies and invalid tokens."""
    callers: Literal["everybody", "servers", "browsers too"] = "servers"
    unavailable: str = "Nothing was done; try again"
    """What a 503 means, and what to do after Retry-After seconds."""
    cacheable: bool = False
    """Whether a client may cache the answer, and revalidate it with If-None-Match."""


_CHOICE = ("filter", "filterValues", "context")
_PAGES = ("excludeItemIds", "next")

ROUTES: Sequence[Route] = (
    Route(
        "GET",
        "/shops/{shop}/users/{userId}/recommendations",
        "recommend",
        "Items for a user. An unknown user gets what new users like.",
        "Answer",
        asks="Listing",
        query=("limit", *_CHOICE, "itemId", *_PAGES),
        callers="browsers too",
    ),
    Route(
        "GET",
        "/shops/{shop}/items/{itemId}/similar",
        "similar",
        "Items similar to an item. For an unknown item, the popular ones.",
        "Answer",
        asks="Listing",
        query=("limit", *_CHOICE, "userId", *_PAGES),
        callers="browsers too",
        cacheable=True,
    ),
    Route(
        "GET",
        "/shops/{shop}/popular",
        "popular",
        "The most popular items.",
        "Answer",
        asks="Listing",
        query=("limit", *_CHOICE, "userId", *_PAGES),
        callers="browsers too",
        cacheable=True,
    ),
    Route(
        "GET",
        "/shops/{shop}/users/{userId}/placements/{placement}",
        "placement",
        "The items of one of the shop's placements for a user.",
        "Placed",
        asks="Slot",
        query=("limit", *_CHOICE[1:], "itemId", *_PAGES),
        callers="browsers too",
    ),
    Route(
        "POST",
        "/shops/{shop}/users/{userId}/placements",
        "placements",
        "The items of a page's placements for a user. No item appears twice.",
        "Page",
        asks="Slot",
        query=_CHOICE[1:],
        body="PageBody",
        callers="browsers too",
    ),
    Route(
        "POST",
        "/shops/{shop}/users/{userId}/ranking",
        "rank",
        "The given items, best first for the user. Unknown items come last.",
        "Answer",
        asks="Ranking",
        query=_CHOICE,
        body="RankingBody",
        callers="browsers too",
    ),
    Route(
        "POST",
        "/shops/{shop}/users/{userId}/purchase-likelihood",
        "purchaseLikelihood",
        "Calibrated probabilities that a user buys each of the given items within the shop's horizon.",
        "Likelihood",
        asks="Asking",
        query=("context",),
        body="LikelihoodBody",
        problems=(400, 403, 404, 409, 429, 503),
    ),
    Route(
        "POST",
        "/shops/{shop}/events",
        "recordEvents",
        "Record a user's events. The next answer reflects them.",
        "Accepted",
        202,
        body="Events",
        unavailable="No event was accepted; send them again with the same eventIds",
        callers="browsers too",
    ),
    Route(
        "PUT",
        "/shops/{shop}/users/{userId}",
        "putUser",
        "Put a user, and replace the earlier record.",
        "PutAccepted",
        202,
        body="Put",
        problems=(400, 403, 404, 409, 429, 503),
    ),
    Route(
        "DELETE",
        "/shops/{shop}/users/{userId}",
        "deleteUser",
        "Delete a user, within a day or more. Their events are discarded meanwhile, and models follow with a training.",
        "Receipt",
        202,
    ),
    Route(
        "PUT",
        "/shops/{shop}/items/{itemId}",
        "putItem",
        "Put an item, and replace the earlier record.",
        "PutAccepted",
        202,
        body="Put",
        unavailable="Personalize may have the item while answers do not show it yet, see `detail`; put it again",
    ),
    Route(
        "POST",
        "/shops/{shop}/sessions",
        "beginSession",
        "Issue a browser's token, for an anonymous or a logged-in user. At the browsers' API only.",
        "SessionBegun",
        201,
        body="SessionRequest",
        problems=(400, 401, 403, 404, 429, 503),
        callers="everybody",
    ),
    Route("GET", "/health", "health", "Whether the API answers.", "Health", problems=(), callers="everybody"),
    Route("GET", "/openapi.json", "describe", "This description.", "", problems=(403, 429), cacheable=True),
)

OPERATIONS: Mapping[str, Route] = {route.operation: route for route in ROUTES}
