# SPDX-License-Identifier: Apache-2.0
"""Trending-Now: which items' interactions grow, from one window of time to the next, by more than chance."""

from collections.abc import Mapping

import numpy as np

from personalize_local.recipes.common.rows import Floats, Ints, Rows

SECONDS: Mapping[str, int] = {"30 minutes": 1800, "1 hour": 3600, "2 hours": 7200, "3 hours": 10_800, "1 day": 86_400}
"""Length of a window by the value of trend_discovery_frequency."""
DOUBT = 4.0
"""Interactions that every item is taken to have had besides: a step from 0 to 1 is no trend."""


def frequency(options: Mapping[str, str]) -> int:
    """Seconds of the window that trend_discovery_frequency asks for."""
    return SECONDS[options["trend_discovery_frequency"].lower()]


def growth(rows: Rows, window: int, end: int) -> tuple[Ints, Ints]:
    """[items] interactions in the window that ends with second `end`, and in the window before."""
    age = (end - rows.time) // window
    now, before = (np.bincount(rows.item[age == place], minlength=rows.items) for place in (0, 1))
    return now, before


def momentum(rows: Rows, window: int, end: int) -> Floats:
    """[items] growth in standard deviations of a count that does not grow; shrunk towards none where little is known.

    What does not grow has no momentum. That the whole shop grows is no item's merit: an item has to beat its share.
    """
    now, before = growth(rows, window, end)
    expected = before * (now.sum() / max(int(before.sum()), 1))
    rising: Floats = np.maximum(now - expected, 0.0) / np.sqrt(now + expected + DOUBT)
    return rising


def accuracy(rows: Rows, window: int, depth: int = 25) -> float:
    """Growth in the newest window of the items that trended before it, as a share of the growth of the best."""
    end = int(np.max(rows.time))
    now, before = growth(rows, window, end)
    gained = np.maximum(now - before, 0)
    most = int(np.sort(gained)[-depth:].sum())
    chosen = np.argsort(-momentum(rows, window, end - window), kind="stable")[:depth]
    return float(gained[chosen].sum() / most) if most else 0.0
