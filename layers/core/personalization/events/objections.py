# SPDX-License-Identifier: Apache-2.0
"""Users who object to personalization, in the table of shops: they get bestsellers and are in no experiment.

A record holds a part of them by a hash of their ids, as a set that one call changes, so that 64 parts of 400 KB hold a
million. The record `objections` names the parts that ever had one: where nobody objects, a container reads no other.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from personalization.core.errors import PersonalizationError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RECORD = "objections"
PARTS = 64
REMEMBER_SECONDS = 60.0
"""How long a part is cached, so that an objection holds everywhere within a minute."""
REMEMBER_SILENCE_SECONDS = 5.0
"""The pause after a failure of the table."""
_MOST_CACHED = 4_096
Sets = Callable[[str, str], frozenset[str]]
"""Returns the members of a shop's record."""


def part_of(user: str) -> str:
    """Return the sort key of the record that has a user."""
    digest = hashlib.sha256(user.encode(errors="replace")).digest()
    return f"{RECORD}#{digest[0] % PARTS:02x}"


def put(client: "DynamoDBClient", table: str, shop: str, user: str, *, enabled: bool) -> None:
    """Store whether a user's answers are personalized; a repeated call changes nothing.

    Raises:
        PersonalizationError: the table does not answer; nothing may have changed, and the call can be repeated.
    """
    part = part_of(user)
    if enabled:
        _change(client, table, shop, record=part, action="DELETE", member=user)
        return
    _change(client, table, shop, record=part, action="ADD", member=user)
    # Afterwards: a part that nobody knows of hides no one, and the caller repeats what was not answered.
    _change(client, table, shop, record=RECORD, action="ADD", member=part)


def _change(client: "DynamoDBClient", table: str, shop: str, *, record: str, action: str, member: str) -> None:
    client.update_item(
        TableName=table,
        Key={"shop": {"S": shop}, "record": {"S": record}},
        UpdateExpression=f"{action} members :members",
        ExpressionAttributeValues={":members": {"SS": [member]}},
    )


def fetch(client: "Callable[[], DynamoDBClient]", table: Callable[[], str]) -> Sets:
    """Return the function that reads a record; its client is created on first use."""

    def read(shop: str, record: str) -> frozenset[str]:
        key: Any = {"shop": {"S": shop}, "record": {"S": record}}
        item: Any = client().get_item(TableName=table(), Key=key).get("Item") or {}
        return frozenset(item.get("members", {}).get("SS", ()))

    return read


class Objections:
    """A cache of the users who object; while the table does not answer, what was known holds."""

    def __init__(self, fetch: Sets) -> None:
        self._fetch = fetch
        self._cached: dict[tuple[str, str], tuple[float, frozenset[str] | None]] = {}

    def has(self, shop: str, user: str, now: float) -> bool:
        """Return whether a user objects; `now` is in seconds of a clock that only moves forward.

        True where that is unknown: a list of bestsellers harms nobody, and a personal one may be what they refused.
        """
        parts = self._get(shop, RECORD, now)
        if parts is None:
            return True
        part = part_of(user)
        if part not in parts:
            return False
        users = self._get(shop, part, now)
        return users is None or user in users

    def _get(self, shop: str, record: str, now: float) -> frozenset[str] | None:
        until, members = self._cached.get((shop, record), (now, None))
        if now < until:
            return members
        try:
            members, until = self._fetch(shop, record), now + REMEMBER_SECONDS
        except PersonalizationError:
            until = now + REMEMBER_SILENCE_SECONDS
        if len(self._cached) >= _MOST_CACHED:
            self._cached.clear()
        self._cached[shop, record] = (until, members)
        return members
