# SPDX-License-Identifier: Apache-2.0
"""Users of a window: those with earlier events, with their history as it is or hidden."""

from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
from personalization.likelihood import features, training
from personalization.likelihood.counters import LiveEvent
from personalization.likelihood.histories import History
from personalization.likelihood.tables import tables

from tests.likelihood import worlds
from tests.likelihood.worlds import World

DAY = 86_400


@cache
def world() -> World:
    return World(worlds.history(worlds.rows(20)))


def late(after: int, count: int = 40) -> list[worlds.Row]:
    """Return purchases of users who come after a time."""
    return [(f"late-{n}", f"i{n % 40}", "Purchase", after + 60 * n) for n in range(count)]


def with_late(after: int) -> History:
    return worlds.history([*worlds.rows(20), *late(after)])


def test_who_comes_after_the_last_window_changes_no_formula() -> None:
    now = world().history.end - 7 * DAY
    shorter, other = (training.fit(past, 7, now) for past in (world().history, with_late(now + DAY)))
    for part in ("seen", "other", "stranger"):
        weights, its = (getattr(fitted.formulas, part).weights for fitted in (shorter, other))
        assert weights == pytest.approx(its)


def test_a_window_has_those_who_were_there_before_it_and_nobody_else() -> None:
    start = world().history.end - 7 * DAY
    past = with_late(start + DAY)
    table = tables(past, start)
    for who in (None, np.flatnonzero(table.population)):
        users, _, label, weight = training.pairs(table, start + 7 * DAY, np.random.default_rng(1), who)
        assert {past.users[user] for user in users.tolist()} <= {f"u{n}" for n in range(worlds.SHOPPERS)}
        assert label.any()
        assert weight.sum() == pytest.approx(worlds.SHOPPERS * worlds.ITEMS)


def test_hiding_a_user_is_the_same_as_never_having_seen_them() -> None:
    past, start = world().history, world().history.end - 7 * DAY
    user = past.users.index("u7")
    others = past.user != user
    gone = replace(past, **{name: getattr(past, name)[others] for name in ("user", "item", "time", "bought")})
    users, items = np.full(worlds.ITEMS, user), np.arange(worlds.ITEMS)
    vectors = tables(past, start).vectors
    hidden = tables(past, start, hidden=np.arange(len(past.users)) == user)
    never = tables(gone, start, vectors)
    # The counts of items alone are brought to what all users would have bought.
    for name, values in never.item.items():
        assert hidden.item[name] == pytest.approx(values * worlds.SHOPPERS / (worlds.SHOPPERS - 1))
    hidden_features, other = (past_tables.features(users, items) for past_tables in (hidden, never))
    for name in hidden_features:
        assert name.startswith("item") or hidden_features[name] == pytest.approx(other[name])
    assert hidden_features["stranger"].all()


def test_strangers_have_the_rate_of_those_seen_before() -> None:
    tested = world().fit.tested_strangers
    hidden = (training.user_parts(world().history) == 0).sum()
    assert tested.pairs == pytest.approx(hidden * worlds.ITEMS)
    total = sum(predicted for _, predicted, _ in tested.bins)
    assert total == pytest.approx(world().fit.tested.base_rate * tested.pairs, rel=0.35)


def test_newcomers_are_counted_apart_with_what_they_buy_later() -> None:
    start = world().history.end + 1 - 14 * DAY
    came = [("new-1", "i1", "View", start + DAY), ("new-1", "i2", "Purchase", start + 3 * DAY)]
    came += [("new-2", "i3", "Purchase", start + DAY), ("new-2", "i4", "Purchase", start + 9 * DAY)]
    past = worlds.history([*worlds.rows(20), *came])
    newcomers = training.fit(past, 7, world().history.end + 1).newcomers
    assert asdict(newcomers) == {"users": 2, "pairs": 2 * worlds.ITEMS, "purchases": 1, "told": True}


def test_never_is_not_just_now() -> None:
    planted = world()
    user, item = planted.user("nobody"), planted.item("i1")
    user.add(LiveEvent("e1", "i1", planted.model.at + 60, bought=False), item)
    vector = features.features(user.statistics("i1", item, planted.model, planted.model.at + 60), 2)
    assert (vector["visitor"], vector["stranger"]) == (1.0, 0.0)
    assert vector["user_last"] == pytest.approx(np.log(1 + 365.0))


def test_an_event_of_after_the_fit_is_as_long_after_the_newest_row() -> None:
    planted = world()
    model = replace(planted.model, fitted_at="2026-11-25T08:30:00Z")
    late = replace(planted.user("u0"), behind=model.fitted - model.at)
    late.add(LiveEvent("e1", "i9", model.fitted + 2 * DAY, bought=True), planted.item("i9"))
    now = model.at + 3 * DAY
    assert late.statistics("i9", planted.item("i9"), model, now)["pair.last"] == pytest.approx(1.0)
    early = replace(planted.user("u0"), behind=model.fitted - model.at)
    early.add(LiveEvent("e1", "i9", model.fitted - 2 * DAY, bought=True), planted.item("i9"))
    assert early.statistics("i9", planted.item("i9"), model, now)["pair.last"] == pytest.approx(3.0)
