# SPDX-License-Identifier: Apache-2.0
"""Claims and leases in the table of shops, by conditional writes; and the state machine's executions."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from personalization.aws import records
from personalization.aws.failures import about, code, unless
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
        self._put_if = partial(records.put_if, client, table)

    def add(self, claim: Claim) -> Claim | None:
        """See Ledger."""
        if self._put_if(self._claim(claim), "attribute_not_exists(#record)", names={"#record": "record"}):
            return None
        return Claim.read(records.get(self._client, self._table, claim.shop, PREFIX + claim.id))

    def claims(self, shop: str) -> list[Claim]:
        """See Ledger."""
        return [Claim.read(each) for each in records.beginning(self._client, self._table, shop, PREFIX)]

    def move(self, seen: Claim, after: Claim) -> bool:
        """See Ledger."""
        values = {":state": seen.state, ":run": seen.run}
        names = {"#state": "state", "#run": "run"}
        return self._put_if(self._claim(after), "#state = :state AND #run = :run", names=names, values=values)

    def lease(self, shop: str) -> Lease | None:
        """See Ledger."""
        record = records.get(self._client, self._table, shop, RECORD)
        return Lease.read(record) if record else None

    def take(self, lease: Lease, over: Lease | None) -> bool:
        """See Ledger."""
        record: dict[str, Any] = {**lease.as_json(), "record": RECORD, "ttl": int(lease.expires_at.timestamp())}
        owners = {":owner": lease.owner, ":other": over.owner if over else lease.owner}
        condition = "attribute_not_exists(#owner) OR #owner = :owner OR #owner = :other"
        return self._put_if(record, condition, names={"#owner": "owner"}, values=owners)

    def free(self, shop: str, owner: str) -> None:
        """See Ledger."""
        with about(self._table):
            unless(
                "ConditionalCheckFailedException",
                lambda: self._client.delete_item(
                    TableName=self._table,
                    Key={"shop": {"S": shop}, "record": {"S": RECORD}},
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames={"#owner": "owner"},
                    ExpressionAttributeValues={":owner": {"S": owner}},
                ),
            )

    def shops(self) -> list[str]:
        """See Ledger."""
        found = records.scanned(
            self._client,
            self._table,
            "begins_with(#record, :prefix) AND #state IN (:pending, :taken)",
            names={"#shop": "shop", "#record": "record", "#state": "state"},
            values={":prefix": PREFIX, ":pending": "pending", ":taken": "taken"},
            wanted="#shop",
        )
        return sorted({each["shop"] for each in found})

    def _claim(self, claim: Claim) -> dict[str, Any]:
        expires = int((self._now + timedelta(days=KEPT_DAYS)).timestamp())
        return {**claim.as_json(), "record": PREFIX + claim.id, "ttl": expires}


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
            unless(
                "ExecutionAlreadyExists",
                lambda: self._client.start_execution(stateMachineArn=self._arn, name=name, input=json.dumps(asked)),
            )
