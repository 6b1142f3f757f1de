# SPDX-License-Identifier: Apache-2.0
"""Whether a probability means what it says: judged once, near one probability, by draws of whole users."""

import numpy as np
import numpy.typing as npt
import pytest
from personalization.likelihood.verdict import verdict

WITHIN_STRANGERS = 1.6

Floats = npt.NDArray[np.float64]
Test = tuple[Floats, Floats, Floats, npt.NDArray[np.int64]]


def pairs(predicted: float, true: float, users: int = 300, basket: int = 20, together: bool = False) -> Test:
    """Return `users` with `basket` pairs each, predicted alike; who buys buys one item, or together a whole basket."""
    random = np.random.default_rng(7)
    buys = random.random((users, 1 if together else basket)) < true
    label = np.broadcast_to(buys, (users, basket)).astype(np.float64).ravel()
    rows = users * basket
    return np.full(rows, predicted), label, np.ones(rows), np.repeat(np.arange(users), basket)


def both(*tests: Test) -> Test:
    """Return several tests as one, of different users."""
    chance, label, weight, user = (np.concatenate(columns) for columns in zip(*tests, strict=True))
    block = np.repeat(np.arange(len(tests)), [len(test[0]) for test in tests])
    return chance, label, weight, user + 100_000 * block


@pytest.mark.parametrize(
    ("given", "answer", "said"),
    [
        (pairs(0.05, 0.05), "yes", "Yes: of the pairs predicted at about 5.0 % (5.0 % on average)"),
        (pairs(0.05, 0.03), "no", "Use the order, not the numbers."),
        (pairs(0.05, 0.09), "no", "No: of the pairs predicted at about 5.0 %"),
        # What is wrong elsewhere is not what the sentence speaks of.
        (both(pairs(0.05, 0.05), pairs(0.0015, 0.006)), "yes", "(5.0 % on average)"),
        # Without pairs near 5 %, the question is asked where the predictions are.
        (pairs(0.006, 0.006, 2_000), "yes", "predicted at about 0.60 %"),
        (pairs(0.0005, 0.03, 2_000), "no", "predicted at about 0.050 %"),
        # Baskets: 1.4 times as many as predicted are no proof where some users decide.
        (pairs(0.05, 0.072, 120, 20, together=True), "unknown", "It cannot be said"),
        (pairs(0.05, 0.05, 40), "unknown", "It cannot be said: the test has 4"),
        ((np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64)), "unknown", "It cannot be said"),
    ],
)
def test_the_answer_speaks_of_the_probability_at_which_it_was_judged(given: Test, answer: str, said: str) -> None:
    judged = verdict(*given)
    assert (judged.answer, said in judged.text) == (answer, True), judged.text


def test_the_limits_of_chance_are_wider_where_purchases_come_in_baskets() -> None:
    def width(test: Test) -> float:
        judged = verdict(*test)
        assert judged.low is not None
        assert judged.high is not None
        return judged.high - judged.low

    assert width(pairs(0.05, 0.05, together=True)) > 3 * width(pairs(0.05, 0.05))


def test_weights_count_as_pairs() -> None:
    chance, label, weight, user = pairs(0.05, 0.05)
    twice = verdict(chance, label, 2 * weight, user)
    assert twice.observed == verdict(chance, label, weight, user).observed


def test_strangers_are_judged_more_loosely_since_one_week_moves_all_of_them_alike() -> None:
    assert verdict(*pairs(0.05, 0.035)).answer == "no"
    assert verdict(*pairs(0.05, 0.035), WITHIN_STRANGERS).answer == "yes"
    assert verdict(*pairs(0.05, 0.001), WITHIN_STRANGERS).answer == "no"
