# SPDX-License-Identifier: Apache-2.0
"""Events on their way to Personalize, straight from a request or from the queue; and records of users and items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from personalization.core.aws import clients
from personalization.core.aws.errors import false_on, translate_errors
from personalization.core.breaker import Breaker
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.core.problems import Problem
from personalization.events import queue, store
from personalization.events.erasure_requests import Leaving
from personalization.events.models import LATER, Call, Record, first, too_late
from personalization.events.queue import Group, Message, groups
from personalization.shop import records

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_events.type_defs import ItemTypeDef, UserTypeDef
    from mypy_boto3_sqs import SQSClient

    from personalization.core.pacing import TokenBucket

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
    queued = queue.enqueue(clients.sqs_once(), Environment().events_queue, shop, left, late) if left else 0
    if not taken and not queued:
        raise RetryLater("events", "neither Personalize nor the queue takes them")
    return taken, queued


def defer(shop: str, calls: Sequence[Call], late: Callable[[], bool]) -> tuple[int, int]:
    """Enqueue events of which it is not known whether their user is to be deleted: the delivery from the queue decides.

    Returns:
        How many events are in the queue, and how many of them will not be written down for copy and likelihood.

    Raises:
        RetryLater: the queue takes none.
    """
    sqs, url = clients.sqs_once(), Environment().events_queue
    queued = queue.enqueue(sqs, url, shop, calls, late)
    if not queued:
        raise RetryLater("events", "neither the table nor the queue answers")
    return queued, queued - queue.enqueue(sqs, url, shop, first(calls, queued), late, delivered=True)


def keep(shop: str, calls: Sequence[Call], now: float, late: Callable[[], bool]) -> int:
    """Write down accepted events, for the purchase likelihood and for the raw copy; by way of the queue, if need be.

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
    queued = queue.enqueue(clients.sqs_once(), environment.events_queue, shop, missed, late, delivered=True)
    return sum(len(call.events) for call in missed) - queued


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
    user: Any = {"userId": call.user_id} if call.user_id is not None else {}
    events: Any = list(call.events)
    with translate_errors("events"):
        client.put_events(trackingId=tracking_id, sessionId=call.session_id, eventList=events, **user)


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


@dataclass
class Delivery:
    """One batch of messages of the queue on its way.

    What Personalize takes is gone, what it does not take comes again, and what it never will goes to the dead letters.

    Args:
        personalize: live events.
        sqs: the queues' service.
        waiting: URL of the queue that the messages came from.
        dead: URL of the queue for what Personalize refuses.
        dynamodb: the table's service.
        table: the table of users' events, for those that could not be written down when they came.
        releases: where the shops' tracking ids are known.
        leaving: who is to be deleted.
        pace: how many calls a second.
        clock: seconds that only move forward.
        sleep: waits so many seconds.
        now: epoch seconds.
    """

    personalize: "PersonalizeEventsClient"
    sqs: "SQSClient"
    waiting: str
    dead: str
    dynamodb: "DynamoDBClient"
    table: str
    releases: records.Releases
    leaving: Leaving
    pace: "TokenBucket"
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    now: Callable[[], float]
    delivered: int = 0
    """Events that Personalize took."""
    dead_lettered: int = 0
    """Events, or messages that hold none, that went to the dead letters."""
    discarded: int = 0
    """Events of users who are to be deleted."""
    failed: set[str] = field(default_factory=set)
    """Ids of the messages that have to come again."""
    paused_by_queue: int = 0
    """How many of them come again after the queue's own pause, because SQS did not take theirs."""
    _busy: set[str] = field(default_factory=set)
    _table_fails: bool = False
    _until: float = 0.0

    def deliver(self, messages: Sequence[Message], seconds: float) -> list[str]:
        """Deliver a batch within so many seconds; returns the ids of the messages that have to come again."""
        self._until = self.clock() + seconds
        found, foreign = groups(messages)
        for message in foreign:
            self._dead_letter(message.body, "not a message of events", {message.id})
        for group in found:
            self._send(group)
        again = [message for message in messages if message.id in self.failed]
        self.paused_by_queue = queue.delay(self.sqs, self.waiting, again)
        return [message.id for message in again]

    def _send(self, group: Group) -> None:
        """Send a group; one that is refused, event by event, so that a good event never suffers for a bad one."""
        ids = {part.message for part in group.parts}
        try:
            if self.leaving.has(group.shop, group.user_id, self.clock()):
                self.discarded += len(group.parts)
                return
        except RetryLater:
            self.failed |= ids
            return
        group = self._dated(group)
        ids = {part.message for part in group.parts}
        if not ids:
            return
        if group.delivered:
            self._note(group, ids)
            return
        if group.shop in self._busy or not self._paced():
            self.failed |= ids
            return
        try:
            tracking_id = self.releases.get(group.shop, self.clock()).tracking_id
            put(self.personalize, tracking_id, group.call())
            self.delivered += len(group.parts)
        except Problem:
            self._dead_letter(group.text(), "there is no such shop any more", ids, len(group.parts))
        except Rejected as error:
            if len(group.parts) == 1:
                self._dead_letter(group.text(), error.reason, ids)
                return
            for single in group.alone():
                self._send(single)
        except PersonalizationError:
            # Whoever is throttled or down is not asked again for the rest of the batch.
            self._busy.add(group.shop)
            self.failed |= ids

    def _dated(self, group: Group) -> Group:
        """Dead-letter what is of later than tomorrow, which the API before this version took; the others."""
        now = self.now()
        late = [part for part in group.parts if too_late(part.event, now)]
        if late:
            self._dead_letter(
                replace(group, parts=late).text(), f"sentAt {LATER}", {part.message for part in late}, len(late)
            )
        return replace(group, parts=[part for part in group.parts if part not in late])

    def _note(self, group: Group, ids: set[str]) -> None:
        """Write down what Personalize has; a table that fails is not asked again for the rest of the batch."""
        calls = [group.call()]
        if self._table_fails or store.note(self.dynamodb, self.table, group.shop, calls, self.now(), self._late):
            self._table_fails = True
            self.failed |= ids

    def _late(self) -> bool:
        return self.clock() > self._until

    def _paced(self) -> bool:
        """Wait for a token; False where there is no time for that."""
        pause = self.pace.take(self.clock())
        if self.clock() + pause > self._until:
            return False
        if pause:
            self.sleep(pause)
        return True

    def _dead_letter(self, body: str, reason: str, ids: set[str], count: int = 1) -> None:
        try:
            queue.dead_letter(self.sqs, self.dead, body, reason)
            self.dead_lettered += count
        except PersonalizationError:
            self.failed |= ids
