# SPDX-License-Identifier: Apache-2.0
"""Write COVERAGE.md, the operations that this engine performs: `python -m personalize_local.coverage`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from personalize_local.operations import HANDLERS
from personalize_local.recipes.definitions import RECIPES
from personalize_local.wire.protocol import SERVICES, Wire

PAGE: Final = Path(__file__).parents[2] / "COVERAGE.md"
_HEAD: Final = """# What the embedded engine performs

Made in `engine/` by `python -m personalize_local.coverage`, from botocore's service models and the engine's table of
operations; a test keeps it current. [What differs from Amazon Personalize](docs/differences.md) says how they answer.
"""


def page() -> str:
    return "\n".join([_HEAD, *_operations(), *_recipes(), ""])


def _operations() -> Iterator[str]:
    operations = Wire().operations.values()
    built = sum(operation.name in HANDLERS for operation in operations)
    yield f"{built} of {len(operations)} operations.\n"
    for service in SERVICES:
        names = sorted(operation.name for operation in operations if operation.service == service)
        yield f"## {service}: {sum(name in HANDLERS for name in names)} of {len(names)}\n"
        yield "| operation | built |\n|---|---|"
        yield from (f"| {name} | {'yes' if name in HANDLERS else 'not yet'} |" for name in names)
        yield ""


def _recipes() -> Iterator[str]:
    offered = [spec for spec in RECIPES.values() if not spec.retired]
    yield f"## Recipes: {len(offered)} can be trained\n"
    yield "| recipe | type | trained |\n|---|---|---|"
    for spec in RECIPES.values():
        trained = "retired" if spec.retired else "yes"
        yield f"| {spec.name} | {spec.recipe_type} | {trained} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
