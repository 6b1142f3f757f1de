# SPDX-License-Identifier: Apache-2.0
"""Avro schemas as Amazon Personalize accepts them: names, types and nullability of a dataset's columns.

The rules come from the developer guide's pages on datasets and schemas. Where it is silent, a docstring states
the choice made here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Literal, get_args

from personalize_local.wire.errors import InvalidInput

DatasetType = Literal["INTERACTIONS", "USERS", "ITEMS", "ACTIONS", "ACTION_INTERACTIONS"]
FieldType = Literal["string", "float", "double", "int", "long", "boolean"]

NAMESPACE = "com.amazonaws.personalize.schema"
MAX_SCHEMA_LENGTH = 20_000
"""Characters of a schema's text."""

_DATASETS: dict[str, DatasetType] = {
    "Interactions": "INTERACTIONS",
    "Users": "USERS",
    "Items": "ITEMS",
    "Actions": "ACTIONS",
    "ActionInteractions": "ACTION_INTERACTIONS",
}
_DATASETS_IN_ANY_CASE = {name.lower(): dataset for name, dataset in _DATASETS.items()}
_TYPES: dict[str, FieldType] = {word: word for word in get_args(FieldType)}
_METADATA_LIMITS: dict[DatasetType, int] = {
    "INTERACTIONS": 5,
    "USERS": 25,
    "ITEMS": 100,
    "ACTIONS": 10,
    "ACTION_INTERACTIONS": 5,
}
_NO_METADATA = {"USER_ID", "ITEM_ID", "ACTION_ID", "CREATION_TIMESTAMP"}
_COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,149}")


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a dataset."""

    name: str
    type: FieldType
    nullable: bool = False
    categorical: bool = False
    textual: bool = False
    item_name: bool = False
    """Whether it names the item (`itemName`): Semantic-Similarity compares names too."""

    @property
    def numeric(self) -> bool:
        return self.type not in {"string", "boolean"}


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one dataset, in the order of the CSV."""

    dataset_type: DatasetType
    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def find(self, name: str) -> Field | None:
        """Return the column of this name in any case."""
        return next((field for field in self.fields if field.name.lower() == name.lower()), None)

    def marked(self, mark: Literal["textual", "item_name"]) -> Field | None:
        """Return the one column that has a mark."""
        return next((field for field in self.fields if getattr(field, mark)), None)


ID_LENGTH = 256
VALUE_LENGTH = 1000
TEXT_LENGTH = 20_000
NOT_SECONDS = 10**11
"""Seconds reach this in the year 5138; milliseconds of today are above it."""
LINE_BREAK = "\r\n|[\n\v\f\r\x85\u2028\u2029]"
"""What a record must not contain, since it is on a single line: AWS's guide names no kinds, so every one of Unicode."""
_IDS = frozenset({"USER_ID", "ITEM_ID", "ACTION_ID"})


def longest(field: Field, *, items: bool) -> int | None:
    """Return the most characters of a string: of an id, a category, or any column of an item; None = no limit.

    A textual column has no limit here: it is cut off instead.
    """
    if field.type != "string" or field.textual:
        return None
    if field.name in _IDS:
        return ID_LENGTH
    return VALUE_LENGTH if items or field.categorical or field.name == "IMPRESSION" else None


RESERVED: Final = frozenset(
    {
        "USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE", "IMPRESSION", "RECOMMENDATION_ID",
        "EVENT_ATTRIBUTION_SOURCE",
    }
)  # fmt: skip
"""Columns with a meaning of their own: no metadata."""


def trainable(schema: Schema) -> list[Field]:
    """Return the metadata that trains: categories and numbers, but no text, plain strings or booleans."""
    usable = (field for field in schema.fields if field.name not in RESERVED and not field.textual)
    return [field for field in usable if field.categorical or field.numeric]


def contexts(schema: Schema) -> list[str]:
    """Return the columns of interactions that train as the context of an event."""
    return [field.name for field in trainable(schema) if field.type == "string"]


def as_items(schema: Schema) -> Schema:
    """Rename a schema of actions to items: recipes and live data treat both the same."""
    kinds: dict[DatasetType, DatasetType] = {"ACTIONS": "ITEMS", "ACTION_INTERACTIONS": "INTERACTIONS"}
    fields = tuple(replace(field, name="ITEM_ID") if field.name == "ACTION_ID" else field for field in schema.fields)
    return Schema(kinds.get(schema.dataset_type, schema.dataset_type), fields)


def _columns(kind: FieldType, *names: str, null: bool = True, categorical: bool = False) -> tuple[Field, ...]:
    return tuple(Field(name, kind, null, categorical) for name in names)


_text, _category = partial(_columns, "string"), partial(_columns, "string", categorical=True)
_DESCRIPTION = Field("PRODUCT_DESCRIPTION", "string", nullable=True, textual=True)
_EVENT = _text("USER_ID", "ITEM_ID", null=False) + _columns("long", "TIMESTAMP", null=False)
_EVENT_EXTRAS = _columns("float", "EVENT_VALUE") + _text("IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE")
_ACTION_EVENT = _text("USER_ID", "ACTION_ID", "EVENT_TYPE", null=False) + _columns("long", "TIMESTAMP", null=False)

# Per dataset: the required columns, then the reserved ones. `nullable`: the schema may say null.
_Columns = tuple[tuple[Field, ...], tuple[Field, ...]]
_CUSTOM: dict[DatasetType, _Columns] = {
    "INTERACTIONS": (_EVENT, _text("EVENT_TYPE") + _EVENT_EXTRAS),
    "USERS": (_text("USER_ID", null=False), ()),
    "ITEMS": (_text("ITEM_ID", null=False), _columns("long", "CREATION_TIMESTAMP")),
    "ACTIONS": (
        _text("ACTION_ID", null=False),
        _columns("long", "CREATION_TIMESTAMP", "VALUE", "ACTION_EXPIRATION_TIMESTAMP", "EXPIRATION_TIMESTAMP")
        + _columns("long", "REPEAT_FREQUENCY")
        + _text("TYPE"),
    ),
    "ACTION_INTERACTIONS": (_ACTION_EVENT, _text("IMPRESSION", "RECOMMENDATION_ID")),
}
_DOMAIN_EVENTS: _Columns = (_EVENT + _text("EVENT_TYPE", null=False), _EVENT_EXTRAS)
_DOMAINS: dict[str | None, dict[DatasetType, _Columns]] = {
    None: _CUSTOM,
    "ECOMMERCE": {
        **_CUSTOM,
        "INTERACTIONS": _DOMAIN_EVENTS,
        "USERS": (_text("USER_ID", null=False), _category("MEMBERSHIP_STATUS")),
        "ITEMS": (
            _text("ITEM_ID", null=False)
            + _columns("float", "PRICE", null=False)
            + _category("CATEGORY_L1", null=False),
            _category("CATEGORY_L2", "CATEGORY_L3", "AGE_GROUP", "ADULT", "GENDER")
            + _columns("long", "CREATION_TIMESTAMP")
            + (_DESCRIPTION,),
        ),
    },
    "VIDEO_ON_DEMAND": {
        **_CUSTOM,
        "INTERACTIONS": _DOMAIN_EVENTS,
        "USERS": (_text("USER_ID", null=False), _category("SUBSCRIPTION_MODEL")),
        "ITEMS": (
            _text("ITEM_ID", null=False)
            + _category("GENRES", null=False)
            + _columns("long", "CREATION_TIMESTAMP", null=False),
            _category("GENRE_L2", "GENRE_L3", "CONTENT_OWNER", "CONTENT_CLASSIFICATION")
            + _columns("float", "PRICE", "DURATION", "AVERAGE_RATING")
            + (_DESCRIPTION,),
        ),
    },
}


def parse_schema(text: str, domain: str | None) -> Schema:
    """Read an Avro schema under the rules of a domain: ECOMMERCE, VIDEO_ON_DEMAND or None for a custom dataset group.

    Required columns must be there, with their type and without null. Reserved columns keep their type and may be null,
    CREATION_TIMESTAMP and a custom EVENT_TYPE too (imports mention rows without them). Required and reserved columns
    are no metadata. Unknown attributes are ignored, as in Avro. The record's name may be in any case, and the version
    any text or number, or absent: Amazon Personalize accepts them. Raises InvalidInput, which names the field.
    """
    if domain not in _DOMAINS:
        raise InvalidInput(f"Unknown domain {domain}: it is ECOMMERCE, VIDEO_ON_DEMAND or left out.")
    document = _read(text)
    dataset = _dataset(document)
    entries = document.get("fields")
    if not isinstance(entries, list) or not entries:
        raise InvalidInput('The schema must have "fields": a list that is not empty.')
    fields = tuple(_field(entry, position) for position, entry in enumerate(entries, 1))
    _refuse_duplicates(fields)
    required, reserved = _DOMAINS[domain][dataset]
    for standard in required + reserved:
        _match(fields, standard, required=standard in required)
    _check_metadata(dataset, fields, {standard.name for standard in required}, {standard.name for standard in reserved})
    return Schema(dataset, fields)


def fitting(members: Mapping[str, Any], domain: str | None, dataset_type: str) -> Schema:
    """Return the schema of CreateSchema's members, with its ARN, for a dataset of a type in a group of a domain.

    Raises InvalidInput, which names the schema.
    """
    arn, for_domain = members["schemaArn"], members.get("domain")
    if for_domain != domain:
        words = [f"domain {name}" if name else "no domain" for name in (for_domain, domain)]
        raise InvalidInput(f"Schema {arn} is for {words[0]}, the dataset group for {words[1]}: they must agree.")
    parsed = parse_schema(members["schema"], domain)
    if parsed.dataset_type != dataset_type:
        raise InvalidInput(f"Schema {arn} is for {parsed.dataset_type}, not for {dataset_type}.")
    return parsed


def updatable(old: Schema, new: Schema) -> None:
    """Check a new schema against a dataset's present one. Raises InvalidInput, which names the field.

    Only Items and Users may change; every column stays as it is, and new columns allow null.
    """
    if old.dataset_type != new.dataset_type:
        raise InvalidInput(f"A dataset of type {old.dataset_type} cannot take a schema for {new.dataset_type}.")
    if old.dataset_type not in {"ITEMS", "USERS"}:
        raise InvalidInput(f"Only Items and Users datasets can be updated, not {old.dataset_type}.")
    new_fields = {field.name: field for field in new.fields}
    for field in old.fields:
        if field.name not in new_fields:
            raise InvalidInput(f"The new schema leaves out field {field.name}: every existing field must stay.")
        if new_fields[field.name] != field:
            raise InvalidInput(f"The new schema changes field {field.name}: existing fields must stay as they are.")
    for field in new.fields:
        if field.name not in old.names and not field.nullable:
            raise InvalidInput(f"New field {field.name} must allow null.")


def _read(text: str) -> dict[str, object]:
    """Read the record around the fields and check its fixed words."""
    if not 1 <= len(text) <= MAX_SCHEMA_LENGTH:
        raise InvalidInput(f"The schema must have between 1 and {MAX_SCHEMA_LENGTH} characters, not {len(text)}.")
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The schema is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InvalidInput("The schema must be a JSON object that describes an Avro record.")
    for key, expected in (("type", "record"), ("namespace", NAMESPACE)):
        if document.get(key) != expected:
            raise InvalidInput(f'The schema must have "{key}": "{expected}".')
    version = document.get("version", "1.0")
    if isinstance(version, bool) or not isinstance(version, str | int | float):
        raise InvalidInput('The "version" of the schema must be a text or a number, such as "1.0".')
    return document


def _dataset(document: dict[str, object]) -> DatasetType:
    name = document.get("name")
    if not isinstance(name, str) or name.lower() not in _DATASETS_IN_ANY_CASE:
        raise InvalidInput(f'The schema must have a "name" out of {", ".join(_DATASETS)}.')
    return _DATASETS_IN_ANY_CASE[name.lower()]


def _field(entry: object, position: int) -> Field:
    if not isinstance(entry, dict):
        raise InvalidInput(f"Field {position} of the schema must be an object with a name and a type.")
    name = entry.get("name")
    if not isinstance(name, str) or not _COLUMN_NAME.fullmatch(name):
        raise InvalidInput(f"Field {position} of the schema needs a name of at most 150 letters, digits and _.")
    for attribute in ("categorical", "textual", "itemName"):
        if not isinstance(entry.get(attribute, False), bool):
            raise InvalidInput(f'Field {name}: "{attribute}" must be true or false.')
    kind, nullable = _type(entry.get("type"), name)
    marks = (entry.get(attribute, False) for attribute in ("categorical", "textual", "itemName"))
    field = Field(name, kind, nullable, *marks)
    marked_as = {"categorical": field.categorical, "textual": field.textual, "the itemName": field.item_name}
    for attribute, marked in marked_as.items():
        if marked and kind != "string":
            raise InvalidInput(f"Field {name} is of type {kind}: only a string field can be {attribute}.")
    if field.categorical and field.textual:
        raise InvalidInput(f"Field {name} cannot be both categorical and textual.")
    return field


def _type(value: object, name: str) -> tuple[FieldType, bool]:
    """Read a type word or a union of one with null, in either order."""
    words: list[object] = value if isinstance(value, list) else [value]
    kinds = [word for word in words if word != "null"]
    if len(kinds) != 1 or len(words) > 2 or not isinstance(kinds[0], str) or kinds[0] not in _TYPES:
        raise InvalidInput(
            f"Field {name} must have one type out of {', '.join(_TYPES)}, alone or in a list with null: "
            "a schema is flat, without records, arrays, maps or enums."
        )
    return _TYPES[kinds[0]], len(words) == 2


def _refuse_duplicates(fields: tuple[Field, ...]) -> None:
    seen: dict[str, str] = {}
    for field in fields:
        key = field.name.replace("_", "").lower()
        if key in seen:
            raise InvalidInput(f"Field {field.name} repeats {seen[key]}: names must differ by more than _ and case.")
        seen[key] = field.name


def _match(fields: tuple[Field, ...], standard: Field, *, required: bool) -> None:
    column = next((field for field in fields if field.name == standard.name), None)
    if column is None:
        if required:
            raise InvalidInput(f"The schema lacks the required field {standard.name} ({_describe(standard)}).")
    elif replace(column, nullable=standard.nullable, item_name=False) != standard or (
        column.nullable and not standard.nullable
    ):
        word = "Required" if required else "Reserved"
        raise InvalidInput(f"{word} field {standard.name} must be {_describe(standard)}, not {_describe(column)}.")


def _describe(field: Field) -> str:
    marks = " categorical" * field.categorical + " textual" * field.textual
    return f"{field.type}{marks}{' or null' if field.nullable else ''}"


def _check_metadata(dataset: DatasetType, fields: tuple[Field, ...], required: set[str], reserved: set[str]) -> None:
    textual = [field.name for field in fields if field.textual]
    if textual and dataset != "ITEMS":
        raise InvalidInput(f"Field {textual[0]} cannot be textual: only an Items dataset can have a textual field.")
    if len(textual) > 1:
        raise InvalidInput(f"Fields {', '.join(textual)} are textual: a schema can have only one textual field.")
    names = [field.name for field in fields if field.item_name]
    if names and dataset != "ITEMS":
        raise InvalidInput(f"Field {names[0]} cannot be the itemName: only an Items dataset can have one.")
    if len(names) > 1:
        raise InvalidInput(f"Fields {', '.join(names)} are each the itemName: a schema can have only one.")
    metadata = [field for field in fields if field.name not in required | reserved]
    if len(metadata) > _METADATA_LIMITS[dataset]:
        limit = _METADATA_LIMITS[dataset]
        raise InvalidInput(
            f"{dataset} can have at most {limit} metadata fields; field {metadata[limit].name} is one more."
        )
    described = [field for field in fields if field.name not in _NO_METADATA]
    if dataset in {"USERS", "ITEMS", "ACTIONS"} and not any(f.categorical or f.textual or f.numeric for f in described):
        kinds = "categorical or numeric" if dataset == "USERS" else "categorical, textual or numeric"
        raise InvalidInput(f"{dataset} needs at least one {kinds} metadata field beside its id.")
