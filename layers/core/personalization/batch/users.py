# SPDX-License-Identifier: Apache-2.0
"""Collect the users of a job: distinct, exact, and in bounded memory."""

import csv
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from table_intake.columns.schema import ID_LENGTH

from personalization.core.errors import Rejected

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
        coming = iter(ids)
        while some := set(islice(coming, self._most)):
            self._held |= some
            if len(self._held) >= self._most:
                self._spill()

    def partition(self, number: int) -> set[str]:
        """Return the ids of one of PARTITIONS partitions, when all are added."""
        self._spill()
        file = self._folder / str(number)
        return set(file.read_bytes().decode().split("\n")) - {""} if file.exists() else set()

    def _spill(self) -> None:
        groups: dict[int, list[str]] = {}
        for user in self._held:
            groups.setdefault(_partition(user), []).append(user)
        for number, ids in groups.items():
            with (self._folder / str(number)).open("a", encoding="utf-8", newline="\n") as file:
                file.write("\n".join(ids) + "\n")
        self._held.clear()


def _partition(user: str) -> int:
    return zlib.crc32(user.encode()) % PARTITIONS


LONGEST_LINE = 1 << 20
"""Bytes of the longest line, roughly."""
Records = Callable[[Iterable[str]], Iterator[list[str]]]
"""Parses the rows of a CSV from its lines."""


def column(chunks: Iterable[bytes], records: Records, name: str) -> Iterator[str]:
    """Yield a column of a CSV with a header, often each value once; nothing where it has no such column.

    Chunks without a quote are split at commas, some three times as fast; `records` parses the rest.
    """
    coming, rest, index = iter(chunks), b"", -1
    for chunk in coming:
        rows, _, after = (rest + chunk).rpartition(b"\n")
        if b'"' in rest + chunk:
            yield from _parsed(records(lines_of(name, chain([rest + chunk], coming), sys.maxsize)), name, index)
            return
        lines, rest = rows.split(b"\n"), after
        if index < 0 and rows:
            header = lines.pop(0).decode().rstrip("\r").split(",")
            if name not in header:
                return
            index = header.index(name)
        yield from _split(lines, index)
    yield from _split([rest], index) if index >= 0 else ()


def _split(lines: Iterable[bytes], index: int) -> Iterator[str]:
    cells = {row[index] for row in (line.split(b",", index + 1) for line in lines) if len(row) > index}
    yield from (cell.decode().rstrip("\r") for cell in cells if cell)


def _parsed(rows: Iterator[list[str]], name: str, index: int) -> Iterator[str]:
    if index < 0:
        header = next(rows, [])
        index = header.index(name) if name in header else -1
    if index >= 0:
        yield from (row[index] for row in rows if len(row) > index and row[index])


def lines_of(resource: str, chunks: Iterable[bytes], longest: int = LONGEST_LINE) -> Iterator[str]:
    """Yield the lines of a file in UTF-8, with their ends.

    Raises:
        Rejected: a line has more than so many bytes, or is not UTF-8.
    """
    rest, number = b"", 0
    try:
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > longest:
                raise Rejected(resource, f"line {number + len(lines) + 1:,} is longer than 1 MB: write one user a line")
            for line in lines:
                number += 1
                yield line.decode() + "\n"
        if rest:
            yield rest.decode()
    except UnicodeDecodeError as error:
        raise Rejected(resource, f"line {number + 1:,} is not UTF-8: {error}") from None


def listed(key: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield the user ids of a file in drops/<shop>/lists/, by its ending.

    Args:
        key: its key.
        lines: its lines, with their ends.

    Raises:
        Rejected: it has no user ids, or an id that Personalize does not take.
    """
    plain = key.removesuffix(".gz")
    numbered = _json(key, lines) if plain.endswith((".json", ".jsonl")) else _text(key, lines, plain.endswith(".csv"))
    for number, user in numbered:
        if len(user.encode()) > ID_LENGTH or "\n" in user or "\r" in user:
            raise Rejected(key, f"line {number}: an id has at most {ID_LENGTH} bytes and no line break")
        if user:
            yield user


def _text(key: str, lines: Iterable[str], is_csv: bool) -> Iterator[tuple[int, str]]:
    if not is_csv:
        yield from ((number, line.strip().removeprefix("\ufeff")) for number, line in enumerate(lines, 1))
        return
    reader = csv.reader(lines)
    try:
        header = [name.removeprefix("\ufeff").strip() for name in next(reader, [])]
        plain = [name.replace("_", "").replace(" ", "").lower() for name in header]
        if "userid" not in plain:
            raise Rejected(key, f"the file has no column USER_ID; its columns are {', '.join(header) or 'none'}")
        index = plain.index("userid")
        yield from ((reader.line_num, row[index]) for row in reader if len(row) > index)
    except csv.Error as error:
        raise Rejected(key, f"line {reader.line_num}: {error}") from None


def _json(key: str, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            user = json.loads(line)["userId"]
        except (ValueError, TypeError, KeyError, RecursionError):
            user = None
        if not isinstance(user, str):
            raise Rejected(key, f'line {number} is not of the form {{"userId": "…"}}')
        yield number, user
