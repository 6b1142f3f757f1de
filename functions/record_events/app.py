# SPDX-License-Identifier: Apache-2.0
"""POST events and impressions; PUT users and items; DELETE users."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

# Disables the cycle collector before the other imports, until the end of this module.
from personalization.core import cold_start

# isort: split
from personalization.api.http import Api, Request
from personalization.auth import caller, list_id_keys, list_ids
from personalization.auth.list_ids import PLACEMENT
from personalization.core import environment, problems
from personalization.core.aws import clients
from personalization.core.breaker import Breaker
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.core.problems import Problem
from personalization.engine import backend, recording
from personalization.events import attribution, delivery, erasure_requests, models, objections, visitors
from personalization.events.delivery import Acceptance
from personalization.events.models import Call, Events, Personalization, Put, Who
from personalization.experiments import assignment
from personalization.shop.records import release_store
from personalization.shop.records.release import Release

if TYPE_CHECKING:
    from personalization.api.variants import LiveExperiments
    from personalization.auth.hash_key import HashKey

API = Api(environment.metrics)
backend.connect(clients.dynamodb_once, environment, recording.operations(environment.live_table))
RELEASES = release_store.Releases(release_store.fetch_release(clients.dynamodb_once, environment.table))
LEAVING = erasure_requests.Leaving(
    erasure_requests.fetch(clients.dynamodb_once, environment.shopper_events_table, erasure_requests.QUICK_PAGES)
)
OBJECTIONS = objections.Objections(objections.fetch(clients.dynamodb_once, environment.table))
INTRODUCTIONS = visitors.Introductions(
    lambda *link: visitors.put(clients.dynamodb_once(), environment.shopper_events_table(), *link)
)
ACCEPTANCE = Acceptance(
    personalize=clients.events_once,
    sqs=clients.sqs_once,
    queue=environment.events_queue,
    dynamodb=clients.dynamodb_once,
    table=environment.shopper_events_table,
    breaker=Breaker(),
    clock=time.monotonic,
)
LIST_ID_KEYS = list_id_keys.ListIdKeys(list_id_keys.fetch(clients.secretsmanager_once, environment.list_id_keys))
clients.make_ahead(clients.events_once, clients.dynamodb_once)
clients.make_ahead(environment.table, environment.shopper_events_table, environment.metrics)


@API.operation("recordEvents")
def record(request: Request) -> dict[str, object]:
    until, shop, now = time.monotonic() + delivery.BUDGET_SECONDS, request.path["shop"], time.time()
    body = request.json(Events)
    if request.caller:
        user, session = caller.of_events(request.caller, body.user_id, body.session_id)
        problems.validate(Who, {"userId": user})
        body = body.model_copy(update={"user_id": user, "session_id": session})
    made = models.calls(body, int(now), browser=request.caller is not None)
    calls = models.renamed(made, caller.event_id) if request.caller else made
    release = _release(request)
    if release.hashed:
        calls = models.hashed(calls, _hash_key().of(shop), release.hashed)
    if not release.action_tracking_id and any(call.of_actions for call in calls):
        raise problems.Problem(404, delivery.NO_ACTIONS)
    calls, refused = _checked(request, shop, calls)
    calls = _attributed(release, calls)
    visitor = _visitor(release, calls[0].user_id, body.visitor_id)
    if visitor:
        calls = models.of_visitor(calls, visitor)
    calls, leaves = models.dated(calls, now), _leaving(shop, calls[0].user_id)
    if leaves:
        request.notes["discarded"] = len(body.events)
        return models.discarded(made)
    if leaves is None:
        delivered, taken = 0, ACCEPTANCE.defer(shop, calls, until)
    else:
        delivered, queued, earlier = ACCEPTANCE.deliver(
            shop,
            release.tracking_id,
            calls,
            until,
            actions=release.action_tracking_id,
            fallback=release.fallback_tracking_id,
        )
        calls = models.dated(calls, now, earlier)
        taken = ACCEPTANCE.keep(shop, models.first(calls, delivered + queued), time.time(), until)
        _introduce(shop, calls[0].user_id, visitor, until)
    delivered, queued = min(delivered, taken), max(taken - delivered, 0)
    request.counts += models.counted(shop, models.first(calls, taken))
    request.notes |= {"events": delivered, "queued": queued}
    return models.accepted(made, delivered, queued, refused)


@API.operation("recordImpressions")
def record_impressions(request: Request) -> dict[str, object]:
    from personalization.events import impressions  # noqa: PLC0415 - other requests do without

    body, now = request.json(impressions.Impressions), time.time()
    user, session = body.user_id, body.session_id
    if request.caller:
        user, session = caller.of_events(request.caller, user, session)
        problems.validate(Who, {"userId": user})
    release = _release(request)
    if release.hashed:
        hash_id = _hash_key().of(release.shop)
        session = problems.named("sessionId", hash_id(session))
        user = problems.named("userId", hash_id(user)) if user else user
    if OBJECTIONS.has(release.shop, user or session, time.monotonic()) or _leaving(release.shop, user):
        request.notes["discarded"] = len(body.lists)
        return {"accepted": 0, "refused": []}
    tokens = [seen.list_id for seen in body.lists]
    keys = LIST_ID_KEYS.get(key_id for token in tokens if (key_id := list_ids.key_id(token)) is not None)
    if not keys:
        raise RetryLater("listId", "its keys cannot be read")
    refused = impressions.refusals(
        body.lists, lambda token: list_ids.check(keys, release.shop, token, (user, session), now)
    )
    good = [seen for number, seen in enumerate(body.lists) if number not in refused]
    if good:
        visitor = _visitor(release, user, body.visitor_id)
        named = assignment.unit_digest(release.tracking_id, user or session)
        unit = visitor if visitor and not user else named
        who = impressions.Who(release.shop, unit, is_session=not user and not visitor)
        made = {seen.list_id: shown.at for seen in good if (shown := list_ids.told(seen.list_id))}
        text = impressions.message(who, good, made.__getitem__, now)
        impressions.enqueue(clients.sqs_once(), environment.impressions_queue(), text)
    request.notes |= {"lists": len(good), "refused": len(refused)}
    words = [{"number": number, "reason": reason} for number, reason in refused.items()]
    return {"accepted": len(good), "refused": words}


@API.operation("putUser")
def put_user(request: Request) -> dict[str, object]:
    problems.validate(Who, {"userId": request.path["userId"]})
    put, release = request.json(Put), _release(request)
    user = request.path["userId"]
    record = models.record(user, _hidden(put, release), models.USER_BYTES)
    if LEAVING.has(release.shop, user, time.monotonic()):
        raise Problem(409, "The deletion of this user was asked for. Put them again when they are deleted.")
    _put(request, partial(delivery.put_user, clients.events(), record=record), release.dataset_arns("USERS"))
    return record.answer()


@API.operation("deleteUser")
def delete_user(request: Request) -> dict[str, object]:
    """Store the request; the next round of `erase_users` deletes the user."""
    problems.validate(Who, {"userId": request.path["userId"]})
    shop, table = _release(request).shop, environment.shopper_events_table()
    now, new = int(time.time()), str(uuid.uuid4())
    user = request.path["userId"]
    receipt = erasure_requests.ask(clients.dynamodb(), table, shop, user=user, receipt=new, now=now)
    if receipt == new:
        erasure_requests.acknowledge(clients.dynamodb_once(), table, shop, receipt, now)
    # What outlives the user is told: the objection, which nobody else may take back.
    objects = OBJECTIONS.has(shop, user, time.monotonic())
    return {"receiptId": receipt, "personalization": False} if objects else {"receiptId": receipt}


@API.operation("putPersonalization")
def put_personalization(request: Request) -> dict[str, object]:
    """Store what a user chose. Nothing is stored of a session: anybody may begin any number of them."""
    if request.caller and not request.caller.user:
        raise Problem(403, "This is for users who are logged in. Ask for a stranger's lists with personalize=false.")
    problems.validate(Who, {"userId": request.path["userId"]})
    choice, shop, user = request.json(Personalization), _release(request).shop, request.path["userId"]
    objections.put(clients.dynamodb(), environment.table(), shop, user, enabled=choice.enabled, now=time.time())
    return {"enabled": choice.enabled}


@API.operation("putItem")
def put_item(request: Request) -> dict[str, object]:
    item = request.path["itemId"]
    problems.validate(Who, {"itemId": item})
    put, release = request.json(Put), _release(request)
    record = models.record(item, _hidden(put, release), models.ITEM_BYTES, described=True)
    _put(request, partial(delivery.put_item, clients.events(), record=record), release.dataset_arns("ITEMS"))
    from personalization.shop.records import item_files  # noqa: PLC0415 - only a PUT of an item needs it

    until, properties = time.monotonic() + item_files.CHANGE_SECONDS, json.loads(record.properties)
    try:
        item_files.change(
            clients.s3_quick(),
            environment.bucket(),
            release.shop,
            item_id=item,
            properties=properties,
            late=lambda: time.monotonic() >= until,
        )
    except PersonalizationError as error:
        request.notes["reason"] = f"{type(error).__name__}: {error.reason}"
        detail = "Personalize has the item, but answers do not show its new columns yet: put it again."
        raise Problem(503, detail) from None
    return record.answer()


handler = API.answer
"""Answers one request of API Gateway (REST, proxy integration)."""


def _put(request: Request, put: Callable[[str], bool], arns: Sequence[str]) -> None:
    """Put a record into a shop's dataset, and into that of the engine beside it.

    The shop's own decides: what the engine lacks or refuses is in the log. What it could not take now is to be put
    again, which changes nothing where the record is.
    """
    dataset, *beside = arns
    kind = dataset.rpartition("/")[2].lower()
    problems.or_not_found(put(dataset) or None, f"The shop has no {kind} dataset: drop one first.")
    for arn in beside:
        try:
            if not put(arn):
                request.notes["reason"] = f"the engine has no {kind} dataset"
        except Rejected as error:
            request.notes["reason"] = f"the engine refuses: {error.reason}"
        except PersonalizationError as error:
            request.notes["reason"] = f"{type(error).__name__}: {error.reason}"
            raise Problem(503, "Personalize has it, but the engine beside it does not yet: put it again.") from None


def _leaving(shop: str, user: str | None) -> bool | None:
    """Return whether a user is being deleted; None if the table does not answer."""
    try:
        return LEAVING.has(shop, user, time.monotonic())
    except RetryLater:
        return None


def _visitor(release: Release, user: str | None, visitor_id: str | None) -> str:
    """Return the digest of a request's visitor; empty without one, or where a user objects to personal lists."""
    if visitor_id is None or (user and OBJECTIONS.has(release.shop, user, time.monotonic())):
        return ""
    return assignment.visitor_digest(release.tracking_id, visitor_id)


def _introduce(shop: str, user: str | None, visitor: str, until: float) -> None:
    """Store which visitor a user first was, while the shop has an experiment; it may fail, and no event does by it."""
    now = time.time()
    if not user or not visitor or time.monotonic() >= until:
        return
    if any(experiment.runs(now) for experiment in _experiments().get(shop, time.monotonic())):
        INTRODUCTIONS.note(shop, user, visitor, now)


def _checked(request: Request, shop: str, calls: list[Call]) -> tuple[list[Call], Mapping[int, str]]:
    """Return the calls without listIds that are not of their user's lists, and why, by the events' numbers."""
    ids = [event["listId"] for call in calls for event in call.events if "listId" in event]
    if not ids:
        return calls, {}
    keys = LIST_ID_KEYS.get(key_id for token in ids if (key_id := list_ids.key_id(token)) is not None)
    now = time.time()
    checked, refused = models.without_refused(
        calls, lambda call, token: list_ids.check(keys, shop, token, (call.user_id, call.session_id), now)
    )
    if refused:
        request.notes["listIdsRefused"] = dict(Counter(refused.values()))
    return checked, refused


def _attributed(release: Release, calls: list[Call]) -> list[Call]:
    """Return the calls with the sources of their lists; lists of other routes name their campaign instead."""
    tokens = {str(event["listId"]) for call in calls for event in call.events if "listId" in event}
    lists = {token: shown for token in tokens if (shown := list_ids.told(token)) and shown.name.startswith(PLACEMENT)}
    if not lists:
        return calls
    variants = _variants(release.shop) if any(shown.variant for shown in lists.values()) else {}
    sources = attribution.sources(release.placements, ((key[0], variant) for key, variant in variants.items()))

    def source(token: str) -> str | None:
        if token not in lists:
            return None
        placement, number = lists[token].name.removeprefix(PLACEMENT), lists[token].variant
        if number and (placement, number) not in variants:
            return attribution.OTHER
        name = attribution.name(placement, variants.get((placement, number), ""))
        return name if name in sources else attribution.OTHER

    return models.attributed(calls, source)


def _variants(shop: str) -> dict[tuple[str, int], str]:
    """Return the names of variants in experiments that have not ended, by placement and number."""
    return {
        (placement, list_ids.variant_number(name)): name.removeprefix(f"{experiment.name}.")
        for experiment in _experiments().get(shop, time.monotonic())
        for placement in experiment.placements
        for name in experiment.listed
    }


@cache
def _experiments() -> "LiveExperiments":
    from personalization.api import variants  # noqa: PLC0415 - only shops with experiments need it

    return variants.LiveExperiments(variants.fetch(clients.dynamodb_once, environment.table))


def _release(request: Request) -> Release:
    """Return the shop's release; where the shop hashes its ids, the request's path has a hash from here on."""
    release = RELEASES.get(request.path["shop"], time.monotonic())
    if release.hashed:
        request.name_user_by(_hash_key().of(release.shop))
    return release


def _hidden(put: Put, release: Release) -> Put:
    """Return a record with hashes in the columns that the shop hashes."""
    if not release.hashed:
        return put
    hash_id = _hash_key().of(release.shop)
    return Put(properties=models.hashed_properties(put.properties, hash_id, release.hashed))


@cache
def _hash_key() -> "HashKey":
    from personalization.auth.hash_key import HashKey  # noqa: PLC0415 - only shops that hash need it

    return HashKey(clients.secretsmanager, environment.hash_key)


cold_start.end()
