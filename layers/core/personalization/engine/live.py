# SPDX-License-Identifier: Apache-2.0
"""The table of what came since an engine's tables were written: events and users to answer from, and put records.

`<group>` is the name of a dataset group; times are in milliseconds, thirteen digits in a key. An event's is that of its
acceptance, also if it waited; any other is of the container that stored the item.

| `p`                         | `s`                 | the item                                                       |
|-----------------------------|---------------------|----------------------------------------------------------------|
| `<group>#<user or session>` | `<since>#<event>`   | an event, and since when it is the user's or the session's     |
| `<group>#<user or session>` | `erased`            | a tombstone: what was stored until `stored` does not count     |
| `<group>#<session>`         | `login`             | the user to whom the events of a session go                    |
| `<group>#<user>`            | `user`              | the properties of a user                                       |
| `<group>@<user>`            | `<session>`         | a session with a log-in of the user                            |
| `<group>=<event>`           | `event`             | when an event was stored, so that it is stored once            |
| `<group>+items`             | `<stored>#<item>`   | a put item                                                     |
| `<group>+item=<item>`       | `item`              | when the newest record of an item was put                      |
| `<group>+counts`            | `<written>#<event>` | what all users did, of a batch from an event on                |
| `<group>+users#<day>`       | `<user>`            | a user who was put on a day, for trainings                     |

Words sort behind digits: so one query, newest first, has all that an answer needs of a user. It is strongly consistent
and costs a read unit for each 4 KB: an event takes some 150 bytes with ids of 36 characters, so one for a user of ten
events, four for one of a hundred ($0.13 and $0.50 a million reads at $0.125 a million units), and those of the user's
properties.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import holds
from personalization.core.aws.pagination import paginate
from personalization.core.errors import RetryLater

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_EVENTS = 100
"""The most events of a user, the newest ones, in an answer."""
SETTLED_MS = 60_000
"""By so much the clocks of two containers and the time that a write takes may differ together. What was stored before a
time is visible so much later at the latest: a cut lies so far back."""
KEPT_SECONDS = 90 * 86_400
"""How long an item is kept: meanwhile a training takes it over, and an event comes from no queue again. It is as long
as that of the table of users' events."""
PAGE = 1000
"""The most items that are read at once."""
ERASED_SECONDS = 365 * 86_400
"""How long a tombstone is kept: longer than whatever it hides."""
ERASED, LOGIN, USER, EVENT, ITEM = "erased", "login", "user", "event", "item"
_SPECIAL = 3
"""The items behind a user's events in their partition."""
_PER_CALL = 25
_LONGEST = 512
"""The most bytes of an id in a sort key, which DynamoDB bounds by 1,024; a digest stands for a longer one."""

Item = Any
"""An item in DynamoDB's notation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """An event of a user."""

    event_id: str
    item_id: str
    at: float
    """Epoch seconds, by the event itself."""
    event_type: str
    event_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUser:
    """What the table has of a user or a session."""

    events: Sequence[LiveEvent] = ()
    """In the order in which they became the user's."""
    properties: Mapping[str, Any] | None = None
    """As they were put, in camelCase; None if the user was not put."""
    erased: int = 0
    """Milliseconds until which whatever was stored of the user does not count, here nor in tables; 0 for a user who was
    never erased."""
    leaving: bool = False
    """Whether the user is being erased: whatever is known of them does not count."""


@dataclass(frozen=True, slots=True)
class Put:
    """A put record of a user or an item."""

    id: str
    properties: Mapping[str, Any]
    """In camelCase."""
    stored: int


def milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def person(group: str, user: str) -> str:
    """Return the partition of a user or a session, which may be each other's ids."""
    return f"{group}#{user}"


def sessions(group: str, user: str) -> str:
    """Return the partition of a user's sessions."""
    return f"{group}@{user}"


def mark(group: str, event_id: str) -> str:
    """Return the partition that says when an event was stored."""
    return f"{group}={event_id}"


def items(group: str) -> str:
    """Return the partition of put items."""
    return f"{group}+items"


def newest(group: str, item: str) -> str:
    """Return the partition that says when the newest record of an item was put."""
    return f"{group}+item={item}"


def counts(group: str) -> str:
    """Return the partition of what all users did."""
    return f"{group}+counts"


def users(group: str, stored: int) -> str:
    """Return the partition of the users who were put on the day of a time."""
    return f"{group}+users#{datetime.fromtimestamp(stored / 1000, UTC):%Y-%m-%d}"


def key(partition: str, sort: str) -> Item:
    return {"p": {"S": partition}, "s": {"S": sort}}


def since(time: int, identity: str | None = None) -> str:
    """Return the sort key of an event or a put item since a time, or the beginning of all those of that time."""
    digits = f"{max(time, 0):013d}"
    if identity is None:
        return digits
    long = len(identity.encode()) > _LONGEST
    return f"{digits}#{hashlib.sha256(identity.encode()).hexdigest() if long else identity}"


def is_event(item: Item) -> bool:
    return str(item["s"]["S"])[:1].isdigit()


def number(value: int) -> Item:
    return {"N": str(value)}


def since_of(item: Item) -> int:
    """Return the time in an item's sort key."""
    return int(item["s"]["S"].partition("#")[0])


def _stored(item: Item) -> int:
    """Return when an item was stored: an event that a log-in moved keeps that."""
    return int(item["stored"]["N"]) if "stored" in item else since_of(item)


def _order(event: Item) -> tuple[int, int, str]:
    return since_of(event), _stored(event), event["s"]["S"]


def event_of(item: Item) -> LiveEvent:
    return LiveEvent(
        event_id=item["s"]["S"].partition("#")[2],
        item_id=item["item"]["S"],
        at=float(item["at"]["N"]),
        event_type=item["type"]["S"],
        event_value=float(item["value"]["S"]) if "value" in item else None,
    )


def user_in(rows: Sequence[Item]) -> LiveUser:
    """Return a user from the items of their partition, newest first, but for what an erasure hides."""
    special = {item["s"]["S"]: item for item in rows if not is_event(item)}
    tombstone = special.get(ERASED)
    erased = _stored(tombstone) if tombstone else 0
    if tombstone and "ended" not in tombstone:
        return LiveUser(erased=erased, leaving=True)
    events = [item for item in rows if is_event(item) and _stored(item) > erased][:MOST_EVENTS]
    put = special.get(USER)
    return LiveUser(
        events=list(map(event_of, sorted(events, key=_order))),
        properties=json.loads(put["properties"]["S"]) if put and _stored(put) > erased else None,
        erased=erased,
    )


def put_of(item: Item) -> Put:
    """Return a put record from its item."""
    return Put(item["id"]["S"], json.loads(item["properties"]["S"]), _stored(item))


def _days(start: int, until: int) -> Iterator[int]:
    """Yield a time of each day between two times."""
    first, last = (datetime.fromtimestamp(time / 1000, UTC).date() for time in (max(start, 0), until))
    for days in range((last - first).days + 1):
        yield milliseconds(datetime.combine(first + timedelta(days), datetime.min.time(), UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Page:
    """Items of a partition, in the order of their sort keys."""

    items: Sequence[Item]
    next: str
    """The sort key from which the next page has them; empty if there is none."""


class LiveTable:
    """Read the table; `engine.events` writes what comes."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def of_user(self, group: str, user: str, cut: int) -> LiveUser:
        """Return what the table has of a user or a session after a training's cut, but for what an erasure hides.

        Raises:
            RetryLater: the table does not answer.
        """
        # The newest by the time at which they became the user's: an event of a session does so by its log-in.
        page = self._client.query(
            TableName=self._table,
            KeyConditionExpression="p = :p AND s >= :cut",
            ExpressionAttributeValues={":p": {"S": person(group, user)}, ":cut": {"S": since(cut + 1)}},
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=MOST_EVENTS + _SPECIAL,
        )
        return user_in(page["Items"])

    def puts_of_items(self, group: str, cut: int) -> Sequence[Put]:
        """Return the items that were put after a cut, oldest first, of each the newest record."""
        puts: dict[str, Put] = {}
        page: Page = Page([], since(cut + 1))
        while page.next:
            page = self.page(items(group), page.next)
            for put in map(put_of, page.items):
                puts.pop(put.id, None)
                puts[put.id] = put
        return list(puts.values())

    def page(self, partition: str, start: str) -> "Page":
        """Return a page of a partition's items from a sort key on, by an eventually consistent read.

        Raises:
            RetryLater: the table does not answer.
        """
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="p = :p AND s >= :cut",
            ExpressionAttributeValues={":p": {"S": partition}, ":cut": {"S": start}},
            Limit=PAGE,
        )
        last = answer.get("LastEvaluatedKey")
        # The next page begins behind the last item: no other key lies between.
        return Page(answer["Items"], f"{last['s']['S']}\0" if last else "")

    def puts_of_users(self, group: str, cut: int, until: int) -> Iterator[Put]:
        """Iterate over the users who were put after a cut until a time; the last record of a user counts."""
        for day in _days(cut, until):
            put_users = paginate(
                self._client.query,
                "Items",
                TableName=self._table,
                KeyConditionExpression="p = :p",
                ExpressionAttributeValues={":p": {"S": users(group, day)}},
            )
            yield from (put for put in map(put_of, put_users) if cut < put.stored <= until)


class Erasure:
    """Erase users from the table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def forget(self, group: str, user: str, now: float) -> int:
        """Begin to erase a user, and delete what is stored of them; return what `LiveUser.erased` is from now on.

        It may be repeated. No event of the user may have been accepted for a minute, as erasures take care of. Until
        `end_erasure` the user is unknown. The marks of ids stay, which name no user: an event that comes again from a
        queue is not stored again.

        Raises:
            RetryLater: some is left for the next attempt.
        """
        until = milliseconds(now) + SETTLED_MS
        partition, expires = person(group, user), int(now) + ERASED_SECONDS
        tombstone = {**key(partition, ERASED), "stored": number(until), "ttl": number(expires)}
        self._client.put_item(TableName=self._table, Item=tombstone)
        for session in list(self._query(sessions(group, user))):
            name = session["s"]["S"]
            holds(
                self._client.delete_item,
                TableName=self._table,
                Key=key(person(group, name), LOGIN),
                ConditionExpression="#user = :user",
                ExpressionAttributeNames={"#user": "user"},
                ExpressionAttributeValues={":user": {"S": user}},
            )
            self._client.delete_item(TableName=self._table, Key=key(session["p"]["S"], name))
        stored = [item for item in self._query(partition, since(until + 1)) if is_event(item)]
        days = [key(users(group, day), user) for day in _days(milliseconds(now - KEPT_SECONDS), until)]
        self._delete([*(key(partition, item["s"]["S"]) for item in stored), key(partition, USER), *days])
        return until

    def end_erasure(self, group: str, user: str, now: float) -> None:
        """Let what is stored from now on count; nothing happens without a tombstone."""
        holds(
            self._client.update_item,
            TableName=self._table,
            Key=key(person(group, user), ERASED),
            UpdateExpression="SET ended = :now",
            ConditionExpression="attribute_exists(p)",
            ExpressionAttributeValues={":now": number(milliseconds(now))},
        )

    def _query(self, partition: str, before: str | None = None) -> Iterator[Item]:
        """Iterate over the keys of a partition, those before a sort key if it is given."""
        values: dict[str, Any] = {":p": {"S": partition}} | ({":before": {"S": before}} if before else {})
        return paginate(
            self._client.query,
            "Items",
            TableName=self._table,
            KeyConditionExpression="p = :p AND s < :before" if before else "p = :p",
            ExpressionAttributeValues=values,
            ProjectionExpression="p, s",
            ConsistentRead=True,
        )

    def _delete(self, keys: Sequence[Item]) -> None:
        for start in range(0, len(keys), _PER_CALL):
            requests: Any = [{"DeleteRequest": {"Key": deleted}} for deleted in keys[start : start + _PER_CALL]]
            if self._client.batch_write_item(RequestItems={self._table: requests}).get("UnprocessedItems"):
                raise RetryLater(self._table, "not everything was deleted")
