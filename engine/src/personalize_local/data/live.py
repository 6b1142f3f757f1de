# SPDX-License-Identifier: Apache-2.0
"""Histories and metadata of one dataset group for answers, current to the last acknowledged call (numpy only).

Imported rows are arrays mapped from disk; streamed events and put records lie over them in memory.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays, StringTable
from personalize_local.data.records import Coded, History, Interaction, OwnedEvent, StreamedEvent, Table, Value
from personalize_local.data.snapshots import Column

_CATALOGUES = 8
"""Catalogues (of models that serve) whose columns are kept ready."""
_NO_HISTORY: Final = History.of(())
_UNKNOWN: Final = -2
"""Code of a type that no imported event has."""
Cell = Value | None


class _Table:
    """The Users or the Items dataset, found by id."""

    def __init__(self, kind: str, files: Arrays, columns: Mapping[str, str]) -> None:
        self._kinds = columns
        self._ids = StringTable.from_arrays(files, f"{kind}.ids") if f"{kind}.ids.text" in files else StringTable.of(())
        self._cells = {name: files[f"{kind}.column.{name}"] for name in columns}
        self._texts = {
            name: StringTable.from_arrays(files, f"{kind}.column.{name}")
            for name, column_kind in columns.items()
            if column_kind == "text"
        }

    def row(self, key: str) -> dict[str, Value]:
        """Return a row's values by column, without missing ones; empty if there is no such row."""
        position = self._ids.find(key)
        if position < 0:
            return {}
        cells = ((name, self._cell(name, position)) for name in self._cells)
        return {name: value for name, value in cells if value is not None}

    def positions(self, ids: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
        """Return the row of each id; -1 without one."""
        row_of = {key: position for position, key in enumerate(self._ids.all().tolist())}
        return np.fromiter((row_of.get(key, -1) for key in ids.tolist()), np.int64, len(ids))

    def column(self, name: str, rows: npt.NDArray[np.int64]) -> Column:
        """Return a column's values at `rows` (-1 = missing); all None for an unknown column."""
        if name not in self._cells or not len(self._ids):
            return np.full(len(rows), None, object)
        cells = self._cells[name][rows]
        if name not in self._texts:
            return np.where(rows < 0, np.nan, cells).astype(np.float64)
        values = np.array([*self._texts[name].all(), None], object)
        return values[np.where((rows < 0) | (cells < 0), len(values) - 1, cells)]

    def having(self, text: str, most: int) -> dict[str, dict[str, str]]:
        """Return rows that have a text in their columns of text, in any case, with these columns: `{id: row}`."""
        rows: dict[str, dict[str, str]] = {}
        for name, values in self._texts.items():
            codes = [code for code, value in enumerate(values.all().tolist()) if text in value.casefold()]
            for position in np.flatnonzero(np.isin(self._cells[name], codes))[:most].tolist() if codes else ():
                rows.setdefault(self._ids[position], {})[name] = values[int(self._cells[name][position])]
        return dict(list(rows.items())[:most])

    def _cell(self, name: str, position: int) -> Cell:
        value = self._cells[name][position]
        if name in self._texts:
            return self._texts[name][int(value)] if value >= 0 else None
        if np.isnan(value):
            return None
        return int(value) if self._kinds[name] == "integer" else float(value)


class Bulk:
    """Imported data, as `building.write_live` wrote it: of a dataset group, or of each dataset in a folder of its own.

    Nothing writes to it, so threads and several LiveData may share it.
    """

    def __init__(self, files: Arrays, facts: Mapping[str, Any]) -> None:
        self.users = _Table("users", files, facts.get("users", {}))
        self.items = _Table("items", files, facts.get("items", {}))
        self.event_types: list[str] = facts.get("event_types", [])
        self._types = Table[str | None]([*self.event_types, None])
        self._type_codes: dict[str | None, int] = {text: code for code, text in enumerate(self._types.texts)}
        self._item_ids = Table[str]([])
        self._files = files if "history.start" in files else {}
        if self._files:
            self._user_ids = StringTable.from_arrays(files, "history.users")
            self._item_names = StringTable.from_arrays(files, "history.items")
            self._item_ids = Table(self._item_names.all().tolist())

    @classmethod
    def load(cls, *directories: Path) -> Self:
        """Map the data of some folders, which have no arrays in common. Raises FileNotFoundError."""
        files: dict[str, npt.NDArray[Any]] = {}
        facts: dict[str, Any] = {}
        for directory in directories:
            arrays_of_one, facts_of_one = arrays.load(directory)
            files |= arrays_of_one
            facts |= facts_of_one
        return cls(files, facts)

    def some_users(self, most: int) -> list[str]:
        """Return users with interactions, from everywhere among them."""
        users = len(self._user_ids) if self._files else 0
        return [self._user_ids[position] for position in range(0, users, max(1, users // max(most, 1)))][:most]

    def users_starting(self, text: str, most: int) -> list[str]:
        return self._user_ids.starting(text, most) if self._files else []

    def of_item(self, item_id: str, most: int, erased: Collection[str]) -> tuple[int, list[tuple[str, Interaction]]]:
        """Return the number of an item's rows without those of erased users, and the newest ones with their users."""
        position = self._item_names.find(item_id) if self._files else -1
        if position < 0:
            return 0, []
        starts = self._files["history.start"]
        rows = np.flatnonzero(self._files["history.item"] == position)
        if erased:
            users = np.searchsorted(starts, rows, side="right") - 1
            rows = rows[~np.isin(users, [self._user_ids.find(user) for user in erased])]
        newest = rows[np.argsort(self._files["history.time"][rows], kind="stable")[::-1][:most]]
        users = np.searchsorted(starts, newest, side="right") - 1
        return len(rows), [
            (self._user_ids[user], self.history(self._user_ids[user])[int(row - starts[user])])
            for user, row in zip(users.tolist(), newest.tolist(), strict=True)
        ]

    def history(self, user_id: str) -> History:
        position = self._user_ids.find(user_id) if self._files else -1
        if position < 0:
            return _NO_HISTORY
        start, stop = self._files["history.start"][position : position + 2]
        item, time, kind, value = (
            self._files[f"history.{name}"][start:stop] for name in ("item", "time", "type", "value")
        )
        times = time.astype(np.float64)
        return History(Coded(item, self._item_ids), times, Coded(kind, self._types), value)

    def history_with(self, user_id: str, rows: Sequence[Interaction]) -> History:
        """Return a user's history with more rows, oldest first; of the same second, imported ones come first.

        The codes stay those of all users where the rows have no new item or type: models have looked these up already.
        """
        history = self.history(user_id)
        if not rows:
            return history
        items = [self._item_code(row.item_id) for row in rows]
        kinds = [self._type_codes.get(row.event_type, _UNKNOWN) for row in rows]
        if min(items) < 0 or _UNKNOWN in kinds:
            return History.of(sorted([*history, *rows], key=attrgetter("timestamp")))
        times = np.append(history.timestamps, [row.timestamp for row in rows])
        order = np.argsort(times, kind="stable")
        values = np.append(
            history.event_values, [np.nan if row.event_value is None else row.event_value for row in rows]
        )
        all_items = np.append(history.item_ids.codes, items).astype(np.intp)[order]
        all_kinds = np.append(history.event_types.codes, kinds).astype(np.intp)[order]
        return History(Coded(all_items, self._item_ids), times[order], Coded(all_kinds, self._types), values[order])

    def _item_code(self, item_id: str) -> int:
        """Return the position of an item among those with interactions; -1 without any."""
        ids = self._item_ids.texts
        position = bisect_left(ids, item_id)
        return position if position < len(ids) and ids[position] == item_id else -1


class LiveData:
    """One dataset group's histories and metadata: bulk rows mapped from disk, and streamed records."""

    def __init__(self, bulk: Path | Bulk | None = None) -> None:
        """`bulk`: imported data, or their folder; None without any."""
        self._bulk = bulk if isinstance(bulk, Bulk) else _loaded(bulk)
        self._event_ids: set[str] = set()
        self._events: dict[str, list[Interaction]] = {}
        self._sessions: dict[str, list[Interaction]] = {}
        self._anonymous: dict[str, list[Interaction]] = {}
        self._owner: dict[str, str] = {}
        self.owned: list[OwnedEvent] = []
        """Every event with a user, in the order in which its user became known."""
        self._users: dict[str, Mapping[str, Value]] = {}
        self._items: dict[str, Mapping[str, Value]] = {}
        self._catalogues: OrderedDict[int, _Catalogue] = OrderedDict()
        self._columns = Lock()

    def replace_bulk(self, directory: Path | None) -> None:
        """Replace bulk data by that of a new import; streamed events and put records stay."""
        self._bulk = _loaded(directory)
        self._catalogues.clear()

    def history(self, user_id: str) -> History:
        """Return a user's (or session's) `rows` as columns."""
        return self._bulk.history_with(user_id, self._streamed(user_id))

    def rows(self, user_id: str) -> Sequence[Interaction]:
        """Return a user's (or session's) bulk rows, events, and events of the user's sessions, oldest first."""
        bulk, streamed = self._bulk.history(user_id), self._streamed(user_id)
        return sorted([*bulk, *streamed], key=attrgetter("timestamp")) if streamed else bulk

    def history_with(self, user_id: str, events: Iterable[StreamedEvent]) -> History:
        """Return a user's `history` with more events of theirs, in the order of their arrival.

        An event counts once: an id among them, and what was streamed already.
        """
        distinct = {event.event_id: event for event in reversed(list(events))}
        rows = [_interaction(event, event.item_id) for event in reversed(distinct.values()) if event.item_id]
        streamed = self._streamed(user_id)
        new = [row for row in rows if row not in streamed]
        return self._bulk.history_with(user_id, [*streamed, *new])

    def _streamed(self, user_id: str) -> list[Interaction]:
        """Return the events of a user (or session), and those of the user's sessions."""
        events = self._events.get(user_id)
        session = self._sessions.get(user_id) if events is None else self._anonymous.get(user_id)
        return [*(events or ()), *(session or ())]

    def add_event(self, event: StreamedEvent, number: int = 0) -> bool:
        """Add an event, O(1); False if its id is known. `number`: its place in the store.

        Of an event without an item, only the id counts, and a log-in of its session.
        """
        if event.event_id in self._event_ids:
            return False
        self._event_ids.add(event.event_id)
        session = event.session_id
        if event.user_id:
            self._owner[session] = event.user_id
            if before := self._anonymous.pop(session, None):
                self._events.setdefault(event.user_id, []).extend(before)
                self.owned += [OwnedEvent(number, event.user_id, row) for row in before]
        if event.item_id:
            row = _interaction(event, event.item_id)
            self._sessions.setdefault(session, []).append(row)
            if owner := event.user_id or self._owner.get(session):
                self._events.setdefault(owner, []).append(row)
                self.owned.append(OwnedEvent(number, owner, row))
            else:
                self._anonymous.setdefault(session, []).append(row)
        return True

    def put_user(self, user_id: str, properties: Mapping[str, Value | None]) -> None:
        self._users[user_id] = _present(properties)

    def put_item(self, item_id: str, properties: Mapping[str, Value | None]) -> None:
        self._items[item_id] = _present(properties)
        for catalogue in self._catalogues.values():
            catalogue.update(item_id, self._items[item_id])

    def some_users(self, most: int, erased: Collection[str] = ()) -> list[str]:
        """Return users with interactions, some of the imported ones and the latest of the streamed ones.

        `erased`: users whom imported data still have, but who are not told; so below.
        """
        streamed = list(self._events)[::-1]
        imported = _without(erased, self._bulk.some_users(max(most // 2, most - len(streamed)) + len(erased)))
        return list(dict.fromkeys([*imported, *streamed]))[:most]

    def users_starting(self, text: str, most: int, erased: Collection[str] = ()) -> list[str]:
        """Return users with interactions whose ids begin with a text."""
        streamed = (user for user in self._events if user.startswith(text))
        imported = _without(erased, self._bulk.users_starting(text, most + len(erased)))
        return sorted({*imported, *streamed})[:most]

    def users_having(self, text: str, most: int, erased: Collection[str] = ()) -> dict[str, dict[str, str]]:
        """Return users whose metadata have a text in them, in any case, with the columns that have it."""
        wanted = text.casefold()
        streamed = {
            user: {name: value for name, value in row.items() if isinstance(value, str) and wanted in value.casefold()}
            for user, row in self._users.items()
        }
        rows = self._bulk.users.having(wanted, most + len(streamed) + len(erased))
        imported = {user: rows[user] for user in _without(erased, rows)}
        users = {user: columns for user, columns in {**imported, **streamed}.items() if columns}
        return dict(list(users.items())[:most])

    def of_item(
        self, item_id: str, most: int, erased: Collection[str] = ()
    ) -> tuple[int, list[tuple[str, Interaction]]]:
        """Return the number of an item's interactions with known users, and the newest of them with their users."""
        imported, rows = self._bulk.of_item(item_id, most, erased)
        streamed = [(owned.user_id, owned.row) for owned in self.owned if owned.row.item_id == item_id]
        newest = sorted([*rows, *streamed], key=lambda pair: pair[1].timestamp, reverse=True)
        return imported + len(streamed), newest[:most]

    def event_types(self) -> list[str]:
        """Return the types of imported and streamed events, in alphabetical order."""
        streamed = {owned.row.event_type for owned in self.owned}
        return sorted({*self._bulk.event_types, *filter(None, streamed)})

    def user(self, user_id: str) -> Mapping[str, Value]:
        """Return a user's metadata without missing values; empty if unknown."""
        put = self._users.get(user_id)
        return self._bulk.users.row(user_id) if put is None else put

    def item(self, item_id: str) -> Mapping[str, Value]:
        """Return an item's metadata without missing values; empty if unknown."""
        put = self._items.get(item_id)
        return self._bulk.items.row(item_id) if put is None else put

    def item_column(self, name: str, item_ids: npt.NDArray[np.object_]) -> Column:
        """Return an Items column aligned with `item_ids` (cached for the array's identity; do not write to it).

        float64 with NaN for numeric columns, else object with None; an unknown column is all None.
        """
        with self._columns:
            catalogue = self._catalogues.get(id(item_ids))
            if catalogue is None or catalogue.bulk is not self._bulk:
                catalogue = self._catalogues[id(item_ids)] = _Catalogue(item_ids, self._bulk)
                if len(self._catalogues) > _CATALOGUES:
                    self._catalogues.popitem(last=False)
            return catalogue.column(name, self._items)


class _Catalogue:
    """Item columns aligned with one model's items."""

    def __init__(self, item_ids: npt.NDArray[np.object_], bulk: Bulk) -> None:
        self._ids = item_ids  # held, so that its identity stays its own
        self._position = {item_id: position for position, item_id in enumerate(item_ids.tolist())}
        self._rows = bulk.items.positions(item_ids)
        self.bulk = bulk
        self._columns: dict[str, Column] = {}

    def column(self, name: str, put: Mapping[str, Mapping[str, Value]]) -> Column:
        """Return a column, made on first use from bulk rows and all put records."""
        if name not in self._columns:
            self._columns[name] = self.bulk.items.column(name, self._rows)
            for item_id, properties in put.items():
                self._set(name, item_id, properties)
        return self._columns[name]

    def update(self, item_id: str, properties: Mapping[str, Value]) -> None:
        for name in self._columns:
            self._set(name, item_id, properties)

    def _set(self, name: str, item_id: str, properties: Mapping[str, Value]) -> None:
        position, column = self._position.get(item_id), self._columns[name]
        if position is not None:
            value: Cell = properties.get(name)
            numeric = column.dtype != object
            column[position] = np.nan if numeric and (value is None or isinstance(value, str)) else value


def _loaded(directory: Path | None) -> Bulk:
    return Bulk.load(directory) if directory else Bulk({}, {})


def _without(erased: Collection[str], users: Iterable[str]) -> list[str]:
    return [user for user in users if user not in erased]


def _interaction(event: StreamedEvent, item_id: str) -> Interaction:
    return Interaction(item_id, event.sent_at, event.event_type, event.event_value)


def _present(properties: Mapping[str, Value | None]) -> Mapping[str, Value]:
    return {name: value for name, value in properties.items() if value is not None}
