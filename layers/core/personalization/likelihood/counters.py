# SPDX-License-Identifier: Apache-2.0
"""A user's counters while serving: as of the cut-off, brought up to the moment by live events.

Decayed counts are kept as of the cut-off; an event after it counts more than one there, and everything is multiplied
by one factor when it is read. So an event is added in the same way whenever it comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log1p
from typing import Any, Literal

from personalization.likelihood.features import DAY, HALF_LIVES, ITEM, KIND, PAIR, RANKS, USER, span
from personalization.likelihood.model import Model

RANK = max(RANKS)
_DECAYED = {name: int(name[1:]) for name in ("d7", "d28", "d91", "o7", "o28", "b7", "b28", "b91", "w28", "w91")}


Population = Literal["known", "newcomer", "stranger"]
"""Of a user the history has events, or only what came since the fit has, or neither."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A live event of a user: the item, epoch seconds, and whether it is of the type that is predicted."""

    event_id: str
    item_id: str
    at: int
    bought: bool


@dataclass(frozen=True, slots=True)
class Item:
    """An item's counters, its categories by level ("" for none), its factors, and how much a purchase says of taste."""

    counts: Mapping[str, float]
    kinds: Sequence[str]
    vector: Sequence[float]
    weight: float


@dataclass(slots=True)
class User:
    """The counters of one user as of `at`, epoch seconds; first and last are epoch seconds here."""

    at: int
    user: dict[str, float] = field(default_factory=lambda: dict.fromkeys(USER, 0.0))
    pairs: dict[str, dict[str, float]] = field(default_factory=dict)
    kinds: list[dict[str, dict[str, float]]] = field(default_factory=list)
    groups: Mapping[str, str] = field(default_factory=dict)
    taste: list[float] = field(default_factory=lambda: [0.0] * RANK)
    length: float = 0.0
    """Square of the length of what was bought, which taste is relative to."""
    behind: int = 0
    """Seconds from the newest row of the history to the fit, which the one clock of all users stays behind."""
    known: bool = False
    """Whether the history has events of them."""
    live: int = 0
    """How many events were added."""

    @property
    def population(self) -> Population:
        """Which of the populations they belong to."""
        return "known" if self.known else "newcomer" if self.live else "stranger"

    def add(self, event: Happening, item: Item | None) -> None:
        """Count a live event; `item` has its counters where it is known.

        Its place on the clock is as long after the newest row as it came after the fit.
        """
        event = replace(event, at=max(event.at - self.behind, self.at))
        self.live += 1
        pair = self.pairs.setdefault(event.item_id, dict.fromkeys(PAIR, 0.0))
        if not event.bought:
            _grow(pair, ("o7", "o28"), self._worth(event.at))
            _grow(self.user, ("o7",), self._worth(event.at))
            return
        worth = self._worth(event.at)
        if not pair["n"]:
            self.user["items"] += 1
            _grow(self.user, ("w28", "w91"), worth)
            pair["first"] = event.at
        before = pair["d91"]
        for counts in (pair, self.user):
            counts["n"] += 1
            _grow(counts, ("d7", "d28", "d91"), worth)
        if event.at // DAY > self.user["last"] // DAY:
            # A day counts as of its noon, whenever in it the purchase was.
            self.user["days"] += 1
            _grow(self.user, ("b7", "b28", "b91"), self._worth(event.at - event.at % DAY + DAY // 2))
        self.user["first"] = self.user["first"] or event.at
        self.user["last"], pair["last"] = max(self.user["last"], event.at), max(pair["last"], event.at)
        if item is not None:
            self._of_kinds(item, event, worth)
            self._of_taste(item, before, pair["d91"])

    def _worth(self, moment: int) -> dict[int, float]:
        return {days: 2.0 ** min((moment - self.at) / DAY / days, 600.0) for days in HALF_LIVES}

    def _of_kinds(self, item: Item, event: Happening, worth: Mapping[int, float]) -> None:
        for level, kind in enumerate(item.kinds):
            if kind and level < len(self.kinds):
                counts = self.kinds[level].setdefault(kind, dict.fromkeys(KIND, 0.0))
                counts["n"] += 1
                counts["d91"] += worth[91]
                counts["last"] = max(counts["last"], event.at)

    def _of_taste(self, item: Item, before: float, after: float) -> None:
        """Add a purchase to the direction of taste, as far as it changes the logarithm of the item's decayed count."""
        old, new = (log1p(2.0 * each) * item.weight for each in (before, after))
        length = self.length + new * new - old * old
        scale = (self.length / length) ** 0.5 if length > 0 else 0.0
        step = (new - old) / max(length, 1e-18) ** 0.5
        self.taste = [scale * each + step * axis for each, axis in zip(self.taste, item.vector, strict=True)]
        self.length = length

    def statistics(self, item_id: str, item: Item, model: Model, now: int) -> dict[str, float]:
        """The statistics of the user and an item as of `now`, as `features` wants them."""
        pair = self.pairs.get(item_id) or dict.fromkeys(PAIR, 0.0)
        told = {f"pair.{name}": self._as_of(name, value, now) for name, value in pair.items()}
        told |= {f"user.{name}": self._as_of(name, value, now) for name, value in self.user.items()}
        told |= {f"item.{name}": item.counts[name] for name in ITEM}
        told["group"] = told["described"] = 0.0
        # Of items, and so of users, as of the cut-off: rates of items stay what they were there.
        told["span"] = span((model.at - model.start) / DAY)
        for level, kind in enumerate(item.kinds):
            counts = self.kinds[level].get(kind) if kind and level < len(self.kinds) else None
            for name in KIND:
                told[f"kind{level}.{name}"] = self._as_of(name, counts[name], now) if counts else 0.0
            told[f"kind{level}.share"] = model.shares[level].get(kind, 1e-9) if kind else 1.0
        if item.kinds and item.kinds[-1]:
            lifts = [model.lifts.get(column, {}).get(value, {}) for column, value in self.groups.items()]
            told["group"] = sum(lift.get(item.kinds[-1], 0.0) for lift in lifts)
            told["described"] = float(any(lifts))
        close = 0.0
        for rank, (mine, its) in enumerate(zip(self.taste, item.vector, strict=True), 1):
            close += mine * its
            if rank in RANKS:
                told[f"near{rank}"] = close
        return told

    def _as_of(self, name: str, value: float, now: int) -> float:
        if name in _DECAYED:
            return float(value * 2.0 ** (-(now - self.at) / DAY / _DECAYED[name]))
        if name in {"first", "last"}:
            return max(0.0, (now - value) / DAY) if value else 0.0
        return float(value)


def shopper(entry: Mapping[str, Any] | None, model: Model) -> User:
    """A user as stored, or one of whom nothing is known."""
    empty: list[dict[str, dict[str, float]]] = [{} for _ in range(model.levels)]
    behind = max(0, model.fitted - model.at)
    if entry is None:
        return User(model.at, kinds=empty, behind=behind)
    return User(
        at=model.at,
        user=dict(zip(USER, entry["user"], strict=True)),
        pairs={item: dict(zip(PAIR, counts, strict=True)) for item, counts in entry["pairs"].items()},
        kinds=[
            {kind: dict(zip(KIND, counts, strict=True)) for kind, counts in level.items()} for level in entry["kinds"]
        ],
        groups=entry["groups"],
        taste=[float(each) for each in entry["taste"]],
        length=float(entry["length"]),
        behind=behind,
        known=bool(entry["pairs"]),
    )


def item(entry: Mapping[str, Any]) -> Item:
    """An item as stored."""
    return Item(dict(zip(ITEM, entry["counts"], strict=True)), entry["kinds"], entry["vector"], entry["weight"])


def _grow(counts: dict[str, float], names: Sequence[str], worth: Mapping[int, float]) -> None:
    for name in names:
        counts[name] += worth[_DECAYED[name]]
