# SPDX-License-Identifier: Apache-2.0
"""POST events; PUT users and items; DELETE users."""

import json
import time
import uuid
from contextlib import suppress

from personalization.api import callers, metrics
from personalization.api.http import Api, part
from personalization.core import cold_start, problems
from personalization.core.aws import clients
from personalization.core.breaker import Breaker
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, RetryLater
from personalization.core.pacing import deadline
from personalization.core.problems import Problem
from personalization.events import delivery, erasure_requests, leaving, models
from personalization.events.models import Events, Put, Who
from personalization.shop import state
from personalization.shop.release import Release

API = Api()
RELEASES = state.Releases(state.fetch_once)
LEAVING = leaving.Leaving(leaving.fetch_once)
BREAKER = Breaker()
clients.make_ahead(clients.events_once, clients.dynamodb_once)


@API.routes.post("/shops/<shop>/events")
def record(shop: str) -> tuple[dict[str, object], int]:
    """What a shopper did; the very next answer knows what is delivered at once."""
    late = deadline(time.monotonic, delivery.BUDGET_SECONDS)
    asked = callers.bound(API.caller, problems.validate_json(Events, API.body()))
    problems.validate(Who, {"userId": asked.user_id})
    told = models.calls(asked, int(time.time()), lambda: str(uuid.uuid4()))
    calls = callers.sent_on(API.caller, told)
    tracking_id = _release(shop).tracking_id
    leaves = _leaving(shop, asked.user_id)
    if leaves:
        API.note(discarded=len(asked.events))
        return models.discarded(told), 202
    if leaves is None:
        delivered, (queued, missed) = 0, delivery.put_off(part(shop), calls, late)
        taken = models.first(calls, queued)
    else:
        delivered, queued = delivery.accept(part(shop), tracking_id, calls, BREAKER, time.monotonic, late)
        taken = models.first(calls, delivered + queued)
        missed = delivery.keep(part(shop), taken, time.time(), late)
    API.count(*metrics.of_events(part(shop), taken))
    API.note(events=delivered, queued=queued)
    if missed:
        API.count(({"UncopiedEvents": float(missed)}, {}))
    return models.accepted(told, delivered, queued), 202


@API.routes.put("/shops/<shop>/users/<user_id>")
def put_user(shop: str, user_id: str) -> tuple[dict[str, object], int]:
    """What is known of a user."""
    problems.validate(Who, {"userId": part(user_id)})
    asked = models.record(part(user_id), problems.validate_json(Put, API.body()), models.USER_BYTES)
    if LEAVING.has(_release(shop).shop, part(user_id), time.monotonic()):
        raise Problem(409, "The deletion of this user was asked for. Put them again when they are deleted.")
    there = delivery.put_user(clients.events(), _release(shop).dataset_arn("USERS"), asked)
    problems.or_not_found(there or None, "The shop has no users dataset: drop one first.")
    return asked.answer(), 202


@API.routes.delete("/shops/<shop>/users/<user_id>")
def delete_user(shop: str, user_id: str) -> tuple[dict[str, object], int]:
    """A user is to be deleted: written down here, done by the next round of `erase_users`."""
    problems.validate(Who, {"userId": part(user_id)})
    shop_name, table = _release(shop).shop, Environment().shopper_events_table
    now, receipt = int(time.time()), str(uuid.uuid4())
    told = erasure_requests.ask(clients.dynamodb(), table, shop_name, part(user_id), receipt, now)
    if told == receipt:
        erasure_requests.acknowledge(clients.dynamodb_once(), table, shop_name, receipt, now)
    return {"receiptId": told}, 202


@API.routes.put("/shops/<shop>/items/<item_id>")
def put_item(shop: str, item_id: str) -> tuple[dict[str, object], int]:
    """What is known of an item."""
    problems.validate(Who, {"itemId": part(item_id)})
    asked = models.record(part(item_id), problems.validate_json(Put, API.body()), models.ITEM_BYTES, described=True)
    there = delivery.put_item(clients.events(), _release(shop).dataset_arn("ITEMS"), asked)
    problems.or_not_found(there or None, "The shop has no items dataset: drop one first.")
    _shown(part(shop), asked)
    return asked.answer(), 202


def _shown(shop: str, item: models.Record) -> None:
    """Have answers show the item as it is now. Personalize has it, whatever becomes of this."""
    from personalization.shop import item_files  # noqa: PLC0415 - only a PUT of an item needs it

    late = deadline(time.monotonic, item_files.CHANGE_SECONDS)
    with suppress(PersonalizationError):
        item_files.change(clients.s3_quick(), Environment().bucket, shop, item.id, json.loads(item.properties), late)


handler = cold_start.start(API.answer)
"""Answers one request of API Gateway (REST, proxy integration)."""


def _leaving(shop: str, user_id: str | None) -> bool | None:
    """Whether a user is to be deleted; None if the table does not say."""
    try:
        return LEAVING.has(part(shop), user_id, time.monotonic())
    except RetryLater:
        return None


def _release(shop: str) -> Release:
    return RELEASES.get(part(shop), time.monotonic())
