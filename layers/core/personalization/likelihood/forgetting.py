# SPDX-License-Identifier: Apache-2.0
"""Remove users from what a purchase likelihood stores: histories, counters and snapshots."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from table_intake.write import dialect

from personalization.likelihood import shards

_QUOTE = b'"'


def user_column(header: bytes) -> int | None:
    """Return the index of USER_ID in a header, or None."""
    names = _cells(header)
    return names.index("USER_ID") if "USER_ID" in names else None


def user_of(row: bytes, column: int) -> str:
    """Return the user of a copy's row, by the column's index; "" where the row is too short."""
    cells = _cells(row) if _QUOTE in row else row.rstrip(b"\r\n").decode().split(",", column + 1)
    return cells[column] if column < len(cells) else ""


def _cells(row: bytes) -> list[str]:
    return next(dialect.records([row.decode()]), [])


def snapshot_without(stored: Mapping[str, Any], users: Collection[str]) -> dict[str, Any] | None:
    """Return a stored sample without some users; None where it has none of them."""
    indices = [index for index, name in enumerate(stored["users"]) if name not in users]
    count = len(stored["users"])
    if len(indices) == count:
        return None

    def shortened(value: object) -> object:
        if isinstance(value, list) and len(value) == count:
            return [value[index] for index in indices]
        return value

    # The anchors are a list of items.
    columns = {name: shortened(value) for name, value in stored.items() if name not in {"anchors", "features"}}
    return {**stored, **columns, "features": {name: shortened(values) for name, values in stored["features"].items()}}


def files_with(keys: Iterable[str], users: Iterable[str]) -> dict[str, set[str]]:
    """Return the files of users' counters, of all runs, that may contain each user."""
    runs: dict[str, dict[int, str]] = defaultdict(dict)
    for key in keys:
        folder, _, name = key.rpartition("/")
        if name.startswith("shoppers-"):
            runs[folder][shards.number_of(key)] = key
    users_by_file: dict[str, set[str]] = defaultdict(set)
    for name in users:
        for files in runs.values():
            number = shards.shard_of(name, len(files))
            if number in files:
                users_by_file[files[number]].add(name)
    return users_by_file
