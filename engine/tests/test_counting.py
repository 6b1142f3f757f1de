# SPDX-License-Identifier: Apache-2.0
"""Segments, trends and actions beside plain counting, on worlds where it is known what is to be found."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from personalize_local.data.records import Interaction
from personalize_local.recipes.actions import ActionModel
from personalize_local.recipes.base import Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.loading import load
from personalize_local.recipes.segments import AffinityModel
from personalize_local.recipes.training import train

from engine.tests.planted import BEGIN, Row, snapshot

HOUR, DAY = 3_600, 86_400
ITEM, KIND, TRENDING = "aws-item-affinity", "aws-item-attribute-affinity", "aws-trending-now"
ACTION = "aws-next-best-action"
KINDS = [(f"i{n}", f"kind-{n // 10}") for n in range(40)]


def segments(folder: Path, recipe: str, rows: list[Row]) -> AffinityModel:
    model = train(recipe, snapshot(folder, rows, items=KINDS), TrainingConfig()).model
    assert isinstance(model, AffinityModel)
    return model


def staples(random: np.random.Generator, days: range) -> list[Row]:
    """Each of 300 users buys three staples at a pace of their own, after day 120 others, and now and then anything."""
    fixed = np.random.default_rng(1)
    pace, staple = fixed.lognormal(np.log(0.06), 0.8, 300), fixed.integers(40, size=(2, 300, 3))
    rows: list[Row] = []
    for day in days:
        for user in np.flatnonzero(random.random(300) < pace).tolist():
            item = (
                int(staple[int(day > 120), user, random.integers(3)])
                if random.random() < 0.8
                else int(random.integers(40))
            )
            rows.append((f"u{user}", f"i{item}", BEGIN + day * DAY + int(random.integers(DAY)), "Purchase"))
    return rows


@pytest.mark.parametrize("recipe", [ITEM, KIND])
def test_segments_find_more_than_counting_where_tastes_change(tmp_path: Path, recipe: str) -> None:
    random = np.random.default_rng(2)
    past, after = staples(random, range(200)), staples(random, range(200, 228))
    model = segments(tmp_path, recipe, past)
    users = model.user_ids.tolist()
    groups = (
        [[f"i{n}"] for n in range(40)]
        if recipe == ITEM
        else [[f"i{n}" for n in range(k, k + 10)] for k in (0, 10, 20, 30)]
    )
    ours, often = [], []
    for group in groups:
        buyers = {row[0] for row in after if row[1] in group}
        bought = Counter(row[0] for row in past if row[1] in group)
        counts = [bought[user] for user in users]
        named = model.segment(model.of_items(np.isin(model.item_ids, group)), None, 10)
        ours.append(len(buyers.intersection(named)))
        often.append(
            len(buyers.intersection(users[user] for user in np.argsort(-np.array(counts), kind="stable")[:10]))
        )
    assert np.mean(ours) > np.mean(often)


def test_an_amount_counts_and_not_a_share(tmp_path: Path) -> None:
    """One buys tea ten times among much else, the other twice and nothing else."""
    rows: list[Row] = [("much", f"i{n % 40}", BEGIN + n * HOUR, "Purchase") for n in range(400)]
    rows += [("little", "i3", BEGIN + n * 100 * HOUR, "Purchase") for n in range(2)]
    rows += [(f"u{n % 60}", f"i{n % 7 + 10}", BEGIN + n * HOUR, "Purchase") for n in range(900)]
    model = segments(tmp_path, KIND, rows)
    assert model.segment(model.of_item("i3"), None, 2) == ["much", "little"]


def test_who_likes_what_goes_with_an_item_comes_after_those_who_have_it(tmp_path: Path) -> None:
    rows: list[Row] = [
        (f"u{user}", f"i{item}", BEGIN + user, "View") for user in range(60) for item in range(10) if item != user % 10
    ]
    rows += [(f"v{user}", f"i{item}", BEGIN + user, "View") for user in range(60) for item in range(20, 30)]
    model = segments(tmp_path, ITEM, rows)
    segment = model.segment(model.of_item("i3"), None, 70)
    assert {user[0] for user in segment} == {"u"}
    assert {user for user in segment[:54] if int(user[1:]) % 10 == 3} == set()
    assert len(segment) == 60


def test_segments_survive_saving_and_forget_users(tmp_path: Path) -> None:
    model = segments(tmp_path, ITEM, staples(np.random.default_rng(3), range(100)))
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert isinstance(loaded, AffinityModel)
    before = model.segment(model.of_item("i5"), None, 20)
    assert loaded.segment(loaded.of_item("i5"), None, 20) == before
    without = loaded.without_users({before[0], before[1]})
    assert without.segment(without.of_item("i5"), None, 20)[:5] == before[2:7]


CLICKS: dict[str, Callable[[int], Row]] = {
    "one user": lambda n: ("only", f"i{n % 9}", BEGIN + n * HOUR, "View"),
    "one item": lambda n: (f"u{n % 90}", "i1", BEGIN + n * HOUR, "View"),
    "one moment": lambda n: (f"u{n // 9}", f"i{n % 9}", BEGIN, "View"),
    "one day": lambda n: (f"u{n % 90}", f"i{n % 9}", BEGIN + n * 60, "View"),
    "a date far ahead": lambda n: (f"u{n % 90}", f"i{n % 9}", BEGIN + (n * HOUR if n else 10**9), "View"),
    "an item that all have": lambda n: (f"u{n // 12}", f"i{n % 12 and n % 9}", BEGIN + n * HOUR, "View"),
    "an item for each click": lambda n: (f"u{n % 90}", f"i{n}", BEGIN + n * HOUR, "View"),
}


@pytest.mark.parametrize("world", CLICKS)
@pytest.mark.parametrize("recipe", [ITEM, KIND, TRENDING])
def test_odd_data_train_and_answer(tmp_path: Path, recipe: str, world: str) -> None:
    rows = [CLICKS[world](n) for n in range(1200)]
    kinds = [(f"i{n}", f"kind-{n}") for n in range(1200)]
    trained = train(recipe, snapshot(tmp_path, rows, items=kinds), TrainingConfig(minimum_users=1))
    assert np.isfinite(list(trained.metrics.values())).all()
    if isinstance(trained.model, AffinityModel):
        assert trained.model.segment(trained.model.of_item("i1"), None, 5)
    else:
        assert trained.model.recommend(Query(), None, 5)


def stream(seed: int, days: int = 8) -> list[tuple[int, int]]:
    """(item, second) of clicks on 100 items, by day and night; now and then one is hot for some hours."""
    random = np.random.default_rng(seed)
    base, heat = 40.0 / np.arange(1, 101), np.zeros(100)
    clicks = []
    for hour in range(24 * days):
        heat *= 0.8
        heat[random.integers(100, size=random.poisson(0.5))] = random.uniform(5, 20)
        light = 1.0 + 0.8 * np.sin(2 * np.pi * (hour - 9) / 24)
        for item in np.repeat(np.arange(100), random.poisson(light * (base + 0.5 * heat))).tolist():
            clicks.append((item, hour * HOUR + int(random.integers(HOUR))))
    return clicks


def calm(seed: int, days: int = 13) -> list[tuple[int, int]]:
    """(item, second) of clicks on 1500 items, by day and night; how much each is liked changes slowly."""
    random = np.random.default_rng(seed)
    liked, clicks = -0.8 * np.log(np.arange(1.0, 1501)), list[tuple[int, int]]()
    for hour in range(24 * days):
        liked += random.normal(0, 0.03, 1500)
        count = random.poisson(60 * (1.0 + 0.7 * np.sin(2 * np.pi * (hour - 9) / 24)))
        drawn = random.choice(1500, count, p=np.exp(liked) / np.exp(liked).sum())
        clicks += zip(drawn.tolist(), (hour * HOUR + random.integers(HOUR, size=count)).tolist(), strict=True)
    return clicks


@pytest.mark.parametrize(
    ("clicks", "frequency", "hours", "cuts"),
    [(stream(5), "2 hours", 2, range(120, 144, 2)), (calm(6), "1 day", 24, range(144, 312, 24))],
    ids=["bursts", "a few days"],
)
def test_trends_foretell_more_growth_than_popularity_does(
    tmp_path: Path, clicks: list[tuple[int, int]], frequency: str, hours: int, cuts: range
) -> None:
    """Of the 25 items named at each cut: their growth, and how many are most clicked in the next window."""
    all_clicks = np.array(clicks)
    items = int(all_clicks[:, 0].max()) + 1
    ours, rules = np.zeros(2), np.zeros((2, 2))
    config = TrainingConfig(hyperparameters={"trend_discovery_frequency": frequency})
    for cut in cuts:
        age = (cut * HOUR - 1 - all_clicks[:, 1]) // (hours * HOUR)
        following, now = (np.bincount(all_clicks[age == at, 0], minlength=items) for at in (-1, 0))
        past = all_clicks[age >= 0]
        rows: list[Row] = [
            (f"u{n % 99}", f"i{item}", BEGIN + second, "Click") for n, (item, second) in enumerate(past.tolist())
        ]
        folder = tmp_path / str(cut)
        folder.mkdir()
        model = train(TRENDING, snapshot(folder, rows), config).model
        listed = [int(scored.item_id[1:]) for scored in model.recommend(Query(), None, 25)]
        gained, most = np.maximum(following - now, 0), np.argsort(-following, kind="stable")[:25]
        for sums, named in (
            (ours, listed),
            (rules[0], np.argsort(-now, kind="stable")[:25]),
            (rules[1], np.argsort(-np.bincount(past[:, 0]), kind="stable")[:25]),
        ):
            sums[:] += (gained[named].sum() / np.sort(gained)[-25:].sum(), np.isin(most, named).sum())
    assert ours[0] > 1.05 * rules[:, 0].max()
    assert ours[1] > 0.9 * rules[0, 1]


@pytest.mark.parametrize("returns", [False, True], ids=["a season that ended", "shelves that are empty now and then"])
def test_what_nobody_took_in_the_last_window_trends_only_where_such_items_came_back(
    tmp_path: Path, returns: bool
) -> None:
    random, rows = np.random.default_rng(1), list[Row]()
    for day in range(30):
        mean = np.append(10 * np.arange(1.0, 41) ** -0.3, np.full(10, 20.0))
        mean[40:] *= random.random(10) > 0.25 if returns else 1.0
        mean[40:] *= day < 29
        for item in np.repeat(np.arange(50), random.poisson(mean)).tolist():
            rows.append((f"u{len(rows) % 99}", f"i{item}", BEGIN + day * 24 * HOUR + len(rows) % 86_000, "Purchase"))
    rows.append(("u1", "i0", BEGIN + 30 * 24 * HOUR - 1, "Purchase"))
    model = train(
        TRENDING, snapshot(tmp_path, rows), TrainingConfig(hyperparameters={"trend_discovery_frequency": "1 day"})
    ).model
    listed = [int(scored.item_id[1:]) for scored in model.recommend(Query(), None, 15)]
    assert sum(item >= 40 for item in listed) == (10 if returns else 0)


class Offers:
    """Four actions offered ten times to each of 600 users, of five teams; users differ beyond their teams."""

    def __init__(self, effect: float) -> None:
        random = np.random.default_rng(6)
        self.team, self.user = random.integers(5, size=600), np.repeat(np.arange(600), 12)
        odds = random.normal(-0.5, 0.8, 4) + effect * random.normal(0, 1, (5, 4))[self.team]
        odds += random.normal(0, 0.8, (600, 1))
        self.action = random.integers(4, size=len(self.user))
        self.took = random.random(len(self.user)) < 1 / (1 + np.exp(-odds[self.user, self.action]))
        self.new = self.user % 4 == 0
        self.trained = ~self.new & (np.arange(len(self.user)) % 12 < 9)

    def model(self, folder: Path) -> ActionModel:
        kinds = np.where(self.took, "TAKEN", "NOT_TAKEN")
        rows: list[Row] = [
            (f"u{self.user[n]}", f"a{self.action[n]}", BEGIN + n, kinds[n]) for n in np.flatnonzero(self.trained)
        ]
        users = [(f"u{n}", f"t{self.team[n]}") for n in sorted({*self.user[self.trained].tolist()})]
        model = train(ACTION, snapshot(folder, rows, users), TrainingConfig()).model
        assert isinstance(model, ActionModel)
        return model

    def losses(self, model: ActionModel, tested: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
        """Return the log-loss of the model, of each action's rate, and of two rates: the user's too."""
        took, action = self.took[self.trained], self.action[self.trained]
        rate = np.bincount(action, took, 4) / np.bincount(action, minlength=4)
        losses = np.zeros((3, int(tested.sum())))
        for position, n in enumerate(np.flatnonzero(tested).tolist()):
            past = np.flatnonzero(self.trained & (self.user == self.user[n])).tolist()
            history = [
                Interaction(f"a{self.action[at]}", BEGIN + at, "Taken" if self.took[at] else "Viewed") for at in past
            ]
            takes, expected = self.took[past].sum() + 2, rate[self.action[past]].sum() + 2
            odds = rate / (1 - rate) * takes / expected / ((len(past) + 4 - takes) / (len(past) + 4 - expected))
            chances = model.probabilities(history, {"TEAM": f"t{self.team[self.user[n]]}"}), rate, odds / (1 + odds)
            for row, chance in enumerate(chances):
                probability = chance[self.action[n]]
                losses[row, position] = -np.log(probability if self.took[n] else 1 - probability)
        ours, by_rate, by_both = losses.mean(axis=1).tolist()
        return ours, by_rate, by_both


def test_metadata_and_the_own_past_foretell_actions(tmp_path: Path) -> None:
    offers = Offers(effect=0.8)
    model = offers.model(tmp_path)
    ours, rate, _ = offers.losses(model, offers.new)
    assert ours < 0.98 * rate
    ours, rate, both = offers.losses(model, ~offers.new & ~offers.trained)
    assert ours < 0.98 * both < rate


def test_metadata_without_an_effect_do_no_harm(tmp_path: Path) -> None:
    offers = Offers(effect=0.0)
    model = offers.model(tmp_path)
    ours, rate, _ = offers.losses(model, offers.new)
    assert ours < 1.002 * rate
    ours, _, both = offers.losses(model, ~offers.new & ~offers.trained)
    assert ours < 1.002 * both


@pytest.mark.parametrize("world", CLICKS)
def test_odd_offers_train_and_answer(tmp_path: Path, world: str) -> None:
    rows = [(*CLICKS[world](n)[:3], "TAKEN" if n % 3 else "VIEWED") for n in range(1200)]
    users = [(f"u{n}", f"team-{n}") for n in range(90)]
    model = train(ACTION, snapshot(tmp_path, rows, users), TrainingConfig()).model
    history = [Interaction("i1", BEGIN + n, "Taken") for n in range(100_000)]
    scores = [
        scored.score for scored in model.recommend(Query("u1", history=history, user={"TEAM": "team-1"}), None, 5)
    ]
    assert all(score is not None and 0.0 <= score <= 1.0 for score in scores)
    assert scores
