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
    newest, counts = int(np.max(rows.time)), np.zeros(rows.items)
    half_life = 0.25 * max(newest - int(np.min(rows.time)), 1)
    for _, part in rows.parts():
        weight = part.weight.astype(np.float64)
        if recent:
            weight *= np.exp2((part.time - newest) / half_life)
        counts += np.bincount(part.item, weight, minlength=rows.items)
    return counts


def repeat_share(rows: Rows, again: Mask) -> float:
    """Return the share of repeats in the newest tenth of each user's interactions."""
    newest, repeated = 0, 0
    for span, part in rows.parts():
        some = part.position_from_end() * 10 < part.lengths()
        newest += int(np.count_nonzero(some))
        repeated += int(np.count_nonzero(again[span] & some))
    return repeated / newest


def return_rates(rows: Rows, again: Mask) -> Floats:
    """[items] share of an item's interactions that were repeats, shrunk towards the average of all."""
    total = np.bincount(rows.item, minlength=rows.items)
    returned = np.bincount(rows.item[again], minlength=rows.items)
    rates: Floats = (returned + 20 * again.mean() + 1e-6) / (total + 20)
    return rates


def returns(rows: Rows) -> tuple[Mask, Floats]:
    """Return whether the user had taken the item in an earlier basket [rows], and days until users come back [items].

    The days are means, shrunk towards the mean of all; 0 if nobody ever comes back.
    """
    again, days, times = np.empty(len(rows), bool), np.zeros(rows.items), np.zeros(rows.items)
    for span, part in rows.parts():
        order, first = part.by_pair()
        time, item = part.time[order], part.item[order]
        again[span.start + order] = time > np.repeat(time[first], np.diff(np.flatnonzero(np.append(first, True))))
        passed = np.diff(time)
        later = ~first[1:] & (passed > 0)
        days += np.bincount(item[1:][later], passed[later] / DAY, minlength=rows.items)
        times += np.bincount(item[1:][later], minlength=rows.items)
    mean = float(days.sum()) / max(float(times.sum()), 1.0)
    return again, (days + SHRINKAGE * mean) / (times + SHRINKAGE)


def standing(rows: Rows) -> npt.NDArray[np.float32]:
    """[newest, place, baskets; items] where items stand in users' histories, as means over interactions.

    What users took last is what sells now, also where timestamps are only positions.
    """
    total, sums = np.bincount(rows.item, minlength=rows.items), np.zeros((3, rows.items))
    for _, part in rows.parts():
        later, number = part.baskets_from_end(), np.cumsum(part.begins())
        first = part.first_of_user()
        before: Ints = number - np.repeat(number[first], np.diff(np.append(first, len(part))))
        baskets = later + before + 1
        for row, fact in enumerate((np.exp2(-later / NEWEST), before / baskets, np.log(baskets))):
            sums[row] += np.bincount(part.item, fact, minlength=rows.items)
    usual: Floats = sums.sum(axis=1, keepdims=True) / len(rows)
    return ((sums + PRIOR * usual) / (total + PRIOR)).astype(np.float32)


def created(rows: Rows, columns: Mapping[str, Column]) -> npt.NDArray[np.float64]:
    """[items] CREATION_TIMESTAMP, else the oldest interaction; items without either count as new."""
    first = np.full(rows.items, np.max(rows.time))
    np.minimum.at(first, rows.item, rows.time)
    oldest, stated = first.astype(np.float64), columns.get("CREATION_TIMESTAMP")
    return (
        oldest if stated is None else np.where(np.isnan(stated.astype(np.float64)), oldest, stated.astype(np.float64))
    )
