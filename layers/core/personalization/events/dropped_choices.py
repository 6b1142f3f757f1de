# SPDX-License-Identifier: Apache-2.0
"""What a drop of users says about personal lists: kept beside its import copy, and applied once that is imported.

The later word counts: what a drop says holds from the time of the drop, unless the user has chosen by the API since. A
drop that is applied after a newer one brings objections and takes none back.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from personalization.core.aws import errors
from personalization.core.aws.pagination import paginate
from personalization.events import objections
from personalization.events.objections import RECORD, Sets

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_APPLIED = "choices"
"""The sort key of the record of the newest drop whose choices were applied."""
_AT_ONCE_BYTES = 300_000
"""The most ids that one call adds to a set or takes out of it. A call costs as much as the whole set, up to 400 write
units, and the sets of a shop share the 1,000 a second of one partition: a million ids of 24 bytes take some 40 s."""
_IN_ORDER = 500_000
"""Users of a file that are sorted at a time, for the memory of a function."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a drop says of users of one part."""

    part: str
    objecting: frozenset[str]
    wanting: frozenset[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """How many objections come and go."""

    came: int
    went: int
    done: bool = True
    """Whether all choices are applied; another call goes on."""


def pack(choices: Iterator[tuple[str, bool]]) -> bytes:
    """Return users and whether they want personal lists as a file; many at a time are in the order of their parts."""
    file = BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        while some := list(islice(choices, _IN_ORDER)):
            lines = sorted(f"{objections.part_of(user)}{'+' if wanted else '-'}{user}\n" for user, wanted in some)
            packed.write("".join(lines).encode())
    return file.getvalue()


def unpack(data: bytes) -> Iterator[Choices]:
    """Yield the choices of a file by part; of a large file, some of a part at a time."""
    width = len(objections.part_of(""))
    with gzip.open(BytesIO(data), "rt", encoding="utf-8", newline="\n") as lines:
        for part, group in groupby((line[:-1] for line in lines), lambda line: line[:width]):
            words = [line[width:] for line in group]
            objecting = frozenset(word[1:] for word in words if word[0] == "-")
            yield Choices(part, objecting, frozenset(word[1:] for word in words if word[0] == "+"))


def count(read: Sets, shop: str, choices: Iterable[Choices]) -> Changes:
    """Return how many objections come and go, as things are."""
    records, came, went = read(shop, RECORD), 0, 0
    for choice in choices:
        members = _members(read, shop, choice.part, records)
        came, went = came + len(choice.objecting - members), went + len(choice.wanting & members)
    return Changes(came, went)


def apply(
    client: "DynamoDBClient",
    table: str,
    shop: str,
    choices: Iterable[Choices],
    at: float,
    *,
    has_time: Callable[[], bool],
) -> Changes:
    """Apply the choices of a drop of some time, and return what changed this time.

    It can be repeated, also where it was killed: what holds already is not written again. It ends early, after one
    write at least, once there is no time left.
    """
    newest = _newest(client, table, shop)
    read = objections.fetch(lambda: client, lambda: table, consistent=True)
    came, went = 0, 0
    for choice in choices:
        members = _members(read, shop, choice.part, read(shop, RECORD))
        said = _said_since(client, table, shop, choice.part, at)
        come = [user for user in choice.objecting - members if objections.choice_of(user) not in said]
        go = [user for user in choice.wanting & members if objections.choice_of(user) not in said]
        go = go if at >= newest else []
        for users, enabled in ((come, False), (go, True)):
            for some in _divided(users):
                objections.change(client, table, shop, choice.part, some, enabled=enabled)
                came, went = (came, went + len(some)) if enabled else (came + len(some), went)
                if not has_time():
                    return Changes(came, went, done=False)
        # Somebody may have chosen while this was written, or while a call wrote it that was killed.
        members = (members | {*come}).difference(go)
        after = _said_since(client, table, shop, choice.part, at)
        for user in choice.objecting | choice.wanting if after else ():
            wanted = after.get(objections.choice_of(user))
            if wanted is not None and wanted == (user in members):
                objections.change(client, table, shop, choice.part, [user], enabled=wanted)
    if at > newest:
        _note(client, table, shop, at)
    return Changes(came, went)


def _divided(users: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield users in calls of about the same size, as few as may be."""
    calls = -(-sum(len(user.encode()) for user in users) // _AT_ONCE_BYTES)
    for number in range(calls):
        yield users[len(users) * number // calls : len(users) * (number + 1) // calls]


def _members(read: Sets, shop: str, part: str, records: Iterable[str]) -> frozenset[str]:
    sets = [read(shop, record) for record in objections.records_of(part, records)]
    return frozenset[str]().union(*sets)


def _said_since(client: "DynamoDBClient", table: str, shop: str, part: str, at: float) -> dict[str, bool]:
    """Return what users of a part chose by the API since a time, by the keys of their records."""
    prefix = f"{objections.CHOICE}{part.removeprefix(f'{RECORD}#')}#"
    items: Any = paginate(
        client.query,
        "Items",
        TableName=table,
        KeyConditionExpression="shop = :shop AND begins_with(#record, :prefix)",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={":shop": {"S": shop}, ":prefix": {"S": prefix}},
        ConsistentRead=True,
    )
    return {item["record"]["S"]: item["enabled"]["BOOL"] for item in items if float(item["at"]["N"]) >= at}


def _newest(client: "DynamoDBClient", table: str, shop: str) -> float:
    key: Any = {"shop": {"S": shop}, "record": {"S": _APPLIED}}
    item: Any = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    return float(item["at"]["N"]) if item else 0.0


def _note(client: "DynamoDBClient", table: str, shop: str, at: float) -> None:
    errors.holds(
        client.update_item,
        TableName=table,
        Key={"shop": {"S": shop}, "record": {"S": _APPLIED}},
        UpdateExpression="SET #at = :at",
        ConditionExpression="attribute_not_exists(#at) OR #at < :at",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":at": {"N": f"{at:.3f}"}},
    )
