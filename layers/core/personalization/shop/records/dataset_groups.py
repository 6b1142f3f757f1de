# SPDX-License-Identifier: Apache-2.0
"""The dataset groups that runs made for a shop: a group may be there that serves no release, or not any more."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from personalization.core.names import Backend, backend_of
from personalization.shop.records import release_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GROUP = "group#"
"""The prefix of their sort keys; the backend follows."""
MadeOn = Callable[[str, Backend], bool]
"""Returns whether a run ever made a shop's dataset group on a backend."""


def note(client: "DynamoDBClient", table: str, shop: str, arn: str) -> None:
    """Record a shop's dataset group, before it is made."""
    record = f"{GROUP}{backend_of(arn)}"
    release_store.put(client, table, {"shop": shop, "record": record, "datasetGroupArn": arn})


def fetch(client: "Callable[[], DynamoDBClient]", table: Callable[[], str]) -> MadeOn:
    """Return the function that reads it; its client is created on first use."""
    return lambda shop, backend: release_store.get(client(), table(), shop, f"{GROUP}{backend}") is not None
