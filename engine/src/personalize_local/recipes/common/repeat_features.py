# SPDX-License-Identifier: Apache-2.0
"""A user's own history: how often, when and how regularly they took each item (numpy only)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.topk import Places, Scores

Column = npt.NDArray[Any]
DAY = 86_400.0
HALF_LIVES = (1.5, 5.0, 15.0)
"""In baskets of the user."""
REPEAT_HALF_LIFE = 90.0
EVER = 365.0
"""Days after which an interaction counts half as evidence of a repeat: of one soon, and (EVER) of one at any time."""
NEVER = 1e4
"""Stands for the time since something that never happened."""
NAMES = (
    "times",
    "share of baskets",
    "baskets since",
    "days since",
    "due",
    *(f"decayed by {half:g}" for half in HALF_LIVES),
    "own gap",
    "due by the item's gap",
    "own span",
)
_UNKNOWN = (0.0, 0.0, NEVER, NEVER, -1.0, *(0.0 for _ in HALF_LIVES), -1.0, -1.0, -1.0)
"""The values of NAMES for an item that the user never took."""
USER_NAMES = ("history", "variety", "last popularity", "baskets", "basket size", "days between baskets")


@dataclass(frozen=True)
class Past:
    """A user's history as the model knows it, oldest first. Interactions of one second are one basket."""

    items: Places
    times: npt.NDArray[np.float64]
    recency: float
    """Power by which an interaction's weight falls with the number of newer ones."""
    now: float
    """The time of the query, on the clock of the training data."""

    @cached_property
    def baskets(self) -> npt.NDArray[np.intp]:
        """[rows] number, from 0, of the basket of each row."""
        number: npt.NDArray[np.intp] = np.cumsum(np.diff(self.times, prepend=self.times[:1]) > 0)
        return number

    @cached_property
    def baskets_since(self) -> npt.NDArray[np.intp]:
        """[rows] number of later baskets."""
        later: npt.NDArray[np.intp] = np.subtract(self.baskets[-1], self.baskets)
        return later

    @cached_property
    def days_between(self) -> float:
        """Mean days from one basket to the next; 0 if there is only one."""
        return float(self.times[-1] - self.times[0]) / DAY / max(int(self.baskets[-1]), 1)

    def latest(self, most: int) -> tuple[Places, Scores]:
        """Return the items of the newest interactions, at most `most`, and their weights."""
        times = self.times[-most:]
        newer = len(times) - np.searchsorted(times, times, side="right")
        return self.items[-most:], np.power(1.0 + newer, -self.recency, dtype=np.float64)

    def decayed(self, *, clock: bool, days: float = REPEAT_HALF_LIFE) -> Scores:
        """[rows] the weight of each interaction as evidence of a repeat: it halves in `days`.

        Where timestamps are only positions, it falls with the number of later baskets instead.
        """
        if not clock:
            later: Scores = np.power(1.0 + self.baskets_since, -0.4, dtype=np.float64)
            return later
        decayed: Scores = np.exp2((self.times - self.times[-1]) / (days * DAY))
        return decayed

    def last_basket(self, most: int) -> Places:
        """Return the items of the newest basket, at most `most`."""
        basket: Places = self.items[self.times == self.times[-1]][-most:]
        return basket

    def of_basket_before(self, back: int) -> Places:
        """Return the newest item of the basket `back` baskets before the last one; nothing if there is none."""
        number = int(self.baskets[-1]) - back
        row = int(np.searchsorted(self.baskets, number, side="right"))
        return self.items[row - 1 : row] if number >= 0 else self.items[:0]

    def repeat_features(self, candidates: Places, gaps: npt.NDArray[np.float32], count: int) -> list[Column]:
        """Return NAMES of each candidate among `count` items; `gaps`: days until users come back to an item.

        The clock is the user's: it stands where their next basket is due, so that a late query changes nothing.
        """
        candidate_of = np.full(count, -1)
        candidate_of[candidates] = np.arange(len(candidates))
        rows = np.flatnonzero(candidate_of[self.items] >= 0)
        if not len(rows):
            return [np.full(len(candidates), value) for value in _UNKNOWN]
        of, when, size = candidate_of[self.items[rows]], self.times[rows], len(candidates)
        times = np.bincount(of, minlength=size)
        taken, here = times > 0, float(self.times[-1])
        newest, oldest, latest = np.full(size, -1.0), np.full(size, np.inf), np.full(size, -1)
        newest[of], latest[of] = when, self.baskets[rows]
        np.minimum.at(oldest, of, when)
        since = np.where(taken, (here - newest) / DAY, NEVER)
        with np.errstate(invalid="ignore"):
            span = np.where(taken, (newest - oldest) / DAY, -1.0)
        gap = np.where(times > 1, span / np.maximum(times - 1, 1), -1.0)
        due = since + self.days_between
        later = self.baskets_since[rows]
        return [
            times,
            times / (self.baskets[-1] + 1.0),
            np.where(taken, self.baskets[-1] - latest, NEVER),
            since,
            np.where(times > 1, due / np.maximum(gap, 1e-3), -1.0),
            *(np.bincount(of, 0.5 ** (later / half), minlength=size) for half in HALF_LIVES),
            gap,
            np.where(taken, due / np.maximum(gaps[candidates], 1e-3), -1.0),
            span,
        ]

    def category_features(self, candidates: Places, categories: npt.NDArray[np.int32]) -> list[Column]:
        """Return how often the user took each candidate's category, and how many baskets ago; -1 without a category."""
        own_categories, candidate_categories = categories[self.items] + 1, categories[candidates] + 1
        count = int(categories.max(initial=-1)) + 2
        times = np.bincount(own_categories, minlength=count)
        newest = np.full(count, NEVER)
        newest[own_categories] = self.baskets_since
        some = candidate_categories > 0
        return [np.where(some, times[candidate_categories], -1.0), np.where(some, newest[candidate_categories], -1.0)]

    def user_features(self, seen: npt.NDArray[np.float32]) -> list[float]:
        length, baskets = len(self.items), int(self.baskets[-1]) + 1
        variety = len(set(self.items.tolist())) / length
        return [length, variety, float(seen[self.items[-1]]), baskets, length / baskets, self.days_between]
