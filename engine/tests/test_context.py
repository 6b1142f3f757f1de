# SPDX-License-Identifier: Apache-2.0
"""Season, region and people alike: another moment or place gets another answer where data say so."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from personalize_local.data.records import Interaction
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common.rows import Rows
from personalize_local.recipes.common.topk import Scored
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.popularity.model import GroupPopularity
from personalize_local.recipes.popularity.training import Timeline, at_the_end, fit_ranker, fit_shares
from personalize_local.recipes.training import train

from engine.tests.planted import Row, snapshot

USER = "aws-user-personalization"
DAY = 86_400
QUIET = {"explorationWeight": 0.0}
WINTER, SUMMER = ({f"{season}-{n}" for n in range(8)} for season in ("winter", "summer"))


def moment(year: int, month: int, day: int = 10) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def seasonal(years: int, users: int = 60) -> list[Row]:
    """Everybody buys every month: winter things from October to March, summer things in the other months."""
    random = np.random.default_rng(4)
    rows: list[Row] = []
    for year in range(2020, 2020 + years):
        for month in range(1, 13):
            kind = "summer" if 4 <= month <= 9 else "winter"
            for user in range(users):
                item = f"{kind}-{int(random.integers(8))}"
                rows.append((f"u{user}", item, moment(year, month, 1 + user % 27) + user, "Purchase"))
    return rows


def regional() -> list[Row]:
    """People who are on two devices choose other things on each, whatever they chose before."""
    random = np.random.default_rng(5)
    return [
        (f"u{user}", f"{device}-{int(random.integers(8))}", moment(2023, 1) + step * DAY + user, "View", 1.0, device)
        for user in range(100)
        for step in range(16)
        for device in [("north", "south")[int(random.integers(2))]]
    ]


@pytest.fixture(scope="module")
def two_years(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return trained(snapshot(tmp_path_factory.mktemp("seasons"), seasonal(2)))


@pytest.fixture(scope="module")
def two_regions(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return trained(snapshot(tmp_path_factory.mktemp("regions"), regional()))


def trained(world: Snapshot) -> Model:
    return train(USER, world, TrainingConfig()).model


def top(model: Model, query: Query, limit: int = 5) -> set[str]:
    recommended: list[Scored] = model.recommend(query, None, limit)
    return {scored.item_id for scored in recommended}


def query_after(now: int, *items: str) -> Query:
    history = [Interaction(item, moment(2021, 12, 20) + position) for position, item in enumerate(items)]
    return Query("u1", history=history, now=now, exploration=QUIET)


@pytest.mark.parametrize("history", [(), ("winter-1", "summer-2", "winter-3", "summer-4")])
def test_the_same_shopper_gets_other_items_in_june_than_in_december(two_years: Model, history: tuple[str, ...]) -> None:
    assert top(two_years, query_after(moment(2022, 6), *history)) <= SUMMER
    assert top(two_years, query_after(moment(2021, 12, 31), *history)) <= WINTER


def test_long_after_the_data_the_season_is_that_of_the_data(two_years: Model) -> None:
    assert top(two_years, query_after(moment(2031, 6))) == top(two_years, query_after(moment(2021, 12, 31)))


def test_one_year_says_nothing_of_seasons(tmp_path: Path) -> None:
    model = trained(snapshot(tmp_path, seasonal(1, users=90)))
    june, january = (top(model, query_after(now, "winter-1", "summer-2")) for now in (moment(2021, 6), moment(2021, 1)))
    assert june == january


@pytest.mark.parametrize("items", [(), ("north-1", "south-2", "north-3")])
def test_the_same_shopper_gets_other_items_in_another_region(two_regions: Model, items: tuple[str, ...]) -> None:
    history = [Interaction(item, moment(2023, 2) + position) for position, item in enumerate(items)]
    for region in ("north", "south"):
        best = top(two_regions, Query("u1", history=history, context={"DEVICE": region}, exploration=QUIET))
        of_region = {item for item in best if item.startswith(region)}
        assert len(of_region) > len(best - of_region)
        assert items or of_region == best


def test_a_region_that_nobody_knows_changes_nothing(two_regions: Model) -> None:
    plain = Query(exploration=QUIET)
    assert top(two_regions, Query(context={"DEVICE": "moon"}, exploration=QUIET)) == top(two_regions, plain)


def counted(times: list[int], items: list[int], users: list[int], groups: list[str]) -> GroupPopularity:
    user, item, time = np.array(users), np.array(items), np.array(times)
    rows = Rows(user, item, time, np.ones(len(times)), np.arange(len(times)), 4)
    countries, country = np.unique(groups, return_inverse=True)
    codes, spans = (np.arange(len(times)), country), np.array([[0, len(countries)]])
    return at_the_end(Timeline(rows, codes, spans, 0), 4, np.zeros(4))


def test_counts_that_move_through_time_are_those_of_one_pass() -> None:
    random = np.random.default_rng(3)
    times = sorted(random.integers(0, 400 * DAY, 60).tolist())
    items, users = random.integers(0, 4, 60), np.sort(random.integers(0, 9, 60))
    rows = Rows(users, items, np.array(times), np.ones(60), np.arange(60), 4)
    line = Timeline(rows, (np.arange(60), items % 2), np.array([[0, 2]]), 0)
    steps = line.start(4, np.zeros(4))
    for begin, end in ((0, 20), (20, 21), (21, 60)):
        steps = line.moved(steps, begin, end, float(times[end - 1] + 1))
    once = at_the_end(line, 4, np.zeros(4))
    for name, array in once.arrays().items():
        assert steps.arrays()[name] == pytest.approx(array, rel=1e-5, abs=1e-6)


def test_what_a_country_takes_counts_more_there_and_little_evidence_counts_little() -> None:
    times, items = list(range(40)), [0] * 30 + [1] * 10
    popularity = counted(times, items, list(range(40)), ["uk"] * 30 + ["fr"] * 10)
    everywhere, french = popularity.base([]), popularity.base([0])
    assert french[1] > everywhere[1]
    assert french.sum() == pytest.approx(1.0)
    few = counted(times[:31], items[:31], list(range(31)), ["uk"] * 30 + ["fr"])
    assert few.base([0])[0] > few.base([0])[1]


def test_where_most_are_at_home_the_rare_countries_are_like_each_other() -> None:
    times, items = list(range(1000)), [0] * 800 + [1] * 199 + [2]
    popularity = counted(times, items, times, ["uk"] * 800 + ["fr"] * 100 + ["de"] * 99 + ["es"])
    everywhere, spanish, british = (popularity.base(codes) for codes in ([], [1], [3]))
    assert everywhere[0] > everywhere[1]
    assert spanish[1] > spanish[0]
    assert british.tolist() == everywhere.tolist()


def newcomers(lasting: bool) -> GroupPopularity:
    """Newcomers of a year; there is a hit of the time, which is always the same shape if it is not `lasting`."""
    random = np.random.default_rng(6)
    days = np.repeat(np.arange(365), 4)
    hit = (np.arange(365) // (1 if not lasting else 60)) % 40
    items = np.where(random.random(len(days)) < 0.7, hit[days], random.integers(40, size=len(days)))
    if not lasting:
        items = np.where(random.random(len(days)) < 0.5, random.permutation(40)[hit[days]], items)
    users = np.arange(len(days))
    rows = Rows(users, items, days * DAY + users % 4, np.ones(len(days)), users, 40)
    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    line = Timeline(rows, nothing, np.zeros((0, 2), np.int64), 0)
    return at_the_end(line, 40, np.zeros(40), fit_shares(line, 40, np.zeros(40)))


def test_newcomers_of_the_past_decide_how_much_the_newest_days_count() -> None:
    fast, slow = newcomers(lasting=True), newcomers(lasting=False)
    assert fast.strangers.sum() == pytest.approx(1.0)
    assert fast.strangers[-2:].sum() < 0.2 < slow.strangers[-2:].sum()
    hit = (364 // 60) % 40
    assert int(np.argmax(fast.base([]))) == hit


def test_what_sold_in_the_same_weeks_a_year_ago_sells_again() -> None:
    """A week's item is taken in that week of each year; the next week's is unknown to what sells lately."""
    days = np.repeat(np.arange(2 * 365), 4)
    items, users = (days % 365) // 7 % 40, np.arange(len(days))
    rows = Rows(users, items, days * DAY + users % 4, np.ones(len(days)), users, 40)
    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    line = Timeline(rows, nothing, np.zeros((0, 2), np.int64), 0)
    popularity = at_the_end(line, 40, np.zeros(40), fit_shares(line, 40, np.zeros(40)))
    assert popularity.strangers[-1] > 0.2
    assert {0, 1} <= {*np.argsort(-popularity.base([]))[:6].tolist()}
    assert GroupPopularity.from_arrays(popularity.arrays()).base([]).sum() == pytest.approx(1.0)


def test_a_large_shop_without_anybody_new_for_long_is_counted_without_trees() -> None:
    """Of many interactions the newest two million are counted, and none of them is anybody's first."""
    people, events = 100, 26_000
    users, times = np.repeat(np.arange(people), events), np.tile(np.arange(events) * 60, people)
    rows = Rows(users, times // 60 % 7, times, np.ones(len(times)), np.arange(len(times)), 7)
    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    line = Timeline(rows, nothing, np.zeros((0, 2), np.int64), 0)
    assert fit_ranker(line, 7, np.zeros(7), fit_shares(line, 7, np.zeros(7))) is None


def test_values_that_say_different_things_are_multiplied_where_newcomers_took_so() -> None:
    random = np.random.default_rng(7)
    count = 3000
    age, town = random.integers(4, size=count), random.integers(4, size=count)
    lift = np.exp(random.normal(0, 1.2, (4, 1, 30)) + random.normal(0, 1.2, (1, 4, 30)))
    chance = lift / lift.sum(axis=2, keepdims=True)
    items = np.array([random.choice(30, p=chance[a, b]) for a, b in zip(age, town, strict=True)])
    rows = Rows(np.arange(count), items, np.sort(random.integers(365 * DAY, size=count)), np.ones(count), items, 30)
    codes = (np.repeat(np.arange(count), 2), np.stack((age, 4 + town), axis=1).ravel())
    line = Timeline(rows, codes, np.array([[0, 4], [4, 8]]), 0)
    usual = at_the_end(line, 30, np.zeros(30))
    fitted = at_the_end(line, 30, np.zeros(30), fit_shares(line, 30, np.zeros(30)))

    def gain(popularity: GroupPopularity) -> float:
        return float(np.mean([np.log(popularity.base([a, 4 + b])) @ chance[a, b] for a in range(4) for b in range(4)]))

    assert gain(fitted) > gain(usual) + 0.02
