# SPDX-License-Identifier: Apache-2.0
"""Exploration of new items by User-Personalization v1: how many, how new, and the same ones all day."""

import numpy as np
import pytest
from personalize_local.data.records import Interaction
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.training import train

from engine.tests.planted import BEGIN, snapshot

DAY = 86_400
NEW = {f"new-{n}": n for n in range(20)}
"""New items and their age in days."""
NOW = float(BEGIN + DAY)
USERS = [f"u{n}" for n in range(40)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    rows = [(f"u{n % 60}", f"item-{n * 7 % 40}", BEGIN - n, "View") for n in range(1_200)]
    old_items = [(f"item-{n}", f"kind-{n % 4}", 1.0, "", BEGIN - 400 * DAY) for n in range(40)]
    new = [(item, f"kind-{age % 4}", 1.0, "", BEGIN - age * DAY - 100) for item, age in NEW.items()]
    config = TrainingConfig(hyperparameters={"tier": "fast"})
    return train(
        "aws-user-personalization", snapshot(tmp_path_factory.mktemp("shop"), rows, (), old_items + new), config
    ).model


def listed(model: Model, user: str, weight: float, days: float = 30.0, now: float = NOW) -> list[str]:
    exploration = {"explorationWeight": weight, "explorationItemAgeCutOff": days}
    query = Query(user, history=[Interaction(f"item-{user[1:]}", NOW)], now=now, exploration=exploration)
    return [scored.item_id for scored in model.recommend(query, None, 10)]


def explored(model: Model, weight: float, days: float = 30.0) -> list[str]:
    """The new items in the lists of all users."""
    return [item for user in USERS for item in listed(model, user, weight, days) if item in NEW]


def test_a_larger_weight_shows_more_new_items_and_none_shows_none(model: Model) -> None:
    counts = [len(explored(model, weight)) for weight in (0.0, 0.1, 0.3, 0.6, 1.0)]
    assert counts[0] == 0
    assert counts == sorted(set(counts))
    assert counts[-1] <= 3 * len(USERS)


def test_the_cut_off_ends_it(model: Model) -> None:
    ages = {days: {NEW[item] for item in explored(model, 1.0, days)} for days in (1.0, 5.0, 30.0)}
    assert [max(item_ages) < days for days, item_ages in ages.items()] == [True] * 3
    assert max(ages[30.0]) > 5
    assert len(ages[1.0]) < len(ages[5.0]) < len(ages[30.0])


def test_the_best_places_are_kept_and_a_day_has_one_answer(model: Model) -> None:
    for user in USERS[:10]:
        plain, mixed = listed(model, user, 0.0), listed(model, user, 1.0)
        assert mixed[:3] == plain[:3]
        assert [item for item in mixed if item not in NEW] == plain[: sum(item not in NEW for item in mixed)]
        assert mixed == listed(model, user, 1.0, now=NOW + 3600)
    assert explored(model, 1.0) != [
        item for user in USERS for item in listed(model, user, 1.0, now=NOW + DAY) if item in NEW
    ]


def test_a_filter_is_obeyed(model: Model) -> None:
    allowed = np.array([not item.startswith("new") or item == "new-3" for item in model.item_ids.tolist()])
    query = Query("u1", exploration={"explorationWeight": 1.0}, now=NOW)
    listed = [scored.item_id for scored in model.recommend(query, allowed, 41)]
    assert {item for item in listed if item in NEW} == {"new-3"}
    assert len(set(listed)) == 41
