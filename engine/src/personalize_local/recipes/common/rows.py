# SPDX-License-Identifier: Apache-2.0
"""The interactions that train: filtered as the solution asks, checked for Personalize's minimums, ties shuffled."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

from personalize_local.data.snapshots import Snapshot, Strings
from personalize_local.recipes.config import RETURN, EventParameters, TrainingConfig
from personalize_local.wire.errors import TrainingRefused

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.integer[Any]]
"""Indexes; 32 bits are enough for those of interactions, and half the memory."""
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
PART = 1_000_000
"""Rows that are looked at together."""
_COLUMNS = ("user", "item", "time", "weight", "source")


@dataclass(frozen=True, slots=True)
class Rows:
    """Interactions by user, then time. Those of a user in one second are a basket; their order in it is random."""

    user: Numbers
    """[rows] index into the snapshot's users."""
    item: Numbers
    """[rows] index into the model's catalogue."""
    time: Ints
    """[rows] Unix epoch seconds."""
    weight: npt.NDArray[np.floating[Any]]
    """[rows] weight of the event; 1 unless eventsConfig says otherwise: then one number stands for all of them."""
    source: Numbers
    """[rows] the row of the snapshot."""
    items: int
    """Size of the catalogue."""

    def __len__(self) -> int:
        return len(self.user)

    def where(self, mask: Mask) -> Self:
        if mask.all():
            return self
        columns: dict[str, Any] = {name: _at(getattr(self, name), mask) for name in _COLUMNS}
        return replace(self, **columns)

    def position_from_end(self) -> Ints:
        """[rows] number of later rows of the same user."""
        return self._ends() - 1 - np.arange(len(self))

    def lengths(self) -> Ints:
        """[rows] number of rows of the same user."""
        return np.bincount(self.user)[self.user] if len(self) else np.zeros(0, np.int64)

    def first_of_user(self) -> Ints:
        """[users with rows] the first row of each."""
        return np.flatnonzero(np.append(True, self.user[1:] != self.user[:-1])) if len(self) else np.zeros(0, np.int64)

    def begins(self) -> Mask:
        """[rows] whether a row is the first of its basket."""
        first = np.ones(len(self), bool)
        first[1:] = (self.time[1:] != self.time[:-1]) | (self.user[1:] != self.user[:-1])
        return first

    def baskets_from_end(self) -> Ints:
        """[rows] number of later baskets of the same user."""
        number = np.cumsum(self.begins())
        return number[self._ends() - 1] - number

    def _ends(self) -> Ints:
        """[rows] the row after the last one of the same user."""
        return np.cumsum(np.bincount(self.user))[self.user]

    def once(self) -> Self:
        """Return each pair of user and item once: its earliest row."""
        return self.where(self.first_of_pair())

    def first_of_pair(self) -> Mask:
        """[rows] whether a row is the earliest of its user and item."""
        mask = np.zeros(len(self), bool)
        for span, part in self.parts():
            order, first = part.by_pair()
            mask[span.start + order[first]] = True
        return mask

    def parts(self, most: int = PART) -> Iterator[tuple[slice, Self]]:
        """Yield (where, rows) in parts of whole users, with `most` rows or somewhat more each.

        What is computed of a part takes less memory than what is computed of all rows.
        """
        start = 0
        while start < len(self):
            end = min(start + most, len(self))
            span = slice(start, int(np.searchsorted(self.user, self.user[end - 1], side="right")))
            yield span, replace(self, **{name: getattr(self, name)[span] for name in _COLUMNS})
            start = span.stop

    def by_pair(self) -> tuple[Ints, Mask]:
        """Return the order of the rows by user and item, oldest first, and whether each in it begins a pair."""
        pairs = self.user.astype(np.int64) * self.items + self.item
        order = np.argsort(pairs, kind="stable")
        first = np.ones(len(order), bool)
        pairs = pairs[order]
        first[1:] = pairs[1:] != pairs[:-1]
        return order, first


def training_rows(snapshot: Snapshot, config: TrainingConfig) -> Rows:
    """Return the rows that may train, items numbered as in the snapshot. Raises TrainingRefused."""
    rows = _rows(snapshot, config.events)
    rows = rows.where(_chosen(snapshot, config)[rows.source])
    rows = rows.where(rows.weight > 0)
    _check(rows, config)
    return rows


def _at(column: npt.NDArray[Any], index: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return some values of a column. Where one value stands for all of it, that takes no memory."""
    if column.strides == (0,):
        return np.broadcast_to(column[:1], int(np.count_nonzero(index)) if index.dtype == bool else len(index))
    values: npt.NDArray[Any] = column[index]
    return values


def renumbered(rows: Rows, position: Numbers) -> Rows:
    """Return the rows with new item numbers: item `i` becomes `position[i]`."""
    return replace(rows, item=position[rows.item])


def hashes(ids: Strings) -> npt.NDArray[np.uint32]:
    """Return a number for each id that is independent of its order and age."""
    return np.fromiter((crc32(key.encode()) for key in ids), np.uint32, len(ids))


def _rows(snapshot: Snapshot, events: tuple[EventParameters, ...]) -> Rows:
    order = _order(snapshot)
    return Rows(
        user=snapshot.user_index,
        item=snapshot.item_index[order],
        time=snapshot.timestamps,
        weight=_at(_weights(snapshot, events), order),
        source=order,
        items=len(snapshot.items),
    )


def _order(snapshot: Snapshot) -> Numbers:
    """Return the snapshot's order, with the rows of each basket in random order."""
    user, time = snapshot.user_index, snapshot.timestamps
    tied = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    order = np.arange(len(user), dtype=np.int32)
    some = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
    if len(some):
        basket = np.cumsum(~np.append(False, tied))[some]
        shuffle = np.random.default_rng(7).permutation(len(user))[some]
        order[some] = some[np.lexsort((shuffle, basket))]
    return order


def _weights(snapshot: Snapshot, events: tuple[EventParameters, ...]) -> npt.NDArray[np.float32]:
    weights = np.broadcast_to(np.float32(1), len(snapshot.user_index))
    given = {event.event_type.lower(): event.weight for event in events if event.weight is not None}
    if given:
        top = max(given.values()) or 1.0
        of_type = [given.get(name.lower(), top) / top for name in snapshot.event_types]
        weights = np.array([*of_type, 1.0], np.float32)[snapshot.event_type]
    return weights


def _chosen(snapshot: Snapshot, config: TrainingConfig) -> Mask:
    if config.events:
        chosen = np.zeros(len(snapshot.user_index), bool)
        for event in config.events:
            chosen |= _of(snapshot, event.event_type, event.threshold)
        return chosen
    if config.event_type is None and config.event_value_threshold is None:
        return _no_return(snapshot)
    chosen = _of(snapshot, config.event_type, config.event_value_threshold)
    return chosen if config.event_type else chosen & _no_return(snapshot)


def _no_return(snapshot: Snapshot) -> Mask:
    return ~of_kind(snapshot.event_types, snapshot.event_type, RETURN)


def _of(snapshot: Snapshot, event_type: str | None, threshold: float | None) -> Mask:
    mask = np.ones(len(snapshot.user_index), bool)
    if event_type is not None:
        mask = of_kind(snapshot.event_types, snapshot.event_type, event_type)
    if threshold is not None:
        with np.errstate(invalid="ignore"):
            mask &= snapshot.event_values >= threshold
    return mask


def of_kind(names: Iterable[str | None], codes: npt.NDArray[np.integer[Any]], kind: str) -> Mask:
    """[rows] whether a row is of a type of events, in any case of letters; `codes` [rows] number its `names`."""
    alike = [code for code, name in enumerate(names) if name is not None and name.lower() == kind.lower()]
    return np.isin(codes, alike) if alike else np.zeros(len(codes), bool)


def _weightless(event: EventParameters) -> str:
    return " (its weight is 0, so it trains nothing)" if event.weight == 0 else ""


def _check(rows: Rows, config: TrainingConfig) -> None:
    if len(rows) < config.minimum_interactions:
        kind = config.event_type or ", ".join(f"{event.event_type}{_weightless(event)}" for event in config.events)
        after = f" after filtering by event type: {kind}" if kind else ""
        raise TrainingRefused(f"Dataset has fewer than {config.minimum_interactions} interactions{after}")
    of_user = np.bincount(rows.user)
    returning = int((of_user >= 2).sum())
    if returning < max(config.minimum_users, 1, 0.01 * int((of_user > 0).sum())):
        raise TrainingRefused(
            f"Create failed. Dataset has fewer than {config.minimum_users} users with at least 2 interactions each."
        )
