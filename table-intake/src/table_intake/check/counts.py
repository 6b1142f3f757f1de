# SPDX-License-Identifier: Apache-2.0
"""Count duplicates, users, items, days and event types over all good rows of a drop.

Counts are exact, and memory does not grow with the file. A small file keeps the hashes of a dataset's ids, to compare
later drops of interactions with them.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from io import BytesIO
from pathlib import Path
from typing import Any, Required, TypedDict

import polars as pl

from table_intake.check.findings import MOST_TYPES, Expected, Spread
from table_intake.check.sold import MOST, Sold
from table_intake.check.state import State
from table_intake.check.tallies import IN_MEMORY, PARTITIONS, HashTally, Tally, WordTally
from table_intake.columns.schema import RETURN
from table_intake.kinds import EVENTS, DataKind

MOST_IDS = 5_000_000
"""Ids of a dataset whose hashes are kept in one file (40 MB), at most; see `known_ids`."""


def hash_ids(ids: pl.Series) -> pl.Series:
    return ids.hash(0)


def pack_ids(hashes: pl.Series) -> bytes | None:
    """Return the file of hashes, or None beyond the limit."""
    return ids_file(hashes) if hashes.len() <= MOST_IDS else None


def ids_file(hashes: pl.Series) -> bytes:
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


TOP = 10
_DAY = 86_400
_WORDS = ("null", "nan", "none", "n/a", "#n/a", "na", "<na>", "nil", "empty", "undefined", "(null)", "\\n", "-", " ")
PLACEHOLDERS = tuple(dict.fromkeys(form for word in _WORDS for form in (word, word.upper(), word.capitalize(), "NaN")))
"""What programs write for a missing value, in lower, upper and title case."""
_NO_WORDS = pl.DataFrame(schema={"word": pl.String, "rows": pl.UInt64})


class Counts(TypedDict, total=False):
    """What is counted for `Findings`."""

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
    ids_after: int | None


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts, and the ids of a Users or Items dataset."""

    findings: Counts
    ids: bytes | None
    sold: Sold | None = None
    """Counts of items in interactions."""


@dataclass(slots=True)
class Ids:
    """The different ids of a column."""

    by_count: Counter[int] = field(default_factory=Counter)
    """Ids by the number of their rows."""
    placeholders: Counter[str] = field(default_factory=Counter)
    """Rows whose id is a placeholder."""
    top: list[tuple[str, int]] = field(default_factory=list)
    """The ids with most rows, where they may be named."""
    unknown: list[int] | None = None
    """Ids, and rows, that are missing in the other dataset; None where unknown."""

    def take(self, frame: pl.DataFrame, known_ids: pl.Series | None) -> None:
        """Count ids (`key`, `rows`, perhaps `word`), none of which were counted before."""
        self.by_count.update(_counts(frame["rows"]))
        words = pl.Series("word", PLACEHOLDERS)
        words_of_keys = pl.DataFrame([words, hash_ids(words).alias("key")]).join(frame.select("key", "rows"), on="key")
        self.placeholders.update(dict(words_of_keys.select("word", "rows").rows()))
        if "word" in frame.columns:
            self.top += frame.select("word", "rows").sort("rows", "word", descending=[True, False]).head(TOP).rows()
        if known_ids is not None:
            others = frame.join(known_ids.to_frame("key"), on="key", how="anti")
            self._add_unknown([others.height, int(others["rows"].sum())])

    def merge(self, document: Mapping[str, Any]) -> None:
        """Add ids, none of which are among these."""
        self.by_count.update(dict(document["by_count"]))
        self.placeholders.update(document["placeholders"])
        self.top += [(word, rows) for word, rows in document["top"]]
        if document["unknown"] is not None:
            self._add_unknown(document["unknown"])

    def document(self) -> dict[str, Any]:
        return {
            "by_count": list(self.by_count.items()),
            "placeholders": self.placeholders,
            "top": self._top(),
            "unknown": self.unknown,
        }

    def spread(self, rows: int) -> Spread:
        ids, unknown_rows = self.unknown if self.unknown is not None else (None, None)
        return Spread(
            self.by_count.total(),
            rows,
            dict(self.by_count),
            top=tuple(self._top()),
            unknown_rows=unknown_rows,
            unknown_ids=ids,
        )

    def _top(self) -> list[tuple[str, int]]:
        return sorted(self.top, key=lambda pair: (-pair[1], pair[0]))[:TOP]

    def _add_unknown(self, counts: Sequence[int]) -> None:
        self.unknown = [count + other for count, other in zip(self.unknown or (0, 0), counts, strict=True)]


class Different:
    """The different rows and ids of a drop, or of a partition of their hashes: partitions add up to the whole."""

    def __init__(self) -> None:
        self.rows = 0
        """Different interactions; or different users or items."""
        self.ids: dict[DataKind, Ids] = {"users": Ids(), "items": Ids(), "actions": Ids()}
        self.own_ids: list[pl.Series] = []
        """Hashes of a Users or Items dataset's ids, which are no part of the state."""
        self.words = dict.fromkeys(("bought", "seen", "returned"), _NO_WORDS)
        """The items that were bought most often, and that had most events; and the returns of the latter."""

    def merge(self, state: State) -> None:
        """Add another partition."""
        self.rows += state.document["rows"]
        for kind, ids in self.ids.items():
            ids.merge(state.document[kind])
        for name in self.words:
            self.add_words(name, state.frames[name])

    def add_words(self, name: str, frame: pl.DataFrame) -> None:
        """Add items that were not counted before; returns after all others."""
        words = pl.concat([self.words[name], frame.select(_NO_WORDS.columns)])
        if name == "returned":
            self.words[name] = words.join(self.words["seen"].select("word"), on="word", how="semi")
        else:
            self.words[name] = words.sort("rows", "word", descending=[True, False]).head(MOST)

    def state(self) -> State:
        return State(
            {"rows": self.rows, **{kind: ids.document() for kind, ids in self.ids.items()}},
            self.words,
        )

    def sold(self, rows: int) -> Sold:
        seen = Counter(_as_dict(self.words["seen"]))
        seen.subtract({word: back for word, back in _as_dict(self.words["returned"]).items() if word in seen})
        return Sold(rows, _as_dict(self.words["bought"]), {word: left for word, left in seen.items() if left > 0})


class Counting:
    """Counts the good rows of one drop, or of a part of it.

    Args:
        expected: the drop's requirements.
        scratch: a folder for what does not fit into memory.
        partitions: of the hashes, for which different rows and ids are counted separately.
        most: hashes of one kind in memory; more go to the folder.
    """

    def __init__(self, expected: Expected, scratch: Path, partitions: int = PARTITIONS, most: int = IN_MEMORY) -> None:
        self._expected = expected
        self.rows = 0
        self._whole = HashTally(scratch, "rows", most, partitions)
        self._users = HashTally(scratch, "users", most, partitions)
        self._items = WordTally(scratch, "items", most, partitions)
        self._bought = WordTally(scratch, "bought", most, partitions)
        self._returned = WordTally(scratch, "returned", most, partitions)
        self._days: Counter[int] = Counter()
        self._types: Counter[str] = Counter()
        self._first: int | None = None
        self._last: int | None = None

    def take(self, frame: pl.DataFrame, seconds: pl.Series | None) -> None:
        """Count some rows in the form of the import, with their times."""
        self.rows += frame.height
        if not frame.height:
            return
        if self._expected.kind not in EVENTS or seconds is None:
            self._whole.take(hash_ids(frame.to_series()))
            return
        self._whole.take(_hash(frame))
        self._days.update(_counts(seconds // _DAY))
        self._types.update(_counts(frame["EVENT_TYPE"]) if len(self._types) <= MOST_TYPES else {})
        self._extend(int(seconds.min() or 0), int(seconds.max() or 0))  # type: ignore[arg-type]
        if self._expected.kind == "interactions":
            self._take_items(frame)

    def _take_items(self, frame: pl.DataFrame) -> None:
        """Count the users and the items of some interactions."""
        self._users.take(hash_ids(frame["USER_ID"]))
        items = pl.DataFrame([hash_ids(frame["ITEM_ID"]).alias("key"), frame["ITEM_ID"].alias("word")])
        self._items.take(items["key"], items["word"])
        bought = items.filter(frame["EVENT_TYPE"] == self._expected.settings.event_type)
        self._bought.take(bought["key"], bought["word"])
        returned = items.filter(frame["EVENT_TYPE"] == RETURN)
        if returned.height:
            self._returned.take(returned["key"], returned["word"])

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The hashes, of which a partition of all tallies can be counted by itself."""
        if self._expected.kind != "interactions":
            return {"rows": self._whole}
        tallies = (self._whole, self._users, self._items, self._bought, self._returned)
        return dict(zip(("rows", "users", "items", "bought", "returned"), tallies, strict=True))

    def different(self) -> Different:
        """Count the different rows and ids; once, after the last row."""
        result, expected = Different(), self._expected
        known_ids = {kind: unpack_ids(expected.known_ids.get(kind)) for kind in result.ids}
        for kind, ids in result.ids.items():
            ids.unknown = None if known_ids[kind] is None else [0, 0]
        if expected.kind not in EVENTS:
            for frame in self._whole.counts():
                result.ids[expected.kind].take(frame, known_ids[expected.kind])
                result.own_ids.append(frame["key"])
            result.rows = result.ids[expected.kind].by_count.total()
            return result
        result.rows = self._whole.distinct()
        if expected.kind != "interactions":
            return result
        for frame in self._users.counts():
            result.ids["users"].take(frame, known_ids["users"])
        for frame in self._items.counts():
            result.ids["items"].take(frame, known_ids["items"])
            result.add_words("seen", frame)
        for frame in self._bought.counts():
            result.add_words("bought", frame)
        for frame in self._returned.counts():
            result.add_words("returned", frame)
        return result

    def finish(self, different: Different) -> Counted:
        """Return the counts of all rows."""
        kind = self._expected.kind
        if kind not in EVENTS:
            id_column = f"{kind[:-1].upper()}_ID"
            placeholders = {id_column: different.ids[self._expected.kind].placeholders}
            unknown = different.ids[self._expected.kind].unknown
            ids_after = self._ids_after(different.own_ids)
            counts: Counts = {
                "duplicates": self.rows - different.rows,
                "placeholders": placeholders,
                "ids": different.rows,
                "new_ids": None if unknown is None else unknown[0],
                "ids_after": None if ids_after is None else len(ids_after),
            }
            return Counted(counts, None if ids_after is None else pack_ids(ids_after))
        of_events: Counts = {
            "duplicates": self.rows - different.rows,
            "first": self._first,
            "last": self._last,
            "per_day": dict(sorted(self._days.items())),
            "event_types": dict(sorted(self._types.items(), key=lambda pair: (-pair[1], pair[0]))),
        }
        if kind != "interactions":
            return Counted(of_events, None)
        findings: Counts = {
            **of_events,
            "items": different.ids["items"].spread(self.rows),
            "users": different.ids["users"].spread(self.rows),
            "placeholders": {
                "USER_ID": different.ids["users"].placeholders,
                "ITEM_ID": different.ids["items"].placeholders,
            },
        }
        return Counted(findings, None, different.sold(self.rows))

    def merge(self, state: State) -> None:
        """Add the counts of other rows, without their hashes."""
        given = state.document
        self.rows += given["rows"]
        self._days.update(dict(given["days"]))
        self._types.update(given["types"] if len(self._types) <= MOST_TYPES else {})
        if given["first"] is not None:
            self._extend(given["first"], given["last"])

    def state(self) -> State:
        """Return the counts without the hashes."""
        document = {
            "rows": self.rows,
            "days": list(self._days.items()),
            "types": self._types,
            "first": self._first,
            "last": self._last,
        }
        return State(document)

    def _extend(self, first: int, last: int) -> None:
        self._first = first if self._first is None else min(self._first, first)
        self._last = last if self._last is None else max(self._last, last)

    def _ids_after(self, ids: Sequence[pl.Series]) -> pl.Series | None:
        """Return the hashes of the dataset's ids after the drop; None where they are unknown."""
        earlier = (
            unpack_ids(self._expected.known_ids.get(self._expected.kind))
            if self._expected.mode == "INCREMENTAL"
            else None
        )
        if self._expected.mode == "INCREMENTAL" and earlier is None:
            return None
        every = [*ids, earlier] if self._expected.mode == "INCREMENTAL" and earlier is not None else ids
        return pl.concat(every).unique() if every else None


def _hash(frame: pl.DataFrame) -> pl.Series:
    """Return a hash for each row: equal for equal rows only."""
    hashes = [pl.col(name).hash(seed) for seed, name in enumerate(frame.columns, 1)]
    return frame.select(key=reduce(lambda total, other: total + other, hashes)).to_series()


def _as_dict(words: pl.DataFrame) -> dict[str, int]:
    return dict(words.rows())


def _counts(values: pl.Series) -> dict[Any, int]:
    return dict(values.value_counts().iter_rows())
