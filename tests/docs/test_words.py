# SPDX-License-Identifier: Apache-2.0
"""Names are names of things: no whole name is one of the words that could stand for anything (`known_ids` is fine)."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import ROOT

WORDS = frozenset(
    ["each", "found", "known", "own", "place", "asked", "kept", "mine", "theirs", "around", "about", "one", "many"]
)
CLEAN = (
    "benchmarks",
    "engine/src",
    "engine/tests",
    "functions",
    "layers",
    "local",
    "table-intake/src",
    "table-intake/tests",
    "tests",
)
"""The folders that have none of them; others join when they are clean."""


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the names that a module binds, and their lines: variables, parameters, attributes, functions, classes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield node.lineno, name
            case ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((node.lineno, alias.asname) for alias in aliases if alias.asname)


def words(source: str, path: str) -> list[str]:
    """Return the bindings of the words in a module, as `path:line: word`."""
    bound = sorted(set(names(ast.parse(source))))
    return [f"{path}:{line}: {name}" for line, name in bound if name.strip("_").lower() in WORDS]


MOST_ALIASES = 5
"""The most imports under another name in what ships; numpy and polars go by the names that all give them."""
SHIPPED = ("engine/src", "functions", "layers", "local", "table-intake/src")
CUSTOMARY = {("numpy", "np"), ("numpy.typing", "npt"), ("polars", "pl")}


def renamed(source: str, path: str) -> list[str]:
    """Return the imports under another name in a module, as `path:line: name`; `x as x` only passes a name on."""
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom))
    return [
        f"{path}:{node.lineno}: {alias.asname}"
        for node in imports
        for alias in node.names
        if alias.asname not in {None, alias.name} and (alias.name, alias.asname) not in CUSTOMARY
    ]


def test_nearly_all_imports_keep_their_names() -> None:
    paths = [path for folder in SHIPPED for path in (ROOT / folder).rglob("*.py")]
    aliases = {alias for path in paths for alias in renamed(path.read_text(), str(path.relative_to(ROOT)))}
    assert len(aliases) <= MOST_ALIASES, sorted(aliases)


def test_any_import_under_another_name_is_noticed() -> None:
    source = """
import numpy as np, json as j
from table import Row as Row, Cell as Field
def later():
    from polars import DataFrame as pl
"""
    assert [alias.split(": ")[1] for alias in renamed(source, "x.py")] == ["j", "Field", "pl"]


def test_names_say_what_things_are() -> None:
    paths = [path for folder in CLEAN for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len({path.relative_to(ROOT).parts[0] for path in paths}) == len({Path(folder).parts[0] for folder in CLEAN})
    assert not [word for path in paths for word in words(path.read_text(), str(path.relative_to(ROOT)))]


def test_any_binding_of_a_word_is_noticed() -> None:
    source = """
import json as found
def known(own, *many):
    self._kept = ASKED = lambda mine: mine
    for about in [each for each in known_ids]:
        match about:
            case [place, *theirs]: known_place = one_by_one
    try: pass
    except OSError as one: pass
class Around: pass
"""
    assert [word.split(": ")[1] for word in words(source, "x.py")] == [
        *("found", "known", "many", "own", "ASKED", "_kept", "mine"),
        *("about", "each", "place", "theirs", "one", "Around"),
    ]
