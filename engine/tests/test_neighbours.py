# SPDX-License-Identifier: Apache-2.0
"""Similar-Items and SIMS beside what was planted: an order where there is one, none where there is none."""

from pathlib import Path

import numpy as np
import pytest
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.training import train

from engine.tests.planted import BEGIN, Row, snapshot

SIMILAR, SIMS = "aws-similar-items", "aws-sims"
ITEMS = 60


def chains(tmp_path: Path) -> Snapshot:
    """Users walk: item n is mostly followed by item n + 1, else by any."""
    random, rows = np.random.default_rng(1), list[Row]()
    for user in range(300):
        item = int(random.integers(ITEMS))
        for step in range(12):
            rows.append((f"u{user}", f"item-{item}", BEGIN + user * 3000 + step * 86_400, "View"))
            item = (item + 1) % ITEMS if random.random() < 0.7 else int(random.integers(ITEMS))
    return snapshot(tmp_path, rows)


def baskets(tmp_path: Path) -> Snapshot:
    """Baskets of three items of one of twenty themes; the next basket has any other theme."""
    random, rows = np.random.default_rng(2), list[Row]()
    for user in range(300):
        for step in range(5):
            theme = int(random.integers(20))
            for item in random.choice(3, 2, replace=False).tolist():
                rows.append((f"u{user}", f"item-{3 * theme + item}", BEGIN + user * 3000 + step * 86_400, "View"))
    return snapshot(tmp_path, rows)


def fitted(recipe: str, given: Snapshot, **options: str) -> Model:
    return train(recipe, given, TrainingConfig(hyperparameters=options)).model


def answers(model: Model, limit: int) -> list[list[int]]:
    queries = (Query(item_id=f"item-{n}") for n in range(ITEMS))
    return [[int(each.item_id.split("-")[1]) for each in model.recommend(query, None, limit)] for query in queries]


def test_where_order_tells_what_is_next_the_follower_comes_first_and_counts_without_order_mix_both(
    tmp_path: Path,
) -> None:
    world = chains(tmp_path)
    first = [answer[0] for answer in answers(fitted(SIMILAR, world), 1)]
    assert sum(item == (n + 1) % ITEMS for n, item in enumerate(first)) >= 0.95 * ITEMS
    both = [answer[0] for answer in answers(fitted(SIMS, world), 1)]
    assert sum(item == (n + 1) % ITEMS for n, item in enumerate(both)) < 0.8 * ITEMS


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
def test_what_goes_into_one_basket_comes_first_although_other_things_follow(tmp_path: Path, recipe: str) -> None:
    world = baskets(tmp_path)
    for n, answer in enumerate(answers(fitted(recipe, world), 2)):
        assert {each // 3 for each in answer} == {n // 3}


def test_equal_data_give_equal_lists(tmp_path: Path) -> None:
    world = chains(tmp_path)
    assert answers(fitted(SIMILAR, world), 20) == answers(fitted(SIMILAR, world), 20)


def test_a_discount_of_popularity_shows_less_of_what_everybody_takes(tmp_path: Path) -> None:
    random, rows = np.random.default_rng(3), list[Row]()
    for user in range(400):
        theme = int(random.integers(10))
        taken = [int(n) for n in random.choice(6, 3, replace=False)] + [100] * int(random.random() < 0.8)
        for step, item in enumerate(taken):
            name = "item-100" if item == 100 else f"item-{6 * theme + item}"
            rows.append((f"u{user}", name, BEGIN + user * 3000 + step * 60, "View"))
    world = snapshot(tmp_path, rows)
    usual, discounted = (
        [answer.index(100) for answer in answers(fitted(SIMS, world, popularity_discount_factor=factor), 60)]
        for factor in ("0.0", "1.0")
    )
    assert np.mean(usual) < 1
    assert np.mean(discounted) > np.mean(usual) + 1


def test_where_nothing_but_the_time_tells_what_is_next_lists_show_what_sells_lately(tmp_path: Path) -> None:
    random, rows = np.random.default_rng(4), list[Row]()
    for user in range(300):
        for week in range(int(random.integers(4)), 20, 4):
            item = week // 5 if random.random() < 0.6 else int(random.integers(ITEMS))
            rows.append((f"u{user}", f"item-{item}", BEGIN + week * 7 * 86_400 + user * 900, "View"))
    found = answers(fitted(SIMILAR, snapshot(tmp_path, rows)), 3)
    assert sum(3 in answer for answer in found) >= 0.9 * ITEMS
