# SPDX-License-Identifier: Apache-2.0
"""A small shop with users who click: what a policy of lists earns, and what it learns from.

Everything is drawn from a seed before the first list. Each item has a category, a brand and a hidden quality; it
arrives, is on sale for SHELF days and leaves. Each user has a taste for each category. A user whom a list reaches looks
at a position with a chance that falls with the position, and clicks what they look at with the item's appeal to them.
Users also find items by themselves, so that new ones sell without any list. Nobody takes an item twice.

Two policies with the same seed meet the same visitors, arrivals and luck: a click of a user on an item on a visit
depends on one number drawn beforehand, and on the position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from personalize_local.data.records import Interaction, OwnedEvent
from personalize_local.data.snapshots import Snapshot

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

DAY = 86_400
OPENING = 1_700_006_400
"""Midnight of the first day that counts."""
DAYS, BEFORE = 30, 45
"""Days that count, and days of history before them."""
SHELF, ARRIVALS = 75, 4
"""Days that an item is on sale, and items that arrive each day: 300 are on sale."""
USERS, VISITS, FINDS, EARLIER = 250, 30, 15, 80
"""Users; lists shown and items found without a list each day; the latter on each day of the history."""
CATEGORIES, BRANDS = 12, 24
LIST = 10
LOOKS: Floats = 1.0 / np.log2(np.arange(LIST) + 2.0)
"""[positions] the chance that a user looks at a position."""
USUAL, TASTE, BRAND, ITEM = -3.0, 1.0, 0.5, 0.8
"""Mean of the log-odds of a click on what is looked at; standard deviations of a taste, of a brand's quality and of an
item's own."""


@dataclass(frozen=True, slots=True)
class World:
    """What no policy changes."""

    seed: int
    arrives: Ints
    """[items] day of arrival; in this order items are numbered."""
    categories: Ints
    brands: Ints
    appeal: Floats
    """[users, items] the chance of a click on an item that the user looks at."""
    visitors: Ints
    """[days, visits] users."""
    finders: Ints
    """[days, finds] users."""
    found_before: Ints
    """[rows, 3] user, item and time of the history."""

    @classmethod
    def of(cls, seed: int) -> Self:
        """Draw a world."""
        rng = np.random.default_rng(seed)
        arrives = np.repeat(np.arange(-BEFORE - SHELF, DAYS), ARRIVALS)
        categories, brands = rng.integers(CATEGORIES, size=len(arrives)), rng.integers(BRANDS, size=len(arrives))
        quality = rng.normal(0.0, BRAND, BRANDS)[brands] + rng.normal(0.0, ITEM, len(arrives))
        taste = rng.normal(0.0, TASTE, (USERS, CATEGORIES))
        appeal = 1.0 / (1.0 + np.exp(-(USUAL + taste[:, categories] + quality)))
        activity = rng.lognormal(0.0, 0.7, USERS)
        activity /= activity.sum()
        visitors = rng.choice(USERS, (DAYS, VISITS), p=activity)
        finders = rng.choice(USERS, (DAYS, FINDS), p=activity)
        earlier, luck = rng.choice(USERS, (BEFORE, EARLIER), p=activity), rng.random((BEFORE, EARLIER))
        rows, taken = [], np.zeros(appeal.shape, bool)
        for day in range(BEFORE):
            for n in range(EARLIER):
                user = int(earlier[day, n])
                item = _drawn_item(appeal[user] * on_sale(arrives, day - BEFORE) * ~taken[user], float(luck[day, n]))
                taken[user, item] = True
                rows.append((user, item, OPENING + (day - BEFORE) * DAY + n * 600))
        return cls(seed, arrives, categories, brands, appeal, visitors, finders, np.array(rows))

    def luck(self, day: int) -> tuple[Floats, Floats]:
        """[visits, items] and [finds] numbers from 0 to 1 that decide the clicks and finds of a day."""
        rng = np.random.default_rng((self.seed, day))
        return rng.random((VISITS, len(self.arrives))), rng.random(FINDS)


def on_sale(arrives: Ints, day: int) -> Mask:
    """[items] whether each is on sale on a day."""
    return (arrives <= day) & (arrives > day - SHELF)


def _drawn_item(chances: Floats, luck: float) -> int:
    whole = np.cumsum(chances)
    return int(np.searchsorted(whole, luck * whole[-1], side="right"))


@dataclass(slots=True)
class Shop:
    """One policy's thirty days."""

    world: World
    taken: Mask = field(init=False)
    """[users, items]"""
    rows: list[tuple[int, int, int]] = field(init=False)
    """User, item and time of each interaction."""
    histories: list[list[Interaction]] = field(init=False)
    """[users] what each took, oldest first."""
    logged: Ints = field(init=False)
    """[items] impressions as a shop's events have them: those of lists with a click."""
    impressions: Floats = field(init=False)
    """[days, items] all impressions."""
    earned: Floats = field(init=False)
    """[days] the expected clicks of the lists shown."""

    def __post_init__(self) -> None:
        world = self.world
        self.taken = np.zeros(world.appeal.shape, bool)
        self.rows, self.histories = [], [[] for _ in range(USERS)]
        for user, item, time in world.found_before.tolist():
            self._take(user, [item], time)
        self.logged = np.zeros(len(world.arrives), np.int64)
        self.impressions, self.earned = np.zeros((DAYS, len(world.arrives))), np.zeros(DAYS)

    def offered(self, user: int, day: int) -> Mask:
        """[items] what a list for a user may hold: on sale, and not taken before."""
        offered: Mask = on_sale(self.world.arrives, day) & ~self.taken[user]
        return offered

    def show(self, day: int, visit: int, items: Sequence[int], luck: Floats) -> int:
        """Show a list to a visitor, whose clicks are logged with the impressions; `luck` is the visit's [items].

        Returns the number of clicks, the last rows of `rows`.
        """
        user, places = int(self.world.visitors[day, visit]), np.array(items)
        chances = self.world.appeal[user, places] * LOOKS[: len(places)]
        self.earned[day] += chances.sum()
        self.impressions[day, places] += 1
        clicked = places[luck[places] < chances].tolist()
        at = OPENING + day * DAY + visit * 600
        self._take(user, clicked, at)
        if clicked:
            self.logged[places] += 1
        return len(clicked)

    def find(self, day: int, luck: Floats) -> None:
        """Let users find items without a list, in the evening; `luck` is the day's [finds]."""
        for n, user in enumerate(self.world.finders[day].tolist()):
            item = _drawn_item(self.world.appeal[user] * self.offered(user, day), float(luck[n]))
            self._take(user, [item], OPENING + day * DAY + 50_000 + n * 600)

    def _take(self, user: int, items: Sequence[int], at: int) -> None:
        for position, item in enumerate(items):
            row = (user, item, at + position * 20)
            self.rows.append(row)
            self.histories[user].append(event(row).row)
            self.taken[user, item] = True

    def snapshot(self, day: int) -> Snapshot:
        """Return all that is known in the morning of a day, with its arrivals."""
        arrived = int(np.searchsorted(self.world.arrives, day, side="right"))
        rows = np.array(self.rows)
        rows = rows[np.lexsort((rows[:, 2], rows[:, 0]))]
        columns: dict[str, npt.NDArray[Any]] = {
            "CATEGORY_L1": _texts("category", self.world.categories[:arrived]),
            "BRAND": _texts("brand", self.world.brands[:arrived]),
            "CREATION_TIMESTAMP": OPENING + self.world.arrives[:arrived] * float(DAY),
        }
        return Snapshot(
            users=_texts("u", np.arange(USERS)),
            items=_texts("i", np.arange(arrived)),
            user_index=rows[:, 0].astype(np.int32),
            item_index=rows[:, 1].astype(np.int32),
            timestamps=rows[:, 2],
            event_type=np.zeros(len(rows), np.int16),
            event_types=("View",),
            event_values=np.full(len(rows), np.nan, np.float32),
            item_columns=columns,
            impressions=self.logged[:arrived],
        )


def event(row: tuple[int, int, int]) -> OwnedEvent:
    """Return an interaction as the engine has it."""
    user, item, time = row
    return OwnedEvent(0, f"u{user}", Interaction(f"i{item}", float(time), "View"))


def _texts(prefix: str, numbers: Ints) -> npt.NDArray[np.object_]:
    return np.array([f"{prefix}{number}" for number in numbers.tolist()], object)
