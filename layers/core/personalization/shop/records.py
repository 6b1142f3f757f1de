# SPDX-License-Identifier: Apache-2.0
"""A shop's records in the table of shops, whatever they are, by their sort keys; and DynamoDB's notation of values."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import false_on, translate_errors
from personalization.core.aws.pagination import paginate
from personalization.shop.release import Value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def get(client: "DynamoDBClient", table: str, shop: str, record: str, *, stale: bool = False) -> dict[str, Any] | None:
    """One record of a shop as it is now; `stale`, for half the price, perhaps as it was a moment ago."""
    key = _key(shop, record)
    with translate_errors(table):
        item = client.get_item(TableName=table, Key=key, ConsistentRead=not stale).get("Item")
    return unmarshal(item) if item else None


def query_prefix(client: "DynamoDBClient", table: str, shop: str, start: str) -> list[dict[str, Any]]:
    """The records of a shop whose sort keys begin with `start`, in their order."""
    with translate_errors(table):
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
    """The sort keys of all records of a shop, as they are now."""
    with translate_errors(table):
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
    """The records of all shops that fulfil a condition.

    Args:
        client, table: the table. condition: DynamoDB's expression.
        names, values: what stands in it for attributes' names, and for plain values.
        wanted: the attributes that are read, as DynamoDB writes them; all without it.
    """
    asked: dict[str, Any] = {"ProjectionExpression": wanted} if wanted else {}
    with translate_errors(table):
        items = paginate(
            client.scan,
            "Items",
            TableName=table,
            FilterExpression=condition,
            ExpressionAttributeNames=dict(names),
            ExpressionAttributeValues=marshal(values),
            **asked,
        )
        yield from map(unmarshal, items)


def put(client: "DynamoDBClient", table: str, record: Mapping[str, Value]) -> None:
    """Store a record of a shop, in place of the one before."""
    with translate_errors(table):
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
    """Store a record where the one before fulfils a condition; whether it did.

    Args:
        client, table: the table. record: what is stored.
        condition: DynamoDB's expression.
        names, values: what stands in it for attributes' names, and for plain values.
    """
    more: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
    more |= {"ExpressionAttributeValues": marshal(values)} if values else {}
    with translate_errors(table):
        return false_on(
            "ConditionalCheckFailedException",
            lambda: client.put_item(TableName=table, Item=marshal(record), ConditionExpression=condition, **more),
        )


def delete(client: "DynamoDBClient", table: str, shop: str, record: str) -> None:
    """Delete one of a shop's records; one that is not there is fine."""
    with translate_errors(table):
        client.delete_item(TableName=table, Key=_key(shop, record))


def marshal(record: Mapping[str, Value]) -> dict[str, Any]:
    """A record of plain values, as the table keeps it."""
    return {name: _wrap(value) for name, value in record.items()}


def unmarshal(item: Mapping[str, Any]) -> dict[str, Value]:
    """A record as the table keeps it, in plain values."""
    return {name: _unwrap(value) for name, value in item.items()}


def _key(shop: str, record: str) -> dict[str, Any]:
    return marshal({"shop": shop, "record": record})


def _wrap(value: Value) -> dict[str, Any]:
    """A value in DynamoDB's notation."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": {key: _wrap(each) for key, each in value.items()}}
    return {"L": [_wrap(each) for each in value]}


def _unwrap(value: Mapping[str, Any]) -> Value:
    ((kind, content),) = value.items()
    if kind == "M":
        return {key: _unwrap(each) for key, each in content.items()}
    if kind == "L":
        return [_unwrap(each) for each in content]
    if kind == "N":
        return int(content)
    plain: Value = content
    return None if kind == "NULL" else plain
