# SPDX-License-Identifier: Apache-2.0
"""Baskets: what is taken at one moment, what is added to a basket that is being filled, and what the next one has."""

import numpy as np
import pytest
from personalize_local.data.records import Interaction
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.loading import load
from personalize_local.recipes.training import train

from engine.tests.planted import BEGIN, Row, snapshot

DAY, YEAR = 86_400, 366 * 86_400
DISHES, PARTS, NEXT = 40, 6, 7
"""A dish has so many parts, which nobody takes for another dish; so many dishes further is what is cooked after it."""


def part(dish: int, number: int) -> str:
    return f"d{dish % DISHES}-{number}"


def kitchen(users: int = 200, moments: int = 8) -> list[Row]:
    """At each moment a household takes four parts of one dish."""
    random = np.random.default_rng(4)
    return [
        (f"u{user}", part(first + step * NEXT, number), BEGIN + (step * users + user) * DAY // users, "Purchase")
        for user, first in enumerate(random.integers(DISHES, size=users).tolist())
        for step in range(moments)
        for number in random.permutation(PARTS)[:4].tolist()
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("kitchen")
    trained = train("aws-user-personalization-v2", snapshot(folder, kitchen()), TrainingConfig()).model
    trained.save(folder / "model")
    return load(folder / "model")


def offered(model: Model, after: float, limit: int = PARTS - 2) -> tuple[float, float]:
    """So many seconds after two parts of a dish: shares of its other parts, and of the next dish, among what is new."""
    missing = following = 0
    for dish in range(DISHES):
        last = BEGIN + 9 * DAY
        before = [Interaction(part(dish - NEXT, number), last - 2 * DAY) for number in range(4)]
        history = [*before, *(Interaction(part(dish, number), last) for number in (0, 1))]
        owned = {row.item_id for row in history}
        new = np.array([item not in owned for item in model.item_ids])
        answer = model.recommend(Query("u", history=history, now=last + after), new, limit)
        missing += sum(scored.item_id in {part(dish, number) for number in range(PARTS)} for scored in answer)
        following += sum(scored.item_id in {part(dish + NEXT, number) for number in range(PARTS)} for scored in answer)
    return missing / (DISHES * limit), following / (DISHES * limit)


def test_a_basket_that_is_being_filled_gets_what_is_missing(model: Model) -> None:
    missing, following = offered(model, after=60)
    assert (missing > 0.9, following < 0.1) == (True, True)


def test_the_next_basket_gets_what_follows(model: Model) -> None:
    missing, following = offered(model, after=3 * DAY)
    assert (missing < 0.1, following > 0.9) == (True, True)


def test_in_a_replay_nobody_knows_whether_the_basket_is_full(model: Model) -> None:
    missing, following = offered(model, after=3 * YEAR, limit=10)
    assert (missing > 0.38, following > 0.5) == (True, True)
