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
from table_intake.wording import Text

if TYPE_CHECKING:
    import yaml

_TEXTS: Mapping[str, Text] = {
    r"^[a-z0-9][a-z0-9-]{0,19}$": Text(
        "settings.must.name", "must be 1 to 20 characters out of a-z, 0-9 and -, beginning with a letter or digit"
    ),
    r"^[A-Z_][A-Z0-9_]{0,149}$": Text(
        "settings.must.column", "must be a column's name in capitals, out of A-Z, 0-9 and _"
    ),
    r"^[A-Z]{3}$": Text(
        "settings.must.currency", "must be the code of a currency in three capitals, such as KRW or EUR"
    ),
    r"^\d{4}-\d{2}(-\d{2})?$": Text("settings.must.month", "must be a month or a day, such as 2026-11 or 2026-11-25"),
    r"^[A-Za-z][A-Za-z0-9_+/-]{0,49}$": Text("settings.must.zone", "must be a time zone, such as Europe/Berlin"),
    files.SEPARATOR: Text("settings.must.separator", "must be one ASCII character, such as ';' or '|', or tab"),
    files.SIGN: Text("settings.must.sign", "must be a sign or a word before or behind numbers, such as € or EUR"),
    r"^(drop-[0-9a-f]{8})?$": Text(
        "settings.must.accept", "must be the code in a refused drop's reason, such as drop-3f2a91c0"
    ),
}
"""Explanations of patterns."""
_KINDS: Mapping[str, Text] = {
    "model_type": Text("settings.must.model", "must be settings, each with its name"),
    "dict_type": Text("settings.must.mapping", "must be a mapping of names to values"),
    "tuple_type": Text("settings.must.list", "must be a list"),
    "string_type": Text("settings.must.text", "must be a text"),
    "missing": Text("settings.must.missing", "is missing"),
    "too_short": Text("settings.must.too-short", "must have at least one"),
    "invalid_key": Text("settings.must.key", "names must be texts"),
    "bool_parsing": Text("settings.must.bool", "must be true or false"),
    "bool_type": Text("settings.must.bool", "must be true or false"),
}
_OF_PYDANTIC = {"[key]", "[one]", "[several]"}
"""Parts of an error's place that no file has: a name rather than its value, or a form of several."""
_SCALARS = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}
"""The type names that pydantic appends to the place of a union's error."""


def at(path: str, *reasons: str) -> Text:
    """Return an error with its place in the file."""
    return Text.joined(": ", [path, *reasons])


def explain(error: ValidationError, model: type[BaseModel]) -> list[Text]:
    """Return one line for each error; an unknown name lists those of the model."""
    return list(dict.fromkeys(_explain(problem, model) for problem in error.errors()))


def _explain(problem: Any, model: type[BaseModel]) -> Text:  # noqa: ANN401 - pydantic's own shape
    path_parts = [part for part in problem["loc"] if part not in _OF_PYDANTIC]
    path = ".".join(map(str, path_parts)) or Text("settings.file", "the file")
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path, str(path_parts[-1]), [*_model_at(model, path_parts[:-1]).model_fields])
    if len(path_parts) > 1 and path_parts[-1] in _SCALARS:
        return at(".".join(map(str, path_parts[:-1])), Text("settings.scalar", "must be a text or a number"))
    if kind == "string_pattern_mismatch":
        matches = Text("settings.pattern", "must match {pattern}", pattern=context["pattern"])
        return at(path, _TEXTS.get(context["pattern"], matches))
    if kind == "string_too_short" and context["min_length"] == 1:
        return at(path, Text("settings.empty", "must not be empty"))
    if kind == "value_error":
        return at(path, context["error"].args[0])
    message = re.sub(r"^(Input|String|Tuple|List|Dictionary) should (be|have)", r"must \2", str(problem["msg"]))
    # The English is pydantic's; other languages have lines of their own for what settings need.
    more = {name: value for name, value in context.items() if isinstance(value, int | float)}
    choices = str(context.get("expected", "")).replace(" or ", ", ")
    return at(
        path, _KINDS.get(kind) or Text(f"settings.is.{kind}", "{english}", english=message, choices=choices, **more)
    )


def _unknown(path: str, name: str, names: list[str]) -> Text:
    values = {"path": path, "names": ", ".join(names)}
    if near := get_close_matches(name, names, 1):
        text = "{path} is not a setting (did you mean {near}? the settings are {names})"
        return Text("settings.unknown-near", text, near=near[0], **values)
    return Text("settings.unknown", "{path} is not a setting (the settings are {names})", **values)


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


def twice_in_json(text: str) -> list[Text]:
    """Return names that one object of a JSON file has twice: the parser would keep only the last."""
    repeated: list[Text] = []

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        repeated.extend(at(name, Text("settings.twice", "is there twice")) for name in twice)
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return repeated


def twice_in_yaml(node: "yaml.Node | None", prefix: str = "", seen: set[int] | None = None) -> list[Text]:
    """Return names that one mapping of a composed YAML file has twice; `seen` are nodes, which aliases may repeat."""
    import yaml  # noqa: PLC0415 - only a settings file needs it

    repeated: list[Text] = []
    seen = set() if seen is None else seen
    if node is None or id(node) in seen:
        return repeated
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = f"{prefix}{key.value}", key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and name in lines:
                text = "is there twice, in lines {first} and {second}"
                repeated.append(at(name, Text("settings.twice-in-lines", text, first=lines[name], second=line)))
            lines.setdefault(name, line)
            repeated += twice_in_yaml(value, f"{name}.", seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            repeated += twice_in_yaml(value, f"{prefix}{index}.", seen)
    return repeated
