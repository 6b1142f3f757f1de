# SPDX-License-Identifier: Apache-2.0
"""Whether predicted probabilities are calibrated: yes, no or unknown, with the figures in a sentence.

Yes, if the predicted purchases of all pairs are within a factor (`within`) of the observed ones, and those of each bin
within `IN_A_BIN`; a difference within `ERRORS` standard errors of a count is ignored. Unknown, with fewer than `LEAST`
purchases, predicted and observed. Otherwise no, with the worst bin.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from personalization.reports.pages import significant

Answer = Literal["yes", "no", "unknown"]
Bin = tuple[float, float, float]
"""Pairs, predicted purchases, observed purchases."""
WITHIN = 1.25
"""The factor for known users."""
WITHIN_STRANGERS = 1.6
"""The factor for strangers: a week's total sales move all of them alike."""
IN_A_BIN = 1.6
ERRORS = 3.0
LEAST = 50
REFERENCE = 0.05
"""The probability of the example in the sentence, where pairs have one near it."""
_LIKE, _WORSE = 2.0, 1.2
_INSTEAD = "Use the order, not the numbers."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, its sentence, and the ratio of predicted to observed purchases over all pairs (0: none observed)."""

    answer: Answer
    text: str
    ratio: float


def verdict(bins: Sequence[Bin], within: float = WITHIN) -> Verdict:
    """Judge bins of equal predicted purchases, the least likely pairs first.

    Over all pairs, predicted and observed purchases agree if they are within a factor.
    """
    _, predicted, observed = (sum(each[place] for each in bins) for place in range(3))
    ratio = predicted / observed if observed else 0.0
    if max(predicted, observed) < LEAST:
        few = f"the test has {observed:,.0f} purchases, and at least {LEAST} are needed"
        return Verdict("unknown", f"It cannot be said: {few}. {_INSTEAD}", ratio)
    worst = max(bins, key=lambda each: _off(each) if _beyond(each, IN_A_BIN) else 0.0)
    overall = (0.0, predicted, observed)
    if _beyond(overall, within):
        much_worse = _beyond(worst, IN_A_BIN) and _off(worst) > _WORSE * _off(overall)
        most = f", most of all in pairs predicted at {_shares(worst)}" if much_worse else ""
        return Verdict("no", f"No: over all pairs {_totals(predicted, observed)}{most}. {_INSTEAD}", ratio)
    if _beyond(worst, IN_A_BIN):
        where = f"in pairs predicted at {_shares(worst)}, though over all pairs {_totals(predicted, observed)}"
        return Verdict("no", f"No: {where}. {_INSTEAD}", ratio)
    return Verdict("yes", f"Yes: {_like(bins)} Over all pairs {_totals(predicted, observed)}.", ratio)


def _like(bins: Sequence[Bin]) -> str:
    """Describe pairs near 5 %, or the likeliest pairs where none are near."""
    bins_with_pairs = [each for each in bins if each[0] and each[1]]
    near = min(bins_with_pairs, key=lambda each: abs(math.log(each[1] / each[0] / REFERENCE)))
    share, observed = near[1] / near[0], near[2] / near[0]
    if max(share / REFERENCE, REFERENCE / share) <= _LIKE:
        return f"of the pairs predicted at about 5 % ({percent(share)} on average) {percent(observed)} came true."
    which = "likeliest" if share < REFERENCE else "least likely"
    return f"of the {which} pairs, predicted at {percent(share)} on average, {percent(observed)} came true."


def _beyond(each: Bin, factor: float) -> bool:
    """Tell whether predicted and observed purchases differ by more than a factor, and by more than chance."""
    _, predicted, observed = each
    by_chance = ERRORS * math.sqrt(max(predicted, observed, 1.0))
    return _off(each) > factor and abs(predicted - observed) > by_chance


def _off(each: Bin) -> float:
    """Return the factor between predicted and observed purchases, at least 1."""
    low, high = sorted(each[1:])
    return high / low if low else math.inf


def _totals(predicted: float, observed: float) -> str:
    if not observed:
        return f"{predicted:,.0f} purchases were predicted, and none observed"
    return f"the predicted purchases are {_times(predicted / observed)} the observed ones"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times" if 0.1 <= ratio < 10 else f"{ratio:.2g} times"


def _shares(each: Bin) -> str:
    pairs, predicted, observed = each
    return f"{percent(predicted / pairs)}, {percent(observed / pairs)} came true"


def percent(share: float) -> str:
    """Return a share in per cent with two significant digits, also where it is small."""
    return significant(share).replace("%", " %")
