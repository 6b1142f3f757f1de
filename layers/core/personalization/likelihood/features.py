# SPDX-License-Identifier: Apache-2.0
"""The features of the purchase likelihood: one set of formulas, for one pair of a user and an item or for many.

Statistics are plain numbers while serving and numpy arrays while fitting, so both compute the same features by the
same code. Logarithms of decayed counts make the logistic model a product of rates: how much the user buys, how well
the item sells, and how well the two match.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

DAY = 86_400
HALF_LIVES = (7, 28, 91)
"""Days after which a purchase counts half."""
LONGEST = 365.0
"""Days at which ages are capped."""
PAIR = ("n", "first", "last", "d7", "d28", "d91", "o7", "o28")
"""Of a user and an item: purchases, first and last one, and decayed counts of purchases (d) and other events (o)."""
USER = ("n", "first", "last", "d7", "d28", "d91", "days", "b7", "b28", "b91", "items", "w28", "w91", "o7")
"""Of a user: the same, days with purchases (b: decayed), and items bought for the first time (w: decayed)."""
ITEM = ("n", "d7", "d28", "d91", "buyers", "w28", "w91", "o7")
"""Of an item: purchases, users who bought it, and decayed first purchases (w)."""
KIND = ("n", "d91", "last")
"""Of a user and a category: purchases."""
RANKS = (2, 4, 8, 16)
"""Numbers of leading factors by which a user and an item are compared."""
RANK = max(RANKS)
BENDS = (1.0, 10.0)
"""Purchases added to an item's counts before the logarithm: a feature for each, besides the one with hardly any.

The odds are not a power of an item's sales: they hardly differ among slow sellers, and differ much among bestsellers.
"""
_BENT = tuple(
    (f"item_{name}_{bend:g}", f"item.{name}", bend, name in {"n", "buyers"})
    for name in ("d7", "d28", "d91", "w28", "w91", "n", "buyers")
    for bend in BENDS
)
"""Feature, statistic, added purchases, and whether the statistic covers all time."""
SHRINK = 10.0
"""Purchases of an average user added before a share is taken."""

Part = Literal["seen", "other", "stranger", "described"]
"""The formulas: of pairs bought before; of other pairs of known users; of users without events (strangers); of
strangers with known attributes."""

SPAN = 28.0


def span(days: float) -> float:
    """Return the scale of a history's length, by which counts of all time are divided."""
    return 1.0 + max(days, 0.0) / SPAN


Value = Any
"""A number, or a numpy array of them."""


@dataclass(frozen=True, slots=True)
class Maths:
    """The functions that differ between numbers and arrays."""

    log: Callable[[Value], Value]
    least: Callable[[Value, float], Value]
    most: Callable[[Value, float], Value]


NUMBERS = Maths(math.log, min, max)


def features(s: Mapping[str, Value], levels: int, maths: Maths = NUMBERS) -> dict[str, Value]:
    """Return the features of pairs.

    Args:
        s: statistics by name: `pair.n`, `user.d7`, `item.buyers` …; `kind0.n`, `kind0.share` … for each level of the
            categories; `group`, the lift of the user's demographics for the item's category; `described`, whether there
            is one; `near2` …, the match of the user's and the item's factors; `span`, the scale of the history's
            length, which divides counts of all time. First and last are ages in days, 0 for never.
        levels: how many levels of categories there are.
        maths: the functions for numbers or for arrays; `least` and `most` bound them.

    Returns:
        Values by name. `seen` is 1 where the user bought the item before, `visitor` where they have events but no
        purchase, and `stranger` where they have no events.
    """
    values = {**_of_pairs(s, maths), **_of_users(s, maths), **_of_items(s, maths), **_of_kinds(s, levels, maths)}
    return {**values, "item_user": values["user_d91"] * values["item_d91"]}


def _of_pairs(s: Mapping[str, Value], maths: Maths) -> dict[str, Value]:
    log, n = maths.log, s["pair.n"]
    seen, several = (n > 0) * 1.0, (n > 1) * 1.0
    last = maths.least(s["pair.last"], LONGEST)
    gap = (maths.least(s["pair.first"], LONGEST) - last) / maths.most(n - 1.0, 1.0)
    values = {f"pair_d{days}": log(s[f"pair.d{days}"] + 0.02) for days in HALF_LIVES}
    return values | {
        "seen": seen,
        "pair_n": log(1.0 + n),
        "pair_last": log(1.0 + last) * seen,
        "pair_gap": log(1.0 + gap),
        # Replenishment: the time since the last purchase as a multiple of the user's own gap between two.
        "pair_due": maths.least(last / (1.0 + gap), 6.0) * several,
        "pair_due_log": log((1.0 + last) / (1.0 + gap)) * several,
        "pair_other7": log(s["pair.o7"] + 0.1),
        "pair_other28": log(s["pair.o28"] + 0.1),
    }


def _of_users(s: Mapping[str, Value], maths: Maths) -> dict[str, Value]:
    log = maths.log
    bought, days = (s["user.n"] > 0) * 1.0, s["user.days"]
    # A user without a purchase gets the longest age, not 0.
    last = maths.least(s["user.last"] * bought + LONGEST * (1.0 - bought), LONGEST)
    first = maths.least(s["user.first"] * bought + LONGEST * (1.0 - bought), LONGEST)
    other = (s["user.o7"] > 0) * 1.0
    values = {f"user_d{half_life}": log(s[f"user.d{half_life}"] + 0.1) for half_life in HALF_LIVES}
    values |= {f"user_b{half_life}": log(s[f"user.b{half_life}"] + 0.05) for half_life in HALF_LIVES}
    return values | {
        "user_n": log(1.0 + s["user.n"]) - log(s["span"]),
        "user_last": log(1.0 + last),
        "user_due": log(0.1 + last * (days + 1.0) / (1.0 + first)),
        "user_new28": log(s["user.w28"] + 0.1),
        "user_new91": log(s["user.w91"] + 0.1),
        "user_items": log(1.0 + s["user.items"]) - log(s["span"]),
        "user_other": log(s["user.o7"] + 0.1),
        "visitor": (1.0 - bought) * other,
        "stranger": (1.0 - bought) * (1.0 - other),
    }


def of_customers(s: Mapping[str, Value], maths: Maths = NUMBERS) -> dict[str, Value]:
    """Return the features of users alone for whether they buy at all, from the statistics `user.…` and `span`.

    The log odds of any purchase at a rate r within a time t are log(exp(rt) - 1): the logarithm of the rate where it is
    low, and the rate itself where it is high. So there are both of each decayed count.
    """
    values = _of_users(s, maths)
    values |= {f"user_rate{half_life}": s[f"user.b{half_life}"] for half_life in HALF_LIVES}
    values |= {f"user_b{half_life}_1": maths.log(s[f"user.b{half_life}"] + 1.0) for half_life in HALF_LIVES}
    return {name: value for name, value in values.items() if name != "stranger"}


def _of_items(s: Mapping[str, Value], maths: Maths) -> dict[str, Value]:
    log = maths.log
    values = {f"item_d{days}": log(s[f"item.d{days}"] + 0.05) for days in HALF_LIVES}
    values |= {name: log(bend + s[count] / (s["span"] if all_time else 1.0)) for name, count, bend, all_time in _BENT}
    return values | {
        "item_n": log(1.0 + s["item.n"]) - log(s["span"]),
        "item_buyers": log(1.0 + s["item.buyers"]) - log(s["span"]),
        "item_new28": log(s["item.w28"] + 0.05),
        "item_new91": log(s["item.w91"] + 0.05),
        "item_repeat": log((1.0 + s["item.n"]) / (1.0 + s["item.buyers"])),
        "item_other": log(s["item.o7"] + 0.1),
    }


def _of_kinds(s: Mapping[str, Value], levels: int, maths: Maths) -> dict[str, Value]:
    """Return how much more of a category the user buys than an average user, shrunk; and its recency."""
    values = {"group": s["group"], "described": s["described"]}
    values |= {f"near{rank}": maths.log(maths.most(s[f"near{rank}"], 0.0) + 0.001) for rank in RANKS}
    for level in range(levels):
        share, name = s[f"kind{level}.share"], f"kind{level}"
        for count in ("n", "d91"):
            expected = (s[f"user.{count}"] + SHRINK) * share
            values[f"{name}_{count}"] = maths.log((s[f"{name}.{count}"] + SHRINK * share) / expected)
        values |= {f"{name}_share": maths.log(share), f"{name}_square": values[f"{name}_d91"] ** 2}
        bought = (s[f"{name}.n"] > 0) * 1.0
        last = maths.least(s[f"{name}.last"], LONGEST)
        values[f"{name}_last"] = maths.log(1.0 + last * bought + LONGEST * (1.0 - bought))
    return values


def names(levels: int, part: Part) -> tuple[str, ...]:
    """Return the names of the features of a formula."""
    if part == "stranger":
        return _OF_STRANGERS
    if part == "described":
        return (*_OF_STRANGERS, "group")
    statistics = [
        f"{of}.{count}" for of, counts in (("pair", PAIR), ("user", USER), ("item", ITEM)) for count in counts
    ]
    statistics += [f"kind{level}.{count}" for level in range(levels) for count in (*KIND, "share")]
    statistics += ["span", "group", "described", *(f"near{rank}" for rank in RANKS)]
    values = features(dict.fromkeys(statistics, 1.0), levels)
    unused = {"visitor"} if part == "seen" else set(_ONLY_SEEN)
    return tuple(name for name in values if name not in unused | {"seen", "stranger", "described"})


SIGNS = ("pair_other7", "pair_other28", "user_other")
"""Features of other events' counts, whose weights must not be negative."""
_OF_STRANGERS = (
    *("item_d7", "item_d28", "item_d91", "item_d28_1", "item_d28_10", "item_d91_1", "item_d91_10"),
    *("item_n", "item_buyers_10", "item_repeat", "item_other"),
)
"""Features of users without events: few, so that a small shop's data suffice to fit their weights."""
_ONLY_SEEN = ("pair_n", "pair_d7", "pair_d28", "pair_d91", "pair_last", "pair_gap", "pair_due", "pair_due_log")
