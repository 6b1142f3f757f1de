# SPDX-License-Identifier: Apache-2.0
"""The bestsellers of a shop: what everybody is shown, and anybody when Personalize shows nothing. Runs write them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from personalization.api.lists import ANONYMOUS
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.personalize.runtime import Ask
from personalization.shop import records
from personalization.shop.release import Value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Items = Sequence[Mapping[str, Any]]
RECORD = "bestsellers"
"""The sort key of the record in the table of shops."""
LENGTH = 500
"""As many as an answer can have."""
_MOST_SHOPS = 100
RECORD_BYTES = 200_000
"""Bytes of columns in a record, of which DynamoDB takes 400 KB: items beyond it are listed without their columns."""


def instead(campaigns: Mapping[str, str]) -> Ask | None:
    """What a campaign is asked for the list of a shop whose whole history was never counted.

    Args:
        campaigns: ARNs by recipe alias.
    """
    arn = campaigns.get("popularity-count") or campaigns.get("user-personalization")
    return Ask(arn, {"userId": ANONYMOUS, "numResults": LENGTH}) if arn else None


def record(
    shop: str, run: str, written_at: str, items: Sequence[str], shown: Mapping[str, Mapping[str, str]]
) -> dict[str, Value]:
    """The record: `items` best first, with the columns that are shown of them, as far as there is room."""
    listed: list[Value] = []
    size = 0
    for item in items:
        more = {"metadata": shown[item]} if shown.get(item) else {}
        size += len(str(more).encode())
        listed.append({"itemId": item, **(more if size <= RECORD_BYTES else {})})
    return {"shop": shop, "record": RECORD, "run": run, "writtenAt": written_at, "items": listed}


class Bestsellers:
    """The lists, each remembered for as long as a release is; while the table does not answer, the old one serves on.

    Args:
        fetch: asks the table for a shop's list.
    """

    def __init__(self, fetch: Callable[[str], Items]) -> None:
        self._fetch = fetch
        self._known: dict[str, tuple[float, Items]] = {}

    def get(self, shop: str, now: float) -> Items:
        """The bestsellers of a shop, best first; none where no list is known."""
        until, items = self._known.get(shop, (now, ()))
        if now < until:
            return items
        with suppress(PersonalizationError):
            items = self._fetch(shop)
        if len(self._known) >= _MOST_SHOPS:
            self._known.clear()
        seconds = records.REMEMBER_SECONDS if items else records.REMEMBER_NONE_SECONDS
        self._known[shop] = (now + seconds, items)
        return items


def fetch(shop: str) -> Items:
    """Ask the table of this deployment, once: Personalize, and perhaps the table before, has had its time already."""
    return read(clients.dynamodb_once(), Environment().table, shop)


def read(client: "DynamoDBClient", table: str, shop: str) -> Items:
    """A shop's list, or none."""
    found = records.get(client, table, shop, RECORD, stale=True)
    return tuple(found["items"]) if found else ()
