# SPDX-License-Identifier: Apache-2.0
"""Positions in place of times: 0, 1, 2 … or the same disguised as dates, as public data sets often have them.

A drop would refuse small integers, which lie before 1990. So a position becomes a day of a calendar, in its order.
"""

import codecs
import csv
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from personalization.ingest.csv.rows import Table
from personalization.ingest.header import arrange
from personalization.shop.settings import ShopSettings
from personalize_local.data.frames import pl

_TOLD = 1_000
"""The rows to look at."""
_SMALL = re.compile(r"\d{1,8}")
"""Digits too few for a time after 1973."""
_BEGIN, _DAY = 1_000_000_000, 86_400
_USERS, _TOGETHER = 20, 0.9
"""The least users to judge by, and the share who begin at one instant where times are positions."""


def column(name: str, chunks: Iterable[bytes], settings: ShopSettings) -> int | None:
    """Return the index of TIMESTAMP in a file of interactions, if its first values are small whole numbers."""
    table = Table(name, chunks)
    slots = arrange(name, "interactions", table.header, settings, None).slots
    index = next((slot.source for slot in slots if slot.name == "TIMESTAMP"), None)
    first = next(table.rows(), None)
    if index is None or first is None:
        return None
    values = first.frame[f"c{index}"].head(_TOLD).drop_nulls().to_list()
    return index if values and all(_SMALL.fullmatch(value) for value in values) else None


def step(files: Sequence[tuple[Iterable[bytes], int]]) -> int:
    """Return the seconds of a position: a day, or less where days would reach beyond today."""
    found = (int(row[index]) for chunks, index in files for row in _rows(chunks) if _positioned(row, index))
    return max(1, min(_DAY, (int(time.time()) - _BEGIN) // max(max(found, default=1), 1)))


def dated(chunks: Iterable[bytes], index: int, seconds: int, target: Path) -> Path:
    """Write a file whose positions are dates that keep their order; what is no position stays, to be refused."""
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, row in enumerate(_rows(chunks)):
            if number and _positioned(row, index):
                row[index] = str(_BEGIN + int(row[index]) * seconds)
            writer.writerow(row)
    return target


def together(rows: pl.DataFrame) -> bool:
    """Tell whether nearly all users with several times begin at one instant, so that the times are positions."""
    baskets = rows.group_by("USER_ID").agg(pl.col("TIMESTAMP").min().alias("first"), pl.col("TIMESTAMP").n_unique())
    several = baskets.filter(pl.col("TIMESTAMP") > 1)
    return several.height >= _USERS and (several["first"] == several["first"].min()).mean() >= _TOGETHER  # type: ignore[operator,return-value,unused-ignore]


def _rows(chunks: Iterable[bytes]) -> Iterator[list[str]]:
    return csv.reader(_lines(chunks))


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder, rest = codecs.getincrementaldecoder("utf-8-sig")("replace"), ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (f"{line}\n" for line in whole)
    yield rest + decoder.decode(b"", final=True)


def _positioned(row: Sequence[str], index: int) -> bool:
    return index < len(row) and _SMALL.fullmatch(row[index]) is not None
