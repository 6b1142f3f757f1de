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
    points = dict.fromkeys([tuple(_nearest(range_, given[range_.name]) for range_ in ranges)])
    if math.prod(_size(range_) for range_ in ranges) <= most:
        points |= dict.fromkeys(product(*(map(str, _all(range_)) for range_ in ranges)))
    else:
        points |= dict.fromkeys(islice(_spread(ranges), 4 * most))
    names = [range_.name for range_ in ranges]
    return [dict(zip(names, values, strict=True)) for values in islice(points, most)]


def _spread(ranges: Sequence[Range]) -> Iterator[tuple[str, ...]]:
    """Yield points of a Halton sequence, whose first one is a corner."""
    from scipy.stats import qmc  # noqa: PLC0415 - more than half of what a worker would import, and few jobs search

    points = qmc.Halton(len(ranges), scramble=False)
    points.fast_forward(1)
    while True:
        yield tuple(_at(range_, share) for range_, share in zip(ranges, points.random(1)[0].tolist(), strict=True))


def _size(range_: Range) -> float:
    if range_.kind == "continuous":
        return 1 if range_.low == range_.high else math.inf
    return len(_all(range_))


def _all(range_: Range) -> Sequence[str | int]:
    return range_.values if range_.kind == "categorical" else range(int(range_.low), int(range_.high) + 1)


def _at(range_: Range, share: float) -> str:
    """Return the value at a share (below 1) of a range."""
    if range_.kind == "continuous":
        return _text(range_.low + share * (range_.high - range_.low))
    values = _all(range_)
    return str(values[int(share * len(values))])


def _nearest(range_: Range, given: str) -> str:
    if range_.kind == "categorical":
        return next((value for value in range_.values if value.lower() == given.lower()), range_.values[0])
    number = min(max(float(given), range_.low), range_.high)
    return _text(number) if range_.kind == "continuous" else str(round(number))


def _text(number: float) -> str:
    return str(round(number, 4))
