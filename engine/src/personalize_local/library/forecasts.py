# SPDX-License-Identifier: Apache-2.0
"""What an import or a training is expected to take, before it begins."""

from typing import Final, NamedTuple

from personalize_local.library.refusals import FAILED, Refused, refusing
from personalize_local.recipes.definitions import RECIPE, recipe_of

IMPORT: Final = "import"
_MB: Final = 2**20
_SPARE: Final = 1.25
"""Data may have longer ids, more items and more columns than those that were measured."""


class Needs(NamedTuple):
    """What one process takes at its highest, and how long one processor works."""

    memory: int
    """Bytes, with what is mapped."""
    seconds: float


class _Measured(NamedTuple):
    """Megabytes and processor seconds (engine/docs/figures.md): of any data, of a million interactions, of a sample
    that is full at SAMPLED of them, and of a million items that were taken. Seconds are those of the slower machine."""

    memory: float
    memory_of_million: float
    seconds: float
    seconds_of_million: float
    memory_of_sample: float = 0.0
    seconds_of_sample: float = 0.0
    memory_of_million_items: float = 0.0
    seconds_of_million_items: float = 0.0


_OF_IMPORT: Final = _Measured(132, 118, 1.4, 2.7)
_POPULAR: Final = _Measured(108, 107, 2.3, 0.3, memory_of_million_items=300)
_SIMILAR: Final = _Measured(153, 121, 3.8, 1.5, memory_of_million_items=2_200)
_SEGMENTS: Final = _Measured(110, 110, 2, 10, memory_of_million_items=2_200)
_PERSONAL: Final = _Measured(
    memory=110,
    memory_of_million=65,
    seconds=8,
    seconds_of_million=8,
    memory_of_sample=1_040,
    seconds_of_sample=127,
    memory_of_million_items=3_900,
    seconds_of_million_items=1_600,
)
SAMPLED: Final = 400_000
_OF_STREAMED: Final = 50
"""Bytes of an event that no table has yet, beyond those of an interaction, while it is put among the table's rows."""
_OF_FAMILIES: Final = {
    "personal": _PERSONAL,
    "ranking": _PERSONAL,
    "popularity": _POPULAR,
    "events": _POPULAR,
    "segments": _SEGMENTS,
}


def needs(job: str, interactions: int, items: int = 0) -> Needs:
    """Return what a job is expected to take: `import`, or the training of a recipe, by its name, in the standard tier.

    `items`: how many were taken; up to some ten thousand hardly matter. Raises Refused for an unknown recipe.
    """
    if job == IMPORT:
        measured = _OF_IMPORT
    else:
        with refusing():
            measured = _OF_FAMILIES.get(recipe_of(f"{RECIPE}{job}").family, _SIMILAR)
    millions, sample = interactions / 1e6, min(1.0, interactions / SAMPLED)
    megabytes = measured.memory + measured.memory_of_million * millions + measured.memory_of_sample * sample
    megabytes += measured.memory_of_million_items * items / 1e6
    seconds = measured.seconds + measured.seconds_of_million * millions + measured.seconds_of_sample * sample
    seconds += measured.seconds_of_million_items * items / 1e6
    return Needs(round(_SPARE * megabytes * _MB), seconds)


def refuse_beyond(memory: int, recipe: str, interactions: int, streamed: int, items: int) -> None:
    """Refuse a training that is expected to take more than `memory` bytes.

    `streamed`: the interactions that are in no table. `items`: how many items are in those of the table.
    """
    needed = needs(recipe, interactions, items).memory + round(_SPARE * _OF_STREAMED * streamed)
    if needed > memory:
        raise Refused(
            FAILED,
            f"A training of {recipe} on {interactions:,} interactions with {items:,} items takes about "
            f"{needed / _MB:,.0f} MB of memory, and {memory / _MB:,.0f} MB are there.",
        )
