# SPDX-License-Identifier: Apache-2.0
"""Snapshots from tables, with what was streamed and put since (numpy only).

What is imported may be large: a column that nothing was streamed to stays mapped from the disk.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress, count
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from personalize_local.data.records import PutRecord, Since, StreamedEvent
from personalize_local.data.schemas import Schema, contexts, trainable
from personalize_local.data.snapshots import Column, Snapshot, Strings
from personalize_local.data.tables import Table, Tables

Positions = npt.NDArray[np.int64]


class Owned(NamedTuple):
    """An event whose user is known."""

    user_id: str
    event: StreamedEvent


def owned(events: Sequence[StreamedEvent]) -> list[Owned]:
    """Return events with an item and a user; a log-in gives its session's earlier events a user too.

    `events` are in the order of arrival. Of those with the same id the first counts.
    """
    distinct = {event.event_id: event for event in reversed(events)}
    with_item = [event for event in reversed(distinct.values()) if event.item_id]
    owner = {event.session_id: event.user_id for event in reversed(with_item) if event.user_id}
    users = (event.user_id or owner.get(event.session_id) for event in with_item)
    return [Owned(user, event) for user, event in zip(users, with_item, strict=True) if user]


def compose(tables: Tables, since: Since, *, texts: bool = False) -> Snapshot:
    """Return what a training reads. Without a table of users (or items) records of them do not count.

    `texts`: whether items' names and descriptions are wanted.
    """
    interactions, streamed = tables.interactions, owned(since.events)
    of_users, of_items = _Metadata(tables.users, since.users), _Metadata(tables.items, since.items)
    user_ids, old_users = _united(
        interactions.strings("history.users"), of_users.ids(), (row.user_id for row in streamed)
    )
    shown = (row.event.item_id or "" for row in streamed)
    item_ids, old_items = _united(interactions.strings("history.items"), of_items.ids(), shown)
    user_codes, item_codes = _codes(user_ids), _codes(item_ids)
    history = interactions.arrays
    starts = history["history.start"]
    user_index = np.repeat(old_users.astype(np.int32), np.diff(starts))
    item_index = _recoded(history["history.item"], old_items)
    types, type_names = _event_types(interactions, streamed)
    values, context = history["history.value"], _context(interactions)
    times = history["history.time"]
    if streamed:
        new = _Streamed(streamed, interactions.schema, user_codes, item_codes, type_names)
        before = new.positions(user_index, times)
        user_index, item_index = np.insert(user_index, before, new.users), np.insert(item_index, before, new.items)
        times, values = np.insert(times, before, new.times), np.insert(values, before, new.values)
        types = np.insert(types, before, new.types)
        context = {name: np.insert(column, before, new.context(name)) for name, column in context.items()}
    return Snapshot(
        users=user_ids,
        items=item_ids,
        user_index=user_index,
        item_index=item_index,
        timestamps=times,
        event_type=types,
        event_types=type_names,
        event_values=values,
        context=context,
        user_columns=of_users.columns(user_ids, user_codes),
        item_columns=of_items.columns(item_ids, item_codes),
        impressions=_impressions(interactions, streamed, item_codes),
        item_texts=of_items.texts(item_ids, item_codes) if texts else {},
    )


class _Metadata:
    """The users or the items: a table, and the records over it."""

    def __init__(self, table: Table | None, records: Sequence[PutRecord]) -> None:
        self._table = table
        self._ids = table.strings(f"{table.kind}.ids") if table else np.empty(0, object)
        self._records = {record.id: record for record in records} if table else {}

    def ids(self) -> list[str]:
        return [*self._ids.tolist(), *self._records]

    def columns(self, ids: Strings, codes: Mapping[str, int]) -> dict[str, Column]:
        """Return the columns that train, aligned with `ids`."""
        return self._aligned([field.name for field in trainable(self._table.schema)], ids, codes) if self._table else {}

    def texts(self, ids: Strings, codes: Mapping[str, int]) -> dict[str, Strings]:
        if self._table is None:
            return {}
        schema = self._table.schema
        marked = {"name": schema.marked("item_name"), "description": schema.marked("textual")}
        names = {role: field.name for role, field in marked.items() if field}
        columns: Mapping[str, Any] = self._aligned(list(dict.fromkeys(names.values())), ids, codes)
        return {role: columns[name] for role, name in names.items()}

    def _aligned(self, names: Collection[str], ids: Strings, codes: Mapping[str, int]) -> dict[str, Column]:
        if self._table is None:
            return {}
        rows = np.full(len(ids), -1, np.int64)
        rows[_positions(self._ids, codes)] = np.arange(len(self._ids))
        fields = [field for field in self._table.schema.fields if field.name in names]
        columns = {field.name: self._table.column(field, rows) for field in fields}
        for record in self._records.values():
            position = codes[record.id]
            for field in fields:
                value = record.properties.get(field.name)
                columns[field.name][position] = np.nan if value is None and field.type != "string" else value
        return columns


class _Streamed:
    """Events as rows, by user, then time, then order of arrival."""

    def __init__(
        self,
        rows: Sequence[Owned],
        schema: Schema,
        users: Mapping[str, int],
        items: Mapping[str, int],
        types: Sequence[str],
    ) -> None:
        of_users = np.array([users[row.user_id] for row in rows], np.int32)
        times = np.array([int(row.event.sent_at) for row in rows], np.int64)
        order = np.lexsort((times, of_users))
        self.users, self.times = of_users[order], times[order]
        self._events = [rows[position].event for position in order]
        self.items = np.array([items[event.item_id or ""] for event in self._events], np.int32)
        code = {name: position for position, name in enumerate(types)}
        self.types = np.array([code.get(event.event_type, -1) for event in self._events], np.int16)
        valued = "EVENT_VALUE" in schema.names
        values = (event.event_value if valued else None for event in self._events)
        self.values = np.array([np.nan if value is None else value for value in values], np.float32)

    def context(self, name: str) -> Strings:
        return _objects([event.properties.get(name) for event in self._events])

    def positions(self, users: npt.NDArray[np.int32], times: npt.NDArray[np.int64]) -> Positions:
        """Return the imported row before which each event belongs: after those of its user that are not newer."""
        begin, end = (np.searchsorted(users, self.users, side) for side in ("left", "right"))
        bounds = zip(begin.tolist(), end.tolist(), self.times.tolist(), strict=True)
        return np.array([low + np.searchsorted(times[low:high], time, "right") for low, high, time in bounds], np.int64)


def _united(imported: Strings, metadata: Collection[str], streamed: Iterable[str]) -> tuple[Strings, Positions]:
    """Return all ids in alphabetical order, and where the imported ones stand among them."""
    rest = {*metadata, *streamed}
    rest.difference_update(imported.tolist())
    if not rest:
        return imported, np.arange(len(imported))
    ids = _objects(sorted([*imported.tolist(), *rest]))
    return ids, np.fromiter(compress(count(), (key not in rest for key in ids.tolist())), np.int64, len(imported))


def _codes(ids: Strings) -> dict[str, int]:
    return {key: position for position, key in enumerate(ids.tolist())}


def _positions(ids: Strings, codes: Mapping[str, int]) -> Positions:
    return np.fromiter(map(codes.__getitem__, ids.tolist()), np.int64, len(ids))


def _recoded(codes: npt.NDArray[Any], positions: Positions) -> npt.NDArray[Any]:
    """Return codes of an older list as those of a newer one; -1 stays."""
    if np.array_equal(positions, np.arange(len(positions))):
        return codes
    recoded: npt.NDArray[Any] = np.append(positions, -1).astype(codes.dtype)[codes]
    return recoded


def _event_types(interactions: Table, streamed: Sequence[Owned]) -> tuple[npt.NDArray[np.int16], tuple[str, ...]]:
    old: list[str] = interactions.facts["event_types"]
    typed = "EVENT_TYPE" in interactions.schema.names
    names = sorted({*old, *(row.event.event_type for row in streamed if typed)})
    positions = np.array([names.index(name) for name in old], np.int64)
    return _recoded(interactions.arrays["history.type"], positions), tuple(names)


def _context(interactions: Table) -> dict[str, Strings]:
    names = contexts(interactions.schema)
    missing = np.full(len(interactions.arrays["history.time"]), -1)
    columns = {name: f"history.context.{name}" for name in names}
    return {name: interactions.texts(key, interactions.arrays.get(key, missing)) for name, key in columns.items()}


def _impressions(
    interactions: Table, streamed: Sequence[Owned], codes: Mapping[str, int]
) -> npt.NDArray[np.int64] | None:
    """Return how often each item was shown; None if the schema has no column for it."""
    if "IMPRESSION" not in interactions.schema.names:
        return None
    counts = np.zeros(len(codes), np.int64)
    with_events = ((item, 1) for row in streamed for item in "|".join(row.event.impression).split("|"))
    for pairs in (interactions.shown(), with_events):
        for item, times in pairs:
            if item in codes:
                counts[codes[item]] += times
    return counts


def _objects(values: Sequence[object]) -> Strings:
    strings = np.empty(len(values), object)
    strings[:] = values
    return strings
