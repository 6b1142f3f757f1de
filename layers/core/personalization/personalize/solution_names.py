# SPDX-License-Identifier: Apache-2.0
"""Name a solution by its recipe's generation and the columns that it trains on.

A solution never trains on columns that its datasets got after it was made, so new columns need a new solution.
"""

import hashlib
import json
import re
from collections.abc import Iterable

from table_intake.columns.schema import Schema

from personalization.core.names import shorten

DIGEST_LENGTH = 6
_TAIL = re.compile(rf"-((v2-)?[0-9a-f]{{{DIGEST_LENGTH}}})$")


def name(base: str, recipe: str, schemas: Iterable[Schema]) -> str:
    """Return the name of a solution: the recipe's generation, and a hash of the trained columns in any order.

    Args:
        base: the prefix for this recipe of the shop.
        recipe: Personalize's name of the recipe.
        schemas: those of the shop's users and items.
    """
    columns = sorted(
        (schema.kind, column.name, column.type, column.categorical, column.textual)
        for schema in schemas
        for column in schema.trained()
    )
    digest = hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:DIGEST_LENGTH]
    return shorten(base, f"{'v2-' if recipe.endswith('-v2') else ''}{digest}")


def is_of(name: str, base: str) -> bool:
    """Return whether a name is that of a solution of this recipe of the shop."""
    tail = _TAIL.search(name)
    return tail is not None and shorten(base, tail.group(1)) == name
