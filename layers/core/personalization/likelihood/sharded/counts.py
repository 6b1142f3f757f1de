# SPDX-License-Identifier: Apache-2.0
"""Counts of items over all shards as of the start of each window.

A shard counts the events of each interval between two windows once, as of the interval's end. A decayed count halves
with time whatever it consists of, so the count at one window is that of the window before, decayed, plus the interval.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from personalization.likelihood.features import DAY, ITEM
from personalization.likelihood.histories import Flags, Floats, History, Ints
from personalization.likelihood.sharded import arrays
from personalization.likelihood.tables import Counted, decayed

_DAYS = {"d7": 7, "d28": 28, "d91": 91, "w28": 28, "w91": 91, "o7": 7}
_WHOLE = ("n", "buyers", "events")
Cells = Mapping[str, arrays.Array]
"""The items with events in an interval, in `item`, and their counts."""


def intervals(history: History, boundaries: Sequence[int]) -> Iterator[tuple[Cells, int]]:
    """Yield for each boundary the counts of the events since the boundary before, and the users first seen in it."""
    pair = np.flatnonzero(_changes(history.user, history.item))
    bought_at = np.where(history.bought, history.time, np.iinfo(np.int64).max)
    first = np.minimum.reduceat(bought_at, pair) if len(pair) else bought_at
    of_pair = history.item[pair]
    user = np.flatnonzero(_changes(history.user))
    seen = np.minimum.reduceat(history.time, user) if len(user) else history.time
    before = np.iinfo(np.int64).min
    for boundary in boundaries:
        inside = (history.time >= before) & (history.time < boundary)
        new = (first >= before) & (first < boundary)
        yield (
            _cells(
                boundary, (history.item[inside], history.time[inside], history.bought[inside]), of_pair[new], first[new]
            ),
            int(((seen >= before) & (seen < boundary)).sum()),
        )
        before = boundary


def _cells(boundary: int, events: tuple[Ints, Ints, Flags], new_item: Ints, new_at: Ints) -> Cells:
    item, time, bought = events
    names = np.unique(item)
    code, weight = np.searchsorted(names, item), bought.astype(np.float64)
    new = np.searchsorted(names, new_item)
    age, new_age = (boundary - time) / DAY, (boundary - new_at) / DAY

    def sums(index: Ints, weights: Floats | None = None) -> Floats:
        return np.asarray(np.bincount(index, weights, len(names)), dtype=np.float64)

    cells: dict[str, arrays.Array] = {"item": names.astype(np.int32)}
    cells |= {"n": sums(code, weight), "buyers": sums(new), "events": sums(code)}
    cells = {name: values.astype(np.int32) for name, values in cells.items()}
    counts = {name: sums(code, weight * decayed(age, _DAYS[name])) for name in ("d7", "d28", "d91")}
    counts |= {name: sums(new, decayed(new_age, _DAYS[name])) for name in ("w28", "w91")}
    counts["o7"] = sums(code, (1.0 - weight) * decayed(age, 7))
    # Seven digits: one function reads those of all shards.
    return cells | {name: values.astype(np.float32) for name, values in counts.items()}


def _changes(*columns: Ints) -> Flags:
    """Tell where a row differs from the row before."""
    changes = np.ones(len(columns[0]), dtype=bool)
    changes[1:] = False
    for column in columns:
        changes[1:] |= column[1:] != column[:-1]
    return changes


class Counts:
    """The counts of all items, moved from one boundary to the next.

    Args:
        load: returns the cells of an interval, from all shards. users: first seen in each interval.
    """

    def __init__(
        self, boundaries: Sequence[int], items: int, users: Sequence[int], load: Callable[[int], Iterable[Cells]]
    ) -> None:
        self._boundaries, self._seen, self._load = boundaries, users, load
        self._sums = {name: np.zeros(items) for name in (*ITEM, "events")}
        self._next = self._users = 0

    def at(self, boundary: int) -> Counted:
        """Return the counts as of a boundary, which is not before the boundary of the previous call.

        Raises:
            ValueError: it is none.
        """
        last = self._boundaries.index(boundary)
        if last < self._next - 1:
            raise ValueError(boundary, "is an earlier boundary")
        while self._next <= last:
            self._move()
        return Counted({name: self._sums[name].copy() for name in ITEM}, self._sums["events"].copy(), self._users)

    def _move(self) -> None:
        boundary = self._next
        if boundary:
            for name, days in _DAYS.items():
                self._sums[name] *= 2.0 ** (-(self._boundaries[boundary] - self._boundaries[boundary - 1]) / DAY / days)
        for cells in self._load(boundary):
            for name, sums in self._sums.items():
                sums[cells["item"]] += cells[name]
        self._users += self._seen[boundary]
        self._next += 1
