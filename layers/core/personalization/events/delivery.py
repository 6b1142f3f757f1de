# SPDX-License-Identifier: Apache-2.0
"""Deliver events to Personalize, from a request or from the queue; put records of users and items."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from personalization.core.aws.errors import none_if_missing
from personalization.core.breaker import Breaker
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.core.names import ENGINE
from personalization.core.problems import Problem
from personalization.events import queue, store
from personalization.events.erasure_requests import Leaving
from personalization.events.models import Call, Record, first, for_engine, for_personalize
from personalization.events.queue import Group, Message, groups
from personalization.shop.records import release_store
from personalization.shop.records.release import Release

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_events.type_defs import ActionInteractionTypeDef, ItemTypeDef, UserTypeDef
    from mypy_boto3_sqs import SQSClient

    from personalization.core.pacing import TokenBucket

NO_ACTIONS = "The shop has no action interactions: drop some, then interactions."
PATIENCE = 1.0
"""Seconds after which the rest of a request goes to the queue."""
BUDGET_SECONDS = 5.0
"""Seconds after which a request starts no further call: even after one more call without an answer, ours comes within
the function's ten seconds."""


@dataclass(frozen=True, slots=True)
class Trackers:
    """The ids under which Personalize takes a shop's events."""

    items: str
    actions: str
    """Empty where the shop has no dataset of action interactions."""

    def of(self, call: Call) -> str:
        return self.actions if call.of_actions else self.items


class Taken(NamedTuple):
    """What became of the events of a request."""

    delivered: int
    """The number that Personalize took, from the first one on."""
    queued: int
    """The number of those after them in the queue."""
    earlier: Mapping[str, float]
    """When the engine accepted those that it had before, by their ids, in epoch seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Take the events of a request: deliver them to Personalize and store them, and enqueue what either misses.

    In its methods `until` is when the request's budget is used up, by the clock. Clients and names come on first use.
    """

    personalize: "Callable[[], PersonalizeEventsClient]"
    sqs: "Callable[[], SQSClient]"
    queue: Callable[[], str]
    """URL of the queue of events."""
    dynamodb: "Callable[[], DynamoDBClient]"
    table: Callable[[], str]
    """The table of users' events."""
    breaker: Breaker
    """The circuits of event trackers."""
    clock: Callable[[], float]
    """Seconds of a clock that only moves forward."""

    def deliver(
        self,
        shop: str,
        tracking_id: str,
        calls: Sequence[Call],
        until: float,
        *,
        actions: str = "",
        fallback: str = "",
    ) -> Taken:
        """Deliver events to the shop's event tracker, those about actions to `actions`, and enqueue the rest.

        They go to the engine's tracker, `fallback`, first: its next answer knows them, whatever Personalize does. What
        Personalize does never depends on it: what the engine does not take now comes to it by the queue. Both ignore an
        event that comes again with its id.

        Raises:
            Rejected: Personalize calls the first call invalid.
            RetryLater: neither took an event in time.
        """
        earlier: dict[str, float] = {}
        missed = self._copy(fallback, calls, earlier) if fallback else []
        delivered, refused = self._deliver(Trackers(tracking_id, actions), calls, earlier)
        taken, left = sum(len(call.events) for call in calls[:delivered]), calls[delivered:]
        if refused and not taken:
            raise refused
        queued = self._enqueue(shop, left, until) if left and not refused else 0
        if not taken and not queued:
            raise RetryLater("events", "neither Personalize nor the queue takes them")
        if behind := [call for call in calls[:delivered] if call in missed]:
            self._enqueue(shop, behind, until)
        return Taken(taken, queued, earlier)

    def defer(self, shop: str, calls: Sequence[Call], until: float) -> int:
        """Enqueue events while it is unknown whether their user is being deleted; the delivery from the queue decides.

        Returns:
            The number of events, from the first one on, that the queue has for Personalize and for the table.

        Raises:
            RetryLater: the queue takes none.
        """
        queued = self._enqueue(shop, calls, until)
        queued = self._enqueue(shop, first(calls, queued), until, delivered=True)
        if not queued:
            raise RetryLater("events", "neither the table nor the queue answers")
        return queued

    def keep(self, shop: str, calls: Sequence[Call], now: float, until: float) -> int:
        """Store events in the table, for the purchase likelihood and the raw copy, or else enqueue them for it.

        What users do with actions is in Personalize alone. Of the rest, only what is in both places is accepted:
        Personalize ignores an event that is sent again with its id.

        Returns:
            The number of events, from the first one on, that the table or the queue has.

        Raises:
            RetryLater: neither took the first event.
        """
        noted = [call for call in calls if not call.of_actions]
        missed = store.note(self.dynamodb(), self.table(), shop, calls=noted, now=now, late=partial(self._late, until))
        queued = self._enqueue(shop, missed, until, delivered=True) if missed else 0
        lost = set(_ids(missed)[queued:])
        taken = sum(1 for _ in takewhile(lambda event_id: event_id not in lost, _ids(calls)))
        if not taken:
            raise RetryLater("events", "neither their table nor the queue takes them")
        return taken

    def _deliver(
        self, trackers: Trackers, calls: Sequence[Call], earlier: dict[str, float]
    ) -> tuple[int, Rejected | None]:
        """Call Personalize in sequence until a call fails or PATIENCE ends; note in `earlier` what came before.

        Returns:
            The number of successful calls, and the error if the next one was invalid.
        """
        until = self.clock() + PATIENCE
        for taken, call in enumerate(calls):
            now, tracking_id = self.clock(), trackers.of(call)
            if not tracking_id:
                continue
            if now > until or not self.breaker.allows(tracking_id, now):
                return taken, None
            try:
                earlier |= put(self.personalize(), tracking_id, call)
            except Rejected as error:
                return taken, error
            except PersonalizationError:
                self.breaker.failed(tracking_id, self.clock())
                return taken, None
            self.breaker.succeeded(tracking_id)
        return len(calls), None

    def _copy(self, tracking_id: str, calls: Sequence[Call], earlier: dict[str, float]) -> list[Call]:
        """Give the engine events; return those that it does not take now.

        A single event that it refuses is none of them: it would refuse it again. Of several, the queue finds it out.
        """
        left, missed = [call for call in calls if not call.of_actions], list[Call]()
        while left:
            taken, refused = self._deliver(Trackers(tracking_id, ""), left, earlier)
            if not refused:
                return [*missed, *left[taken:]]
            missed += [call for call in left[taken : taken + 1] if len(call.events) > 1]
            left = left[taken + 1 :]
        return missed

    def _enqueue(self, shop: str, calls: Sequence[Call], until: float, *, delivered: bool = False) -> int:
        return queue.enqueue(self.sqs(), self.queue(), shop, calls, partial(self._late, until), delivered=delivered)

    def _late(self, until: float) -> bool:
        return self.clock() >= until


def _ids(calls: Sequence[Call]) -> list[str]:
    return [str(event["eventId"]) for call in calls for event in call.events]


def put(client: "PersonalizeEventsClient", tracking_id: str, call: Call) -> Mapping[str, float]:
    """Call PutEvents or PutActionInteractions; errors are those of `aws.errors.Translating`.

    Returns:
        When events were accepted that the engine had before, by their ids; Personalize does not say it.
    """
    if call.of_actions:
        client.put_action_interactions(trackingId=tracking_id, actionInteractions=[*_deeds(call)])
        return {}
    user: Any = {"userId": call.user_id} if call.user_id is not None else {}
    of_engine = tracking_id.partition(":")[0] == ENGINE
    events: Any = list(map(for_engine if of_engine else for_personalize, call.events))
    answer: Any = client.put_events(trackingId=tracking_id, sessionId=call.session_id, eventList=events, **user)
    return answer.get("acceptedAt", {}) if of_engine else {}


def _tracker(release: Release, call: Call) -> str:
    """Return the id under which Personalize takes a call; Rejected if the shop has none for actions."""
    if tracking_id := Trackers(release.tracking_id, release.action_tracking_id).of(call):
        return tracking_id
    raise Rejected(release.shop, NO_ACTIONS)


def _deeds(call: Call) -> "Iterator[ActionInteractionTypeDef]":
    """Yield the events of a call in the form of PutActionInteractions."""
    for event in map(for_personalize, call.events):
        deed: Any = {name: value for name, value in event.items() if name != "sentAt"}
        deed |= {"sessionId": call.session_id, "timestamp": event["sentAt"]}
        yield deed | ({"userId": call.user_id} if call.user_id is not None else {})


def put_user(client: "PersonalizeEventsClient", dataset_arn: str, record: Record) -> bool:
    """Call PutUsers for one user; return False if the shop has no Users dataset."""
    user: UserTypeDef = {"userId": record.id, "properties": record.properties}
    return none_if_missing(client.put_users, datasetArn=dataset_arn, users=[user]) is not None


def put_item(client: "PersonalizeEventsClient", dataset_arn: str, record: Record) -> bool:
    """Call PutItems for one item; return False if the shop has no Items dataset."""
    item: ItemTypeDef = {"itemId": record.id, "properties": record.properties}
    return none_if_missing(client.put_items, datasetArn=dataset_arn, items=[item]) is not None


@dataclass(kw_only=True)
class Delivery:
    """The delivery of one batch of messages of the queue.

    Messages that fail return to the queue; events that Personalize refuses go to the dead-letter queue.
    """

    personalize: "PersonalizeEventsClient"
    sqs: "SQSClient"
    waiting: str
    """URL of the queue that the messages came from."""
    dead: str
    """URL of the dead-letter queue."""
    dynamodb: "DynamoDBClient"
    table: str
    """The table of users' events, for those that it did not take at first."""
    releases: release_store.Releases
    leaving: Leaving
    pace: "TokenBucket"
    clock: Callable[[], float]
    """Seconds of a clock that only moves forward."""
    sleep: Callable[[float], None]
    now: Callable[[], float]
    """Epoch seconds."""
    delivered: int = 0
    """Events that Personalize took."""
    dead_lettered: int = 0
    """Events and invalid messages in the dead-letter queue."""
    discarded: int = 0
    """Events of users who are being deleted."""
    failed: set[str] = field(default_factory=set)
    """Ids of messages to retry."""
    paused_by_queue: int = 0
    """Retries after the queue's own pause, because SQS did not accept ours."""
    _busy: set[str] = field(default_factory=set)
    """Shops whose event tracker failed, and the engine's trackers that did."""
    _table_fails: bool = False
    _until: float = 0.0

    def deliver(self, messages: Sequence[Message], seconds: float) -> list[str]:
        """Deliver a batch within so many seconds; return the ids of messages to retry."""
        self._until = self.clock() + seconds
        grouped, foreign = groups(messages)
        for message in foreign:
            self._dead_letter(message.body, "not a message of events", {message.id})
        for group in grouped:
            self._send(group)
        again = [message for message in messages if message.id in self.failed]
        self.paused_by_queue = queue.delay(self.sqs, self.waiting, again)
        return [message.id for message in again]

    def _send(self, group: Group) -> None:
        """Send a group; if it is refused, send its events one by one, so that only invalid ones are lost."""
        ids = {part.message for part in group.parts}
        try:
            if self.leaving.has(group.shop, group.user_id, self.clock()):
                self.discarded += len(group.parts)
                return
        except RetryLater:
            self.failed |= ids
            return
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
            call = group.call()
            release = self.releases.get(group.shop, self.clock())
            tracking_id = _tracker(release, call)
            is_copied = not release.fallback_tracking_id or self._copy(release.fallback_tracking_id, group)
            put(self.personalize, tracking_id, call)
            self.delivered += len(group.parts)
            if not is_copied:
                self.failed |= ids
        except Problem:
            self._dead_letter(group.text(), "there is no such shop any more", ids, len(group.parts))
        except Rejected as error:
            if len(group.parts) == 1:
                self._dead_letter(group.text(), error.reason, ids)
                return
            for single in group.alone():
                self._send(single)
        except PersonalizationError:
            # Do not ask a throttled or failing shop again in this batch.
            self._busy.add(group.shop)
            self.failed |= ids

    def _copy(self, tracking_id: str, group: Group) -> bool:
        """Give the engine beside Personalize what waited; return whether it has all but what it refuses.

        After a failure it is not asked again in this batch, and Personalize still is.
        """
        if group.of_actions:
            return True
        if tracking_id in self._busy:
            return False
        try:
            put(self.personalize, tracking_id, group.call())
        except Rejected:
            return len(group.parts) == 1 or all(self._copy(tracking_id, single) for single in group.alone())
        except PersonalizationError:
            self._busy.add(tracking_id)
            return False
        return True

    def _note(self, group: Group, ids: set[str]) -> None:
        """Store delivered events in the table, except those about actions.

        After a failure it is not asked again in this batch.
        """
        calls = [call for call in [group.call()] if not call.of_actions]
        if self._table_fails or store.note(
            self.dynamodb, self.table, group.shop, calls=calls, now=self.now(), late=self._late
        ):
            self._table_fails = True
            self.failed |= ids

    def _late(self) -> bool:
        return self.clock() > self._until

    def _paced(self) -> bool:
        """Wait for a token; return False if there is no time."""
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
