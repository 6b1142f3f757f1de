# SPDX-License-Identifier: Apache-2.0
"""Single records of a dataset group, as they are stored and held in memory."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isnan
from typing import Any, Generic, NamedTuple, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

Value = str | float
"""A cell of a Users or Items row: text (several values joined by `|`), a number, or a boolean as 1.0 / 0.0."""


class Interaction(NamedTuple):
    """One row of a user's history."""

    item_id: str
    timestamp: float
    """Unix epoch seconds."""
    event_type: str | None = None
    event_value: float | None = None


_Text = TypeVar("_Text", str, str | None)


@dataclass(frozen=True, eq=False)
class Table(Generic[_Text]):
    """The texts of codes; it is compared by identity."""

    texts: Sequence[_Text]


class Coded(Sequence[_Text]):
    """Dictionary-encoded texts. Many share a table, so a model looks it up once for all of them."""

    __slots__ = ("codes", "table")

    def __init__(self, codes: npt.NDArray[np.integer[Any]], table: Table[_Text]) -> None:
        self.codes = codes
        self.table: Table[_Text] = table

    @classmethod
    def of(cls, texts: Iterable[_Text]) -> Self:
        """Return texts with a table of their own."""
        numbers: dict[_Text, int] = {}
        codes = [numbers.setdefault(text, len(numbers)) for text in texts]
        table: Table[_Text] = Table(list(numbers))
        return cls(np.array(codes, np.intp), table)

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, position: int) -> _Text: ...

    @overload
    def __getitem__(self, position: slice | npt.NDArray[np.intp]) -> "Coded[_Text]": ...

    def __getitem__(self, position: int | slice | npt.NDArray[np.intp]) -> "_Text | Coded[_Text]":
        if isinstance(position, int):
            text: _Text = self.table.texts[self.codes[position]]
            return text
        return Coded(self.codes[position], self.table)

    def __iter__(self) -> Iterator[_Text]:
        return map(self.table.texts.__getitem__, self.codes.tolist())


class History(Sequence[Interaction]):
    """A user's interactions, oldest first, as columns: an answer needs few of the rows themselves."""

    __slots__ = ("event_types", "event_values", "item_ids", "timestamps")

    def __init__(
        self,
        item_ids: Coded[str],
        timestamps: npt.NDArray[np.float64],
        event_types: Coded[str | None],
        event_values: npt.NDArray[np.floating[Any]],
    ) -> None:
        """`event_values` has NaN for none."""
        self.item_ids, self.timestamps = item_ids, timestamps
        self.event_types, self.event_values = event_types, event_values

    @classmethod
    def of(cls, rows: Sequence[Interaction]) -> "History":
        """Return rows as columns."""
        if isinstance(rows, cls):
            return rows
        ids, times, kinds, values = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls(Coded.of(ids), np.array(times, np.float64), Coded.of(kinds), np.array(values, np.float64))

    def __len__(self) -> int:
        return len(self.timestamps)

    @overload
    def __getitem__(self, position: int) -> Interaction: ...

    @overload
    def __getitem__(self, position: slice) -> "History": ...

    def __getitem__(self, position: int | slice) -> "Interaction | History":
        ids, times, kinds, values = self.item_ids, self.timestamps, self.event_types, self.event_values
        if isinstance(position, slice):
            return History(ids[position], times[position], kinds[position], values[position])
        return Interaction(ids[position], float(times[position]), kinds[position], _present(float(values[position])))

    def __iter__(self) -> Iterator[Interaction]:
        values = map(_present, self.event_values.tolist())
        return map(Interaction, self.item_ids, self.timestamps.tolist(), self.event_types, values)


def _present(value: float) -> float | None:
    return None if isnan(value) else value


class OwnedEvent(NamedTuple):
    """A streamed event whose user is known."""

    number: int
    """Of the event that made the user known: the event itself, or the session's log-in."""
    user_id: str
    row: Interaction


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One event of PutEvents as it is stored."""

    session_id: str
    event_type: str
    sent_at: float
    """Unix epoch seconds."""
    event_id: str
    user_id: str | None = None
    item_id: str | None = None
    """None: an event without an item (a search, say); it neither trains nor filters."""
    event_value: float | None = None
    recommendation_id: str | None = None
    impression: tuple[str, ...] = ()
    properties: Mapping[str, str | float | None] = field(default_factory=dict)
    """Interactions metadata by schema column name (NUM_RATINGS, not numRatings)."""


@dataclass(frozen=True, slots=True)
class PutRecord:
    """One user or item of PutUsers or PutItems as it is stored."""

    id: str
    properties: Mapping[str, str | float | None] = field(default_factory=dict)
    """Metadata by schema column name; replaces the whole earlier record of this id."""


class Counted(NamedTuple):
    """Interactions of which only the number is known."""

    item_id: str
    event_type: str | None
    event_value: float | None
    interactions: int


class Since(NamedTuple):
    """What was streamed and put since the imports, in the order of arrival."""

    events: Iterable[StreamedEvent] = ()
    """A training reads them once: an iterator need not hold them all."""
    users: Sequence[PutRecord] = ()
    items: Sequence[PutRecord] = ()


def to_json(record: StreamedEvent | PutRecord) -> str:
    return json.dumps(asdict(record), separators=(",", ":"))


def event_from_json(text: str) -> StreamedEvent:
    fields = json.loads(text)
    return StreamedEvent(**{**fields, "impression": tuple(fields["impression"])})
