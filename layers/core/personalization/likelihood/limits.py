# SPDX-License-Identifier: Apache-2.0
"""The sizes of a fit in shards, and the bounds of a history; `benchmarks/studies/fitting.py` measures them."""

from dataclasses import dataclass

from table_intake.wording import Text

from personalization.likelihood import histories

READ_BYTES = 1_500_000_000
"""Bytes of interactions that one function reads three times within its 15 minutes, to find the rows in reach."""
RANGE_BYTES, RANGE_BYTES_PER_MEGABYTE = 128 << 20, 60_000
"""Bytes of a file that one function partitions, at most, and by its memory."""
SHARD_ROWS, SAMPLE_ROWS = 4_000_000, 2_000_000
"""Rows of a shard and of the sample, at most."""
MOST_SHARDS = 256
"""Shards that one function can put together."""
BASE_MEGABYTES, MEGABYTES_PER_MILLION_ITEMS = 1_500, 1_500
"""Memory of the function that puts the shards together: with the sample, and for a million items."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The rows that a function holds as a shard, by its memory or as chosen (0: not chosen), and as a sample."""

    megabytes: int
    chosen: int = 0

    @property
    def shard(self) -> int:
        return min(SHARD_ROWS, histories.most_rows(self.megabytes, self.chosen) // 3)

    @property
    def range_bytes(self) -> int:
        return min(RANGE_BYTES, self.megabytes * RANGE_BYTES_PER_MEGABYTE)

    @property
    def sample(self) -> int:
        return min(SAMPLE_ROWS, histories.most_rows(self.megabytes) // 2)

    @property
    def most(self) -> int:
        """Return the rows of all shards together."""
        return MOST_SHARDS * self.shard

    @property
    def items(self) -> int:
        """Return the items whose counts one function holds."""
        return max(0, (self.megabytes - BASE_MEGABYTES) * 1_000_000 // MEGABYTES_PER_MILLION_ITEMS)

    def shards(self, rows: int) -> int:
        """Return the number of shards for so many rows, a power of two."""
        count = 1
        while count * self.shard < rows and count < MOST_SHARDS:
            count *= 2
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A history that is too large to fit, and why.

    Attributes:
        rows, most_rows: its rows (or items), and those that a fit takes. megabytes: the memory of its functions.
        days: that a fit reaches back. reason: what is too large, and what to do.
    """

    rows: int
    most_rows: int
    megabytes: int
    days: int
    reason: str


_OFF = "or switch it off (likelihood: {{enabled: false}} in the shop's settings)"


def too_many_rows(rows: int, sizes: Sizes, days: int) -> LeftOut:
    """Return why a history's rows are too many."""
    text = (
        "the history has about {rows:,} {rows:row|rows}, and {shards} shards in functions with {memory:,} MB fit "
        "{most:,}: deploy with more LikelihoodMemory, drop a whole history of the last {days:,} {days:day|days} or "
        f"with fewer of the events that are not purchases, {_OFF}"
    )
    figures = {"rows": rows, "shards": MOST_SHARDS, "memory": sizes.megabytes, "most": sizes.most, "days": days}
    reason = Text("likelihood.many-rows", text, **figures)
    return LeftOut(rows=rows, most_rows=sizes.most, megabytes=sizes.megabytes, days=days, reason=reason)


def too_many_items(items: int, sizes: Sizes, days: int) -> LeftOut:
    """Return why a history's items are too many."""
    text = (
        "the history has {items:,} {items:item|items}, and a function with {memory:,} MB takes {most:,}: deploy with "
        f"more LikelihoodMemory, drop it without items that nobody buys, {_OFF}"
    )
    reason = Text("likelihood.many-items", text, items=items, memory=sizes.megabytes, most=sizes.items)
    return LeftOut(rows=items, most_rows=sizes.items, megabytes=sizes.megabytes, days=days, reason=reason)


def uneven(rows: int, sizes: Sizes, days: int) -> LeftOut:
    """Return why a shard's rows are too many although all rows are not."""
    text = (
        "one shard of its users has {rows:,} {rows:row|rows}, and a function with {memory:,} MB takes {most:,}: some "
        f"users have far more events than all others, as robots do: drop it without them, {_OFF}"
    )
    reason = Text("likelihood.uneven", text, rows=rows, memory=sizes.megabytes, most=2 * sizes.shard)
    return LeftOut(rows=rows, most_rows=2 * sizes.shard, megabytes=sizes.megabytes, days=days, reason=reason)
