# SPDX-License-Identifier: Apache-2.0
"""What an answer needs besides the model: histories and metadata, current to the last acknowledged call."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.bulk import Bulk, Cell
from personalize_local.data.snapshots import Column, StreamedEvent
from personalize_local.recipes.base import Interaction, Value
from personalize_local.recipes.user_personalization.online_counts import Owned

_CATALOGUES = 8
"""Catalogues (of models that serve) whose columns are kept ready."""


class LiveData:
    """One dataset group's histories and metadata: bulk rows mapped from disk, streamed records on top."""

    def __init__(self, bulk: Bulk | None = None) -> None:
        self._bulk = bulk or Bulk.empty()
        self._event_ids: set[str] = set()
        self._events: dict[str, list[Interaction]] = {}
        self._sessions: dict[str, list[Interaction]] = {}
        self._anonymous: dict[str, list[Interaction]] = {}
        self._owner: dict[str, str] = {}
        self.owned: list[Owned] = []
        """Every event that belongs to a user, in the order in which it came to belong to him."""
        self._users: dict[str, Mapping[str, Value]] = {}
        self._items: dict[str, Mapping[str, Value]] = {}
        self._catalogues: OrderedDict[int, _Catalogue] = OrderedDict()

    @classmethod
    def load(cls, directory: Path | None) -> Self:
        """Map what `building.write_live` wrote (None: no bulk data yet)."""
        return cls(Bulk.load(directory) if directory else None)

    def replace_bulk(self, directory: Path | None) -> None:
        """Take over a new import; streamed events and put records stay."""
        self._bulk = Bulk.load(directory) if directory else Bulk.empty()
        self._catalogues.clear()

    def history(self, user_id: str) -> list[Interaction]:
        """Oldest first: the user's bulk rows, his events, and those of sessions tied to him; a session id works too."""
        rows = self._bulk.history(user_id)
        events = self._events.get(user_id)
        session = self._sessions.get(user_id) if events is None else self._anonymous.get(user_id)
        if not events and not session:
            return rows
        rows += events or []
        rows += session or []
        rows.sort(key=_moment)
        return rows

    def add_event(self, event: StreamedEvent, number: int = 0) -> bool:
        """Count an event, O(1); False if its id was counted before. `number`: its place in the store.

        An event without an item is remembered by its id only, except that it still ties its session to its user.
        """
        if event.event_id in self._event_ids:
            return False
        self._event_ids.add(event.event_id)
        if event.user_id:
            self._log_in(event.session_id, event.user_id, number)
        if event.item_id:
            row = Interaction(event.item_id, event.sent_at, event.event_type, event.event_value)
            self._file(event, row, number)
        return True

    def put_user(self, user_id: str, properties: Mapping[str, Value | None]) -> None:
        """Replace a user's metadata (schema column names)."""
        self._users[user_id] = _present(properties)

    def put_item(self, item_id: str, properties: Mapping[str, Value | None]) -> None:
        """Replace an item's metadata (schema column names)."""
        self._items[item_id] = _present(properties)
        for catalogue in self._catalogues.values():
            catalogue.update(item_id, self._items[item_id])

    def user(self, user_id: str) -> Mapping[str, Value]:
        """A user's metadata without missing values; empty if unknown."""
        put = self._users.get(user_id)
        return self._bulk.users.row(user_id) if put is None else put

    def item(self, item_id: str) -> Mapping[str, Value]:
        """An item's metadata without missing values; empty if unknown."""
        put = self._items.get(item_id)
        return self._bulk.items.row(item_id) if put is None else put

    def item_column(self, name: str, item_ids: npt.NDArray[np.object_]) -> Column:
        """One Items column aligned with `item_ids` (cached for the array's identity; do not write to it).

        float64 with NaN for numeric columns, else object with None; an unknown column is all None.
        """
        catalogue = self._catalogues.get(id(item_ids))
        if catalogue is None or catalogue.bulk is not self._bulk:
            catalogue = self._catalogues[id(item_ids)] = _Catalogue(item_ids, self._bulk)
            if len(self._catalogues) > _CATALOGUES:
                self._catalogues.popitem(last=False)
        return catalogue.column(name, self._items)

    def _log_in(self, session_id: str, user_id: str, number: int) -> None:
        self._owner[session_id] = user_id
        before = self._anonymous.pop(session_id, None)
        if before:
            self._events.setdefault(user_id, []).extend(before)
            self.owned += [Owned(number, user_id, row) for row in before]

    def _file(self, event: StreamedEvent, row: Interaction, number: int) -> None:
        owner = event.user_id or self._owner.get(event.session_id)
        self._sessions.setdefault(event.session_id, []).append(row)
        if owner:
            self._events.setdefault(owner, []).append(row)
            self.owned.append(Owned(number, owner, row))
        else:
            self._anonymous.setdefault(event.session_id, []).append(row)


class _Catalogue:
    """Item columns aligned with one model's items."""

    def __init__(self, item_ids: npt.NDArray[np.object_], bulk: Bulk) -> None:
        self._ids = item_ids  # held, so that its identity stays its own
        self._position = {item_id: position for position, item_id in enumerate(item_ids.tolist())}
        self._rows = bulk.items.positions(item_ids)
        self.bulk = bulk
        self._columns: dict[str, Column] = {}

    def column(self, name: str, put: Mapping[str, Mapping[str, Value]]) -> Column:
        """A column, made on first use from bulk rows and every record put so far."""
        if name not in self._columns:
            self._columns[name] = self.bulk.items.column(name, self._rows)
            for item_id, properties in put.items():
                self._set(name, item_id, properties)
        return self._columns[name]

    def update(self, item_id: str, properties: Mapping[str, Value]) -> None:
        """Show a new record in the columns made so far."""
        for name in self._columns:
            self._set(name, item_id, properties)

    def _set(self, name: str, item_id: str, properties: Mapping[str, Value]) -> None:
        position, column = self._position.get(item_id), self._columns[name]
        if position is None:
            return
        value: Cell = properties.get(name)
        if column.dtype != object:
            column[position] = np.nan if value is None or isinstance(value, str) else value
            return
        column[position] = value


def _present(properties: Mapping[str, Value | None]) -> Mapping[str, Value]:
    return {name: value for name, value in properties.items() if value is not None}


def _moment(row: Interaction) -> float:
    return row.timestamp
