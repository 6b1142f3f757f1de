# SPDX-License-Identifier: Apache-2.0
"""A set as it is tested: its pasts at one cut and at earlier ones, the users who may be asked, and what was trained."""

import time as clock
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from zlib import crc32

import numpy as np
import numpy.typing as npt
from personalize_local.data.frames import pl
from personalize_local.recipes import training
from personalize_local.recipes.base import Model
from personalize_local.recipes.config import EventParameters, TrainingConfig
from personalize_local.recipes.definitions import RECIPES
from personalize_local.recipes.user_personalization.training import SharedCounts

from benchmarks.questions.sets import Set
from local.evaluation import splitting
from local.evaluation.counts import Counts
from local.evaluation.files import Tables
from local.evaluation.pasts import Past, prepared
from local.evaluation.splitting import Split

SEED = 7
MOST = 2_000
"""Users that are asked, drawn at random where there are more."""
Choose = Callable[[Split], pl.DataFrame]
"""Which rows of a split's past train."""


@dataclass(frozen=True, slots=True)
class Half:
    """The half of the users, windows and draws that may be looked at, or the one that `--open` looks at."""

    held: bool = False

    def has(self, key: str) -> bool:
        return bool(crc32(f"half/{key}".encode()) & 1) == self.held


@dataclass
class Shop:
    """One set in memory. `back` counts how many tests lie after a cut: 0 = the newest, 1 = the one before …"""

    spec: Set
    tables: Tables
    half: Half
    first: int = 0
    """The newest cut that is tested: 0, or 1 for a validation."""
    most: int = MOST
    events: tuple[EventParameters, ...] = ()
    """What events of each type count for in trainings (`eventsConfig`); empty = only those of the set's type train."""
    _splits: dict[int, Split] = field(default_factory=dict)
    _pasts: dict[str, Past] = field(default_factory=dict)
    _counts: dict[str, Counts] = field(default_factory=dict)
    _models: dict[tuple[str, str, str, tuple[EventParameters, ...]], tuple[Model, float]] = field(default_factory=dict)

    @property
    def positions(self) -> bool:
        return self.spec.days == 0

    def split(self, back: int) -> Split:
        """Return a cut and what users took after it: the first basket of the window that follows, or their last one."""
        back += self.first
        for at in range(back + 1):
            if at not in self._splits:
                self._splits[at] = self._cut(at)
        return self._splits[back]

    def _cut(self, at: int) -> Split:
        rows, kind = self.tables.interactions, self.spec.event_type
        if self.positions:
            given = self._splits[at - 1].training if at else rows
            return replace(splitting.by_last(given, kind, 0.0), positions=True)
        return self.window(at, self.spec.days)

    def window(self, at: int, days: float) -> Split:
        """Return the window `at` of `days`, counted from the newest row."""
        rows = self.tables.interactions
        last = int(rows["TIMESTAMP"].max() - at * days * splitting.DAY)  # type: ignore[operator]
        return splitting.by_time(rows, self.spec.event_type, last, days)

    def after(self, split: Split) -> dict[str, list[tuple[str, int]]]:
        """Return items and times of each user in the window after a cut, oldest first."""
        rows = splitting.of_type(self.tables.interactions, self.spec.event_type)
        until = split.cut + split.days * splitting.DAY
        later: dict[str, list[tuple[str, int]]] = {}
        window = rows.filter(pl.col("TIMESTAMP").is_between(split.cut, until, closed="right"))
        for user, item, time in window.sort("TIMESTAMP").select("USER_ID", "ITEM_ID", "TIMESTAMP").iter_rows():
            later.setdefault(user, []).append((item, time))
        return later

    def past(self, name: str, split: Split) -> Past:
        """Return a past by a name that tells it from every other of this set."""
        if name not in self._pasts:
            config = TrainingConfig(event_type=self.spec.event_type, minimum_interactions=1, minimum_users=1)
            self._pasts[name] = prepared(self.tables, split, config)
        return self._pasts[name]

    def counts(self, name: str, past: Past) -> Counts:
        """Return what rules count in the past of this name."""
        if name not in self._counts:
            self._counts[name] = Counts(past)
        return self._counts[name]

    def known_users(self, past: Past) -> list[str]:
        """Return users with a past and a test, of the half, in a random order that stays the same."""
        return self.drawn(past.split.tests.keys() & past.active)

    def drawn(self, users: Iterable[str]) -> list[str]:
        ordered = sorted(user for user in users if self.half.has(user))
        order = np.random.default_rng(SEED).permutation(len(ordered))[: self.most].tolist()
        return [ordered[position] for position in order]

    def model(self, name: str, past: Past, recipe: str, tier: str) -> tuple[Model, float]:
        """Return a trained model and the processor seconds of its training."""
        key = (name, recipe, tier, self.events)
        if key not in self._models:
            given = {"tier": tier} if "tier" in RECIPES[recipe].hyperparameters else {}
            kind = None if self.events else self.spec.event_type
            config = TrainingConfig(event_type=kind, hyperparameters=given, minimum_users=1, events=self.events)
            begun = clock.process_time()
            made = training.train(recipe, past.snapshot, config, SharedCounts()).model
            self._models[key] = made, clock.process_time() - begun
        return self._models[key]

    def weighing(self, events: tuple[EventParameters, ...]) -> "Shop":
        """Return the shop with other weights in trainings; pasts and models are shared."""
        return replace(self, events=events)

    def forget(self) -> None:
        """Drop pasts and models, which hold most of the memory."""
        self._pasts.clear()
        self._counts.clear()
        self._models.clear()


def number(purpose: str, key: str) -> int:
    """Return a number for a key that is independent of the half it belongs to, and of other purposes' numbers.

    Checksums of texts that differ in their beginning alone are not: the CRC of one follows from that of the other.
    """
    return int.from_bytes(blake2b(f"{purpose}/{key}".encode(), digest_size=8).digest())


def without(split: Split, column: str, values: Iterable[str]) -> Split:
    """Return the split whose past lacks the rows with these users or items."""
    return replace(split, training=split.training.filter(~pl.col(column).is_in(list(values))))


def mask(places: dict[str, int], names: Iterable[str]) -> npt.NDArray[np.bool_]:
    """[items] whether an item is among these."""
    among = np.zeros(len(places), bool)
    among[[places[name] for name in names if name in places]] = True
    return among
