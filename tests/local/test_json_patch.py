# SPDX-License-Identifier: Apache-2.0
"""JSON Patch as Cloud Control takes it, beside a library that others use."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.aws.json_patch import applied

KEYS = st.sampled_from(["a", "b", "a/b", "m~n", ""])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.sampled_from(["a", "b", "a~1b", "m~0n", "", "0", "1", "-"])
POINTERS = st.lists(PARTS, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))
OPERATIONS = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": POINTERS.filter(bool),
        "from": POINTERS.filter(bool),
        "value": DOCUMENTS,
    }
)


@given(st.dictionaries(KEYS, DOCUMENTS, max_size=3), st.lists(OPERATIONS, min_size=1, max_size=3))
def test_a_patch_does_what_the_library_does(document: dict[str, Any], patch: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(document)
    try:
        expected = jsonpatch.apply_patch(document, patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        with pytest.raises(ValueError, match=r"\w"):
            applied(document, patch)
    else:
        assert applied(document, patch) == expected
    assert document == before


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ({}, "is a list"),
        ([5], "has an op out of add"),
        ([{"op": "merge", "path": "/a"}], "has an op out of add"),
        ([{"op": "add", "path": "/a"}], "needs a value"),
        ([{"op": "add", "path": "a", "value": 1}], "JSON Pointer"),
        ([{"op": "remove", "path": "/~2"}], "JSON Pointer"),
        ([{"op": "remove", "path": ""}], "whole document"),
        ([{"op": "move", "from": "/a", "path": "/a/b"}], "into itself"),
        ([{"op": "test", "path": "/a", "value": 1}], "tests for"),
    ],
)
def test_a_patch_that_cannot_be_applied_says_why(patch: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        applied({"a": {"b": True}}, patch)
