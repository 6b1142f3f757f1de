# SPDX-License-Identifier: Apache-2.0
"""What a training of User-Personalization or Personalized-Ranking decided, and what serving needs to know of it."""

from dataclasses import dataclass

from personalize_local.recipes.base import EventParameters

REPEATS = 0.01
"""Share of returns to a known item above which they are worth an offer."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What training decided, and what serving needs to know of the recipe."""

    recipe: str
    recipe_type: str
    second_generation: bool
    """v2: scores are shares of a candidate subset, popular placeholders have none, exploration is not configurable."""
    sequence: int
    """How many of the latest interactions count (bptt)."""
    recency: float
    """Power by which an interaction's weight falls with the number of newer ones."""
    repeats: float
    """Share of interactions in training that were with an item the user already knew."""
    sequence_share: float
    """Share of the rest that goes to items following from the latest ones."""
    taste: float
    """Share of what is new that all of the user's items speak for together; the rest follows from the latest ones.

    0: nothing is known of what speaks for what, and rankers hear nothing of it either.
    """
    latest: float
    """Time of the newest interaction in training."""
    clock: bool = True
    """Whether the users' times are one clock; else each user's own last moment is all that is known of now."""
    scores_shown: bool = True
    """Whether answers carry scores: use cases keep them to themselves."""
    by_kind: bool = False
    """Whether what follows counts up to twice as much if it is of the kind of the latest items; rankers learn that."""
    seasons: bool = False
    """Whether the month of the year is part of every context."""
    events: tuple[EventParameters, ...] = ()
    """The events that train; empty: all but RETURN."""

    @property
    def returning(self) -> bool:
        """Whether people come back to items often enough to be offered what they know."""
        return self.repeats > REPEATS
