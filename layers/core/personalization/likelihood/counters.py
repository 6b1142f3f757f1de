# SPDX-License-Identifier: Apache-2.0
"""A user's counters while serving: as of the cut-off, updated by live events.

Decayed counts are stored as of the cut-off. A later event counts more than one there, and reading multiplies all by
one factor, so the order and the time of updates do not matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log1p
from typing import Any, Literal

from personalization.likelihood.features import DAY, HALF_LIVES, ITEM, KIND, PAIR, RANK, RANKS, USER, span
from personalization.likelihood.model import Model

_DECAYED = {name: int(name[1:]) for name in ("d7", "d28", "d91", "o7", "o28", "b7", "b28", "b91", "w28", "w91")}

Population = Literal["known", "newcomer", "stranger"]
"""Users with events in the history, users with only later events, and users with neither."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """A live event of a user: item, epoch seconds, and whether its type is the predicted one."""

    event_id: str
    item_id: str
    at: int
    bought: bool


@dataclass(frozen=True, slots=True)
class Item:
    """An item's counters, categories by level ("" for none), vector, and its purchases' weight in users' vectors."""

    counts: Mapping[str, float]
    kinds: Sequence[str]
    vector: Sequence[float]
    weight: float


@dataclass(slots=True, kw_only=True)
class User:
    """The counters of one user as of `at`; times are in epoch seconds, also first and last."""

    at: int
    user: dict[str, float] = field(default_factory=lambda: dict.fromkeys(USER, 0.0))
    pairs: dict[str, dict[str, float]] = field(default_factory=dict)
    kinds: list[dict[str, dict[str, float]]] = field(default_factory=list)
    groups: Mapping[str, str] = field(default_factory=dict)
    vector: list[float] = field(default_factory=lambda: [0.0] * RANK)
    length: float = 0.0
    """Squared norm of the purchases, which normalises `vector`."""
    behind: int = 0
    """Seconds from the newest row of the history to the fit, by which the clock of all users is behind."""
    span: float = 1.0
    """The scale of the history's length, as of the cut-off: the rates of items stay as they were then."""
    has_history: bool = False
    """Whether the history has events of this user."""
    live: int = 0
    """Number of added events."""

    @property
    def population(self) -> Population:
        return "known" if self.has_history else "newcomer" if self.live else "stranger"

    def add(self, event: LiveEvent, item: Item | None) -> None:
        """Count a live event; `item` has its counters where it is known.

        An event that comes some time after the fit counts as if it came that long after the newest row of the history.
        """
        event = replace(event, at=max(event.at - self.behind, self.at))
        self.live += 1
        pair = self.pairs.setdefault(event.item_id, dict.fromkeys(PAIR, 0.0))
        if not event.bought:
            _grow(pair, ("o7", "o28"), self._worth(event.at))
            _grow(self.user, ("o7",), self._worth(event.at))
            return
        increments = self._worth(event.at)
        if not pair["n"]:
            self.user["items"] += 1
            _grow(self.user, ("w28", "w91"), increments)
            pair["first"] = event.at
        before = pair["d91"]
        for counts in (pair, self.user):
            counts["n"] += 1
            _grow(counts, ("d7", "d28", "d91"), increments)
        if event.at // DAY > self.user["last"] // DAY:
            # A day counts as of its noon, whatever the time of the purchase.
            self.user["days"] += 1
            _grow(self.user, ("b7", "b28", "b91"), self._worth(event.at - event.at % DAY + DAY // 2))
        self.user["first"] = self.user["first"] or event.at
        self.user["last"], pair["last"] = max(self.user["last"], event.at), max(pair["last"], event.at)
        if item is not None:
            self._of_kinds(item, event, increments)
            self._turn(item, before, pair["d91"])

    def _worth(self, at: int) -> dict[int, float]:
        return {days: 2.0 ** min((at - self.at) / DAY / days, 600.0) for days in HALF_LIVES}

    def _of_kinds(self, item: Item, event: LiveEvent, increments: Mapping[int, float]) -> None:
        for level, kind in enumerate(item.kinds):
            if kind and level < len(self.kinds):
                counts = self.kinds[level].setdefault(kind, dict.fromkeys(KIND, 0.0))
                counts["n"] += 1
                counts["d91"] += increments[91]
                counts["last"] = max(counts["last"], event.at)

    def _turn(self, item: Item, before: float, after: float) -> None:
        """Turn the user's vector towards an item that they bought.

        The user's vector is the sum of their items' vectors, each times a factor: `log(1 + 2 count)` times the item's
        weight. The sum is divided by the norm of these factors. A purchase raises one decayed count from `before` to
        `after`, so the old sum is scaled to the new norm, and the item's share of it grows.
        """
        old, new = (log1p(2.0 * count) * item.weight for count in (before, after))
        length = self.length + new * new - old * old
        scale = (self.length / length) ** 0.5 if length > 0 else 0.0
        step = (new - old) / max(length, 1e-18) ** 0.5
        self.vector = [
            scale * coordinate + step * axis for coordinate, axis in zip(self.vector, item.vector, strict=True)
        ]
        self.length = length

    def statistics(self, item_id: str, item: Item, model: Model, now: int) -> dict[str, float]:
        """Return the statistics of the user and an item as of `now`, as `features` takes them."""
        pair = self.pairs.get(item_id) or dict.fromkeys(PAIR, 0.0)
        statistics = {f"pair.{name}": self._as_of(name, value, now) for name, value in pair.items()}
        statistics |= self.statistics_of_user(now)
        statistics |= {f"item.{name}": item.counts[name] for name in ITEM}
        statistics["group"] = statistics["described"] = 0.0
        for level, kind in enumerate(item.kinds):
            counts = self.kinds[level].get(kind) if kind and level < len(self.kinds) else None
            for name in KIND:
                statistics[f"kind{level}.{name}"] = self._as_of(name, counts[name], now) if counts else 0.0
            statistics[f"kind{level}.share"] = model.shares[level].get(kind, 1e-9) if kind else 1.0
        if item.kinds and item.kinds[-1]:
            lifts = [model.lifts.get(column, {}).get(value, {}) for column, value in self.groups.items()]
            statistics["group"] = sum(lift.get(item.kinds[-1], 0.0) for lift in lifts)
            statistics["described"] = float(any(lifts))
        nearness = 0.0
        for rank, (coordinate, axis) in enumerate(zip(self.vector, item.vector, strict=True), 1):
            nearness += coordinate * axis
            if rank in RANKS:
                statistics[f"near{rank}"] = nearness
        return statistics

    def statistics_of_user(self, now: int) -> dict[str, float]:
        """Return the statistics of the user alone as of `now`, as `features.of_customers` takes them."""
        return {
            "span": self.span,
            **{f"user.{name}": self._as_of(name, value, now) for name, value in self.user.items()},
        }

    def _as_of(self, name: str, value: float, now: int) -> float:
        if name in _DECAYED:
            return float(value * 2.0 ** (-(now - self.at) / DAY / _DECAYED[name]))
        if name in {"first", "last"}:
            return max(0.0, (now - value) / DAY) if value else 0.0
        return float(value)


def user_from(entry: Mapping[str, Any] | None, model: Model) -> User:
    """Return a user as stored, or one without events."""
    empty: list[dict[str, dict[str, float]]] = [{} for _ in range(model.levels)]
    behind, length = max(0, model.fitted - model.at), span((model.at - model.start) / DAY)
    if entry is None:
        return User(at=model.at, kinds=empty, behind=behind, span=length)
    return User(
        at=model.at,
        user=dict(zip(USER, entry["user"], strict=True)),
        pairs={item: dict(zip(PAIR, counts, strict=True)) for item, counts in entry["pairs"].items()},
        kinds=[
            {kind: dict(zip(KIND, counts, strict=True)) for kind, counts in level.items()} for level in entry["kinds"]
        ],
        groups=entry["groups"],
        vector=[float(coordinate) for coordinate in entry["vector"]],
        length=float(entry["length"]),
        behind=behind,
        span=length,
        has_history=bool(entry["pairs"]),
    )


def item_from(entry: Mapping[str, Any]) -> Item:
    """Return an item as stored."""
    return Item(dict(zip(ITEM, entry["counts"], strict=True)), entry["kinds"], entry["vector"], entry["weight"])


def _grow(counts: dict[str, float], names: Sequence[str], increments: Mapping[int, float]) -> None:
    for name in names:
        counts[name] += increments[_DECAYED[name]]
