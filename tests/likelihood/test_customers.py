# SPDX-License-Identifier: Apache-2.0
"""What customers buy at all: counted as a plain loop counts it, and predicted as planted."""

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.batch import customers
from personalization.likelihood import serving_files
from personalization.likelihood.histories import History, Reader
from personalization.likelihood.tables import tables

from tests.likelihood import worlds
from tests.likelihood.worlds import DAY, START, World

HEADER = ("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP", "EVENT_VALUE")
BUYERS = 240
Row = tuple[str, str, str, int, object]


def history(rows: Iterable[Row], items: Iterable[str] = (), header: tuple[str, ...] = HEADER) -> History:
    reader = Reader("Purchase", START * 2)
    reader.items(items)
    reader.interactions(worlds.lines(header, rows))
    return reader.history()


def planted() -> Iterator[Row]:
    """Buyers of three rates and of values from 10 to 90 a day, one who only looks, and one who only returns."""
    chance = np.random.default_rng(1)
    for user in range(BUYERS):
        for day in np.flatnonzero(chance.random(26 * 7) < (0.01, 0.08, 0.3)[user % 3]).tolist():
            for line in range(2):
                at = START + day * DAY + user * 60
                yield f"u{user}", f"i{(user + line) % 20}", "Purchase", at, (10 + 20 * (user % 5)) / 2
    yield "looks", "i1", "View", START + 3 * DAY, ""
    yield "returns", "i1", "Return", START + 4 * DAY, -20


@cache
def world() -> World:
    return World(history(planted(), worlds.items()))


def predicted() -> dict[str, Mapping[str, Any] | None]:
    model, users = world().model, dict(serving_files.users(world().tables, 1))
    assert model.customers is not None
    return dict(customers.rows(model, model.customers, users, {"i1": world().item("i1")}, model.fitted))


def test_customers_are_told_apart_and_add_up_in_days_that_no_weight_has_seen() -> None:
    tested = world().fit.customers
    for total in (tested.buyers, tested.purchases, tested.value):
        assert total is not None
        assert total.predicted == pytest.approx(total.observed, rel=0.15)
        assert total.low < total.predicted < total.high
    assert (tested.verdict.answer, tested.buyers.answer) == ("yes", "yes")
    assert "of the customers predicted at" in tested.verdict.text
    shares = [decile.buyers[1] / decile.customers for decile in tested.deciles]
    # Some of the rare buyers have not come yet.
    assert 0.9 * BUYERS < sum(decile.customers for decile in tested.deciles) <= BUYERS + 1
    # A third buys on 8 % of the days: 44 % within seven of them; another one on 30 %: 92 %.
    assert shares[0] < 0.2 < shares[4] < 0.7 < shares[9]


def test_expected_days_and_values_are_the_planted_ones() -> None:
    rows = predicted()
    for user in range(BUYERS):
        row = rows.get(f"u{user}")
        if row is None:
            assert user % 3 == 0
            continue
        if user % 3 == 2:
            assert row["EXPECTED_PURCHASES"] == pytest.approx(2.1, rel=0.35)
            of_a_day = float(str(row["EXPECTED_VALUE"])) / float(str(row["EXPECTED_PURCHASES"]))
            assert of_a_day == pytest.approx(10 + 20 * (user % 5), rel=0.25)
        assert float(str(row["EXPECTED_PURCHASES"])) >= float(str(row["PROBABILITY"]))


def test_somebody_who_only_looks_has_a_row_and_somebody_who_only_returns_has_none() -> None:
    rows = predicted()
    looks = rows["looks"]
    assert looks is not None
    assert (looks["LAST_PURCHASE"], looks["PURCHASES"], looks["BEST_CATEGORY"]) == (None, 0, None)
    assert 0 < float(str(looks["PROBABILITY"])) < 0.2
    assert rows.get("returns") is None
    assert all(
        math.isfinite(value) for row in rows.values() if row for value in row.values() if isinstance(value, float)
    )


PURCHASES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["i", "j"]),
        st.sampled_from(["Purchase", "View", "Return"]),
        st.integers(START, START + 3 * DAY),
        st.sampled_from([0, 1.5, 8, -3, "", "nan", "inf", "much"]),
    ),
    max_size=30,
)


def valued_days(past: History) -> dict[str, tuple[int, int, float]]:
    """Return of each user the days with purchases, those with a value, and the sum of values, as a fit stores them."""
    table = tables(past, past.end + 1)
    days = table.user["days"].astype(int).tolist()
    entries = {name: entry.get("value", (0, 0.0)) for name, entry in serving_files.users(table, 1)}
    return {name: (days[past.users.index(name)], int(value[0]), float(value[1])) for name, value in entries.items()}


@given(PURCHASES, st.sampled_from([None, 4.0]))
def test_days_and_their_values_are_those_of_a_plain_loop(rows: list[Row], price: float | None) -> None:
    items = () if price is None else worlds.lines(("ITEM_ID", "PRICE"), [("i", price)])
    rows = [*rows, ("z", "j", "Purchase", START + 3 * DAY, 2)]
    lines: dict[tuple[str, str, int], float | None] = {}
    for user, item, kind, at, value in rows:
        if kind == "Purchase":
            worth = value if isinstance(value, (int, float)) and value >= 0 else None
            before = lines.get((user, item, at))
            # Of a line that comes twice, the highest value counts.
            lines[user, item, at] = max((some for some in (worth, before) if some is not None), default=None)
    expected: dict[str, dict[int, list[float]]] = {}
    for (user, item, at), worth in lines.items():
        values = expected.setdefault(user, {}).setdefault(at // DAY, [])
        completed = price if worth is None and item == "i" else worth
        values += [] if completed is None else [completed]
    actual = valued_days(history(rows, items))
    for user, days in expected.items():
        sums = [sum(values) for values in days.values() if values]
        assert actual[user] == pytest.approx((len(days), len(sums), sum(sums)))


@pytest.mark.parametrize(
    ("header", "row", "value"),
    [
        (("USER_ID", "ITEM_ID", "TIMESTAMP", "PRICE", "QUANTITY"), ("u", "i", START, 2.5, 4), (1, 1, 10.0)),
        (("USER_ID", "ITEM_ID", "TIMESTAMP", "PRICE", "QUANTITY"), ("u", "i", START, 2.5, -4), (1, 0, 0.0)),
        (("USER_ID", "ITEM_ID", "TIMESTAMP", "PRICE", "EVENT_VALUE"), ("u", "i", START, 2, 7), (1, 1, 7.0)),
        (("USER_ID", "ITEM_ID", "TIMESTAMP"), ("u", "i", START), (1, 0, 0.0)),
    ],
)
def test_the_value_of_a_purchase_is_what_the_shop_has_of_it(
    header: tuple[str, ...], row: tuple[object, ...], value: tuple[int, int, float]
) -> None:
    assert valued_days(history([row], header=header)) == {"u": value}  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("share", "reason"), [(0.0, "purchases have no value: import EVENT_VALUE"), (0.5, "% of the days with purchases")]
)
def test_values_that_purchases_lack_are_left_out_for_a_reason(share: float, reason: str) -> None:
    rows = [(*row[:4], row[4] if number < share * 6_000 else "") for number, row in enumerate(planted())]
    predicted = World(history(rows)).model.customers
    assert predicted is not None
    assert (predicted.spending, predicted.value) == (None, None)
    assert reason in predicted.no_values


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6))
def test_a_shrunk_value_lies_between_a_customer_s_own_and_the_mean_of_all(days: list[float]) -> None:
    predicted = world().model.customers
    assert predicted is not None
    assert predicted.spending is not None
    level, mean = predicted.spending.level, predicted.spending.mean
    assert level == pytest.approx(1, abs=0.2)
    assert mean == pytest.approx(50, abs=10)
    low, high = sorted((level * sum(days) / len(days), level * mean))
    assert low - 1e-6 * (1 + high) <= predicted.spending.of(len(days), sum(days)) <= high + 1e-6 * (1 + high)
