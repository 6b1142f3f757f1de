# SPDX-License-Identifier: Apache-2.0
"""Datasets and their Avro schemas: Personalize's columns, the shop's own, and their types.

The rules are those of the Amazon Personalize developer guide, "Preparing training data".
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from table_intake.errors import Refused
from table_intake.kinds import EVENTS, OF_ACTIONS, DataKind
from table_intake.wording import Text

Type = Literal["string", "long", "float"]
Domain = Literal["ECOMMERCE"] | None

NAMESPACE = "com.amazonaws.personalize.schema"
METADATA_LIMITS: Mapping[DataKind, int] = {
    "interactions": 5,
    "users": 25,
    "items": 100,
    "actions": 10,
    "action-interactions": 5,
}
"""The most columns of its own that a dataset may have."""
DEEDS = ("TAKEN", "NOT_TAKEN", "VIEWED")
"""What a user may have done with an action."""
RETURN = "Return"
"""The event type of returns, which are neither purchases nor signs of one."""
CATEGORY_LENGTH = 1000
"""Characters of a categorical value or an impression; longer ones fail the import."""
TEXT_LENGTH = 1000
"""Characters of a text about a user or an item, except the textual column."""
ID_LENGTH = 256
"""Characters of an id."""
_RECORDS: Mapping[DataKind, str] = {
    "interactions": "Interactions",
    "users": "Users",
    "items": "Items",
    "actions": "Actions",
    "action-interactions": "ActionInteractions",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a dataset's schema."""

    name: str
    type: Type = "string"
    nullable: bool = False
    categorical: bool = False
    textual: bool = False
    item_name: bool = False
    """Whether it names the item, for a recipe that compares texts."""
    words: tuple[str, ...] = field(default=(), compare=False)
    """The only values that it may have, as they are imported: in any case, with any mark between words."""
    bounds: tuple[int, int] | None = field(default=None, compare=False)
    """The least and the largest number, where Personalize has any."""

    @property
    def numeric(self) -> bool:
        return self.type != "string"

    def field(self) -> dict[str, object]:
        marks = {"categorical": self.categorical, "textual": self.textual, "itemName": self.item_name}
        kind = ["null", self.type] if self.nullable else self.type
        return {"name": self.name, "type": kind, **{mark: True for mark, marked in marks.items() if marked}}


@dataclass(frozen=True, slots=True)
class Schema:
    """A dataset's columns, in the order of the imported CSV."""

    kind: DataKind
    columns: tuple[Column, ...]

    def text(self) -> str:
        """Return canonical JSON: the same columns always give the same text."""
        fields = [column.field() for column in self.columns]
        names = {"type": "record", "name": _RECORDS[self.kind], "namespace": NAMESPACE}
        return json.dumps({**names, "fields": fields, "version": "1.0"}, separators=(",", ":"))

    def digest(self, domain: Domain) -> str:
        """Return twelve hexadecimal digits that identify this content in this domain."""
        return hashlib.sha256(f"{domain or ''}{self.text()}".encode()).hexdigest()[:12]

    def trained(self) -> tuple[Column, ...]:
        """Return the columns of users' and items' data that a training reads: categories, numbers and the
        description."""
        ids = {"USER_ID", "ITEM_ID", "ACTION_ID"}
        usable = (column for column in self.columns if column.categorical or column.textual or column.numeric)
        return tuple(sorted((column for column in usable if column.name not in ids), key=lambda column: column.name))

    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def metadata_columns(self, most: int = 10) -> list[str]:
        """Return the columns that an answer can show: all but the id and long text, at most `most`."""
        shown = [column.name for column in self.columns if column.name != "ITEM_ID" and not column.textual]
        return shown[:most]

    def context_columns(self) -> list[str]:
        """Return the columns that a request can give as context: interactions' own columns."""
        reserved = {column.name for column in (*_REQUIRED[self.kind], *_RESERVED[self.kind])}
        return [name for name in self.names() if name not in reserved] if self.kind == "interactions" else []


def _categories(*names: str, nullable: bool = True) -> tuple[Column, ...]:
    return tuple(Column(name, nullable=nullable, categorical=True) for name in names)


_NO_METADATA = frozenset({"USER_ID", "ITEM_ID", "ACTION_ID", "CREATION_TIMESTAMP"})
_IMPRESSIONS = ("IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE")
_REQUIRED: Mapping[DataKind, tuple[Column, ...]] = {
    # EVENT_TYPE is always there: a shop's default type fills it where a drop has none.
    "interactions": (Column("USER_ID"), Column("ITEM_ID"), Column("TIMESTAMP", "long"), Column("EVENT_TYPE")),
    "users": (Column("USER_ID"),),
    "items": (Column("ITEM_ID"),),
    "actions": (Column("ACTION_ID"),),
    "action-interactions": (
        Column("USER_ID"),
        Column("ACTION_ID"),
        Column("EVENT_TYPE", words=DEEDS),
        Column("TIMESTAMP", "long"),
    ),
}
_RESERVED: Mapping[DataKind, tuple[Column, ...]] = {
    "interactions": (
        Column("EVENT_VALUE", "float", nullable=True),
        *(Column(name, nullable=True) for name in _IMPRESSIONS),
    ),
    "users": (),
    "items": (Column("CREATION_TIMESTAMP", "long", nullable=True),),
    "actions": (
        Column("CREATION_TIMESTAMP", "long", nullable=True),
        Column("EXPIRATION_TIMESTAMP", "long", nullable=True),
        Column("VALUE", "long", nullable=True, bounds=(1, 10)),
        Column("REPEAT_FREQUENCY", "long", nullable=True, bounds=(1, 30)),
        Column("TYPE", nullable=True),
    ),
    "action-interactions": tuple(Column(name, nullable=True) for name in ("IMPRESSION", "RECOMMENDATION_ID")),
}
_SHOP_REQUIRED = (Column("PRICE", "float"), *_categories("CATEGORY_L1", nullable=False))
_DESCRIPTION = Column("PRODUCT_DESCRIPTION", nullable=True, textual=True)
_SHOP_RESERVED: Mapping[DataKind, tuple[Column, ...]] = {
    "interactions": (),
    "users": _categories("MEMBERSHIP_STATUS"),
    "items": (*_categories("CATEGORY_L2", "CATEGORY_L3", "AGE_GROUP", "ADULT", "GENDER"), _DESCRIPTION),
    "actions": (),
    "action-interactions": (),
}


def required(kind: DataKind, domain: Domain) -> tuple[Column, ...]:
    """Return the required columns of every dataset of this kind."""
    extra = _SHOP_REQUIRED if kind == "items" and domain else ()
    return _REQUIRED[kind] + extra


def recognised(kind: DataKind, domain: Domain) -> dict[str, Column]:
    """Return the columns with a meaning in Personalize, by name: required and reserved ones."""
    reserved = _RESERVED[kind] + (_SHOP_RESERVED[kind] if domain else ())
    return {column.name: column for column in required(kind, domain) + reserved}


def metadata(kind: DataKind, domain: Domain, names: Iterable[str]) -> list[str]:
    """Return those of `names` that are the shop's own columns."""
    ours = recognised(kind, domain)
    return [name for name in names if name not in ours]


def check_limits(resource: str, kind: DataKind, domain: Domain, names: Iterable[str]) -> None:
    """Check the number of columns against Personalize's limits.

    Raises:
        Refused: too many columns of the shop's own; or a Users or Items dataset with ids only.
    """
    names = tuple(names)
    of_shop = metadata(kind, domain, names)
    limit = METADATA_LIMITS[kind]
    if len(of_shop) > limit:
        text = "{kind} can have {limit} columns of their own; {column} is one more"
        raise Refused(resource, Text("schema.limit", text, kind=_named(kind), limit=limit, column=of_shop[limit]))
    # When an action was made is no data about it.
    if kind not in EVENTS and len(set(names) - ({"CREATION_TIMESTAMP"} if kind in OF_ACTIONS else set())) < 2:
        text = "{kind} need at least one column beside {column}"
        raise Refused(resource, Text("schema.one-more", text, kind=_named(kind), column=names[0]))


def _named(kind: DataKind) -> Text:
    return Text(f"kind.{kind}", kind)


def finish(resource: str, schema: Schema) -> Schema:
    """Set properties that depend on the whole set of columns.

    One of several long texts describes the item (`textual`: it is trained on), preferably the one named description. In
    a Users or Items dataset with plain texts only, the first becomes a category, because Personalize needs one
    trainable column.

    Raises:
        Refused: the schema is longer than Personalize accepts.
    """
    columns = _usable(schema.kind, _one_textual(schema.kind, schema.columns))
    finished = Schema(schema.kind, columns)
    if len(finished.text()) > 20_000:
        text = "the column names are too long together: Personalize takes schemas of 20,000 characters"
        raise Refused(resource, Text("schema.names", text))
    return finished


def with_texts(schema: Schema, names: Sequence[str], new: Collection[str]) -> Schema:
    """Return a schema of items with the marks of an item's name and description, as far as its columns allow.

    Only new columns can be marked: Personalize never changes a column that a dataset has.

    Args:
        schema: the columns.
        names: what names an item, in plain letters, the best first.
        new: the columns that the dataset does not have yet.
    """
    texts = [column.name for column in schema.columns if column.name in new and column.type == "string"]
    name, description = _texts(texts, names, schema.columns)
    return Schema(
        schema.kind,
        tuple(
            replace(column, item_name=True, categorical=False)
            if column.name == name
            else replace(column, textual=True, categorical=False)
            if column.name == description
            else column
            for column in schema.columns
        ),
    )


def check_texts(
    resource: str, names: Sequence[str], columns: Collection[str], added: Collection[str], existing: Schema | None
) -> None:
    """Check that items have a name and a description, which can be marked; see `with_texts`.

    Args:
        resource: the name in messages.
        names: as there.
        columns, added: the names of all columns, and of those that the dataset does not have yet.
        existing: the schema of the existing dataset.

    Raises:
        Refused: one of them is missing.
    """
    before = existing.columns if existing else ()
    name, description = _texts(added if existing else columns, names, before)
    named = name or any(column.item_name for column in before)
    told = description or any(column.textual for column in before)
    missing = [
        *([] if named else [Text("schema.a-name", "one that names each item, such as ITEM_NAME")]),
        *([] if told else [Text("schema.a-description", "one that describes it, such as PRODUCT_DESCRIPTION")]),
    ]
    if not missing:
        return
    if existing is None:
        text = (
            "semantic-similarity compares texts, and the file lacks a column: {missing}; settings can map a column, "
            "with items: {{columns: {{title: ITEM_NAME}}}}, or leave the recipe out"
        )
        raise Refused(resource, Text("schema.no-texts", text, missing=Text.all_of(missing)))
    text = (
        "semantic-similarity needs columns that the dataset was made without, and Personalize never changes a column: "
        "drop the whole file of items with a new column, {missing}; it may repeat what another one has. Or leave the "
        "recipe out"
    )
    raise Refused(resource, Text("schema.no-marks", text, missing=Text.all_of(missing)))


def _texts(new: Iterable[str], names: Sequence[str], columns: Iterable[Column]) -> tuple[str | None, str | None]:
    """Return the new columns with items' names and descriptions, each where no column has its mark."""
    columns, new = tuple(columns), tuple(new)
    plain = {re.sub(r"[^a-z]", "", column.lower()): column for column in new}
    name = next((plain[word] for word in names if word in plain), None)
    named, told = any(column.item_name for column in columns), any(column.textual for column in columns)
    return None if named else name, None if told else described("items", new)


def described(kind: DataKind, names: Iterable[str]) -> str | None:
    """Return the text column that describes an item; None if none is named a description."""
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
    if kind in EVENTS:
        return columns
    # The id is no metadata, and Personalize does not count an item's age as metadata.
    metadata_columns = [column for column in columns if column.name not in _NO_METADATA]
    if not metadata_columns or any(
        column.categorical or column.textual or column.type != "string" for column in metadata_columns
    ):
        return columns
    return tuple(replace(column, categorical=True) if column is metadata_columns[0] else column for column in columns)
