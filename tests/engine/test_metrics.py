# SPDX-License-Identifier: Apache-2.0
"""Offline metrics: the worked examples of Personalize's documentation, and the split."""

from pathlib import Path

import numpy as np
import pytest

from local.personalize import metrics
from local.personalize.metrics import Answer
from local.personalize.recipes import TrainingConfig
from local.personalize.recipes.rows import training_rows
from tests.engine.planted import cycle_rows, snapshot


def answer(*hits: int, length: int = 25) -> Answer:
    """An answer whose relevant items stand at these places."""
    items = [f"item-{place}" for place in range(1, length + 1)]
    return Answer(items, frozenset(f"item-{place}" for place in hits))


def test_mean_reciprocal_rank_of_first_hits_at_4_2_and_6() -> None:
    found = metrics.summary([answer(4), answer(2, 9), answer(6)], 100)
    assert found["mean_reciprocal_rank_at_25"] == 0.3056


def test_discounted_gain_of_hits_at_2_and_5() -> None:
    assert metrics.discounted_gain(answer(2, 5), 5) == pytest.approx(0.6241, abs=5e-5)


def test_precision_of_two_hits_in_five() -> None:
    assert metrics.precision(answer(2, 5), 5) == pytest.approx(0.4)


def test_nothing_found_is_zero_and_everything_found_is_one() -> None:
    nothing = metrics.summary([Answer(["a"], frozenset({"b"}))], 10)
    assert {value for name, value in nothing.items() if name != "coverage"} == {0.0}
    assert metrics.discounted_gain(answer(1, 2, 3), 5) == pytest.approx(1.0)
    assert metrics.reciprocal_rank(answer(26, length=30)) == 0.0


def test_coverage_counts_distinct_items_of_all_answers() -> None:
    assert metrics.summary([answer(1), answer(1, length=30)], 120)["coverage"] == 0.25


def test_a_tenth_of_the_users_is_asked_about_their_newest_tenth(tmp_path: Path) -> None:
    world = snapshot(tmp_path, cycle_rows(users=400, length=20, items=40))
    test = metrics.test_users(world)
    [case, *rest] = metrics.cases(world, training_rows(world, TrainingConfig()), test)
    assert 20 < test.sum() < 65
    assert np.array_equal(test, metrics.test_users(world))
    assert len(rest) + 1 == test.sum()
    assert (len(case.query.history), len(case.relevant)) == (18, 2)
    assert case.query.history[-1].timestamp > case.query.history[0].timestamp
