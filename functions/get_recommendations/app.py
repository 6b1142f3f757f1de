# SPDX-License-Identifier: Apache-2.0
"""Recommendations, similar and popular items, placements, ranking, purchase likelihood, and the API's description."""

import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalization.api import bestsellers_store, caching, callers, context, metrics, page
from personalization.api.fallback import BUDGET_SECONDS, Shelf
from personalization.api.http import Api, Response, part
from personalization.api.page import PageBody, Slot
from personalization.api.parallel import Together
from personalization.core import cold_start, problems
from personalization.core.aws import clients, errors
from personalization.core.environment import Environment
from personalization.personalize import requests, runtime
from personalization.personalize.requests import Ask, Listing, Predicted, Ranking, RankingBody
from personalization.shop import shown_items, state
from personalization.shop.release import BASELINE, Release

if TYPE_CHECKING:
    from personalization.likelihood.serve import Likelihoods

API = Api()
RELEASES = state.Releases(state.fetch)
SHELF = Shelf(errors.reason, bestsellers_store.Lists(bestsellers_store.fetch).get, time.monotonic, API.degraded)
clients.make_ahead(clients.runtime_once, clients.dynamodb)
TOGETHER = Together()
ITEMS = shown_items.ShownItems(shown_items.fetch(clients.s3_quick, lambda: Environment().bucket))
DESCRIPTION = Path(__file__).with_name("openapi.json")


@API.routes.get("/shops/<shop>/users/<user_id>/recommendations")
def recommend(shop: str, user_id: str) -> dict[str, object]:
    """Items for a user."""
    asked = problems.validate(Listing, _fields(userId=part(user_id)))
    return _list(_release(shop), "user-personalization", asked)


@API.routes.get("/shops/<shop>/items/<item_id>/similar")
def similar(shop: str, item_id: str) -> Response[str]:
    """Items that are like an item."""
    asked = problems.validate(Listing, _fields(itemId=part(item_id)))
    return API.shared(_list(_release(shop), "similar-items", asked), personal=asked.user_id is not None)


@API.routes.get("/shops/<shop>/popular")
def popular(shop: str) -> Response[str]:
    """The items that most users take."""
    asked = problems.validate(Listing, _fields())
    return API.shared(_list(_release(shop), BASELINE, asked), personal=asked.user_id is not None)


@API.routes.get("/shops/<shop>/users/<user_id>/placements/<placement>")
def show(shop: str, user_id: str, placement: str) -> dict[str, object]:
    """What one of the shop's placements shows a user."""
    asked, release, name = problems.validate(Slot, _fields(userId=part(user_id))), _release(shop), part(placement)
    question, started = page.ask(release, name, asked, _around(release)), time.monotonic()
    told = page.one(SHELF, release, name, question, _predict)
    _show(release, started, (told, question))
    return _counted(release, f"placement/{name}", told)


@API.routes.post("/shops/<shop>/users/<user_id>/placements")
def show_page(shop: str, user_id: str) -> dict[str, object]:
    """What the placements of a page show a user, no item twice."""
    body, release = problems.validate_json(PageBody, API.body()), _release(shop)
    asks = page.slots(release, body, _fields(userId=part(user_id)), _around(release))
    started = time.monotonic()
    told: dict[str, Any] = page.page(SHELF, release, asks, _predict, TOGETHER)
    _show(release, started, *((each, asks[each["placement"]]) for each in told["placements"]))
    for each in told["placements"]:
        _counted(release, f"placement/{each['placement']}", each)
    return told


@API.routes.post("/shops/<shop>/users/<user_id>/ranking")
def ranking(shop: str, user_id: str) -> dict[str, object]:
    """The caller's items, best first for a user."""
    body = problems.validate_json(RankingBody, API.body())
    fields = requests.values(API.query(), userId=part(user_id))
    asked = problems.validate(Ranking, {**fields, "itemIds": body.item_ids})
    release = _release(shop)
    question, started = requests.ranking(release, asked, _around(release)), time.monotonic()
    told = SHELF.order(question, _rank)
    _show(release, started, (told, question))
    return _counted(release, "personalized-ranking", told)


@API.routes.post("/shops/<shop>/users/<user_id>/purchase-likelihood")
def purchase_likelihood(shop: str, user_id: str) -> dict[str, object]:
    """How likely a user is to buy items."""
    until = likelihoods().until()
    query, release = requests.values(API.query(), userId=part(user_id)), _release(shop)
    told = likelihoods().respond(release, API.body(), query, int(time.time()), until)
    return _counted(release, "purchase-likelihood", told)


@cache
def likelihoods() -> "Likelihoods":
    """What answers them; imported when first asked for, so that nobody else's start is longer for it."""
    from personalization.likelihood.serve import Likelihoods  # noqa: PLC0415

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


handler = cold_start.start(API.answer)
"""Answers one request of API Gateway (REST, proxy integration)."""


def _release(shop: str) -> Release:
    return RELEASES.get(part(shop), time.monotonic())


def _fields(**known: str) -> dict[str, object]:
    return requests.values(API.query(), **known, excludeItemIds=API.queries("excludeItemIds"))


def _around(release: Release) -> dict[str, str]:
    return context.of(API.headers(), release.context_columns, time.time())


def _list(release: Release, recipe: str, asked: Listing) -> dict[str, object]:
    callers.own(API.caller, asked.user_id)
    ask, started = requests.listing(release, recipe, asked, _around(release)), time.monotonic()
    told = SHELF.fill(release, ask, _predict, requests.source(release, recipe))
    _show(release, started, (told, ask))
    return requests.after(release, ask, _counted(release, recipe, told))


def _show(release: Release, started: float, *lists: tuple[dict[str, Any], Ask]) -> None:
    """Have the items of answers show their columns, in what is left of the time since `started`."""
    left = started + BUDGET_SECONDS - time.monotonic()
    ITEMS.fill(release.shop, [(told, ask.columns) for told, ask in lists], left)


def _counted(release: Release, name: str, told: dict[str, object]) -> dict[str, object]:
    API.count(metrics.of_list(release.shop, name, told))
    return told


def _predict(ask: Ask) -> Predicted:
    return runtime.served(runtime.recommend, clients.runtime_once(), ask)


def _rank(ask: Ask) -> Predicted:
    return runtime.served(runtime.rank, clients.runtime_once(), ask)
