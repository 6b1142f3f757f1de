# SPDX-License-Identifier: Apache-2.0
"""Offline metrics of a solution version: the split. Their definitions are in tests/unit/test_metrics.py."""

from pathlib import Path

import numpy as np
from personalize_local.recipes import TrainingConfig, metrics
from personalize_local.recipes.common.rows import training_rows

from tests.engine.planted import cycle_rows, snapshot


def test_a_tenth_of_the_users_is_asked_about_their_newest_tenth(tmp_path: Path) -> None:
    world = snapshot(tmp_path, cycle_rows(users=400, length=20, items=40))
    test = metrics.test_users(world)
    [case, *rest] = metrics.cases(world, training_rows(world, TrainingConfig()), test)
    assert 20 < test.sum() < 65
    assert np.array_equal(test, metrics.test_users(world))
    assert len(rest) + 1 == test.sum()
    assert (len(case.query.history), len(case.relevant)) == (18, 2)
    assert case.query.history[-1].timestamp > case.query.history[0].timestamp
