# SPDX-License-Identifier: Apache-2.0
"""Offline metrics of a solution version: the split, and the definitions by example."""

from pathlib import Path

import numpy as np
from personalize_local.recipes import offline_metrics
from personalize_local.recipes.common.rows import training_rows
from personalize_local.recipes.config import TrainingConfig

from engine.tests.planted import cycle_rows, snapshot


def test_a_tenth_of_the_users_is_asked_about_their_newest_tenth(tmp_path: Path) -> None:
    world = snapshot(tmp_path, cycle_rows(users=400, length=20, items=40))
    test = offline_metrics.held_out_users(world)
    [(query, relevant), *rest] = offline_metrics.questions(world, training_rows(world, TrainingConfig()), test)
    assert 20 < test.sum() < 65
    assert np.array_equal(test, offline_metrics.held_out_users(world))
    assert len(rest) + 1 == test.sum()
    assert (len(query.history), len(relevant)) == (18, 2)
    assert query.history[-1].timestamp > query.history[0].timestamp


def test_the_figures_are_personalizes() -> None:
    """A first and a third place hit, of two relevant items; and a list that hits nothing."""
    answers = [(["a", "x", "b", *"defghijk"], {"a", "b"}), (list("xyz"), {"q"})]
    gain = (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3)) / 2
    assert offline_metrics.summary(answers, 20) == {
        "coverage": 0.65,
        "mean_reciprocal_rank_at_25": 0.5,
        **{f"normalized_discounted_cumulative_gain_at_{depth}": round(gain, 4) for depth in (10, 25, 5)},
        "precision_at_10": 0.1,
        "precision_at_25": 0.04,
        "precision_at_5": 0.2,
    }
    assert set(offline_metrics.summary([], 0).values()) == {0.0}
