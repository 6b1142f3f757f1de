# SPDX-License-Identifier: Apache-2.0
"""What a purchase likelihood keeps of users, without some of them: histories, counters and snapshots."""

import csv
import io
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from personalization.likelihood import shards

_QUOTE = b'"'


def rows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The rows of a CSV as they are, with their line ends; quotes may hold line breaks."""
    left = row = b""
    for chunk in chunks:
        *lines, left = (left + chunk).split(b"\n")
        for line in lines:
            row += line + b"\n"
            if row.count(_QUOTE) % 2 == 0:
                yield row
                row = b""
    if row + left:
        yield row + left


def place(header: bytes) -> int | None:
    """Which column of a header is USER_ID; None where there is none."""
    names = _cells(header)
    return names.index("USER_ID") if "USER_ID" in names else None


def user(row: bytes, column: int) -> str:
    """The user of a row; "" where the row is too short."""
    if _QUOTE in row:
        cells: Sequence[str] = _cells(row)
    else:
        cells = row.rstrip(b"\r\n").decode().split(",", column + 1)
    return cells[column] if column < len(cells) else ""


def snapshot(stored: Mapping[str, Any], users: Collection[str]) -> dict[str, Any] | None:
    """A sample without the users; None where they are not in it."""
    kept = [place for place, name in enumerate(stored["users"]) if name not in users]
    many = len(stored["users"])
    if len(kept) == many:
        return None

    def less(value: object) -> object:
        if isinstance(value, list) and len(value) == many:
            return [value[place] for place in kept]
        return value

    # The anchors are a list as well, of items.
    short = {name: less(value) for name, value in stored.items() if name not in {"anchors", "features"}}
    return {**stored, **short, "features": {name: less(values) for name, values in stored["features"].items()}}


def files(keys: Iterable[str], users: Iterable[str]) -> dict[str, set[str]]:
    """Which files of shoppers' counters, of any runs, may have which of the users."""
    runs: dict[str, list[str]] = defaultdict(list)
    for key in sorted(keys):
        folder, _, name = key.rpartition("/")
        if name.startswith("shoppers-"):
            runs[folder].append(key)
    found: dict[str, set[str]] = defaultdict(set)
    for name in users:
        for there in runs.values():
            found[there[shards.place(name, len(there))]].add(name)
    return found


def _cells(row: bytes) -> list[str]:
    return next(csv.reader(io.StringIO(row.decode(), newline="")), [])
