# SPDX-License-Identifier: Apache-2.0
"""Name a solution by its recipe's generation, the columns that it trains on, and what of it can never change.

A solution never trains on columns that its datasets got after it was made, so new columns need a new solution. So do
members that UpdateSolution cannot change.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from table_intake.columns.schema import Column, Schema

from personalization.core.names import shorten
from personalization.shop.settings.recipes import SEMANTIC
from personalization.shop.settings.training import fixed

DIGEST_LENGTH = 6
_TAIL = re.compile(rf"-((v2-)?[0-9a-f]{{{DIGEST_LENGTH}}})$")


def name(base: str, recipe: str, schemas: Iterable[Schema], members: Mapping[str, Any] | None = None) -> str:
    """Return the name of a solution: the recipe's generation, and a hash of the trained columns in any order.

    Args:
        base: the prefix for this recipe of the shop.
        recipe: Personalize's name of the recipe.
        schemas: those of the shop's users and items.
        members: those of CreateSolution in the shop's settings; without any, the columns alone make the hash.
    """
    columns = sorted(
        (schema.kind, column.name, column.type, column.categorical, column.textual)
        for schema in schemas
        for column in (*schema.trained(), *_names_of_items(recipe, schema))
    )
    decides = json.dumps(columns)
    if members:
        decides += json.dumps(fixed(members), sort_keys=True)
    digest = hashlib.sha256(decides.encode()).hexdigest()[:DIGEST_LENGTH]
    return shorten(base, f"{'v2-' if recipe.endswith('-v2') else ''}{digest}")


def _names_of_items(recipe: str, schema: Schema) -> Iterator[Column]:
    """Yield the column with the names of items, which one recipe trains on beside the others."""
    return (column for column in schema.columns if column.item_name and recipe.endswith(SEMANTIC))


def digest(members: Mapping[str, Any]) -> str:
    """Return four hexadecimal digits of the members of a solution, weights included."""
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()[:4]


def is_of(name: str, base: str) -> bool:
    """Return whether a name is that of a solution of this recipe of the shop."""
    tail = _TAIL.search(name)
    return tail is not None and shorten(base, tail.group(1)) == name
