# SPDX-License-Identifier: Apache-2.0
"""Counters by id in files chosen by the hash of the id, so that an answer reads few of them."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

USER_SHARD_SIZE, ITEM_SHARD_SIZE, MANY_ITEMS_SHARD_SIZE = 40_000, 150_000, 15_000
"""Numbers in a file: one of users is parsed in a few milliseconds; those of items are cached, and small where a
container cannot cache all of them."""
CACHED_ITEM_SHARDS = 32
"""Files of items that fit into a container's cache beside those of users."""
MOST_SHARDS = 131_072
"""Files of a kind, at most: those of 100 million users."""
_DIGITS = 6


def shard_count(numbers: int, capacity: int) -> int:
    """Return how many files of `capacity` numbers hold all: a power of two."""
    count = 1
    while count * capacity < numbers and count < MOST_SHARDS:
        count *= 2
    return count


def item_shard_count(numbers: int) -> int:
    """Return how many files hold the counters of items."""
    count = shard_count(numbers, ITEM_SHARD_SIZE)
    return count if count <= CACHED_ITEM_SHARDS else shard_count(numbers, MANY_ITEMS_SHARD_SIZE)


def shard_of(name: str, file_count: int) -> int:
    """Return the file number of an id."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % file_count


def order(names: Sequence[str], file_count: int) -> list[int]:
    """Return the positions of ids in the order of their files."""
    return sorted(range(len(names)), key=lambda position: shard_of(names[position], file_count))


def pack_shards(
    entries: Iterable[tuple[str, Any]], file_count: int, numbers: Iterable[int] | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of every file, also of those without entries.

    Args:
        entries: by id, in `order`, so that one file at a time is in memory.
        file_count: the number of files. numbers: those that can have entries, ascending; all by default.
    """
    groups = groupby(entries, key=lambda entry: shard_of(entry[0], file_count))
    following = next(groups, None)
    for number in range(file_count) if numbers is None else numbers:
        group: dict[str, Any] = {}
        if following is not None and following[0] == number:
            group = dict(following[1])
            following = next(groups, None)
        yield number, pack(group)


def pack(document: object) -> bytes:
    """Return a document as it is stored; equal documents give equal bytes."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return gzip.compress(text.encode("utf-8", "surrogatepass"), 5, mtime=0)


def unpack(data: bytes) -> Any:  # noqa: ANN401 - any document
    return json.loads(gzip.decompress(data).decode("utf-8", "surrogatepass"))


def rounded(values: Sequence[float]) -> list[float]:
    """Round numbers to significant digits; integers lose their point."""
    return [int(value) if value == int(value) else float(f"{value:.{_DIGITS}g}") for value in values]


def folder(shop: str, run: str) -> str:
    """Return the folder of a run's files, with its slash."""
    return f"likelihood/{shop}/{run}/"


def number_of(key: str) -> int:
    """Return the number of a file of counters."""
    return int(key.rpartition("-")[2].removesuffix(".json.gz"))


def key(shop: str, run: str, kind: str, number: int) -> str:
    """Return the key of a file of counters; `kind` is items or shoppers."""
    return f"{folder(shop, run)}{kind}-{number:04d}.json.gz"
