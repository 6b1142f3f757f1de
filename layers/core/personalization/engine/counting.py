# SPDX-License-Identifier: Apache-2.0
"""Count what all users do, from the stream of the live table.

An event counts when it becomes a user's: when it is stored, or when a log-in moves it. Both insert an item, once. A
batch of the stream becomes one record a dataset group, in the partition `live.counts`: its counts by minute, item,
event type and value. They name no user.

Lambda repeats what it does not know to be done, from an event on at which a batch began, and perhaps with more or fewer
events after it: several batches come as one, or one as several. So a record names its events by digests, and what is
written later takes the place of the records that begin with one of its events. What those had behind it comes in the
next batch, as the stream keeps its order. Whatever is killed or repeated, no event is lost, and none is counted twice.
"""

import hashlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from personalization.engine import live
from personalization.engine.archive import ArchivedEvent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LATE_SECONDS = 3600
"""A training says which events of the last hour it knows: others of that hour count as new. Copies of events that come
later ring an alarm."""
DIGEST_BYTES = 8
"""By so many bytes a record names an event: 40 KB a batch of 5,000, and none of a billion events passes for another's
beginning."""
_MINUTE_MS = 60_000
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

Record = Mapping[str, Any]
"""Of a DynamoDB stream."""


class What(NamedTuple):
    """What was done."""

    item_id: str
    event_type: str
    event_value: float | None


Counts = Mapping[int, Mapping[What, int]]
"""How often it was done, by the minute since 1970."""


class Batch(NamedTuple):
    """The counts of a dataset group in a batch of the stream."""

    ids: Sequence[str]
    """Of the group's events in it."""
    counts: Counts


def batches(records: Iterable[Record]) -> Mapping[str, Batch]:
    """Return the counts of a batch by dataset groups; what is not an event of a user does not count."""
    ids: dict[str, list[str]] = defaultdict(list)
    counts: dict[str, dict[int, Counter[What]]] = defaultdict(lambda: defaultdict(Counter))
    for record in records:
        image = record.get("dynamodb", {}).get("NewImage", {})
        if record.get("eventName") != "INSERT" or "item" not in image or "nobody" in image:
            continue
        event, group = live.event_of(image), image["p"]["S"].partition("#")[0]
        ids[group].append(record["eventID"])
        minute = live.since_of(image) // _MINUTE_MS
        counts[group][minute][What(event.item_id, event.event_type, event.event_value)] += 1
    return {group: Batch(ids[group], counts[group]) for group in ids}


def count(client: "DynamoDBClient", table: str, records: Sequence[Record], clock: Callable[[], float]) -> int:
    """Store the counts of a batch; return how many events they have.

    Raises:
        RetryLater, Rejected: a record was not stored; the batch, or each half of it, is to be repeated.
    """
    total = 0
    for group, batch in batches(records).items():
        now = clock()
        written = live.key(live.counts(group), live.since(live.milliseconds(now), batch.ids[0]))
        expires = live.number(int(now) + live.KEPT_SECONDS)
        client.put_item(
            TableName=table,
            Item={
                **written,
                "events": {"B": digests(batch.ids)},
                "counts": {"B": packed(batch.counts)},
                "ttl": expires,
            },
        )
        total += len(batch.ids)
    return total


def digests(ids: Iterable[str]) -> bytes:
    """Return a digest of each event's id, one behind the other."""
    return b"".join(hashlib.blake2b(event.encode(), digest_size=DIGEST_BYTES).digest() for event in ids)


def packed(counts: Counts) -> bytes:
    """Return counts as they are stored."""
    rows = [(minute, *what, number) for minute, numbers in counts.items() for what, number in numbers.items()]
    return zlib.compress(_compact(rows).encode())


def unpacked(data: bytes) -> Counts:
    """Return counts that were stored."""
    counts: dict[int, dict[What, int]] = defaultdict(dict)
    for minute, item, kind, value, number in json.loads(zlib.decompress(data)):
        counts[minute][What(item, kind, value)] = number
    return counts


class Learned(NamedTuple):
    """What a training knew when it began: counts from a minute on, but for these, are new to it."""

    minute: int
    counts: Mapping[What, int]

    @classmethod
    def of(cls, events: Iterable[ArchivedEvent], made_at: int, now: float) -> "Learned":
        """Return what a training knows of the last hour, from events of a dataset group that was made at a second."""
        minute = int(max(made_at, now - LATE_SECONDS)) // 60
        users: dict[str, int] = {}
        events = list(events)
        for event in events:
            if event.user_id:
                users[event.session_id] = min(event.accepted, users.get(event.session_id, event.accepted))
        counts: Counter[What] = Counter()
        for event in events:
            # An event without a user becomes one's by the log-in of its session.
            log_in = event.accepted if event.user_id else users.get(event.session_id)
            if log_in is not None and max(event.accepted, log_in) // 60 >= minute:
                counts[What(event.item_id, event.event_type, event.event_value)] += 1
        return cls(minute, counts)

    def as_json(self) -> dict[str, Any]:
        return {"minute": self.minute, "counts": [[*what, number] for what, number in self.counts.items()]}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> "Learned":
        return cls(members["minute"], {What(*what): number for *what, number in members["counts"]})


class Learning:
    """What a training learns of the last hour, from all events as it reads them: a few sessions are held at once."""

    def __init__(self, recent: Iterable[ArchivedEvent], made_at: int, now: float) -> None:
        """`recent`: those of the last hour at least; they name the sessions that matter."""
        self._made_at, self._now = made_at, now
        self._begin = int(max(made_at, now - LATE_SECONDS)) // 60 * 60
        self._sessions = {event.session_id for event in recent if event.accepted >= self._begin}
        self._events: list[ArchivedEvent] = []

    def watched(self, events: Iterable[ArchivedEvent]) -> Iterator[ArchivedEvent]:
        """Yield events, and keep those of sessions that go on."""
        for event in events:
            if event.accepted >= self._begin:
                self._sessions.add(event.session_id)
            if event.session_id in self._sessions:
                self._events.append(event)
            yield event

    def learned(self) -> Learned:
        """Return what the events that were read so far say."""
        return Learned.of(self._events, self._made_at, self._now)
