# SPDX-License-Identifier: Apache-2.0
"""The table of users' events since the last fit, by user and event id.

The table's stream makes the raw copy of accepted events (`events.event_copies`), so the table has every event. Events
without a user or an item serve nothing else, and have a key that no user has.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from personalization.core.aws.pagination import pages, paginate
from personalization.core.errors import PersonalizationError, RetryLater
from personalization.events import visitors
from personalization.events.models import PER_CALL, Call, compact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


KEPT_SECONDS = 90 * 86_400
"""How long an event is kept; meanwhile a fit takes it into the history."""
_PER_CALL = 25
_COPIED = ("eventValue", "recommendationId", "listId", "impression", "properties", "visitor")
_MOST = 2_000
"""The most events of a user, the newest ones, in an answer; more come from machines."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An event of a user; `at` is in epoch seconds."""

    event_id: str
    item_id: str
    at: int
    event_type: str


def note(
    client: "DynamoDBClient",
    table: str,
    shop: str,
    calls: Sequence[Call],
    now: float,
    late: Callable[[], bool] = lambda: False,
) -> list[Call]:
    """Store the events of a request; a repeated event replaces itself.

    After a failure, or when it is `late`, the table is not asked for the rest, because a caller waits.

    Returns:
        The events that were not stored.
    """
    puts = {_key(put): (put, call, event) for put, call, event in _puts(shop, calls, int(now))}
    keys = list(puts)
    missed: list[tuple[Call, Mapping[str, Any]]] = []
    for start in range(0, len(keys), _PER_CALL):
        if late():
            missed += [puts[key][1:] for key in keys[start:]]
            break
        part = keys[start : start + _PER_CALL]
        requests: dict[str, Any] = {table: [{"PutRequest": {"Item": puts[key][0]}} for key in part]}
        try:
            left = client.batch_write_item(RequestItems=requests).get("UnprocessedItems", {}).get(table, [])
            part = [_key(request["PutRequest"]["Item"]) for request in left]
        except PersonalizationError:
            missed += [puts[key][1:] for key in keys[start:]]
            break
        missed += [puts[key][1:] for key in part]
    return list(_calls(missed))


def _puts(shop: str, calls: Sequence[Call], now: int) -> Iterator[tuple[dict[str, Any], Call, Mapping[str, Any]]]:
    for call in calls:
        for event in call.events:
            # The rest of what the copy needs.
            more: dict[str, object] = {"shop": shop, "session": call.session_id, "user": call.user_id}
            more |= {"sentAt": event["sentAt"], "accepted": int(event.get("accepted", now))}
            put = {
                "shopper": {"S": _owner(shop, call, event)},
                "event": {"S": event["eventId"]},
                "type": {"S": event["eventType"]},
                # Some users' clocks are ahead.
                "at": {"N": str(min(int(event["sentAt"]), now))},
                "more": {"S": compact(more | {name: event[name] for name in _COPIED if name in event})},
                "ttl": {"N": str(now + KEPT_SECONDS)},
            }
            yield put | ({"item": {"S": event["itemId"]}} if "itemId" in event else {}), call, event


def _owner(shop: str, call: Call, event: Mapping[str, Any]) -> str:
    """Return the partition key of an event; a likelihood reads only a user's events with an item."""
    if call.user_id is None:
        return f"~{shop}#session#{call.session_id}"
    return _user(shop, call.user_id) if "itemId" in event else f"~{shop}#user#{call.user_id}"


def _key(put: Mapping[str, Any]) -> tuple[str, str]:
    return put["shopper"]["S"], put["event"]["S"]


def _calls(missed: Sequence[tuple[Call, Mapping[str, Any]]]) -> Iterator[Call]:
    """Return events of one request as calls."""
    for start in range(0, len(missed), PER_CALL):
        call = missed[start][0]
        yield Call(call.session_id, call.user_id, [dict(event) for _, event in missed[start : start + PER_CALL]])


def of_user(
    client: "DynamoDBClient",
    table: str,
    shop: str,
    user: str,
    since: int,
    late: Callable[[], bool],
) -> list[LiveEvent]:
    """Return the events of a user at or after `since`, in epoch seconds, oldest first.

    Raises:
        RetryLater: the table does not answer, or it is `late` before its last page has come.
    """
    events: list[LiveEvent] = []
    for page in pages(
        client.query,
        TableName=table,
        KeyConditionExpression="shopper = :shopper",
        FilterExpression="#at >= :since",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":shopper": {"S": _user(shop, user)}, ":since": {"N": str(since)}},
        ConsistentRead=True,
    ):
        events += [_live_event(item) for item in page["Items"]]
        if len(events) >= _MOST:
            break
        if page.get("LastEvaluatedKey") and late():
            raise RetryLater(table, "the last page did not come in time")
    return sorted(events, key=lambda event: (event.at, event.event_id))[-_MOST:]


def forget(client: "DynamoDBClient", table: str, shop: str, user: str) -> None:
    """Delete a user's events, and which visitor they first were.

    Raises:
        RetryLater: some are left for the next attempt.
    """
    for owner in (_user(shop, user), f"~{shop}#user#{user}", visitors.owner(shop, user)):
        while keys := _some_of(client, table, owner):
            requests: Any = {table: [{"DeleteRequest": {"Key": key}} for key in keys]}
            if client.batch_write_item(RequestItems=requests).get("UnprocessedItems"):
                raise RetryLater(table, "not everything was deleted")


def _some_of(client: "DynamoDBClient", table: str, owner: str) -> list[Any]:
    """Return the keys of as many items as one call deletes."""
    page = client.query(
        TableName=table,
        KeyConditionExpression="shopper = :shopper",
        ExpressionAttributeValues={":shopper": {"S": owner}},
        ProjectionExpression="shopper, #event",
        ExpressionAttributeNames={"#event": "event"},
        ConsistentRead=True,
        Limit=_PER_CALL,
    )
    return page["Items"]


def of_shop(client: "DynamoDBClient", table: str, shop: str, since: int) -> Iterator[tuple[str, str, str, int]]:
    """Iterate over a shop's events stored after `since` (epoch seconds): user, item, type and epoch seconds."""
    start = f"{shop}#"
    items = paginate(
        client.scan,
        "Items",
        TableName=table,
        FilterExpression="begins_with(shopper, :start) AND #ttl > :last",
        ExpressionAttributeNames={"#ttl": "ttl"},
        ExpressionAttributeValues={":start": {"S": start}, ":last": {"N": str(since + KEPT_SECONDS)}},
    )
    for item in items:
        user = item["shopper"]["S"].removeprefix(start)
        yield user, item["item"]["S"], item["type"]["S"], int(item["at"]["N"])


def _user(shop: str, user: str) -> str:
    return f"{shop}#{user}"


def _live_event(item: Any) -> LiveEvent:  # noqa: ANN401 - DynamoDB's notation
    return LiveEvent(item["event"]["S"], item["item"]["S"], int(item["at"]["N"]), item["type"]["S"])
