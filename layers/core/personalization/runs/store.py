# SPDX-License-Identifier: Apache-2.0
"""Adaptors of runs: claims and leases in the table of shops, executions of the state machine, versions of drops."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import code, false_on, holds
from personalization.core.aws.pagination import pages
from personalization.core.errors import PersonalizationError
from personalization.core.names import UNVERSIONED
from personalization.runs.claims import KEPT_DAYS, NO_SHOP, PREFIX, Claim
from personalization.runs.leases import RECORD, Lease
from personalization.runs.lost_drops import REMEMBERED, Listed, Version
from personalization.shop.records import release_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

_RUNNING = {"RUNNING", "PENDING_REDRIVE"}
_REMOVED = "removed#"
_SWEPT = "swept"
MAX_PAGES = 100
"""The most pages that one sweep reads within its function's time; the next sweep continues."""


class DynamoLedger:
    """Implement `leases.Ledger` in the table of shops; the expiry of records counts from `now`."""

    def __init__(self, client: "DynamoDBClient", table: str, now: datetime) -> None:
        self._client = client
        self._table = table
        self._now = now
        self._put_if = partial(release_store.put_if, client, table)

    def add(self, claim: Claim) -> Claim | None:
        if self._put_if(self._claim(claim), "attribute_not_exists(#record)", names={"#record": "record"}):
            return None
        return Claim.read(release_store.get(self._client, self._table, claim.shop, PREFIX + claim.id))

    def claims(self, shop: str) -> list[Claim]:
        return [Claim.read(record) for record in release_store.query_prefix(self._client, self._table, shop, PREFIX)]

    def move(self, seen: Claim, after: Claim) -> bool:
        values = {":state": seen.state, ":run": seen.run}
        names = {"#state": "state", "#run": "run"}
        return self._put_if(self._claim(after), "#state = :state AND #run = :run", names=names, values=values)

    def lease(self, shop: str) -> Lease | None:
        record = release_store.get(self._client, self._table, shop, RECORD)
        return Lease.read(record) if record else None

    def take(self, lease: Lease, over: Lease | None) -> bool:
        record: dict[str, Any] = {**lease.as_json(), "ttl": int(lease.expires_at.timestamp())}
        stored = {name: value for name, value in record.items() if name not in {"shop", "next"}}
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in stored)
        names = {f"#{name}": name for name in stored}
        if lease.purpose == "erasure":
            change, names = f"{change} REMOVE #next", {**names, "#next": "next"}
        condition = "attribute_not_exists(#owner) OR #owner = :owner OR #owner = :other"
        values = {f":{name}": value for name, value in stored.items()}
        return self._change_lease(
            lease.shop, change, condition, names, {**values, ":other": over.owner if over else lease.owner}
        )

    def reserve(self, shop: str, erasure: str) -> bool:
        condition = "attribute_exists(#owner) AND #purpose = :run"
        names = {"#next": "next", "#owner": "owner", "#purpose": "purpose"}
        return self._change_lease(shop, "SET #next = :next", condition, names, {":next": erasure, ":run": "run"})

    def free(self, shop: str, owner: str) -> bool:
        return holds(
            lambda: self._client.delete_item(
                TableName=self._table,
                Key=self._lease_key(shop),
                ConditionExpression="#owner = :owner AND attribute_not_exists(#next)",
                ExpressionAttributeNames={"#owner": "owner", "#next": "next"},
                ExpressionAttributeValues={":owner": {"S": owner}},
            ),
        )

    def _change_lease(
        self, shop: str, change: str, condition: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> bool:
        return holds(
            lambda: self._client.update_item(
                TableName=self._table,
                Key=self._lease_key(shop),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeNames=dict(names),
                ExpressionAttributeValues=release_store.marshal(values),
            ),
        )

    def _lease_key(self, shop: str) -> Any:  # noqa: ANN401 - DynamoDB's notation
        return release_store.marshal({"shop": shop, "record": RECORD})

    def shops(self) -> list[str]:
        of_shops = release_store.scan(
            self._client,
            self._table,
            "begins_with(#record, :prefix) AND #state IN (:pending, :taken)",
            names={"#shop": "shop", "#record": "record", "#state": "state"},
            values={":prefix": PREFIX, ":pending": "pending", ":taken": "taken"},
            wanted="#shop",
        )
        return sorted({record["shop"] for record in of_shops})

    def removed(self, shop: str) -> datetime | None:
        record = release_store.get(self._client, self._table, NO_SHOP, _REMOVED + shop)
        return datetime.fromisoformat(str(record["at"])) if record else None

    def remove(self, shop: str) -> None:
        """Remember a removed shop for as long as the sweep looks for its drops."""
        expires = int((self._now + 2 * REMEMBERED).timestamp())
        record: dict[str, Any] = {
            "shop": NO_SHOP,
            "record": _REMOVED + shop,
            "at": self._now.isoformat(),
            "ttl": expires,
        }
        release_store.put(self._client, self._table, record)

    def swept_until(self) -> str:
        """Return the key from which the next sweep continues; "" if the last one reached the end."""
        record = release_store.get(self._client, self._table, NO_SHOP, _SWEPT)
        return str(record["key"]) if record else ""

    def sweep_on(self, key: str) -> None:
        """Remember the key from which the next sweep continues."""
        release_store.put(self._client, self._table, {"shop": NO_SHOP, "record": _SWEPT, "key": key})

    def _claim(self, claim: Claim) -> dict[str, Any]:
        expires = int((self._now + timedelta(days=KEPT_DAYS)).timestamp())
        return {**claim.as_json(), "record": PREFIX + claim.id, "ttl": expires}


class StateMachine:
    """Implement `leases.Executions` on Step Functions; `arn` is the state machine's."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def alive(self, arn: str) -> bool | None:
        try:
            return self._client.describe_execution(executionArn=arn)["status"] in _RUNNING
        except PersonalizationError as error:
            if code(error) != "ExecutionDoesNotExist":
                raise
            return None

    def start(self, name: str, request: Mapping[str, object]) -> None:
        false_on(
            "ExecutionAlreadyExists",
            lambda: self._client.start_execution(stateMachineArn=self._arn, name=name, input=json.dumps(request)),
        )


def list_recent(
    client: "S3Client", bucket: str, folder: str, since: datetime, after: str = "", most: int = MAX_PAGES
) -> tuple[tuple[Listed, ...], str]:
    """List dropped objects with recent versions, and the key from which the next call continues, or "".

    Deleted objects are left out, and so are objects written without versioning: nothing distinguishes two such writes.

    Args:
        client, bucket, folder: the folder to list.
        since: the time of the oldest relevant version.
        after: the key that the previous call returned.
        most: the most pages of a thousand versions to read.
    """
    versions: dict[str, list[Version]] = {}
    deleted: set[str] = set()
    last = ""
    onward = {"KeyMarker": after} if after else {}
    every = pages(client.list_object_versions, Bucket=bucket, Prefix=folder, **onward)
    for count, page in enumerate(every, start=1):
        for version in page.get("Versions", []):
            if version["LastModified"] >= since and version["VersionId"] != UNVERSIONED:
                versions.setdefault(version["Key"], []).append(Version(version["VersionId"], version["LastModified"]))
        markers = page.get("DeleteMarkers", [])
        deleted |= {marker["Key"] for marker in markers if marker["IsLatest"]}
        if count == most and page.get("IsTruncated"):
            # The remaining versions of this key have newer ones.
            last = max(version["Key"] for version in (*page.get("Versions", []), *markers))
            break
    found_objects = tuple(
        Listed(key, tuple(versions_of_key)) for key, versions_of_key in versions.items() if key not in deleted
    )
    return found_objects, last
