# SPDX-License-Identifier: Apache-2.0
"""The bestsellers in the table of shops: written when a run is promoted, read when Personalize fails."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from personalization import bestsellers
from personalization.aws import clients, records, runtime, state
from personalization.environment import Environment
from personalization.errors import PersonalizationError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient

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


def write(
    client: "PersonalizeRuntimeClient",
    table: "DynamoDBClient",
    name: str,
    release: Mapping[str, Any],
) -> int:
    """Ask the campaigns of a release for the list and store it; returns its length.

    A promotion is never held up for it: where no campaign answers, the list before stays, and 0 is returned.
    """
    arns = {alias: str(each["arn"]) for alias, each in release["campaigns"].items()}
    try:
        answers = [
            runtime.served(runtime.recommend, client, ask).items
            for ask in bestsellers.asks(arns, release["metadataColumns"])
        ]
        if not answers or not answers[0]:
            return 0
        shop, run, at = release["shop"], release["run"], release["promotedAt"]
        records.put(table, name, bestsellers.record(shop, run, at, answers[0], answers[-1]))
    except PersonalizationError:
        return 0
    return len(answers[0])
