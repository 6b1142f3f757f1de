# SPDX-License-Identifier: Apache-2.0
"""Lists with variety: a greedy re-ranking in which each further item of one category counts for less.

Maximal marginal relevance (Carbonell and Goldstein, The use of MMR, SIGIR 1998) with diminishing returns in place of
the largest similarity: what an item is worth falls by a constant factor for each item of its category before it in the
list, as in submodular re-ranking (Teo et al., Adaptive, personalized diversity for visual discovery, RecSys 2016). The
relevance is that of the position, since recipes without scores and explored items have no other.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any, NamedTuple

SPREAD = 4
"""How many times as many items a campaign is asked for as are shown."""


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
        value = next((columns[name] for name in self.by if columns.get(name)), "")
        return Trait(value, " ".join(columns.get(self.name, "").lower().split()))


class Trait(NamedTuple):
    """What is alike in items; an empty text is like no other."""

    value: str = ""
    name: str = ""


PLAIN = Trait()


def read(entry: Mapping[str, Any] | None) -> Diversity | None:
    """Parse the member `diversity` of a release record or of its placements; None if it has none."""
    if not entry:
        return None
    return Diversity(tuple(entry["by"]), float(entry["strength"]), entry.get("name", ""))


def varied(
    items: Sequence[str], traits: Mapping[str, Trait], most: int, strength: float, shown: Collection[str] = ()
) -> list[str]:
    """Return the best `most` items with variety; the first stays, and nothing moves where nothing is alike.

    Args:
        items: distinct ids, best first.
        traits: by id; an item without one is like no other.
        most: how many are returned, if there are so many.
        strength: as in `Diversity`; with 0 nothing but the repeats of a name moves.
        shown: names that are repeats from the beginning.
    """
    names, counts = set(shown), Counter[str]()
    fresh: list[tuple[str, Trait, float]] = []
    repeats: list[str] = []
    for place, item in enumerate(items):
        trait = traits.get(item, PLAIN)
        if trait.name and trait.name in names:
            repeats.append(item)
            continue
        names.add(trait.name)
        fresh.append((item, trait, 1 / log2(place + 2)))
    left = 1.0 - strength
    chosen: list[str] = []
    while fresh and len(chosen) < most:
        best, worth = 0, -1.0
        for at, (_, trait, relevance) in enumerate(fresh):
            if relevance <= worth:
                break
            discounted = relevance * left ** counts[trait.value]
            if discounted > worth:
                best, worth = at, discounted
        item, trait, _ = fresh.pop(best)
        chosen.append(item)
        if trait.value:
            counts[trait.value] += 1
    # Repeats only fill what nothing else can.
    return [*chosen, *repeats][:most]
