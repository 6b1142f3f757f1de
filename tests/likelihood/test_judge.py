# SPDX-License-Identifier: Apache-2.0
"""Populations of an evaluation: no user or item is in them because of later events."""

import numpy as np
import numpy.typing as npt
import pytest
from personalization.likelihood.histories import History

from benchmarks.likelihood import populations
from benchmarks.likelihood.known_users import judge_known_users
from benchmarks.likelihood.models import HORIZON, Plan
from benchmarks.likelihood.strangers import Strangers, newcomers, strangers
from tests.likelihood import worlds

DAY = 86_400

WEEK = HORIZON * DAY
AT = worlds.START + 8 * WEEK


@pytest.fixture(scope="module")
def whole() -> History:
    """Return a shop's history with a late user, a late item, and a user who only views."""
    late = [
        ("late", "i1", "View", AT + 60),
        ("late", "i1", "Purchase", AT + DAY),
        ("late", "i3", "Purchase", AT + 9 * DAY),
        ("buyer", "i1", "Purchase", AT + 60),
        ("looks", "i1", "View", AT - DAY),
        ("u1", "i-late", "Purchase", AT + 60),
    ]
    return worlds.history([*worlds.rows(), *late])


def names_of(whole: History, users: npt.NDArray[np.int64]) -> list[str]:
    """Return the ids of users."""
    return [whole.users[int(code)] for code in users]


def test_a_past_has_nothing_of_later_and_nobody_who_was_taken_out(whole: History) -> None:
    out = populations.taken_out(whole, 0.25, 1)
    given = populations.past(whole, AT, ~out)
    assert given.history.time.max() < AT
    names = set(given.history.users)
    assert names.isdisjoint({"late", "buyer", *names_of(whole, np.flatnonzero(out))})
    assert "i-late" not in given.history.items
    assert names_of(whole, given.users) == list(given.history.users)
    rows = ~out[whole.user] & (whole.time < AT)
    assert len(given.history.time) == rows.sum()


def test_strangers_are_drawn_from_those_seen_before_whether_or_not_they_buy(whole: History) -> None:
    seen = set(names_of(whole, np.flatnonzero(populations.seen_before(whole, AT))))
    assert "looks" in seen
    assert seen.isdisjoint({"late", "buyer"})


def test_a_newcomer_comes_in_the_window_and_looks_before_they_buy(whole: History) -> None:
    users = populations.newcomers(whole, AT, HORIZON)
    assert names_of(whole, users) == ["late"]


def test_windows_are_the_newest_and_those_for_choices_lie_before_them(whole: History) -> None:
    judged = populations.starts(whole, HORIZON, 3)
    chosen = populations.starts(whole, HORIZON, 3, later=3)
    assert judged[-1] + WEEK == whole.end + 1
    assert chosen[-1] + WEEK == judged[0]


def test_the_plain_rule_is_the_share_of_users_who_bought(whole: History) -> None:
    given = populations.past(whole, AT, np.ones(len(whole.users), dtype=bool))
    predicted = populations.recent_share(whole, given, HORIZON, 4).sum() * len(given.users)
    happened = np.mean([populations.pairs_bought(whole, AT - n * WEEK, AT - (n - 1) * WEEK) for n in range(1, 5)])
    assert predicted == pytest.approx(happened, rel=0.1)


def test_predictions_of_an_eightieth_of_the_purchases_are_seen() -> None:
    label = np.zeros((50, 200), dtype=bool)
    label[:, :8] = True
    sums = Strangers(1, 50)
    sums.add(0, np.arange(50), np.where(label, 0.0125, 0.0), label)
    assert (sums.best.pooled, sums.every.pooled) == pytest.approx((1 / 80, 1 / 80))


def test_a_users_attributes_count_where_they_decide(whole: History) -> None:
    """Half of the users, those of one age, love fruit, and the other half tools."""
    said: list[str] = []
    strangers(whole, Plan(windows=2, draws=1, attributes_decide=True), said.append)
    (against_model,) = (line for line in said if "log-loss below the model" in line)
    assert against_model.startswith("  pass")
    given = populations.past(whole, AT, np.ones(len(whole.users), dtype=bool))
    lift = populations.lifts(given.history, 5.0)["AGE"]
    ages, fruit = given.history.group_names["AGE"], given.history.items.index("i2")
    assert lift[ages.index("18-24"), fruit] > 1.2
    assert lift[ages.index("65+"), fruit] < 0.8
    assert lift[-1, fruit] == 1.0


def test_a_judge_says_of_each_target_whether_it_is_reached(whole: History) -> None:
    said: list[str] = []
    plan = Plan(windows=1, later=0, draws=1)
    strangers(whole, plan, said.append)
    newcomers(whole, plan, said.append)
    judge_known_users(whole, plan, said.append)
    verdicts = [line for line in said if line[:7] in {"  pass ", "  FAIL "}]
    assert len(verdicts) >= 10
    assert max(len(line) for part in said for line in part.splitlines()) <= 100
