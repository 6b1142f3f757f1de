# SPDX-License-Identifier: Apache-2.0
"""A day's events as figures of units: each thing once, in any order, and days that add up to the whole."""

import csv
import io
import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.experiments.days import events, reading, units
from personalization.experiments.days.events import Events, Remembered
from personalization.experiments.days.reading import Rules
from personalization.experiments.days.units import Beside

DAY = date(2026, 11, 2)
START = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp())
COLUMNS = (
    *("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP", "EVENT_VALUE", "RECOMMENDATION_ID", "IMPRESSION", "LIST_ID"),
    *("STREAMED_TO", "SESSION_ID", "EVENT_ID", "PROPERTIES"),
)
SUMS = ("exposures", "orders", "items", "itemsBack", "money", "returned", "clicks", "carts", "viewable")


def unit(name: str) -> str:
    return blake2b(name.encode(), digest_size=16).hexdigest()


RULES = Rules("Purchase", unit)


def event(kind: str, at: int, user: str = "u1", item: str = "i1", **more: object) -> dict[str, str]:
    """Return a row of a copy; `at` is in seconds since the day began."""
    accepted = int(str(more.pop("accepted", at)))
    row = {
        "USER_ID": user,
        "ITEM_ID": item,
        "EVENT_TYPE": kind,
        "TIMESTAMP": str(START + at),
        "EVENT_VALUE": str(more.pop("value", "")),
        "LIST_ID": str(more.pop("listed", "")),
        "STREAMED_TO": f"retail-demo/{START + accepted}",
        "SESSION_ID": str(more.pop("session", f"session of {user}")),
        "EVENT_ID": str(more.pop("named", f"{kind} {user} {item} {at} {more}")),
    }
    return row | {"PROPERTIES": json.dumps(more) if more else ""}


def buy(at: int, user: str = "u1", item: str = "i1", **more: object) -> dict[str, str]:
    return event("Purchase", at, user, item, **({"value": 10} | more))


def copy(rows: Iterable[dict[str, str]], columns: Sequence[str] = COLUMNS) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(rows: Iterable[dict[str, str]], before: Remembered | None = None, rules: Rules = RULES) -> Events:
    return events.accepted(reading.copies([copy(rows)], rules), rules, before or Remembered())


def shown(*told: tuple[str, str, int]) -> pl.DataFrame:
    """Return exposures: of a user to a variant, in seconds since the day began."""
    rows = [
        {"experiment": "home", "variant": variant, "unit": unit(user), "placement": "home", "at": (START + at) * 1000}
        for user, variant, at in told
    ]
    return reading.exposures(["\n".join(map(json.dumps, rows)).encode()], DAY)


def figures(rows: Iterable[dict[str, str]], *told: tuple[str, str, int], user: str = "u1") -> dict[str, Any]:
    """Return the figures of a user on a day, by default of one who was exposed at its beginning."""
    days = units.day(shown(*(told or ((user, "a", 0),))), read(rows), [], Beside())
    (row,) = days.filter(pl.col("unit") == unit(user)).to_dicts()
    return row


def test_an_order_is_what_has_one_order_id_however_often_it_is_sent() -> None:
    rows = [
        buy(10, orderId="o1", quantity=2),
        buy(10, item="i2", value=5, orderId="o1"),
        buy(90, orderId="o1", quantity=2),
        buy(95, orderId="o2"),
    ]

    row = figures(rows)

    assert (row["orders"], row["items"], row["money"], sorted(row["values"])) == (2, 4, 25, [10, 15])


def test_without_an_order_id_what_is_bought_at_the_same_second_is_one_order_and_an_event_id_tells_repetitions() -> None:
    rows = [buy(10, named="e1"), buy(10, named="e1"), buy(10, named="e2"), buy(11, named="e3")]

    row = figures(rows)

    assert (row["orders"], row["items"], row["money"]) == (2, 3, 30)


def test_a_value_is_the_lines_and_otherwise_price_times_quantity() -> None:
    row = figures([buy(1, value="", price=3, quantity=4, orderId="o"), buy(2, value=1e9), buy(3, value="nan")])

    assert (row["orders"], row["money"]) == (3, 1e9 + 12)
    assert read([buy(3, value="nan"), buy(4, value="")]).unvalued == 2


def test_returns_and_negative_values_subtract_unless_the_order_came_before_the_exposure() -> None:
    rows = [
        buy(10, user="u1", orderId="before"),
        buy(50, user="u1", orderId="after"),
        event("Return", 60, orderId="before", value=10),
        event("Return", 60, orderId="after", value=4),
        event("Return", 61, orderId="after", value=4),
        event("Return", 61, orderId="after", value=4, named="again"),
        buy(62, item="i2", value=-1),
    ]

    row = figures(rows, ("u1", "a", 30))

    assert (row["orders"], row["money"], row["returned"], row["items"], row["itemsBack"]) == (1, 10, 9, 1, 3)


def test_only_what_comes_from_the_exposure_on_counts_and_a_clock_ahead_is_set_back() -> None:
    rows = [buy(10), buy(30), buy(5000, item="i3", accepted=20), buy(40, user="u2")]

    row = figures(rows, ("u1", "a", 30))

    assert row["orders"] == 1


def test_before_a_login_the_session_is_the_unit() -> None:
    rows = [buy(10, user="", session="visitor"), buy(20, user="u1", session="visitor"), buy(30, user="u2")]

    row = figures(rows, ("visitor", "a", 0), ("u2", "b", 0), user="visitor")

    assert (row["variant"], row["orders"]) == ("a", 2)


def test_money_of_another_currency_is_named_and_not_added() -> None:
    rows = [buy(1, currency="KRW"), buy(2, currency="krw"), buy(3, currency="EUR"), buy(4)]

    day = read(rows)

    assert (day.currency, dict(day.foreign)) == ("KRW", {"EUR": 1})
    row = figures(rows)
    assert (row["orders"], row["money"]) == (4, 30)
    assert read(rows, Remembered(currency="EUR")).foreign == {"KRW": 2}


def test_a_user_in_two_variants_has_a_row_for_each() -> None:
    days = units.day(shown(("u1", "a", 0), ("u1", "b", 50)), read([buy(20), buy(60)]), [], Beside())

    assert days.select("variant", "orders").rows() == [("a", 2), ("b", 1)]


def test_what_comes_after_the_end_does_not_count() -> None:
    until = (START + 100) * 1000

    day = units.day(shown(("u1", "a", 0), ("u2", "a", 100)), read([buy(99), buy(100)]), [], Beside(until=until))

    assert day.select("unit", "orders").rows() == [(unit("u1"), 1)]


def test_a_click_counts_once_for_each_list_and_item() -> None:
    rows = [event("View", at, listed=listed, named=f"e{at}") for at, listed in enumerate(["l1", "l1", "l2", ""])]

    row = figures([*rows, event("add_to_cart", 9)])

    assert (row["clicks"], row["carts"], row["events"]) == (2, 1, 5)


def test_items_on_screen_count_from_the_exposure_on() -> None:
    on_screen = pl.DataFrame(
        {
            "unit": [unit("u1"), unit("u1"), unit("u3")],
            "at": [(START + at) * 1000 for at in (1, 5, 5)],
            "list": ["l1", "l2", "l3"],
            "items": [4, 3, 9],
            "shown": [0, 0, 0],
        },
    )

    day = units.day(shown(("u1", "a", 5)), read([]), [], Beside(viewable=on_screen))

    assert day.select("unit", "viewable").rows() == [(unit("u1"), 3)]


def test_what_was_told_twice_counts_once_also_where_a_day_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personalization.experiments.days.reading._BLOCK", 1)
    told = {"experiment": "home", "variant": "a", "unit": unit("u1"), "placement": "home"}
    exposed = [json.dumps({**told, "at": (START + at) * 1000}).encode() for at in (5, 5, 7)]
    seen = [
        json.dumps({"unit": unit(user), "listId": "l1", "itemIds": items, "at": (START + at) * 1000}).encode()
        # u2 tells of a list that u1 was shown.
        for user, items, at in (("u2", ["i1"], 9), ("u1", ["i1", "i2"], 5), ("u1", ["i1"], 5), ("u1", ["i2", "i3"], 7))
    ]

    exposures = reading.exposures(exposed, DAY)
    on_screen = reading.impressions(seen, RULES.variants_in)

    assert exposures.select("at", "exposures").rows() == [((START + 5) * 1000, 2)]
    assert on_screen.select("unit", "list", "at", "items").rows() == [(unit("u1"), "l1", (START + 5) * 1000, 3)]


def test_the_past_is_that_of_the_days_before_the_first_exposure() -> None:
    before = units.shop_day(read([buy(0), buy(1, value=3), event("Return", 2, value=1), event("View", 3, user="u2")]))
    past = units.past([before, before])

    first = units.day(shown(("u1", "a", 0), ("u2", "a", 0), ("u3", "b", 0)), read([]), [], Beside(past=past))
    second = units.day(shown(("u1", "a", 0)), read([]), [first], Beside(past=units.past([])))

    rows = {row["unit"]: row for row in units.summed([second, first]).to_dicts()}
    assert (rows[unit("u1")]["pastOrders"], rows[unit("u1")]["pastReturned"]) == (4, 2)
    assert list(rows[unit("u1")]["pastValues"]) == [3, 3, 10, 10]
    assert (rows[unit("u2")]["pastOrders"], rows[unit("u3")]["pastOrders"]) == (0, None)


def test_exposures_of_another_day_are_left_out_and_each_counts_once_for_its_experiment() -> None:
    late = {"experiment": "home", "variant": "a", "unit": unit("u1"), "placement": "home", "at": START * 1000 - 1}
    lines = [
        late,
        {**late, "at": START * 1000},
        {**late, "at": START * 1000},
        {**late, "experiment": "x", "at": START * 1000},
    ]
    text = "\n".join([*map(json.dumps, lines), "{not json", ""])

    told = reading.exposures([text.encode(), b""], DAY).sort("experiment")

    first = (unit("u1"), "a", START * 1000, 1)
    assert told.select("experiment", "unit", "variant", "at", "exposures").rows() == [("home", *first), ("x", *first)]
    assert reading.exposures([], DAY).is_empty()


def test_who_was_shown_a_list_of_the_experiment_and_not_exposed_has_a_row_without_a_variant() -> None:
    rules = Rules("Purchase", unit, variants_in=lambda tokens: tokens.str.head(1).cast(pl.UInt32))
    rows = [event("View", at, user, listed=f"{at % 10}-{at}") for at, user in ((11, "u1"), (21, "u2"), (34, "u3"))]
    # u3 saw a list of no experiment, and u4 was exposed before the login.
    rows.append(event("Purchase", 42, "u4", listed="2-42", session="s4"))

    day = units.day(shown(("u1", "a", 0), ("s4", "b", 0)), read(rows, rules=rules), [], Beside(numbers={1, 2}))

    told = {row["unit"]: (row["variant"], row["lists"]) for row in day.to_dicts()}
    assert told == {unit("u1"): ("a", 1), unit("s4"): ("b", 1), unit("u2"): (None, 1)}


def test_copies_from_before_a_column_was_added_are_read_too() -> None:
    old = [name for name in COLUMNS if name != "LIST_ID"]

    rows = reading.copies([copy([buy(1)], old), copy([buy(2), buy(3, item='a "quoted", one')]), copy([])], RULES)

    assert sorted(rows["time"].drop_nulls().to_list()) == [START + at for at in (1, 2, 3)]
    assert reading.copies([], RULES).is_empty()


@pytest.mark.parametrize("text", ["", "nonsense", "1e999"])
def test_rows_that_nobody_can_read_stop_nothing(text: str) -> None:
    rows = [{**buy(1), "TIMESTAMP": text}, {**buy(2), "EVENT_VALUE": text}, {**buy(3), "PROPERTIES": text}]

    # Without its own time, an event has that of its acceptance.
    assert figures([*rows, {**buy(4), "TIMESTAMP": text, "STREAMED_TO": text}])["orders"] == 3


def test_a_user_who_was_erased_leaves() -> None:
    day = units.day(shown(("u1", "a", 0), ("u2", "b", 0)), read([]), [], Beside())

    assert units.left(day, {unit("u1")})["unit"].to_list() == [unit("u2")]
    assert units.left(day, set()).equals(day)


ACTS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["u1", "u2", ""]),
        st.sampled_from(["i1", "i2"]),
        st.sampled_from(["Purchase", "Return", "View", "AddToCart"]),
        st.sampled_from(["o1", "o2", None]),
        st.sampled_from([1, 2.5, 40, None]),
        st.sampled_from(["", "l1", "l2"]),
    ),
    max_size=25,
)


def happened(acts: Iterable[tuple[Any, ...]]) -> list[dict[str, str]]:
    rows = []
    for at, user, item, kind, order, value, listed in acts:
        more = {} if order is None else {"orderId": order}
        rows.append(
            event(kind, at, user, item, value="" if value is None else value, listed=listed, session="s", **more)
        )
    return rows


TOLD = st.lists(
    st.tuples(st.sampled_from(["u1", "u2", "s"]), st.sampled_from(["a", "b"]), st.integers(0, 400)), max_size=6
)


@given(acts=ACTS, told=TOLD, chance=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_files_and_what_is_sent_twice_change_nothing(
    acts: list[tuple[Any, ...]], told: list[tuple[str, str, int]], chance: random.Random
) -> None:
    rows, exposures = happened(acts), shown(*told)
    again = [*rows, *rows]
    chance.shuffle(again)
    files = [copy(again[:7]), copy(again[7:])]

    once = units.day(exposures, read(rows), [], Beside())
    twice = events.accepted(reading.copies(files, RULES), RULES, Remembered())

    assert units.day(exposures, twice, [], Beside()).equals(once)
    assert units.shop_day(twice).equals(units.shop_day(read(rows)))


@given(acts=ACTS, told=TOLD, cuts=st.lists(st.integers(0, 400), max_size=3))
def test_days_add_up_to_the_whole(
    acts: list[tuple[Any, ...]], told: list[tuple[str, str, int]], cuts: list[int]
) -> None:
    # Whether a session stands for a user is known only when the user was exposed or not.
    told = [exposure for exposure in told if exposure[0] != "s"]
    rows, exposures = happened(acts), shown(*told)
    days: list[pl.DataFrame] = []
    shop_days: list[pl.DataFrame] = []
    edges = [0, *sorted(cuts), 401]
    for begin, end in pairwise(edges):
        within = [exposure for exposure in told if begin <= exposure[2] < end]
        accepted = [row for row in rows if begin <= int(row["TIMESTAMP"]) - START < end]
        day = read(accepted, Remembered(shop_days))
        days.append(units.day(shown(*within), day, days, Beside()))
        shop_days.append(units.shop_day(day))

    whole = units.day(exposures, read(rows), [], Beside())

    summed = units.summed(reversed(days))
    columns = ["unit", "variant", "first", *SUMS]
    assert summed.select(columns).equals(units.summed([whole]).select(columns))
    assert summed["money"].to_list() == pytest.approx([sum(values) for values in summed["values"]])


def test_hashes_are_the_same_in_every_version_and_differ_where_texts_do() -> None:
    items = ["", "a", "b", "a\0", "12345678", "123456789", "é", "a longer text, with more than one word"]

    def lines(*names: str) -> dict[str, int]:
        rows = reading.copies([copy([buy(0, item=name, orderId="o1") for name in names])], RULES)
        return dict(rows.filter(pl.col("line").is_not_null()).select("item", "line").iter_rows())

    assert len(set(lines(*items).values())) == len(items)
    assert lines("a") == {"a": 18034063631646443062} == {"a": lines(*items)["a"]}
