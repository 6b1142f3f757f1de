# SPDX-License-Identifier: Apache-2.0
"""The recipes on planted data: what was put in comes out, with Personalize's scores, fallbacks and refusals."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from personalize_local.data.building import build_snapshot
from personalize_local.data.importing import import_files
from personalize_local.data.live import LiveData
from personalize_local.data.records import Interaction, PutRecord
from personalize_local.data.schemas import Field, Schema
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Scored
from personalize_local.recipes.config import EventParameters, TrainingConfig
from personalize_local.recipes.definitions import RECIPES
from personalize_local.recipes.loading import load
from personalize_local.recipes.training import train
from personalize_local.recipes.user_personalization.cold_items import ColdItems
from personalize_local.recipes.user_personalization.training import SharedCounts
from personalize_local.wire.errors import TrainingRefused

from engine.tests.planted import BEGIN, Row, csv_file, cycle_rows, event, snapshot, spec

USER, USER_V2 = "aws-user-personalization", "aws-user-personalization-v2"
RANKING, SIMILAR, SIMS, POPULAR = "aws-personalized-ranking", "aws-similar-items", "aws-sims", "aws-popularity-count"
TEAMS = [(f"u{user}", "red" if user % 2 == 0 else "blue", 30) for user in range(120)]
NEW = ("item-new", "even", 5.0, "fresh", BEGIN + 40_000)
ITEM_ROWS = [(f"item-{n}", "even" if n % 2 == 0 else "odd", 1.0, f"name {n}", BEGIN - 10**7) for n in range(12)] + [NEW]
NO_EXPLORATION = {"explorationWeight": 0.0}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot(tmp_path_factory.mktemp("world"), cycle_rows(), TEAMS, ITEM_ROWS)


@pytest.fixture(scope="module")
def models(world: Snapshot) -> dict[str, Model]:
    names = (USER, RANKING, USER_V2, SIMILAR, SIMS, POPULAR)
    shared = SharedCounts()
    return {name: train(name, world, TrainingConfig(), shared).model for name in names}


def past(*items: str) -> list[Interaction]:
    return [Interaction(item, BEGIN + 10**6 + step) for step, item in enumerate(items)]


def ids(answer: Sequence[Scored]) -> list[str]:
    return [scored.item_id for scored in answer]


def recommended(model: Model, query: Query, limit: int = 5, *, without: Sequence[str] = ()) -> list[str]:
    allowed = np.array([item not in without for item in model.item_ids])
    return ids(model.recommend(replace(query, exploration=NO_EXPLORATION), allowed, limit))


@pytest.mark.parametrize("recipe", [USER, USER_V2, RANKING])
def test_the_item_that_always_follows_comes_first(models: dict[str, Model], recipe: str) -> None:
    assert (
        recommended(models[recipe], Query(history=past("item-7", "item-8")), without=("item-7", "item-8"))[0]
        == "item-9"
    )


def test_a_new_event_changes_the_next_answer(models: dict[str, Model]) -> None:
    live = LiveData()
    live.add_event(event(1, "item-8", session="visitor"))
    before = recommended(models[USER], Query(history=live.history("visitor")), without=("item-8",))
    live.add_event(event(2, "item-10", session="visitor"))
    after = recommended(models[USER], Query(history=live.history("visitor")), without=("item-8", "item-10"))
    assert (before[0], after[0]) == ("item-9", "item-11")


def test_demographics_choose_for_a_user_without_history(tmp_path: Path) -> None:
    rows: list[Row] = [
        (f"u{user}", f"item-{(user + step) % 6 + (6 if user % 2 else 0)}", BEGIN + step, "View")
        for user in range(120)
        for step in range(12)
    ]
    model = train(USER, snapshot(tmp_path, rows, TEAMS), TrainingConfig()).model
    red, blue = (recommended(model, Query(user={"TEAM": team, "AGE": 30}), 6) for team in ("red", "blue"))
    assert set(red) == {f"item-{n}" for n in range(6)}
    assert set(blue) == {f"item-{n}" for n in range(6, 12)}


def test_a_user_that_nobody_knows_gets_popular_items(models: dict[str, Model]) -> None:
    assert recommended(models[USER], Query(user_id="stranger"), 13) == recommended(models[USER], Query(), 13)
    assert set(recommended(models[USER], Query(history=past("item-unheard-of")), 6)) == {f"item-{n}" for n in range(6)}


def test_scores_add_up_to_one_over_the_catalogue(models: dict[str, Model]) -> None:
    answer = models[USER].recommend(Query(history=past("item-3")), None, 500)
    scores = [scored.score or 0.0 for scored in answer]
    assert len(answer) == len(ITEM_ROWS)
    assert sum(scores) == pytest.approx(1.0, abs=1e-5)
    assert scores == sorted(scores, reverse=True)
    assert all(score == round(score, 7) for score in scores)


def test_ranking_scores_add_up_over_the_list_and_unknown_items_come_last(models: dict[str, Model]) -> None:
    answer = models[RANKING].rank(Query(history=past("item-8")), ["no-such", "item-2", "item-9", "nor-this"])
    assert ids(answer) == ["item-9", "item-2", "no-such", "nor-this"]
    assert sum(scored.score or 0.0 for scored in answer) == pytest.approx(1.0, abs=1e-6)
    assert [scored.score for scored in answer[2:]] == [None, None]


def test_a_filter_is_obeyed_to_the_last_item(models: dict[str, Model]) -> None:
    for recipe in (USER, USER_V2, SIMILAR, POPULAR):
        allowed = models[recipe].item_ids == "item-5"
        answer = models[recipe].recommend(Query(history=past("item-1"), item_id="item-1"), allowed, 25)
        assert ids(answer) == ["item-5"]
        assert models[recipe].recommend(Query(), allowed & False, 25) == []


def test_new_items_are_explored_as_much_as_asked(models: dict[str, Model]) -> None:
    def position(weight: float) -> int:
        exploration = {"explorationWeight": weight, "explorationItemAgeCutOff": 30.0}
        query = Query(user_id="u1", history=past("item-2", "item-4"), exploration=exploration)
        return ids(models[USER].recommend(query, None, 13)).index("item-new")

    assert position(0.0) == 12
    assert position(1.0) < 12


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
def test_similar_items_are_those_of_the_same_people(models: dict[str, Model], recipe: str) -> None:
    answer = recommended(models[recipe], Query(item_id="item-8"), 4)
    assert set(answer) <= {"item-6", "item-7", "item-9", "item-10", "item-11", "item-0"}
    assert answer[0] in {"item-9", "item-7"}
    assert "item-8" not in recommended(models[recipe], Query(item_id="item-8"), 500)


def test_a_cold_item_is_like_items_of_its_category(models: dict[str, Model]) -> None:
    answer = recommended(models[SIMILAR], Query(item_id="item-new"), 6)
    assert {int(item.split("-")[1]) % 2 for item in answer} == {0}


def test_a_cold_item_is_like_another_of_its_brand_however_many_brands_there_are(tmp_path: Path) -> None:
    brands = {f"item-{n}": f"brand-{n % 250}" for n in range(500)} | {"item-77": "rare", "item-new": "rare"}
    rows = [(f"u{n % 100}", f"item-{n * 7 % 500}", BEGIN + n, "View") for n in range(3_000)]
    model = train(SIMILAR, snapshot(tmp_path, rows, items=brands.items()), TrainingConfig()).model
    assert recommended(model, Query(item_id="item-new"), 1) == ["item-77"]


def test_a_new_item_that_both_follows_and_is_alike_comes_first() -> None:
    lenders = SparseRows(np.array([0, 1, 2, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32))
    shares = ColdItems(np.array([2, 3, 4]), lenders).shares(
        np.array([1.0, 0.4, 0.0, 0.0, 0.0]), np.array([0.0, 0.4, 1.0])
    )
    assert int(np.argmax(shares)) == 1


def test_an_unknown_item_is_answered_by_popular_ones(models: dict[str, Model]) -> None:
    answer = models[SIMILAR].recommend(Query(item_id="no-such"), None, 5)
    assert ids(answer) == models[SIMILAR].item_ids[:5].tolist()
    assert {scored.score for scored in answer} == {None}


def test_popularity_counts_each_user_once(tmp_path: Path) -> None:
    fan: list[Row] = [("fan", "item-loved", BEGIN + step, "View") for step in range(1000)]
    model = train(POPULAR, snapshot(tmp_path, [*cycle_rows(), *fan]), TrainingConfig()).model
    assert recommended(model, Query(), 13)[-1] == "item-loved"


def test_people_who_come_back_are_offered_what_they_come_back_for(tmp_path: Path) -> None:
    rows: list[Row] = [
        (f"u{user}", f"item-{user % 40 if step % 2 == 0 else (user * 7 + step) % 40}", BEGIN + step * 86_400, "Buy")
        for user in range(80)
        for step in range(20)
    ]
    model = train(USER, snapshot(tmp_path, rows), TrainingConfig()).model
    taken = ("item-33", "item-2", "item-33", "item-5", "item-33", "item-9")
    history = [Interaction(item, BEGIN + (20 + day) * 86_400) for day, item in enumerate(taken)]
    assert recommended(model, Query(history=history), 1) == ["item-33"]


@pytest.mark.parametrize("tier", ["fast", "standard"])
def test_where_nobody_comes_back_nothing_known_is_offered(tmp_path: Path, tier: str) -> None:
    rows: list[Row] = [
        (f"u{user}", f"item-{(user * 7 + step) % 60}", BEGIN + step * 86_400 + user, "Buy")
        for user in range(120)
        for step in range(20)
    ]
    options = TrainingConfig(hyperparameters={"tier": tier})
    model = train(USER, snapshot(tmp_path, rows), options).model
    expected = ("item-33", "item-34", "item-35", "item-36")
    assert not set(recommended(model, Query(history=past(*expected)), 20)) & set(expected)
    only = np.isin(model.item_ids, expected)
    assert set(ids(model.recommend(Query(history=past(*expected)), only, 4))) == set(expected)


def test_context_tilts_the_answer(tmp_path: Path) -> None:
    rows: list[Row] = [
        (f"u{user}", f"item-{(user * 3 + step) % 10 + (10 if step % 2 else 0)}", BEGIN + step, "View", 1.0, device)
        for user in range(100)
        for step in range(12)
        for device in ["phone" if step % 2 else "desk"]
    ]
    model = train(USER, snapshot(tmp_path, rows), TrainingConfig()).model
    phone, desk = (recommended(model, Query(context={"DEVICE": device}), 10) for device in ("phone", "desk"))
    assert set(phone) == {f"item-{n}" for n in range(10, 20)}
    assert set(desk) == {f"item-{n}" for n in range(10)}


def test_names_of_items_tell_nothing(tmp_path: Path) -> None:
    renamed = [(user, f"item-{(int(str(item)[5:]) * 5 + 3) % 12}", *rest) for user, item, *rest in cycle_rows()]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    fast = TrainingConfig(hyperparameters={"tier": "fast"})
    first = train(USER, snapshot(tmp_path / "a", cycle_rows()), fast).metrics
    two = train(USER, snapshot(tmp_path / "b", renamed), fast).metrics
    assert first == pytest.approx(two, abs=0.02)


@pytest.mark.parametrize("recipe", [USER, USER_V2, RANKING, SIMILAR, SIMS, POPULAR])
def test_a_saved_model_answers_the_same(models: dict[str, Model], recipe: str, tmp_path: Path) -> None:
    models[recipe].save(tmp_path / "model")
    again = load(tmp_path / "model")
    query = Query("u1", "item-4", past("item-3", "item-4"), {"TEAM": "red"}, {"DEVICE": "phone"})
    assert again.recommend(query, None, 10) == models[recipe].recommend(query, None, 10)
    assert again.rank(query, ["item-1", "item-5"]) == models[recipe].rank(query, ["item-1", "item-5"])
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / "facts.json").read_text() == (tmp_path / "model" / "facts.json").read_text()


def test_serving_needs_neither_polars_nor_scipy(models: dict[str, Model], tmp_path: Path) -> None:
    models[USER].save(tmp_path / "model")
    code = (
        "import sys, pathlib; from personalize_local.data import live;"
        "from personalize_local.recipes import base, loading;"
        "loading.load(pathlib.Path(sys.argv[1])).recommend(base.Query(), None, 5);"
        "sys.exit(bool({'polars', 'scipy'} & set(sys.modules)))"
    )
    assert run([sys.executable, "-c", code, tmp_path / "model"], check=False).returncode == 0


def test_a_saved_model_replaces_an_older_one(models: dict[str, Model], tmp_path: Path) -> None:
    models[USER].save(tmp_path / "model")
    models[POPULAR].save(tmp_path / "model")
    assert type(load(tmp_path / "model")) is type(models[POPULAR])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def refusal(world: Snapshot, recipe: str = USER, **options: object) -> str:
    with pytest.raises(TrainingRefused) as refused:
        train(recipe, world, TrainingConfig(**options))  # type: ignore[arg-type]
    return str(refused.value)


def test_too_few_interactions_of_the_type_are_refused(world: Snapshot) -> None:
    reason = "Dataset has fewer than 1000 interactions after filtering by event type: Purchase"
    assert refusal(world, event_type="Purchase") == reason
    assert train(POPULAR, world, TrainingConfig(event_type="view")).metrics


def test_events_below_the_threshold_do_not_train(world: Snapshot) -> None:
    assert "fewer than 1000 interactions" in refusal(world, event_type="View", event_value_threshold=2.0)
    assert "fewer than 1000 interactions" in refusal(world, recipe=USER_V2, events=(EventParameters("View", 3.0, 1.0),))


def test_what_no_version_learned_from_says_nothing_of_its_user(world: Snapshot) -> None:
    """Of an `eventsConfig` the named types count, above their thresholds and with a weight; all of them alike."""
    events = (EventParameters("View", 1.0, 1.0), EventParameters("Cart", None, 0.0))
    model = train(USER_V2, world, TrainingConfig(events=events)).model
    views = [Interaction(f"item-{n}", BEGIN + n, "view", 1.0) for n in (1, 2)]
    others = [
        Interaction("item-7", BEGIN + 10, "Search", 1.0),
        Interaction("item-8", BEGIN + 11, "Cart", 1.0),
        Interaction("item-9", BEGIN + 12, "View", 0.5),
        Interaction("item-9", BEGIN + 13, None, 1.0),
    ]
    now = BEGIN + 20.0
    answers = [model.recommend(Query("u1", history=history, now=now), None, 5) for history in (views, views + others)]
    assert answers[0] == answers[1]
    assert answers[0] != model.recommend(Query("u1", history=views[:1], now=now), None, 5)


def test_too_few_returning_users_are_refused(tmp_path: Path) -> None:
    rows: list[Row] = [(f"u{n}", f"item-{n % 9}", BEGIN + n, "View") for n in range(1100)]
    rows += [(f"u{n}", "item-1", BEGIN + 5000, "View") for n in range(24)]
    reason = refusal(snapshot(tmp_path, rows))
    assert reason == "Create failed. Dataset has fewer than 25 users with at least 2 interactions each."


@pytest.mark.parametrize("name", [name for name, spec in RECIPES.items() if spec.retired])
def test_recipes_without_a_trainer_say_so(world: Snapshot, name: str) -> None:
    assert name in refusal(world, name)


def test_hyperparameters_are_described_and_checked() -> None:
    described = RECIPES[USER]
    assert described.defaults()["bptt"] == "32"
    assert described.hyperparameters["bptt"].accepts("2")
    assert not described.hyperparameters["bptt"].accepts("33")
    assert described.hyperparameters["recency_mask"].accepts("false")
    assert list(RECIPES) == sorted(RECIPES)


def test_the_length_of_the_sequence_is_honoured(world: Snapshot) -> None:
    history = past("item-8", *["item-2"] * 2)
    long, short = (
        train(USER, world, TrainingConfig(hyperparameters={"tier": "fast", "bptt": length})).model
        for length in ("32", "2")
    )
    scores = [{s.item_id: s.score for s in m.recommend(Query(history=history), None, 13)} for m in (long, short)]
    assert (scores[0]["item-9"] or 0) > (scores[1]["item-9"] or 0)


def test_streamed_events_train_once_and_for_whom_the_session_was(tmp_path: Path) -> None:
    events = [event(1, "item-x"), event(2, "item-y", user="u-late"), event(2, "item-y", user="u-late")]
    events += [event(3, "item-z", session="anonymous"), event(4, None, session="s")]
    bulk = spec(tmp_path, cycle_rows())
    world = build_snapshot(replace(bulk, events=events))
    late = world.users.tolist().index("u-late")
    assert world.items[world.item_index[world.user_index == late]].tolist() == ["item-x", "item-y"]
    assert "item-z" not in world.items


def test_put_records_replace_bulk_rows(tmp_path: Path) -> None:
    bulk = spec(tmp_path, cycle_rows(), TEAMS, ITEM_ROWS)
    put = [PutRecord("item-3", {"PRICE": 9.5}), PutRecord("brand-new", {})]
    world = build_snapshot(replace(bulk, put_items=put))
    position = world.items.tolist().index("item-3")
    assert world.item_columns["PRICE"][position] == 9.5
    assert world.item_columns["CATEGORY_L1"][position] is None
    assert "brand-new" in world.items
    assert "NAME" not in world.item_columns


def test_items_with_nothing_but_a_text_train(tmp_path: Path) -> None:
    texts = Schema("ITEMS", (Field("ITEM_ID", "string"), Field("TEXT", "string", nullable=True, textual=True)))
    rows = [(f"item-{number}", "words") for number in range(12)]
    file = tmp_path / "texts.parquet"
    import_files([csv_file(tmp_path / "texts.csv", texts, rows)], texts, file)
    world = build_snapshot(replace(spec(tmp_path, cycle_rows()), items=[file], items_schema=texts))
    assert world.item_columns == {}
    assert train(SIMILAR, world, TrainingConfig()).metrics["coverage"] > 0.0


def test_metrics_have_personalize_names_and_find_what_was_planted(tmp_path: Path) -> None:
    metrics = train(USER, snapshot(tmp_path, cycle_rows(items=24)), TrainingConfig()).metrics
    depths = [f"{name}_at_{k}" for name in ("normalized_discounted_cumulative_gain", "precision") for k in (5, 10, 25)]
    assert list(metrics) == sorted(["coverage", "mean_reciprocal_rank_at_25", *depths])
    assert metrics["mean_reciprocal_rank_at_25"] > 0.5


def test_unseen_items_are_put_in_order_by_their_kind(tmp_path: Path) -> None:
    """Everybody walks on within even or odd items; two items that nobody has seen are offered to their own kind."""
    rows: list[Row] = [
        (f"u{user}", f"item-{(2 * (user + step) + user % 2) % 40}", BEGIN + step * 3600, "View")
        for user in range(120)
        for step in range(12)
    ]
    kinds = [(f"item-{n}", ("even", "odd")[n % 2], 1.0, "", BEGIN) for n in range(40)]
    fresh = [("new-even", "even", 1.0, "", BEGIN), ("new-odd", "odd", 1.0, "", BEGIN)]
    model = train(USER, snapshot(tmp_path, rows, items=[*kinds, *fresh]), TrainingConfig()).model
    included = np.isin(model.item_ids, ["new-even", "new-odd"])
    for kind, seen in (("even", ("item-4", "item-6")), ("odd", ("item-5", "item-7"))):
        query = Query(history=past(*seen), exploration=NO_EXPLORATION)
        assert ids(model.recommend(query, included, 2))[0] == f"new-{kind}"
        assert ids(model.rank(query, ["new-even", "new-odd"]))[0] == f"new-{kind}"
