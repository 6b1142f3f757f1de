# SPDX-License-Identifier: Apache-2.0
"""Snapshots from tables, with what was streamed and put since (numpy only).

What is imported may be large: a column that nothing was streamed to stays mapped from the disk.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, compress, count
from typing import Any

import numpy as np
import numpy.typing as npt

from personalize_local.data.event_columns import EventColumns, Owned, Positions, Texts
from personalize_local.data.records import PutRecord
from personalize_local.data.schemas import contexts, trainable
from personalize_local.data.snapshots import Column, Snapshot, Strings
from personalize_local.data.tables import Table, Tables


def compose(
    tables: Tables,
    events: EventColumns,
    users: Sequence[PutRecord] = (),
    items: Sequence[PutRecord] = (),
    *,
    texts: bool = False,
) -> Snapshot:
    """Return what a training reads. Without a table of users (or items) records of them do not count.

    `events`, `users`, `items`: what was streamed and put since. `texts`: whether items' names and descriptions are
    wanted.
    """
    interactions, owned = tables.interactions, events.owned()
    of_users, of_items = _Metadata(tables.users, users), _Metadata(tables.items, items)
    new_users, new_items = _texts(events.users, owned.users), _texts(events.items, events.items.codes[owned.rows])
    user_ids, old_users = _united(interactions.strings("history.users"), of_users.ids(), new_users.values())
    item_ids, old_items = _united(interactions.strings("history.items"), of_items.ids(), new_items.values())
    user_codes, item_codes = _codes(user_ids), _codes(item_ids)
    history = interactions.arrays
    starts = history["history.start"]
    user_index = np.repeat(old_users.astype(np.int32), np.diff(starts))
    item_index = _recoded(history["history.item"], old_items)
    typed = "EVENT_TYPE" in interactions.schema.names
    new_types = _texts(events.types, events.types.codes[owned.rows]) if typed else {}
    types, type_names = _event_types(interactions, new_types.values())
    values, context = history["history.value"], _context(interactions)
    times = history["history.time"]
    if len(owned.rows):
        new = _Streamed(events, owned, _numbers(new_users, user_codes))
        merged = _Merge(new.positions(user_index, times), len(user_index))
        user_index, times = merged(user_index, new.users), merged(times, new.times)
        item_index = merged(item_index, new.codes(events.items, _numbers(new_items, item_codes)))
        types = merged(types, new.codes(events.types, _numbers(new_types, _codes_of(type_names))))
        valued = "EVENT_VALUE" in interactions.schema.names
        values = merged(values, events.values[new.rows] if valued else np.full(len(new.rows), np.nan, np.float32))
        context = {name: merged(column, new.context(name)) for name, column in context.items()}
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
        impressions=_impressions(interactions, events, owned.rows, item_codes),
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

    def __init__(self, events: EventColumns, owned: Owned, users: npt.NDArray[np.int32]) -> None:
        """`users`: numbers of users by the events' codes."""
        of_users, times = users[owned.users], events.times[owned.rows]
        order = np.lexsort((times, of_users))
        self.users, self.times, self.rows = of_users[order], times[order], owned.rows[order]
        self._events = events

    def codes(self, texts: Texts, numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return numbers by the events' codes of some texts; -1 without any."""
        if not len(numbers):
            return np.full(len(self.rows), -1, np.int32)
        return numbers[texts.codes[self.rows]]

    def context(self, name: str) -> Strings:
        texts = self._events.context[name]
        values: Strings = _objects(texts.all())[texts.codes[self.rows]]
        return values

    def positions(self, users: npt.NDArray[np.int32], times: npt.NDArray[np.int64]) -> Positions:
        """Return the imported row before which each event belongs: after those of its user that are not newer."""
        both = (times, self.times)
        first = min(int(part.min(initial=self.times[0])) for part in both)
        span = max(int(part.max(initial=self.times[0])) for part in both) - first + 1
        if (max(int(part.max(initial=0)) for part in (users, self.users)) + 1) * span < 2**63:
            old, new = (part - first for part in both)
        else:
            different, ranks = np.unique(np.concatenate(both), return_inverse=True)
            span, (old, new) = len(different), np.split(ranks, [len(times)])
        old, new = (of.astype(np.int64) * span + part for of, part in ((users, old), (self.users, new)))
        positions: Positions = np.searchsorted(old, new, "right")
        return positions


class _Merge:
    """Put new rows between old ones: each before the old row that is named, in ascending order."""

    def __init__(self, before: Positions, rows: int) -> None:
        self._new = np.zeros(rows + len(before), bool)
        self._new[before + np.arange(len(before))] = True

    def __call__(self, old: npt.NDArray[Any], new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        together = np.empty(len(self._new), old.dtype)
        together[self._new], together[~self._new] = new, old
        return together


def _texts(texts: Texts, codes: npt.NDArray[np.int32]) -> dict[int, str]:
    """Return the texts of some codes by code."""
    every = texts.all()
    return {code: every[code] for code in np.unique(codes).tolist()}


def _numbers(texts: Mapping[int, str], numbers: Mapping[str, int]) -> npt.NDArray[np.int32]:
    """Return the numbers of texts by their codes."""
    by_code = np.full(max(texts, default=-1) + 1, -1, np.int32)
    by_code[list(texts)] = [numbers[text] for text in texts.values()]
    return by_code


def _united(imported: Strings, metadata: Collection[str], streamed: Iterable[str]) -> tuple[Strings, Positions]:
    """Return all ids in alphabetical order, and where the imported ones stand among them."""
    rest = {*metadata, *streamed}
    rest.difference_update(imported.tolist())
    if not rest:
        return imported, np.arange(len(imported))
    ids = _objects(sorted([*imported.tolist(), *rest]))
    return ids, np.fromiter(compress(count(), (key not in rest for key in ids.tolist())), np.int64, len(imported))


def _codes(ids: Strings) -> dict[str, int]:
    return _codes_of(ids.tolist())


def _codes_of(texts: Iterable[str]) -> dict[str, int]:
    return {text: position for position, text in enumerate(texts)}


def _positions(ids: Strings, codes: Mapping[str, int]) -> Positions:
    return np.fromiter(map(codes.__getitem__, ids.tolist()), np.int64, len(ids))


def _recoded(codes: npt.NDArray[Any], positions: Positions) -> npt.NDArray[Any]:
    """Return codes of an older list as those of a newer one; -1 stays."""
    if np.array_equal(positions, np.arange(len(positions))):
        return codes
    recoded: npt.NDArray[Any] = np.append(positions, -1).astype(codes.dtype)[codes]
    return recoded


def _event_types(interactions: Table, new: Iterable[str]) -> tuple[npt.NDArray[np.int16], tuple[str, ...]]:
    old: list[str] = interactions.facts["event_types"]
    names = sorted({*old, *new})
    positions = np.array([names.index(name) for name in old], np.int64)
    return _recoded(interactions.arrays["history.type"], positions), tuple(names)


def _context(interactions: Table) -> dict[str, Strings]:
    names = contexts(interactions.schema)
    columns = {name: f"history.context.{name}" for name in names}
    missing = np.full(len(interactions.arrays["history.time"]) if columns else 0, -1)
    return {name: interactions.texts(key, interactions.arrays.get(key, missing)) for name, key in columns.items()}


def _impressions(
    interactions: Table, events: EventColumns, rows: Positions, codes: Mapping[str, int]
) -> npt.NDArray[np.int64] | None:
    """Return how often each item was shown; None if the schema has no column for it."""
    if "IMPRESSION" not in interactions.schema.names:
        return None
    counts = np.zeros(len(codes), np.int64)
    for item, times in chain(interactions.shown(), events.shown_by(rows).items()):
        if item in codes:
            counts[codes[item]] += times
    return counts


def _objects(values: Sequence[object]) -> Strings:
    strings = np.empty(len(values), object)
    strings[:] = values
    return strings
