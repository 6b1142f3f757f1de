# SPDX-License-Identifier: Apache-2.0
"""Explain all errors of a settings file at once, each with its place, in plain words."""

import json
import re
import typing
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from table_intake.settings import files

if TYPE_CHECKING:
    import yaml

_TEXTS: Mapping[str, str] = {
    r"^[a-z0-9][a-z0-9-]{0,19}$": "must be 1 to 20 characters out of a-z, 0-9 and -, beginning with a letter or digit",
    r"^[A-Z_][A-Z0-9_]{0,149}$": "must be a column's name in capitals, out of A-Z, 0-9 and _",
    r"^[A-Z]{3}$": "must be the code of a currency in three capitals, such as KRW or EUR",
    r"^\d{4}-\d{2}(-\d{2})?$": "must be a month or a day, such as 2026-11 or 2026-11-25",
    r"^[A-Za-z][A-Za-z0-9_+/-]{0,49}$": "must be a time zone, such as Europe/Berlin",
    files.SEPARATOR: "must be one ASCII character, such as ';' or '|', or tab",
    files.SIGN: "must be a sign or a word before or behind numbers, such as € or EUR",
    r"^(drop-[0-9a-f]{8})?$": "must be the code in a refused drop's reason, such as drop-3f2a91c0",
}
"""Explanations of patterns."""
_KINDS: Mapping[str, str] = {
    "model_type": "must be settings, each with its name",
    "dict_type": "must be a mapping of names to values",
    "tuple_type": "must be a list",
    "string_type": "must be a text",
    "missing": "is missing",
    "too_short": "must have at least one",
    "invalid_key": "names must be texts",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}
_OF_PYDANTIC = {"[key]", "[one]", "[several]"}
"""Parts of an error's place that no file has: a name rather than its value, or a form of several."""
_SCALARS = {"str": "a text", "int": "a whole number", "float": "a number"}
"""The type names that pydantic appends to the place of a union's error."""


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line for each error; an unknown name lists those of the model."""
    return list(dict.fromkeys(_explain(problem, model) for problem in error.errors()))


def _explain(problem: Any, model: type[BaseModel]) -> str:  # noqa: ANN401 - pydantic's own shape
    path_parts = [part for part in problem["loc"] if part not in _OF_PYDANTIC]
    path = ".".join(map(str, path_parts)) or "the file"
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{path} is not a setting ({_suggestion(str(path_parts[-1]), _model_at(model, path_parts[:-1]))})"
    if len(path_parts) > 1 and path_parts[-1] in _SCALARS:
        return f"{'.'.join(map(str, path_parts[:-1]))}: must be a text or a number"
    if kind == "string_pattern_mismatch":
        return f"{path}: {_TEXTS.get(context['pattern'], 'must match ' + context['pattern'])}"
    if kind == "string_too_short" and context["min_length"] == 1:
        return f"{path}: must not be empty"
    message = re.sub(r"^(Input|String|Tuple|List) should (be|have)", r"must \2", str(problem["msg"]))
    return f"{path}: {_KINDS.get(kind, message.removeprefix('Value error, '))}"


def _suggestion(name: str, model: type[BaseModel]) -> str:
    names = list(model.model_fields)
    near = get_close_matches(name, names, 1)
    return f"{f'did you mean {near[0]}? ' if near else ''}the settings are {', '.join(names)}"


def _model_at(model: type[BaseModel], path: list[Any]) -> type[BaseModel]:
    """Return the settings model whose names are valid at this place."""
    for part in path:
        field = model.model_fields.get(str(part))
        model = next(_models(field.annotation), model) if field else model
    return model


def _models(kind: object) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in typing.get_args(kind):
        yield from _models(part)


def twice_in_json(text: str) -> list[str]:
    """Return names that one object of a JSON file has twice: the parser would keep only the last."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        repeated.extend(f"{name}: is there twice" for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return repeated


def twice_in_yaml(node: "yaml.Node | None", prefix: str = "", seen: set[int] | None = None) -> list[str]:
    """Return names that one mapping of a composed YAML file has twice; `seen` are nodes, which aliases may repeat."""
    import yaml  # noqa: PLC0415 - only a settings file needs it

    repeated: list[str] = []
    seen = set() if seen is None else seen
    if node is None or id(node) in seen:
        return repeated
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = f"{prefix}{key.value}", key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and name in lines:
                repeated.append(f"{name}: is there twice, in lines {lines[name]} and {line}")
            lines.setdefault(name, line)
            repeated += twice_in_yaml(value, f"{name}.", seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            repeated += twice_in_yaml(value, f"{prefix}{index}.", seen)
    return repeated
