# SPDX-License-Identifier: Apache-2.0
"""Take events, users and items for an engine, as Personalize's client for them does, into the table of `engine.live`.

What is acknowledged is in the user's next answer from every container. An event and the mark of its id are written in
one transaction: an event is there once, however often it is sent, and with the time of its first attempt. In us-east-1
an event of at most 1 KB costs four write units ($2.50 a million at $0.625 a million units), and a call a read unit for
its session ($0.13 a million); a log-in five more write units once a session, and four for each event that it moves; an
event without an item only its mark; a put item of 1 KB two, one more for the record that it replaces, and half a read
unit. A call that was killed may be repeated from its beginning.
"""

import json
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import refusal, unmet
from personalization.core.errors import ConditionFailed, RetryLater
from personalization.engine import live
from personalization.engine.backend import TRACKER

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EVENT_BYTES = 10_240
USER_CHARACTERS, ITEM_CHARACTERS = 24_000, 32_000
_MOST = 10
"""Events, users or items of a call."""
_MOVED = 50
"""The most events that a transaction moves, with two parts for each."""
_ROUNDS = 3
"""Attempts to move events of a session which other calls move as well."""
_SILENT = "null"
"""The session of which Personalize takes events and drops them."""
_FORBIDDEN = {"userid", "sessionid", "eventtype", "timestamp", "recommendationid", "impression"}
_SOURCE = re.compile(r"[\x20-\x7E]*[\x21-\x7E]+[\x20-\x7E]*")
_BREAK = re.compile(r"[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")

_IS_NEW: Mapping[str, Any] = {
    "ConditionExpression": "attribute_not_exists(p)",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Shape:
    """The members of a request or a part of it."""

    required: Collection[str]
    texts: Mapping[str, int]
    """The most characters of texts."""
    others: Collection[str] = ()
    ids: Collection[str] = field(default_factory=tuple)
    """Texts that files with one record a line must be able to name."""

    def problem(self, part: Any) -> str | None:  # noqa: ANN401 - of a request
        """Return what is wrong with a part of a request."""
        if not isinstance(part, Mapping):
            return "it must be an object"
        for name in self.required:
            if part.get(name) is None:
                return f"{name} is missing"
        for name, value in part.items():
            if name in self.texts:
                most = self.texts[name]
                if not isinstance(value, str) or not 1 <= len(value) <= most:
                    return f"{name} must be a text of 1 to {most} characters"
                if name in self.ids and _BREAK.search(value):
                    return f"{name} must not contain line breaks"
            elif name not in self.others:
                return f"there is no member {name}"
        return None


_CALL = _Shape(
    ("trackingId", "sessionId", "eventList"),
    {"trackingId": 256, "sessionId": 256, "userId": 256},
    ("eventList",),
    ("sessionId", "userId"),
)
_EVENT = _Shape(
    ("eventType", "sentAt"),
    {"eventId": 256, "eventType": 256, "itemId": 256, "properties": 1024, "recommendationId": 40},
    ("eventValue", "sentAt", "acceptedAt", "impression", "metricAttribution"),
    ("eventId", "eventType", "itemId"),
)
_ATTRIBUTION = _Shape(("eventAttributionSource",), {"eventAttributionSource": 1024})
_USERS = _Shape(("datasetArn", "users"), {"datasetArn": 256}, ("users",))
_ITEMS = _Shape(("datasetArn", "items"), {"datasetArn": 256}, ("items",))
_USER = _Shape(("userId",), {"userId": 256, "properties": USER_CHARACTERS}, (), ("userId",))
_ITEM = _Shape(("itemId",), {"itemId": 256, "properties": ITEM_CHARACTERS}, (), ("itemId",))


@dataclass(frozen=True, slots=True)
class _Session:
    """A session's log-in, and its newest events that are nobody's."""

    user: str
    """Empty before a log-in."""
    since: int
    events: Sequence[live.Item]


class Events:
    """Take events, users and items by the methods of boto3's client `personalize-events`.

    They refuse a call by botocore's ClientError with the service's code, which the classes of our clients translate,
    and raise RetryLater if DynamoDB is throttled or does not answer, or if another call sends the same event now.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        clock: Callable[[], float],
        check: Callable[[str, str, Sequence[Json]], None],
    ) -> None:
        """Take them into a table.

        Args:
            client, table: DynamoDB, and the name of the table.
            clock: returns epoch seconds.
            check: gets the operation, the tracking id or the dataset's ARN, and the properties of the call's records.
                It raises what `core.aws.errors.refusal` returns if there is no such event tracker or dataset, or if
                its schema does not take the properties.
        """
        self._client = client
        self._table = table
        self._clock = clock
        self._check = check

    def put_events(self, **request: Any) -> dict[str, object]:  # noqa: ANN401 - as boto3's
        """Store the events of a call, and give events of its session to its user.

        Beside AWS's members an event may have `acceptedAt`, in epoch seconds. From then on it is the user's and counts,
        however late it comes: as the copy of accepted events says, from which trainings learn. The answer's
        `acceptedAt` has that of the events which came before, by their ids.
        """
        operation = "PutEvents"
        self._check_shape(operation, _CALL, request)
        events = self._parts(operation, request, "eventList", _EVENT)
        tracking_id, session, user = request["trackingId"], request["sessionId"], request.get("userId")
        members = self._members(operation, tracking_id, events, _FORBIDDEN)
        if session == _SILENT:
            return {}
        group = group_of_tracker(tracking_id)
        rows: dict[str, Json] = {}
        for event, properties in zip(events, members, strict=True):
            row = _row(operation, event, properties)
            rows.setdefault(row["id"], row)
        stored, before = self._store(group, user or session, rows, is_anonymous=user is None)
        if user != session:
            self._move(group, session, user, stored)
        return {"acceptedAt": {event: time / 1000 for event, time in before.items()}} if before else {}

    def put_users(self, **request: Any) -> dict[str, object]:  # noqa: ANN401 - as boto3's
        """Store users; a record replaces that of its id."""
        operation = "PutUsers"
        self._check_shape(operation, _USERS, request)
        users = self._parts(operation, request, "users", _USER)
        arn, now = request["datasetArn"], self._clock()
        group, stored = group_of_dataset(arn), live.milliseconds(now)
        self._members(operation, arn, users, {"userid"})
        latest = {user["userId"]: user.get("properties", "{}") for user in users}
        records = {user: {"id": {"S": user}, **_record(properties, stored, now)} for user, properties in latest.items()}
        # What an answer knows of a user, a training knows as well.
        day = live.users(group, stored)
        self._put([{**live.key(day, user), **record} for user, record in records.items()])
        self._put([{**live.key(live.person(group, user), live.USER), **record} for user, record in records.items()])
        return {}

    def put_items(self, **request: Any) -> dict[str, object]:  # noqa: ANN401 - as boto3's
        """Store items; a record replaces that of its id."""
        operation = "PutItems"
        self._check_shape(operation, _ITEMS, request)
        parts = self._parts(operation, request, "items", _ITEM)
        arn, now = request["datasetArn"], self._clock()
        stored = live.milliseconds(now)
        self._members(operation, arn, parts, {"itemid"})
        group = group_of_dataset(arn)
        latest = {item["itemId"]: item.get("properties", "{}") for item in parts}
        records = {item: {"id": {"S": item}, **_record(properties, stored, now)} for item, properties in latest.items()}
        before = self._newest(group, records)
        partition, fact = (
            live.items(group),
            {"stored": live.number(stored), "ttl": live.number(int(now) + live.KEPT_SECONDS)},
        )
        self._put(
            [{**live.key(partition, live.since(stored, item)), **record} for item, record in records.items()]
            + [{**live.key(live.newest(group, item), live.ITEM), **fact} for item in records]
        )
        # A container reads each item once. Whoever is killed before this leaves a record that a newer one hides.
        old = [live.key(partition, live.since(time, item)) for item, time in before.items() if time < stored]
        if old:
            self._client.batch_write_item(RequestItems={self._table: [{"DeleteRequest": {"Key": key}} for key in old]})
        return {}

    def _newest(self, group: str, items: Collection[str]) -> Mapping[str, int]:
        """Return when the newest records of items were put, of those that are known."""
        wanted: Any = {"Keys": [live.key(live.newest(group, item), live.ITEM) for item in items]}
        page = self._client.batch_get_item(RequestItems={self._table: wanted})
        times = {row["p"]["S"]: int(row["stored"]["N"]) for row in page["Responses"].get(self._table, [])}
        return {item: times[name] for item in items if (name := live.newest(group, item)) in times}

    def _check_shape(self, operation: str, shape: _Shape, part: object, name: str = "") -> None:
        if problem := shape.problem(part):
            raise _invalid(operation, f"{name}: {problem}." if name else f"{problem}.")

    def _parts(self, operation: str, request: Json, name: str, shape: _Shape) -> list[Json]:
        parts = request[name]
        if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= _MOST:
            raise _invalid(operation, f"{name} must have 1 to {_MOST} members.")
        for number, part in enumerate(parts):
            self._check_shape(operation, shape, part, f"{name}[{number}]")
        return list(parts)

    def _members(
        self, operation: str, resource: str, parts: Sequence[Json], forbidden: Collection[str]
    ) -> Sequence[Json]:
        """Return the properties of records, which the dataset takes."""
        records = [_properties(operation, part, forbidden) for part in parts]
        self._check(operation, resource, records)
        return records

    def _store(
        self, group: str, user: str, rows: Mapping[str, Json], *, is_anonymous: bool
    ) -> tuple[int, Mapping[str, int]]:
        """Store the events that are new; return since when the first of all is there, and those that came before."""
        now = self._clock()
        expires = live.number(int(now) + live.KEPT_SECONDS)
        left = [(_since(row.get("accepted", now), number), row) for number, row in enumerate(rows.values())]
        times = {row["id"]: at for at, row in left}
        came_before: dict[str, int] = {}
        while left:
            parts: list[Any] = []
            marks: dict[int, str] = {}
            for at, row in left:
                marks[len(parts)] = row["id"]
                mark = {**live.key(live.mark(group, row["id"]), live.EVENT), "stored": live.number(at), "ttl": expires}
                parts.append({"Put": {"TableName": self._table, "Item": mark, **_IS_NEW}})
                if "item" in row:
                    item = {**live.key(live.person(group, user), live.since(at, row["id"])), **_event_item(row)}
                    item |= {"ttl": expires} | ({"nobody": {"BOOL": True}} if is_anonymous else {})
                    parts.append({"Put": {"TableName": self._table, "Item": item}})
            try:
                self._client.transact_write_items(TransactItems=parts)
                break
            except ConditionFailed as error:
                # These came before: the rest is tried without them.
                before = {marks[number]: item for number, item in unmet(error).items() if number in marks}
                if not before:
                    raise
                came_before |= {name: int(item["stored"]["N"]) for name, item in before.items() if "stored" in item}
                left = [(at, row) for at, row in left if row["id"] not in before]
        return min((times | came_before).values()), came_before

    def _move(self, group: str, session: str, user: str | None, stored: int) -> None:
        """Give the events of a session to the user who logged in.

        The log-in is stored before the session's events are read, and an event before the log-in is: so one of two
        calls at the same time sees what the other has done.
        """
        if user is None and not self._login(group, session):
            return
        seen = self._session(group, session)
        if user is not None and seen.user != user and seen.since < stored:
            self._log_in(group, session, user, stored)
            seen = self._session(group, session)
        for _ in range(_ROUNDS):
            moves = [self._moved(group, seen, item) for item in seen.events]
            try:
                for start in range(0, len(moves), _MOVED):
                    parts = [part for move in moves[start : start + _MOVED] for part in move]
                    self._client.transact_write_items(TransactItems=parts)
            except ConditionFailed:
                # Another call moves them.
                seen = self._session(group, session)
            else:
                return
        raise RetryLater(self._table, "other calls move the session's events")

    def _moved(self, group: str, seen: _Session, item: live.Item) -> list[Any]:
        """Return the parts of a transaction that move an event: once, and since the log-in."""
        digits, _, identity = item["s"]["S"].partition("#")
        moved = {name: value for name, value in item.items() if name != "nobody"}
        moved |= live.key(live.person(group, seen.user), f"{live.since(max(int(digits), seen.since))}#{identity}")
        moved["stored"] = live.number(int(digits))
        key = live.key(item["p"]["S"], item["s"]["S"])
        return [
            {"Delete": {"TableName": self._table, "Key": key, "ConditionExpression": "attribute_exists(p)"}},
            {"Put": {"TableName": self._table, "Item": moved}},
        ]

    def _session(self, group: str, session: str) -> _Session:
        page = self._client.query(
            TableName=self._table,
            KeyConditionExpression="p = :p",
            ExpressionAttributeValues={":p": {"S": live.person(group, session)}},
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=live.MOST_EVENTS,
        )
        login: Any = next((item for item in page["Items"] if item["s"]["S"] == live.LOGIN), None)
        return _Session(
            login["user"]["S"] if login else "",
            int(login["stored"]["N"]) if login else -1,
            [item for item in page["Items"] if "nobody" in item] if login else [],
        )

    def _login(self, group: str, session: str) -> bool:
        key = live.key(live.person(group, session), live.LOGIN)
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True, ProjectionExpression="s")
        return "Item" in answer

    def _log_in(self, group: str, session: str, user: str, stored: int) -> None:
        expires = live.number(int(self._clock()) + live.KEPT_SECONDS)
        # An erasure of the user finds the session by this.
        self._client.put_item(
            TableName=self._table, Item={**live.key(live.sessions(group, user), session), "ttl": expires}
        )
        login = {**live.key(live.person(group, session), live.LOGIN), "user": {"S": user}, "ttl": expires}
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**login, "stored": live.number(stored)},
                ConditionExpression="attribute_not_exists(p) OR #stored < :stored",
                ExpressionAttributeNames={"#stored": "stored"},
                ExpressionAttributeValues={":stored": live.number(stored)},
            )
        except ConditionFailed:
            # A later log-in was faster.
            return

    def _put(self, items: Sequence[live.Item]) -> None:
        requests: Any = {self._table: [{"PutRequest": {"Item": item}} for item in items]}
        if self._client.batch_write_item(RequestItems=requests).get("UnprocessedItems"):
            raise RetryLater(self._table, "not every record was stored")


def group_of_tracker(tracking_id: str) -> str:
    """Return the name of the dataset group of an engine's tracking id."""
    return tracking_id.removeprefix(TRACKER)


def group_of_dataset(arn: str) -> str:
    """Return the name of the dataset group of a dataset."""
    return arn.partition(":dataset/")[2].partition("/")[0]


def _since(accepted: float, number: int) -> int:
    """Return the milliseconds since which an event of a call is there.

    The next millisecond for the next event keeps their order, within the minute by which they are counted.
    """
    stored = live.milliseconds(accepted)
    return min(stored + number, stored // 60_000 * 60_000 + 59_999)


def _row(operation: str, event: Json, properties: Json) -> dict[str, Any]:
    """Return an event as it is stored; its item and its value may stand among the properties, as the guide has them."""
    sent = {name: value for name, value in event.items() if name != "acceptedAt"}
    size = len(json.dumps(sent, ensure_ascii=False, default=str).encode())
    if size > EVENT_BYTES:
        raise _invalid(operation, f"An event has at most {EVENT_BYTES} bytes: this one has {size}.")
    impression = event.get("impression")
    if impression is not None and not (
        isinstance(impression, list | tuple) and 1 <= len(impression) <= 25 and all(map(_is_id, impression))
    ):
        raise _invalid(operation, "impression must have 1 to 25 ids of items.")
    if "metricAttribution" in event and not _is_source(event["metricAttribution"]):
        raise _invalid(operation, "eventAttributionSource must be a text of 1 to 1,024 printable characters.")
    row: dict[str, Any] = {"id": event.get("eventId") or str(uuid.uuid4()), "type": event["eventType"]}
    row["at"] = _seconds(operation, event["sentAt"])
    if "acceptedAt" in event:
        row["accepted"] = _seconds(operation, event["acceptedAt"])
    item, value = event.get("itemId", properties.get("itemId")), event.get("eventValue", properties.get("eventValue"))
    if item is not None:
        if not _is_id(item):
            raise _invalid(operation, "itemId must be a text of 1 to 256 characters.")
        row["item"] = item
    if value is not None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise _invalid(operation, "eventValue must be a number.")
        row["value"] = float(value)
    return row


def _is_source(attribution: Any) -> bool:  # noqa: ANN401 - of a request
    return not _ATTRIBUTION.problem(attribution) and bool(_SOURCE.fullmatch(attribution["eventAttributionSource"]))


def _properties(operation: str, part: Json, forbidden: Collection[str]) -> Json:
    try:
        members = json.loads(part.get("properties") or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise _invalid(operation, "Error parsing properties json: it must be one JSON object in a string.")
    for name in members:
        if name.lower() in forbidden:
            raise _invalid(operation, f"properties must not have the key {name}: it has a member of its own.")
    return members


def _event_item(row: Json) -> dict[str, Any]:
    item = {"item": {"S": row["item"]}, "type": {"S": row["type"]}, "at": {"N": str(row["at"])}}
    return item | ({"value": {"S": repr(row["value"])}} if "value" in row else {})


def _seconds(operation: str, sent_at: object) -> int | float:
    if isinstance(sent_at, datetime):
        return sent_at.timestamp()
    if isinstance(sent_at, int | float) and not isinstance(sent_at, bool) and abs(sent_at) < 10**12:
        return sent_at
    raise _invalid(operation, "sentAt must be a time.")


def _record(properties: str, stored: int, now: float) -> dict[str, Any]:
    expires = live.number(int(now) + live.KEPT_SECONDS)
    return {"properties": {"S": properties}, "stored": live.number(stored), "ttl": expires}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 256


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _invalid(operation: str, message: str) -> Exception:
    return refusal(operation, "InvalidInputException", message)
