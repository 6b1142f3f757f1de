# SPDX-License-Identifier: Apache-2.0
"""Counting by key, exactly, in memory that does not grow with the file.

What does not fit is spread over files by the key, so that every key is whole in one of them, and read back one file
at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import polars as pl

IN_MEMORY = 2_000_000
"""Keys that one tally holds."""
PARTITIONS = 16


class Tally(Protocol):
    """How often each key came."""

    def counts(self) -> Iterator[pl.DataFrame]:
        """Frames of `key` and `rows`, which have no key in common. To be asked for once, after the last row."""


class Hashes:
    """A tally of 64-bit numbers that are hashes: kept as they come, and sorted in the end.

    Args:
        folder: where files may be made.
        name: tells its files from those of other tallies.
        most: keys in memory.
    """

    def __init__(self, folder: Path, name: str, most: int = IN_MEMORY) -> None:
        self._files = _Files(folder, name)
        self._most = most
        self._held: list[pl.Series] = []
        self._size = 0

    def take(self, keys: pl.Series) -> None:
        """Count the keys of some rows."""
        self._held.append(keys.alias("key"))
        self._size += keys.len()
        if self._size > self._most:
            self._spill()

    def counts(self) -> Iterator[pl.DataFrame]:
        """See Tally."""
        if self._held and self._files.any:
            self._spill()
        if self._held:
            yield _runs(pl.concat(self._held))
        for frame in self._files.read():
            yield _runs(frame["key"])

    def distinct(self) -> int:
        """How many keys there are; in place of `counts`, and once as well."""
        if self._held and self._files.any:
            self._spill()
        found = pl.concat(self._held).sort().n_unique() if self._held else 0
        return found + sum(frame["key"].sort().n_unique() for frame in self._files.read())

    def _spill(self) -> None:
        self._files.write(pl.concat(self._held).to_frame())
        self._held, self._size = [], 0


class Words:
    """A tally of hashes with a text each, of which there are far fewer than rows: added up as they come.

    Args:
        folder: where files may be made.
        name: tells its files from those of other tallies.
        most: keys in memory.
    """

    def __init__(self, folder: Path, name: str, most: int = IN_MEMORY) -> None:
        self._files = _Files(folder, name)
        self._most = most
        self._held: list[pl.DataFrame] = []
        self._size = 0

    def take(self, keys: pl.Series, words: pl.Series) -> None:
        """Count the keys of some rows; words with the same key are the same."""
        rows = pl.DataFrame([keys.alias("key"), words.alias("word")])
        frame = rows.group_by("key").agg(pl.first("word"), pl.len().cast(pl.UInt64).alias("rows"))
        self._held.append(frame)
        self._size += frame.height
        if self._size > self._most:
            self._settle()

    def counts(self) -> Iterator[pl.DataFrame]:
        """See Tally; with the `word` of each key."""
        if self._held and self._files.any:
            self._spill(_added(self._held))
        if self._held:
            yield _added(self._held)
        for frame in self._files.read():
            yield _added([frame])

    def _settle(self) -> None:
        whole = _added(self._held)
        if 2 * whole.height > self._most:
            self._spill(whole)
        else:
            self._held, self._size = [whole], whole.height

    def _spill(self, frame: pl.DataFrame) -> None:
        self._files.write(frame)
        self._held, self._size = [], 0


class _Files:
    """Frames on disk, in parts that have no key in common."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._count = 0

    @property
    def any(self) -> bool:
        """Whether anything was written."""
        return self._count > 0

    def write(self, frame: pl.DataFrame) -> None:
        """Write a frame, spread by the key of each row."""
        spread = frame.with_columns((pl.col("key") % PARTITIONS).alias("part"))
        for (part,), some in spread.partition_by("part", as_dict=True, include_key=False).items():
            some.write_ipc(self._folder / f"{self._name}-{part}-{self._count}.ipc")
        self._count += 1

    def read(self) -> Iterator[pl.DataFrame]:
        """The parts, one after the other."""
        for part in range(PARTITIONS):
            files = sorted(self._folder.glob(f"{self._name}-{part}-*.ipc"))
            if files:
                yield pl.concat([pl.read_ipc(file.read_bytes()) for file in files])


def _runs(keys: pl.Series) -> pl.DataFrame:
    runs = keys.sort().rle().struct.unnest()
    return runs.select(key="value", rows=pl.col("len").cast(pl.UInt64))


def _added(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames).group_by("key").agg(pl.first("word"), pl.col("rows").sum())
