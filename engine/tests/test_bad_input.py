# SPDX-License-Identifier: Apache-2.0
"""Data that no shop should have, and some has: each has a defined result, none stops a training or an answer.

One instant, one item, a bot, clocks in the future and ids of any script: `test_ranker`. Segments, trends and actions of
one user, one day and the like: `test_counting`. No interactions of a type, too few users: `test_recipes`. A catalogue
of a million items: `benchmarks.studies.histories`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from personalize_local.data.records import Interaction
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.rows import training_rows
from personalize_local.recipes.config import EventParameters, TrainingConfig
from personalize_local.recipes.training import train
from personalize_local.wire.errors import ImportRefused, TrainingRefused

from engine.tests.planted import BEGIN, Row, cycle_rows, snapshot

USER, RANKING, SIMILAR = "aws-user-personalization", "aws-personalized-ranking", "aws-similar-items"
DAY = 86_400
UNSOLD = 2_000
FAST = TrainingConfig(hyperparameters={"tier": "fast"})
"""Where it does not matter what is learned."""


MIXED = "ids differ by case"
ODD: dict[str, Callable[[int], Row]] = {
    "it ended years ago": lambda n: (f"u{n % 90}", f"i{n * n % 31}", 900_000_000 + n * 3600, "View"),
    MIXED: lambda n: (
        f"{'uU'[n % 2]}{n % 45}",
        f"{'iI'[n % 3 // 2]}{n * n % 31}",
        BEGIN + n * 3600,
        "View",
    ),
    "nearly everybody has one item": lambda n: (
        f"u{n // 12}",
        f"i{n * n % 31 if n % 12 else 0}",
        BEGIN + n * 3600,
        "View",
    ),
    "an item for each event": lambda n: (f"u{n % 90}", f"i{n}", BEGIN + n * 3600, "View"),
}
RECIPES = {
    "fast": (USER, {"tier": "fast"}),
    "standard": (USER, {"tier": "standard"}),
    "ranking": (RANKING, {"tier": "fast"}),
    "similar": (SIMILAR, {}),
    "sims": ("aws-sims", {}),
    "together": ("aws-ecomm-frequently-bought-together", {}),
    "popular": ("aws-popularity-count", {}),
    "trending": ("aws-trending-now", {"trend_discovery_frequency": "1 day"}),
}


CASES = [
    pytest.param(world, recipe, marks=pytest.mark.nightly if recipe == "standard" and world != MIXED else ())
    for world in ODD
    for recipe in RECIPES
]


@pytest.mark.parametrize(("world", "recipe"), CASES)
def test_odd_histories_train_and_answer(tmp_path: Path, world: str, recipe: str) -> None:
    rows = [ODD[world](n) for n in range(1200)]
    if recipe == "together":
        rows = [(*row[:3], "Purchase") for row in rows]
    items: list[Row] = [
        (row[1], f"kind {row[1]}", float(n)) for n, row in enumerate({row[1]: row for row in rows}.values())
    ]
    name, options = RECIPES[recipe]
    trained = train(name, snapshot(tmp_path, rows, items=items), TrainingConfig(hyperparameters=options))
    assert np.isfinite(list(trained.metrics.values())).all()
    query = Query("u1", "i1", [Interaction("i1", BEGIN), Interaction("I1", BEGIN)], now=BEGIN + 9e8)
    recommended = [scored.item_id for scored in trained.model.recommend(query, None, 5)]
    assert len(set(recommended)) == len(recommended) > 0
    assert set(recommended) <= {row[1] for row in rows}


@pytest.mark.parametrize("tier", ["fast", pytest.param("standard", marks=pytest.mark.nightly)])
def test_items_that_nobody_took_change_no_decision(tmp_path: Path, tier: str) -> None:
    random = np.random.default_rng(5)
    rows: list[Row] = [
        (
            f"u{user}",
            f"i{(user + step * step) % 40 if random.random() < 0.8 else random.integers(90)}",
            BEGIN + time,
            "View",
        )
        for user in range(150)
        for step, time in enumerate(range(user * 9_000, user * 9_000 + 12 * DAY, DAY))
    ]
    sold: list[Row] = [(f"i{n}", f"kind-{n % 7}") for n in range(90)]
    unsold: list[Row] = [(f"never-{n}", "kind-of-nothing") for n in range(UNSOLD)]
    config = TrainingConfig(hyperparameters={"tier": tier})
    small, large = (train(USER, snapshot(tmp_path, rows, items=items), config).model for items in (sold, sold + unsold))
    assert len(large.item_ids) == len(small.item_ids) + UNSOLD
    query = Query(
        "u1", history=[Interaction(f"i{n}", BEGIN + n) for n in (3, 4, 7)], exploration={"explorationWeight": 0}
    )
    recommended = [[scored.item_id for scored in model.recommend(query, None, 25)] for model in (small, large)]
    assert recommended[0] == recommended[1]


def test_ids_that_differ_by_case_are_two(tmp_path: Path) -> None:
    rows: list[Row] = [(f"{'uU'[n % 2]}{n % 60 // 2}", ("tea", "Tea")[n % 2], BEGIN + n, "View") for n in range(1200)]
    model = train("aws-popularity-count", snapshot(tmp_path, rows), TrainingConfig()).model
    assert sorted(model.item_ids) == ["Tea", "tea"]


@pytest.mark.parametrize("recipe", [pytest.param("fast", marks=pytest.mark.nightly), "similar", "popular", "trending"])
def test_a_user_with_a_hundred_thousand_events_trains_and_is_answered(tmp_path: Path, recipe: str) -> None:
    clicks: list[Row] = [("robot", f"i{n * n % 997}", BEGIN + n, "View") for n in range(100_000)]
    name, options = RECIPES[recipe]
    world = snapshot(tmp_path, [*numbered(), *clicks])
    model = train(name, world, TrainingConfig(hyperparameters=options)).model
    history = [Interaction(str(row[1]), BEGIN + n) for n, row in enumerate(clicks)]
    recommended = model.recommend(Query("robot", "i1", history, now=BEGIN + 10**6), None, 10)
    assert len(recommended) == 10
    assert np.isfinite([scored.score or 0.0 for scored in recommended]).all()


@pytest.mark.parametrize("recipe", [USER, "aws-user-personalization-v2"])
def test_an_event_type_of_weight_zero_trains_nothing(tmp_path: Path, recipe: str) -> None:
    bought: list[Row] = [(user, item, time, "Purchase", *more) for user, item, time, _, *more in cycle_rows()]
    seen: list[Row] = [(f"u{n % 90}", f"looked-at-{n % 9}", BEGIN + n, "View") for n in range(1200)]
    world = snapshot(tmp_path, [*bought, *seen])
    some = (EventParameters("Purchase", weight=1.0), EventParameters("View", weight=0.0))
    options = {"tier": "fast"}
    model = train(recipe, world, TrainingConfig(hyperparameters=options, events=some)).model
    assert not [scored for scored in model.recommend(Query("new"), None, 9) if scored.item_id.startswith("looked-at")]
    none = tuple(EventParameters(event.event_type, weight=0.0) for event in some)
    with pytest.raises(TrainingRefused, match="its weight is 0"):
        train(recipe, world, TrainingConfig(hyperparameters=options, events=none))


def numbered(users: int = 60, length: int = 20) -> list[Row]:
    """Ids that are nothing but numbers, as they come out of a database."""
    return [
        (user, (user + step) % 30, BEGIN + step * DAY + user, "View") for user in range(users) for step in range(length)
    ]


@pytest.mark.parametrize("recipe", [USER, RANKING, SIMILAR])
def test_ids_that_are_numbers_are_ids(tmp_path: Path, recipe: str) -> None:
    config = TrainingConfig(hyperparameters={} if recipe == SIMILAR else {"tier": "fast"})
    model = train(recipe, snapshot(tmp_path, numbered()), config).model
    query = Query("7", "7", [Interaction("7", BEGIN)])
    assert {scored.item_id for scored in model.recommend(query, None, 30)} <= {str(n) for n in range(30)}
    assert {scored.item_id for scored in model.rank(query, ["8", "9"])} == {"8", "9"}


@pytest.mark.parametrize("row", [("", "item-1"), ("u1", "")])
def test_empty_ids_are_refused_at_the_door(tmp_path: Path, row: tuple[str, str]) -> None:
    with pytest.raises(ImportRefused):
        snapshot(tmp_path, [*cycle_rows(), (*row, BEGIN, "View")])


def test_one_user_is_refused(tmp_path: Path) -> None:
    rows: list[Row] = [("only", f"item-{n % 50}", BEGIN + n * DAY, "View") for n in range(1500)]
    with pytest.raises(TrainingRefused, match="fewer than 25 users"):
        train(USER, snapshot(tmp_path, rows), TrainingConfig())


def test_demographics_that_are_half_empty_and_items_without_metadata(tmp_path: Path) -> None:
    users: list[Row] = [(f"u{n}", "red" if n % 4 == 0 else "", 30 + n if n % 3 == 0 else "") for n in range(0, 120, 2)]
    items: list[Row] = [("item-1", "shoes"), ("item-2", "")]
    model = train(USER, snapshot(tmp_path, cycle_rows(), users, items), FAST).model
    demographics: list[dict[str, str | float]] = [
        {},
        {"TEAM": "red"},
        {"AGE": 41},
        {"TEAM": "never heard of", "AGE": -1e9},
    ]
    for user in demographics:
        assert len(model.recommend(Query("new", user=user), None, 12)) == 12
        assert len(model.recommend(Query("old", history=[Interaction("item-1", BEGIN)], user=user), None, 12)) == 12


def test_scores_are_numbers_whatever_the_clock_says(tmp_path: Path) -> None:
    model = train(USER, snapshot(tmp_path, numbered()), FAST).model
    for moment in (0.0, 4e9, 9e15):
        recommended = model.recommend(Query("1", history=[Interaction("1", moment)], now=moment), None, 30)
        assert np.isfinite([scored.score or 0.0 for scored in recommended]).all()


def test_an_unknown_item_in_a_ranking_is_last(tmp_path: Path) -> None:
    model = train(RANKING, snapshot(tmp_path, cycle_rows()), FAST).model
    ranked = model.rank(Query("u1", history=[Interaction("item-3", BEGIN)]), ["no such thing", "item-4"])
    assert [scored.item_id for scored in ranked] == ["item-4", "no such thing"]


def test_events_of_one_second_train_by_their_own_type_and_weight(tmp_path: Path) -> None:
    rows: list[Row] = [
        (f"u{user}", f"{kind}-{step}", BEGIN + step * DAY + user, kind)
        for user in range(100)
        for step in range(12)
        for kind in ("View", "Purchase")
    ]
    world = snapshot(tmp_path, rows)
    half = EventParameters("Purchase", weight=1.0), EventParameters("View", weight=0.5)
    for config in (TrainingConfig(event_type="Purchase"), TrainingConfig(events=half[:1]), TrainingConfig(events=half)):
        training = training_rows(world, config)
        kinds = [item.partition("-")[0] for item in world.items[training.item].tolist()]
        assert [1.0 if kind == "Purchase" else 0.5 for kind in kinds] == training.weight.tolist()
        assert kinds.count("Purchase") == 1200


def returned() -> list[Row]:
    """Everybody buys, and sends one item back."""
    bought = [(user, item, time, "Purchase", *more) for user, item, time, _, *more in cycle_rows()]
    return [*bought, *((f"u{n}", "regretted", BEGIN + DAY, "Return") for n in range(100))]


@pytest.mark.parametrize("recipe", [USER, SIMILAR, "aws-popularity-count", "aws-trending-now"])
def test_returns_do_not_train(tmp_path: Path, recipe: str) -> None:
    rows = training_rows(snapshot(tmp_path, returned()), TrainingConfig())
    assert len(rows) == len(cycle_rows())
    config = FAST if recipe == USER else TrainingConfig()
    recommended = train(recipe, snapshot(tmp_path, returned()), config).model.recommend(Query("new", "item-1"), None, 5)
    assert "regretted" not in {scored.item_id for scored in recommended}


def test_returns_train_where_a_solution_names_them(tmp_path: Path) -> None:
    world = snapshot(tmp_path, returned() + [(f"u{n % 50}", f"item-{n % 7}", BEGIN + n, "RETURN") for n in range(1000)])
    assert len(training_rows(world, TrainingConfig(event_type="Return"))) == 1100
    assert len(training_rows(world, TrainingConfig(events=(EventParameters("return"),)))) == 1100


def test_a_value_threshold_alone_does_not_let_returns_train(tmp_path: Path) -> None:
    sent_back = [(f"u{n}", "regretted", BEGIN + DAY, "Return", 9.0) for n in range(100)]
    rows = training_rows(snapshot(tmp_path, [*cycle_rows(), *sent_back]), TrainingConfig(event_value_threshold=1.0))
    assert len(rows) == len(cycle_rows())


def test_nothing_but_returns_is_refused(tmp_path: Path) -> None:
    rows: list[Row] = [(f"u{n % 50}", f"item-{n % 7}", BEGIN + n, "return") for n in range(1500)]
    with pytest.raises(TrainingRefused, match="fewer than 1000"):
        train(USER, snapshot(tmp_path, rows), TrainingConfig())


def test_what_was_sent_back_says_nothing_of_taste(tmp_path: Path) -> None:
    model = train(USER, snapshot(tmp_path, returned()), FAST).model
    taken = Interaction("item-3", BEGIN, "Purchase")
    keeping, sent_back = (
        model.recommend(Query("u1", history=history), None, 5)
        for history in ([taken], [taken, Interaction("item-9", BEGIN + 9, "Return")])
    )
    assert sent_back == keeping
