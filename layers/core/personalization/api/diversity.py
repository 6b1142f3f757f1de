# SPDX-License-Identifier: Apache-2.0
"""Lists with variety: a greedy choice in which each further item of one category counts for less.

Maximal marginal relevance (Carbonell and Goldstein, The use of MMR, SIGIR 1998) with diminishing returns in place of
the largest similarity: what an item is worth falls by a constant factor for each item of its category before it in the
list, as in submodular re-ranking (Teo et al., Adaptive, personalized diversity for visual discovery, RecSys 2016). What
is chosen keeps its order: among ten items the order adds no variety, and it costs hits at the top.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from typing import Any

SPREAD = 3
"""How many times as many items a campaign is asked for as are shown."""
Trait = tuple[str, str]
"""What is alike in items: the value and the name; an empty text is like no other."""
PLAIN: Trait = ("", "")


@dataclass(frozen=True, slots=True)
class Diversity:
    """How a list is varied."""

    by: tuple[str, ...]
    """Columns of Items, the most specific first: an item has the value of the first one that is not empty."""
    strength: float
    """The share of its worth that an item loses for each item of its value before it: 0 to 1."""
    name: str = ""
    """The column whose repeats collapse; empty without one."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.by, self.name) if self.name else self.by

    def trait(self, columns: Mapping[str, str]) -> "Trait":
        """Return what an item's columns say of it."""
        for column in self.by:
            if value := columns.get(column):
                break
        else:
            value = ""
        return value, columns.get(self.name, "").lower()


def read(entry: Mapping[str, Any] | None) -> Diversity | None:
    """Parse the member `diversity` of a release record or of its placements; None if it has none."""
    if not entry:
        return None
    return Diversity(tuple(entry["by"]), float(entry["strength"]), entry.get("name", ""))


def worths(scores: Sequence[float | None]) -> list[float]:
    """Return what items are worth, never rising down the list: their scores, or without any their reciprocal ranks.

    An explored or unscored item, which stands above its score, is worth as much as the best one below it.
    """
    found: list[float] = []
    for score in reversed(scores):
        found.append(max(score or 0.0, found[-1] if found else 0.0))
    if not found or found[-1] > 0:
        return found[::-1]
    return [1.0 / rank for rank in range(1, len(scores) + 1)]


def varied(
    items: Sequence[str],
    worth: Sequence[float],
    traits: Mapping[str, Trait],
    most: int,
    strength: float,
    shown: Collection[str] = (),
) -> list[str]:
    """Return `most` items with variety, best first; the first stays, and all stay where nothing is alike.

    Args:
        items, worth: distinct ids, best first, and what each is worth, which never rises.
        traits: by id; an item without one is like no other.
        most: how many are returned, if there are so many.
        strength: as in `Diversity`; with 0 nothing but the repeats of a name gives way.
        shown: names that are repeats from the beginning.
    """
    names, repeats = set(shown), list[str]()
    alike: dict[str, deque[int]] = {}
    for place, item in enumerate(items):
        value, name = traits.get(item, PLAIN)
        if name and name in names:
            repeats.append(item)
            continue
        names.add(name)
        alike.setdefault(value, deque()).append(place)
    # Of the items of one value the next one competes; its worth changes only when the one before it is taken.
    heads = [(-worth[queue[0]], queue[0], 1.0, value) for value, queue in alike.items()]
    heapify(heads)
    chosen: list[int] = []
    while heads and len(chosen) < most:
        _, place, left, value = heads[0]
        chosen.append(place)
        alike[value].popleft()
        if not alike[value]:
            heappop(heads)
            continue
        left *= 1.0 - strength if value else 1.0
        place = alike[value][0]
        heapreplace(heads, (-left * worth[place], place, left, value))
    # Repeats only fill what nothing else can.
    return [*(items[place] for place in sorted(chosen)), *repeats][:most]
