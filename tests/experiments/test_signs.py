# SPDX-License-Identifier: Apache-2.0
"""The sign test per user: when it decides, what it tells, and how often it is wrong."""

import numpy as np
import pytest
from personalization.experiments.statistics import signs
from personalization.experiments.statistics.signs import Preferred, Signs
from scipy import stats

from benchmarks.interleavings import shares, world


def after(*weekly: tuple[int, int], weeks: int = 4) -> Preferred:
    """What is known after some weeks: of users who prefer one, who all stay with it, and of those who prefer B."""
    looks, before = list[tuple[int, Signs]](), 0
    for week, (users, for_variant) in enumerate(weekly, 1):
        looks.append((week, Signs(users=users, for_variant=for_variant, before=before, shared=before)))
        before = users
    return signs.judge(looks, weeks)


def test_the_bounds_of_equal_weeks_are_those_of_any_experiment() -> None:
    told = after((100, 50), (200, 101), (300, 149), (400, 200))
    assert [round(look.bound, 2) for look in told.looks] == [4.33, 2.96, 2.36, 2.01]
    assert (told.outcome, told.ended) == ("open", True)


def test_a_clear_preference_ends_it_early_and_is_told_smaller_than_it_looks() -> None:
    told = after((200, 140), (400, 260))
    assert [look.week for look in told.looks] == [1]
    assert told.outcome == "variant"
    assert told.share is not None
    assert 0.5 < told.share < 0.7
    assert told.interval is not None
    assert told.interval[0] > 0.5
    assert after((200, 60)).outcome == "control"


def test_one_look_is_the_exact_test_of_coins() -> None:
    for users in (60, 99, 400):
        for more in range(users // 2, users):
            told = after((users, more), weeks=1)
            chance = stats.binomtest(more, users).pvalue
            if abs(chance - 0.05) > 0.004:
                assert (told.outcome == "variant") == (chance < 0.05), (users, more)
            assert told.interval is not None
            assert (told.outcome == "open") == (told.interval[0] <= 0.5 <= told.interval[1])


def test_few_preferences_and_a_week_without_news_spend_nothing() -> None:
    assert after((49, 49)).looks == ()
    assert [look.week for look in after((100, 60), (100, 60), (150, 80)).looks] == [1, 3]


def test_users_who_change_their_minds_make_two_looks_less_alike() -> None:
    first = Signs(users=200, for_variant=100)
    later = (Signs(users=200, for_variant=100, before=200, shared=number) for number in (196, 0))
    stays, changes = (signs.judge([(1, first), (2, second)], 2) for second in later)
    assert len(stays.looks) == len(changes.looks) == 2
    assert changes.looks[1].bound > stays.looks[1].bound


def test_the_least_preference_is_found_in_four_of_five() -> None:
    share, rng = signs.least(400, 4), np.random.default_rng(1)
    assert share is not None
    assert share == pytest.approx(0.572, abs=0.002)
    winners = 0
    for _ in range(150):
        users = rng.random(400) < share
        winners += after(*((end, int(users[:end].sum())) for end in (100, 200, 300, 400))).outcome == "variant"
    assert 0.7 < winners / 150 < 0.9
    assert signs.least(49, 4) is None


def test_a_made_up_shop_finds_the_better_ranker_and_none_where_both_are_alike() -> None:
    alike = shares([world(300, (1.0, 1.0), seed) for seed in range(3)], 100, planted=False)
    better = shares([world(300, (2.5, 0.5), seed) for seed in range(3)], 40, planted=True)
    assert alike.interleaved <= 0.12
    assert better.interleaved > 0.8
    assert better.times[0] > 1.5
