# SPDX-License-Identifier: Apache-2.0
"""Whether predicted probabilities mean what they say: yes, no, or too little to say, with the figures in a sentence.

The rule. Yes, if over all pairs the predicted purchases are within a factor (`within`) of the observed ones, and in no
bin they are off by more than `IN_A_BIN`, each beyond what chance does to a count (`ERRORS` standard errors). With fewer
than `LEAST` purchases, predicted and observed, nothing is said. Otherwise no, and where it is worst.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "no", "unknown"]
Bin = tuple[float, float, float]
"""Pairs, predicted purchases, observed purchases."""
WITHIN = 1.25
"""The factor for known users."""
WITHIN_STRANGERS = 1.6
"""The factor for strangers: how much a shop sells in a week moves all of them alike."""
IN_A_BIN = 1.6
ERRORS = 3.0
LEAST = 50
ASKED = 0.05
"""The probability that is asked about, where pairs have one like it."""
_LIKE, _WORSE = 2.0, 1.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, the sentence that gives it, and predicted by observed purchases over all pairs (0: none observed)."""

    answer: Answer
    text: str
    ratio: float


def verdict(bins: Sequence[Bin], within: float = WITHIN) -> Verdict:
    """Judge bins of equal predicted purchases.

    Args:
        bins: the least likely pairs first.
        within: the factor up to which predicted and observed purchases of all pairs agree.
    """
    _, predicted, observed = (sum(each[place] for each in bins) for place in range(3))
    ratio = predicted / observed if observed else 0.0
    if max(predicted, observed) < LEAST:
        few = f"the test has {observed:,.0f} purchases and {LEAST} are the least"
        return Verdict("unknown", f"It cannot be said: {few}. Use the order, not the numbers.", ratio)
    worst = max(bins, key=lambda each: _off(each) if _beyond(each, IN_A_BIN) else 0.0)
    everything = (0.0, predicted, observed)
    if _beyond(everything, within):
        much_worse = _beyond(worst, IN_A_BIN) and _off(worst) > _WORSE * _off(everything)
        there = f", most of all in pairs predicted at {_said(worst)}" if much_worse else ""
        return Verdict("no", f"No: over all pairs {_against(predicted, observed)}{there}. {_INSTEAD}", ratio)
    if _beyond(worst, IN_A_BIN):
        told = f"in pairs predicted at {_said(worst)}, though over all pairs {_against(predicted, observed)}"
        return Verdict("no", f"No: {told}. {_INSTEAD}", ratio)
    return Verdict("yes", f"Yes: {_like(bins)} Over all pairs {_against(predicted, observed)}.", ratio)


_INSTEAD = "Use the order, not the numbers."


def _like(bins: Sequence[Bin]) -> str:
    """How pairs at about 5 % came out; or the likeliest ones, where none are."""
    some = [each for each in bins if each[0] and each[1]]
    near = min(some, key=lambda each: abs(math.log(each[1] / each[0] / ASKED)))
    share, came = near[1] / near[0], near[2] / near[0]
    if max(share / ASKED, ASKED / share) <= _LIKE:
        return f"of the pairs predicted at about 5 % ({percent(share)} on average) {percent(came)} came true."
    which = "likeliest" if share < ASKED else "least likely"
    return f"of the {which} pairs, predicted at {percent(share)} on average, {percent(came)} came true."


def _beyond(each: Bin, factor: float) -> bool:
    """Whether predicted and observed purchases differ by more than a factor, and by more than chance."""
    _, predicted, observed = each
    by_chance = ERRORS * math.sqrt(max(predicted, observed, 1.0))
    return _off(each) > factor and abs(predicted - observed) > by_chance


def _off(each: Bin) -> float:
    """The factor between predicted and observed purchases, in either direction."""
    low, high = sorted(each[1:])
    return high / low if low else math.inf


def _against(predicted: float, observed: float) -> str:
    if not observed:
        return f"{predicted:,.0f} purchases were predicted and none came"
    return f"the predicted purchases are {_times(predicted / observed)} the observed ones"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times" if 0.1 <= ratio < 10 else f"{ratio:.2g} times"


def _said(each: Bin) -> str:
    pairs, predicted, observed = each
    return f"{percent(predicted / pairs)}, {percent(observed / pairs)} came true"


def percent(share: float) -> str:
    """A share in per cent with two significant digits, also where it is small."""
    digits = max(0, 1 - math.floor(math.log10(share * 100))) if share > 0 else 0
    return f"{share * 100:.{min(digits, 6)}f} %"
