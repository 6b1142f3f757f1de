# SPDX-License-Identifier: Apache-2.0
"""Collect the users of a job: distinct, exact, and in bounded memory."""

import csv
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from personalization.core.errors import Rejected
from personalization.shop.schema import ID_LENGTH

PARTITIONS = 64
MOST_HELD = 500_000
"""Ids in memory before they go to disk: some 50 MB."""


class Distinct:
    """Distinct ids in partitions by hash: memory holds a buffer, or one partition."""

    def __init__(self, folder: Path, most: int = MOST_HELD) -> None:
        self._folder = folder
        self._most = most
        self._held: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, ids: Iterable[str]) -> None:
        for each in ids:
            self._held.add(each)
            if len(self._held) >= self._most:
                self._spill()

    def partition(self, number: int) -> set[str]:
        """Return the ids of one of PARTITIONS partitions."""
        file = self._folder / str(number)
        kept = set(file.read_text(encoding="utf-8").split("\n")) - {""} if file.exists() else set()
        return kept | {each for each in self._held if _partition(each) == number}

    def _spill(self) -> None:
        groups: dict[int, list[str]] = {}
        for each in self._held:
            groups.setdefault(_partition(each), []).append(each)
        for number, ids in groups.items():
            with (self._folder / str(number)).open("a", encoding="utf-8", newline="\n") as file:
                file.write("\n".join(ids) + "\n")
        self._held.clear()


def _partition(each: str) -> int:
    return zlib.crc32(each.encode()) % PARTITIONS


def column(rows: Iterable[list[str]], name: str) -> Iterator[str]:
    """Yield a column of a CSV with a header, without empty cells; nothing where it has no such column."""
    reading = iter(rows)
    header = next(reading, [])
    if name in header:
        place = header.index(name)
        yield from (row[place] for row in reading if len(row) > place and row[place])


def listed(key: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield the user ids of a file in drops/<shop>/lists/, by its ending.

    Args:
        key: its key.
        lines: its lines, with their ends.

    Raises:
        Rejected: it has no user ids, or an id that Personalize does not take.
    """
    plain = key.removesuffix(".gz")
    found = _json(key, lines) if plain.endswith((".json", ".jsonl")) else _text(key, lines, plain.endswith(".csv"))
    for number, user in found:
        if len(user.encode()) > ID_LENGTH or "\n" in user or "\r" in user:
            raise Rejected(key, f"line {number}: an id has at most {ID_LENGTH} bytes and no line break")
        if user:
            yield user


def _text(key: str, lines: Iterable[str], is_csv: bool) -> Iterator[tuple[int, str]]:
    if not is_csv:
        yield from ((number, line.strip().removeprefix("\ufeff")) for number, line in enumerate(lines, 1))
        return
    reader = csv.reader(lines)
    header = [name.removeprefix("\ufeff").strip() for name in next(reader, [])]
    plain = [name.replace("_", "").replace(" ", "").lower() for name in header]
    if "userid" not in plain:
        raise Rejected(key, f"the file has no column USER_ID; its columns are {', '.join(header) or 'none'}")
    place = plain.index("userid")
    yield from ((reader.line_num, row[place]) for row in reader if len(row) > place)


def _json(key: str, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            user = json.loads(line)["userId"]
        except (ValueError, TypeError, KeyError):
            user = None
        if not isinstance(user, str):
            raise Rejected(key, f'line {number} is not of the form {{"userId": "…"}}')
        yield number, user
