# SPDX-License-Identifier: Apache-2.0
"""What the likelihood of a purchase is told from: one set of formulas, for a pair of a user and an item or for many.

The statistics come as plain numbers when a user is served and as numpy arrays when a model is fitted, so both
answer the same question by the same code. Logarithms of decayed counts make the logistic model a product of rates:
how much the user buys, how well the item sells, and how the two suit each other.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

DAY = 86_400
HALF_LIVES = (7, 28, 91)
"""Days after which a purchase counts half."""
LONGEST = 365.0
"""Days beyond which an age says no more."""
PAIR = ("n", "first", "last", "d7", "d28", "d91", "o7", "o28")
"""Of a user and an item: purchases, first and last one, decayed counts of them and of events of other types."""
USER = ("n", "first", "last", "d7", "d28", "d91", "days", "b7", "b28", "b91", "items", "w28", "w91", "o7")
"""Of a user: the same, days with purchases (b: decayed), and items bought for the first time (w: decayed)."""
ITEM = ("n", "d7", "d28", "d91", "buyers", "w28", "w91", "o7")
"""Of an item: purchases, users who bought it, and how many did so for the first time (w: decayed)."""
KIND = ("n", "d91", "last")
"""Of a user and a category: purchases."""
RANKS = (2, 4, 8, 16)
"""Numbers of leading factors of the users' purchases over which a user is held against an item."""
BENDS = (1.0, 10.0)
"""Purchases that are added to an item's counts before the logarithm, beside next to none.

The odds are no power of how well an item sells: they hardly differ among slow sellers, and much among bestsellers.
"""
_BENT = tuple(
    (f"item_{name}_{bend:g}", f"item.{name}", bend, name in {"n", "buyers"})
    for name in ("d7", "d28", "d91", "w28", "w91", "n", "buyers")
    for bend in BENDS
)
"""Feature, statistic, what is added, and whether the statistic is of all time."""
SHRINK = 10.0
"""Purchases of an average user that are added before a share is taken."""

Part = Literal["seen", "other", "stranger", "described"]
"""Whose formula it is: of pairs bought before; of other pairs of known users; of users without events; of such users
of whom attributes are known."""

SPAN = 28.0


def span(days: float) -> float:
    """The length of a history, of which counts of all time are taken."""
    return 1.0 + max(days, 0.0) / SPAN


Value = Any
"""A number, or a numpy array of them."""


@dataclass(frozen=True, slots=True)
class Maths:
    """The two functions that numbers and arrays do not share."""

    log: Callable[[Value], Value]
    least: Callable[[Value, float], Value]
    most: Callable[[Value, float], Value]


NUMBERS = Maths(math.log, min, max)


def features(s: Mapping[str, Value], levels: int, maths: Maths = NUMBERS) -> dict[str, Value]:
    """The features of pairs.

    Args:
        s: statistics by name: `pair.n`, `user.d7`, `item.buyers` …; `kind0.n`, `kind0.share` … for each level of the
            categories; `group`, the lift of the user's demographics for the item's category, and `described`, whether
            there is one; `near2` …, how near the user's purchases are to the item's buyers; `span`, the history's
            length, by which counts of all time are divided, since they grow with it. First and last are ages in days,
            0 for never.
        levels: how many levels of categories there are.
        maths: how numbers are treated; `least` and `most` bound them.

    Returns:
        Values by name; `seen` is 1 where the user bought the item before, `visitor` where they have events but no
        purchase, `stranger` where they have no events.
    """
    found = {**_of_pairs(s, maths), **_of_users(s, maths), **_of_items(s, maths), **_of_kinds(s, levels, maths)}
    return {**found, "item_user": found["user_d91"] * found["item_d91"]}


def _of_pairs(s: Mapping[str, Value], maths: Maths) -> dict[str, Value]:
    log, n = maths.log, s["pair.n"]
    seen, several = (n > 0) * 1.0, (n > 1) * 1.0
    last = maths.least(s["pair.last"], LONGEST)
    gap = (maths.least(s["pair.first"], LONGEST) - last) / maths.most(n - 1.0, 1.0)
    found = {f"pair_d{days}": log(s[f"pair.d{days}"] + 0.02) for days in HALF_LIVES}
    return found | {
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
    some, days = (s["user.n"] > 0) * 1.0, s["user.days"]
    # Whoever never bought did so as long ago as an age can tell, and not just now.
    last = maths.least(s["user.last"] * some + LONGEST * (1.0 - some), LONGEST)
    first = maths.least(s["user.first"] * some + LONGEST * (1.0 - some), LONGEST)
    other = (s["user.o7"] > 0) * 1.0
    found = {f"user_d{each}": log(s[f"user.d{each}"] + 0.1) for each in HALF_LIVES}
    found |= {f"user_b{each}": log(s[f"user.b{each}"] + 0.05) for each in HALF_LIVES}
    return found | {
        "user_n": log(1.0 + s["user.n"]) - log(s["span"]),
        "user_last": log(1.0 + last),
        "user_due": log(0.1 + last * (days + 1.0) / (1.0 + first)),
        "user_new28": log(s["user.w28"] + 0.1),
        "user_new91": log(s["user.w91"] + 0.1),
        "user_items": log(1.0 + s["user.items"]) - log(s["span"]),
        "user_other": log(s["user.o7"] + 0.1),
        "visitor": (1.0 - some) * other,
        "stranger": (1.0 - some) * (1.0 - other),
    }


def _of_items(s: Mapping[str, Value], maths: Maths) -> dict[str, Value]:
    log = maths.log
    found = {f"item_d{days}": log(s[f"item.d{days}"] + 0.05) for days in HALF_LIVES}
    found |= {name: log(bend + s[count] / (s["span"] if whole else 1.0)) for name, count, bend, whole in _BENT}
    return found | {
        "item_n": log(1.0 + s["item.n"]) - log(s["span"]),
        "item_buyers": log(1.0 + s["item.buyers"]) - log(s["span"]),
        "item_new28": log(s["item.w28"] + 0.05),
        "item_new91": log(s["item.w91"] + 0.05),
        "item_repeat": log((1.0 + s["item.n"]) / (1.0 + s["item.buyers"])),
        "item_other": log(s["item.o7"] + 0.1),
    }


def _of_kinds(s: Mapping[str, Value], levels: int, maths: Maths) -> dict[str, Value]:
    """How much more of a category the user buys than an average one, shrunk; and when last."""
    found = {"group": s["group"], "described": s["described"]}
    found |= {f"near{rank}": maths.log(maths.most(s[f"near{rank}"], 0.0) + 0.001) for rank in RANKS}
    for level in range(levels):
        share, name = s[f"kind{level}.share"], f"kind{level}"
        for count in ("n", "d91"):
            expected = (s[f"user.{count}"] + SHRINK) * share
            found[f"{name}_{count}"] = maths.log((s[f"{name}.{count}"] + SHRINK * share) / expected)
        found |= {f"{name}_share": maths.log(share), f"{name}_square": found[f"{name}_d91"] ** 2}
        bought = (s[f"{name}.n"] > 0) * 1.0
        last = maths.least(s[f"{name}.last"], LONGEST)
        found[f"{name}_last"] = maths.log(1.0 + last * bought + LONGEST * (1.0 - bought))
    return found


def names(levels: int, part: Part) -> tuple[str, ...]:
    """The features that a formula is fitted on."""
    zeros: dict[str, float] = dict.fromkeys(_statistics(levels), 1.0)
    found = features(zeros, levels)
    if part == "stranger":
        return _OF_STRANGERS
    if part == "described":
        return (*_OF_STRANGERS, "group")
    unused = {"visitor"} if part == "seen" else set(_ONLY_SEEN)
    return tuple(name for name in found if name not in unused | {"seen", "stranger", "described"})


SIGNS = ("pair_other7", "pair_other28", "user_other")
"""What events of other types say: never against a purchase."""
_OF_STRANGERS = (
    *("item_d7", "item_d28", "item_d91", "item_d28_1", "item_d28_10", "item_d91_1", "item_d91_10"),
    *("item_n", "item_buyers_10", "item_repeat", "item_other"),
)
"""Few, so that a small shop's are learned as well."""
_ONLY_SEEN = ("pair_n", "pair_d7", "pair_d28", "pair_d91", "pair_last", "pair_gap", "pair_due", "pair_due_log")


def _statistics(levels: int) -> list[str]:
    told = [f"pair.{each}" for each in PAIR] + [f"user.{each}" for each in USER] + [f"item.{each}" for each in ITEM]
    told += [f"kind{level}.{each}" for level in range(levels) for each in (*KIND, "share")]
    return [*told, "span", "group", "described", *(f"near{rank}" for rank in RANKS)]
