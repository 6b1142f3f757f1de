# SPDX-License-Identifier: Apache-2.0
"""The queue of events that Personalize did not accept at once: its messages, and calls of SQS.

A message holds one call of PutEvents or PutActionInteractions. Events that Personalize refuses go to a dead-letter
queue.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from personalization.core.errors import PersonalizationError
from personalization.events.models import PER_CALL, Call, compact

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

_BATCH = 10
LONGEST_DELAY = 900
"""The most seconds between two attempts to deliver a message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message from Lambda."""

    id: str
    receipt: str
    """SQS's handle of this delivery."""
    receives: int
    """The number of its deliveries, including this one."""
    body: str


@dataclass(frozen=True, slots=True)
class Part:
    """One event, and the id of its message."""

    event: Mapping[str, Any]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Events of one session of a user, oldest first."""

    shop: str
    session_id: str
    user_id: str | None
    parts: Sequence[Part]
    delivered: bool = False
    """Whether only the table lacks them, because Personalize gets them otherwise."""
    of_actions: bool = False
    """As of a call."""

    def call(self) -> Call:
        return Call(self.session_id, self.user_id, [part.event for part in self.parts], self.of_actions)

    def alone(self) -> list["Group"]:
        """Return a group for each event."""
        return [replace(self, parts=[part]) for part in self.parts]

    def text(self) -> str:
        return text(self.shop, self.call(), delivered=self.delivered)


def text(shop: str, call: Call, *, delivered: bool = False) -> str:
    """Return the message of a call; it holds the events' times and ids, so that a late delivery changes neither."""
    message: dict[str, object] = {"shop": shop, "sessionId": call.session_id, "userId": call.user_id}
    if delivered:
        message["delivered"] = True
    body = compact({**message, "events": list(call.events)})
    # SQS refuses these two characters, which JSON does not escape.
    return body.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def read(record: Mapping[str, Any]) -> Message:
    """Parse a record of Lambda's SQS event."""
    receives = int(record["attributes"]["ApproximateReceiveCount"])
    return Message(record["messageId"], record["receiptHandle"], receives, record["body"])


def groups(messages: Iterable[Message]) -> tuple[list[Group], list[Message]]:
    """Group the events of messages by session, at most ten in a group; also return invalid messages."""
    by_session: dict[tuple[str, str, str | None, bool, bool], list[Part]] = {}
    foreign = []
    for message in messages:
        try:
            body = json.loads(message.body)
            parts = [Part(event, message.id) for event in body["events"] if event["sentAt"] >= 0]
            of_actions = any("actionId" in part.event for part in parts)
            key = (
                str(body["shop"]),
                str(body["sessionId"]),
                body["userId"],
                body.get("delivered") is True,
                of_actions,
            )
            by_session.setdefault(key, []).extend(parts)
        except (ValueError, TypeError, KeyError):
            foreign.append(message)
    return [
        Group(
            shop=shop,
            session_id=session,
            user_id=user,
            parts=parts[start : start + PER_CALL],
            delivered=delivered,
            of_actions=of_actions,
        )
        for (shop, session, user, delivered, of_actions), unsorted in by_session.items()
        for parts in [sorted(unsorted, key=lambda part: float(part.event["sentAt"]))]
        for start in range(0, len(parts), PER_CALL)
    ], foreign


def delay_seconds(receives: int) -> int:
    """Return the seconds until the next attempt: 2, 4, 8 … up to a quarter of an hour."""
    return min(LONGEST_DELAY, 1 << min(receives, 10))


def enqueue(
    client: "SQSClient",
    queue: str,
    shop: str,
    calls: Sequence[Call],
    late: Callable[[], bool],
    *,
    delivered: bool = False,
) -> int:
    """Enqueue calls, one message each, until one fails; return the number of enqueued events.

    Args:
        client, queue, shop, calls: the calls, and the URL of the queue.
        late: returns whether there is no time for another call.
        delivered: see `Group`.
    """
    queued = 0
    for call in calls:
        if late():
            break
        try:
            client.send_message(QueueUrl=queue, MessageBody=text(shop, call, delivered=delivered))
        except PersonalizationError:
            break
        queued += len(call.events)
    return queued


def dead_letter(client: "SQSClient", queue: str, body: str, reason: str) -> None:
    """Put a message into the dead-letter queue, with the reason as an attribute."""
    client.send_message(
        QueueUrl=queue,
        MessageBody=body,
        MessageAttributes={"reason": {"DataType": "String", "StringValue": reason[:500]}},
    )


def delay(client: "SQSClient", queue: str, messages: Sequence[Message]) -> int:
    """Delay the next attempt of messages; return how many of them SQS retries after the queue's own pause instead."""
    left = 0
    for some in (messages[start : start + _BATCH] for start in range(0, len(messages), _BATCH)):
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(index), "ReceiptHandle": message.receipt, "VisibilityTimeout": delay_seconds(message.receives)}
            for index, message in enumerate(some)
        ]
        try:
            answer = client.change_message_visibility_batch(QueueUrl=queue, Entries=entries)
            left += len(answer.get("Failed", []))
        except PersonalizationError:
            left += len(some)
    return left
