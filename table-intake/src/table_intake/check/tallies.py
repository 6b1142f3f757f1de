# SPDX-License-Identifier: Apache-2.0
"""Tallies of hashes: how many rows each has. Memory does not grow with the file."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import polars as pl

IN_MEMORY = 2_000_000
"""Keys that one tally keeps in memory."""
PARTITIONS = 16


class Tally(ABC):
    """Counts the rows of each key; beyond `most` keys they go to files, in partitions with disjoint keys.

    The name distinguishes its files from those of other tallies.
    """

    _empty: pl.DataFrame
    """The form of held rows."""

    def __init__(self, folder: Path, name: str, most: int = IN_MEMORY, partitions: int = PARTITIONS) -> None:
        self._folder = folder
        self._name = name
        self._most = most
        self._partitions = partitions
        self._held: list[pl.DataFrame] = []
        self._size = 0
        self._spilled = 0

    def counts(self) -> Iterator[pl.DataFrame]:
        """Yield frames of `key` and `rows` with disjoint keys; once, after the last row."""
        return map(self._counted, self._parts())

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield what other tallies may `hold`, a frame for each partition; once, in place of `counts`."""
        if self._held and not self._spilled:
            yield from self._spread(self._summed(pl.concat(self._held)))
            return
        if self._held:
            self._spill(pl.concat(self._held))
        for part in range(self._partitions):
            yield self._part(part)

    def _spread(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield a frame for each partition."""
        if self._partitions == 1:
            yield frame
            return
        keyed = frame.with_columns((pl.col("key") % self._partitions).alias("part"))
        spread = keyed.partition_by("part", as_dict=True, include_key=False)
        for part in range(self._partitions):
            yield spread.get((part,), self._empty)

    @abstractmethod
    def _counted(self, frame: pl.DataFrame) -> pl.DataFrame: ...

    def _summed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return held rows in fewer ones, if that is cheap."""
        return frame

    def hold(self, frame: pl.DataFrame) -> None:
        """Take rows in the form of `parts`."""
        self._held.append(frame)
        self._size += frame.height
        if self._size > self._most:
            self._settle()

    def _settle(self) -> None:
        """Make room in memory."""
        self._spill(pl.concat(self._held))

    def _spill(self, frame: pl.DataFrame) -> None:
        spread = frame.with_columns((pl.col("key") % self._partitions).alias("part"))
        for (part,), some in spread.partition_by("part", as_dict=True, include_key=False).items():
            some.write_ipc(self._folder / f"{self._name}-{part}-{self._spilled}.ipc")
        self._spilled += 1
        self._held, self._size = [], 0

    def _parts(self) -> Iterator[pl.DataFrame]:
        if self._held and self._spilled:
            self._spill(pl.concat(self._held))
        if self._held:
            yield pl.concat(self._held)
        if self._spilled:
            yield from (frame for part in range(self._partitions) if (frame := self._part(part)).height)

    def _part(self, part: int) -> pl.DataFrame:
        paths = (self._folder / f"{self._name}-{part}-{number}.ipc" for number in range(self._spilled))
        frames = [pl.read_ipc(path.read_bytes()) for path in paths if path.exists()]
        return pl.concat(frames) if frames else self._empty


class HashTally(Tally):
    """A tally of 64-bit hashes: collected as they come, and sorted in the end."""

    _empty = pl.DataFrame(schema={"key": pl.UInt64})

    def take(self, keys: pl.Series) -> None:
        self.hold(keys.alias("key").to_frame())

    def distinct(self) -> int:
        """Return the number of keys; once, in place of `counts`."""
        return sum(frame["key"].sort().n_unique() for frame in self._parts())

    def _counted(self, frame: pl.DataFrame) -> pl.DataFrame:
        runs = frame["key"].sort().rle().struct.unnest()
        return runs.select(key="value", rows=pl.col("len").cast(pl.UInt64))


class WordTally(Tally):
    """A tally of hashes with a `word` each, far fewer than rows: added up as they come."""

    _empty = pl.DataFrame(schema={"key": pl.UInt64, "word": pl.String, "rows": pl.UInt64})

    def take(self, keys: pl.Series, words: pl.Series) -> None:
        """Count the keys of some rows; equal keys have equal words."""
        rows = pl.DataFrame([keys.alias("key"), words.alias("word")])
        self.hold(rows.group_by("key").agg(pl.first("word"), pl.len().cast(pl.UInt64).alias("rows")))

    def _settle(self) -> None:
        summed = self._counted(pl.concat(self._held))
        if 2 * summed.height > self._most:
            self._spill(summed)
        else:
            self._held, self._size = [summed], summed.height

    def _counted(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.group_by("key").agg(pl.first("word"), pl.col("rows").sum())

    def _summed(self, frame: pl.DataFrame) -> pl.DataFrame:
        return self._counted(frame)
