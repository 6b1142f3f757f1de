# SPDX-License-Identifier: Apache-2.0
"""Live events, and records of users and items."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from personalization.core.aws import clients
from personalization.core.aws.errors import false_on, translate_errors
from personalization.core.breaker import Breaker
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.events import queue, store
from personalization.events.models import Call, Record, first

if TYPE_CHECKING:
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_events.type_defs import ItemTypeDef, UserTypeDef

_MISSING = "ResourceNotFoundException"
PATIENCE = 1.0
"""Seconds after which the rest of a request goes to the queue, so that the answer comes in time."""
BUDGET_SECONDS = 5.0
"""Seconds after which nothing more is begun for a request: one more call, and its answer is there before the function's
ten are over, whatever does not answer."""


def accept(
    shop: str,
    tracking_id: str,
    calls: Sequence[Call],
    breaker: Breaker,
    clock: Callable[[], float],
    late: Callable[[], bool],
) -> tuple[int, int]:
    """See that events are safe: Personalize has them, or else the queue.

    Args:
        shop: whose events they are.
        tracking_id: of the shop's event tracker.
        calls: the events, split.
        breaker: knows whether Personalize takes events at the moment.
        clock: seconds that only move forward.
        late: tells when the budget is used up.

    Returns:
        How many events Personalize took, and how many after them the queue did.

    Raises:
        Rejected: Personalize calls the first of the calls invalid.
        RetryLater: neither of the two takes a single event in time.
    """
    delivered, refused = deliver(clients.events_once, tracking_id, calls, breaker, clock)
    taken = sum(len(call.events) for call in calls[:delivered])
    if refused:
        if not taken:
            raise refused
        return taken, 0
    left = calls[delivered:]
    held = queue.hold(clients.sqs_once(), Environment().events_queue, shop, left, late) if left else 0
    if not taken and not held:
        raise RetryLater("events", "neither Personalize nor the queue takes them")
    return taken, held


def put_off(shop: str, calls: Sequence[Call], late: Callable[[], bool]) -> tuple[int, int]:
    """Put events into the queue of which it is not known whether their user is to be deleted: the delivery decides.

    Returns:
        How many events are in the queue, and how many of them will not be written down for copy and likelihood.

    Raises:
        RetryLater: the queue takes none.
    """
    sqs, url = clients.sqs_once(), Environment().events_queue
    held = queue.hold(sqs, url, shop, calls, late)
    if not held:
        raise RetryLater("events", "neither the table nor the queue answers")
    return held, held - queue.hold(sqs, url, shop, first(calls, held), late, delivered=True)


def keep(shop: str, calls: Sequence[Call], now: float, late: Callable[[], bool]) -> int:
    """Write down what was accepted, for the purchase likelihood and for the raw copy; by way of the queue, if need be.

    The events are accepted whether or not this works: they are with Personalize, or in the queue to it.

    Args:
        shop: whose events they are.
        calls: the accepted events.
        now: epoch seconds.
        late: tells when the budget is used up.

    Returns:
        How many events neither the table nor the queue takes.
    """
    environment = Environment()
    missed = store.note(clients.dynamodb_once(), environment.shopper_events_table, shop, calls, now, late)
    if not missed:
        return 0
    held = queue.hold(clients.sqs_once(), environment.events_queue, shop, missed, late, delivered=True)
    return sum(len(call.events) for call in missed) - held


def deliver(
    client: Callable[[], "PersonalizeEventsClient"],
    tracking_id: str,
    calls: Sequence[Call],
    breaker: Breaker,
    clock: Callable[[], float],
) -> tuple[int, Rejected | None]:
    """PutEvents, call after call, until one goes wrong or the time is over.

    Returns:
        How many calls were taken, from the first on, and the error where the next one was refused for good.
    """
    until = clock() + PATIENCE
    for taken, call in enumerate(calls):
        now = clock()
        if now > until or not breaker.allows(tracking_id, now):
            return taken, None
        try:
            put(client(), tracking_id, call)
        except Rejected as error:
            return taken, error
        except PersonalizationError:
            breaker.failed(tracking_id, clock())
            return taken, None
        breaker.succeeded(tracking_id)
    return len(calls), None


def put(client: "PersonalizeEventsClient", tracking_id: str, call: Call) -> None:
    """PutEvents.

    Raises:
        RetryLater, Rejected, Broken: as `translate_errors` says.
    """
    with translate_errors("events"):
        client.put_events(trackingId=tracking_id, **call.parameters())


def put_user(client: "PersonalizeEventsClient", dataset_arn: str, record: Record) -> bool:
    """PutUsers for one user; False where the shop has no Users dataset."""
    user: UserTypeDef = {"userId": record.id, "properties": record.properties}
    with translate_errors(dataset_arn):
        return false_on(_MISSING, lambda: client.put_users(datasetArn=dataset_arn, users=[user]))


def put_item(client: "PersonalizeEventsClient", dataset_arn: str, record: Record) -> bool:
    """PutItems for one item; False where the shop has no Items dataset."""
    item: ItemTypeDef = {"itemId": record.id, "properties": record.properties}
    with translate_errors(dataset_arn):
        return false_on(_MISSING, lambda: client.put_items(datasetArn=dataset_arn, items=[item]))
