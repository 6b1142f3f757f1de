# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of settings.yaml, written from its models: editors complete and check a file by it.

It is as strict as the models member by member. What contradicts another member, only a drop or `drop`'s check says.
"""

import ast
import inspect
import json
import textwrap
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from personalization.shop.settings.cron import CRON, RATE
from personalization.shop.settings.settings import ShopSettings
from pydantic import BaseModel

from local.cloud.environments import REPOSITORY
from local.terminal.output import Terminal

FILE = REPOSITORY / "docs" / "settings.schema.json"
"""Where the repository has it, for editors; a test keeps it current."""
BEYOND: dict[str, dict[str, Any]] = {
    "Schedule": {"properties": {"every": {"pattern": f"^({RATE.pattern}|{CRON.pattern})$"}}},
    "Prices": {"properties": {"as_of": {"pattern": r"^\d{4}-\d{2}(-\d{2})?$"}}},
    "Diversity": {"type": ["object", "string", "boolean"], "anyOf": [{"type": "object"}, {"enum": ["off", False]}]},
    "Ramp": {"type": ["object", "boolean"], "anyOf": [{"type": "object"}, {"type": "boolean"}]},
    "Placement": {"oneOf": [{"required": ["recipe"]}, {"required": ["recommender"]}]},
}
"""What models check by code of their own."""


def main(_options: Namespace, terminal: Terminal) -> None:
    terminal.result(schema(), lambda: terminal.line(text().rstrip()))


def text() -> str:
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    made = ShopSettings.model_json_schema()
    models = {model.__name__: model for model in reachable(ShopSettings)}
    for name, model in models.items():
        described = made if model is ShopSettings else made["$defs"][name]
        for member, words in documented(model).items():
            described["properties"][member]["description"] = words
        if model.model_config.get("coerce_numbers_to_str"):
            described["properties"] = with_numbers(described["properties"])
        for key, value in BEYOND.get(name, {}).items():
            described[key] = merged(described[key], value) if isinstance(described.get(key), dict) else value
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **finished(made),
        "title": "Settings of a shop",
    }


def reachable(kind: object, seen: set[object] | None = None) -> Iterator[type[BaseModel]]:
    """Yield the models of a type and of all members."""
    seen = set() if seen is None else seen
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
        seen.add(kind)
        yield kind
        for field in kind.model_fields.values():
            yield from reachable(field.annotation, seen)
    for part in getattr(kind, "__args__", ()):
        yield from reachable(part, seen)


def documented(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings below members, which pydantic would read at every cold start."""
    words: dict[str, str] = {}
    for base in reversed([base for base in model.__mro__ if issubclass(base, BaseModel) and base is not BaseModel]):
        (source,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        for member, below in zip(source.body, source.body[1:], strict=False):  # type: ignore[attr-defined]
            text_below = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            if isinstance(member, ast.AnnAssign) and text_below:
                words[ast.unparse(member.target)] = " ".join(str(below.value.value).split())
    return words


def with_numbers(part: Any) -> Any:  # noqa: ANN401 - JSON
    """Let texts be numbers too, which become texts."""
    if isinstance(part, list):
        return [with_numbers(member) for member in part]
    if not isinstance(part, dict):
        return part
    changed = {name: with_numbers(value) for name, value in part.items()}
    plain = changed.get("type") == "string" and "enum" not in changed
    return {**changed, "type": ["string", "number"]} if plain else changed


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return old | {
        key: merged(old[key], value) if isinstance(old.get(key), dict) else value for key, value in new.items()
    }


def finished(part: Any) -> Any:  # noqa: ANN401 - JSON
    """Leave out the titles that pydantic makes of names, and refuse names that fit no pattern."""
    if isinstance(part, list):
        return [finished(member) for member in part]
    if not isinstance(part, dict):
        return part
    closed = {"additionalProperties": False} if "patternProperties" in part else {}
    return closed | {
        name: {member: finished(value) for member, value in value.items()}
        if name in {"properties", "$defs"}
        else finished(value)
        for name, value in part.items()
        if name != "title"
    }
