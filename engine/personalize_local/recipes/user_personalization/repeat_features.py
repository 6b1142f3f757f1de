# SPDX-License-Identifier: Apache-2.0
"""A user's own history: how often, when and how regularly he took what he took (numpy only)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.topk import Mass

Places = npt.NDArray[np.intp]
Column = npt.NDArray[Any]
DAY = 86_400.0
FADES = (1.5, 5.0, 15.0)
"""Half-lives, in baskets of the user, of what he took."""
HABIT = 90.0
"""Half-life, in days, of a habit: what the user took so long ago counts half towards coming back to it."""
NEVER = 1e4
"""How long ago something was that never happened."""
NAMES = (
    "times",
    "share of baskets",
    "baskets since",
    "days since",
    "due",
    *(f"faded by {half:g}" for half in FADES),
    "own gap",
    "due by the item's gap",
    "own span",
)
USER_NAMES = ("history", "variety", "last popularity", "baskets", "basket size", "days between baskets")


@dataclass(frozen=True)
class Past:
    """A user's history as the model knows it, oldest first."""

    items: Places
    times: npt.NDArray[np.float64]
    weights: Mass
    """[rows] falls with the number of newer interactions."""
    now: float
    """The moment of the question, on the clock of the training data."""

    @cached_property
    def baskets(self) -> npt.NDArray[np.intp]:
        """[rows] number, from 0, of the moment of each row."""
        number: npt.NDArray[np.intp] = np.cumsum(np.diff(self.times, prepend=self.times[:1]) > 0)
        return number

    @cached_property
    def baskets_since(self) -> npt.NDArray[np.intp]:
        """[rows] how many later moments the user has."""
        later: npt.NDArray[np.intp] = np.subtract(self.baskets[-1], self.baskets)
        return later

    @cached_property
    def days_between(self) -> float:
        """Mean days from one moment to the next; 0 where there was but one."""
        return float(self.times[-1] - self.times[0]) / DAY / max(int(self.baskets[-1]), 1)

    def faded(self, *, clock: bool) -> Mass:
        """[rows] how much each still says of what the user comes back to; by later moments where times are no clock."""
        if not clock:
            later: Mass = np.power(1.0 + self.baskets_since, -0.4, dtype=np.float64)
            return later
        faded: Mass = np.exp2((self.times - self.times[-1]) / (HABIT * DAY))
        return faded

    def last_basket(self, most: int) -> Places:
        """The items of the newest moment, `most` of them."""
        basket: Places = self.items[self.times == self.times[-1]][-most:]
        return basket

    def habits(self, candidates: Places, gaps: npt.NDArray[np.float32], count: int) -> list[Column]:
        """NAMES of each candidate, from the items' own `gaps` (days until people come back) among `count` items.

        The clock is the user's: it stands where his next moment is due, so that a late question changes nothing.
        """
        times = np.bincount(self.items, minlength=count)[candidates]
        known, here = times > 0, float(self.times[-1])
        newest, oldest = np.full(count, -1.0), np.full(count, np.inf)
        newest[self.items] = self.times
        np.minimum.at(oldest, self.items, self.times)
        latest = np.full(count, -1)
        latest[self.items] = self.baskets
        since = np.where(known, (here - newest[candidates]) / DAY, NEVER)
        with np.errstate(invalid="ignore"):
            span = np.where(known, (newest[candidates] - oldest[candidates]) / DAY, -1.0)
        gap = np.where(times > 1, span / np.maximum(times - 1, 1), -1.0)
        due = since + self.days_between
        faded = (np.bincount(self.items, 0.5 ** (self.baskets_since / half), minlength=count) for half in FADES)
        return [
            times,
            times / (self.baskets[-1] + 1.0),
            np.where(known, self.baskets[-1] - latest[candidates], NEVER),
            since,
            np.where(times > 1, due / np.maximum(gap, 1e-3), -1.0),
            *(each[candidates] for each in faded),
            gap,
            np.where(known, due / np.maximum(gaps[candidates], 1e-3), -1.0),
            span,
        ]

    def of_kind(self, candidates: Places, kinds: npt.NDArray[np.int32]) -> list[Column]:
        """How often the user took something of each candidate's kind, and how many moments ago; -1 without a kind."""
        mine, theirs = kinds[self.items] + 1, kinds[candidates] + 1
        count = int(kinds.max(initial=-1)) + 2
        times = np.bincount(mine, minlength=count)
        newest = np.full(count, NEVER)
        newest[mine] = self.baskets_since
        some = theirs > 0
        return [np.where(some, times[theirs], -1.0), np.where(some, newest[theirs], -1.0)]

    def facts(self, seen: npt.NDArray[np.float32]) -> list[float]:
        """USER_NAMES."""
        length, baskets = len(self.items), int(self.baskets[-1]) + 1
        variety = len(set(self.items.tolist())) / length
        return [length, variety, float(seen[self.items[-1]]), baskets, length / baskets, self.days_between]
