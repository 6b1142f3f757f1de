# SPDX-License-Identifier: Apache-2.0
"""A shop's history as arrays: import copies and live events, read row by row; each event once."""

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from personalization.core import csv_dialect
from personalization.shop.schema import RETURN

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Parse = Callable[[Iterable[str]], Iterator[list[str]]]
"""How the lines of a CSV become rows."""

USER, ITEM, TIME, TYPE = "USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"
MOST_COLUMNS = 8
"""Columns of users that are looked at."""
NEWEST = 50
"""The newest purchase but so many tells where a history ends: `training.steady` takes out fewer."""
ID_ROWS = 3
"""Rows that a user or an item counts as in memory."""
MOST_VALUES = 60
"""Values that a column of users may have to count as a group."""
_ALIKE = 0.9
"""Share of the users whose times are without a gap, above which these are positions."""
LEVELS = ("CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3")
"""The columns of items that are levels of categories, from the widest to the narrowest."""


class Codes:
    """Numbers for ids, in order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The number of an id, a new one where it was never seen."""
        return self._numbers.setdefault(name, len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, name: str) -> int:
        """The number of an id, or -1."""
        return self._numbers.get(name, -1)

    @property
    def names(self) -> list[str]:
        """The ids by their numbers."""
        return list(self._numbers)


@dataclass(frozen=True, slots=True)
class History:
    """Events ordered by user, item and time; each event is there once.

    Attributes:
        users: users by number. items: items by number.
        user, item: numbers. time: epoch seconds. bought: whether the event is of the type that is predicted.
        kinds: for each level of categories, the category's number of each item (-1: none).
        kind_names: for each level, the categories by number.
        groups: for each column of users, the value's number of each user (-1: none).
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


class TooMany(Exception):
    """The history has more rows than memory holds.

    Attributes:
        rows: what a fit would have to hold, as `Bounds.most` counts.
    """

    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows:,} rows")
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which rows a fit holds.

    Attributes:
        reach: seconds before the newest purchases; older events say nothing to a fit, and are left out. Their users
            and items stay known.
        most: rows that memory holds, in which a user or an item counts as ID_ROWS.
        since: epoch seconds, where the reach begins; unless it is given, what was read tells.
    """

    reach: int | None = None
    most: int | None = None
    since: int | None = None


def reach_begins(purchases: Iterable[int], reach: int) -> int:
    """Return where the reach of a history begins, by its purchases' times.

    The newest purchases but a few count: those may be a few live events long after all others, which `training.steady`
    takes out of the history.
    """
    newest = heapq.nlargest(NEWEST, purchases)
    return newest[-1] - reach if len(newest) == NEWEST else 0


EVERYTHING = Bounds()


class Reader:
    """Collects rows of any number of files.

    Args:
        event_type: the type that is predicted; rows without a type have it.
        until: epoch seconds; later events come from clocks that run ahead, and are left out.
        bounds: which of the others are held.
    """

    def __init__(self, event_type: str, until: int, bounds: Bounds = EVERYTHING) -> None:
        self._type, self._until, self._bounds = event_type, until, bounds
        self._users, self._items = Codes(), Codes()
        self._user, self._item = array("q"), array("q")
        self._time, self._bought = array("q"), array("b")
        self._rows = self._beyond = 0
        self._about_users: dict[str, dict[str, str]] = {}
        self._about_items: dict[str, dict[str, str]] = {}

    def interactions(self, lines: Iterable[str], parse: Parse = csv_dialect.records) -> None:
        """Add the rows of a CSV with Personalize's column names; a row without a whole time is left out.

        Raises:
            TooMany: memory does not hold them, and `since` is not given: older ones may have to go first.
        """
        for user, item, seconds, kind in _events(parse(lines), self._type):
            self.event(user, item, seconds, kind)

    def purchases(self, lines: Iterable[str], parse: Parse = csv_dialect.records) -> Iterator[int]:
        """The times of the purchases among the rows of such a CSV; nothing of them is held."""
        events = _events(parse(lines), self._type)
        return (at for _, _, at, kind in events if kind == self._type and at <= self._until)

    def event(self, user: str, item: str, seconds: int, kind: str) -> None:
        """Add one event. Raises TooMany as `interactions` does."""
        if seconds > self._until:
            return
        who, what = self._users.of(user), self._items.of(item)
        if self._bounds.since is not None and seconds < self._bounds.since:
            return
        self._rows += 1
        if self._full:
            if self._bounds.since is None:
                raise TooMany(self.rows)
            # Counted on, so that it can be said what memory would hold them.
            return
        self._user.append(who)
        self._item.append(what)
        self._time.append(seconds)
        self._bought.append(kind == self._type)

    @property
    def rows(self) -> int:
        """What a fit would have to hold, as `Bounds.most` counts."""
        users = max(len(self._users), len(self._about_users)) + self._beyond
        return self._rows + ID_ROWS * (users + max(len(self._items), len(self._about_items)))

    @property
    def _full(self) -> bool:
        return self._bounds.most is not None and self.rows > self._bounds.most

    def users(self, lines: Iterable[str], parse: Parse = csv_dialect.records) -> None:
        """What a CSV of users says of them; a later row replaces an earlier one."""
        for user, about in _records(parse(lines), USER):
            if self._full:
                # Counted on, too.
                self._beyond += 1
            else:
                self._about_users[user] = about

    def items(self, lines: Iterable[str], parse: Parse = csv_dialect.records) -> None:
        """What a CSV of items says of their categories."""
        for item, about in _records(parse(lines), ITEM):
            self._about_items[item] = {name: value for name, value in about.items() if name in LEVELS}

    def _within(self) -> list[npt.NDArray[Any]]:
        columns = (self._user, self._item, self._time, self._bought)
        read = [np.frombuffer(each, dtype=each.typecode) for each in columns]
        time, bought = read[2], read[3]
        since = self._bounds.since
        if since is None and self._bounds.reach is not None:
            since = reach_begins(time[bought > 0].tolist(), self._bounds.reach)
        kept = time >= (since or 0)
        return read if kept.all() else [each[kept] for each in read]

    def history(self) -> History:
        """Everything that was read, within the reach.

        Raises:
            TooMany: memory does not hold it.
        """
        if self._full:
            raise TooMany(self.rows)
        for name in self._about_users:
            self._users.of(name)
        for name in self._about_items:
            self._items.of(name)
        user, item, time, bought = _once(*self._within())
        kinds, kind_names = _levels(self._items, self._about_items)
        groups, group_names = _groups(self._users, self._about_users)
        return History(
            self._users.names, self._items.names, user, item, time, bought, kinds, kind_names, groups, group_names
        )


def positions(history: History) -> bool:
    """Whether what the history has for times are the positions of each user's events.

    Then all users begin at one moment, and nobody leaves out a step that others take before they end.
    """
    first = np.full(len(history.users), np.iinfo(np.int64).max)
    np.minimum.at(first, history.user, history.time)
    first = first[np.unique(history.user)]
    if len(first) < 2 or (first == first.min()).mean() <= _ALIKE:
        return False
    moments, step = np.unique(history.time, return_inverse=True)
    _, owner = np.unique(history.user, return_inverse=True)
    steps = np.unique(owner * len(moments) + step)
    owner, step = np.divmod(steps, len(moments))
    taken, last = np.bincount(owner), np.zeros(len(first), dtype=np.int64)
    np.maximum.at(last, owner, step)
    # Where all users end together too, they may as well have come at the same times.
    return bool((taken == last + 1).mean() > _ALIKE and (last < last.max()).mean() > 1 - _ALIKE)


def _events(rows: Iterator[list[str]], event_type: str) -> Iterator[tuple[str, str, int, str]]:
    """User, item, epoch seconds and type of each row of a CSV."""
    header = next(rows, None)
    if header is None:
        return
    place = {name: index for index, name in enumerate(header)}
    user, item, time = place[USER], place[ITEM], place[TIME]
    kind = place.get(TYPE, -1)
    # What came back is no sign that somebody buys it, unless returns are what is predicted.
    left_out = "" if event_type.lower() == RETURN.lower() else RETURN.lower()
    for row in rows:
        try:
            seconds = int(row[time])
        except (ValueError, IndexError):
            continue
        if kind >= 0 and row[kind].lower() == left_out:
            continue
        yield row[user], row[item], seconds, row[kind] if kind >= 0 else event_type


def _records(rows: Iterator[list[str]], key: str) -> Iterator[tuple[str, dict[str, str]]]:
    header = next(rows, [])
    for row in rows:
        about = {name: value for name, value in zip(header, row, strict=False) if value}
        if key in about:
            yield about.pop(key), about


def _once(*columns: npt.NDArray[Any]) -> tuple[Ints, Ints, Ints, Flags]:
    user, item, time, bought = (each.astype(np.int64) for each in columns)
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
