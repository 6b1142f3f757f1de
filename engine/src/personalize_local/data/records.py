# SPDX-License-Identifier: Apache-2.0
"""Single records of a dataset group, as they are stored and held in memory."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

Value = str | float
"""A cell of a Users or Items row: text (several values joined by `|`), a number, or a boolean as 1.0 / 0.0."""


class Interaction(NamedTuple):
    """One row of a user's history."""

    item_id: str
    timestamp: float
    """Unix epoch seconds."""
    event_type: str | None = None
    event_value: float | None = None


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


def to_json(record: StreamedEvent | PutRecord) -> str:
    return json.dumps(asdict(record), separators=(",", ":"))


def event_from_json(text: str) -> StreamedEvent:
    fields = json.loads(text)
    return StreamedEvent(**{**fields, "impression": tuple(fields["impression"])})
