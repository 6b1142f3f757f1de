# SPDX-License-Identifier: Apache-2.0
"""JSON Patch (RFC 6902) with JSON Pointers (RFC 6901), as UpdateResource of Cloud Control takes it."""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Value = Any
"""Any JSON value."""


def applied(document: Value, patch: object) -> Value:
    """Return a document with all operations of a patch applied; the document stays. Raises ValueError."""
    if not isinstance(patch, list):
        raise ValueError("A patch is a list of operations.")  # noqa: TRY004 - one error for whatever is wrong
    changed = copy.deepcopy(document)
    for operation in patch:
        act = _ACTS.get(str(operation.get("op"))) if isinstance(operation, Mapping) else None
        if act is None:
            raise ValueError(f"An operation of a patch has an op out of {', '.join(_ACTS)}.")
        changed = act(changed, operation)
    return changed


def _add(document: Value, operation: Mapping[str, Value]) -> Value:
    return _put(document, _path(operation, "path"), _value(operation))


def _remove(document: Value, operation: Mapping[str, Value]) -> Value:
    path = _path(operation, "path")
    if not path:
        raise ValueError("A patch cannot remove the whole document.")
    _resolved(document, path)
    holder, key = _resolved(document, path[:-1]), path[-1]
    del holder[int(key) if isinstance(holder, list) else key]
    return document


def _replace(document: Value, operation: Mapping[str, Value]) -> Value:
    path, value = _path(operation, "path"), _value(operation)
    _resolved(document, path)
    if not path:
        return value
    holder, key = _resolved(document, path[:-1]), path[-1]
    holder[int(key) if isinstance(holder, list) else key] = value
    return document


def _copy(document: Value, operation: Mapping[str, Value]) -> Value:
    value = copy.deepcopy(_resolved(document, _path(operation, "from")))
    return _put(document, _path(operation, "path"), value)


def _move(document: Value, operation: Mapping[str, Value]) -> Value:
    source, target = _path(operation, "from"), _path(operation, "path")
    if source != target and target[: len(source)] == source:
        raise ValueError("A patch cannot move a value into itself.")
    value = _resolved(document, source)
    return document if source == target else _put(_remove(document, {"path": operation["from"]}), target, value)


def _test(document: Value, operation: Mapping[str, Value]) -> Value:
    if not _same(_resolved(document, _path(operation, "path")), _value(operation)):
        raise ValueError(f"The value at {operation['path']} is another one than the patch tests for.")
    return document


_ACTS: Final[Mapping[str, Callable[[Value, Mapping[str, Value]], Value]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _value(operation: Mapping[str, Value]) -> Value:
    if "value" not in operation:
        raise ValueError(f"The operation {operation['op']} of a patch needs a value.")
    return copy.deepcopy(operation["value"])


def _path(operation: Mapping[str, Value], member: str) -> list[str]:
    pointer = operation.get(member)
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")) or re.search("~(?![01])", pointer):
        raise ValueError(f"{member} of a patch's operation is a JSON Pointer, not {pointer!r}.")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _resolved(document: Value, path: list[str]) -> Value:
    """Return the value at a path. Raises ValueError."""
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and re.fullmatch("0|[1-9][0-9]*", part) and int(part) < len(document):
            document = document[int(part)]
        else:
            raise ValueError(f"There is nothing at /{'/'.join(path)} to change.")
    return document


def _put(document: Value, path: list[str], value: Value) -> Value:
    """Add a value, into a list before what is there. Raises ValueError."""
    if not path:
        return value
    holder, key = _resolved(document, path[:-1]), path[-1]
    if isinstance(holder, dict):
        holder[key] = value
    elif isinstance(holder, list) and key == "-":
        holder.append(value)
    elif isinstance(holder, list) and re.fullmatch("0|[1-9][0-9]*", key) and int(key) <= len(holder):
        holder.insert(int(key), value)
    else:
        raise ValueError(f"Nothing can be added at /{'/'.join(path)}.")
    return document


def _same(value: Value, other: Value) -> bool:
    """Tell whether two values are equal in JSON, where true is not a number."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_same(member, other[key]) for key, member in value.items())
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_same, value, other))
    return bool(value == other)
