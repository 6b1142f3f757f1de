# SPDX-License-Identifier: Apache-2.0
"""A dataset group's data as columns: what a training reads, and which files it comes from.

This module imports numpy only, so that the serving process may use its types. `building` (polars) makes snapshots, in
the worker process alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.records import PutRecord, StreamedEvent
from personalize_local.data.schemas import Schema

Strings = npt.NDArray[np.object_]
"""Object array of `str`, or None where a value is missing."""
Column = npt.NDArray[np.object_] | npt.NDArray[np.float64]
"""Text (object, None = missing; several values are joined by `|`) or numbers (float64, NaN = missing)."""


@dataclass(frozen=True, slots=True)
class SnapshotSpec:
    """What a snapshot is made from. The serving process names files only: the worker adds what was streamed."""

    interactions: Sequence[Path]
    """Files that `importing.import_files` wrote, in import order, with FULL / INCREMENTAL already resolved."""
    interactions_schema: Schema
    users: Sequence[Path] = ()
    users_schema: Schema | None = None
    items: Sequence[Path] = ()
    items_schema: Schema | None = None
    events: Sequence[StreamedEvent] = ()
    """In the order of arrival, as the records that follow."""
    put_users: Sequence[PutRecord] = ()
    put_items: Sequence[PutRecord] = ()
    texts: bool = False
    """Whether items' names and descriptions are wanted."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Interactions, users and items of one dataset group, at one moment."""

    users: Strings
    """[users] ids of all users with interactions or a Users row."""
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
    """[items] how often each was shown, by the IMPRESSION of interactions; None = unknown."""
    item_texts: Mapping[str, Strings] = field(default_factory=dict)
    """`name` and `description` of items, [items] each, as far as the schema marks such columns and they are wanted."""

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """[users + 1] rows of user `u` are `starts[u]:starts[u + 1]`."""
        return np.searchsorted(self.user_index, np.arange(len(self.users) + 1)).astype(np.int64)

    def of_items(self, items: npt.NDArray[np.int64]) -> Self:
        """Return the same with some items only, in ascending order, which must have all of the interactions."""
        position = np.zeros(len(self.items), np.int32)
        position[items] = np.arange(len(items))
        return replace(
            self,
            items=self.items[items],
            item_index=position[self.item_index],
            item_columns={name: column[items] for name, column in self.item_columns.items()},
            impressions=None if self.impressions is None else self.impressions[items],
            item_texts={name: column[items] for name, column in self.item_texts.items()},
        )
