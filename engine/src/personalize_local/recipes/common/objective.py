# SPDX-License-Identifier: Apache-2.0
"""An objective beside relevance: items with more of a numeric column, such as PRICE, rank higher."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common.rows import Floats
from personalize_local.recipes.config import Objective
from personalize_local.wire.errors import TrainingRefused

_POWER: Final[Mapping[str, float]] = {"OFF": 0.0, "LOW": 0.5, "MEDIUM": 2.0, "HIGH": 6.0}
"""By sensitivity: a score is multiplied by the item's rank (0 to 1, by its value) to this power."""
_UNKNOWN: Final = 0.5
"""Rank of an item without a value: in the middle."""


def values(objective: Objective, snapshot: Snapshot) -> Floats:
    """[items] the objective's column; NaN where an item has no value. Raises TrainingRefused without the column."""
    column = snapshot.item_columns.get(objective.attribute)
    if column is None or column.dtype == object:
        raise TrainingRefused(f"The Items dataset has no numeric column {objective.attribute} to optimize for.")
    return column.astype(np.float64)


def weights(objective: Objective, snapshot: Snapshot) -> Floats | None:
    """[items] what the score of each item is multiplied by; None if the sensitivity is OFF.

    An item's rank is the share of items with a lower value (half of those with the same), so that neither units nor
    outliers matter.
    """
    power = _POWER[objective.sensitivity]
    if not power:
        return None
    column = values(objective, snapshot)
    valued = ~np.isnan(column)
    rank = np.full(len(column), _UNKNOWN)
    ordered = np.sort(column[valued])
    below, up_to = (np.searchsorted(ordered, column[valued], side) for side in ("left", "right"))
    rank[valued] = (below + up_to + 1) / (2 * len(ordered) + 1)
    weight: Floats = rank**power
    return weight


def rewards(objective: Objective, snapshot: Snapshot) -> dict[str, float]:
    """Return the reward of each item by its id: its value, above the lowest one if that is negative; 0 if unknown."""
    column = values(objective, snapshot)
    lowest = min(float(np.nanmin(column)), 0.0) if not np.isnan(column).all() else 0.0
    return dict(zip(snapshot.items.tolist(), np.nan_to_num(column - lowest).tolist(), strict=True))
