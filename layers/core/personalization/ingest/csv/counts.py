# SPDX-License-Identifier: Apache-2.0
"""Count duplicates, users, items, days and event types over all good rows of a drop.

Counts are exact, and memory does not grow with the file. A small file keeps the hashes of a dataset's ids, to compare
later drops of interactions with them.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from io import BytesIO
from pathlib import Path
from typing import Any, Required, TypedDict

import polars as pl

from personalization.ingest.findings import MOST_TYPES, Expected, Spread
from personalization.ingest.sales import MOST, Sold
from personalization.shop.keys import DataKind
from personalization.shop.schema import RETURN

MOST_IDS = 5_000_000
"""Ids of a dataset whose hashes are kept (40 MB), at most; of a larger one, none are."""


def hash_ids(ids: pl.Series) -> pl.Series:
    return ids.hash(0)


def pack_ids(hashes: pl.Series) -> bytes | None:
    """Return the file of hashes, or None beyond the limit."""
    if hashes.len() > MOST_IDS:
        return None
    file = BytesIO()
    hashes.alias(_hash_name()).to_frame().write_ipc(file)
    return file.getvalue()


def unpack_ids(data: bytes | None) -> pl.Series | None:
    """Return the hashes in a file, or None where this build cannot read it."""
    if data is None:
        return None
    try:
        frame = pl.read_ipc(BytesIO(data))
    except pl.exceptions.PolarsError:
        return None
    return frame.to_series().alias("key") if frame.columns == [_hash_name()] else None


def without_ids(data: bytes, ids: Collection[str]) -> bytes | None:
    """Return a file without some ids; None where it has none of them.

    A file of another build may have any of them and is never read again, so it becomes empty.
    """
    hashes = unpack_ids(data)
    if hashes is None:
        return b"" if data else None
    gone = hashes.is_in(hash_ids(pl.Series(list(ids), dtype=pl.String)).implode())
    return pack_ids(hashes.filter(~gone)) if gone.any() else None


def _hash_name() -> str:
    """Return the column's name, which identifies the hash function."""
    return f"ids-{hash_ids(pl.Series(['fingerprint']))[0]:016x}"


IN_MEMORY = 2_000_000
"""Keys that one tally keeps in memory."""
PARTITIONS = 16


class Tally(ABC):
    """Counts the rows of each key; beyond `most` keys they go to files, in partitions with disjoint keys.

    The name distinguishes its files from those of other tallies.
    """

    def __init__(self, folder: Path, name: str, most: int = IN_MEMORY) -> None:
        self._folder = folder
        self._name = name
        self._most = most
        self._held: list[pl.DataFrame] = []
        self._size = 0
        self._spilled = 0

    def counts(self) -> Iterator[pl.DataFrame]:
        """Yield frames of `key` and `rows` with disjoint keys; once, after the last row."""
        return map(self._counted, self._parts())

    @abstractmethod
    def _counted(self, frame: pl.DataFrame) -> pl.DataFrame: ...

    def _hold(self, frame: pl.DataFrame) -> None:
        self._held.append(frame)
        self._size += frame.height
        if self._size > self._most:
            self._settle()

    def _settle(self) -> None:
        """Make room in memory."""
        self._spill(pl.concat(self._held))

    def _spill(self, frame: pl.DataFrame) -> None:
        spread = frame.with_columns((pl.col("key") % PARTITIONS).alias("part"))
        for (part,), some in spread.partition_by("part", as_dict=True, include_key=False).items():
            some.write_ipc(self._folder / f"{self._name}-{part}-{self._spilled}.ipc")
        self._spilled += 1
        self._held, self._size = [], 0

    def _parts(self) -> Iterator[pl.DataFrame]:
        if self._held and self._spilled:
            self._spill(pl.concat(self._held))
        if self._held:
            yield pl.concat(self._held)
        for part in range(PARTITIONS):
            if files := sorted(self._folder.glob(f"{self._name}-{part}-*.ipc")):
                yield pl.concat([pl.read_ipc(file.read_bytes()) for file in files])


class HashTally(Tally):
    """A tally of 64-bit hashes: collected as they come, and sorted in the end."""

    def take(self, keys: pl.Series) -> None:
        self._hold(keys.alias("key").to_frame())

    def distinct(self) -> int:
        """Return the number of keys; once, in place of `counts`."""
        return sum(frame["key"].sort().n_unique() for frame in self._parts())

    def _counted(self, frame: pl.DataFrame) -> pl.DataFrame:
        runs = frame["key"].sort().rle().struct.unnest()
        return runs.select(key="value", rows=pl.col("len").cast(pl.UInt64))


class WordTally(Tally):
    """A tally of hashes with a `word` each, far fewer than rows: added up as they come."""

    def take(self, keys: pl.Series, words: pl.Series) -> None:
        """Count the keys of some rows; equal keys have equal words."""
        rows = pl.DataFrame([keys.alias("key"), words.alias("word")])
        self._hold(rows.group_by("key").agg(pl.first("word"), pl.len().cast(pl.UInt64).alias("rows")))

    def _settle(self) -> None:
        summed = self._counted(pl.concat(self._held))
        if 2 * summed.height > self._most:
            self._spill(summed)
        else:
            self._held, self._size = [summed], summed.height

    def _counted(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.group_by("key").agg(pl.first("word"), pl.col("rows").sum())


TOP = 10
_DAY = 86_400
_WORDS = ("null", "nan", "none", "n/a", "#n/a", "na", "<na>", "nil", "empty", "undefined", "(null)", "\\n", "-", " ")
_PLACEHOLDERS = tuple(dict.fromkeys(form for word in _WORDS for form in (word, word.upper(), word.capitalize(), "NaN")))
"""What programs write for a missing value, in lower, upper and title case."""


class Counts(TypedDict, total=False):
    """Members of Findings."""

    duplicates: Required[int]
    first: int | None
    last: int | None
    per_day: Mapping[int, int]
    event_types: Mapping[str, int]
    users: Spread
    items: Spread
    placeholders: Mapping[str, Mapping[str, int]]
    ids: int
    new_ids: int | None


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts, and the ids of a Users or Items dataset."""

    findings: Counts
    ids: bytes | None
    sold: Sold | None = None
    """Counts of items in interactions."""


class Counting:
    """Counts the good rows of one drop; `scratch` is a folder for what does not fit into memory."""

    def __init__(self, expected: Expected, scratch: Path) -> None:
        self._expected = expected
        self._rows = 0
        self._whole = HashTally(scratch, "rows")
        self._users = HashTally(scratch, "users")
        self._items = WordTally(scratch, "items")
        self._bought = WordTally(scratch, "bought")
        self._returned = WordTally(scratch, "returned")
        self._days: Counter[int] = Counter()
        self._types: Counter[str] = Counter()
        self._first: int | None = None
        self._last: int | None = None

    def take(self, frame: pl.DataFrame, seconds: pl.Series | None) -> None:
        """Count some rows in the form of the import, with their times."""
        self._rows += frame.height
        if not frame.height:
            return
        if self._expected.kind != "interactions" or seconds is None:
            self._whole.take(hash_ids(frame.to_series()))
            return
        self._whole.take(_hash(frame))
        self._users.take(hash_ids(frame["USER_ID"]))
        items = pl.DataFrame([hash_ids(frame["ITEM_ID"]).alias("key"), frame["ITEM_ID"].alias("word")])
        self._items.take(items["key"], items["word"])
        bought = items.filter(frame["EVENT_TYPE"] == self._expected.settings.event_type)
        self._bought.take(bought["key"], bought["word"])
        returned = items.filter(frame["EVENT_TYPE"] == RETURN)
        if returned.height:
            self._returned.take(returned["key"], returned["word"])
        self._days.update(_counts(seconds // _DAY))
        self._types.update(_counts(frame["EVENT_TYPE"]) if len(self._types) <= MOST_TYPES else {})
        low, high = int(seconds.min() or 0), int(seconds.max() or 0)  # type: ignore[arg-type]
        self._first = low if self._first is None else min(self._first, low)
        self._last = high if self._last is None else max(self._last, high)

    def finish(self) -> Counted:
        """Return the counts of all rows."""
        if self._expected.kind != "interactions":
            own = "USER_ID" if self._expected.kind == "users" else "ITEM_ID"
            placeholders = Counter[str]()
            ids = [_count_placeholders(frame, placeholders)["key"] for frame in self._whole.counts()]
            different = sum(map(len, ids))
            earlier = unpack_ids(self._expected.known.get(self._expected.kind))
            findings: Counts = {
                "duplicates": self._rows - different,
                "placeholders": {own: placeholders},
                "ids": different,
                "new_ids": None if earlier is None else sum(_without(each, earlier).len() for each in ids),
            }
            return Counted(findings, self._packed(ids, earlier))
        seen: list[pl.DataFrame] = []
        no_users, no_items = Counter[str](), Counter[str]()
        findings = {
            "items": self._spread(self._items, "items", no_items, seen),
            "users": self._spread(self._users, "users", no_users),
            "placeholders": {"USER_ID": no_users, "ITEM_ID": no_items},
            "duplicates": self._rows - self._whole.distinct(),
            "first": self._first,
            "last": self._last,
            "per_day": dict(sorted(self._days.items())),
            "event_types": dict(self._types.most_common()),
        }
        bought = _top_words(map(_most_frequent, self._bought.counts()))
        return Counted(findings, None, Sold(self._rows, bought, self._without_returns(_top_words(seen))))

    def _without_returns(self, seen: dict[str, int]) -> dict[str, int]:
        """Return how often each item had an event other than a return."""
        left = Counter(seen)
        for frame in self._returned.counts():
            left.subtract({word: rows for word, rows in frame.select("word", "rows").rows() if word in seen})
        return {word: rows for word, rows in left.items() if rows > 0}

    def _packed(self, ids: list[pl.Series], earlier: pl.Series | None) -> bytes | None:
        if self._expected.mode == "INCREMENTAL" and earlier is None:
            return None
        every = [*ids, earlier] if self._expected.mode == "INCREMENTAL" and earlier is not None else ids
        return pack_ids(pl.concat(every).unique()) if every else None

    def _spread(
        self, tally: Tally, kind: DataKind, placeholders: Counter[str], seen: list[pl.DataFrame] | None = None
    ) -> Spread:
        """Return the distribution of rows over ids; fill `placeholders`, and `seen` with the most frequent ids."""
        known_ids = unpack_ids(self._expected.known.get(kind))
        by_count: Counter[int] = Counter()
        top: list[tuple[str, int]] = []
        unknown_ids = unknown_rows = 0
        for frame in tally.counts():
            by_count.update(_counts(_count_placeholders(frame, placeholders)["rows"]))
            if seen is not None:
                seen.append(_most_frequent(frame))
            if kind == "items":
                top += frame.select("word", "rows").sort("rows", "word", descending=[True, False]).head(TOP).rows()
            if known_ids is not None:
                unknown = frame.join(known_ids.to_frame("key"), on="key", how="anti")
                unknown_ids, unknown_rows = unknown_ids + unknown.height, unknown_rows + int(unknown["rows"].sum())
        return Spread(
            ids=by_count.total(),
            rows=self._rows,
            by_count=dict(by_count),
            top=tuple(sorted(top, key=lambda each: (-each[1], each[0]))[:TOP]),
            unknown_rows=None if known_ids is None else unknown_rows,
            unknown_ids=None if known_ids is None else unknown_ids,
        )


def _without(keys: pl.Series, known: pl.Series) -> pl.Series:
    return keys.to_frame("key").join(known.to_frame("key"), on="key", how="anti").to_series()


def _count_placeholders(frame: pl.DataFrame, counts: Counter[str]) -> pl.DataFrame:
    """Count the rows whose id is a placeholder, and return the frame."""
    words = pl.Series("word", _PLACEHOLDERS)
    found = pl.DataFrame([words, hash_ids(words).alias("key")]).join(frame.select("key", "rows"), on="key")
    counts.update(dict(found.select("word", "rows").rows()))
    return frame


def _hash(frame: pl.DataFrame) -> pl.Series:
    """Return a hash for each row: equal for equal rows only."""
    hashes = [pl.col(name).hash(seed) for seed, name in enumerate(frame.columns, 1)]
    return frame.select(key=reduce(lambda one, other: one + other, hashes)).to_series()


def _most_frequent(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("word", "rows").sort("rows", "word", descending=[True, False]).head(MOST)


def _top_words(frames: Iterable[pl.DataFrame]) -> dict[str, int]:
    """Return the most frequent words of frames that have none in common."""
    every = [*frames]
    return dict(_most_frequent(pl.concat(every)).rows()) if every else {}


def _counts(values: pl.Series) -> dict[Any, int]:
    return dict(values.value_counts().iter_rows())
