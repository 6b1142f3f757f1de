# SPDX-License-Identifier: Apache-2.0
"""Find the users who most likely buy any of some items, by the counters of the purchase likelihood.

A user's probability is that of at least one purchase within the horizon, as if items were independent: 1 - Π(1 - p).
Of many items the bestsellers count, and those that the user has had; ranks hardly change by the others.
"""

import heapq
import math
from collections.abc import Iterable, Mapping
from typing import Any

from personalization.likelihood import answering, counters
from personalization.likelihood.counters import Item
from personalization.likelihood.model import Model, probability

CANDIDATES = 20
"""Bestsellers that count for every user."""
Scored = tuple[float, str]
"""A probability and a user."""


def bestsellers(items: Mapping[str, Item]) -> list[str]:
    """Return the items that count for every user."""
    return heapq.nsmallest(CANDIDATES, items, key=lambda name: (-items[name].counts["d91"], name))


def scores(model: Model, users: Mapping[str, Any], items: Mapping[str, Item], now: int) -> Iterable[Scored]:
    """Yield each user's probability to buy any of the items.

    Args:
        model: the fitted model.
        users: stored counters by user. items: counters of the wanted items.
        now: epoch seconds.
    """
    every = {name: items[name] for name in bestsellers(items)}
    for name, entry in users.items():
        user = counters.user_from(entry, model)
        bought = {item: items[item] for item in user.pairs if item in items}
        logits = answering.count_logits(model, user, every | bought, now).logits
        missed = sum(math.log1p(-probability(logit)) for logit in logits.values())
        yield -math.expm1(missed), name


def best(scored: Iterable[Scored], most: int) -> list[Scored]:
    """Return the likeliest users, best first; equal ones by id."""
    return heapq.nsmallest(most, scored, key=lambda pair: (-pair[0], pair[1]))
