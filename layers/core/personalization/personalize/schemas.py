# SPDX-License-Identifier: Apache-2.0
"""Schemas as Personalize stores them."""

import json
from collections.abc import Mapping

from table_intake import DataKind
from table_intake.columns.schema import Column, Schema, Type

from personalization.core.errors import Rejected

_TYPES: Mapping[str, Type] = {"string": "string", "long": "long", "int": "long", "float": "float", "double": "float"}


def read(resource: str, kind: DataKind, text: str) -> Schema:
    """Parse a schema from Personalize.

    Raises:
        Rejected: it is not a flat record of texts and numbers, so it was not made here.
    """
    try:
        fields = json.loads(text)["fields"]
        return Schema(kind, tuple(_column(field) for field in fields))
    except (ValueError, KeyError, TypeError):
        raise Rejected(resource, "the dataset has a schema that was not made by this project") from None


def _column(field: Mapping[str, object]) -> Column:
    types = [str(kind) for kind in (field["type"] if isinstance(field["type"], list) else [field["type"]])]
    kinds = [_TYPES[kind] for kind in types if kind != "null"]
    return Column(
        str(field["name"]),
        kinds[0],
        "null" in types,
        categorical=field.get("categorical") is True,
        textual=field.get("textual") is True,
        item_name=field.get("itemName") is True,
    )
