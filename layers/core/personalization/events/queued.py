# SPDX-License-Identifier: Apache-2.0
"""Events that wait in the queue: a message for each call that Personalize did not take, and back into calls of ten."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from personalization.events.models import PER_CALL, Call, compact

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
    """Whether they are only to be written down, as Personalize is told of them otherwise."""

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
    told = compact({**about, "events": list(call.events)})
    # The only two characters that SQS refuses and JSON leaves as they are.
    return told.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


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
            told = json.loads(message.body)
            key = (str(told["shop"]), str(told["sessionId"]), told["userId"], told.get("delivered") is True)
            parts = [Part(event, message.id) for event in told["events"] if event["sentAt"] >= 0]
            found.setdefault(key, []).extend(parts)
        except (ValueError, TypeError, KeyError):
            foreign.append(message)
    return [
        Group(shop, session, user, parts[start : start + PER_CALL], delivered)
        for (shop, session, user, delivered), unsorted in found.items()
        for parts in [sorted(unsorted, key=lambda part: float(part.event["sentAt"]))]
        for start in range(0, len(parts), PER_CALL)
    ], foreign


def delay(receives: int) -> int:
    """Seconds until a message that was brought so often is tried again: 2, 4, 8 … up to a quarter of an hour."""
    return min(LONGEST_DELAY, 1 << min(receives, 10))
