# SPDX-License-Identifier: Apache-2.0
"""Which visitor a user first was, in the table of users' events: before a login, a visitor is the unit of experiments.

The first event that names both is stored, so that users stay in the variants which they had as that visitor, on every
device. It is stored only while the shop has an experiment, has a digest in place of the visitor's id, and is deleted
with the user.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from personalization.core.aws.errors import holds
from personalization.core.errors import PersonalizationError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_SECONDS = 400 * 86_400
"""How long it is kept: as long as the figures of experiments."""
REMEMBER_SECONDS = 60.0
"""How long it is cached, and that there is none."""
REMEMBER_SILENCE_SECONDS = 5.0
"""The pause after a failure of the table."""
NOBODY = "none"
"""In place of a visitor's id in a request for lists: nothing that lasts names who asks."""
START = "@"
"""The start of the keys, which no other record of the table has."""
_EVENT = "visitor"
_MOST_CACHED = 10_000
_FORM = "[A-Za-z0-9_-]{21}[AQgw]"


def _good(text: str) -> str:
    if not re.fullmatch(_FORM, text):
        raise ValueError(
            "must be 128 random bits as base64url: 22 characters, without padding. Leave it out without one"
        )
    return text


def _good_or_nobody(text: str) -> str:
    return text if text == NOBODY else _good(text)


VisitorId = Annotated[str, AfterValidator(_good), WithJsonSchema({"type": "string", "pattern": f"^{_FORM}$"})]
"""A random id that a browser keeps."""
Visitor = Annotated[
    str, AfterValidator(_good_or_nobody), WithJsonSchema({"type": "string", "pattern": f"^({_FORM}|{NOBODY})$"})
]
"""The same in a request for lists, or `none`."""


def owner(shop: str, user: str) -> str:
    """Return the partition key of a user's record."""
    return f"{START}{shop}#{user}"


def put(client: "DynamoDBClient", table: str, shop: str, user: str, visitor: str, now: float) -> None:
    """Store the digest of a user's visitor, unless one is stored; `now` is in epoch seconds."""
    record: Any = {
        "shopper": {"S": owner(shop, user)},
        "event": {"S": _EVENT},
        "visitor": {"S": visitor},
        "ttl": {"N": str(int(now) + KEPT_SECONDS)},
    }
    holds(client.put_item, TableName=table, Item=record, ConditionExpression="attribute_not_exists(shopper)")


def fetch(client: "Callable[[], DynamoDBClient]", table: Callable[[], str]) -> Callable[[str, str], str]:
    """Return the function that reads the visitor of a shop's user; empty if there is none."""

    def read(shop: str, user: str) -> str:
        key: Any = {"shopper": {"S": owner(shop, user)}, "event": {"S": _EVENT}}
        item: Any = client().get_item(TableName=table(), Key=key).get("Item") or {}
        return str(item.get("visitor", {}).get("S", ""))

    return read


class FirstVisitors:
    """A cache of users' first visitors; while the table does not answer, what was known holds."""

    def __init__(self, fetch: Callable[[str, str], str]) -> None:
        self._fetch = fetch
        self._cached: dict[tuple[str, str], tuple[float, str]] = {}

    def get(self, shop: str, user: str, now: float) -> str:
        """Return the digest of the visitor that a user first was; empty where none is known.

        `now` is in seconds of a clock that only moves forward.
        """
        until, visitor = self._cached.get((shop, user), (now, ""))
        if now < until:
            return visitor
        try:
            visitor, until = self._fetch(shop, user), now + REMEMBER_SECONDS
        except PersonalizationError:
            until = now + REMEMBER_SILENCE_SECONDS
        if len(self._cached) >= _MOST_CACHED:
            self._cached.clear()
        self._cached[shop, user] = (until, visitor)
        return visitor


class Introductions:
    """Store each user's first visitor, once for a container; `put` takes shop, user, digest and epoch seconds."""

    def __init__(self, put: Callable[[str, str, str, float], None]) -> None:
        self._put = put
        self._stored: set[tuple[str, str]] = set()

    def note(self, shop: str, user: str, visitor: str, now: float) -> None:
        """Store it, unless an earlier one is stored; if the table does not answer, the next event tries again."""
        if (shop, user) in self._stored:
            return
        try:
            self._put(shop, user, visitor, now)
        except PersonalizationError:
            return
        if len(self._stored) >= _MOST_CACHED:
            self._stored.clear()
        self._stored.add((shop, user))
