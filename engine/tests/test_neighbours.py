# SPDX-License-Identifier: Apache-2.0
"""Similar-Items and SIMS beside what was planted: an order where there is one, none where there is none."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common.cooccurrence import Shared
from personalize_local.recipes.common.rows import training_rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.related.distinctness import Distinctness, bound, of_cosine
from personalize_local.recipes.related.model import ListModel
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
    return [[int(scored.item_id.split("-")[1]) for scored in model.recommend(query, None, limit)] for query in queries]


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
        assert {item // 3 for item in answer} == {n // 3}


def test_equal_data_give_equal_lists(tmp_path: Path) -> None:
    world = chains(tmp_path)
    assert answers(fitted(SIMILAR, world), 20) == answers(fitted(SIMILAR, world), 20)


def themes(tmp_path: Path, *, popular: float, users: int = 400, items: Sequence[Row] = ()) -> Snapshot:
    """Visits of three of the six items of one of ten themes; this share of the visits has item 100, too."""
    random, rows = np.random.default_rng(3), list[Row]()
    for user in range(users):
        for visit in range(2):
            theme = int(random.integers(10))
            names = [f"item-{6 * theme + int(n)}" for n in random.choice(6, 3, replace=False)]
            names += ["item-100"] * int(random.random() < popular)
            rows += [(f"u{user}", name, BEGIN + user * 3000 + visit * 86_400, "View") for name in names]
    return snapshot(tmp_path, rows, items=items)


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
@pytest.mark.parametrize("popular", [0.9, 0.5])
def test_what_everybody_takes_anyway_is_nobodys_relation(tmp_path: Path, recipe: str, popular: float) -> None:
    lists = answers(fitted(recipe, themes(tmp_path, popular=popular)), 5)
    assert sum(100 in answer for answer in lists) <= 0.05 * ITEMS
    assert np.mean([item // 6 == n // 6 for n, answer in enumerate(lists) for item in answer]) > 0.95


def test_a_discount_of_popularity_shows_less_of_what_is_popular_and_related(tmp_path: Path) -> None:
    random, rows = np.random.default_rng(3), list[Row]()
    for user in range(800):
        theme = int(random.integers(10))
        names = [f"item-{6 * theme + int(n)}" for n in random.choice(6, 3, replace=False)]
        names += ["item-100"] * int(random.random() < (0.6 if theme < 5 else 0.1))
        rows += [(f"u{user}", name, BEGIN + user * 3000, "View") for name in names]
    world = snapshot(tmp_path, rows)
    usual, discounted = (
        [answer.index(100) for answer in answers(fitted(SIMS, world, popularity_discount_factor=factor), 60)[:30]]
        for factor in ("0.0", "1.0")
    )
    assert np.mean(discounted) > np.mean(usual) + 1


def test_what_sells_lately_is_nobodys_relation(tmp_path: Path) -> None:
    random, rows = np.random.default_rng(4), list[Row]()
    for user in range(300):
        for week in range(int(random.integers(4)), 20, 4):
            item = week // 5 if random.random() < 0.6 else int(random.integers(ITEMS))
            rows.append((f"u{user}", f"item-{item}", BEGIN + week * 7 * 86_400 + user * 900, "View"))
    model = fitted(SIMILAR, snapshot(tmp_path, rows))
    assert isinstance(model, ListModel)
    related = [model.related(Query(item_id=f"item-{n}")) for n in range(4, ITEMS)]
    last = model.item_ids.tolist().index("item-3")
    assert np.mean([mask[last] for mask in related]) < 0.2


def test_a_category_that_all_items_have_relates_none_and_one_of_some_relates_them(tmp_path: Path) -> None:
    categories = ("all", "all|theme {}")
    worlds = ([(f"item-{n}", category.format(n // 6)) for n in range(ITEMS + 20)] for category in categories)
    sold_alone, both = (fitted(SIMILAR, themes(tmp_path, popular=0.0, items=items)) for items in worlds)
    assert isinstance(sold_alone, ListModel)
    assert isinstance(both, ListModel)
    assert sold_alone.related(Query(item_id="item-0")).sum() < ITEMS / 2
    assert both.related(Query(item_id="item-0")).sum() >= 5


def test_lists_hardly_change_with_a_tenth_of_the_users(tmp_path: Path) -> None:
    world = themes(tmp_path, popular=0.3)
    whole = answers(fitted(SIMILAR, world), 5)
    part = answers(fitted(SIMILAR, themes(tmp_path, popular=0.3, users=360)), 5)
    assert np.mean([len({*left} & {*other}) / 5 for left, other in zip(whole, part, strict=True)]) >= 0.8


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
def test_a_shop_that_sells_one_item_a_day_is_answered(tmp_path: Path, recipe: str) -> None:
    rows = [(f"u{n % 40}", f"item-{n % ITEMS}", BEGIN + n * 86_400, "Purchase") for n in range(1_000)]
    lists = answers(fitted(recipe, snapshot(tmp_path, rows)), 10)
    assert all(len(answer) == 10 and n not in answer for n, answer in enumerate(lists))


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
def test_where_nearly_everybody_took_one_item_no_relation_is_made_up(tmp_path: Path, recipe: str) -> None:
    once = [(f"u{n}", f"item-{n % ITEMS}", BEGIN + n * 60, "View") for n in range(2_000)]
    again = [(f"v{n}", f"item-{n % 30}", BEGIN + n * 60 + 9_000 * k, "View") for n in range(30) for k in (0, 1)]
    model = fitted(recipe, snapshot(tmp_path, [*once, *again]))
    assert isinstance(model, ListModel)
    assert not any(model.related(Query(item_id=f"item-{n}")).any() for n in range(ITEMS))
    assert all(len(answer) == 10 for answer in answers(model, 10))


def test_of_clicks_related_best_sellers_take_nothing_from_all_other_items(tmp_path: Path) -> None:
    """Users click on by kind, where what sells is likelier: how often, beyond chance, do the first ten come next?"""
    random, rows, users, items, kinds = np.random.default_rng(8), list[Row](), 4000, 1500, 40
    kind, popular = random.integers(kinds, size=items), random.permutation(np.arange(1.0, items + 1) ** -0.9)
    popular /= popular.sum()
    same = (kind[:, None] == kind) * popular
    step = 0.5 * same / same.sum(axis=1, keepdims=True) + 0.5 * popular
    for user in range(users):
        item = int(random.choice(items, p=popular))
        for click in range(5):
            rows.append(
                (f"u{user}", f"item-{item}", BEGIN + 9 * 86_400 * user // users + 60 * click + user % 7, "View")
            )
            item = int(random.choice(items, p=step[item]))
    world = snapshot(tmp_path, rows)
    model = fitted(SIMS, world)
    ids = {name: int(name.split("-")[1]) for name in world.items.tolist()}
    taken = training_rows(world, TrainingConfig())
    numbers = np.array([*ids.values()])
    counts = Shared(taken.user, taken)
    takers = np.bincount(taken.once().item, minlength=taken.items)
    often = np.flatnonzero(takers >= 5)
    plain = of_cosine(counts[often], takers.astype(float), often)
    worth = np.zeros(2)
    for scores, item in zip(plain, often.tolist(), strict=True):
        listed = [ids[scored.item_id] for scored in model.recommend(Query(item_id=world.items[item]), None, 10)]
        for rule, first in enumerate((listed, numbers[np.argsort(-scores, kind="stable")[:10]])):
            worth[rule] += (step[numbers[item]] - popular)[first].sum()
    assert worth[0] > 1.24 * worth[1]  # a discount of all items alike reaches 1.22


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
def test_two_ids_of_one_product_have_the_same_neighbours_and_each_other(tmp_path: Path, recipe: str) -> None:
    """A visit takes either id at random: each of the product's six neighbours is listed, and the other id."""
    random, rows = np.random.default_rng(6), list[Row]()
    for user in range(400):
        for visit in range(4):
            theme = user % 10 if random.random() < 0.7 else int(random.integers(10))
            items = 6 * theme + random.choice(6, 3, replace=False)
            items = np.where((items == 0) & (random.random(3) < 0.5), 100, items)
            rows += [(f"u{user}", f"item-{n}", BEGIN + user * 3000 + visit * 86_400, "View") for n in items.tolist()]
    model = fitted(recipe, snapshot(tmp_path, rows))
    for item, other in ((0, 100), (100, 0)):
        listed = [scored.item_id for scored in model.recommend(Query(item_id=f"item-{item}"), None, 6)]
        assert {*listed} == {f"item-{n}" for n in (other, 1, 2, 3, 4, 5)}
    both = [scored.item_id for scored in model.recommend(Query(item_id="item-1"), None, 6)]
    assert {"item-0", "item-100"} <= {*both}


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
@pytest.mark.parametrize("weeks", [range(19, 20), range(12, 19)])
def test_a_best_seller_of_last_week_and_a_season_that_ended_are_not_in_every_list(
    tmp_path: Path, recipe: str, weeks: range
) -> None:
    random, rows = np.random.default_rng(7), list[Row]()
    for user in range(400):
        for week in sorted(random.choice(20, 4, replace=False).tolist()):
            theme = int(random.integers(10))
            names = [f"item-{6 * theme + int(n)}" for n in random.choice(6, 3, replace=False)]
            names += ["item-100"] * (week in weeks and random.random() < 0.9)
            rows += [(f"u{user}", name, BEGIN + week * 7 * 86_400 + user * 900, "View") for name in names]
    lists = answers(fitted(recipe, snapshot(tmp_path, rows)), 5)
    assert sum(100 in answer for answer in lists) <= 0.1 * ITEMS
    assert np.mean([item // 6 == n // 6 for n, answer in enumerate(lists) for item in answer]) > 0.95


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
def test_two_hundred_users_are_enough_to_tell_what_goes_together(tmp_path: Path, recipe: str) -> None:
    lists = answers(fitted(recipe, themes(tmp_path, popular=0.9, users=200)), 5)
    assert sum(100 in answer for answer in lists) <= 0.05 * ITEMS
    assert np.mean([item // 6 == n // 6 for n, answer in enumerate(lists) for item in answer]) > 0.9


@given(st.integers(12, 60), st.integers(2, 30), st.integers(0, 10_000))
def test_figures_of_lists_are_shares_and_equal_lists_overlap_whole(items: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    popular = random.integers(1, 100, items).astype(float)
    drawn = [random.permutation(items)[:10] for _ in range(count)]
    for figures in (Distinctness.of(drawn, 10, popular), Distinctness.of(drawn[:1] * count, 10, popular)):
        assert min(figures.overlap, figures.best_sellers, figures.coverage) >= 0
        assert max(figures.overlap, figures.best_sellers, figures.coverage) <= 1
        assert figures.is_enough(figures)
    assert figures.overlap == pytest.approx(1.0)
    assert figures.coverage == pytest.approx(10 / items)


def test_lists_of_chance_do_not_overlap_and_bounds_never_exceed_the_most(tmp_path: Path) -> None:
    del tmp_path
    random = np.random.default_rng(5)
    drawn = [random.permutation(500)[:10] for _ in range(300)]
    assert Distinctness.of(drawn, 10, np.ones(500)).overlap < 0.003
    assert [bound(plain) for plain in (0.0, 0.2, 0.28, 0.5)] == [0.02, 0.24, 0.3, 0.5]
