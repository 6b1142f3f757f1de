# SPDX-License-Identifier: Apache-2.0
"""Lists with variety: an item whose category the list has already counts as if it stood further down.

Maximal marginal relevance (Carbonell and Goldstein, The use of MMR, SIGIR 1998) with a likeness of 0 or 1: two items
are alike if their category is the same. Relevance is the reciprocal rank, since Personalize gives scores for some
recipes only: with a strength of one half a repeat counts as if it stood twice as far down, so that the first half of a
list stays. What is chosen keeps its order: among ten items the order adds no variety, and it costs hits at the top.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

from personalization.shop.records import item_table

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
    """The share of its worth that an item loses if one of its value comes before it: 0 to 1."""

    def trait(self, columns: Mapping[str, str]) -> "Trait":
        """Return what an item's columns say of it; repeats of a name collapse."""
        for column in self.by:
            if value := columns.get(column):
                break
        else:
            value = ""
        return value, columns.get(_name_column(tuple(columns)), "").lower()


@lru_cache(64)
def _name_column(columns: tuple[str, ...]) -> str:
    return item_table.name_column(columns) or ""


def read(entry: Mapping[str, Any] | None) -> Diversity | None:
    """Parse the member `diversity` of a release record or of its placements; None if it has none."""
    if not entry:
        return None
    return Diversity(tuple(entry["by"]), float(entry["strength"]))


def varied(
    items: Sequence[str], traits: Mapping[str, Trait], most: int, strength: float, shown: Collection[str] = ()
) -> list[str]:
    """Return `most` items with variety, best first; the first stays, and all stay where nothing is alike.

    Args:
        items: distinct ids, best first.
        traits: by id; an item without one is like no other.
        most: how many are returned, if there are so many.
        strength: as in `Diversity`; with 0 nothing but the repeats of a name gives way.
        shown: names that are repeats from the beginning.
    """
    names, values, repeats = set(shown), set[str](), list[str]()
    places: list[tuple[float, int]] = []
    for index, item in enumerate(items):
        value, name = traits.get(item, PLAIN)
        if name and name in names:
            repeats.append(item)
            continue
        names.add(name)
        left = 1.0 - strength if value in values else 1.0
        places.append(((index + 1) / left if left else inf, index))
        if value:
            values.add(value)
    chosen = sorted(index for _, index in sorted(places)[:most])
    # Repeated names are shown only where others are too few.
    return [*(items[index] for index in chosen), *repeats][:most]
