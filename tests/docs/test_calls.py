# SPDX-License-Identifier: Apache-2.0
"""A call with many arguments names them, and changes of what is stored or passed on are checked."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("layers/core/personalization", "functions") for path in (ROOT / folder).rglob("*.py")]
LIBRARY = list((ROOT / "table-intake" / "src").rglob("*.py"))
MOST_BY_POSITION = 5
MOST_FIELDS = 4
SETTINGS = {
    "layers/core/personalization/api/placements.py",
    "layers/core/personalization/batch/plan.py",
    "functions/record_events/app.py",
}
"""Modules that change settings or a request's body, whose parts were validated as a whole before."""
COLUMNS = {"Events", "History", "Tables"}
"""Dataclasses of numpy's columns, which are made of a list of columns in their order."""


def problems(source: str, path: str) -> list[str]:
    """Return what a module should say by names."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call | ast.ClassDef)]
    return [f"{path}:{node.lineno}: {problem}" for node in nodes for problem in problems_of(node, path)]


def problems_of(node: ast.Call | ast.ClassDef, path: str) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return [*(["needs kw_only"] if mixes_up(node) else []), *(["needs a default_factory"] if shares(node) else [])]
    if len(node.args) > MOST_BY_POSITION:
        return ["name the arguments"]
    copies = isinstance(node.func, ast.Attribute) and node.func.attr == "model_copy"
    return ["say what changes by a constructor, or by `replaced`"] if copies and path not in SETTINGS else []


def mixes_up(node: ast.ClassDef) -> bool:
    """Return whether a dataclass has so many fields that their order says nothing, and takes them by position."""
    made = [ast.unparse(decorator) for decorator in node.decorator_list]
    fields = [member for member in node.body if isinstance(member, ast.AnnAssign)]
    by_position = any(call.startswith("dataclass") and "kw_only=True" not in call for call in made)
    return by_position and len(fields) > MOST_FIELDS and not node.bases and node.name not in COLUMNS


def shares(node: ast.ClassDef) -> bool:
    """Return whether a field has a mapping as its default, which Python 3.11 refuses in a dataclass."""
    defaults = [member.value for member in node.body if isinstance(member, ast.AnnAssign)]
    calls = [ast.unparse(value.func) for value in defaults if isinstance(value, ast.Call)]
    return bool(node.decorator_list) and "MappingProxyType" in calls


def test_arguments_are_named_and_changes_are_checked() -> None:
    assert len(SOURCES) > 100
    assert len(LIBRARY) > 50
    paths = {path.relative_to(ROOT).as_posix(): path for path in SOURCES}
    assert not [problem for name, path in sorted(paths.items()) for problem in problems(path.read_text(), name)]
    of_library = [problem for path in LIBRARY for problem in problems(path.read_text(), path.name)]
    assert not [problem for problem in of_library if problem.endswith("name the arguments")]
    assert all("model_copy" in paths[name].read_text() for name in SETTINGS), "these need no exception any more"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("f(1, 2, 3, 4, 5, 6)", 1),
        ("f(1, 2, 3, 4, 5, f=6)", 0),
        ("plan.model_copy(update={'notes': ()})", 1),
        ("@dataclass(frozen=True)\nclass A:\n    a: int\n    b: int\n    c: int\n    d: int\n    e: int", 1),
        ("@dataclass(kw_only=True)\nclass A:\n    a: int\n    b: int\n    c: int\n    d: int\n    e: int", 0),
        ("@dataclass\nclass A:\n    a: Mapping[str, int] = MappingProxyType({})", 1),
    ],
)
def test_a_breach_is_seen(source: str, count: int) -> None:
    assert len(problems(source, "module.py")) == count
