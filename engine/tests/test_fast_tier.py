# SPDX-License-Identifier: Apache-2.0
"""The fast tier beside the plain rule that is right in a planted world."""

from pathlib import Path

import numpy as np
from personalize_local.data.records import Interaction
from personalize_local.recipes.base import Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.loading import load
from personalize_local.recipes.training import train

from engine.tests.planted import BEGIN, Row, snapshot

ITEMS = 60


def test_where_the_last_item_decides_what_is_next_its_follower_comes_first(tmp_path: Path) -> None:
    """Users walk: item n is mostly followed by item n + 1; TIMESTAMP counts a user's steps."""
    random, rows = np.random.default_rng(1), list[Row]()
    for user in range(300):
        item = int(random.integers(ITEMS))
        for step in range(12):
            rows.append((f"u{user}", f"item-{item}", BEGIN + step * 86_400, "View"))
            item = (item + 1) % ITEMS if random.random() < 0.6 else int(random.integers(ITEMS))
    world = snapshot(tmp_path, rows)
    made = train("aws-user-personalization", world, TrainingConfig(hyperparameters={"tier": "fast"})).model
    made.save(tmp_path / "model")
    right = 0
    for model in (made, load(tmp_path / "model")):
        for n in range(ITEMS):
            told = [f"item-{(n + 7) % ITEMS}", f"item-{(n + 31) % ITEMS}", f"item-{n}"]
            history = [Interaction(item, BEGIN + 10**6 + place) for place, item in enumerate(told)]
            [first] = model.recommend(Query(history=history, exploration={"explorationWeight": 0.0}), None, 1)
            right += first.item_id == f"item-{(n + 1) % ITEMS}"
    assert right >= 0.95 * 2 * ITEMS
