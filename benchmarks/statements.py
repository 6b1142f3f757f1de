# SPDX-License-Identifier: Apache-2.0
"""Count the statements of the product by part: what a reader has to understand, however the lines are broken.

`python -m benchmarks.statements [FOLDER]` counts a checkout; docs/decisions/code-layout.md has the figures. A statement
is one of Python's grammar, such as an assignment, a `return`, an `if` or a `def`; docstrings and tests are none.
"""

import argparse
import ast
from collections.abc import Iterable
from pathlib import Path

PARTS = {
    "application": ("layers/core/personalization", "functions"),
    "local": ("local",),
    "engine": ("engine/src",),
    "table-intake": ("table-intake/src",),
}
"""The folders of each part."""


def count(source: str) -> int:
    """Return how many statements a module has, docstrings left out."""
    return sum(not _is_text(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt))


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def modules(folder: Path) -> Iterable[Path]:
    """Return the modules below a folder; those behind links belong to where they really are."""
    return (path for path in sorted(folder.rglob("*.py")) if not path.is_symlink())


def main() -> None:
    """Print the statements and lines of each part."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="the checkout to count (default: this one)"
    )
    root = parser.parse_args().folder
    print(f"{'part':14}{'modules':>9}{'statements':>12}{'lines':>9}")
    for part, folders in PARTS.items():
        texts = [path.read_text() for folder in folders for path in modules(root / folder)]
        lines = sum(text.count("\n") for text in texts)
        print(f"{part:14}{len(texts):>9}{sum(map(count, texts)):>12,}{lines:>9,}")


if __name__ == "__main__":
    main()
