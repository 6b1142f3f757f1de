# SPDX-License-Identifier: Apache-2.0
"""The bestsellers in the table of shops, as answers read them; `selling` writes them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from personalization.api import bestsellers
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.shop import records, state

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Items = Sequence[Mapping[str, Any]]
_MOST_SHOPS = 100


class Lists:
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
        seconds = state.REMEMBER_SECONDS if items else state.REMEMBER_NONE_SECONDS
        self._known[shop] = (now + seconds, items)
        return items


def fetch(shop: str) -> Items:
    """Ask the table of this deployment, once: Personalize, and perhaps the table before, has had its time already."""
    return read(clients.dynamodb_once(), Environment().table, shop)


def read(client: "DynamoDBClient", table: str, shop: str) -> Items:
    """A shop's list, or none."""
    found = records.get(client, table, shop, bestsellers.RECORD, stale=True)
    return tuple(found["items"]) if found else ()
