# SPDX-License-Identifier: Apache-2.0
"""A shop's history as arrays, read row by row from import copies and live events, without duplicates."""

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from table_intake.columns.schema import RETURN
from table_intake.wording import counted
from table_intake.write import dialect

BASE_MEGABYTES = 650
"""Memory of any fit: Python, numpy, and the sampled rows of all windows."""
MEGABYTES_PER_MILLION = 200
"""Memory of a million rows."""
MOST_ROWS = 14_000_000
"""Rows that a fit completes in its 15 minutes, on a processor half as fast as one that takes 36 seconds a million.

`benchmarks/studies/fitting.py` measures memory and time."""


def most_rows(megabytes: int, chosen: int = 0) -> int:
    """Return the rows that a function with this memory can fit, or fewer if they were chosen (0: not chosen)."""
    held = min(MOST_ROWS, max(0, (megabytes - BASE_MEGABYTES) * 1_000_000 // MEGABYTES_PER_MILLION))
    return min(chosen, held) if chosen else held


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32]
Parse = Callable[[Iterable[str]], Iterator[list[str]]]
"""Splits the lines of a CSV into rows."""

USER, ITEM, TIME, TYPE = "USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"
VALUE, PRICE, QUANTITY = "EVENT_VALUE", "PRICE", "QUANTITY"
NO_VALUE = -1.0
"""The value of an event whose value is missing, negative or no number."""
_MOST_VALUE = 1e15
MOST_COLUMNS = 8
"""Columns of users that become groups, at most."""
NEWEST = 50
"""The newest purchases that are looked at for the end of a history: `without_stragglers` removes fewer of them."""
ID_ROWS = 3
"""Rows of memory that a user or an item takes."""
MOST_VALUES = 60
"""Values of a column of users that becomes a group, at most."""
_ALIKE = 0.9
"""Share of users whose times have no gap, above which the times are positions."""
LEVELS = ("CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3")
"""Columns of items that are levels of categories, from the widest to the narrowest."""


class Codes(dict[str, int]):
    """Numbers of ids in order of appearance."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number


@dataclass(frozen=True, slots=True)
class History:
    """Events ordered by user, item and time, without duplicates.

    Attributes:
        users: users by number. items: items by number.
        user, item: numbers. time: epoch seconds. bought: whether the event is of the type that is predicted.
        kinds: for each level of categories, the category's number of each item (-1: none).
        kind_names: for each level, the categories by number.
        groups: for each column of users, the value's number of each user (-1: none).
        group_names: for each column, its values by number.
        scale: users of the shop that each user represents, where the history is a sample of them.
        span: the first and the last purchase of the whole shop, where the history is a sample.
        value: of each event, or NO_VALUE; None where no purchase has one.
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
    scale: float = 1.0
    span: tuple[int, int] | None = None
    value: Values | None = None

    @property
    def end(self) -> int:
        """Return the time of the last purchase, in epoch seconds; 0 without any."""
        if self.span is not None:
            return self.span[1]
        return int(self.time[self.bought].max()) if self.bought.any() else 0

    def until(self, end: int) -> "History":
        """Return the events up to a time, inclusive."""
        return self.where(self.time <= end)

    def where(self, chosen: Flags) -> "History":
        """Return some of the events."""
        value = None if self.value is None else self.value[chosen]
        parts = {name: getattr(self, name)[chosen] for name in ("user", "item", "time", "bought")}
        return replace(self, **parts, value=value)

    @property
    def start(self) -> int:
        """Return the time of the first purchase, in epoch seconds; 0 without any."""
        if self.span is not None:
            return self.span[0]
        return int(self.time[self.bought].min()) if self.bought.any() else 0

    @property
    def levels(self) -> int:
        return len(self.kinds)


@dataclass(frozen=True, slots=True)
class Events:
    """Events in the order of their file; `user` and `item` are positions in `users` and `items`, `value` may be
    NO_VALUE."""

    users: Sequence[str]
    items: Sequence[str]
    user: npt.NDArray[Any]
    item: npt.NDArray[Any]
    time: npt.NDArray[Any]
    bought: Flags
    value: npt.NDArray[Any]

    def within(self, since: int, until: int | None = None) -> "Events":
        """Return the events of a time, both ends inclusive."""
        inside = self.time >= since
        if until is not None:
            inside &= self.time <= until
        return self if inside.all() else self.where(inside)

    def where(self, chosen: Flags | Ints) -> "Events":
        """Return some of the events."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in EVENT_COLUMNS})


EVENT_COLUMNS = ("user", "item", "time", "bought", "value")
"""The columns of events, in the order of `Events`."""


class TooMany(Exception):
    """The history exceeds the memory; `rows` is in the unit of `Bounds.most`."""

    def __init__(self, rows: int) -> None:
        super().__init__(counted(rows, "row"))
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Bounds:
    """The rows that a fit holds.

    Attributes:
        reach: seconds before the newest purchases; a fit ignores older events, but knows their users and items.
        most: rows that memory holds; a user or an item counts as ID_ROWS.
        since: epoch seconds where the reach begins; by default, derived from the rows.
    """

    reach: int | None = None
    most: int | None = None
    since: int | None = None


def reach_start(purchases: Iterable[int], reach: int) -> int:
    """Return the start of a history's reach from the times of its purchases.

    The few newest purchases do not count: they may be live events long after all others, which
    `training.without_stragglers` removes.
    """
    newest = heapq.nlargest(NEWEST, purchases)
    return newest[-1] - reach if len(newest) == NEWEST else 0


UNBOUNDED = Bounds()


class Reader:
    """Collects the rows of any number of files, within bounds.

    Args:
        event_type: the predicted type, and the type of rows without one.
        until: epoch seconds; later events come from fast clocks and are left out.
    """

    def __init__(self, event_type: str, until: int, bounds: Bounds = UNBOUNDED) -> None:
        self._type, self._until, self._bounds = event_type, until, bounds
        self._users, self._items = Codes(), Codes()
        self._user, self._item = array("q"), array("q")
        self._time, self._bought, self._value = array("q"), array("b"), array("f")
        self._rows = self._beyond = 0
        self._about_users: dict[str, dict[str, str]] = {}
        self._about_items: dict[str, dict[str, str]] = {}

    def interactions(self, lines: Iterable[str], parse: Parse = dialect.records) -> None:
        """Add the rows of a CSV with Personalize's column names; skip rows without an integer time.

        Raises:
            TooMany: they exceed the memory and `since` is not set, so older ones may have to go first.
        """
        for user, item, seconds, kind, value in _events(parse(lines), self._type):
            self.event(user, item, seconds, kind, value)

    def purchases(self, lines: Iterable[str], parse: Parse = dialect.records) -> Iterator[int]:
        """Yield the times of the purchases in such a CSV without holding its rows."""
        events = _events(parse(lines), self._type)
        return (at for _, _, at, kind, _ in events if kind == self._type and at <= self._until)

    def event(self, user: str, item: str, seconds: int, kind: str, value: float = NO_VALUE) -> None:
        """Add one event; raise TooMany as `interactions` does."""
        if seconds > self._until:
            return
        user_code, item_code = self._users[user], self._items[item]
        if self._bounds.since is not None and seconds < self._bounds.since:
            return
        self._rows += 1
        if self._full:
            if self._bounds.since is None:
                raise TooMany(self.rows)
            # Keep counting, to report how much memory suffices.
            return
        self._user.append(user_code)
        self._item.append(item_code)
        self._time.append(seconds)
        self._bought.append(kind == self._type)
        self._value.append(value)

    @property
    def rows(self) -> int:
        """Return the rows that a fit would hold, in the unit of `Bounds.most`."""
        users = max(len(self._users), len(self._about_users)) + self._beyond
        return self._rows + ID_ROWS * (users + max(len(self._items), len(self._about_items)))

    @property
    def _full(self) -> bool:
        return self._bounds.most is not None and self.rows > self._bounds.most

    def users(self, lines: Iterable[str], parse: Parse = dialect.records) -> None:
        """Add the attributes in a CSV of users; a later row replaces an earlier one."""
        for user, attributes in _records(parse(lines), USER):
            if self._full:
                # Keep counting here, too.
                self._beyond += 1
            else:
                self._about_users[user] = attributes

    def items(self, lines: Iterable[str], parse: Parse = dialect.records) -> None:
        """Add the categories and prices in a CSV of items."""
        for item, attributes in _records(parse(lines), ITEM):
            self._about_items[item] = {name: attributes[name] for name in (*LEVELS, PRICE) if name in attributes}

    def events(self) -> "Events":
        """Return all events as they were read."""
        user, item, time, bought, value = (
            np.frombuffer(column, column.typecode)
            for column in (self._user, self._item, self._time, self._bought, self._value)
        )
        return Events(
            users=list(self._users),
            items=list(self._items),
            user=user,
            item=item,
            time=time,
            bought=bought > 0,
            value=value,
        )

    def about_users(self) -> dict[str, dict[str, str]]:
        """Return the attributes of users."""
        return self._about_users

    def about_items(self) -> dict[str, dict[str, str]]:
        """Return the categories and prices of items."""
        return self._about_items

    def history(self) -> History:
        """Return the history within the reach.

        Raises:
            TooMany: it exceeds the memory.
        """
        if self._full:
            raise TooMany(self.rows)
        columns = self.events()
        since = self._bounds.since
        if since is None and self._bounds.reach is not None:
            since = reach_start(columns.time[columns.bought].tolist(), self._bounds.reach)
        columns = columns.within(since or 0)
        for codes, attributes in ((self._users, self._about_users), (self._items, self._about_items)):
            for name in attributes:
                codes.setdefault(name, len(codes))
        user, item, time, bought, value = deduplicated(columns)
        kinds, kind_names = levels(self._items, self._about_items)
        groups, group_names = _groups(self._users, self._about_users)
        return History(
            users=list(self._users),
            items=list(self._items),
            user=user,
            item=item,
            time=time,
            bought=bought,
            kinds=kinds,
            kind_names=kind_names,
            groups=groups,
            group_names=group_names,
            value=valued(value, item, bought, prices(self._items, self._about_items)),
        )


def positions(history: History) -> bool:
    """Tell whether the times are only the positions of each user's events.

    Then all users begin at the same time, and none of them skips a step before their last.
    """
    first = np.full(len(history.users), np.iinfo(np.int64).max)
    np.minimum.at(first, history.user, history.time)
    first = first[np.unique(history.user)]
    if len(first) < 2 or (first == first.min()).mean() <= _ALIKE:
        return False
    times, step = np.unique(history.time, return_inverse=True)
    _, owner = np.unique(history.user, return_inverse=True)
    steps = np.unique(owner * len(times) + step)
    owner, step = np.divmod(steps, len(times))
    taken, last = np.bincount(owner), np.zeros(len(first), dtype=np.int64)
    np.maximum.at(last, owner, step)
    # Where all users also end together, the times may be real.
    return bool((taken == last + 1).mean() > _ALIKE and (last < last.max()).mean() > 1 - _ALIKE)


def _events(rows: Iterator[list[str]], event_type: str) -> Iterator[tuple[str, str, int, str, float]]:
    """Yield user, item, epoch seconds, type and value of each row of a CSV."""
    header = next(rows, None)
    if header is None:
        return
    column = {name: index for index, name in enumerate(header)}
    user, item, time = column[USER], column[ITEM], column[TIME]
    kind, value_of = column.get(TYPE, -1), _value_of(column)
    # A return does not announce a purchase, unless returns are predicted.
    left_out = "" if event_type.lower() == RETURN.lower() else RETURN.lower()
    for row in rows:
        try:
            seconds = int(row[time])
        except (ValueError, IndexError):
            continue
        if kind >= 0 and row[kind].lower() == left_out:
            continue
        yield row[user], row[item], seconds, row[kind] if kind >= 0 else event_type, value_of(row)


def _value_of(column: Mapping[str, int]) -> Callable[[Sequence[str]], float]:
    """Return what reads the value of a row: its EVENT_VALUE, else its PRICE times its QUANTITY."""
    if VALUE in column:
        value = column[VALUE]
        return lambda row: number(row[value])
    if PRICE not in column:
        return lambda _: NO_VALUE
    price, quantity = column[PRICE], column.get(QUANTITY)
    if quantity is None:
        return lambda row: number(row[price])

    def product(row: Sequence[str]) -> float:
        factors = number(row[price]), number(row[quantity])
        return NO_VALUE if NO_VALUE in factors else factors[0] * factors[1]

    return product


def number(text: str) -> float:
    """Return a value of 0 or more; NO_VALUE for anything else."""
    try:
        value = float(text)
    except ValueError:
        return NO_VALUE
    return value if 0.0 <= value < _MOST_VALUE else NO_VALUE


def prices(items: Codes, attributes: Mapping[str, Mapping[str, str]]) -> Values:
    """Return the price of each item, or NO_VALUE."""
    price_of = np.full(len(items), NO_VALUE, dtype=np.float32)
    for item, values in attributes.items():
        if PRICE in values:
            price_of[items[item]] = number(values[PRICE])
    return price_of


def valued(value: Values, item: Ints, bought: Flags, price_of: Values) -> Values | None:
    """Return the values of events, those without one by the price of their item; None where no purchase has any."""
    completed = np.where(value < 0, price_of[item], value) if len(price_of) else value
    return completed.astype(np.float32) if (completed[bought] >= 0).any() else None


def _records(rows: Iterator[list[str]], key: str) -> Iterator[tuple[str, dict[str, str]]]:
    header = next(rows, [])
    for row in rows:
        attributes = {name: value for name, value in zip(header, row, strict=False) if value}
        if key in attributes:
            yield attributes.pop(key), attributes


def deduplicated(events: "Events") -> tuple[Ints, Ints, Ints, Flags, Values]:
    """Return user, item, time, whether it is a purchase, and value of each event, in order and once.

    Of repeated events, the highest value counts.
    """
    columns = (events.user, events.item, events.time, events.bought)
    user, item, time, bought = (column.astype(np.int64) for column in columns)
    value: Values = events.value.astype(np.float32)
    order = np.lexsort((value, bought, time, item, user))
    user, item, time, bought, value = user[order], item[order], time[order], bought[order], value[order]
    last = np.ones(len(user), dtype=bool)
    last[:-1] = (
        (user[1:] != user[:-1]) | (item[1:] != item[:-1]) | (time[1:] != time[:-1]) | (bought[1:] != bought[:-1])
    )
    return user[last], item[last], time[last], bought[last] > 0, value[last]


def levels(items: Codes, attributes: Mapping[str, Mapping[str, str]]) -> tuple[list[Ints], list[list[str]]]:
    """Return each level's categories, qualified by the wider levels: "Fresh" of two departments is two categories."""
    used = [level for level in LEVELS if any(level in values for values in attributes.values())]
    kinds, names = [], []
    for depth, column in enumerate(used, 1):
        with_column = ((item, values) for item, values in attributes.items() if column in values)
        qualified = ((item, "|".join(values.get(level, "") for level in used[:depth])) for item, values in with_column)
        numbers, categories = _numbered(items, qualified)
        kinds.append(numbers)
        names.append(categories)
    return kinds, names


def _groups(users: Codes, attributes: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, Ints], dict[str, list[str]]]:
    """Return the columns that put many users into few groups."""
    groups: dict[str, Ints] = {}
    names: dict[str, list[str]] = {}
    for column, (numbers, values) in coded_columns(users, attributes):
        if 1 < len(values) <= MOST_VALUES and len(groups) < MOST_COLUMNS:
            groups[column], names[column] = numbers, values
    return groups, names


def coded_columns(
    users: Codes, attributes: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, tuple[Ints, list[str]]]]:
    """Yield each column of users, the number of each user's value (-1: none), and the values by number."""
    for column in sorted({name for user_values in attributes.values() for name in user_values}):
        yield (
            column,
            _numbered(
                users,
                ((user, user_values[column]) for user, user_values in attributes.items() if column in user_values),
            ),
        )


def _numbered(ids: Codes, values: Iterable[tuple[str, str]]) -> tuple[Ints, list[str]]:
    """Return the number of each id's value (-1: none), and the values by number."""
    codes, numbers = Codes(), np.full(len(ids), -1, dtype=np.int64)
    for name, value in values:
        numbers[ids[name]] = codes[value]
    return numbers, list(codes)
