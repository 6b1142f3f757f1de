# SPDX-License-Identifier: Apache-2.0
"""Shards of a shop's units, for days that are too large for one function.

A shard is a range of digests, which are spread evenly. All that is one unit is in one shard: that of the digest which
stands for it, see `links`.
"""

from dataclasses import dataclass

import polars as pl

SHARDS = 16
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Shard:
    """One of so many."""

    number: int
    of: int

    def has(self, units: pl.Series) -> pl.Series:
        """Return which units are in it, by the digests that stand for them."""
        above = units >= self._start(self.number)
        return above if self.number + 1 == self.of else above & (units < self._start(self.number + 1))

    def _start(self, number: int) -> str:
        return f"{16**_DIGITS * number // self.of:0{_DIGITS}x}" if number else ""

    @property
    def ending(self) -> str:
        """What the names of its files end in; nothing where it is the only one."""
        return f".{self.number}-of-{self.of}" if self.of > 1 else ""


WHOLE = Shard(0, 1)
"""All units."""
EVERY = tuple(Shard(number, SHARDS) for number in range(SHARDS))
