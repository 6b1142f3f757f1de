# SPDX-License-Identifier: Apache-2.0
"""A shop's records in the table of shops by sort key, and a cache of the release that serves."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from personalization.core import stored
from personalization.core.aws.errors import holds
from personalization.core.aws.pagination import paginate
from personalization.core.errors import RetryLater
from personalization.core.problems import Problem
from personalization.shop.keys import SHOP
from personalization.shop.records.release import (
    CANDIDATE,
    HISTORY,
    RECORD,
    REMEDY,
    Judged,
    Release,
    ReleaseRecord,
    Value,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REMEMBER_SECONDS = 60.0
"""How long a release is used before it is read again."""
REMEMBER_NONE_SECONDS = 5.0
"""How long the absence of a shop is cached."""
NOT_PROMOTED = (
    "This shop does not exist, or it has no release yet. If the gate refused its first run, the run's report "
    'says why; an execution with {"action": "promote", "shop": "SHOP"} promotes it by hand.'
)
_MOST_SHOPS = 1_000


def get(client: "DynamoDBClient", table: str, shop: str, record: str, *, stale: bool = False) -> dict[str, Any] | None:
    """Return a shop's record by a consistent read; with `stale`, by an eventually consistent one at half the price."""
    key = _key(shop, record)
    item = client.get_item(TableName=table, Key=key, ConsistentRead=not stale).get("Item")
    return unmarshal(item) if item else None


def query_prefix(client: "DynamoDBClient", table: str, shop: str, start: str) -> list[dict[str, Any]]:
    """Return a shop's records whose sort keys begin with `start`, sorted."""
    items = paginate(
        client.query,
        "Items",
        TableName=table,
        KeyConditionExpression="#shop = :shop AND begins_with(#record, :start)",
        ExpressionAttributeNames={"#shop": "shop", "#record": "record"},
        ExpressionAttributeValues=marshal({":shop": shop, ":start": start}),
        ConsistentRead=True,
    )
    return [unmarshal(item) for item in items]


def sort_keys(client: "DynamoDBClient", table: str, shop: str) -> tuple[str, ...]:
    """Return the sort keys of all records of a shop."""
    items = paginate(
        client.query,
        "Items",
        TableName=table,
        KeyConditionExpression="#shop = :shop",
        ProjectionExpression="#record",
        ExpressionAttributeNames={"#shop": "shop", "#record": "record"},
        ExpressionAttributeValues=marshal({":shop": shop}),
        ConsistentRead=True,
    )
    return tuple(item["record"]["S"] for item in items)


def scan(
    client: "DynamoDBClient",
    table: str,
    condition: str,
    *,
    names: Mapping[str, str],
    values: Mapping[str, Value],
    wanted: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Return the records of all shops that meet a condition in DynamoDB's notation.

    Args:
        client, table, condition: the table and the condition.
        names, values: its placeholders for attributes' names, and for plain values.
        wanted: the attributes to read, in DynamoDB's notation; all by default.
    """
    projection: dict[str, Any] = {"ProjectionExpression": wanted} if wanted else {}
    items = paginate(
        client.scan,
        "Items",
        TableName=table,
        FilterExpression=condition,
        ExpressionAttributeNames=dict(names),
        ExpressionAttributeValues=marshal(values),
        **projection,
    )
    yield from map(unmarshal, items)


def put(client: "DynamoDBClient", table: str, record: Mapping[str, Value]) -> None:
    """Store a record of a shop, replacing an earlier one."""
    client.put_item(TableName=table, Item=marshal(record))


def put_if(
    client: "DynamoDBClient",
    table: str,
    record: Mapping[str, Value],
    condition: str,
    *,
    names: Mapping[str, str] | None = None,
    values: Mapping[str, Value] | None = None,
) -> bool:
    """Store a record if the earlier one meets a condition (see `scan`); return whether it did."""
    more: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
    more |= {"ExpressionAttributeValues": marshal(values)} if values else {}
    return holds(
        lambda: client.put_item(TableName=table, Item=marshal(record), ConditionExpression=condition, **more),
    )


def delete(client: "DynamoDBClient", table: str, shop: str, record: str) -> None:
    """Delete one of a shop's records, if it exists."""
    client.delete_item(TableName=table, Key=_key(shop, record))


def marshal(record: Mapping[str, Value]) -> dict[str, Any]:
    """Convert plain values to DynamoDB's notation."""
    return {name: _wrap(value) for name, value in record.items()}


def unmarshal(item: Mapping[str, Any]) -> dict[str, Value]:
    """Convert DynamoDB's notation to plain values."""
    return {name: _unwrap(value) for name, value in item.items()}


def _key(shop: str, record: str) -> dict[str, Any]:
    return marshal({"shop": shop, "record": record})


def _wrap(value: Value) -> dict[str, Any]:
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": {key: _wrap(member) for key, member in value.items()}}
    return {"L": [_wrap(element) for element in value]}


def _unwrap(value: Mapping[str, Any]) -> Value:
    ((kind, content),) = value.items()
    if kind == "M":
        return {key: _unwrap(member) for key, member in content.items()}
    if kind == "L":
        return [_unwrap(element) for element in content]
    if kind == "N":
        return int(content)
    plain: Value = content
    return None if kind == "NULL" else plain


def get_release(client: "DynamoDBClient", table: str, shop: str) -> Release | None:
    """Return what serving needs of a shop's release, or None if nothing was ever promoted."""
    record = get(client, table, shop, RECORD, stale=True)
    return serving(record) if record else None


def release_record(client: "DynamoDBClient", table: str, shop: str) -> ReleaseRecord | None:
    """Return a shop's release, or None if nothing was ever promoted."""
    record = get(client, table, shop, RECORD)
    return ReleaseRecord.read(record) if record else None


def history(client: "DynamoDBClient", table: str, shop: str) -> list[ReleaseRecord]:
    """Return a shop's remembered releases, the oldest first; the one that serves is among them."""
    return [ReleaseRecord.read(record) for record in query_prefix(client, table, shop, HISTORY)]


def judged_runs(client: "DynamoDBClient", table: str, shop: str) -> list[Judged]:
    """Return a shop's judged runs."""
    return [Judged.read(record) for record in query_prefix(client, table, shop, CANDIDATE)]


def judged_run(client: "DynamoDBClient", table: str, shop: str, run: str) -> Judged | None:
    """Return a judged run of a shop, if it is remembered."""
    record = get(client, table, shop, f"{CANDIDATE}{run}")
    return Judged.read(record) if record else None


class Releases:
    """A cache of releases, which `fetch` reads from the table; while that does not answer, old ones serve."""

    def __init__(self, fetch: Callable[[str], Release | None]) -> None:
        self._fetch = fetch
        self._releases: dict[str, tuple[float, Release | None]] = {}

    def get(self, shop: str, now: float) -> Release:
        """Return the release of a shop; `now` is in seconds of a clock that only moves forward.

        Raises:
            Problem: 404, there is none.
            RetryLater: the table does not answer and nothing is cached.
        """
        until, release = self._releases.get(shop, (float("-inf"), None))
        if now >= until:
            try:
                release = self._fetch(shop)
            except RetryLater:
                if release is None:
                    raise
            if len(self._releases) >= _MOST_SHOPS:
                self._releases.clear()
            self._releases[shop] = (now + (REMEMBER_SECONDS if release else REMEMBER_NONE_SECONDS), release)
        if release is None:
            raise Problem(404, NOT_PROMOTED)
        return release


def fetch_release(client: "Callable[[], DynamoDBClient]", table: Callable[[], str]) -> Callable[[str], Release | None]:
    """Return the function that reads a shop's release; None without a request if no shop can have its name.

    Its client is created on first use.
    """

    def read(shop: str) -> Release | None:
        return get_release(client(), table(), shop) if SHOP.fullmatch(shop) else None

    return read


def serving(record: Mapping[str, Any]) -> Release:
    """Return the members of a stored release that serving needs, without reading the others at each cold start.

    Raises:
        Problem: 409, the record is from before 0.1.0.
    """
    if record.get("version") != stored.VERSION:
        raise Problem(409, f"The shop's release is not from version 0.1.0 or later: {REMEDY}.")
    filter_arn = record["datasetGroupArn"].replace(":dataset-group/", ":filter/")
    campaigns: Mapping[str, Mapping[str, Any]] = record["campaigns"]
    return Release(
        shop=record["shop"],
        tracking_id=record["trackingId"],
        dataset_group_arn=record["datasetGroupArn"],
        campaigns={alias: campaign["arn"] for alias, campaign in campaigns.items()},
        filters={name: f"{filter_arn}-{name}" for name in record["filters"]},
        metadata_columns=tuple(record["metadataColumns"]),
        context_columns=tuple(record["contextColumns"]),
        filter_parameters=record["filterParameters"],
        placements=record["placements"],
        lists=record.get("lists") or {},
        diversity=record["diversity"],
        without_metadata=frozenset(campaign["arn"] for campaign in campaigns.values() if campaign["metadata"] is False),
        hashed=frozenset(record.get("hashed", ())),
        actions=tuple(record.get("actions", ())),
        action_tracking_id=record.get("actionTrackingId", ""),
        fallback_tracking_id=record.get("fallbackTrackingId", ""),
        promoted=int(datetime.fromisoformat(record["promotedAt"]).timestamp()),
    )
