# SPDX-License-Identifier: Apache-2.0
"""GET recommendations, similar and popular items; POST ranking; the API's health and description."""

import time
from pathlib import Path
from typing import Any

from personalization import cold, problems, recommendations
from personalization.aws import bestsellers, clients, failures, runtime, state
from personalization.recommendations import Ask, Listing, Predicted, Ranking, RankingBody
from personalization.releases import Release
from personalization.shelf import Shelf
from personalization.web import JSON, Api, Response, part

API = Api()
RELEASES = state.Releases(state.fetch)
SHELF = Shelf(failures.why, bestsellers.Lists(bestsellers.fetch).get, time.monotonic, API.degraded)
clients.make_ahead(clients.runtime_once, clients.dynamodb)
DESCRIPTION = Path(__file__).with_name("openapi.json")


@API.routes.get("/shops/<shop>/users/<user_id>/recommendations")
def recommend(shop: str, user_id: str) -> dict[str, object]:
    """Items for a user."""
    asked = problems.checked(Listing, recommendations.values(API.query(), userId=part(user_id)))
    release = _release(shop)
    return SHELF.fill(release, recommendations.listing(release, "user-personalization", asked), _predict)


@API.routes.get("/shops/<shop>/items/<item_id>/similar")
def similar(shop: str, item_id: str) -> dict[str, object]:
    """Items that are like an item."""
    asked = problems.checked(Listing, recommendations.values(API.query(), itemId=part(item_id)))
    release = _release(shop)
    return SHELF.fill(release, recommendations.listing(release, "similar-items", asked), _predict)


@API.routes.get("/shops/<shop>/popular")
def popular(shop: str) -> dict[str, object]:
    """The items that most users take."""
    asked = problems.checked(Listing, recommendations.values(API.query()))
    release = _release(shop)
    return SHELF.fill(release, recommendations.listing(release, "popularity-count", asked), _predict, "popular")


@API.routes.post("/shops/<shop>/users/<user_id>/ranking")
def ranking(shop: str, user_id: str) -> dict[str, object]:
    """The caller's items, best first for a user."""
    body = problems.checked_json(RankingBody, API.body())
    fields = recommendations.values(API.query(), userId=part(user_id))
    asked = problems.checked(Ranking, {**fields, "itemIds": body.item_ids})
    return SHELF.order(recommendations.ranking(_release(shop), asked), _rank)


@API.routes.get("/health")
def health() -> dict[str, str]:
    """Whether the function answers."""
    return {"status": "ok"}


@API.routes.get("/openapi.json")
def describe() -> Response[str]:
    """The API's description, as it was generated from the code."""
    return Response(200, JSON, DESCRIPTION.read_text())


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request of API Gateway (REST, proxy integration)."""
    answer = API.answer(event, context)
    cold.over()
    return answer


def _release(shop: str) -> Release:
    return RELEASES.get(part(shop), time.monotonic())


def _predict(ask: Ask) -> Predicted:
    return runtime.recommend(clients.runtime_once(), ask)


def _rank(ask: Ask) -> Predicted:
    return runtime.rank(clients.runtime_once(), ask)
