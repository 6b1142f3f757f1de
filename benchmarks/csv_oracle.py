# SPDX-License-Identifier: Apache-2.0
"""Checking a file of interactions with nothing but the csv module: what the validator is held against, row by row.

Written for being right, and to be read. It keeps every row's content in memory to find duplicates.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite

ISO = re.compile(
    r"[1-9]\d{3}-\d\d-\d\d([Tt ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?"
    r"( ?([Zz]|UTC|GMT|[+-]([01]\d|2[0-3])(:?[0-5]\d)?))?)?",
    re.ASCII,
)
FRACTION = re.compile(r"([0-9]+)(?:\.[0-9]{0,9})?")
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
BREAK = re.compile("\r\n|[\n\v\f\r\x85\u2028\u2029]")
ESCAPED = re.compile(r'(?<!\\)\\"')
VALUE = r'(?:"(?:[^"]|"")*+"|[^",\r\n]*+)'
WELL_FORMED = re.compile(rf"{VALUE}(?:,{VALUE})*\r?\n")
REQUIRED = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE")


@dataclass
class Outcome:
    """What a file holds."""

    rows: int = 0
    accepted: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    duplicates: int = 0
    users: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    days: Counter[int] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None
    clean: list[tuple[str, ...]] = field(default_factory=list)


class Oracle:
    """Takes the rows of a file, one by one.

    Args:
        header: the file's column names, in capitals.
        now: seconds since 1970.
        keep: whether the good rows are remembered.
    """

    def __init__(self, header: Sequence[str], now: int, *, keep: bool = True) -> None:
        self.outcome = Outcome()
        self._width = len(header)
        self._names = [*REQUIRED, *(name for name in header if name not in REQUIRED)]
        self._places = [header.index(name) if name in header else None for name in self._names]
        self._now = now
        self._keep = keep
        self._seen: set[int] = set()

    def take(self, line: int, values: Sequence[str] | str) -> None:
        """A row that begins at a line, or why it cannot be read."""
        outcome = self.outcome
        outcome.rows += 1
        if isinstance(values, str):
            outcome.refused.append((line, values))
            return
        if len(values) != self._width:
            told = f"has {len(values)} value{'s' * (len(values) != 1)} and the header has {self._width}"
            outcome.refused.append((line, told))
            return
        cells = [values[position] if position is not None else "" for position in self._places]
        cells[3] = cells[3] or "Purchase"
        seconds = 0
        for position, name in enumerate(self._names):
            reason: str | None
            if name == "TIMESTAMP":
                reason, seconds, cells[position] = self._time(cells[position])
            else:
                if name not in {"USER_ID", "ITEM_ID", "EVENT_VALUE"}:
                    cells[position] = BREAK.sub(" ", cells[position])
                reason = check(name, cells[position])
            if reason:
                outcome.refused.append((line, f"{name} {reason}"))
                return
        self._count(cells, seconds)

    def _time(self, cell: str) -> tuple[str | None, int, str]:
        shown = repr(cell if len(cell) <= 40 else f"{cell[:40]}…")
        if not cell:
            return "is empty", 0, cell
        if number := FRACTION.fullmatch(cell):
            seconds = int(number[1][:20]) if len(cell) < 5000 else 10**19
            written = str(seconds) if "." in cell else cell
            if seconds >= 10**11:
                return f"must be Unix time in seconds; {shown} looks like milliseconds", 0, cell
        else:
            instant = moment(cell)
            if instant is None and (days := readings(cell)):
                return f"{shown} may be {' or '.join(days)}: the settings must name the form of dates", 0, cell
            if instant is None:
                return f"must be Unix time in seconds or an ISO 8601 date, not {shown}", 0, cell
            seconds, written = instant, str(instant)
        if not 631_152_000 <= seconds <= self._now + 86_400:
            return f"is not between 1990 and tomorrow: {shown}", 0, cell
        return None, seconds, written

    def _count(self, cells: Sequence[str], seconds: int) -> None:
        outcome = self.outcome
        outcome.accepted += 1
        whole = hash(tuple(cells))
        if whole in self._seen:
            outcome.duplicates += 1
        self._seen.add(whole)
        outcome.users[cells[0]] += 1
        outcome.items[cells[1]] += 1
        outcome.types[cells[3]] += 1
        outcome.days[seconds // 86_400] += 1
        outcome.first = seconds if outcome.first is None else min(outcome.first, seconds)
        outcome.last = seconds if outcome.last is None else max(outcome.last, seconds)
        if self._keep:
            outcome.clean.append(tuple(cells))


def check(name: str, cell: str) -> str | None:
    """Why a cell is refused."""
    if name in {"USER_ID", "ITEM_ID"}:
        if not cell:
            return "is empty"
        size = len(cell.encode())
        if size > 256:
            return f"has {size} bytes; 256 are allowed"
        return (
            f"has a line break in it: {cell if len(cell) <= 40 else f'{cell[:40]}…'!r}" if BREAK.search(cell) else None
        )
    if name in {"EVENT_TYPE", "IMPRESSION"}:
        return f"has {len(cell)} characters; 1000 are allowed" if len(cell) > 1000 else None
    if name == "EVENT_VALUE" and cell and not (DECIMAL.fullmatch(cell) and isfinite(float(cell))):
        return f"must be a number, not {cell if len(cell) <= 40 else f'{cell[:40]}…'!r}"
    return None


def moment(cell: str) -> int | None:
    """Seconds of an ISO 8601 date or time, in UTC where it names no zone."""
    if not ISO.fullmatch(cell):
        return None
    plain = re.sub(r"[.,]\d+", "", cell.upper().replace(" ", "T", 1) if cell[10:11] == " " else cell.upper())
    try:
        instant = datetime.fromisoformat(re.sub("UTC|GMT|Z", "+00:00", plain.replace(" ", "")))
    except ValueError:
        return None
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())


def readings(cell: str) -> list[str]:
    """How a date can be read that begins with its day or its month."""
    begun = re.match(r"\d{1,2}([./-])\d{1,2}\1(\d{4}|\d\d)(?=[ T,]|$)", cell, re.ASCII)
    days = []
    for order in (("dmY", "mdY") if len(begun[2]) == 4 else ("dmy", "mdy", "ymd")) if begun else ():
        form = begun[1].join(f"%{part}" for part in order) if begun else ""
        try:
            day = datetime.strptime(begun[0] if begun else "", form)  # noqa: DTZ007 - only a day
        except ValueError:
            continue
        days.append(f"{day.day} {day:%B %Y} ({form})")
    return days


def dirty(data: bytes) -> Iterator[tuple[int, list[str] | str]]:
    """The rows of a file that may be damaged anywhere: the line at which each begins, and its values or what is wrong.

    The header is the first of them. A row that cannot be read or has a width of its own ends with its first line.
    """
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    index, width = 0, 0
    while index < len(lines):
        begun = index
        index += 1
        if not lines[begun].strip(b"\r"):
            continue
        row, used = whole_row(lines, begun, width)
        if isinstance(row, list):
            width = width or len(row)
            if len(row) == width:
                index = begun + used
        yield begun + 1, row


def whole_row(lines: Sequence[bytes], begun: int, width: int) -> tuple[list[str] | str, int]:
    """A row and the number of its lines: as RFC 4180 says, else with backslashes that escape quotes."""
    plain, used, good = read_as(lines, begun, escaped=False)
    if b'\\"' not in b"\n".join(lines[begun : begun + used]) or (good and len(plain) == (width or len(plain))):
        return plain, used
    escaped, more, well = read_as(lines, begun, escaped=True)
    fits = [isinstance(row, list) and len(row) == (width or len(row)) for row in (plain, escaped)]
    return (escaped, more) if fits[1] and (well or not fits[0]) else (plain, used)


def read_as(lines: Sequence[bytes], begun: int, *, escaped: bool) -> tuple[list[str] | str, int, bool]:
    """A row, the number of its lines, and whether quotes are around whole values alone."""
    read: list[str] = []
    for line in lines[begun:]:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return "is not UTF-8 text", len(read) + 1, False
        if "\0" in text:
            return "contains a zero byte", len(read) + 1, False
        read.append((ESCAPED.sub('""', text) if escaped else text) + "\n")
        try:
            row = next(csv.reader(read, strict=True))
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                continue
            return told(str(error)), len(read), False
        return row, len(read), WELL_FORMED.fullmatch("".join(read)) is not None
    return told("unexpected end of data"), len(read), False


def told(error: str) -> str:
    """What we say where the csv module says something."""
    if "field larger" in error:
        return "has a value of more than 131,072 characters"
    return "has a carriage return in it" if "new-line" in error else "cannot be read: its quotes do not match"


def outcome_of(rows: Iterable[tuple[int, list[str] | str]], now: int, *, keep: bool = True) -> Outcome:
    """Check all rows, the header before them."""
    turn = iter(rows)
    _, header = next(turn)
    oracle = Oracle([name.upper() for name in header], now, keep=keep)
    for line, values in turn:
        oracle.take(line, values)
    return oracle.outcome
