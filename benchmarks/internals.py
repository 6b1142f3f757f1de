# SPDX-License-Identifier: Apache-2.0
"""Count the internals that tests import: `python -m benchmarks.internals [ROOT]`, by room, with `--names` each of them.

A *room* is a package of the application (`personalization.shop`), of the laptop (`local.cloud`), of the engine or of
the library that reads tables, and each function. A *door* of a room is a name by which the rest of the code uses it:
what another room imports, what a distribution's first package offers, a function's handler with its tables of steps
and routes, a command. Any other name that a test takes from a room is an *internal*, also as `module.name`.
"""

import argparse
import ast
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Set
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    "functions": ".",
    "local": ".",
    "personalization": "layers/core",
    "personalize_local": "engine/src",
    "table_intake": "table-intake/src",
}
"""The packages that are tested, and the folders that have them."""
TESTS = ("tests", "engine/tests", "table-intake/tests")
FACES = ("personalize_local.testing", "personalize_local.pytest_plugin", "personalize_local.library", "table_intake")
"""Packages that are public for other people's code."""
OF_FUNCTIONS = ("handler", "STEPS", "API")

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Internal(NamedTuple):
    """A name of a module."""

    module: str
    name: str

    @property
    def room(self) -> str:
        return ".".join(self.module.split(".")[:2])


class House:
    """The code and the tests of a checkout."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._folders = {name: root / folder for name, folder in SOURCES.items() if (root / folder / name).is_dir()}

    @cached_property
    def doors(self) -> frozenset[Internal]:
        """The names by which rooms are used from outside."""
        used = set()
        for name, folder in self._folders.items():
            for path in (folder / name).rglob("*.py"):
                module = ".".join(path.relative_to(folder).with_suffix("").parts)
                used |= {taken for taken in self._taken(path) if taken.room != Internal(module, "").room}
        return frozenset(used)

    @cached_property
    def internals(self) -> Mapping[Internal, tuple[str, ...]]:
        """The internals that tests import, and which tests they are."""
        tests = defaultdict(list)
        for folder in TESTS:
            for path in sorted((self._root / folder).rglob("*.py")):
                for taken in sorted(self._taken(path)):
                    if taken not in self.doors and not is_public(taken):
                        tests[taken].append(str(path.relative_to(self._root)))
        return {internal: tuple(paths) for internal, paths in sorted(tests.items())}

    def _taken(self, path: Path) -> set[Internal]:
        tree, modules, taken = ast.parse(path.read_text(encoding="utf-8")), dict[str, str](), set[Internal]()
        nodes = list(ast.walk(tree))
        for node in nodes:
            if isinstance(node, ast.Import):
                modules |= {
                    alias.asname or alias.name: alias.name for alias in node.names if self._is_module(alias.name)
                }
            elif isinstance(node, ast.ImportFrom) and node.module and self._is_module(node.module):
                for alias in node.names:
                    module = f"{node.module}.{alias.name}"
                    if self._is_module(module):
                        modules[alias.asname or alias.name] = module
                    else:
                        taken.add(Internal(node.module, alias.name))
        # Few modules have a variable by the name of a module, and only in these its scope matters.
        hidden = modules.keys() & set(bound(nodes))
        used = list(attributes(tree, modules.keys()) if hidden else read(nodes, modules.keys()))
        taken |= {Internal(modules[name], attribute) for name, attribute in used}
        # A module that is handed on whole, or has its names replaced.
        whole = modules.keys() - {name for name, _ in used}
        return taken | {Internal(modules[name], "*") for name in whole}

    def _is_module(self, name: str) -> bool:
        folder = self._folders.get(name.partition(".")[0])
        return folder is not None and is_module(folder / name.replace(".", "/"))


@cache
def is_module(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").is_file()


def is_public(taken: Internal) -> bool:
    """Tell whether a name is a door though no other room uses it."""
    package, _, rest = taken.module.partition(".")
    if package == "functions":
        return taken.name in (*OF_FUNCTIONS, "*") and rest.count(".") <= 1
    return taken.module in FACES or taken.module.endswith("__main__") or taken.name == "main"


def attributes(tree: ast.AST, modules: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, attribute) where a module's name is not hidden by a variable of a function."""

    def walk(node: ast.AST, hidden: frozenset[str]) -> Iterator[tuple[str, str]]:
        if isinstance(node, SCOPES):
            hidden |= frozenset(bound(ast.walk(node)))
        yield from read([node], modules - hidden)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, hidden)

    return walk(tree, frozenset())


def read(nodes: Iterable[ast.AST], modules: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, attribute) of the modules whose attributes nodes read."""
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            if name in modules and not node.attr.startswith("__"):
                yield name, node.attr


def bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that the nodes of a module, a function or a comprehension bind."""
    for node in nodes:
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.internals", description="Count what tests import.")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="a checkout (default: this one)")
    parser.add_argument("--names", action="store_true", help="print the names too, with their tests")
    given = parser.parse_args()
    internals = House(given.root).internals
    for room, count in sorted(Counter(internal.room for internal in internals).items()):
        print(f"{count:4} {room}")
    print(f"{len(internals):4} in all")
    if given.names:
        for internal, paths in internals.items():
            print(f"{internal.module}:{internal.name} {' '.join(paths)}")


if __name__ == "__main__":
    main()
