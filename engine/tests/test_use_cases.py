# SPDX-License-Identifier: Apache-2.0
"""Use cases and Trending-Now on planted data: viewed together, bought together, sold most, rising fastest."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RECIPES
from personalize_local.recipes.training import train
from personalize_local.wire.errors import TrainingRefused

from engine.tests.planted import BEGIN, Row, snapshot

VIEWED, TOGETHER = "aws-ecomm-customers-who-viewed-x-also-viewed", "aws-ecomm-frequently-bought-together"
SELLERS, MOST_VIEWED = "aws-ecomm-popular-items-by-purchases", "aws-ecomm-popular-items-by-views"
FOR_YOU, TRENDING = "aws-ecomm-recommended-for-you", "aws-trending-now"
DAY = 86_400


def shop() -> list[Row]:
    """Views go by tens (0-9, 10-19, ...); baskets hold n, n + 20 and item-60; item-61 rises on the last day."""
    rows: list[Row] = []
    for user in range(120):
        first = user % 4 * 10
        rows += [(f"u{user}", f"item-{first + (user + step) % 10}", BEGIN + step * DAY, "View") for step in range(10)]
        for basket in range(4):
            item, moment = (user * 3 + basket) % 20, BEGIN + basket * DAY + 500
            bought = [item, item + 20, 60]
            rows += [
                (f"u{user}", f"item-{item}", moment + position, "Purchase") for position, item in enumerate(bought)
            ]
    rows += [(f"u{user}", "item-61", BEGIN + 9 * DAY + 900 + user, "View") for user in range(30)]
    return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot(tmp_path_factory.mktemp("shop"), shop())


@pytest.fixture(scope="module")
def models(world: Snapshot) -> Callable[[str], Model]:
    """The model of each use case, trained once."""
    fast = TrainingConfig(hyperparameters={"tier": "fast"})
    return cache(lambda recipe: train(recipe, world, fast if recipe == FOR_YOU else TrainingConfig()).model)


def recommended(model: Model, query: Query, limit: int) -> list[str]:
    return [scored.item_id for scored in model.recommend(query, None, limit)]


def test_who_viewed_an_item_viewed_its_neighbours(models: Callable[[str], Model]) -> None:
    items = recommended(models(VIEWED), Query("u1", "item-14"), 9)
    assert len({f"item-{n}" for n in range(10, 20) if n != 14}.intersection(items)) >= 8


def test_bought_together_is_what_goes_with_the_item_and_not_what_everybody_buys(models: Callable[[str], Model]) -> None:
    assert recommended(models(TOGETHER), Query(item_id="item-3"), 1) == ["item-23"]


def test_best_sellers_and_most_viewed_count_events(models: Callable[[str], Model]) -> None:
    assert recommended(models(SELLERS), Query("u1"), 1) == ["item-60"]
    assert recommended(models(MOST_VIEWED), Query("u1"), 50)[-1] != "item-61"
    assert "item-61" in recommended(models(MOST_VIEWED), Query("u1"), 41)


def test_recommended_for_you_keeps_its_scores_to_itself(models: Callable[[str], Model]) -> None:
    model = models(FOR_YOU)
    assert {scored.score for scored in model.recommend(Query("u1"), None, 5)} == {None}


def test_what_rises_trends_and_frequency_is_the_window(world: Snapshot) -> None:
    trained = train(TRENDING, world, TrainingConfig(hyperparameters={"trend_discovery_frequency": "1 day"}))
    assert recommended(trained.model, Query(), 1) == ["item-61"]
    assert 0.0 <= trained.metrics["trend_prediction_accuracy"] <= 1.0


def test_without_growth_popular_items_trend(tmp_path: Path) -> None:
    still = [row for row in shop() if row[1] != "item-61"]
    still += [(f"u{user}", "item-2", BEGIN + 20 * DAY, "View") for user in range(3)]
    often = TrainingConfig(hyperparameters={"trend_discovery_frequency": "30 minutes"})
    assert recommended(train(TRENDING, snapshot(tmp_path, still), often).model, Query(), 2) == ["item-2", "item-60"]


@pytest.mark.parametrize(
    ("recipe", "kind"), [(spec.name, spec.trains_on) for spec in RECIPES.values() if spec.trains_on]
)
def test_a_use_case_needs_a_thousand_of_its_events(tmp_path: Path, recipe: str, kind: str) -> None:
    rows = [(*row[:3], "Other") for row in shop()]
    with pytest.raises(TrainingRefused, match=f"fewer than 1000 interactions after filtering by event type: {kind}"):
        train(recipe, snapshot(tmp_path, rows), TrainingConfig())


@pytest.mark.parametrize("recipe", [spec.name for spec in RECIPES.values() if spec.domain == "ECOMMERCE"])
def test_every_use_case_obeys_a_filter(models: Callable[[str], Model], recipe: str) -> None:
    model = models(recipe)
    allowed = np.isin(model.item_ids, ["item-5", "item-33"])
    answer = model.recommend(Query("u1", "item-14"), allowed, 10)
    assert {scored.item_id for scored in answer} == {"item-5", "item-33"}
