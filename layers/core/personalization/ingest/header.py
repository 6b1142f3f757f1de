# SPDX-License-Identifier: Apache-2.0
"""From a drop's header to the columns of the import: which cell goes where, and defaults."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from personalization.core.errors import Rejected
from personalization.shop import event_copies, schema
from personalization.shop.keys import DataKind
from personalization.shop.schema import Column, Schema
from personalization.shop.settings import ShopSettings

_OTHER = re.compile(r"[\W_]+")
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,149}")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "upright bars"}
_SHOWN = 12
"""Columns named in a message."""
_MARKS: Mapping[DataKind, tuple[str, ...]] = {
    "interactions": ("USER_ID", "ITEM_ID", "TIMESTAMP"),
    "users": ("USER_ID",),
    "items": ("ITEM_ID",),
}
"""The columns that identify a kind."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One column of the import."""

    name: str
    source: int | None
    """Index of the drop's column, or None where `default` fills every row."""
    default: str | None = None
    """The value of empty cells, or None where they stay empty."""
    column: Column | None = None
    """The column's definition, or None where the data decide."""


@dataclass(frozen=True, slots=True)
class ReturnRule:
    """The condition that makes a row a return: a number of the drop's column `source` below a limit."""

    name: str
    source: int
    below: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of an import in order, and notes about them."""

    kind: DataKind
    slots: tuple[Slot, ...]
    notes: tuple[str, ...]
    added: tuple[str, ...] = ()
    """Columns added to the dataset by a change of its schema."""
    returns: ReturnRule | None = None

    def names(self) -> tuple[str, ...]:
        return tuple(slot.name for slot in self.slots)


def arrange(
    resource: str, kind: DataKind, header: Sequence[str], settings: ShopSettings, existing: Schema | None
) -> Layout:
    """Decide the columns of an import.

    Args:
        resource: the name in messages.
        kind: of the drop.
        header: the drop's column names, in any case and order.
        settings: with a mapping of names, defaults and the domain.
        existing: the schema of the existing dataset; its columns and their types stay.

    Raises:
        Rejected: a name that Personalize does not accept, a duplicate or missing column, or too many columns; columns
            of another kind of drop; or columns that differ from the dataset's and cannot be added.
    """
    domain = settings.personalize_domain
    for mark, word in _SEPARATORS.items():
        if len(header) == 1 and mark in header[0]:
            raise Rejected(resource, f"the values are separated by {word}: save the file with commas between them")
    columns: Mapping[str, Column] = schema.known(kind, domain)
    required = [column.name for column in schema.required(kind, domain)]
    sources = _sources(resource, header, settings, columns)
    defaults = {name: str(value) for name, value in settings.defaults.items()}
    if kind == "interactions":
        defaults.setdefault("EVENT_TYPE", settings.event_type)
    missing = [name for name in required if name not in sources and name not in defaults]
    other = _other_kind(kind, sources)
    if other and other != kind:
        marks = ", ".join(_MARKS[other])
        raise Rejected(resource, f"these look like {other} ({marks}): drop them under {other}/, not {kind}/")
    if missing:
        raise Rejected(resource, f"{_missing(missing, settings)}; the file has {_listed(header)}")
    names = [*required, *(name for name in sources if name not in required)]
    returns = _return_rule(resource, kind, sources, header, settings)
    if returns and returns.name in _dispensable(kind, domain, names, existing):
        names.remove(returns.name)
    schema.check_limits(resource, kind, domain, names)
    added: tuple[str, ...] = ()
    if existing is not None:
        names, added = _columns_of(resource, kind, names, existing)
        columns = {**columns, **{column.name: column for column in existing.columns}}
        if required_new := [name for name in added if name in columns and not columns[name].nullable]:
            raise Rejected(resource, f"the dataset cannot get {', '.join(required_new)}: a new column may be empty")
    slots = tuple(Slot(name, sources.get(name), defaults.get(name), columns.get(name)) for name in names)
    return Layout(kind, slots, tuple(_notes(header, slots, added)), added, returns)


def _return_rule(
    resource: str, kind: DataKind, sources: Mapping[str, int], header: Sequence[str], settings: ShopSettings
) -> ReturnRule | None:
    """Return the condition that makes a row a return, if the shop has one.

    Raises:
        Rejected: the file lacks the column, so its returns would count as purchases.
    """
    if kind != "interactions" or settings.returns is None or event_copies.MARK in map(canonical, header):
        return None
    wanted = canonical(settings.returns.column)
    mapped = {canonical(theirs): ours for theirs, ours in settings.columns.items()}.get(wanted, wanted)
    name = next((name for name in sources if name.replace("_", "") == mapped.replace("_", "")), None)
    if name is None:
        lack = f"the settings recognise returns by the column {settings.returns.column}, which the file lacks"
        raise Rejected(resource, f"{lack}: it has {_listed(header)}. Add the column, or change returns in the settings")
    return ReturnRule(name, sources[name], settings.returns.below)


def _dispensable(kind: DataKind, domain: schema.Domain, names: Sequence[str], existing: Schema | None) -> list[str]:
    """Return the shop's own columns that cannot be imported: the dataset lacks them, or they exceed the limit."""
    own = schema.metadata(kind, domain, names)
    if existing is not None:
        return [name for name in own if name not in existing.names()]
    return own if len(own) > schema.METADATA_LIMITS[kind] else []


def recognise(resource: str, header: Sequence[str], settings: ShopSettings) -> DataKind:
    """Return the dataset of a file from its columns alone.

    Raises:
        Rejected: the columns fit none, or more than one.
    """
    columns = schema.known("interactions", settings.personalize_domain)
    kind = _other_kind("interactions", _sources(resource, header, settings, columns))
    if kind is None:
        marks = "; ".join(f"{each} by {', '.join(names)}" for each, names in _MARKS.items())
        raise Rejected(
            resource, f"the columns do not show which data these are ({marks}): the file has {_listed(header)}"
        )
    return kind


def _listed(header: Sequence[str]) -> str:
    more = len(header) - _SHOWN
    return ", ".join(header[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def canonical(name: str) -> str:
    """Return a column's name in capitals, its words joined by single underscores."""
    return _OTHER.sub("_", name).strip("_").upper()


def _sources(resource: str, header: Sequence[str], settings: ShopSettings, columns: Iterable[str]) -> dict[str, int]:
    """Return the index of each column of a drop by its name in the import; `columns` are those that the kind has."""
    mapping = {canonical(theirs): ours for theirs, ours in settings.columns.items()}
    # Personalize treats names that differ only in underscores as equal; so does this, for known names.
    known = {name.replace("_", ""): name for name in columns}
    copy = event_copies.MARK in map(canonical, header)
    sources: dict[str, int] = {}
    taken: dict[str, int] = {}
    for index, theirs in enumerate(header):
        name = canonical(theirs)
        name = mapping.get(name) or known.get(name.replace("_", ""), name)
        if not _NAME.fullmatch(name):
            rule = "names are made of a-z, 0-9 and _; settings can map it to one"
            raise Rejected(resource, f"column {index + 1} has the name {theirs!r}: {rule}")
        if copy and name in event_copies.BESIDE:
            continue
        other = taken.setdefault(name.replace("_", ""), index)
        if other != index:
            raise Rejected(resource, f"columns {header[other]!r} and {theirs!r} are the same column {name}")
        sources[name] = index
    return sources


def _missing(missing: list[str], settings: ShopSettings) -> str:
    problem = f"required columns are missing: {', '.join(missing)}; settings can map a column to a required name"
    if settings.domain == "ecommerce" and set(missing) & {"PRICE", "CATEGORY_L1"}:
        return f"{problem}, give it a default, or choose domain: custom before the shop is first dropped"
    return f"{problem} or give it a default"


def _columns_of(resource: str, kind: DataKind, names: list[str], existing: Schema) -> tuple[list[str], tuple[str, ...]]:
    """Return the columns of the dataset, and those to add."""
    current = existing.names()
    missing = [name for name in current if name not in names]
    new = tuple(name for name in names if name not in current)
    if missing or (new and kind == "interactions"):
        changes = [f"without {', '.join(missing)}"] * bool(missing) + [f"with new {', '.join(new)}"] * bool(new)
        rule = "Personalize lets Users and Items datasets get more columns, and no dataset lose any"
        way = "; keep the column, its cells may be empty" if missing else ""
        raise Rejected(resource, f"the columns differ from those of the dataset: {' and '.join(changes)}; {rule}{way}")
    return [*current, *new], new


def _other_kind(kind: DataKind, sources: Mapping[str, int]) -> DataKind | None:
    """Return the kind that a header clearly belongs to, or None."""
    if set(_MARKS["interactions"]) <= set(sources):
        return "interactions"
    # A single id column without a time describes users or items.
    users, items = "USER_ID" in sources, "ITEM_ID" in sources
    if users == items or (kind == "interactions" and "TIMESTAMP" in sources):
        return None
    return "users" if users else "items"


def _notes(header: Sequence[str], slots: Sequence[Slot], added: Sequence[str]) -> list[str]:
    notes = []
    for slot in slots:
        if slot.source is None:
            notes.append(f"{slot.name} is not in the drop: every row was given {slot.default}")
        elif canonical(header[slot.source]) != slot.name:
            notes.append(f"{header[slot.source]} was read as {slot.name}")
    if added:
        notes.append(f"{', '.join(added)}: new, so the dataset gets another schema")
    beside = [name for name in map(canonical, header) if name in event_copies.BESIDE]
    if event_copies.MARK in beside:
        notes.append(f"{', '.join(beside)}: left out of a copy of events")
    return notes
