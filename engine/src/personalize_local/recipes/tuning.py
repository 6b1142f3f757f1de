# SPDX-License-Identifier: Apache-2.0
"""The search for hyperparameters and for a recipe: a few trials, always the same ones, each measured on its own users.

Trials are bounded by their number and by the rows of each, never by a clock, so that a search can be repeated.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product

from personalize_local.recipes.config import Range, Search

Values = Mapping[str, str]
"""Hyperparameters as they go on the wire."""


def best(
    search: Search, given: Mapping[str, Values], measured: Callable[[str, Values], float], enter: Callable[[str], None]
) -> tuple[str, Values]:
    """Return the recipe and the values of its ranges that measure best; of equals, those that were tried first.

    `given` has each recipe's values without a search, which are tried first where they are in range. Calls `enter`
    before each trial, with words for people.
    """
    trials = [
        (recipe, values)
        for recipe, ranges in search.spaces.items()
        for values in candidates(ranges, given[recipe], search.trials)
    ]
    scores = []
    for number, (recipe, values) in enumerate(trials, 1):
        enter(f"Trying hyperparameters, {number} of {len(trials)}")
        score = measured(recipe, values)
        scores.append(score if search.maximize else -score)
    return trials[scores.index(max(scores))]


def candidates(ranges: Sequence[Range], given: Values, most: int) -> list[Values]:
    """Return what to try: the given values, then every combination if there are few, else evenly spread ones."""
    found = dict.fromkeys([tuple(_nearest(each, given[each.name]) for each in ranges)])
    if math.prod(_size(each) for each in ranges) <= most:
        found |= dict.fromkeys(product(*(map(str, _all(each)) for each in ranges)))
    else:
        found |= dict.fromkeys(islice(_spread(ranges), 4 * most))
    names = [each.name for each in ranges]
    return [dict(zip(names, values, strict=True)) for values in islice(found, most)]


def _spread(ranges: Sequence[Range]) -> Iterator[tuple[str, ...]]:
    """Yield points of a Halton sequence, whose first one is a corner."""
    from scipy.stats import qmc  # noqa: PLC0415 - more than half of what a worker would import, and few jobs search

    points = qmc.Halton(len(ranges), scramble=False)
    points.fast_forward(1)
    while True:
        yield tuple(_at(each, share) for each, share in zip(ranges, points.random(1)[0].tolist(), strict=True))


def _size(each: Range) -> float:
    if each.kind == "continuous":
        return 1 if each.low == each.high else math.inf
    return len(_all(each))


def _all(each: Range) -> Sequence[str | int]:
    return each.values if each.kind == "categorical" else range(int(each.low), int(each.high) + 1)


def _at(each: Range, share: float) -> str:
    """Return the value at a share (below 1) of a range."""
    if each.kind == "continuous":
        return _text(each.low + share * (each.high - each.low))
    values = _all(each)
    return str(values[int(share * len(values))])


def _nearest(each: Range, given: str) -> str:
    if each.kind == "categorical":
        return next((value for value in each.values if value.lower() == given.lower()), each.values[0])
    number = min(max(float(given), each.low), each.high)
    return _text(number) if each.kind == "continuous" else str(round(number))


def _text(number: float) -> str:
    return str(round(number, 4))
