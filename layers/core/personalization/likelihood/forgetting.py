# SPDX-License-Identifier: Apache-2.0
"""What a purchase likelihood keeps of users, without some of them: histories, counters and snapshots."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from personalization.core import csv_dialect
from personalization.likelihood import shards

_QUOTE = b'"'


def rows(chunks: Iterable[bytes], form: csv_dialect.Form = csv_dialect.OLDER) -> Iterator[bytes]:
    """The rows of a copy as they are, with their line ends.

    Args:
        chunks: its bytes.
        form: how the copy is read.
    """
    return form.rows(chunks)


def place(header: bytes) -> int | None:
    """Which column of a header is USER_ID; None where there is none."""
    names = csv_dialect.older_cells(header.decode())
    return names.index("USER_ID") if "USER_ID" in names else None


def user(row: bytes, column: int, width: int = 0, form: csv_dialect.Form = csv_dialect.PERSONALIZE) -> str:
    """The user of a row; "" where the row is too short.

    Args:
        row: as it is, with its line end.
        column: which value names the user.
        width: how many values the header has, if it is known.
        form: how the copy is read.
    """
    if _QUOTE not in row:
        cells = row.rstrip(b"\r\n").decode().split(",", column + 1)
    else:
        cells = form.cells(row.decode(), width)
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
    """Which files of users' counters, of any runs, may have which of the users."""
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
