# SPDX-License-Identifier: Apache-2.0
"""Whether probabilities are calibrated: yes, no or unknown."""

from collections.abc import Sequence

import pytest
from personalization.likelihood.verdict import WITHIN_STRANGERS, Bin, verdict


def bins(purchases: float, ratio: float = 1.0, most: float = 0.5) -> list[Bin]:
    """Return fifteen bins of equal predicted purchases, up to a probability; each off by the same factor."""
    each = purchases / 15
    return [(each / (1e-4 * (most / 1e-4) ** (n / 14)), each, each / ratio) for n in range(15)]


def one_off(purchases: float, number: int, ratio: float) -> list[Bin]:
    """Return the same with one wrong bin."""
    return [(a, b, c / ratio if place == number else c) for place, (a, b, c) in enumerate(bins(purchases))]


@pytest.mark.parametrize(
    ("given", "answer", "said"),
    [
        (bins(3_000, 1.05), "yes", "Yes: of the pairs predicted at about 5 % (4.4 % on average) 4.2 % came true."),
        (bins(3_000, 1.0, most=0.01), "yes", "of the likeliest pairs, predicted at 1.0 % on average, 1.0 % came true"),
        (bins(3_000, 1.8), "no", "No: over all pairs the predicted purchases are 1.80 times the observed ones."),
        (bins(3_000, 0.5), "no", "0.50 times the observed ones. Use the order, not the numbers."),
        (one_off(3_000, 10, 2.2), "no", "No: in pairs predicted at 4.4 %, 2.0 % came true, though over all pairs"),
        ([(1e6, 70.0, 0.0)], "no", "70 purchases were predicted, and none observed"),
        (bins(60, 1.35), "yes", "1.35 times"),
        (one_off(200, 10, 2.0), "yes", "Yes:"),
        (bins(40), "unknown", "It cannot be said: the test has 40 purchases, and at least 50 are needed."),
        ([], "unknown", "It cannot be said"),
    ],
)
def test_the_answer_follows_the_figures_beyond_what_chance_explains(
    given: Sequence[Bin], answer: str, said: str
) -> None:
    found = verdict(given)
    assert found.answer == answer
    assert said in found.text


def test_strangers_are_judged_more_loosely_since_one_week_moves_all_of_them_alike() -> None:
    assert verdict(bins(3_000, 1.5)).answer == "no"
    assert verdict(bins(3_000, 1.5), WITHIN_STRANGERS).answer == "yes"
    assert verdict(bins(3_000, 70.0), WITHIN_STRANGERS).answer == "no"
