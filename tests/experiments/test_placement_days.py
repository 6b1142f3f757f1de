# SPDX-License-Identifier: Apache-2.0
"""A day's placements: what was seen, clicked and bought, each once, by the lists that people came from."""

import json
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from personalization.experiments.days import events, reading
from personalization.experiments.days.events import Remembered
from personalization.experiments.shelves import placement_days
from personalization.experiments.shelves.placement_days import ShelfDay, ShelfRules

from tests.experiments.test_aggregates import RULES, START, buy, copy, event

DAY = 86_400
FACTS = pl.DataFrame(
    [("home1", "home", 0, "r1", START), ("home2", "home", 7, "r1", START), ("cart1", "cart", 0, "r2", START)],
    schema=placement_days.FACTS,
    orient="row",
)


def rules(window: int = 7, left_out: Collection[str] = ()) -> ShelfRules:
    return ShelfRules(
        facts_of=lambda lists: FACTS.filter(pl.col("list").is_in(lists.implode())),
        variants={7: "test.other"},
        left_out={RULES.unit_of(user) for user in left_out},
        window=window,
    )


def seen(listed: str, *items: str, user: str = "u1") -> str:
    line = {"unit": RULES.unit_of(user), "listId": listed, "itemIds": items, "at": START * 1000}
    return json.dumps(line)


def click(at: int, listed: str, item: str = "i1", user: str = "u1") -> dict[str, str]:
    return event("View", at, user, item, listed=listed)


def made(
    rows: Iterable[dict[str, str]],
    lines: Iterable[str] = (),
    before: Iterable[pl.DataFrame] = (),
    following: ShelfRules | None = None,
) -> ShelfDay:
    accepted = events.accepted(reading.copies([copy(rows)], RULES), RULES, Remembered())
    viewable = reading.impressions(["\n".join(lines).encode()], RULES.variants_in)
    return placement_days.shelf_day(accepted, viewable, before, following or rules())


def rows_of(day: ShelfDay, level: str) -> list[dict[str, Any]]:
    """Return a level's rows without what is nothing or unknown."""
    rows = day.rows.filter(pl.col("level") == level).drop("level").to_dicts()
    return [{name: value for name, value in row.items() if value} for row in rows]


def test_a_day_says_of_each_placement_and_variant_what_was_seen_clicked_and_bought() -> None:
    day = made(
        [
            click(1, "home1"),
            click(2, "home2", "i2"),
            click(3, "cart1", "i3", "u2"),
            event("AddToCart", 4),
            buy(10, orderId="o1", quantity=3),
            buy(10, item="i9", value=90, orderId="o1"),
            buy(11, item="i2", value=20, orderId="o2"),
        ],
        [seen("home1", "i1", "i4"), seen("home1", "i4"), seen("home2", "i2"), seen("gone", "i1")],
    )

    assert rows_of(day, "shop") == [
        {"lists": 2, "viewable": 3, "clicks": 3, "carts": 1, "orders": 2, "items": 4, "attributed": 30, "engaged": 120,
         "userAndItem": 2, "none": 1}
    ]  # fmt: skip
    assert rows_of(day, "placement") == [
        {"placement": "cart", "clicks": 1},
        {"placement": "home", "lists": 2, "viewable": 3, "clicks": 2, "carts": 1, "orders": 2, "items": 4,
         "attributed": 30, "engaged": 120},
    ]  # fmt: skip
    assert rows_of(day, "variant") == [
        {"placement": "cart", "release": "r2", "clicks": 1},
        {"placement": "home", "release": "r1", "lists": 1, "viewable": 2, "clicks": 1, "carts": 1, "orders": 1,
         "items": 3, "attributed": 10, "engaged": 100},
        {"placement": "home", "variant": "test.other", "release": "r1", "lists": 1, "viewable": 1, "clicks": 1,
         "orders": 1, "items": 1, "attributed": 20, "engaged": 20},
    ]  # fmt: skip
    assert rows_of(day, "item") == [
        {"placement": "cart", "item": "i3", "clicks": 1},
        {"placement": "home", "item": "i2", "clicks": 1, "orders": 1, "items": 1, "attributed": 20},
        {"placement": "home", "item": "i1", "clicks": 1, "carts": 1, "orders": 1, "items": 3, "attributed": 10},
    ]  # fmt: skip


def test_what_nobody_records_is_unknown_and_not_nothing() -> None:
    (row,) = made([click(1, "home1")], [seen("home1", "i1")]).rows.filter(pl.col("level") == "placement").to_dicts()

    assert row["impressions"] is None
    assert row["carts"] == 0


def test_a_later_day_finds_the_clicks_of_the_window_and_takes_returns_back() -> None:
    first = made([click(1, "home1"), buy(10, orderId="o1", value=30), buy(10, item="i9", value=5, orderId="o1")])
    later = made(
        [event("Return", 3 * DAY, value=30, orderId="o1"), buy(3 * DAY, value=7, orderId="o2")], before=[first.touches]
    )

    assert rows_of(later, "placement") == [
        {"placement": "home", "orders": 1, "attributed": -23, "engaged": -23},
    ]
    assert rows_of(made([buy(9 * DAY)], before=[first.touches]), "placement") == []
    both = placement_days.added([first.rows, later.rows]).filter(pl.col("level") == "shop").to_dicts()
    assert [(row["orders"], row["attributed"], row["engaged"]) for row in both] == [(2, 7, 12)]


@pytest.mark.parametrize(("days", "clicks", "lines"), [(1, 1, 1), (8, 1, 1), (9, 0, 1), (30, 0, 1), (31, 0, 0)])
def test_clicks_are_needed_for_the_window_and_what_was_bought_for_a_month(days: int, clicks: int, lines: int) -> None:
    touches = made([click(1, "home1"), buy(10, orderId="o1")]).touches
    today = date(2026, 11, 2)

    kept_rows = placement_days.needed(touches, today, today + timedelta(days=days), 7)

    assert kept_rows["order"].null_count() == clicks
    assert kept_rows.height == clicks + lines


def test_whoever_objects_or_was_erased_counts_nowhere() -> None:
    before = made([click(1, "home1"), click(1, "home1", user="u2")]).touches
    day = made(
        [click(2, "cart1"), buy(10), buy(10, user="u2")],
        [seen("home1", "i1")],
        [before],
        rules(left_out=["u1"]),
    )

    assert rows_of(day, "placement") == [
        {"placement": "home", "orders": 1, "items": 1, "attributed": 10, "engaged": 10}
    ]
    assert set(day.touches["unit"]) == {RULES.unit_of("u2")}


def test_touches_name_no_session() -> None:
    touches = made([{**click(1, "home1", user=""), "SESSION_ID": "secret"}]).touches

    assert "secret" not in str(touches.to_dicts())


def test_a_day_without_anything_has_no_rows() -> None:
    day = made([])

    assert day.rows.filter(pl.col("level") != "shop").is_empty()
    assert day.touches.is_empty()
