# SPDX-License-Identifier: Apache-2.0
"""A shop's history as arrays: import copies and live events, read row by row; each event once."""

import csv
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

USER, ITEM, TIME, TYPE = "USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"
MOST_COLUMNS = 8
"""Columns of users that are looked at."""
MOST_VALUES = 60
"""Values that a column of users may have to count as a group."""
LEVELS = ("CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3")
"""The columns of items that are levels of categories, from the widest to the narrowest."""


class Codes:
    """Numbers for ids, in order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The number of an id, a new one where it was never seen."""
        return self._numbers.setdefault(name, len(self._numbers))

    def find(self, name: str) -> int:
        """The number of an id, or -1."""
        return self._numbers.get(name, -1)

    @property
    def names(self) -> list[str]:
        """The ids by their numbers."""
        return list(self._numbers)


@dataclass(frozen=True, slots=True)
class History:
    """Events ordered by shopper, item and time; each event is there once.

    Attributes:
        users: shoppers by number. items: items by number.
        user, item: numbers. time: epoch seconds. bought: whether the event is of the type that is predicted.
        kinds: for each level of categories, the category's number of each item (-1: none).
        kind_names: for each level, the categories by number.
        groups: for each column of users, the value's number of each shopper (-1: none).
        group_names: for each column, its values by number.
    """

    users: Sequence[str]
    items: Sequence[str]
    user: Ints
    item: Ints
    time: Ints
    bought: Flags
    kinds: Sequence[Ints] = ()
    kind_names: Sequence[Sequence[str]] = ()
    groups: Mapping[str, Ints] = field(default_factory=dict)
    group_names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The time of the last purchase, in epoch seconds."""
        return int(self.time[self.bought].max()) if self.bought.any() else 0

    def until(self, end: int) -> "History":
        """The events up to a moment, that one included."""
        kept = self.time <= end
        parts = {name: getattr(self, name)[kept] for name in ("user", "item", "time", "bought")}
        return replace(self, **parts)

    @property
    def start(self) -> int:
        """The time of the first purchase, in epoch seconds."""
        return int(self.time[self.bought].min()) if self.bought.any() else 0

    @property
    def levels(self) -> int:
        """How many levels of categories there are."""
        return len(self.kinds)


class Reader:
    """Collects rows of any number of files.

    Args:
        event_type: the type that is predicted; rows without a type have it.
        until: epoch seconds; later events come from clocks that run ahead, and are left out.
    """

    def __init__(self, event_type: str, until: int) -> None:
        self._type, self._until = event_type, until
        self._users, self._items = Codes(), Codes()
        self._user, self._item = array("q"), array("q")
        self._time, self._bought = array("q"), array("b")
        self._about_users: dict[str, dict[str, str]] = {}
        self._about_items: dict[str, dict[str, str]] = {}

    def interactions(self, lines: Iterable[str]) -> None:
        """Add the rows of a CSV with Personalize's column names; a row without a whole time is left out."""
        rows = csv.reader(lines)
        header = next(rows, None)
        if header is None:
            return
        place = {name: index for index, name in enumerate(header)}
        user, item, time = place[USER], place[ITEM], place[TIME]
        kind = place.get(TYPE, -1)
        for row in rows:
            try:
                seconds = int(row[time])
            except (ValueError, IndexError):
                continue
            self.event(row[user], row[item], seconds, row[kind] if kind >= 0 else self._type)

    def event(self, user: str, item: str, seconds: int, kind: str) -> None:
        """Add one event."""
        if seconds > self._until:
            return
        self._user.append(self._users.of(user))
        self._item.append(self._items.of(item))
        self._time.append(seconds)
        self._bought.append(kind == self._type)

    def users(self, lines: Iterable[str]) -> None:
        """What a CSV of users says of them; a later row replaces an earlier one."""
        _records(lines, USER, self._about_users)

    def items(self, lines: Iterable[str]) -> None:
        """What a CSV of items says of them."""
        _records(lines, ITEM, self._about_items)

    def history(self) -> History:
        """Everything that was read."""
        for name in self._about_users:
            self._users.of(name)
        for name in self._about_items:
            self._items.of(name)
        user, item, time, bought = _once(self._user, self._item, self._time, self._bought)
        kinds, kind_names = _levels(self._items, self._about_items)
        groups, group_names = _groups(self._users, self._about_users)
        return History(
            self._users.names, self._items.names, user, item, time, bought, kinds, kind_names, groups, group_names
        )


def _records(lines: Iterable[str], key: str, into: dict[str, dict[str, str]]) -> None:
    for row in csv.DictReader(lines):
        into[row[key]] = {name: value for name, value in row.items() if name != key and value}


def _once(*columns: Any) -> tuple[Ints, Ints, Ints, Flags]:  # noqa: ANN401 - typed arrays of the standard library
    user, item, time, bought = (np.frombuffer(each, dtype=each.typecode).astype(np.int64) for each in columns)
    order = np.lexsort((bought, time, item, user))
    user, item, time, bought = user[order], item[order], time[order], bought[order]
    same = np.zeros(len(user), dtype=bool)
    same[1:] = (user[1:] == user[:-1]) & (item[1:] == item[:-1]) & (time[1:] == time[:-1]) & (bought[1:] == bought[:-1])
    return user[~same], item[~same], time[~same], bought[~same] > 0


def _levels(items: Codes, about: Mapping[str, Mapping[str, str]]) -> tuple[list[Ints], list[list[str]]]:
    """Each level is read together with the wider ones above it: "Fresh" of two departments are two categories."""
    used = [level for level in LEVELS if any(level in each for each in about.values())]
    kinds, names = [], []
    for depth in range(len(used)):
        codes = Codes()
        found = np.full(len(items.names), -1, dtype=np.int64)
        for item, each in about.items():
            if used[depth] in each:
                found[items.find(item)] = codes.of("|".join(each.get(level, "") for level in used[: depth + 1]))
        kinds.append(found)
        names.append(codes.names)
    return kinds, names


def _groups(users: Codes, about: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, Ints], dict[str, list[str]]]:
    """The columns of users that put many of them into few groups."""
    groups: dict[str, Ints] = {}
    names: dict[str, list[str]] = {}
    for column in sorted({name for each in about.values() for name in each}):
        codes = Codes()
        found = np.full(len(users.names), -1, dtype=np.int64)
        for user, each in about.items():
            if column in each:
                found[users.find(user)] = codes.of(each[column])
        if 1 < len(codes.names) <= MOST_VALUES and len(groups) < MOST_COLUMNS:
            groups[column], names[column] = found, codes.names
    return groups, names
