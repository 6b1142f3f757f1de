# SPDX-License-Identifier: Apache-2.0
"""From the queue to Personalize: what is taken is gone, what is not comes again, what never will be is buried."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.core.pacing import TokenBucket
from personalization.core.problems import Problem
from personalization.events import delivery, queue, store
from personalization.events.leaving import Leaving
from personalization.events.models import LATER, too_late
from personalization.events.queued import Group, Message, groups
from personalization.shop import state

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_sqs import SQSClient


@dataclass
class Delivery:
    """One batch of messages on its way.

    Args:
        personalize: live events.
        sqs: the queues' service.
        waiting: URL of the queue that the messages came from.
        dead: URL of the queue for what Personalize refuses.
        dynamodb: the table's service.
        table: what shoppers did, for events that could not be written down when they came.
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
    releases: state.Releases
    leaving: Leaving
    pace: TokenBucket
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    now: Callable[[], float]
    delivered: int = 0
    """Events that Personalize took."""
    buried: int = 0
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
            self._bury(message.body, "not a message of events", {message.id})
        for group in found:
            self._send(group)
        again = [message for message in messages if message.id in self.failed]
        self.paused_by_queue = queue.postpone(self.sqs, self.waiting, again)
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
            delivery.put(self.personalize, tracking_id, group.call())
            self.delivered += len(group.parts)
        except Problem:
            self._bury(group.text(), "there is no such shop any more", ids, len(group.parts))
        except Rejected as error:
            if len(group.parts) == 1:
                self._bury(group.text(), error.reason, ids)
                return
            for single in group.alone():
                self._send(single)
        except PersonalizationError:
            # Whoever is throttled or down is not asked again for the rest of the batch.
            self._busy.add(group.shop)
            self.failed |= ids

    def _dated(self, group: Group) -> Group:
        """Bury what is of later than tomorrow, which the API before this version took; the others."""
        now = self.now()
        late = [part for part in group.parts if too_late(part.event, now)]
        if late:
            self._bury(replace(group, parts=late).text(), f"sentAt {LATER}", {part.message for part in late}, len(late))
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

    def _bury(self, body: str, reason: str, ids: set[str], count: int = 1) -> None:
        try:
            queue.bury(self.sqs, self.dead, body, reason)
            self.buried += count
        except PersonalizationError:
            self.failed |= ids
