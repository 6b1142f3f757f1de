# SPDX-License-Identifier: Apache-2.0
"""Cache release records from the table of shops for a minute in each process."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import RetryLater
from personalization.core.problems import Problem
from personalization.shop import records
from personalization.shop.keys import SHOP
from personalization.shop.release import RECORD, Release

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REMEMBER_SECONDS = 60.0
"""How long a release is used before it is read again."""
REMEMBER_NONE_SECONDS = 5.0
"""How long the absence of a shop is cached."""
_MOST_SHOPS = 1_000


def get_release(client: "DynamoDBClient", table: str, shop: str) -> Release | None:
    """Return a shop's release record, or None if nothing was ever promoted."""
    record = records.get(client, table, shop, RECORD, stale=True)
    return _release(record) if record else None


class Releases:
    """Release records, cached in the process.

    A record is read again after a minute; while the table does not answer, the old one serves.

    Args:
        fetch: reads a shop's release from the table.
    """

    def __init__(self, fetch: Callable[[str], Release | None]) -> None:
        self._fetch = fetch
        self._known: dict[str, tuple[float, Release | None]] = {}

    def get(self, shop: str, now: float) -> Release:
        """Return the release of a shop.

        Args:
            shop: its name.
            now: seconds of a clock that only moves forward.

        Raises:
            Problem: 404, there is none.
            RetryLater: the table does not answer and nothing is cached.
        """
        release = self._get(shop, now)
        if release is None:
            raise Problem(404, "There is no such shop, or nothing of it was promoted yet.")
        return release

    def _get(self, shop: str, now: float) -> Release | None:
        until, release = self._known.get(shop, (0.0, None))
        if shop in self._known and now < until:
            return release
        try:
            release = self._fetch(shop)
        except RetryLater:
            if release is None:
                raise
        if len(self._known) >= _MOST_SHOPS:
            self._known.clear()
        self._known[shop] = (now + (REMEMBER_SECONDS if release else REMEMBER_NONE_SECONDS), release)
        return release


def fetch(shop: str) -> Release | None:
    """Read a release from this deployment's table, unless no shop can have this name."""
    return get_release(clients.dynamodb(), Environment().table, shop) if SHOP.fullmatch(shop) else None


def fetch_once(shop: str) -> Release | None:
    """Read a release without retries, for callers with little time."""
    return get_release(clients.dynamodb_once(), Environment().table, shop) if SHOP.fullmatch(shop) else None


def _release(record: Mapping[str, Any]) -> Release:
    return Release(
        shop=record["shop"],
        tracking_id=record["trackingId"],
        dataset_group_arn=record["datasetGroupArn"],
        campaigns={alias: campaign["arn"] for alias, campaign in record["campaigns"].items()},
        filters=tuple(record["filters"]),
        metadata_columns=tuple(record["metadataColumns"]),
        # Releases from before placements have none of these.
        context_columns=tuple(record.get("contextColumns", ())),
        filter_parameters=record.get("filterParameters", {}),
        placements=record.get("placements", {}),
        # An entry of an older release leaves it open.
        without_metadata=frozenset(
            each["arn"] for each in record["campaigns"].values() if each.get("metadata") is False
        ),
    )
