# SPDX-License-Identifier: Apache-2.0
"""The dataset groups that runs made for a shop: a group may be there that serves no release, or not any more."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from personalization.core.names import Backend, backend_of
from personalization.shop.records import release_store
from personalization.shop.records.release import RECORD

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GROUP = "group#"
"""The prefix of their sort keys; the backend follows."""
MadeOn = Callable[[str, Backend], bool]
"""Returns whether a run ever made a shop's dataset group on a backend."""


def note(client: "DynamoDBClient", table: str, shop: str, arn: str) -> None:
    """Record a shop's dataset group, before it is made.

    The release that serves may be from before there were these records: its group is recorded as well.
    """
    release = release_store.get(client, table, shop, RECORD)
    for group in {arn, str(release["datasetGroupArn"])} if release else {arn}:
        record = f"{GROUP}{backend_of(group)}"
        release_store.put(client, table, {"shop": shop, "record": record, "datasetGroupArn": group})


def backends(client: "DynamoDBClient", table: str, shop: str) -> frozenset[Backend]:
    """Return the backends on which a run ever made a shop's dataset group; none if no record tells."""
    noted = release_store.query_prefix(client, table, shop, GROUP)
    return frozenset(backend_of(group["datasetGroupArn"]) for group in noted)


def forget(client: "DynamoDBClient", table: str, shop: str) -> None:
    """Delete the records of a shop's dataset groups."""
    for group in release_store.query_prefix(client, table, shop, GROUP):
        release_store.delete(client, table, shop, group["record"])


def fetch(client: "Callable[[], DynamoDBClient]", table: Callable[[], str]) -> MadeOn:
    """Return the function that reads it; its client is created on first use."""
    return lambda shop, backend: release_store.get(client(), table(), shop, f"{GROUP}{backend}") is not None
