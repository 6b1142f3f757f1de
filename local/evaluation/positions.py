# SPDX-License-Identifier: Apache-2.0
"""Positions in place of times: 0, 1, 2 … or the same disguised as dates, as public data sets often have them.

A drop would refuse small integers, which lie before 1990. So a position becomes a day of a calendar, in its order.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from personalization.shop.settings.settings import ShopSettings
from personalize_local.data.frames import pl
from table_intake import Table
from table_intake.columns.header import arrange
from table_intake.read.irregular import LINE
from table_intake.read.rows import source
from table_intake.write.dialect import standard

_TOLD = 1_000
"""The rows to look at."""
_SMALL = r"^[0-9]{1,8}$"
"""Digits too few for a time after 1973."""
_BEGIN, _DAY = 1_000_000_000, 86_400
_USERS, _TOGETHER = 20, 0.9
"""The fewest users to judge by, and the share who begin at one instant where times are positions."""


def column(name: str, table: Table, settings: ShopSettings) -> int | None:
    """Return the index of TIMESTAMP in a file of interactions, if its first values are small whole numbers."""
    slots = arrange(name, "interactions", table.header, settings, None).slots
    index = next((slot.source for slot in slots if slot.name == "TIMESTAMP"), None)
    first = next(table.rows(), None)
    if index is None or first is None:
        return None
    values = first.frame[source(index)].head(_TOLD).drop_nulls()
    return index if values.len() and _positioned(values).all() else None


def last(table: Table, index: int) -> int:
    """Return the last position of a file."""
    columns = (rows.frame[source(index)] for rows in table.rows())
    highest = (values.filter(_positioned(values)).cast(pl.Int64).max() for values in columns)
    return max((int(number) for number in highest if isinstance(number, int)), default=1)


def step(positions: Sequence[int]) -> int:
    """Return the seconds of a position: a day, or less where the last ones would lie beyond today."""
    return max(1, min(_DAY, (int(time.time()) - _BEGIN) // max(*positions, 1)))


def dated(table: Table, index: int, seconds: int, target: Path) -> Path:
    """Write a file whose positions are dates that keep their order; bad rows come last, to be refused."""
    name, refused = source(index), list[str]()
    with target.open("wb") as file:
        file.write(standard(table.header).encode())
        for rows in table.rows():
            values = rows.frame[name]
            small = _positioned(values)
            dates = values.set(~small, None).cast(pl.Int64) * seconds + _BEGIN
            frame = rows.frame.drop(LINE).with_columns(dates.cast(pl.String).fill_null(values).alias(name))
            frame.write_csv(file, include_header=False)
            refused += rows.originals([*(bad.line for bad in rows.unreadable), *rows.ragged[LINE]])
        file.write("".join(f"{line}\n" for line in refused).encode())
    return target


def together(rows: pl.DataFrame) -> bool:
    """Tell whether nearly all users with several times begin at one instant, so that the times are positions."""
    baskets = rows.group_by("USER_ID").agg(pl.col("TIMESTAMP").min().alias("first"), pl.col("TIMESTAMP").n_unique())
    several = baskets.filter(pl.col("TIMESTAMP") > 1)
    return several.height >= _USERS and (several["first"] == several["first"].min()).mean() >= _TOGETHER  # type: ignore[operator,return-value,unused-ignore]


def _positioned(values: pl.Series) -> pl.Series:
    return values.str.contains(_SMALL)
