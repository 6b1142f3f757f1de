# SPDX-License-Identifier: Apache-2.0
"""Trending-Now: the items whose interactions grow by more than chance from one window of time to the next."""

from collections.abc import Mapping

import numpy as np

from personalize_local.recipes.common.rows import Floats, Ints, Rows

SECONDS: Mapping[str, int] = {"30 minutes": 1800, "1 hour": 3600, "2 hours": 7200, "3 hours": 10_800, "1 day": 86_400}
"""Length of a window by the value of trend_discovery_frequency."""
SHRINKAGE = 4.0
"""Pseudo-counts of every item: a step from 0 to 1 is no trend."""


def frequency(options: Mapping[str, str]) -> int:
    """Return the seconds of the window that trend_discovery_frequency names."""
    return SECONDS[options["trend_discovery_frequency"].lower()]


def growth(rows: Rows, window: int, end: int) -> tuple[Ints, Ints]:
    """[items] interactions in the window that ends with second `end`, and in the window before."""
    age = (end - rows.time) // window
    now, before = (np.bincount(rows.item[age == place], minlength=rows.items) for place in (0, 1))
    return now, before


def momentum(rows: Rows, window: int, end: int) -> Floats:
    """[items] growth in standard deviations of a count that does not grow, shrunk towards 0 for small counts.

    An item must grow faster than the whole shop; its momentum is never negative.
    """
    now, before = growth(rows, window, end)
    expected = before * (now.sum() / max(int(before.sum()), 1))
    rising: Floats = np.maximum(now - expected, 0.0) / np.sqrt(now + expected + SHRINKAGE)
    return rising


def accuracy(rows: Rows, window: int, depth: int = 25) -> float:
    """Return how much the items that trended before the newest window grew in it, as a share of the best growth."""
    end = int(np.max(rows.time))
    now, before = growth(rows, window, end)
    gained = np.maximum(now - before, 0)
    most = int(np.sort(gained)[-depth:].sum())
    chosen = np.argsort(-momentum(rows, window, end - window), kind="stable")[:depth]
    return float(gained[chosen].sum() / most) if most else 0.0
