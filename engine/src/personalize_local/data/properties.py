# SPDX-License-Identifier: Apache-2.0
"""The `properties` of events, users and items: an object whose keys are the schema's columns in camelCase."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from personalize_local.data.schemas import LINE_BREAK, NOT_SECONDS, TEXT_LENGTH, Field, Schema, longest
from personalize_local.wire.errors import InvalidInput

Members = Mapping[str, Any]
_BREAK = re.compile(LINE_BREAK)
_IDS: Final = {"USERS": "USER_ID", "ITEMS": "ITEM_ID", "ACTIONS": "ACTION_ID"}
_OF_EVENTS: Final = frozenset({"userid", "sessionid", "eventtype", "timestamp", "recommendationid", "impression"})


def refuse(members: Members, schema: Schema) -> None:
    """Refuse keys that have a member of their own, in any case. Raises InvalidInput."""
    key_of_record = _IDS.get(schema.dataset_type, "").replace("_", "").lower()
    for key in members:
        if key.lower() in ({key_of_record} if key_of_record else _OF_EVENTS):
            raise InvalidInput(f"properties must not have the key {key}: it has a member of its own.")


def columns(members: Members, schema: Schema) -> dict[str, str | float | None]:
    """Return the values by column, without keys that the schema does not have. Raises InvalidInput."""
    fields = {camel_case(field.name): field for field in schema.fields}
    items = schema.dataset_type == "ITEMS"
    return {fields[key].name: _cell(fields[key], value, items=items) for key, value in members.items() if key in fields}


def record(members: Members, schema: Schema) -> dict[str, str | float | None]:
    """Return the columns of a whole record beside its id. Raises InvalidInput for what an import refuses."""
    values = columns(members, schema)
    for field in schema.fields:
        if field.name != _IDS[schema.dataset_type] and not field.nullable and values.get(field.name) is None:
            raise InvalidInput(
                f"Property {camel_case(field.name)} does not allow null: the record has no value for it."
            )
    return values


def on_one_line(member: str, value: str | None) -> None:
    """Refuse line breaks in an id: files with one record a line could not name it. Raises InvalidInput."""
    if value is not None and _BREAK.search(value):
        raise InvalidInput(f"{member} must not contain line breaks.")


def camel_case(column: str) -> str:
    """Turn NUM_RATINGS into numRatings."""
    first, *rest = column.lower().split("_")
    return first + "".join(part.capitalize() for part in rest)


def _cell(field: Field, value: object, *, items: bool) -> str | float | None:
    if value is None or value == "":  # an empty cell of a file is null too
        return None
    if field.type == "string":
        return _text(field, value, items=items) if isinstance(value, str) else _refuse(field, value)
    if field.type == "boolean":
        return float(value) if isinstance(value, bool) else _refuse(field, value)
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None:
        return _refuse(field, value)
    name, whole = camel_case(field.name), field.type in {"int", "long"}
    if not (abs(number) < 2**63 if whole else math.isfinite(number)):
        raise InvalidInput(f"Value of property {name} is too large for a number of type {field.type}.")
    if whole and number != int(number):
        raise InvalidInput(f"Value of property {name} must be a whole number: its type is {field.type}.")
    if whole and field.name.endswith("TIMESTAMP") and number >= NOT_SECONDS:
        raise InvalidInput(f"Value of property {name} must be Unix epoch seconds: it looks like milliseconds.")
    return int(number) if whole else number


def _text(field: Field, value: str, *, items: bool) -> str:
    """Check a text by the rules of imports: AWS publishes none for records."""
    name, limit = camel_case(field.name), longest(field, items=items)
    if limit is not None and len(value) > limit:
        raise InvalidInput(f"Length cannot be more than {limit} characters for property {name}.")
    if _BREAK.search(value):
        raise InvalidInput(f"Value of property {name} must not contain line breaks.")
    return value[:TEXT_LENGTH] if field.textual else value


def _refuse(field: Field, value: object) -> float:
    kind = type(value).__name__
    raise InvalidInput(f"Value of property {camel_case(field.name)} must be of type {field.type}, not {kind}.")
