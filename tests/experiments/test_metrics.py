# SPDX-License-Identifier: Apache-2.0
"""What a placement earns: the last click within the window has a purchase, by the first way that leads to a list."""

from collections.abc import Iterable

import polars as pl
import pytest
from personalization.experiments.days import events, reading
from personalization.experiments.days.events import Remembered
from personalization.experiments.shelves import metrics

from tests.experiments.test_aggregates import RULES, START, buy, copy, event

DAY = 86_400


def outcomes(rows: Iterable[dict[str, str]]) -> pl.DataFrame:
    return events.accepted(reading.copies([copy(rows)], RULES), RULES, Remembered()).outcomes


def click(
    at: int, listed: str, item: str = "i1", user: str = "u1", recommendation: str = "", **more: object
) -> dict[str, str]:
    return {**event("View", at, user, item, listed=listed, **more), "RECOMMENDATION_ID": recommendation}


def lists(*names: str, impressions: int = 10, viewable: int = 4) -> pl.DataFrame:
    rows = [
        {
            "list": name,
            "placement": name[:4],
            "variant": "",
            "release": "r1",
            "at": START,
            "impressions": impressions,
            "viewable": viewable,
        }
        for name in names
    ]
    return pl.DataFrame(rows, schema=metrics.LISTS)


def joined(rows: Iterable[dict[str, str]], *names: str, window: int = 7) -> list[tuple[str | None, str | None]]:
    happened = outcomes(rows)
    return metrics.joined(happened, happened, lists(*names), window).select("list", "way").rows()


def test_a_purchase_belongs_to_the_list_that_it_names_then_to_its_recommendation_then_to_the_last_click() -> None:
    clicks = [click(1, "home1", recommendation="r1"), click(2, "cart1", recommendation="r2"), click(3, "item1")]
    names = ("home1", "cart1", "item1")

    assert joined([*clicks, buy(9, listed="home1")], *names) == [("home1", "listId")]
    assert joined([*clicks, {**buy(9), "RECOMMENDATION_ID": "r2"}], *names) == [("cart1", "recommendationId")]
    assert joined([*clicks, buy(9)], *names) == [("item1", "userAndItem")]
    assert joined([*clicks, buy(9, item="i2")], *names) == [(None, None)]
    assert joined([*clicks, buy(9, user="u2")], *names) == [(None, None)]
    assert joined([*clicks, buy(0)], *names) == [(None, None)]


@pytest.mark.parametrize("window", [1, 7, 30])
def test_a_click_counts_for_as_many_days_as_the_window_has(window: int) -> None:
    rows = [click(0, "home1"), buy(window * DAY), buy(window * DAY + 1)]

    assert joined(rows, "home1", window=window) == [("home1", "userAndItem"), (None, None)]


def test_a_click_before_the_login_counts_by_the_session() -> None:
    rows = [click(1, "home1", user="", session="s"), buy(2, user="u1", session="s")]

    assert joined(rows, "home1") == [("home1", "userAndItem")]


def test_what_comes_back_belongs_to_the_list_that_it_was_bought_from() -> None:
    rows = [click(0, "home1"), buy(5, orderId="o"), event("Return", 20 * DAY, orderId="o", value=4)]

    assert joined(rows, "home1") == [("home1", "userAndItem")] * 2


def test_each_metric_has_its_definition() -> None:
    rows = outcomes([
        click(1, "home1"),
        click(2, "home2", item="i2"),
        click(3, "cart1", item="i3", user="u2"),
        event("AddToCart", 4),
        buy(10, orderId="o1", quantity=3),
        buy(10, item="other", value=90, orderId="o1"),
        buy(11, item="i2", value=20, orderId="o2"),
        event("Return", 12, item="i2", value=5, orderId="o2"),
    ])  # fmt: skip
    shown = lists("home1", "home2", "cart1")

    joined_rows = metrics.joined(rows, rows, shown)
    table = metrics.sums(joined_rows, rows, shown, ["placement"])

    cart, home = table.to_dicts()
    assert (cart.pop("placement"), home.pop("placement")) == ("cart", "home")
    assert metrics.figures(cart) == {
        **dict.fromkeys(("carts", "orders", "items", "attributedRevenue", "engagedRevenue"), 0),
        "lists": 1,
        "impressions": 10,
        "viewable": 4,
        "clicks": 1,
        "ctr": 0.1,
        "vctr": 0.25,
        "costPerThousandLists": None,
    }
    assert metrics.figures(home, cost=0.5) == {
        "lists": 2,
        "impressions": 20,
        "viewable": 8,
        "clicks": 2,
        "ctr": 0.1,
        "vctr": 0.25,
        "carts": 1,
        "orders": 2,
        "items": 3,
        "attributedRevenue": 25,
        "engagedRevenue": 115,
        "costPerThousandLists": 250,
    }
    assert metrics.ways(joined_rows) == {"listId": 0, "recommendationId": 0, "userAndItem": 2, "none": 1}
