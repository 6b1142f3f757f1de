# SPDX-License-Identifier: Apache-2.0
"""Serving computes the features of a fit, also after live events."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.likelihood import features
from personalization.likelihood.counters import LiveEvent
from personalization.likelihood.histories import History
from personalization.likelihood.tables import tables

from tests.likelihood import worlds
from tests.likelihood.worlds import World

DAY = 86_400


@cache
def world() -> World:
    return World()


def number(name: str) -> int:
    return int(name[1:])


def index_of(names: object, name: str) -> int:
    return list(names).index(name)  # type: ignore[call-overload, no-any-return]


def fitted(past: History, at: int, user: str, item: str) -> dict[str, float]:
    """Return the features of a fit as of a time, with the factors of the world."""
    tables_then = tables(past, at, world().tables.vectors)
    users, items = np.array([index_of(past.users, user)]), np.array([index_of(past.items, item)])
    return {name: float(values[0]) for name, values in tables_then.features(users, items).items()}


@pytest.mark.parametrize("pair", [("u0", "i0"), ("u0", "i1"), ("u7", "i21"), ("u31", "i2")])
def test_serving_has_the_features_of_the_fit(pair: tuple[str, str]) -> None:
    user, item = pair
    at = world().model.at
    vector = features.features(world().user(user).statistics(item, world().item(item), world().model, at), 2)
    assert vector == pytest.approx(fitted(world().history, at, user, item), abs=2e-4, rel=2e-4)


@given(
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 6 * DAY), st.booleans()), max_size=6),
    st.integers(0, 39),
    st.integers(0, 59),
)
def test_live_events_count_as_if_they_had_been_imported(
    happened: list[tuple[int, int, bool]], number: int, who: int
) -> None:
    planted, user, item = world(), f"u{who}", f"i{number}"
    moments = sorted({(after, item_number, bought) for item_number, after, bought in happened})
    live = [(f"i{number}", planted.model.at + after, bought) for after, number, bought in moments]
    now = planted.model.at + 7 * DAY
    user_counts = planted.user(user)
    for event, (name, at, bought) in enumerate(live):
        user_counts.add(LiveEvent(str(event), name, at, bought), planted.item(name))
    rows = [*worlds.rows(), *((user, name, "Purchase" if bought else "View", at) for name, at, bought in live)]
    wanted = fitted(worlds.history(rows), now, user, item)
    vector = features.features(user_counts.statistics(item, planted.item(item), planted.model, now), 2)
    # Of the cut-off stay the rates of items and categories, which purchases tell how much of taste, and the span.
    left_out = ("user_n", "user_items")
    names = [name for name in vector if name.startswith(("pair", "user", "seen", "stranger")) and name not in left_out]
    assert {name: vector[name] for name in names} == pytest.approx(
        {name: wanted[name] for name in names}, abs=5e-3, rel=5e-3
    )


def test_a_purchase_turns_taste_towards_the_item() -> None:
    planted, late = world(), world().model.at + 60
    user_counts, item = planted.user("u0"), planted.item("i1")
    before = user_counts.statistics("i1", item, planted.model, late)["near16"]
    user_counts.add(LiveEvent("e1", "i1", late, bought=True), item)
    after = user_counts.statistics("i1", item, planted.model, late)["near16"]
    rows = [*worlds.rows(), ("u0", "i1", "Purchase", late)]
    wanted = fitted(worlds.history(rows), late + 1, "u0", "i1")["near16"]
    assert before < after == pytest.approx(np.exp(wanted) - 0.001, rel=0.1)


def test_a_purchase_makes_the_next_answer_another() -> None:
    planted, item = world(), "i1"
    before, after = planted.user("u0"), planted.user("u0")
    after.add(LiveEvent("e1", item, planted.model.at + 60, bought=True), planted.item(item))
    now = planted.model.at + 3600
    first, second = (
        planted.model.logit(features.features(user_counts.statistics(item, planted.item(item), planted.model, now), 2))
        for user_counts in (before, after)
    )
    assert second > first + 0.5


def test_of_a_stranger_nothing_is_known_but_the_group() -> None:
    planted = world()
    user_counts = planted.user("nobody")
    user_counts.groups = {"AGE": "65+"}
    statistics = {
        name: user_counts.statistics(name, planted.item(name), planted.model, planted.model.at) for name in ("i0", "i1")
    }
    assert all(
        statistic["user.n"] == statistic["pair.n"] == statistic["near16"] == 0 for statistic in statistics.values()
    )
    assert statistics["i1"]["group"] > 0 > statistics["i0"]["group"]
    fruit, tool = (planted.model.logit(features.features(statistics[name], 2)) for name in ("i0", "i1"))
    assert np.isfinite([fruit, tool]).all()


def test_an_event_of_long_after_the_cut_off_is_no_overflow() -> None:
    planted = world()
    user_counts = planted.user("u0")
    late = planted.model.at + 40 * 365 * DAY
    user_counts.add(LiveEvent("e1", "i0", late, bought=True), planted.item("i0"))
    vector = features.features(user_counts.statistics("i0", planted.item("i0"), planted.model, late), 2)
    assert np.isfinite(list(vector.values())).all()
