# SPDX-License-Identifier: Apache-2.0
"""How many rows a fit can hold, by the memory and the time of its function.

``benchmarks/fitting.py`` measures both, on histories that are hard on memory: hardly a pair of a user and an item comes
twice. A row is an interaction within the reach of a fit; a user or an item counts as
`histories.ID_ROWS`.
"""

import math
from dataclasses import dataclass

BASE_MEGABYTES = 650
"""What a fit takes whatever it reads: Python, numpy, and the sampled rows of all windows."""
MEGABYTES_PER_MILLION = 200
"""What a million rows take."""
MOST_ROWS = 14_000_000
"""What a fit gets through in its 15 minutes, on a processor half as fast as one that takes 36 seconds a million."""
_STEP = 64


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A history that is too large to be fitted.

    Attributes:
        rows: what it has within the reach. most: what memory holds. megabytes: the function's memory.
        days: the reach.
    """

    rows: int
    most: int
    megabytes: int
    days: int

    @property
    def reason(self) -> str:
        """What is too large, and what to do."""
        told = (
            f"the history of {self.days} days has {self.rows:,} rows, and a function with {self.megabytes:,} MB fits "
            f"{self.most:,}: "
        )
        wanted = needed(self.rows)
        more = f"deploy with LikelihoodMemory={wanted}" if wanted else ""
        less = "drop a whole history with fewer of the events that are no purchases, or with fewer users"
        off = "switch it off (likelihood: {enabled: false} in the shop's settings)"
        return told + ", or ".join(part for part in (more, less, off) if part)


def most(megabytes: int) -> int:
    """Return the rows that a function of so many megabytes fits."""
    return min(MOST_ROWS, max(0, (megabytes - BASE_MEGABYTES) * 1_000_000 // MEGABYTES_PER_MILLION))


def needed(rows: int) -> int | None:
    """Return the megabytes that hold so many rows, or None where they take more than the function's time."""
    megabytes = BASE_MEGABYTES + rows * MEGABYTES_PER_MILLION / 1_000_000
    return math.ceil(megabytes / _STEP) * _STEP if rows <= MOST_ROWS else None
