# SPDX-License-Identifier: Apache-2.0
"""Recommendations, similar and popular items, placements, ranking, purchase likelihood, and the API's description."""

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Disables the cycle collector before the other imports, until the end of this module.
from personalization.core import cold_start

# isort: split
from personalization.api import actions, bestsellers, context, interleaved, lists, placements, variants
from personalization.api.fallback import BUDGET_SECONDS, FallbackChain, source_of
from personalization.api.http import Api, Request, Response
from personalization.api.lists import ListAsk, Listing, Ranking, RankingBody
from personalization.api.placements import PageBody, Parallel, Slot
from personalization.api.variants import Assigned
from personalization.auth import list_id_keys, list_ids
from personalization.auth.list_ids import PLACEMENT, Shown
from personalization.core import environment, observability
from personalization.core.aws import clients, errors
from personalization.engine import answering, backend, files
from personalization.events import objections, visitors
from personalization.experiments import assignment
from personalization.experiments.assignment import Unit
from personalization.personalize import runtime
from personalization.shop.records import item_table, release_store
from personalization.shop.records.release import BASELINE, Release
from personalization.shop.settings.recipes import NEXT_BEST_ACTION

if TYPE_CHECKING:
    from personalization.auth.hash_key import HashKey
    from personalization.likelihood.serve import Likelihoods

API = Api(environment.metrics)
RELEASES = release_store.Releases(release_store.fetch_release(clients.dynamodb, environment.table))
BESTSELLERS = bestsellers.Bestsellers(bestsellers.fetch(clients.dynamodb_once, environment.table))
ITEMS = item_table.ShownItems(item_table.fetch(clients.s3_quick, environment.bucket))
OBJECTIONS = objections.Objections(objections.fetch(clients.dynamodb_once, environment.table))
FIRST_VISITORS = visitors.FirstVisitors(visitors.fetch(clients.dynamodb_once, environment.shopper_events_table))
EXPERIMENTS = variants.LiveExperiments(variants.fetch(clients.dynamodb_once, environment.table))
LIST_ID_KEYS = list_id_keys.ListIdKeys(
    list_id_keys.fetch(clients.secretsmanager_once, environment.list_id_keys, list_id_keys.SIGNING)
)
PREDICT = partial(runtime.served, runtime.recommend, clients.runtime_once)
ACT = partial(runtime.served, runtime.recommend_actions, clients.runtime_once)
RANK = partial(runtime.served, runtime.rank, clients.runtime_once)


backend.connect(
    clients.dynamodb_once,
    environment,
    answering.operations(answering.Sources(files.Store(clients.s3_once, environment.bucket), environment.live_table)),
)


def look_up(shop: str, ids: Iterable[str], left: float) -> Mapping[str, Mapping[str, str]]:
    """Return columns of items by id, within the seconds that are left."""
    return ITEMS.find(shop, ids, seconds=min(item_table.WAIT_SECONDS, left))


FALLBACK = FallbackChain(errors.reason, BESTSELLERS.get, time.monotonic, look_up)
clients.make_ahead(clients.runtime_once, clients.dynamodb, clients.dynamodb_once, clients.s3_quick, clients.s3_once)
clients.make_ahead(clients.secretsmanager_once)
clients.make_ahead(environment.table, environment.shopper_events_table, environment.bucket, environment.metrics)
PARALLEL = Parallel()
DESCRIPTION = Path(__file__).with_name("openapi.json")
DESCRIPTION_SECONDS = 300
"""How long a client may cache the API's description."""


@API.operation(*lists.USUAL)
def show_list(request: Request) -> Response:
    release, query, operation = _release(request), request.parsed(Listing), request.route.operation
    objects = request.is_anonymous and operation == "recommend"
    recipe = BASELINE if objects else lists.recipe_of(release, operation)
    ask, started = lists.listing(release, recipe, query, _context(request, release)), FALLBACK.now()
    answer = FALLBACK.fill(release, ask, PREDICT, source_of(release, recipe))
    _show(release, started, (answer, ask))
    page = lists.after(release, ask, answer)
    _name(release, query.user_id, page, operation)
    request.count_list(recipe, answer)
    return request.shared(page, personal=query.user_id is not None)


@API.operation("placement")
def show_placement(request: Request) -> dict[str, object]:
    release, query, name = _release(request), request.parsed(Slot), request.path["placement"]
    # Before the exposure is told: a refused request exposes nobody. The next page is that of the user's own variant.
    first = query if query.next is None else request.parsed(Slot, next=None)
    question = placements.ask(release, name, first, _context(request, release))
    chosen, started = _assigned(request, release, [name]), FALLBACK.now()
    if chosen.is_off(name):
        return _placed(release, query.user_id, chosen, placements.nothing(name))
    if chosen.release is not release or query.next is not None:
        question = placements.ask(chosen.release, name, query, _context(request, release))
    if name in chosen.rivals:
        rivals = chosen.rivals[name]
        first_page = placements.ask(rivals.release, name, first, _context(request, release))
        second = interleaved.other(rivals, first_page, question)
        answer = second.answer(FALLBACK, chosen.release, name, question, (PREDICT, PARALLEL))
    else:
        answer = placements.fill(FALLBACK, chosen.release, name, question, PREDICT)
    _show(release, started, (answer, question))
    request.count_list(f"placement/{name}", answer)
    return _placed(release, query.user_id, chosen, answer)


@API.operation("placements")
def show_page(request: Request) -> dict[str, object]:
    body, release = request.json(PageBody), _release(request)
    every = placements.slots(release, body, request.fields(), _context(request, release))
    chosen, started = _assigned(request, release, body.placements), FALLBACK.now()
    if chosen.release is not release:
        every = placements.slots(chosen.release, body, request.fields(), _context(request, release))
    asks = {name: ask for name, ask in every.items() if not chosen.is_off(name)}
    asked_of = partial(placements.slots, body=body, query=request.fields(), context=_context(request, release))
    seconds = interleaved.of_page(chosen.rivals, asks, asked_of)
    answer: dict[str, Any] = (
        placements.page(FALLBACK, chosen.release, asks, PREDICT, PARALLEL, seconds=seconds) if asks else {}
    )
    filled = {page["placement"]: page for page in answer.get("placements", ())}
    _show(release, started, *((page, asks[name]) for name, page in filled.items()))
    for name, page in filled.items():
        request.count_list(f"placement/{name}", page)
    shown = {name: filled.get(name) or placements.nothing(name) for name in every}
    return {"placements": [_placed(release, request.path["userId"], chosen, shown[name]) for name in every]}


@API.operation("rank")
def ranking(request: Request) -> dict[str, object]:
    body = request.json(RankingBody)
    release, query = _release(request), request.parsed(Ranking, itemIds=body.item_ids)
    question, started = lists.ranking(release, query, _context(request, release)), FALLBACK.now()
    answer = FALLBACK.rank(question, RANK)
    _show(release, started, (answer, question))
    _name(release, query.user_id, answer, request.route.operation)
    request.count_list("personalized-ranking", answer)
    return answer


@API.operation("actions")
def show_actions(request: Request) -> dict[str, object]:
    release = _release(request)
    query = request.parsed(actions.ActionListing)
    answer = actions.fill(FALLBACK, release, actions.ask(release, query), ACT)
    _name(release, query.user_id, answer, request.route.operation)
    request.count_list(NEXT_BEST_ACTION, {**answer, "items": answer["actions"]})
    return answer


@API.operation("purchaseLikelihood")
def purchase_likelihood(request: Request) -> dict[str, object]:
    from personalization.likelihood.answering import Asking, LikelihoodBody  # noqa: PLC0415 - as in `likelihoods`

    until, release = likelihoods().until(), _release(request)
    item_ids, query = request.json(LikelihoodBody).item_ids, request.parsed(Asking)
    answer = likelihoods().answer(release, item_ids, query, int(time.time()), until)
    request.count_list("purchase-likelihood", answer)
    return answer


@cache
def likelihoods() -> "Likelihoods":
    """Import on first use, which keeps other requests' cold start short."""
    from personalization.likelihood.serve import Likelihoods, Sources  # noqa: PLC0415

    sources = Sources(
        dynamodb=clients.dynamodb_once,
        s3=clients.s3_once,
        runtime=clients.runtime_once,
        table=environment.table,
        shopper_events_table=environment.shopper_events_table,
        bucket=environment.bucket,
    )
    return Likelihoods(sources)


@API.operation("health")
def health(_request: Request) -> dict[str, str]:
    return {"status": "ok"}


@API.operation("describe")
def describe(request: Request) -> Response:
    return request.cacheable(DESCRIPTION.read_text(), DESCRIPTION_SECONDS)


handler = API.answer
"""Answers one request of API Gateway (REST, proxy integration)."""


def _release(request: Request) -> Release:
    """Return the shop's release.

    Where the shop hashes its ids, the request has hashes from here on; of a user who objects, it has nothing.
    """
    # They come while the release and the campaign are asked.
    LIST_ID_KEYS.begin()
    release = RELEASES.get(request.path["shop"], time.monotonic())
    if release.hashed:
        request.name_user_by(_hash_key().of(release.shop))
    user_id = request.user_id
    if request.query.get("personalize") == "false" or (
        user_id is not None and OBJECTIONS.has(release.shop, user_id, time.monotonic())
    ):
        request.forget_user(lists.ANONYMOUS)
    return release


@cache
def _hash_key() -> "HashKey":
    from personalization.auth.hash_key import HashKey  # noqa: PLC0415 - only shops that hash need it

    return HashKey(clients.secretsmanager, environment.hash_key)


def _assigned(request: Request, release: Release, names: Sequence[str]) -> Assigned:
    """Return the variants of who asks, once the request is known to be good."""
    if request.is_anonymous:
        return variants.unpersonalized(release, names)
    live = EXPERIMENTS.get(release.shop, time.monotonic())
    unit = partial(_unit, request, release)
    return variants.assigned(live, release, unit, names, now=time.time(), tell=observability.write)


def _unit(request: Request, release: Release) -> Unit | None:
    """Return the unit of experiments: the visitor whom the user first was, the visitor, or the user."""
    visitor = request.query.get("visitorId", "")
    is_user = visitor != visitors.NOBODY if request.caller is None else bool(request.caller.user)
    digest = assignment.visitor_digest(release.tracking_id, visitor) if visitor not in {"", visitors.NOBODY} else ""
    if not is_user:
        return assignment.unit(release.tracking_id, None, digest, "")
    user_id = request.path["userId"]
    first = FIRST_VISITORS.get(release.shop, user_id, time.monotonic())
    return assignment.unit(release.tracking_id, user_id, digest, first)


def _context(request: Request, release: Release) -> dict[str, str]:
    return context.of(request.headers, release.context_columns, time.time())


def _show(release: Release, started: float, *answers: tuple[dict[str, Any], ListAsk]) -> None:
    """Show the columns of answers' items, in the rest of the budget that began at `started`, by the chain's clock."""
    left = started + BUDGET_SECONDS - FALLBACK.now()
    ITEMS.fill(release.shop, [(answer, ask.columns) for answer, ask in answers], left)


def _placed(release: Release, user: str | None, chosen: Assigned, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a placement's answer with its listId, its experiment and its variant."""
    name = str(answer["placement"])
    _name(release, user, answer, PLACEMENT + name, chosen.variant(name))
    _name_items(release, user, chosen, answer)
    return chosen.named(name, answer)


def _name_items(release: Release, user: str | None, chosen: Assigned, answer: dict[str, Any]) -> None:
    """Give the items of two rankers in one list the listIds of their variants; what counts for neither has none."""
    placement, ids = str(answer["placement"]), dict[str, str | None]()
    if placement not in chosen.rivals:
        return
    for item in answer["items"]:
        side = item.pop(interleaved.SIDE, None)
        if side is None:
            continue
        if side not in ids:
            named: dict[str, Any] = {}
            _name(release, user, named, PLACEMENT + placement, chosen.side(placement, side))
            ids[side] = named["listId"]
        item["listId"] = ids[side]


def _name(release: Release, user: str | None, answer: dict[str, Any], name: str, variant: str = "") -> None:
    """Give an answer its listId: what it shows, where, and to whom; null if the keys cannot be read.

    Nor has the answer to a user who objects one: they are in no report.
    """
    keys = LIST_ID_KEYS.get() if user != lists.ANONYMOUS else ()
    shown = Shown(name=name, at=time.time(), release=release.promoted, variant=list_ids.variant_number(variant))
    answer["listId"] = list_ids.of(keys[0], release.shop, user, shown) if keys else None


cold_start.end()
