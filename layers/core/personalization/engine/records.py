# SPDX-License-Identifier: Apache-2.0
"""The records of the engine's resources, in the table of shops: what AWS's describe operations answer, by ARN."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import holds
from personalization.shop.records import release_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


OWNER = "~engine"
"""The partition of the records; no shop can have this name."""
_TIMES = ("creationDateTime", "lastUpdatedDateTime")
Members = dict[str, Any]
"""Members of a resource by the names of AWS's API; times are seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one deployment; the client and the table's name come on first use."""

    client: "Callable[[], DynamoDBClient]"
    table: Callable[[], str]

    def get(self, kind: str, arn: str, *, stale: bool = False) -> Members | None:
        """Return a resource's members, or None if there is no such resource.

        Args:
            kind: the member of the API's answers that has such a resource, for example `solutionVersion`.
            arn: its ARN.
            stale: whether an eventually consistent read will do, at half the price.
        """
        record = release_store.get(self.client(), self.table(), OWNER, _sort_key(kind, arn), stale=stale)
        return json.loads(record["body"]) if record else None

    def listed(self, kind: str, start: str = "", **having: object) -> Iterator[Members]:
        """Yield the members of the resources of a kind that have some values of members.

        `start`: the beginning of their ARNs behind the account, which spares reading those of other shops.
        """
        for record in release_store.query_prefix(self.client(), self.table(), OWNER, f"{kind}#{start}"):
            members = json.loads(record["body"])
            if having.items() <= members.items():
                yield members


def create(records: Records, kind: str, arn: str, members: Members) -> bool:
    """Store a new resource; return False if it is there already."""
    return release_store.put_if(
        records.client(),
        records.table(),
        _record(kind, arn, members),
        "attribute_not_exists(#shop)",
        names={"#shop": "shop"},
    )


def put(records: Records, kind: str, arn: str, members: Members) -> None:
    """Store a resource, replacing an earlier state."""
    release_store.put(records.client(), records.table(), _record(kind, arn, members))


def replace(records: Records, kind: str, before: Members, after: Members, *made: tuple[str, Members]) -> bool:
    """Store a resource's next state together with new resources, by their kinds; return False, and store nothing, if
    the state before is no longer what it was, or one of the new ones is there already."""
    unchanged = {"ExpressionAttributeValues": release_store.marshal({":before": _body(before)})}
    parts: Any = [
        {"Put": {**_put(records, kind, after, "body = :before"), **unchanged}},
        *({"Put": _put(records, other, members, "attribute_not_exists(body)")} for other, members in made),
    ]
    return holds(records.client().transact_write_items, TransactItems=parts)


def delete(records: Records, kind: str, arn: str) -> None:
    """Delete a resource's record, if it exists."""
    release_store.delete(records.client(), records.table(), OWNER, _sort_key(kind, arn))


def _record(kind: str, arn: str, members: Members) -> dict[str, str]:
    return {"shop": OWNER, "record": _sort_key(kind, arn), "body": _body(members)}


def _put(records: Records, kind: str, members: Members, condition: str) -> dict[str, Any]:
    item = release_store.marshal(_record(kind, members[f"{kind}Arn"], members))
    return {"TableName": records.table(), "Item": item, "ConditionExpression": condition}


def _body(members: Members) -> str:
    return json.dumps(members)


def _sort_key(kind: str, arn: str) -> str:
    return f"{kind}#{arn.rpartition(':')[2]}"


def shown(members: Mapping[str, Any]) -> Members:
    """Return members as the API shows them: with times, and without what only the engine reads."""
    return {name: _shown(name, value) for name, value in members.items() if not name.startswith("_")}


def _shown(name: str, value: Any) -> Any:  # noqa: ANN401 - any member
    """Return a member as the API shows it; what it shows of another resource, such as its latest version, has times."""
    if isinstance(value, Mapping):
        return {inner: _shown(inner, part) for inner, part in value.items()}
    return datetime.fromtimestamp(value, UTC) if name in _TIMES else value
