# SPDX-License-Identifier: Apache-2.0
"""Days of an experiment as sums for its verdict: what single users did, squared and multiplied one by one."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from personalization.experiments.days import looks, units
from personalization.experiments.days.looks import Scope
from personalization.experiments.statistics.sums import HAS_PAST, Sums

START = 1_793_577_600
DAYS = [date(2026, 11, 2) + timedelta(days=number) for number in range(15)]


def rows(*told: dict[str, Any]) -> pl.DataFrame:
    """Return a day's rows; what is not named is 0, and there is no past."""
    usual = {name: 0 for name, kind in units.ROWS.items() if kind.is_numeric() and not name.startswith("past")}
    return pl.DataFrame([{**usual, **unit} for unit in told], schema=units.ROWS)


def weeks(**told: Any) -> Scope:  # noqa: ANN401 - members of the scope
    """Return the scope of an experiment with two variants that runs for weeks."""
    return Scope(**{"variants": ["a", "b"], "today": DAYS[-1] + timedelta(days=7), "weeks_since": START, **told})


def bought(unit: str, variant: str, *values: float, **more: object) -> dict[str, Any]:
    return {
        "unit": unit,
        "variant": variant,
        "first": 1,
        "orders": len(values),
        "money": sum(values),
        "values": list(values),
        **more,
    }


def plain(days: Sequence[Sequence[dict[str, Any]]], variant: str, cap: float) -> dict[str, dict[str, float]]:
    """Return what each user of a variant did, computed one by one."""
    users: dict[str, dict[str, float]] = {}
    for row in (row for day in days for row in day if row["variant"] == variant):
        user = users.setdefault(row["unit"], dict.fromkeys(looks.COLUMNS, 0.0))
        user["orders"] += row["orders"]
        user["revenue"] += row["money"] - row.get("returned", 0)
        user["revenueWinsorized"] += sum(min(value, cap) for value in row["values"]) - row.get("returned", 0)
        user["clicks"] += row.get("clicks", 0)
        user["viewable"] += row.get("viewable", 0)
        user["returned"] += row.get("returned", 0)
        user["money"] += row["money"]
        user["buyers"], user["clickers"] = float(user["orders"] > 0), float(user["clicks"] > 0)
        if "pastOrders" in row:
            user[HAS_PAST] = 1.0
            user["past.orders"] = row["pastOrders"]
            user["past.revenue"] = sum(row["pastValues"]) - row["pastReturned"]
            user["past.revenueWinsorized"] = sum(min(value, cap) for value in row["pastValues"]) - row["pastReturned"]
            user["past.clicks"], user["past.viewable"] = row["pastClicks"], row["pastViewable"]
    return users


ROW = st.builds(
    lambda values, returned, clicks, viewable: {
        "values": values,
        "returned": returned,
        "clicks": clicks,
        "viewable": viewable,
    },
    st.lists(st.sampled_from([1.0, 5.0, 700.0]), max_size=3),
    st.sampled_from([0.0, 2.0]),
    st.integers(0, 2),
    st.integers(0, 9),
)
USERS = {f"u{number}": "ab"[number % 2] for number in range(5)}
PASTS = {"pastOrders": 2, "pastClicks": 1, "pastViewable": 7, "pastReturned": 1.0, "pastValues": [4.0, 900.0]}


@settings(max_examples=10)
@given(
    st.lists(st.dictionaries(st.sampled_from(sorted(USERS)), ROW), min_size=15, max_size=15),
    st.fixed_dictionaries(dict.fromkeys(USERS, st.integers(0, 1))),
)
def test_sums_are_those_of_single_users_in_any_shards(
    happened: list[dict[str, dict[str, Any]]], shard_of: dict[str, int]
) -> None:
    before: set[str] = set()
    days: list[list[dict[str, Any]]] = []
    for day in happened:
        days.append([
            bought(unit, USERS[unit], *row["values"], **{**row, **(PASTS if unit in {"u0", "u1"} - before else {})})
            for unit, row in day.items()
        ])  # fmt: skip
        before |= day.keys()

    shards = [
        {
            day: rows(*(row for row in told if shard_of[row["unit"]] == number))
            for day, told in zip(DAYS, days, strict=True)
        }
        for number in range(2)
    ]
    course = looks.course(lambda: iter(shards), weeks())

    cap = math.inf if course.cap is None else course.cap
    for variant in "ab":
        first, second, last = (plain(days[:until], variant, cap) for until in (7, 14, 15))
        assert_same(course.looks[0].sums[variant], Sums.of([*first.values()]))
        assert_same(
            course.looks[1].sums[variant], Sums.of([*second.values()], [first.get(unit, {}) for unit in second])
        )
        assert_same(course.days[-1].sums[variant], Sums.of([*last.values()]))
    assert [look.day for look in course.looks] == [DAYS[6], DAYS[13]]
    assert len(course.days) == len(DAYS)


def assert_same(made: Sums, expected: Sums) -> None:
    if not expected.users:
        assert not made.users
        return
    assert set(made.columns) == set(expected.columns)
    order = [made.columns.index(name) for name in expected.columns]
    for matrix, plainly in ((made.products, expected.products), (made.since, expected.since)):
        if plainly and any(map(any, plainly)):
            assert [[matrix[row][column] for column in order] for row in order] == [
                pytest.approx(list(cells)) for cells in plainly
            ]


def test_units_in_two_variants_and_robots_are_in_no_sums() -> None:
    first = rows(
        bought("u1", "a"), bought("u2", "a", 1.0), bought("u3", "b", *[1.0] * 51), bought("u4", "b", events=2_000)
    )
    second = rows(bought("u2", "b"), bought("u5", "b", 3.0))

    course = looks.course(lambda: iter([{DAYS[0]: first, DAYS[1]: second}]), weeks(few_orders=100))

    assert (course.double, course.robots, course.orders) == (1, 2, 1)
    assert {name: sums.users for name, sums in course.days[-1].sums.items()} == {"a": 1, "b": 1}
    assert course.money == {"a": (), "b": (3.0,)}
    assert course.exposures == {DAYS[0].isoformat(): {"a": 0, "b": 0}, DAYS[1].isoformat(): {"b": 0}}


def test_one_order_of_a_billion_counts_as_much_as_one_in_a_thousand_has() -> None:
    day = rows(*(bought(f"u{number}", "a", 10.0) for number in range(2000)), bought("rich", "a", 1e9))

    course = looks.course(lambda: iter([{DAYS[0]: day}]), weeks())

    assert course.cap == 10
    assert course.days[0].sums["a"].total("revenueWinsorized") == 20_010
    assert course.days[0].sums["a"].total("revenue") == 1e9 + 20_000


def test_an_experiment_without_a_unit_has_a_course() -> None:
    course = looks.course(lambda: iter([{day: rows() for day in DAYS[:7]}]), weeks())

    assert (course.cap, course.orders, course.looks[0].sums["b"].users) == (None, 0, 0)


@pytest.mark.parametrize(("hour", "last"), [(0, 6), (1, 7), (23, 7)])
def test_a_look_is_after_the_day_that_ends_a_whole_week(hour: int, last: int) -> None:
    start = int(pl.datetime(2026, 11, 2, hour, time_zone="UTC").pipe(pl.select).item().timestamp())

    def looked(until: int) -> list[date]:
        days = {day: rows() for day in DAYS[:until]}
        return [look.day for look in looks.course(lambda: iter([days]), weeks(weeks_since=start)).looks]

    assert looked(last + 1) == [DAYS[last]]
    assert looked(last) == []
    assert looked(len(DAYS)) == [day for day in (DAYS[last], *DAYS[last + 7 : last + 8]) if day <= DAYS[14]]


def test_each_time_of_constant_weights_has_its_own_users() -> None:
    shown = [("u1", "a", 0), ("u2", "b", 10), ("u3", "b", 100), ("u3", "a", 200)]
    day = rows(*(bought(unit, variant, first=(START + at) * 1000) for unit, variant, at in shown))
    weights = [(START, {"a": 0.9, "b": 0.1}), (START + 100, {"a": 0.5, "b": 0.5})]

    periods = looks.course(lambda: iter([{DAYS[0]: day}]), weeks(weights=weights)).periods

    assert [(period.weights["b"], dict(period.users)) for period in periods] == [
        (0.1, {"a": 1, "b": 1}),
        (0.5, {"b": 1}),
    ]
