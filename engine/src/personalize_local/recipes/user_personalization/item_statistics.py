# SPDX-License-Identifier: Apache-2.0
"""Statistics of items at training: popularity, how often and how soon users come back, standing, and age."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from personalize_local.data.snapshots import Column
from personalize_local.recipes.common.repeat_features import DAY
from personalize_local.recipes.common.rows import Floats, Ints, Mask, Rows

SHRINKAGE = 5
"""Returns to an item at which its own gap and that of all items weigh the same."""

NEWEST = 2.0
"""Half-life, in later baskets of the user, of how new an interaction is."""
PRIOR = 3.0
"""Interactions of an item at which its own standing and that of all items weigh the same."""


def popularity(rows: Rows, *, recent: bool) -> Floats:
    """[items] interactions; with `recent`, their half-life is a quarter of the data's span."""
    weight = rows.weight.astype(np.float64)
    if recent:
        newest = int(np.max(rows.time))
        age = (rows.time - newest) / (0.25 * max(newest - int(np.min(rows.time)), 1))
        weight *= np.exp2(age, out=age)
    return np.bincount(rows.item, weight, minlength=rows.items).astype(np.float64, copy=False)


def repeat_share(rows: Rows, again: Mask) -> float:
    """Return the share of repeats in the newest tenth of each user's interactions."""
    newest = rows.position_from_end() * 10 < rows.lengths()
    return float(again[newest].mean())


def return_rates(rows: Rows, again: Mask) -> Floats:
    """[items] share of an item's interactions that were repeats, shrunk towards the average of all."""
    total = np.bincount(rows.item, minlength=rows.items)
    returned = np.bincount(rows.item[again], minlength=rows.items)
    rates: Floats = (returned + 20 * again.mean() + 1e-6) / (total + 20)
    return rates


def gaps(rows: Rows) -> Floats:
    """[items] mean days until a user comes back to an item, shrunk towards the mean of all; 0 if nobody ever does."""
    order, first = rows.by_pair()
    passed = np.diff(rows.time[order])
    later = ~first[1:] & (passed > 0)
    days, item = passed[later] / DAY, rows.item[order][1:][later]
    mean = float(days.mean()) if len(days) else 0.0
    found: Floats = (np.bincount(item, days, minlength=rows.items) + SHRINKAGE * mean) / (
        np.bincount(item, minlength=rows.items) + SHRINKAGE
    )
    return found


def standing(rows: Rows) -> npt.NDArray[np.float32]:
    """[newest, place, baskets; items] where items stand in users' histories, as means over interactions.

    What users took last is what sells now, even where times are no clock.
    """
    later, number = rows.baskets_from_end(), np.cumsum(rows.begins())
    first = np.flatnonzero(np.diff(rows.user, prepend=-1))
    before: Ints = number - np.repeat(number[first], np.diff(np.append(first, len(rows))))
    baskets = later + before + 1
    facts = [np.exp2(-later / NEWEST), before / baskets, np.log(baskets)]
    usual = np.array([float(fact.mean()) for fact in facts])[:, None]
    total = np.bincount(rows.item, minlength=rows.items)
    sums = np.stack([np.bincount(rows.item, fact, minlength=rows.items) for fact in facts])
    return ((sums + PRIOR * usual) / (total + PRIOR)).astype(np.float32)


def repeats(rows: Rows) -> Mask:
    """[rows] whether the user had taken the item in an earlier basket."""
    order, first = rows.by_pair()
    time = rows.time[order]
    again = np.empty(len(order), bool)
    again[order] = time > np.repeat(time[first], np.diff(np.flatnonzero(np.append(first, True))))
    return again


def created(rows: Rows, columns: Mapping[str, Column]) -> npt.NDArray[np.float64]:
    """[items] CREATION_TIMESTAMP, else the oldest interaction; items without either count as new."""
    oldest = np.full(rows.items, float(np.max(rows.time)))
    np.minimum.at(oldest, rows.item, rows.time)
    known = columns.get("CREATION_TIMESTAMP")
    return oldest if known is None else np.where(np.isnan(known.astype(np.float64)), oldest, known.astype(np.float64))
