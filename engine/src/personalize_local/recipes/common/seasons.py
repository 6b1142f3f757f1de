# SPDX-License-Identifier: Apache-2.0
"""The season: the month of the year as context, and the same weeks of earlier years (numpy only)."""

import numpy as np
import numpy.typing as npt

from personalize_local.data.snapshots import Strings

COLUMN = "@MONTH"
"""The context column that the engine adds; no schema can have one of this name."""
LEAST = 395 * 86_400
"""Seconds of history after which months repeat."""
YEAR, BEFORE, AFTER = 365 * 86_400, 7 * 86_400, 28 * 86_400
"""Seconds of a year, and of the weeks around the same day of an earlier one that a season is."""
REPLAY = 366 * 86_400
"""Seconds without interactions after which the data's clock, not the query's, decides the season."""


def seen(times: npt.NDArray[np.int64]) -> bool:
    """Tell whether interactions at these times say anything about seasons."""
    return int(times.max()) - int(times.min()) >= LEAST


def a_year_ago(now: int, oldest: int) -> list[tuple[int, int]]:
    """Return begin and end of the season of `now` in each earlier year; nothing if the history is too short to tell."""
    if now - oldest < LEAST:
        return []
    return [(day - BEFORE, day + AFTER) for day in range(now - YEAR, oldest - AFTER, -YEAR)]


def month(time: float) -> str:
    """Return the month, `1` to `12`, of an epoch second."""
    return str(months(np.array([int(time)], np.int64))[0])


def months(times: npt.NDArray[np.int64]) -> Strings:
    """[times] the month of each."""
    number = times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12
    names = np.array([str(number + 1) for number in range(12)], object)
    month_names: Strings = names[number]
    return month_names


def current(now: float, latest: float) -> str:
    """Return the month of a query, for data whose newest interaction was at `latest`."""
    return month(latest if now < latest or is_replay(now, latest) else now)


def is_replay(now: float, latest: float) -> bool:
    """Tell whether the data ended long before the query, which then has no time of its own."""
    return now > latest + REPLAY
