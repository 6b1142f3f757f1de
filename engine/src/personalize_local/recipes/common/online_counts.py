# SPDX-License-Identifier: Apache-2.0
"""Counts of the events since a model's training; the model itself stays as it is (numpy only).

The counts are those of training (`cooccurrence.pairs`): fed with events one by one, in any order of arrival, they
reach what a training on all of them counts. Only a user's events of one second differ: training orders them at random.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personalize_local.data.records import Interaction, OwnedEvent
from personalize_local.recipes.common.topk import Places, Scores
from personalize_local.recipes.config import RETURN, EventParameters

WINDOW = 50
"""Longest distance, in interactions of one user, at which two items still count as a pair."""
DECAY = 0.5
"""Power by which a pair counts less the further apart its items are."""
MAX_PAIRS = 1_000_000
"""Pairs that are kept; beyond them events still count, but pairs wait for the next training."""
_BY_DISTANCE = [0.0, *(distance**-DECAY for distance in range(1, WINDOW + 1))]
_Pairs = dict[int, dict[int, float]]


class _Row(NamedTuple):
    """An interaction as training sees it."""

    item: int
    """Position in the catalogue; -1: an item that the model does not know."""
    time: float
    weight: float


def weight_of(row: Interaction, events: Sequence[EventParameters]) -> float | None:
    """Return how much an interaction trains by the solution's events (none: all but RETURN); None if it does not."""
    kind = (row.event_type or "").lower()
    if not events:
        return None if kind == RETURN else 1.0
    top = max((event.weight for event in events if event.weight is not None), default=1.0) or 1.0
    weight = None
    for event in events:
        same = kind == event.event_type.lower() if event.event_type else kind != RETURN
        if same and (event.threshold is None or (row.event_value is not None and row.event_value >= event.threshold)):
            weight = 1.0 if event.weight is None else event.weight / top
    return weight


class OnlineCounts:
    """Counts on top of those of one model."""

    def __init__(
        self, positions: Callable[[Sequence[str]], Sequence[int]], size: int, events: Sequence[EventParameters]
    ) -> None:
        """`positions` finds items among the model's `size`; `events` are those that train it."""
        self._positions, self._events = positions, events
        self._rows: dict[str, list[_Row]] = {}
        self._after: _Pairs = {}
        self._before: _Pairs = {}
        self._arrays: dict[tuple[bool, int], tuple[Places, Scores]] = {}
        self._pairs = 0
        self.seen: npt.NDArray[np.float64] = np.zeros(size)
        """[items] interactions."""
        self.count = 0
        """Events counted."""

    def add(self, events: Sequence[OwnedEvent], history: Callable[[str], Sequence[Interaction]]) -> None:
        """Count events; `history` returns all of a user's interactions, these events included."""
        for owned in events:
            if owned.user_id not in self._rows:
                new = Counter(event.row for event in events if event.user_id == owned.user_id)
                self._rows[owned.user_id] = list(self._trained(history(owned.user_id), new))
            weight = weight_of(owned.row, self._events)
            if weight is not None:
                [item] = self._positions([owned.row.item_id])
                self._insert(self._rows[owned.user_id], _Row(item, owned.row.timestamp, weight))

    def add_counted(self, counted: Iterable[tuple[Interaction, int]]) -> None:
        """Count interactions of which only the numbers are known, by item, type and value: they make no pairs."""
        trained = [(row.item_id, number) for row, number in counted if weight_of(row, self._events) is not None]
        positions = self._positions([item for item, _ in trained])
        for position, (_, number) in zip(positions, trained, strict=True):
            self.count += number
            if position >= 0:
                self.seen[position] += number

    def weighted(self, items: Places, weights: Scores, *, backward: float) -> Scores:
        """[items] weighted sum of what came after some items, and `backward` times of what came before them."""
        scores = np.zeros(len(self.seen))
        if not self._after:
            return scores
        for item, weight in zip(items.tolist(), weights.tolist(), strict=True):
            for pairs, factor in ((self._after, weight), (self._before, weight * backward)):
                if item in pairs:
                    columns, values = self._array(pairs is self._after, item)
                    scores[columns] += factor * values
        return scores

    def _array(self, forward: bool, item: int) -> tuple[Places, Scores]:
        arrays = self._arrays.get((forward, item))
        if arrays is None:
            row = (self._after if forward else self._before)[item]
            arrays = np.fromiter(row, np.intp, len(row)), np.fromiter(row.values(), np.float64, len(row))
            self._arrays[forward, item] = arrays
        return arrays

    def _trained(self, history: Sequence[Interaction], without: "Counter[Interaction]") -> Sequence[_Row]:
        """The rows of a history that train, but for some new ones."""
        rows = []
        for row in history:
            if without[row] > 0:
                without[row] -= 1
            elif (weight := weight_of(row, self._events)) is not None:
                rows.append((row, weight))
        places = self._positions([row.item_id for row, _ in rows])
        return [_Row(item, row.timestamp, weight) for item, (row, weight) in zip(places, rows, strict=True)]

    def _insert(self, rows: list[_Row], row: _Row) -> None:
        """Put a row where its time belongs: the pairs that later rows end are counted anew."""
        self.count += 1
        if row.item >= 0:
            self.seen[row.item] += 1
        position = len(rows)
        while position and rows[position - 1].time > row.time:
            position -= 1
        for later in range(position, len(rows)):
            self._count(rows, later, -1.0)
        rows.insert(position, row)
        for later in range(position, len(rows)):
            self._count(rows, later, 1.0)

    def _count(self, rows: Sequence[_Row], end: int, sign: float) -> None:
        """Count (or take back) the pairs that one row ends."""
        item, time, weight = rows[end]
        if item < 0 or self._pairs >= MAX_PAIRS:
            return
        for distance, other in enumerate(reversed(rows[max(end - WINDOW, 0) : end]), 1):
            if other.item >= 0:
                value = sign * weight * _BY_DISTANCE[distance]
                self._add_pair(other.item, item, value)
                if other.time == time:
                    self._add_pair(item, other.item, value)

    def _add_pair(self, first: int, second: int, value: float) -> None:
        row, back = self._after.setdefault(first, {}), self._before.setdefault(second, {})
        if second not in row:
            self._pairs += 1
        row[second] = back[first] = row.get(second, 0.0) + value
        self._arrays.pop((True, first), None)
        self._arrays.pop((False, second), None)
