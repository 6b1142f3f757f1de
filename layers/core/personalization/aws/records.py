# SPDX-License-Identifier: Apache-2.0
"""A shop's records in the table of shops, whatever they are, by their sort keys."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from personalization.aws.failures import about

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def records(client: "DynamoDBClient", table: str, shop: str) -> tuple[str, ...]:
    """The sort keys of a shop's records, as they are now."""
    return tuple(_records(client, table, shop))


def _records(client: "DynamoDBClient", table: str, shop: str) -> Iterator[str]:
    after: dict[str, Any] = {}
    while True:
        with about(table):
            page = client.query(
                TableName=table,
                KeyConditionExpression="#shop = :shop",
                ProjectionExpression="#record",
                ExpressionAttributeNames={"#shop": "shop", "#record": "record"},
                ExpressionAttributeValues={":shop": {"S": shop}},
                ConsistentRead=True,
                **after,
            )
        yield from (item["record"]["S"] for item in page["Items"])
        if not page.get("LastEvaluatedKey"):
            return
        after = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def forget(client: "DynamoDBClient", table: str, shop: str, record: str) -> None:
    """Delete one of a shop's records; one that is not there is fine."""
    with about(table):
        client.delete_item(TableName=table, Key={"shop": {"S": shop}, "record": {"S": record}})
