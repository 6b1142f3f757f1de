# SPDX-License-Identifier: Apache-2.0
"""What a new description of the API takes away from callers of the one before: changes that break them.

A caller may send all that it could send, and still finds all that an answer promised. So what is *sent* (parameters,
request bodies) may be widened and never narrowed, and what is *answered* the other way round. New routes, new optional
members and new values of an answer's enum are no break: callers ignore what they don't know.
"""

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")


def breaking(old: Json, new: Json) -> list[str]:
    """Each break as a sentence with its place; none where callers of `old` can go on with `new`."""
    problems: list[str] = []
    before, now = (_inlined(document) for document in (old, new))
    for path, operations in before.items():
        for method, operation in operations.items():
            where, today = f"{method.upper()} {path}", now.get(path, {}).get(method)
            problems += _operation(where, operation, today) if today else [f"{where} is gone"]
    return problems


def _inlined(document: Json) -> Json:
    """The document's paths, with every reference replaced by what it names (none names itself)."""
    schemas = document["components"]["schemas"]

    def inline(entry: Json) -> Json:
        return (
            json.loads(json.dumps(schemas[entry["$ref"].rpartition("/")[2]]), object_hook=inline)
            if "$ref" in entry
            else entry
        )

    paths: Json = json.loads(json.dumps(document["paths"]), object_hook=inline)
    return paths


def _operation(where: str, old: Json, new: Json) -> Iterator[str]:
    ways = [set(way) for way in new.get("security", [{}])]
    for way in old.get("security", [{}]):
        if not any(needed <= set(way) for needed in ways):
            yield f"{where} no longer lets {' and '.join(way) or 'anybody'} in"
    yield from _parameters(where, old, new)
    before, now = old.get("requestBody", {}), new.get("requestBody", {})
    if now.get("required") and not before.get("required"):
        yield f"{where} needs a body now"
    yield from _contents(f"{where} body", before, now, sent=True)
    for status, response in old["responses"].items():
        if status in new["responses"]:
            yield from _contents(f"{where} {status}", response, new["responses"][status], sent=False)
        else:
            yield f"{where} no longer answers {status}"


def _parameters(where: str, old: Json, new: Json) -> Iterator[str]:
    before, now = ({(p["in"], p["name"]): p for p in side.get("parameters", [])} for side in (old, new))
    for key, parameter in now.items():
        if parameter.get("required") and not before.get(key, {}).get("required"):
            yield f"{where} needs {key[1]} now"
    for key, parameter in before.items():
        if key in now:
            yield from _schema(f"{where} {key[1]}", parameter["schema"], now[key]["schema"], sent=True)
        else:
            yield f"{where} no longer takes {key[1]}"


def _contents(where: str, old: Json, new: Json, *, sent: bool) -> Iterator[str]:
    for kind, media in old.get("content", {}).items():
        if kind in new.get("content", {}):
            now = new["content"][kind]
            yield from _schema(where, media.get("schema", {}), now.get("schema", {}), sent=sent)
        else:
            yield f"{where} is no longer {kind}"


def _schema(where: str, old: Json, new: Json, *, sent: bool) -> Iterator[str]:
    """Two schemas of one place; `sent`: the caller writes it, else the caller reads it."""
    accepted, given = (new, old) if sent else (old, new)
    yield from (f"{where} {what}" for what in _narrower(accepted, given, sent=sent))
    for name, schema in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield from _schema(f"{where}.{name}", schema, new["properties"][name], sent=sent)
        elif not sent or new.get("additionalProperties") is False:
            yield f"{where}.{name} is gone"
    for name in sorted(set(accepted.get("required", [])) - set(given.get("required", []))):
        if sent or name in new.get("properties", {}):
            yield f"{where}.{name} is {'needed now' if sent else 'no longer promised'}"
    for inner in ("items", "additionalProperties"):
        if isinstance(old.get(inner), dict) and isinstance(new.get(inner), dict):
            yield from _schema(f"{where}[]", old[inner], new[inner], sent=sent)


def _narrower(accepted: Json, given: Json, *, sent: bool) -> Iterator[str]:
    """Why a value that `given` allows may not be one that `accepted` allows."""
    strange = sorted(_types(given) - _types(accepted))
    if strange and "any" not in _types(accepted):
        yield f"may not be {', '.join(strange)} any more" if sent else f"may be {', '.join(strange)} now"
    if sent and "enum" in accepted and not set(given.get("enum", [None])) <= set(accepted["enum"]):
        yield f"takes only {accepted['enum']} now"
    if sent and accepted.get("pattern") not in {None, given.get("pattern")}:
        yield f"has the pattern {accepted['pattern']} now"
    beyond = [word for word in UPPER if given.get(word, float("inf")) > accepted.get(word, float("inf"))]
    below = [word for word in LOWER if given.get(word, float("-inf")) < accepted.get(word, float("-inf"))]
    for word in beyond + below:
        yield f"has {word} {accepted[word]} now" if sent else f"had {word} {accepted[word]}"


def _types(schema: Json) -> set[str]:
    if "anyOf" in schema:
        return set().union(*(_types(choice) for choice in schema["anyOf"]))
    kind = schema.get("type", "object" if "properties" in schema else "any")
    kinds = set(kind) if isinstance(kind, list) else {kind}
    return kinds | {"integer"} if "number" in kinds else kinds
