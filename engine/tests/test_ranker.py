# SPDX-License-Identifier: Apache-2.0
"""The learned ranker: what it is made from, what it may see, and when it stays out of the way."""

from pathlib import Path

import numpy as np
import pytest
from personalize_local.data.records import Interaction
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.rows import Rows, training_rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.loading import load
from personalize_local.recipes.ltr.boosting import Lists, Plan, boost
from personalize_local.recipes.ltr.fitting import TrainingList, cross_fit, sampled_lists
from personalize_local.recipes.ltr.splits import splits
from personalize_local.recipes.ltr.trees import Trees
from personalize_local.recipes.training import train
from personalize_local.recipes.user_personalization.item_statistics import standing
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.rankers import enough
from personalize_local.recipes.user_personalization.training import SharedCounts

from engine.tests.planted import BEGIN, Row, cycle_rows, snapshot

USER = "aws-user-personalization"
DAY = 86_400


def clubs(users: int = 300, length: int = 12, apart: int = 1) -> list[Row]:
    """Everybody takes items of one of six clubs at random: counting knows all that there is to know."""
    random = np.random.default_rng(3)
    return [
        (f"u{user}", f"item-{int(random.integers(20)) * 6 + user % 6}", BEGIN + step * DAY + user * apart, "View")
        for user in range(users)
        for step in range(length)
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot(tmp_path_factory.mktemp("world"), cycle_rows(users=110))


@pytest.fixture(scope="module")
def model(world: Snapshot) -> PersonalModel:
    return trained(world)


def trained(world: Snapshot, **options: str) -> PersonalModel:
    model = train(USER, world, TrainingConfig(hyperparameters=options)).model
    assert isinstance(model, PersonalModel)
    return model


def lists(count: int, *, seed: int = 0) -> Lists:
    """Ten items a list; the chosen one has the largest first feature; the second feature is noise."""
    features = np.random.default_rng(seed).random((count * 10, 2)).astype(np.float32)
    best = features[:, 0].reshape(count, 10).argmax(axis=1) + np.arange(count) * 10
    chosen = np.zeros(count * 10)
    chosen[best] = 1.0
    return Lists(features, chosen, np.zeros(count * 10), np.arange(0, count * 10, 10), np.ones(count))


def test_boosting_learns_which_feature_decides() -> None:
    trees, other = boost(lists(400), Plan()), lists(100, seed=1)
    guessed = trees.predict(other.features).reshape(-1, 10).argmax(axis=1)
    assert (guessed == other.chosen.reshape(-1, 10).argmax(axis=1)).mean() > 0.8
    assert np.bincount(trees.feature.ravel(), minlength=2).argmax() == 0


def test_trees_answer_as_they_were_grown_and_boosting_repeats_itself() -> None:
    trees, again = boost(lists(50), Plan(trees=5)), boost(lists(50), Plan(trees=5))
    features = lists(3, seed=2).features
    assert np.array_equal(trees.predict(features), again.predict(features))
    assert trees.stages(features)[-1] == pytest.approx(trees.predict(features))
    assert trees.stages(features)[2] == pytest.approx(trees.first(3).predict(features))


def test_one_tree_is_a_table_of_questions() -> None:
    tree = Trees(np.array([[0, 1]]), np.array([[0.5, 0.5]], np.float32), np.array([[1, 2, 3, 4]], np.float32))
    features = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    assert tree.predict(features).tolist() == [1, 2, 3, 4]


def test_the_past_is_before_what_is_asked(world: Snapshot) -> None:
    rows = training_rows(world, TrainingConfig())
    cuts = splits(rows)
    assert cuts[0].clock
    for split in cuts:
        assert rows.time[split.before].max() < rows.time[split.baskets].min()


def test_times_that_are_no_clock_are_split_by_user(tmp_path: Path) -> None:
    lengths = {f"u{user}": 40 if user < 5 else 4 for user in range(400)}
    numbered: list[Row] = [
        (u, f"item-{(len(u) + s) % 9}", BEGIN + s * DAY, "View") for u, n in lengths.items() for s in range(n)
    ]
    rows = training_rows(snapshot(tmp_path, numbered), TrainingConfig())
    [split] = splits(rows)
    assert not split.clock
    assert not split.before[split.baskets].any()
    assert len(split.baskets) == 395 + 5 * 4, "of long histories a tenth is asked for, of short ones the last basket"


def test_the_fast_tier_only_counts(world: Snapshot, model: PersonalModel) -> None:
    assert trained(world, tier="fast").rankers.trees is None
    assert model.rankers.trees is not None


def test_a_ranker_that_does_not_beat_counting_is_left_out(tmp_path: Path) -> None:
    assert trained(snapshot(tmp_path, clubs(102, 10))).rankers.trees is None


def test_too_few_moments_teach_nothing(tmp_path: Path) -> None:
    rows: list[Row] = [
        (f"u{user}", f"item-{(user * 7 + step) % 200}", BEGIN + (step > 20), "View")
        for user in range(30)
        for step in range(34)
    ]
    assert trained(snapshot(tmp_path, rows)).rankers.trees is None


def test_a_ranker_is_saved_with_its_model(model: PersonalModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    query = Query("u1", history=[Interaction("item-1", BEGIN), Interaction("item-7", BEGIN + 9)])
    assert model.rankers.trees is not None
    assert again.recommend(query, None, 20) == model.recommend(query, None, 20)
    assert sum(s.score or 0 for s in model.recommend(query, None, 500)) == pytest.approx(1.0, abs=1e-4)


def test_items_stand_where_users_take_them() -> None:
    """One user takes items 0, 1 and 2, one after the other; another one 2 and 3 together, then 1; nobody takes 4."""
    time = BEGIN + DAY * np.array([0, 1, 2, 0, 0, 1])
    statistics = standing(Rows(np.repeat([0, 1], 3), np.array([0, 1, 2, 2, 3, 1]), time, np.ones(6), np.arange(6), 5))
    newest, progress, baskets = statistics
    assert newest[1] == newest[2] > newest[4] > newest[3] > newest[0]
    assert progress[1] > progress[2] > progress[3] == progress[0]
    usual = (np.log(3) + np.log(2)) / 2
    assert baskets[4] == pytest.approx(usual)
    assert baskets[0] == pytest.approx((np.log(3) + 3 * usual) / 4)


def test_training_twice_gives_the_same_model_and_both_recipes_of_a_drop_one_ranker(
    world: Snapshot, model: PersonalModel
) -> None:
    shared = SharedCounts()
    again, other = (
        train(f"aws-{name}", world, TrainingConfig(), shared).model
        for name in ("user-personalization", "personalized-ranking")
    )
    query = Query("u1", history=[Interaction("item-1", BEGIN)])
    assert again.recommend(query, None, 25) == model.recommend(query, None, 25)
    assert isinstance(other, PersonalModel)
    assert other.rankers.trees is not None
    assert model.rankers.trees is not None
    assert np.array_equal(other.rankers.trees.value, model.rankers.trees.value)


ODD: dict[str, list[Row]] = {
    "one instant": [(f"u{n % 50}", f"item-{n % 37}", BEGIN, "View") for n in range(1200)],
    "one item": [(f"u{n % 50}", "item-1", BEGIN + n, "View") for n in range(1200)],
    "a bot": [("bot" if n % 10 else f"u{n % 260}", f"item-{n * 7 % 41}", BEGIN + n, "View") for n in range(5000)],
    "a clock in the future": [(f"u{n % 50}", f"item-{n % 37}", 4_000_000_000 + n, "View") for n in range(1200)],
    "any script": [(f"u{n % 50}", "\u5546" * 250 + str(n % 9), BEGIN + n, "View") for n in range(1200)],
}


RECIPES = [
    USER,
    pytest.param("aws-personalized-ranking-v2", marks=pytest.mark.nightly),
    "aws-similar-items",
    "aws-trending-now",
]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("recipe", RECIPES)
def test_odd_data_trains_and_answers(tmp_path: Path, name: str, recipe: str) -> None:
    model = train(recipe, snapshot(tmp_path, ODD[name]), TrainingConfig()).model
    query = Query("u1", "item-1", [Interaction("item-1", BEGIN), Interaction("unheard-of", BEGIN)])
    least = 1 if len(model.item_ids) > 1 or recipe != "aws-similar-items" else 0  # an item is never like itself
    assert least <= len(model.recommend(query, None, 5)) <= 5
    assert [scored.item_id for scored in model.rank(query, ["unheard-of"])] == ["unheard-of"]


@pytest.mark.parametrize(("heavy", "upwards"), [(slice(0, 100), True), (slice(100, 200), False)])
def test_lists_teach_by_their_weight(heavy: slice, upwards: bool) -> None:
    """Half of the lists want the largest first feature, the others the smallest."""
    up, down, weight = lists(100), lists(100, seed=3), np.ones(200)
    weight[heavy] = 4.0
    features = np.concatenate((up.features, 1.0 - down.features))
    chosen, offset = np.concatenate((up.chosen, down.chosen)), np.zeros(2000)
    trees = boost(Lists(features, chosen, offset, np.arange(0, 2000, 10), weight), Plan())
    low, high = trees.predict(np.array([[0.02, 0.5], [0.98, 0.5]], np.float32)).tolist()
    assert (high > low) == upwards


@pytest.mark.parametrize(
    ("users", "size", "baskets"), [(900, 8.0, 1_700), (900, 2.0, 5_000), (6_000, 2.0, 9_000), (10**6, 1.0, 20_000)]
)
def test_it_takes_more_of_small_baskets_to_learn(users: int, size: float, baskets: int) -> None:
    assert enough(users, baskets, int(size * baskets))
    assert not enough(users, baskets - 1, int(size * (baskets - 1)))


def test_one_user_alone_judges_no_ranker() -> None:
    """Nobody else is left to learn from, or to judge what others teach."""
    features, wanted = np.random.default_rng(1).random((80, 40, 2)).astype(np.float32), np.arange(40) == 7
    lists = [TrainingList(feature, np.zeros(40), wanted, 0) for feature in features]
    assert cross_fit(lists, np.zeros(80, np.intp)).trees is None


@pytest.mark.parametrize("even", [True, False])
def test_large_baskets_count_more_by_ndcg(even: bool) -> None:
    features, wanted = np.zeros((40, 2), np.float32), np.arange(40)
    single, ten = (TrainingList(features, np.zeros(40), wanted < n, 0) for n in (1, 10))
    light, heavy = sampled_lists([single, ten], even=even).weight.tolist()
    assert heavy / light == pytest.approx(1.0 if even else 10 / float(np.sum(1 / np.log2(np.arange(2, 12)))))
