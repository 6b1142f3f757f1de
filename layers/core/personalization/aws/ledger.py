# SPDX-License-Identifier: Apache-2.0
"""Claims and leases in the table of shops, by conditional writes; and the state machine's executions."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from personalization.aws.failures import about, code
from personalization.aws.state import plain, wrapped
from personalization.claims import KEPT_DAYS, PREFIX, Claim
from personalization.leases import RECORD, Lease

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

_RUNNING = {"RUNNING", "PENDING_REDRIVE"}


class DynamoLedger:
    """See `leases.Ledger`.

    Args:
        client: DynamoDB.
        table: the table of shops.
        now: the time, for when records expire.
    """

    def __init__(self, client: "DynamoDBClient", table: str, now: datetime) -> None:
        self._client = client
        self._table = table
        self._now = now

    def add(self, claim: Claim) -> Claim | None:
        """See Ledger."""
        if self._put(self._claim(claim), "attribute_not_exists(#record)", {}, {"#record": "record"}):
            return None
        with about(self._table):
            key = {"shop": {"S": claim.shop}, "record": {"S": PREFIX + claim.id}}
            found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return Claim.read(plain(found["Item"]))

    def claims(self, shop: str) -> list[Claim]:
        """See Ledger."""
        found: list[Claim] = []
        after: dict[str, Any] = {}
        while True:
            with about(self._table):
                page = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="#shop = :shop AND begins_with(#record, :prefix)",
                    ExpressionAttributeNames={"#shop": "shop", "#record": "record"},
                    ExpressionAttributeValues={":shop": {"S": shop}, ":prefix": {"S": PREFIX}},
                    ConsistentRead=True,
                    **after,
                )
            found += [Claim.read(plain(item)) for item in page["Items"]]
            if not page.get("LastEvaluatedKey"):
                return found
            after = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def move(self, seen: Claim, after: Claim) -> bool:
        """See Ledger."""
        values = {":state": seen.state, ":run": seen.run}
        return self._put(
            self._claim(after), "#state = :state AND #run = :run", values, {"#state": "state", "#run": "run"}
        )

    def lease(self, shop: str) -> Lease | None:
        """See Ledger."""
        with about(self._table):
            key = {"shop": {"S": shop}, "record": {"S": RECORD}}
            item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return Lease.read(plain(item)) if item else None

    def take(self, lease: Lease, over: Lease | None) -> bool:
        """See Ledger."""
        record = {**lease.as_json(), "record": RECORD, "ttl": int(lease.expires_at.timestamp())}
        owners = {":owner": lease.owner, ":other": over.owner if over else lease.owner}
        condition = "attribute_not_exists(#owner) OR #owner = :owner OR #owner = :other"
        return self._put(record, condition, owners, {"#owner": "owner"})

    def free(self, shop: str, owner: str) -> None:
        """See Ledger."""
        with about(self._table):
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key={"shop": {"S": shop}, "record": {"S": RECORD}},
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames={"#owner": "owner"},
                    ExpressionAttributeValues={":owner": {"S": owner}},
                )
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise

    def shops(self) -> list[str]:
        """See Ledger."""
        found: set[str] = set()
        after: dict[str, Any] = {}
        while True:
            with about(self._table):
                page = self._client.scan(
                    TableName=self._table,
                    FilterExpression="begins_with(#record, :prefix) AND #state IN (:pending, :taken)",
                    ProjectionExpression="#shop",
                    ExpressionAttributeNames={"#shop": "shop", "#record": "record", "#state": "state"},
                    ExpressionAttributeValues={
                        ":prefix": {"S": PREFIX},
                        ":pending": {"S": "pending"},
                        ":taken": {"S": "taken"},
                    },
                    **after,
                )
            found |= {item["shop"]["S"] for item in page["Items"]}
            if not page.get("LastEvaluatedKey"):
                return sorted(found)
            after = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _claim(self, claim: Claim) -> dict[str, Any]:
        expires = int((self._now + timedelta(days=KEPT_DAYS)).timestamp())
        return {**claim.as_json(), "record": PREFIX + claim.id, "ttl": expires}

    def _put(
        self, record: Mapping[str, Any], condition: str, values: Mapping[str, str], names: Mapping[str, str]
    ) -> bool:
        more: dict[str, Any] = {"ExpressionAttributeValues": wrapped(values)} if values else {}
        with about(self._table):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=wrapped(record),
                    ConditionExpression=condition,
                    ExpressionAttributeNames=dict(names),
                    **more,
                )
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise
                return False
        return True


class StateMachine:
    """See `leases.Executions`.

    Args:
        client: Step Functions.
        arn: the state machine's ARN.
    """

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def alive(self, arn: str) -> bool | None:
        """See Executions."""
        with about(arn):
            try:
                return self._client.describe_execution(executionArn=arn)["status"] in _RUNNING
            except ClientError as error:
                if code(error) != "ExecutionDoesNotExist":
                    raise
                return None

    def start(self, name: str, asked: Mapping[str, str]) -> None:
        """See Executions."""
        with about(self._arn):
            try:
                self._client.start_execution(stateMachineArn=self._arn, name=name, input=json.dumps(asked))
            except ClientError as error:
                if code(error) != "ExecutionAlreadyExists":
                    raise
