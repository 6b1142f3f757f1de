# SPDX-License-Identifier: Apache-2.0
"""The bestsellers of a shop, which runs write: for popular lists, and the last fallback of all others."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from personalization.api.lists import ANONYMOUS
from personalization.core.errors import PersonalizationError
from personalization.personalize.runtime import Ask
from personalization.shop.records import release_store
from personalization.shop.records.release import Value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Items = Sequence[Mapping[str, Any]]
RECORD = "bestsellers"
"""The sort key of the record in the table of shops."""
LENGTH = 500
"""The most items of an answer."""
_MOST_SHOPS = 100


def instead(campaigns: Mapping[str, str]) -> Ask | None:
    """Return the question to a campaign (of ARNs by recipe alias) if a shop's whole history was never counted."""
    arn = campaigns.get("popularity-count") or campaigns.get("user-personalization")
    return Ask(arn, {"userId": ANONYMOUS, "numResults": LENGTH}) if arn else None


def record(shop: str, run: str, written_at: str, items: Sequence[str]) -> dict[str, Value]:
    """Return the record of `items`, best first; answers take their names from the table of items."""
    listed: list[Value] = [{"itemId": item} for item in items]
    return {"shop": shop, "record": RECORD, "run": run, "writtenAt": written_at, "items": listed}


class Bestsellers:
    """A cache of lists, which lasts as long as that of releases; while the table does not answer, old lists serve.

    `fetch` reads a shop's list from the table.
    """

    def __init__(self, fetch: Callable[[str], Items]) -> None:
        self._fetch = fetch
        self._lists: dict[str, tuple[float, Items]] = {}

    def get(self, shop: str, now: float) -> Items:
        """Return the bestsellers of a shop, best first; empty if no list is known."""
        until, items = self._lists.get(shop, (now, ()))
        if now < until:
            return items
        with suppress(PersonalizationError):
            items = self._fetch(shop)
        if len(self._lists) >= _MOST_SHOPS:
            self._lists.clear()
        seconds = release_store.REMEMBER_SECONDS if items else release_store.REMEMBER_NONE_SECONDS
        self._lists[shop] = (now + seconds, items)
        return items


def fetch(client: "Callable[[], DynamoDBClient]", table: Callable[[], str]) -> Callable[[str], Items]:
    """Return the function that reads a shop's list; its client is created on first use.

    One attempt is enough for it, because earlier calls have taken their time.
    """

    return lambda shop: read(client(), table(), shop)


def read(client: "DynamoDBClient", table: str, shop: str) -> Items:
    record = release_store.get(client, table, shop, RECORD, stale=True)
    return tuple(record["items"]) if record else ()
