# SPDX-License-Identifier: Apache-2.0
"""Partition the rows of a byte range by the hash of the user: one segment for each shard, and facts about the rows."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personalization.likelihood import shards
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import EVENT_COLUMNS, MOST_VALUES, NEWEST, Events
from personalization.likelihood.sharded import arrays

Facts = dict[str, Any]
_NARROW = {"user": np.int32, "item": np.int32, "time": np.int64, "bought": np.bool_, "value": np.float32}


def lines_of(chunks: Iterable[bytes], start: int, end: int) -> Iterator[str]:
    """Yield the lines that begin in a byte range of a file in which every row is a line.

    Args:
        chunks: the bytes from one before the start (from the start, at the file's beginning).
        start, end: the range; the end is exclusive.
    """
    at, left = max(start - 1, 0), b""
    skipped = start == 0
    for chunk in chunks:
        *whole, left = (left + chunk).split(b"\n")
        for line in whole:
            if skipped and at >= end:
                return
            if skipped:
                yield line.decode() + "\n"
            at, skipped = at + len(line) + 1, True
    if left and skipped and at < end:
        yield left.decode()


def of_interactions(events: Events, shard_count: int) -> tuple[list[bytes], Facts]:
    """Return the segments of `shard_count` shards ("" for one without rows), and the facts that `scope` needs."""
    shard = np.array([shards.shard_of(name, shard_count) for name in events.users], dtype=np.int64)
    row_shard = shard[events.user]
    order = np.argsort(row_shard, kind="stable")
    ends = np.searchsorted(row_shard[order], np.arange(shard_count + 1))
    segments = [
        _segment(events.where(order[first:last])) if last > first else b""
        for first, last in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    ]
    facts = {
        "days": _days(events),
        "newest": _newest(events),
        "items": list(events.items),
        "rows": np.diff(ends).tolist(),
    }
    return segments, facts


def _segment(events: Events) -> bytes:
    """Return a shard's rows with the ids that they name, both in the order of the file."""
    users, user = np.unique(events.user, return_inverse=True)
    items, item = np.unique(events.item, return_inverse=True)
    columns = {"user": user, "item": item, "time": events.time, "bought": events.bought, "value": events.value}
    texts = {
        "users": [events.users[code] for code in users.tolist()],
        "items": [events.items[code] for code in items.tolist()],
    }
    return arrays.pack({name: columns[name].astype(_NARROW[name]) for name in EVENT_COLUMNS}, texts)


def events_of(segment: bytes) -> Events:
    """Return the rows of a segment."""
    columns, texts = arrays.unpack(segment)
    return Events(texts["users"], texts["items"], *(columns[name] for name in EVENT_COLUMNS))


def _days(events: Events) -> list[list[int]]:
    """Return for each day with rows: the day, rows, purchases, and the first and last purchase (0: none)."""
    day = events.time.astype(np.int64) // DAY
    days, inverse = np.unique(day, return_inverse=True)
    first, last = np.full(len(days), np.iinfo(np.int64).max), np.zeros(len(days), dtype=np.int64)
    bought = events.bought
    np.minimum.at(first, inverse[bought], events.time[bought])
    np.maximum.at(last, inverse[bought], events.time[bought])
    purchases = np.bincount(inverse[bought], minlength=len(days))
    columns = (days, np.bincount(inverse, minlength=len(days)), purchases, np.where(purchases > 0, first, 0), last)
    return [[int(value) for value in row] for row in zip(*columns, strict=True)]


def _newest(events: Events) -> list[list[int]]:
    """Return the newest purchases, each once: time, and hashes of the user and the item."""
    bought = np.flatnonzero(events.bought)
    purchases: set[tuple[int, int, int]] = set()
    times = events.time[bought]
    for position in bought[np.argsort(-times, kind="stable")].tolist():
        names = events.users[events.user[position]], events.items[events.item[position]]
        user, item = (zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in names)
        purchases.add((int(events.time[position]), user, item))
        if len(purchases) == NEWEST:
            break
    return [list(purchase) for purchase in sorted(purchases)]


def of_users(attributes: Mapping[str, Mapping[str, str]], shard_count: int) -> tuple[list[bytes], Facts]:
    """Return the attributes of users for `shard_count` shards, without columns that have too many values for groups."""
    values: dict[str, set[str]] = {}
    for user_values in attributes.values():
        for name, value in user_values.items():
            distinct = values.setdefault(name, set())
            if len(distinct) <= MOST_VALUES:
                distinct.add(value)
    wide = {name for name, distinct in values.items() if len(distinct) > MOST_VALUES}
    split: list[dict[str, dict[str, str]]] = [{} for _ in range(shard_count)]
    for user, user_values in attributes.items():
        narrow = {name: value for name, value in user_values.items() if name not in wide}
        split[shards.shard_of(user, shard_count)][user] = narrow
    return [shards.pack(entries) if entries else b"" for entries in split], {"wide": sorted(wide)}


@dataclass(frozen=True, slots=True)
class Index:
    """Where the segments of an object end, by shard."""

    ends: Sequence[int]

    def span(self, shard: int) -> tuple[int, int]:
        """Return the bytes of a shard: the first one, and the one after the last."""
        return (self.ends[shard - 1] if shard else 0), self.ends[shard]
