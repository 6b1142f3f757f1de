# SPDX-License-Identifier: Apache-2.0
"""The plan of a fit in shards: the byte ranges of its files, and the number of shards."""

from collections.abc import Iterable, Iterator
from typing import Literal

from personalization.core import stored
from personalization.core.messages import Part


class Range(Part):
    """A byte range of a file: its rows are those whose lines begin in it.

    Attributes:
        kind, key, version: of the file. header: its first line. start, end: the end is exclusive.
    """

    kind: Literal["interactions", "users"]
    key: str
    version: str
    header: str
    start: int
    end: int


class Plan(Part):
    """The plan, and what all its steps take from the shop's settings.

    Attributes:
        now: epoch seconds of the fit. began: the same, exactly; users who were deleted since are left out.
        ranges: of all files, in their order. shards: the number of shards. items: the keys of the files of items.
        watched: users of snapshots without labels.
    """

    version: int = stored.VERSION
    now: int
    event_type: str
    horizon_days: int
    shards: int
    ranges: tuple[Range, ...]
    items: tuple[str, ...]
    watched: tuple[str, ...] = ()
    began: float = 0.0


def ranges(whole: Range, header: int, most: int) -> Iterator[Range]:
    """Yield ranges of at most `most` bytes, which together are a file after its first line of `header` bytes."""
    size = whole.end
    count = max(1, -(-(size - header) // most))
    step = -(-(size - header) // count)
    for start in range(header, size, max(step, 1)):
        yield whole.replaced(start=start, end=min(start + step, size))


def rows_in(heads: Iterable[tuple[int, bytes]]) -> int:
    """Return about how many rows files have, by the bytes of each and its first bytes."""
    return sum(round(size * data.count(b"\n") / max(data.rfind(b"\n") + 1, 1)) for size, data in heads)
