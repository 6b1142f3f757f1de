# SPDX-License-Identifier: Apache-2.0
"""Describe, List and Delete for every kind of resource; pagination, tags and quotas."""

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Final

from personalize_local.engine import HANDLERS, Engine, require_settled
from personalize_local.resources import kinds
from personalize_local.resources.kinds import Call, Kind
from personalize_local.resources.registry import Resource
from personalize_local.wire.errors import InvalidInput, InvalidNextToken, LimitExceeded, ResourceInUse, TooManyTags
from personalize_local.wire.protocol import Json

PAGE: Final = 100
MAX_TAGS: Final = 50


def describes(kind: Kind, view: Callable[[Engine, Resource], Json] = lambda _engine, resource: resource.body) -> None:
    def describe(engine: Engine, _call: Call, request: Json) -> Json:
        return {kind.member: view(engine, engine.registry.get(kind, request[kind.arn_member]))}

    HANDLERS[f"Describe{kind.noun}"] = describe


def listed(
    kind: Kind, engine: Engine, call: Call, request: Json, *, member: str = "", newest_first: bool = False
) -> Json:
    """Return a page of the resources of a kind in this account and region, by parent if the request names one.

    `member` holds the parent's ARN, if it is not the request's own member.
    """
    parent = {member or kind.parent: request[kind.parent]} if kind.parent in request else {}
    rows = [(resource.number, resource.body) for resource in engine.registry.find(kind, call.prefix, **parent)]
    if newest_first:
        rows = [(-number, body) for number, body in reversed(rows)]
    return page(kind.list_member, rows, request, f"{kind.noun} {call.prefix} {parent}")


def deletes(
    kind: Kind, blocked_by: Callable[[Engine, Resource], Iterable[Resource]] = lambda _engine, _resource: ()
) -> None:
    """Provide the Delete operation of a kind, unless some resources prevent it."""

    def delete(engine: Engine, _call: Call, request: Json) -> None:
        resource = require_settled(engine.registry.get(kind, request[kind.arn_member]))
        if blocking := next(iter(blocked_by(engine, resource)), None):
            raise ResourceInUse(f"{resource.arn} is used by {blocking.arn} ({blocking.status}).")
        engine.lifecycle.begin(resource, kinds.DELETE)

    HANDLERS[f"Delete{kind.noun}"] = delete


def page(member: str, rows: Sequence[tuple[int, Json]], request: Json, scope: str) -> Json:
    """Return one page of rows with ascending numbers. Raises InvalidNextToken."""
    after = _opened(request["nextToken"], scope) if "nextToken" in request else -math.inf
    size = request.get("maxResults", PAGE)
    rest = list(islice((row for row in rows if row[0] > after), size + 1))
    more = {"nextToken": _sealed(rest[size - 1][0], scope)} if len(rest) > size else {}
    return {member: [body for _, body in rest[:size]]} | more


def _sealed(number: int, scope: str) -> str:
    seal = hashlib.sha256(f"{number} {scope}".encode()).hexdigest()[:24]
    return base64.urlsafe_b64encode(f"{seal}{number}".encode()).decode()


def _opened(token: str, scope: str) -> int:
    try:
        number = int(base64.urlsafe_b64decode(token)[24:])
    except ValueError:
        number = 0
    if token != _sealed(number, scope):
        raise InvalidNextToken("The nextToken is not one that this list gave out.")
    return number


def tags_of(request: Json) -> dict[str, str]:
    """Return the tags of a create request. Raises TooManyTags, InvalidInput."""
    return merged_tags({}, request.get("tags", []))


def merged_tags(present: dict[str, str], new: Iterable[dict[str, str]]) -> dict[str, str]:
    """Add tags to others; new values replace old ones. Raises TooManyTags, InvalidInput."""
    tags = present | {tag["tagKey"]: tag["tagValue"] for tag in new}
    if any(key.lower().startswith("aws:") for key in tags):
        raise InvalidInput("Tag keys that begin with aws: are reserved.")
    if len(tags) > MAX_TAGS:
        raise TooManyTags(f"A resource has at most {MAX_TAGS} tags.")
    return tags


def limit(
    resources: Iterable[Resource],
    most: int,
    what: str,
    words: str = "More than {most} {what}. Delete some and try again.",
) -> None:
    """Enforce a quota. Raises LimitExceeded if there are that many already."""
    if sum(1 for _ in resources) >= most:
        raise LimitExceeded(words.format(most=most, what=what))


def limit_jobs(
    resources: Iterable[Resource],
    most: int,
    words: str = "More than {most} resources with PENDING or IN_PROGRESS status.",
) -> None:
    """Enforce a quota of unsettled resources; the default words are those of AWS for imports."""
    limit((each for each in resources if not each.settled), most, "", words)


for _kind in kinds.KINDS.values():
    describes(_kind)
    HANDLERS[f"List{_kind.noun}s"] = partial(listed, _kind)
