# SPDX-License-Identifier: Apache-2.0
"""Recent popularity: interactions of each item in the newest windows of time (numpy only)."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

WINDOWS = (1 / 52, 1 / 13, 1 / 4)
"""Lengths of the windows as shares of the data's span (of a year at most): a week, four weeks, three months."""
YEAR = 365 * 86_400
STOPS = 24
"""Times at which the windows of a training are counted; a query takes the newest one before it."""
WindowCounts = npt.NDArray[np.float32]
"""[windows, items] interactions."""


def span(times: npt.NDArray[np.int64]) -> int:
    """Return the seconds from the oldest to the newest, a year at most."""
    return max(min(int(times.max()) - int(times.min()), YEAR), 52)


@dataclass(frozen=True)
class RecencyWindows:
    """Interactions in the order of time, to count windows that end at any time."""

    time: npt.NDArray[np.int64]
    item: npt.NDArray[np.integer[Any]]
    items: int
    """Size of the catalogue."""
    span: int
    """Seconds that the windows are shares of."""
    stops: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Times at which `before` counts."""
    _counted: dict[int, WindowCounts] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        time: npt.NDArray[np.int64],
        item: npt.NDArray[np.integer[Any]],
        items: int,
        span: int,
        queries: npt.NDArray[np.int64] | None = None,
    ) -> "RecencyWindows":
        """Sort interactions; `queries` are the times that `before` will be called with.

        Without them only windows that end after the newest interaction can be counted.
        """
        shares = np.linspace(0, 1, STOPS, endpoint=False)
        stops = np.zeros(0, np.int64)
        if queries is not None:
            stops = np.unique(np.quantile(queries, shares, method="lower")).astype(np.int64)
        oldest = int(stops[0] if len(stops) else time.max()) - span * max(WINDOWS)
        some = np.flatnonzero(time >= oldest)
        order = some[np.argsort(time[some], kind="stable")]
        return cls(time[order], item[order], items, span, stops)

    def at(self, now: int) -> WindowCounts:
        """Count windows that end before second `now`."""
        end = int(np.searchsorted(self.time, now))
        begins = [int(np.searchsorted(self.time, now - self.span * share)) for share in WINDOWS]
        return np.stack([np.bincount(self.item[a:end], minlength=self.items) for a in begins]).astype(np.float32)

    def before(self, now: int) -> WindowCounts:
        """Count windows that end at the last stop that is not after `now`."""
        stop = int(self.stops[max(int(np.searchsorted(self.stops, now, side="right")) - 1, 0)])
        if stop not in self._counted:
            self._counted[stop] = self.at(stop)
        return self._counted[stop]
