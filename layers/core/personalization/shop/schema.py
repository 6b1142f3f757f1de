# SPDX-License-Identifier: Apache-2.0
"""Datasets and their Avro schemas: which columns Personalize knows, which a shop adds, and what each holds.

The rules are those of the Amazon Personalize developer guide, "Preparing training data".
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from personalization.core.errors import Rejected
from personalization.shop.keys import DataKind

Type = Literal["string", "long", "float"]
Domain = Literal["ECOMMERCE"] | None

NAMESPACE = "com.amazonaws.personalize.schema"
METADATA_LIMITS: Mapping[DataKind, int] = {"interactions": 5, "users": 25, "items": 100}
"""Columns beside the known ones that a dataset may have."""
RETURN = "Return"
"""The event type of what came back: no purchase, and no sign of one."""
CATEGORY_LENGTH = 1000
"""Characters of a categorical value or an impression; an import fails beyond."""
TEXT_LENGTH = 1000
"""Characters of a text that describes a user or an item, but for the one that is trained on as text."""
ID_LENGTH = 256
"""Characters of an id."""
_RECORDS: Mapping[DataKind, str] = {"interactions": "Interactions", "users": "Users", "items": "Items"}
_TYPES: Mapping[str, Type] = {"string": "string", "long": "long", "int": "long", "float": "float", "double": "float"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a dataset, as its schema describes it."""

    name: str
    type: Type = "string"
    nullable: bool = False
    categorical: bool = False
    textual: bool = False

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.type != "string"

    def field(self) -> dict[str, object]:
        """The column as a field of an Avro record."""
        described: dict[str, object] = {"name": self.name, "type": ["null", self.type] if self.nullable else self.type}
        if self.categorical:
            described["categorical"] = True
        if self.textual:
            described["textual"] = True
        return described


@dataclass(frozen=True, slots=True)
class Schema:
    """A dataset's columns, in the order of the CSV that is imported."""

    kind: DataKind
    columns: tuple[Column, ...]

    def text(self) -> str:
        """The schema as canonical JSON: the same columns always give the same text."""
        fields = [column.field() for column in self.columns]
        names = {"type": "record", "name": _RECORDS[self.kind], "namespace": NAMESPACE}
        return json.dumps({**names, "fields": fields, "version": "1.0"}, separators=(",", ":"))

    def digest(self, domain: Domain) -> str:
        """Twelve hexadecimal digits that name this content in this domain."""
        return hashlib.sha256(f"{domain or ''}{self.text()}".encode()).hexdigest()[:12]

    def trained(self) -> tuple[Column, ...]:
        """The columns that a training of users' and items' data reads: categories, numbers and the description."""
        ids = {"USER_ID", "ITEM_ID"}
        usable = (column for column in self.columns if column.categorical or column.textual or column.numeric)
        return tuple(sorted((column for column in usable if column.name not in ids), key=lambda column: column.name))

    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    def metadata_columns(self, most: int = 10) -> list[str]:
        """The columns that an answer can show of an item: all but the id and long text, at most `most`."""
        shown = [column.name for column in self.columns if column.name != "ITEM_ID" and not column.textual]
        return shown[:most]

    def context_columns(self) -> list[str]:
        """The columns that a request can give as context: those of interactions beside the reserved ones."""
        reserved = {column.name for column in (*_REQUIRED[self.kind], *_RESERVED[self.kind])}
        return [name for name in self.names() if name not in reserved] if self.kind == "interactions" else []


def _words(*names: str, nullable: bool = True) -> tuple[Column, ...]:
    return tuple(Column(name, nullable=nullable) for name in names)


def _categories(*names: str, nullable: bool = True) -> tuple[Column, ...]:
    return tuple(Column(name, nullable=nullable, categorical=True) for name in names)


_IMPRESSIONS = _words("IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE")
_REQUIRED: Mapping[DataKind, tuple[Column, ...]] = {
    # EVENT_TYPE is always there: a shop's default type is filled in where a drop has none.
    "interactions": (Column("USER_ID"), Column("ITEM_ID"), Column("TIMESTAMP", "long"), Column("EVENT_TYPE")),
    "users": (Column("USER_ID"),),
    "items": (Column("ITEM_ID"),),
}
_RESERVED: Mapping[DataKind, tuple[Column, ...]] = {
    "interactions": (Column("EVENT_VALUE", "float", nullable=True), *_IMPRESSIONS),
    "users": (),
    "items": (Column("CREATION_TIMESTAMP", "long", nullable=True),),
}
_SHOP_REQUIRED = (Column("PRICE", "float"), *_categories("CATEGORY_L1", nullable=False))
_DESCRIPTION = Column("PRODUCT_DESCRIPTION", nullable=True, textual=True)
_SHOP_RESERVED: Mapping[DataKind, tuple[Column, ...]] = {
    "interactions": (),
    "users": _categories("MEMBERSHIP_STATUS"),
    "items": (*_categories("CATEGORY_L2", "CATEGORY_L3", "AGE_GROUP", "ADULT", "GENDER"), _DESCRIPTION),
}


def required(kind: DataKind, domain: Domain) -> tuple[Column, ...]:
    """The columns that every dataset of this kind has."""
    extra = _SHOP_REQUIRED if kind == "items" and domain else ()
    return _REQUIRED[kind] + extra


def known(kind: DataKind, domain: Domain) -> dict[str, Column]:
    """Every column that Personalize gives a meaning of its own, by name: required ones and reserved ones."""
    reserved = _RESERVED[kind] + (_SHOP_RESERVED[kind] if domain else ())
    return {column.name: column for column in required(kind, domain) + reserved}


def metadata(kind: DataKind, domain: Domain, names: Iterable[str]) -> list[str]:
    """Those of `names` that are the shop's own columns."""
    ours = known(kind, domain)
    return [name for name in names if name not in ours]


def check_limits(resource: str, kind: DataKind, domain: Domain, names: Iterable[str]) -> None:
    """Hold the number of columns against Personalize's limits.

    Raises:
        Rejected: too many columns of the shop's own; or a Users or Items dataset that says nothing about its ids.
    """
    names = tuple(names)
    own = metadata(kind, domain, names)
    limit = METADATA_LIMITS[kind]
    if len(own) > limit:
        raise Rejected(resource, f"{kind} can have {limit} columns of their own; {own[limit]} is one more")
    if kind != "interactions" and len(names) < 2:
        raise Rejected(resource, f"{kind} need at least one column beside {names[0]}")


def finish(resource: str, schema: Schema) -> Schema:
    """Settle what only the whole set of columns decides.

    Of several long texts one describes the item (`textual`: it is trained on), preferably the one called a
    description; and a Users or Items dataset whose only columns are plain texts gets the first of them as a category,
    because Personalize wants one column that it can train on.

    Raises:
        Rejected: the derived schema is longer than Personalize takes.
    """
    columns = _usable(schema.kind, _one_textual(schema.kind, schema.columns))
    finished = Schema(schema.kind, columns)
    if len(finished.text()) > 20_000:
        raise Rejected(
            resource, "the column names are too long together: Personalize takes schemas of 20,000 characters"
        )
    return finished


def described(kind: DataKind, names: Iterable[str]) -> str | None:
    """Of the columns that hold texts, the one that describes an item; None where none is called a description."""
    best = min(
        (name for name in names if "DESCRIPTION" in name),
        key=lambda name: (name != "DESCRIPTION", len(name)),
        default=None,
    )
    return best if kind == "items" else None


def _one_textual(kind: DataKind, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    if kind != "items" or any(column.textual for column in columns):
        return columns
    best = described(kind, (column.name for column in columns if column.type == "string"))
    return tuple(
        replace(column, textual=True, categorical=False) if column.name == best else column for column in columns
    )


def _usable(kind: DataKind, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    if kind == "interactions":
        return columns
    # The id is no metadata, and Personalize does not count an item's age as one.
    own = [column for column in columns if column.name not in {"USER_ID", "ITEM_ID", "CREATION_TIMESTAMP"}]
    if not own or any(column.categorical or column.textual or column.type != "string" for column in own):
        return columns
    return tuple(replace(column, categorical=True) if column is own[0] else column for column in columns)


def read(resource: str, kind: DataKind, text: str) -> Schema:
    """Understand a schema that Personalize keeps.

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
    marks = {mark: field.get(mark) is True for mark in ("categorical", "textual")}
    return Column(str(field["name"]), kinds[0], "null" in types, **marks)
