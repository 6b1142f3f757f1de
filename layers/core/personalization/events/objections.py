# SPDX-License-Identifier: Apache-2.0
"""Users who object to personalization, in the table of shops: they get bestsellers and are in no experiment.

A record holds a part of them by a hash of their ids, as a set that one call changes, so that 64 parts of 400 KB hold a
million. Where a part is full, another record goes on with it. The record `objections` names those that ever had a user:
where nobody objects, a container reads no other.

A drop of users tells choices as well, and is applied hours after it was made. What a user said in between holds, so a
choice of the API leaves a record of its time for as long as such a drop may come: see `dropped_choices`.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from personalization.core.errors import PersonalizationError, Rejected

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RECORD = "objections"
PARTS = 64
CHOICE = "choice#"
"""Begins the sort key of the record of when a user chose by the API."""
_KEPT_SECONDS = 30 * 86_400
"""How long that is kept: a drop of users is applied within days."""
_MOST_RECORDS = 100
"""Records of one part, at most."""
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


def records_of(part: str, records: Iterable[str]) -> list[str]:
    """Return which records have users of a part, of those that ever had a user."""
    return sorted(record for record in records if record == part or record.startswith(f"{part}."))


def choice_of(user: str) -> str:
    """Return the sort key of the record of when a user chose by the API."""
    digest = hashlib.sha256(user.encode(errors="replace")).hexdigest()
    return f"{CHOICE}{part_of(user).removeprefix(f'{RECORD}#')}#{digest[:32]}"


def put(client: "DynamoDBClient", table: str, shop: str, user: str, *, enabled: bool, now: float) -> None:
    """Store what a user chose by the API, and when; a repeated call changes nothing.

    Raises:
        PersonalizationError: the table does not answer; nothing may have changed, and the call can be repeated.
    """
    client.update_item(
        TableName=table,
        Key={"shop": {"S": shop}, "record": {"S": choice_of(user)}},
        UpdateExpression="SET enabled = :enabled, #at = :at, #ttl = :ttl",
        ExpressionAttributeNames={"#at": "at", "#ttl": "ttl"},
        ExpressionAttributeValues={
            ":enabled": {"BOOL": enabled},
            ":at": {"N": f"{now:.3f}"},
            ":ttl": {"N": str(int(now) + _KEPT_SECONDS)},
        },
    )
    change(client, table, shop, part_of(user), [user], enabled=enabled)


def change(
    client: "DynamoDBClient", table: str, shop: str, part: str, users: Collection[str], *, enabled: bool
) -> None:
    """Let users of a part have personal lists, or none; a repeated call changes nothing."""
    if enabled:
        # A user may be in two records, where one of them was full and is not any more.
        for record in {part, *records_of(part, _members(client, table, shop, RECORD, consistent=True))}:
            _change(client, table, shop, record=record, action="DELETE", members=users)
        return
    record = _added(client, table, shop, part, users)
    # Afterwards: a record that nobody knows of hides no one, and the caller repeats what was not answered.
    _change(client, table, shop, record=RECORD, action="ADD", members=[record])


def _added(client: "DynamoDBClient", table: str, shop: str, part: str, users: Collection[str]) -> str:
    """Add users to the first record of a part that has room for them, and return it."""
    for number in range(_MOST_RECORDS - 1):
        record = f"{part}.{number}" if number else part
        try:
            _change(client, table, shop, record=record, action="ADD", members=users)
        except Rejected:
            # The item would be larger than 400 KB: DynamoDB calls that a request that is not valid.
            continue
        return record
    _change(client, table, shop, record=f"{part}.{_MOST_RECORDS - 1}", action="ADD", members=users)
    return f"{part}.{_MOST_RECORDS - 1}"


def _change(
    client: "DynamoDBClient", table: str, shop: str, *, record: str, action: str, members: Collection[str]
) -> None:
    client.update_item(
        TableName=table,
        Key={"shop": {"S": shop}, "record": {"S": record}},
        UpdateExpression=f"{action} members :members",
        ExpressionAttributeValues={":members": {"SS": [*members]}},
    )


def _members(
    client: "DynamoDBClient", table: str, shop: str, record: str, *, consistent: bool = False
) -> frozenset[str]:
    key: Any = {"shop": {"S": shop}, "record": {"S": record}}
    item: Any = client.get_item(TableName=table, Key=key, ConsistentRead=consistent).get("Item") or {}
    return frozenset(item.get("members", {}).get("SS", ()))


def fetch(client: "Callable[[], DynamoDBClient]", table: Callable[[], str], *, consistent: bool = False) -> Sets:
    """Return the function that reads a record; its client is created on first use."""
    return lambda shop, record: _members(client(), table(), shop, record, consistent=consistent)


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
        sets = (self._get(shop, record, now) for record in records_of(part_of(user), parts))
        return any(users is None or user in users for users in sets)

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
