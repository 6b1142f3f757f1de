# SPDX-License-Identifier: Apache-2.0
"""The API of today against the one that callers have: nothing that they rely on is taken away."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from personalization.api import openapi

from tests.docs.compatibility import breaking

RELEASED = Path(__file__).with_name("openapi-released.json")
RECOMMENDATIONS = "/shops/{shop}/users/{userId}/recommendations"


def released() -> dict[str, Any]:
    return json.loads(RELEASED.read_text())  # type: ignore[no-any-return]


def test_callers_of_the_released_api_can_go_on() -> None:
    how = "A break needs a line in CHANGELOG.md and a new tests/docs/openapi-released.json"
    assert breaking(released(), json.loads(openapi.text())) == [], how


def put(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy in which the member at a path of keys, separated by blanks, has a value; None removes it."""
    changed = copy.deepcopy(document)
    *above, last = path.split()
    holder: Any = changed
    for key in above:
        holder = holder[int(key)] if isinstance(holder, list) else holder[key]
    where = int(last) if isinstance(holder, list) else last
    if value is None:
        del holder[where]
    else:
        holder[where] = value
    return changed


BREAKS: dict[str, tuple[object, str]] = {
    f"paths {RECOMMENDATIONS}": (None, "is gone"),
    f"paths {RECOMMENDATIONS} get responses 200": (None, "no longer answers 200"),
    f"paths {RECOMMENDATIONS} get parameters 1": (None, "no longer takes userId"),
    f"paths {RECOMMENDATIONS} get security": ([{"iam": []}], "no longer lets"),
    "paths /health get parameters": ([{"name": "key", "in": "query", "required": True, "schema": {}}], "needs key now"),
    "components schemas Item properties score": (None, "score is gone"),
    "components schemas Item required": ([], "is no longer promised"),
    "components schemas Item properties itemId type": ("integer", "itemId may be integer now"),
    "components schemas RankingBody properties itemIds maxItems": (3, "itemIds has maxItems 3 now"),
    "components schemas RankingBody required": (["itemIds", "more"], "more is needed now"),
    "components schemas Event properties eventType type": ("integer", "eventType may not be string any more"),
    "components schemas Event properties eventType pattern": ("^a$", "eventType has the pattern ^a$ now"),
    "components schemas Event properties eventValue": (None, "eventValue is gone"),
}


@pytest.mark.parametrize("path", BREAKS)
def test_a_break_is_found(path: str) -> None:
    value, said = BREAKS[path]
    problems = breaking(released(), put(released(), path, value))
    assert problems
    assert all(said in sentence for sentence in problems)


@pytest.mark.parametrize("path", ["paths /new", "components schemas Item properties colour", "paths /health post"])
def test_an_addition_is_no_break(path: str) -> None:
    assert breaking(released(), put(released(), path, {"type": "string", "responses": {}})) == []
