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
            history = [Interaction(item, BEGIN + 10**6 + position) for position, item in enumerate(told)]
            [first] = model.recommend(Query(history=history, exploration={"explorationWeight": 0.0}), None, 1)
            right += first.item_id == f"item-{(n + 1) % ITEMS}"
    assert right >= 0.95 * 2 * ITEMS


def test_what_goes_into_a_basket_comes_first_while_it_is_open(tmp_path: Path) -> None:
    """Baskets have two of three items of a theme; the next basket has any other theme."""
    random, rows = np.random.default_rng(2), list[Row]()
    for user in range(300):
        for step in range(5):
            theme = int(random.integers(20))
            time = BEGIN + user * 3000 + step * 86_400
            rows += [(f"u{user}", f"item-{3 * theme + n}", time, "View") for n in random.choice(3, 2, replace=False)]
    world = snapshot(tmp_path, rows)
    model = train("aws-user-personalization", world, TrainingConfig(hyperparameters={"tier": "fast"})).model
    now, right = BEGIN + 300 * 3000 + 5 * 86_400, 0
    for theme in range(20):
        history = [Interaction(f"item-{(3 * theme + 30) % 60}", now - 86_400), Interaction(f"item-{3 * theme}", now)]
        new = ~np.isin(model.item_ids, [row.item_id for row in history])
        recommended = model.recommend(Query(history=history, now=now, exploration={"explorationWeight": 0.0}), new, 2)
        right += len({scored.item_id for scored in recommended} & {f"item-{3 * theme + n}" for n in (1, 2)})
    assert right >= 0.95 * 40
