# SPDX-License-Identifier: Apache-2.0
"""Recommendations, similar and popular items, placements, ranking, purchase likelihood, and the API's description."""

import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalization import caching, callers, cold, placing, problems, recommendations, shopper_context, tallies
from personalization.aws import bestsellers, clients, failures, runtime, shown_items, state
from personalization.environment import Environment
from personalization.placing import PageBody, Slot
from personalization.recommendations import Ask, Listing, Predicted, Ranking, RankingBody
from personalization.releases import BASELINE, Release
from personalization.shelf import BUDGET_SECONDS, Shelf
from personalization.together import Together
from personalization.web import Api, Response, part

if TYPE_CHECKING:
    from personalization.aws.likelihoods import Likelihoods

API = Api()
RELEASES = state.Releases(state.fetch)
SHELF = Shelf(failures.why, bestsellers.Lists(bestsellers.fetch).get, time.monotonic, API.degraded)
clients.make_ahead(clients.runtime_once, clients.dynamodb)
TOGETHER = Together()
ITEMS = shown_items.ShownItems(shown_items.fetch(clients.s3_quick, lambda: Environment().bucket))
DESCRIPTION = Path(__file__).with_name("openapi.json")


@API.routes.get("/shops/<shop>/users/<user_id>/recommendations")
def recommend(shop: str, user_id: str) -> dict[str, object]:
    """Items for a user."""
    asked = problems.checked(Listing, _fields(userId=part(user_id)))
    return _list(_release(shop), "user-personalization", asked)


@API.routes.get("/shops/<shop>/items/<item_id>/similar")
def similar(shop: str, item_id: str) -> Response[str]:
    """Items that are like an item."""
    asked = problems.checked(Listing, _fields(itemId=part(item_id)))
    return API.shared(_list(_release(shop), "similar-items", asked), personal=asked.user_id is not None)


@API.routes.get("/shops/<shop>/popular")
def popular(shop: str) -> Response[str]:
    """The items that most users take."""
    asked = problems.checked(Listing, _fields())
    return API.shared(_list(_release(shop), BASELINE, asked), personal=asked.user_id is not None)


@API.routes.get("/shops/<shop>/users/<user_id>/placements/<placement>")
def show(shop: str, user_id: str, placement: str) -> dict[str, object]:
    """What one of the shop's placements shows a user."""
    asked, release, name = problems.checked(Slot, _fields(userId=part(user_id))), _release(shop), part(placement)
    question, started = placing.ask(release, name, asked, _around(release)), time.monotonic()
    told = placing.one(SHELF, release, name, question, _predict)
    _show(release, started, (told, question))
    return _counted(release, f"placement/{name}", told)


@API.routes.post("/shops/<shop>/users/<user_id>/placements")
def show_page(shop: str, user_id: str) -> dict[str, object]:
    """What the placements of a page show a user, no item twice."""
    body, release = problems.checked_json(PageBody, API.body()), _release(shop)
    asks = placing.slots(release, body, _fields(userId=part(user_id)), _around(release))
    started = time.monotonic()
    told: dict[str, Any] = placing.page(SHELF, release, asks, _predict, TOGETHER)
    _show(release, started, *((each, asks[each["placement"]]) for each in told["placements"]))
    for each in told["placements"]:
        _counted(release, f"placement/{each['placement']}", each)
    return told


@API.routes.post("/shops/<shop>/users/<user_id>/ranking")
def ranking(shop: str, user_id: str) -> dict[str, object]:
    """The caller's items, best first for a user."""
    body = problems.checked_json(RankingBody, API.body())
    fields = recommendations.values(API.query(), userId=part(user_id))
    asked = problems.checked(Ranking, {**fields, "itemIds": body.item_ids})
    release = _release(shop)
    question, started = recommendations.ranking(release, asked, _around(release)), time.monotonic()
    told = SHELF.order(question, _rank)
    _show(release, started, (told, question))
    return _counted(release, "personalized-ranking", told)


@API.routes.post("/shops/<shop>/users/<user_id>/purchase-likelihood")
def purchase_likelihood(shop: str, user_id: str) -> dict[str, object]:
    """How likely a user is to buy items."""
    until = likelihoods().until()
    query, release = recommendations.values(API.query(), userId=part(user_id)), _release(shop)
    told = likelihoods().respond(release, API.body(), query, int(time.time()), until)
    return _counted(release, "purchase-likelihood", told)


@cache
def likelihoods() -> "Likelihoods":
    """What answers them; imported when first asked for, so that nobody else's start is longer for it."""
    from personalization.aws.likelihoods import Likelihoods  # noqa: PLC0415

    return Likelihoods(API.degraded)


@API.routes.get("/health")
def health() -> dict[str, str]:
    """Whether the function answers."""
    return {"status": "ok"}


@API.routes.get("/openapi.json")
def describe() -> Response[str]:
    """The API's description, as it was generated from the code."""
    text = DESCRIPTION.read_text()
    return API.kept(text, caching.tag(text), caching.DESCRIPTION_SECONDS)


handler = cold.start(API.answer)
"""Answers one request of API Gateway (REST, proxy integration)."""


def _release(shop: str) -> Release:
    return RELEASES.get(part(shop), time.monotonic())


def _fields(**known: str) -> dict[str, object]:
    return recommendations.values(API.query(), **known, excludeItemIds=API.queries("excludeItemIds"))


def _around(release: Release) -> dict[str, str]:
    return shopper_context.of(API.headers(), release.context_columns, time.time())


def _list(release: Release, recipe: str, asked: Listing) -> dict[str, object]:
    callers.own(API.caller, asked.user_id)
    ask, started = recommendations.listing(release, recipe, asked, _around(release)), time.monotonic()
    told = SHELF.fill(release, ask, _predict, recommendations.source(release, recipe))
    _show(release, started, (told, ask))
    return recommendations.after(release, ask, _counted(release, recipe, told))


def _show(release: Release, started: float, *lists: tuple[dict[str, Any], Ask]) -> None:
    """Have the items of answers show their columns, in what is left of the time since `started`."""
    left = started + BUDGET_SECONDS - time.monotonic()
    ITEMS.fill(release.shop, [(told, ask.columns) for told, ask in lists], left)


def _counted(release: Release, name: str, told: dict[str, object]) -> dict[str, object]:
    API.count(tallies.of_list(release.shop, name, told))
    return told


def _predict(ask: Ask) -> Predicted:
    return runtime.served(runtime.recommend, clients.runtime_once(), ask)


def _rank(ask: Ask) -> Predicted:
    return runtime.served(runtime.rank, clients.runtime_once(), ask)
