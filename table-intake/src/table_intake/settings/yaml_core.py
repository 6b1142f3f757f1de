# SPDX-License-Identifier: Apache-2.0
"""Read and write settings in YAML as the core schema of YAML 1.2 has it (yaml.org/spec/1.2.2, 10.3.2).

PyYAML follows YAML 1.1, in which `1:30` is 90, `0777` is 511, `no` is false and `2026-11-30` is a date. Here `1:30`,
`no` and a date are texts, and `0777` is 777; merge keys (`<<`) stay. What is written reads the same in both.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml
from yaml import YAMLError as YAMLError  # noqa: PLC0414 - callers take it from here

_BOOL, _INT, _FLOAT, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null"))
_CORE: Mapping[str, tuple[str, str]] = {
    _BOOL: (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    _INT: (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    _FLOAT: (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    _NULL: (r"~|null|Null|NULL|", "~nN"),
}
"""The patterns of the core schema's scalars, and the characters that they begin with."""


class Loader(yaml.SafeLoader):
    """Takes plain scalars for what the core schema says; any other is a text."""

    def whole(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


class _Dumper(yaml.SafeDumper):
    """Quotes a text that either version would take for something else."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:merge"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, (_pattern, _first) in _CORE.items():
    for _of in (Loader, _Dumper):
        _of.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), [*_first, *([""] if _tag == _NULL else [])])
Loader.add_constructor(_INT, Loader.whole)


def load(text: str) -> Any:  # noqa: ANN401 - any document
    """Parse a document; None if it is empty.

    Raises:
        yaml.YAMLError, ValueError, RecursionError: it is no YAML, or too deep.
    """
    return yaml.load(text, Loader=Loader)  # noqa: S506 # nosec B506 - a safe loader


def compose(text: str) -> yaml.Node | None:
    """Parse a document into nodes with their lines."""
    return yaml.compose(text, Loader=Loader)


def dump(document: Mapping[str, Any], **style: Any) -> str:  # noqa: ANN401 - PyYAML's own options
    """Return a mapping as text, in its order."""
    text: str = yaml.dump(dict(document), Dumper=_Dumper, allow_unicode=True, sort_keys=False, **style)
    return text
