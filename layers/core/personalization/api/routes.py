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


@dataclass(frozen=True, slots=True, kw_only=True)
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


_CHOICE = ("filter", "filterValues", "context", "personalize")
_OF_PLACEMENTS = ("filterValues", "context", "visitorId", "personalize")
_PAGES = ("excludeItemIds", "next")

ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/shops/{shop}/users/{userId}/recommendations",
        operation="recommend",
        summary="Items for a user. An unknown user gets what new users like.",
        answer="Answer",
        asks="Listing",
        query=("limit", *_CHOICE, "itemId", *_PAGES),
        callers="browsers too",
    ),
    Route(
        method="GET",
        path="/shops/{shop}/items/{itemId}/similar",
        operation="similar",
        summary="Items similar to an item. For an unknown item, the popular ones.",
        answer="Answer",
        asks="Listing",
        query=("limit", *_CHOICE, "userId", *_PAGES),
        callers="browsers too",
        cacheable=True,
    ),
    Route(
        method="GET",
        path="/shops/{shop}/popular",
        operation="popular",
        summary="The most popular items.",
        answer="Answer",
        asks="Listing",
        query=("limit", *_CHOICE, "userId", *_PAGES),
        callers="browsers too",
        cacheable=True,
    ),
    Route(
        method="GET",
        path="/shops/{shop}/users/{userId}/placements/{placement}",
        operation="placement",
        summary="The items of one of the shop's placements for a user.",
        answer="Placed",
        asks="Slot",
        query=("limit", *_OF_PLACEMENTS, "itemId", *_PAGES),
        callers="browsers too",
    ),
    Route(
        method="POST",
        path="/shops/{shop}/users/{userId}/placements",
        operation="placements",
        summary="The items of a page's placements for a user. No item appears twice.",
        answer="Page",
        asks="Slot",
        query=_OF_PLACEMENTS,
        body="PageBody",
        callers="browsers too",
    ),
    Route(
        method="POST",
        path="/shops/{shop}/users/{userId}/ranking",
        operation="rank",
        summary="The given items, best first for the user. Unknown items come last.",
        answer="Answer",
        asks="Ranking",
        query=_CHOICE,
        body="RankingBody",
        callers="browsers too",
    ),
    Route(
        method="GET",
        path="/shops/{shop}/users/{userId}/actions",
        operation="actions",
        summary="The actions that a user most likely takes.",
        answer="ActionAnswer",
        asks="ActionListing",
        query=("limit", *_CHOICE[:2]),
    ),
    Route(
        method="POST",
        path="/shops/{shop}/users/{userId}/purchase-likelihood",
        operation="purchaseLikelihood",
        summary="Calibrated probabilities that a user buys each of the given items within the shop's horizon.",
        answer="Likelihood",
        asks="Asking",
        query=("context",),
        body="LikelihoodBody",
        problems=(400, 403, 404, 409, 429, 503),
    ),
    Route(
        method="POST",
        path="/shops/{shop}/events",
        operation="recordEvents",
        summary="Record a user's events. The next answer reflects them.",
        answer="Accepted",
        status=202,
        body="Events",
        unavailable="No event was accepted; send them again with the same eventIds",
        callers="browsers too",
    ),
    Route(
        method="POST",
        path="/shops/{shop}/impressions",
        operation="recordImpressions",
        summary="Record which items of lists a user has seen: half of an item for a second.",
        answer="ImpressionsAccepted",
        status=202,
        body="Impressions",
        unavailable="No list was accepted; send them again",
        callers="browsers too",
    ),
    Route(
        method="PUT",
        path="/shops/{shop}/users/{userId}",
        operation="putUser",
        summary="Put a user, and replace the earlier record.",
        answer="PutAccepted",
        status=202,
        body="Put",
        problems=(400, 403, 404, 409, 429, 503),
    ),
    Route(
        method="DELETE",
        path="/shops/{shop}/users/{userId}",
        operation="deleteUser",
        summary=(
            "Delete a user, within a day or more. Their events are discarded meanwhile, and models follow with a "
            "training."
        ),
        answer="Receipt",
        status=202,
    ),
    Route(
        method="PUT",
        path="/shops/{shop}/users/{userId}/personalization",
        operation="putPersonalization",
        summary="Whether a user's answers are personal. Without, they get bestsellers, and are in no experiment.",
        answer="Personalized",
        status=202,
        body="Personalization",
        unavailable="The choice may not be stored; send it again",
        callers="browsers too",
    ),
    Route(
        method="PUT",
        path="/shops/{shop}/items/{itemId}",
        operation="putItem",
        summary="Put an item, and replace the earlier record.",
        answer="PutAccepted",
        status=202,
        body="Put",
        unavailable="Personalize may have the item while answers do not show it yet, see `detail`; put it again",
    ),
    Route(
        method="POST",
        path="/shops/{shop}/sessions",
        operation="beginSession",
        summary="Issue a browser's token, for an anonymous or a logged-in user. At the browsers' API only.",
        answer="SessionBegun",
        status=201,
        body="SessionRequest",
        problems=(400, 401, 403, 404, 429, 503),
        callers="everybody",
    ),
    Route(
        method="GET",
        path="/health",
        operation="health",
        summary="Whether the API answers.",
        answer="Health",
        problems=(),
        callers="everybody",
    ),
    Route(
        method="GET",
        path="/openapi.json",
        operation="describe",
        summary="This description.",
        answer="",
        problems=(403, 429),
        cacheable=True,
    ),
)

OPERATIONS: Mapping[str, Route] = {route.operation: route for route in ROUTES}
