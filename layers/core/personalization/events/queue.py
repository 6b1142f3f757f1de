# SPDX-License-Identifier: Apache-2.0
"""The queue of events that Personalize did not take at once: what its messages say, and SQS.

A message holds one call. Events that Personalize will never take go to a dead-letter queue.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import translate_errors
from personalization.core.errors import PersonalizationError
from personalization.events.models import PER_CALL, Call, compact

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

_BATCH = 10
LONGEST_DELAY = 900
"""Seconds between two tries of a message, at most."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as Lambda brings it."""

    id: str
    receipt: str
    """What names this delivery of the message to SQS."""
    receives: int
    """How often it was brought, this time included."""
    body: str


@dataclass(frozen=True, slots=True)
class Part:
    """One event on its way, and the message that it came in."""

    event: Mapping[str, Any]
    message: str


@dataclass(frozen=True, slots=True)
class Group:
    """Events of one session of one shop's user, oldest first."""

    shop: str
    session_id: str
    user_id: str | None
    parts: Sequence[Part]
    delivered: bool = False
    """Whether they are only to be written down, as Personalize gets them otherwise."""

    def call(self) -> Call:
        """The PutEvents for these events, of which there are at most ten."""
        return Call(self.session_id, self.user_id, [part.event for part in self.parts])

    def alone(self) -> list["Group"]:
        """Each event by itself."""
        return [replace(self, parts=[part]) for part in self.parts]

    def text(self) -> str:
        """These events as a message."""
        return text(self.shop, self.call(), delivered=self.delivered)


def text(shop: str, call: Call, *, delivered: bool = False) -> str:
    """The message of a call: times and ids of the events are in it, so that a delivery much later changes neither."""
    about: dict[str, object] = {"shop": shop, "sessionId": call.session_id, "userId": call.user_id}
    if delivered:
        about["delivered"] = True
    body = compact({**about, "events": list(call.events)})
    # The only two characters that SQS refuses and JSON leaves as they are.
    return body.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def read(record: Mapping[str, Any]) -> Message:
    """A record of Lambda's SQS event."""
    receives = int(record["attributes"]["ApproximateReceiveCount"])
    return Message(record["messageId"], record["receiptHandle"], receives, record["body"])


def groups(messages: Iterable[Message]) -> tuple[list[Group], list[Message]]:
    """Messages as calls of at most ten events, and the messages that are none of ours.

    Events of one session that came in several messages go together.
    """
    found: dict[tuple[str, str, str | None, bool], list[Part]] = {}
    foreign = []
    for message in messages:
        try:
            body = json.loads(message.body)
            key = (str(body["shop"]), str(body["sessionId"]), body["userId"], body.get("delivered") is True)
            parts = [Part(event, message.id) for event in body["events"] if event["sentAt"] >= 0]
            found.setdefault(key, []).extend(parts)
        except (ValueError, TypeError, KeyError):
            foreign.append(message)
    return [
        Group(shop, session, user, parts[start : start + PER_CALL], delivered)
        for (shop, session, user, delivered), unsorted in found.items()
        for parts in [sorted(unsorted, key=lambda part: float(part.event["sentAt"]))]
        for start in range(0, len(parts), PER_CALL)
    ], foreign


def delay_seconds(receives: int) -> int:
    """Seconds until a message that was brought so often is tried again: 2, 4, 8 … up to a quarter of an hour."""
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
    """Put calls into the queue, one message each; returns how many events are safe there, from the first on.

    Args:
        client: the queue's service.
        queue: its URL.
        shop: whose events they are.
        calls: the events.
        late: tells when there is no time left for another one.
        delivered: whether they are only to be written down, as Personalize gets them otherwise.
    """
    queued = 0
    for call in calls:
        if late():
            break
        try:
            with translate_errors("events queue"):
                client.send_message(QueueUrl=queue, MessageBody=text(shop, call, delivered=delivered))
        except PersonalizationError:
            break
        queued += len(call.events)
    return queued


def dead_letter(client: "SQSClient", queue: str, body: str, reason: str) -> None:
    """Put a message that will never be taken where an operator finds it, with the reason as an attribute.

    Raises:
        RetryLater, Broken: the queue does not take it.
    """
    with translate_errors("dead events queue"):
        client.send_message(
            QueueUrl=queue,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason[:500]}},
        )


def delay(client: "SQSClient", queue: str, messages: Sequence[Message]) -> int:
    """Have messages come again after a pause that grows with each try.

    Returns:
        How many messages SQS does not do that for: for those the queue's own pause holds.
    """
    left = 0
    for some in _tens(messages):
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(index), "ReceiptHandle": each.receipt, "VisibilityTimeout": delay_seconds(each.receives)}
            for index, each in enumerate(some)
        ]
        try:
            with translate_errors("events queue"):
                answer = client.change_message_visibility_batch(QueueUrl=queue, Entries=entries)
            left += len(answer.get("Failed", []))
        except PersonalizationError:
            left += len(some)
    return left


def _tens(messages: Sequence[Message]) -> list[Sequence[Message]]:
    return [messages[start : start + _BATCH] for start in range(0, len(messages), _BATCH)]
