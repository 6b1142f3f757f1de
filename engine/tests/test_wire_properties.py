# SPDX-License-Identifier: Apache-2.0
"""Whatever arrives, the wire either returns what the model allows or says InvalidInputException."""

import contextlib
import json
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import given
from hypothesis import strategies as st
from personalize_local.wire.errors import InvalidInput, MalformedBody
from personalize_local.wire.protocol import Wire, load_services, python_pattern

WIRE = Wire()
MODELS = {name: model for service in load_services() for name, model in service.items()}
OPERATIONS = st.sampled_from(sorted(WIRE.operations))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def fits(shape: Shape | None) -> st.SearchStrategy[Any]:
    """Values that a shape allows."""
    if isinstance(shape, StructureShape):
        members = {name: fits(member) for name, member in shape.members.items()}
        required = {name: members.pop(name) for name in shape.required_members}
        return st.fixed_dictionaries(required, optional=members)
    if shape is None:
        return st.just({})
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 3)
    if isinstance(shape, ListShape):
        return st.lists(fits(shape.member), min_size=low, max_size=min(high, low + 1))
    if isinstance(shape, MapShape):
        return st.dictionaries(fits(shape.key), fits(shape.value), min_size=low, max_size=min(high, low + 1))
    return _text(shape, low, high) if isinstance(shape, StringShape) else _other(shape, low)


def _other(shape: Shape, low: int) -> st.SearchStrategy[Any]:
    if shape.type_name == "boolean":
        return st.booleans()
    if shape.type_name in {"integer", "long"}:
        return st.integers(low, shape.metadata.get("max", 1000))
    return st.floats(low, shape.metadata.get("max", 1e9), allow_nan=False)


def _text(shape: StringShape, low: int, high: int) -> st.SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from(shape.enum)
    if "pattern" not in shape.metadata:
        return st.text(min_size=low, max_size=max(low, min(high, 9)))
    return st.from_regex(python_pattern(shape.metadata["pattern"]), fullmatch=True).filter(
        lambda text: low <= len(text) <= high
    )


@given(OPERATIONS, st.data())
def test_allowed_requests_come_through_unchanged(operation: str, data: st.DataObject) -> None:
    request = data.draw(fits(MODELS[operation].input_shape))
    assert WIRE.operations[operation].parse(json.dumps(request).encode()) == request


@given(OPERATIONS, st.dictionaries(st.text(max_size=8), JSON, max_size=4), st.data())
def test_anything_else_is_refused_or_cut_down(operation: str, request: dict[str, Any], data: st.DataObject) -> None:
    shape = MODELS[operation].input_shape
    members = st.sampled_from(sorted(shape.members)) if shape and shape.members else st.text()
    request |= data.draw(st.dictionaries(members, JSON, max_size=4))
    parse = WIRE.operations[operation].parse
    with contextlib.suppress(InvalidInput):
        parsed = parse(json.dumps(request).encode())
        assert set(parsed) <= set(request)
        assert parse(json.dumps(parsed).encode()) == parsed


@given(st.binary(max_size=40))
def test_bytes_that_are_no_json_object_are_malformed(body: bytes) -> None:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = None
    if not isinstance(request, dict):
        with pytest.raises(MalformedBody):
            WIRE.operations["ListSchemas"].parse(body)
