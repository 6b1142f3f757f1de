# SPDX-License-Identifier: Apache-2.0
"""Recommendations, similar and popular items, placements, ranking, purchase likelihood, and the API's description."""

import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Rests the cycle collector before the others are imported.
from personalization.core import cold_start

# isort: split
from personalization.api import bestsellers, context, lists, metrics, placements
from personalization.api.fallback import BUDGET_SECONDS, FallbackChain
from personalization.api.http import Api, Request, Response
from personalization.api.lists import ListAsk, Listing, Ranking, RankingBody
from personalization.api.placements import PageBody, Parallel, Slot
from personalization.auth import caller
from personalization.core.aws import clients, errors
from personalization.core.environment import Environment
from personalization.personalize import runtime
from personalization.personalize.runtime import Ask, Predicted
from personalization.shop import shown_items, state
from personalization.shop.release import BASELINE, Release

if TYPE_CHECKING:
    from personalization.likelihood.serve import Likelihoods

API = Api()
RELEASES = state.Releases(state.fetch)
FALLBACK = FallbackChain(errors.reason, bestsellers.Bestsellers(bestsellers.fetch).get, time.monotonic)
clients.make_ahead(clients.runtime_once, clients.dynamodb)
PARALLEL = Parallel()
ITEMS = shown_items.ShownItems(shown_items.fetch(clients.s3_quick, lambda: Environment().bucket))
DESCRIPTION = Path(__file__).with_name("openapi.json")
DESCRIPTION_SECONDS = 300
"""How long a client may keep the API's description."""


@API.operation("recommend")
def recommend(request: Request) -> dict[str, object]:
    """Items for a user."""
    return _list(request, "user-personalization", request.asked(Listing))


@API.operation("similar")
def similar(request: Request) -> Response:
    """Items that are like an item."""
    asked = request.asked(Listing)
    return request.shared(_list(request, "similar-items", asked), personal=asked.user_id is not None)


@API.operation("popular")
def popular(request: Request) -> Response:
    """The items that most users take."""
    asked = request.asked(Listing)
    return request.shared(_list(request, BASELINE, asked), personal=asked.user_id is not None)


@API.operation("placement")
def show(request: Request) -> dict[str, object]:
    """What one of the shop's placements shows a user."""
    asked, release, name = request.asked(Slot), _release(request), request.path["placement"]
    question, started = placements.ask(release, name, asked, _around(request, release)), time.monotonic()
    answer = placements.one(FALLBACK, release, name, question, _predict)
    _show(release, started, (answer, question))
    return _counted(request, f"placement/{name}", answer)


@API.operation("placements")
def show_page(request: Request) -> dict[str, object]:
    """What the placements of a page show a user, no item twice."""
    body, release = request.json(PageBody), _release(request)
    asks = placements.slots(release, body, request.fields(), _around(request, release))
    started = time.monotonic()
    answer: dict[str, Any] = placements.page(FALLBACK, release, asks, _predict, PARALLEL)
    _show(release, started, *((each, asks[each["placement"]]) for each in answer["placements"]))
    for each in answer["placements"]:
        _counted(request, f"placement/{each['placement']}", each)
    return answer


@API.operation("rank")
def ranking(request: Request) -> dict[str, object]:
    """The caller's items, best first for a user."""
    body = request.json(RankingBody)
    asked, release = request.asked(Ranking, itemIds=body.item_ids), _release(request)
    question, started = lists.ranking(release, asked, _around(request, release)), time.monotonic()
    answer = FALLBACK.rank(question, _rank)
    _show(release, started, (answer, question))
    return _counted(request, "personalized-ranking", answer)


@API.operation("purchaseLikelihood")
def purchase_likelihood(request: Request) -> dict[str, object]:
    """How likely a user is to buy items."""
    until, release = likelihoods().until(), _release(request)
    answer = likelihoods().respond(release, request.body(), request.fields(), int(time.time()), until)
    return _counted(request, "purchase-likelihood", answer)


@cache
def likelihoods() -> "Likelihoods":
    """What answers them; imported when first asked for, so that nobody else's start is longer for it."""
    from personalization.likelihood.serve import Likelihoods  # noqa: PLC0415

    return Likelihoods()


@API.operation("health")
def health(_request: Request) -> dict[str, str]:
    """Whether the function answers."""
    return {"status": "ok"}


@API.operation("describe")
def describe(request: Request) -> Response:
    """The API's description, as it was generated from the code."""
    return request.kept(DESCRIPTION.read_text(), DESCRIPTION_SECONDS)


handler = cold_start.start(API.answer)
"""Answers one request of API Gateway (REST, proxy integration)."""


def _release(request: Request) -> Release:
    return RELEASES.get(request.path["shop"], time.monotonic())


def _around(request: Request, release: Release) -> dict[str, str]:
    if not release.context_columns:
        return {}
    return context.of(request.headers, release.context_columns, time.time())


def _list(request: Request, recipe: str, asked: Listing) -> dict[str, object]:
    release = _release(request)
    if request.caller:
        caller.own(request.caller, asked.user_id)
    ask, started = lists.listing(release, recipe, asked, _around(request, release)), time.monotonic()
    answer = FALLBACK.fill(release, ask, _predict, lists.source(release, recipe))
    _show(release, started, (answer, ask))
    return lists.after(release, ask, _counted(request, recipe, answer))


def _show(release: Release, started: float, *answers: tuple[dict[str, Any], ListAsk]) -> None:
    """Have the items of answers show their columns, in what is left of the time since `started`."""
    left = started + BUDGET_SECONDS - time.monotonic()
    ITEMS.fill(release.shop, [(answer, ask.columns) for answer, ask in answers], left)


def _counted(request: Request, name: str, answer: dict[str, object]) -> dict[str, object]:
    request.counts.append(metrics.of_list(request.path["shop"], name, answer))
    if "degraded" in answer:
        request.notes["degraded"] = answer["degradedReason"]
    return answer


def _predict(ask: Ask) -> Predicted:
    return runtime.served(runtime.recommend, clients.runtime_once(), ask)


def _rank(ask: Ask) -> Predicted:
    return runtime.served(runtime.rank, clients.runtime_once(), ask)
