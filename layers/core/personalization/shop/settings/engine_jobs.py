# SPDX-License-Identifier: Apache-2.0
"""What trainings of the engine take in a function of the stack; engine/docs/figures.md has the measurements."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

USUAL_MEGABYTES: Final = 3008
"""The stack's parameter `EngineMemory`, unless it is set: what a new account gives a function."""
MOST_MEGABYTES: Final = 10_240
"""What AWS gives a function at most."""
MOST_SECONDS: Final = 900
"""The same, of time. Most of a training is the work of one processor."""


SAMPLED: Final = 400_000


class Needs(NamedTuple):
    """What a training takes of any data, of a million interactions, of a sample that is full at SAMPLED, and of a
    million items that were taken."""

    megabytes: float
    megabytes_of_million: float
    seconds: float
    """Of one processor, on the slower machine."""
    seconds_of_million: float
    megabytes_of_sample: float = 0.0
    seconds_of_sample: float = 0.0
    megabytes_of_million_items: float = 0.0
    seconds_of_million_items: float = 0.0

    def of(self, interactions: int, items: int = 0) -> tuple[float, float]:
        """Return megabytes, with a quarter to spare, and seconds."""
        millions, sample, taken = interactions / 1e6, min(1.0, interactions / SAMPLED), items / 1e6
        megabytes = self.megabytes + self.megabytes_of_million * millions + self.megabytes_of_sample * sample
        seconds = self.seconds + self.seconds_of_million * millions + self.seconds_of_sample * sample
        return (
            1.25 * (megabytes + self.megabytes_of_million_items * taken),
            seconds + self.seconds_of_million_items * taken,
        )


_PERSONAL: Final = Needs(
    megabytes=110,
    megabytes_of_million=65,
    seconds=8,
    seconds_of_million=8,
    megabytes_of_sample=1_040,
    seconds_of_sample=127,
    megabytes_of_million_items=3_900,
    seconds_of_million_items=1_600,
)
_SIMILAR: Final = Needs(153, 121, 3.8, 1.5, megabytes_of_million_items=2_200)
_SEGMENTS: Final = Needs(110, 110, 2, 10, megabytes_of_million_items=2_200)
NEEDS: Final[Mapping[str, Needs]] = {
    "user-personalization": _PERSONAL,
    "personalized-ranking": _PERSONAL,
    "similar-items": _SIMILAR,
    "popularity-count": Needs(108, 107, 2.3, 0.3, megabytes_of_million_items=300),
    "trending-now": _SIMILAR,
    "semantic-similarity": _SIMILAR,
    "item-affinity": _SEGMENTS,
    "item-attribute-affinity": _SEGMENTS,
}


def megabytes(recipes: Iterable[str], interactions: int, items: int = 0) -> int:
    """Return the memory that the largest of some trainings is expected to take, with a quarter to spare.

    `items`: how many were taken; up to some ten thousand hardly matter.
    """
    return max((round(NEEDS[alias].of(interactions, items)[0]) for alias in recipes if alias in NEEDS), default=0)


def seconds(recipes: Iterable[str], interactions: int, items: int = 0) -> float:
    """Return how long the longest of some trainings is expected to work."""
    return max((NEEDS[alias].of(interactions, items)[1] for alias in recipes if alias in NEEDS), default=0.0)


def gigabyte_seconds(alias: str, interactions: int) -> float:
    """Return what a training is billed for, with the usual memory, of which one processor works."""
    return NEEDS[alias].of(interactions)[1] * USUAL_MEGABYTES / 1024
