# SPDX-License-Identifier: Apache-2.0
"""Counters by id, spread over files by the hash of the id, so that an answer reads the few that it needs."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

OF_USERS, OF_ITEMS = 40_000, 150_000
"""Numbers of a file: one of users is read and understood in a few milliseconds; those of items are read once."""
MOST_FILES = 4_096
_DIGITS = 6


def files(numbers: int, each: int) -> int:
    """How many files of `each` numbers hold that many: a power of two."""
    many = 1
    while many * each < numbers and many < MOST_FILES:
        many *= 2
    return many


def place(name: str, many: int) -> int:
    """The file of an id."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % many


def order(names: Sequence[str], many: int) -> list[int]:
    """The positions of ids, those of one file together, in the order of the files."""
    return sorted(range(len(names)), key=lambda position: place(names[position], many))


def spread(entries: Iterable[tuple[str, Any]], many: int) -> Iterator[tuple[int, bytes]]:
    """The files of entries, each as its number and its bytes; a file without entries is there as well.

    Args:
        entries: by id, in `order`, so that one file at a time is in memory.
        many: how many files there are.
    """
    groups = groupby(entries, key=lambda entry: place(entry[0], many))
    following = next(groups, None)
    for number in range(many):
        group: dict[str, Any] = {}
        if following is not None and following[0] == number:
            group = dict(following[1])
            following = next(groups, None)
        yield number, packed(group)


def packed(document: object) -> bytes:
    """A document as it is stored; the same document is always the same bytes."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return gzip.compress(text.encode("utf-8", "surrogatepass"), 5, mtime=0)


def unpacked(data: bytes) -> Any:  # noqa: ANN401 - any document
    """A stored document."""
    return json.loads(gzip.decompress(data).decode("utf-8", "surrogatepass"))


def short(values: Sequence[float]) -> list[float]:
    """Numbers with as many digits as matter; whole ones without a point."""
    return [int(value) if value == int(value) else float(f"{value:.{_DIGITS}g}") for value in values]


def folder(shop: str, run: str) -> str:
    """Where a run's files are, with the slash."""
    return f"likelihood/{shop}/{run}/"


def key(shop: str, run: str, kind: str, number: int) -> str:
    """The key of a file of counters; `kind` is items or users."""
    return f"{folder(shop, run)}{kind}-{number:04d}.json.gz"


Entry = Mapping[str, Any]
