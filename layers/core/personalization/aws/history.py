# SPDX-License-Identifier: Apache-2.0
"""What the table of shops keeps of releases: the one that serves, those of before, and what was judged."""

from typing import TYPE_CHECKING, Any

from personalization.aws.failures import about
from personalization.aws.state import plain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def get(client: "DynamoDBClient", table: str, shop: str, record: str) -> dict[str, Any] | None:
    """One record of a shop by its sort key, as it is now."""
    with about(table):
        key = {"shop": {"S": shop}, "record": {"S": record}}
        item = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    return plain(item) if item else None


def beginning(client: "DynamoDBClient", table: str, shop: str, start: str) -> list[dict[str, Any]]:
    """The records of a shop whose sort keys begin with `start`, in their order."""
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        with about(table):
            page = client.query(
                TableName=table,
                KeyConditionExpression="#shop = :shop AND begins_with(#record, :start)",
                ExpressionAttributeNames={"#shop": "shop", "#record": "record"},
                ExpressionAttributeValues={":shop": {"S": shop}, ":start": {"S": start}},
                ConsistentRead=True,
                **after,
            )
        found += [plain(item) for item in page["Items"]]
        if not page.get("LastEvaluatedKey"):
            return found
        after = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
