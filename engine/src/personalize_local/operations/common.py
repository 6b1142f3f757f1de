# SPDX-License-Identifier: Apache-2.0
"""Describe, List, Delete and tags for every kind of resource; pagination and quotas."""

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Final

from personalize_local.engine import HANDLERS, WORKS, Call, Engine, Json, Resource, operation, require_settled
from personalize_local.resources import kinds
from personalize_local.resources.kinds import Kind
from personalize_local.wire.errors import (
    InvalidInput,
    InvalidNextToken,
    LimitExceeded,
    ResourceInUse,
    TooManyTagKeys,
    TooManyTags,
)

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
    kind: Kind, users: Callable[[Engine, Resource], Iterable[Resource]] = lambda _engine, _resource: ()
) -> None:
    """Provide the Delete operation of a kind, which fails while another resource uses this one.

    Unless strict, a resource that is being deleted is no user any more; the deletion is carried out after its own.
    Call this after the work of the kind's deletion is registered.
    """
    removal = WORKS.get((kind.noun, kinds.DELETE))

    def delete(engine: Engine, _call: Call, request: Json) -> None:
        resource = require_settled(engine.registry.get(kind, request[kind.arn_member]))
        for user in users(engine, resource):
            if engine.options.strict or not user.deleting:
                raise ResourceInUse(f"{resource.arn} is used by {user.arn} ({user.status}).")
        engine.lifecycle.begin(resource, kinds.DELETE)

    async def remove(engine: Engine, resource: Resource) -> None:
        await engine.lifecycle.ended(user for user in users(engine, resource) if user.deleting)
        await (removal(engine, resource) if removal else engine.clock.sleep(engine.options.step_seconds))

    HANDLERS[f"Delete{kind.noun}"] = delete
    WORKS[kind.noun, kinds.DELETE] = remove


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
        raise InvalidNextToken("The nextToken does not come from this list.")
    return number


def tags_of(request: Json) -> dict[str, str]:
    return merged_tags({}, request.get("tags", []))


def merged_tags(present: dict[str, str], new: Iterable[dict[str, str]]) -> dict[str, str]:
    """Add tags to others; new values replace old ones. Raises TooManyTags, InvalidInput."""
    tags = present | {tag["tagKey"]: tag["tagValue"] for tag in new}
    if any(key.lower().startswith("aws:") for key in tags):
        raise InvalidInput("Tag keys that begin with aws: are reserved.")
    if len(tags) > MAX_TAGS:
        raise TooManyTags(f"A resource has at most {MAX_TAGS} tags.")
    return tags


@operation("TagResource")
def tag_resource(engine: Engine, _call: Call, request: Json) -> Json:
    """Add tags to a resource; a new value replaces the old one of its key."""
    resource = _taggable(engine, request)
    resource.body["tags"] = merged_tags(resource.body["tags"], request["tags"])
    engine.registry.save(resource)
    return {}


@operation("UntagResource")
def untag_resource(engine: Engine, _call: Call, request: Json) -> Json:
    resource = _taggable(engine, request)
    if len(request["tagKeys"]) > MAX_TAGS:
        raise TooManyTagKeys(f"A resource has at most {MAX_TAGS} tags to remove.")
    gone = set(request["tagKeys"])
    resource.body["tags"] = {key: value for key, value in resource.body["tags"].items() if key not in gone}
    engine.registry.save(resource)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(engine: Engine, _call: Call, request: Json) -> Json:
    tags: dict[str, str] = _taggable(engine, request).body["tags"]
    return {"tags": [{"tagKey": key, "tagValue": value} for key, value in tags.items()]}


def _taggable(engine: Engine, request: Json) -> Resource:
    resource = engine.registry.any(request["resourceArn"])
    if not resource.kind.taggable:
        raise InvalidInput(f"{resource.arn} cannot have tags.")
    return resource


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
    limit((resource for resource in resources if not resource.settled), most, "", words)


for _kind in kinds.KINDS.values():
    describes(_kind)
    HANDLERS[f"List{_kind.noun}s"] = partial(listed, _kind)
