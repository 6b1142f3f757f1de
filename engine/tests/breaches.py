# SPDX-License-Identifier: Apache-2.0
"""Requests that break one rule of their model, derived from the models: every member, every way to get it wrong."""

import copy
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from personalize_local.wire.protocol import python_pattern

from engine.tests.calls import MODELS, Json
from engine.tests.names import ACCOUNT, ROLE

MemberPath = tuple[str | int, ...]
"""Where a value is in a request: names of members, and positions in lists."""
_TEXTS = {
    "schema": "{}",
    "datasettype": "Interactions",
    "schedulingexpression": "rate(7 days)",
    "itemattribute": "PRICE",
}


@dataclass(frozen=True)
class Breach:
    """One wrong value in an otherwise valid request."""

    operation: str
    request: Json
    path: MemberPath
    rule: str

    @property
    def member(self) -> str:
        """The member that error messages name first: `eventList.1.member.itemId`; of a list or map of texts, itself."""
        shape: Shape | None = MODELS[self.operation].input_shape
        text = ""
        for step in self.path:
            if isinstance(shape, StructureShape):
                shape, text = shape.members[str(step)], f"{text}.{step}"
            elif isinstance(shape, ListShape) and isinstance(shape.member, StructureShape):
                shape, text = shape.member, f"{text}.1.member"
        return text.removeprefix(".")


def whole(operation: str) -> Json:
    """Return a request with every member of an operation, each as its model wants it; its ARNs name nothing."""
    request = _sample(MODELS[operation].input_shape, "")
    return request if isinstance(request, dict) else {}


def breaches(operation: str) -> Iterator[Breach]:
    """Yield each way to break the model of an operation."""
    shape, request = MODELS[operation].input_shape, whole(operation)
    for path, inner in places(operation):
        for rule, value in _wrong(inner):
            yield Breach(operation, with_value(request, path, value), path, rule)
    for path in _required(shape, request, ()):
        yield Breach(operation, with_value(request, path, None), path, "is required")


def places(operation: str) -> Iterator[tuple[MemberPath, Shape]]:
    """Yield every place of a whole request, with its shape."""
    yield from _places(MODELS[operation].input_shape, whole(operation), ())


def arn_members(operation: str) -> list[str]:
    """Return the members of a request that hold an ARN of Amazon Personalize."""
    shape = MODELS[operation].input_shape
    names = shape.members if isinstance(shape, StructureShape) else {}
    return [name for name in names if name.endswith("Arn") and name not in {"roleArn", "kmsKeyArn"}]


def _sample(shape: Shape | None, name: str) -> Any:  # noqa: ANN401
    if isinstance(shape, StructureShape):
        return {member: _sample(inner, member) for member, inner in shape.members.items()}
    if isinstance(shape, ListShape):
        return [_sample(shape.member, name)]
    if isinstance(shape, MapShape):
        return {_sample(shape.key, "key"): _sample(shape.value, name)}
    if isinstance(shape, StringShape):
        return _text(shape, name)
    kind = shape.type_name if shape else ""
    low = shape.metadata.get("min", 1) if shape else 1
    return {"boolean": True, "float": 0.5, "double": 0.5}.get(kind, max(1, low))


def _text(shape: StringShape, name: str) -> str:
    if shape.enum:
        return str(shape.enum[0])
    sample = _TEXTS.get(name.lower())
    pattern = shape.metadata.get("pattern")
    guesses = [
        sample,
        ROLE,
        f"{ACCOUNT}campaign/none",
        "arn:aws:kms:us-east-1:123456789012:key/1",
        "s3://bucket/key",
        "abc",
    ]
    if "Arn" not in name and pattern is None and sample is None:
        return "abc"
    return next(text for text in guesses if text and (pattern is None or python_pattern(pattern).fullmatch(text)))


def _places(shape: Shape | None, value: Any, path: MemberPath) -> Iterator[tuple[MemberPath, Shape]]:  # noqa: ANN401
    """Yield every value of a request with its shape."""
    if path and shape is not None:
        yield path, shape
    if isinstance(shape, StructureShape):
        for name, inner in shape.members.items():
            yield from _places(inner, value[name], (*path, name))
    elif isinstance(shape, ListShape):
        yield from _places(shape.member, value[0], (*path, 0))
    elif isinstance(shape, MapShape):
        for key, member in value.items():
            yield from _places(shape.value, member, (*path, key))


def _required(shape: Shape | None, value: Any, path: MemberPath) -> Iterator[MemberPath]:  # noqa: ANN401
    if isinstance(shape, StructureShape):
        yield from ((*path, name) for name in shape.required_members)
        for name, inner in shape.members.items():
            yield from _required(inner, value[name], (*path, name))
    elif isinstance(shape, ListShape):
        yield from _required(shape.member, value[0], (*path, 0))


def _wrong(shape: Shape) -> Iterator[tuple[str, Any]]:
    """Yield values that a shape does not allow, with what is wrong."""
    for value in _of_other_types(shape):
        yield f"is of type {type(value).__name__}", value
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(shape, StringShape):
        yield from _wrong_texts(shape, low, high)
    elif isinstance(shape, ListShape | MapShape):
        yield from _wrong_sizes(shape, low, high)
    else:
        if low is not None:
            yield "is too small", low - 1
        if high is not None and high < 2**53:
            yield "is too large", high + 1


def _of_other_types(shape: Shape) -> list[Any]:
    if isinstance(shape, StructureShape | MapShape):
        return ["text", 5, [], True]
    if isinstance(shape, ListShape):
        return ["text", 5, {}, True]
    if isinstance(shape, StringShape):
        return [5, 1.5, True, [], {}]
    if shape.type_name == "boolean":
        return ["true", 1, [], {}]
    return ["5", True, [], {}, 10**30]


def _wrong_texts(shape: StringShape, low: int | None, high: int | None) -> Iterator[tuple[str, str]]:
    if shape.enum:
        yield "is unknown", "NONE_OF_THESE"
    if low:
        yield "is empty", ""
    if high is not None:
        yield "is too long", "a" * (high + 1)
    pattern = shape.metadata.get("pattern")
    if pattern:
        for value in ("!", "-a", "a b", "arn:", "é\n", "\u0000"):
            if not python_pattern(pattern).fullmatch(value):
                yield "has another pattern", value


def _wrong_sizes(shape: ListShape | MapShape, low: int | None, high: int | None) -> Iterator[tuple[str, Any]]:
    if isinstance(shape, ListShape):
        item = _sample(shape.member, "")
        if low:
            yield "is empty", []
        if high is not None and high <= 10_000:
            yield "is too long", [item] * (high + 1)
        yield "has a member of another type", [None if isinstance(item, str) else "text", math.pi]
        return
    value, keys = _sample(shape.value, ""), isinstance(shape.key, StringShape) and shape.key.enum
    if high is not None and not keys:
        yield "is too long", {f"k{n}": value for n in range(high + 1)}
    if "pattern" in shape.key.metadata and not re.fullmatch(shape.key.metadata["pattern"], "a b"):
        yield "has a key of another pattern", {"a b": value}


def with_value(request: Json, path: MemberPath, value: Any) -> Json:  # noqa: ANN401
    """Return the request with another value at a place; None leaves the member out."""
    changed: Any = copy.deepcopy(request)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed if isinstance(changed, dict) else {}
