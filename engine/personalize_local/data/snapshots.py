# SPDX-License-Identifier: Apache-2.0
"""A dataset group's data as columns: what a training reads, and the files that it is put together from.

This module imports numpy only, so that the serving process may use its types; the work is done by `building` (polars),
which the worker process alone imports.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from personalize_local.data.schemas import Schema

Strings = npt.NDArray[np.object_]
"""Object array of `str`, or None where a value is missing."""
Column = npt.NDArray[np.object_] | npt.NDArray[np.float64]
"""Text (object, None = missing; several values are joined by `|`) or numbers (float64, NaN = missing)."""


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One event of PutEvents as it is kept: the line format of `SnapshotSpec.events`."""

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
    """One user or item of PutUsers / PutItems: the line format of `SnapshotSpec.put_users` and `put_items`."""

    id: str
    properties: Mapping[str, str | float | None] = field(default_factory=dict)
    """Metadata by schema column name; replaces the whole earlier record of this id."""


@dataclass(frozen=True, slots=True)
class SnapshotSpec:
    """Names the files that a snapshot is made from; small and picklable, so that it travels to the worker."""

    interactions: Sequence[Path]
    """Files that `importing.import_files` wrote, in import order, with FULL / INCREMENTAL already resolved."""
    interactions_schema: "Schema"
    users: Sequence[Path] = ()
    users_schema: "Schema | None" = None
    items: Sequence[Path] = ()
    items_schema: "Schema | None" = None
    events: Path | None = None
    """JSON lines of `StreamedEvent` in the order of arrival (`write_lines`)."""
    put_users: Path | None = None
    """JSON lines of `PutRecord` in the order of arrival."""
    put_items: Path | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Interactions, users and items of one dataset group, at one moment."""

    users: Strings
    """[users] ids of everybody with interactions or a Users row."""
    items: Strings
    """[items] ids of everything in Interactions or Items."""
    user_index: npt.NDArray[np.int32]
    """[rows] index into `users`; rows are sorted by user, then time, then order of import."""
    item_index: npt.NDArray[np.int32]
    """[rows] index into `items`."""
    timestamps: npt.NDArray[np.int64]
    """[rows] Unix epoch seconds."""
    event_type: npt.NDArray[np.int16]
    """[rows] index into `event_types`; -1 = none."""
    event_types: tuple[str, ...]
    event_values: npt.NDArray[np.float32]
    """[rows] NaN = none."""
    context: Mapping[str, Strings] = field(default_factory=dict)
    """Categorical Interactions metadata, [rows] each."""
    user_columns: Mapping[str, Column] = field(default_factory=dict)
    """Categorical and numeric Users metadata, [users] each."""
    item_columns: Mapping[str, Column] = field(default_factory=dict)
    """Categorical and numeric Items metadata (textual and plain strings never train), [items] each."""
    impressions: npt.NDArray[np.int64] | None = None
    """[items] how often each was shown, by the IMPRESSION of interactions; None = nothing is known of that."""

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """[users + 1] rows of user `u` are `starts[u]:starts[u + 1]`."""
        return np.searchsorted(self.user_index, np.arange(len(self.users) + 1)).astype(np.int64)


def write_lines(path: Path, records: Iterable[StreamedEvent] | Iterable[PutRecord]) -> None:
    """Write records as JSON lines for the worker."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(record), separators=(",", ":")) + "\n" for record in records)


def read_events(path: Path | None) -> Iterator[StreamedEvent]:
    """The events of a file that `write_lines` wrote."""
    for line in _lines(path):
        fields = json.loads(line)
        yield StreamedEvent(**{**fields, "impression": tuple(fields["impression"])})


def read_records(path: Path | None) -> Iterator[PutRecord]:
    """The users or items of a file that `write_lines` wrote."""
    for line in _lines(path):
        yield PutRecord(**json.loads(line))


def _lines(path: Path | None) -> Iterator[str]:
    if path is not None:
        with path.open(encoding="utf-8") as file:
            yield from file
