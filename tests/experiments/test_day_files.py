# SPDX-License-Identifier: Apache-2.0
"""A shop's days in the bucket: made once, again while they may change, and without users who were erased."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from personalization.core.aws import clients
from personalization.experiments.days import aggregating
from personalization.experiments.days.aggregating import Also, Made
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.reading import Rules
from personalization.experiments.experiment import Experiment, Slice, Variant
from personalization.experiments.shelves.files import ShelfFiles, between
from personalization.experiments.shelves.placement_days import ShelfRules

from tests.experiments.test_aggregates import COLUMNS, DAY, RULES, START, buy, copy, event, unit
from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")
EXPERIMENT = Experiment(
    name="home",
    hypothesis="More variety brings more orders.",
    owner="Kim",
    placements=("home",),
    control="a",
    variants=(Variant(name="a"), Variant(name="b", serves="bestsellers")),
    goal="orders",
    seed="home",
    slices=(Slice("a", 0, 5000, START), Slice("b", 5000, 10_000, START)),
    starts_at=START,
    ends_at=START + 14 * 86_400,
    definition="",
)


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def accept(bucket: "S3Client", number: int, rows: Iterable[dict[str, str]], file: str = "1") -> None:
    """Put copies of events of a day, by its number since the start."""
    key = f"events/demo/{on(number):%Y/%m/%d}/{file}.csv"
    bucket.put_object(Bucket=BUCKET, Key=key, Body=copy(rows))


def expose(bucket: "S3Client", number: int, *told: tuple[str, str, int], file: str = "1") -> None:
    lines = [
        {"experiment": "home", "variant": variant, "unit": unit(user), "placement": "home", "at": (START + at) * 1000}
        for user, variant, at in told
    ]
    key = f"exposures/demo/{on(number):%Y/%m/%d}/{file}.jsonl"
    bucket.put_object(Bucket=BUCKET, Key=key, Body="\n".join(map(json.dumps, lines)).encode())


def make(number: int, *, experiment: Experiment = EXPERIMENT, rules: Rules = RULES, days: int | None = None) -> Made:
    """Make all days up to one; with `days`, time is over after so many."""
    left = iter(range(days if days is not None else 1_000))
    return aggregating.make(files(), rules, [experiment], on(number), lambda: next(left, None) is None)


def files() -> DayFiles:
    return DayFiles(clients.s3(), BUCKET, "demo")


def orders(made: Made) -> dict[str, list[tuple[str, int]]]:
    return {
        day.isoformat(): rows.filter(rows["orders"] > 0).select("variant", "orders").rows()
        for day, rows in made.rows["home"].items()
    }


def test_days_are_made_from_copies_and_each_tells_the_next(bucket: "S3Client") -> None:
    accept(bucket, -1, [buy(-9, value=7, orderId="o0", currency="KRW"), buy(-8, user="u2")])
    accept(bucket, 0, [buy(10, orderId="o1"), buy(20, orderId="o0")])
    accept(bucket, 1, [buy(86_410, orderId="o1"), buy(86_420, orderId="o2", currency="EUR"), buy(86_430, value="")])
    expose(bucket, 0, ("u1", "a", 0), ("u3", "b", 0))

    made = make(1)

    assert orders(made) == {on(0).isoformat(): [("a", 1)], on(1).isoformat(): [("a", 2)]}
    assert (made.currency, made.foreign, made.unvalued, made.whole) == ("KRW", {"EUR": 1}, 1, True)
    (first,) = made.rows["home"][on(0)].filter(made.rows["home"][on(0)]["variant"] == "a").to_dicts()
    assert (first["pastOrders"], first["pastValues"]) == (1, [7])


def test_a_day_that_is_settled_stays_and_one_that_is_not_is_made_again(bucket: "S3Client") -> None:
    expose(bucket, 0, ("u1", "a", 0))
    make(0)
    accept(bucket, 0, [buy(10)], file="late")

    assert orders(make(2))[on(0).isoformat()] == [("a", 1)]

    make(3)
    accept(bucket, 0, [buy(11)], file="too late")
    assert orders(make(3))[on(0).isoformat()] == [("a", 1)]


def test_a_day_that_was_made_early_is_made_once_more_however_late(bucket: "S3Client") -> None:
    expose(bucket, 0, ("u1", "a", 0))
    make(0)
    accept(bucket, 0, [buy(10)])

    assert orders(make(9))[on(0).isoformat()] == [("a", 1)]


def test_the_next_round_goes_on_where_time_was_over(bucket: "S3Client") -> None:
    expose(bucket, 0, ("u1", "a", 0))
    for number in range(6):
        accept(bucket, number, [buy(number * 86_400 + 5)])

    part = make(5, days=17)
    whole = make(5)

    assert (part.whole, len(part.rows["home"])) == (False, 3)
    assert whole.whole
    assert sum(number for rows in orders(whole).values() for _, number in rows) == 6


def test_after_the_end_late_events_still_count(bucket: "S3Client") -> None:
    ended = replace(EXPERIMENT, ends_at=START + 86_400)
    expose(bucket, 0, ("u1", "a", 0))
    accept(bucket, 1, [buy(86_399, accepted=86_500), buy(86_400)])

    assert orders(make(1, experiment=ended))[on(1).isoformat()] == [("a", 1)]


def test_users_who_were_erased_leave_and_a_day_that_is_made_again_has_them_no_more(bucket: "S3Client") -> None:
    expose(bucket, 0, ("u1", "a", 0), ("u2", "a", 0))
    accept(bucket, 0, [buy(1), event("View", 2, user="u2")])
    make(0)

    files().forget({unit("u1")})

    make(3)
    (rows, *_) = files().experiment_days("home").values()
    shop_day = files().shop_days([DAY])[DAY]
    assert rows["unit"].to_list() == [unit("u2")]
    assert shop_day is not None
    assert shop_day.rows["unit"].to_list() == [unit("u2")]
    assert {row for day in make(1).rows["home"].values() for row in day["unit"]} == {unit("u2")}
    assert datetime.fromtimestamp(START, UTC).date() == DAY


def test_the_visitor_of_a_user_who_was_erased_leaves_though_a_later_round_tells_of_them(bucket: "S3Client") -> None:
    line = {"experiment": "home", "variant": "a", "unit": unit("v"), "placement": "home", "at": START * 1000}
    lines = "\n".join(json.dumps(told) for told in (line, {**line, "user": unit("u1")}))
    bucket.put_object(Bucket=BUCKET, Key=f"exposures/demo/{DAY:%Y/%m/%d}/1.jsonl", Body=lines.encode())
    accept(bucket, 0, [buy(1), event("View", 2, user="u2")])

    files().forget({unit("u1")})

    made = make(0)
    assert made.rows["home"][DAY].is_empty()
    assert files().links().all_of({unit("u1")}) == {unit("u1")}


def facts_of(lists: pl.Series) -> pl.DataFrame:
    return pl.DataFrame([lists.alias("list")]).select(
        "list", placement=pl.lit("home"), variant=pl.lit(0, pl.UInt32), release=pl.lit("r"), at=pl.lit(START)
    )


def test_placements_are_made_of_the_same_days_and_again_while_they_may_change(bucket: "S3Client") -> None:
    def placed(number: int) -> list[tuple[str, int, float]]:
        """Return what the home placement says up to a day."""
        rules = ShelfRules(facts_of=facts_of)
        shelves = ShelfFiles(files(), rules, on(number))
        made = aggregating.make(files(), RULES, [], on(number), lambda: False, Also(companion=shelves))
        assert made.whole
        days = between(files(), on(-40), on(number))
        rows = [(day.isoformat(), row) for day, table in days.items() for row in table.to_dicts()]
        return [(day, row["clicks"], row["attributed"]) for day, row in rows if row["level"] == "placement"]

    accept(bucket, 0, [event("View", 5, listed="a"), buy(9, orderId="o", value=3)])
    assert placed(0) == [("2026-11-02", 1, 3)]
    accept(bucket, 0, [event("View", 6, "u2", listed="b")], file="2")
    accept(bucket, 2, [buy(2 * 86_400, "u2", value=4), buy(2 * 86_401, orderId="o", value=3)])
    assert placed(2) == [("2026-11-02", 2, 3), ("2026-11-04", 0, 4)]
    assert placed(5) == placed(2)
    accept(bucket, 0, [event("View", 7, "u3", listed="c")], file="3")
    assert placed(5) == placed(2), "a settled day stays"


def test_an_erasure_leaves_sums_of_placements_and_takes_the_clicks(bucket: "S3Client") -> None:
    rules = ShelfRules(facts_of=facts_of)
    accept(bucket, 0, [event("View", 5, listed="a"), event("View", 5, "u2", listed="b")])
    aggregating.make(files(), RULES, [], on(0), lambda: False, Also(companion=ShelfFiles(files(), rules, on(0))))

    files().forget({unit("u1")})

    touches = files().tables("touches", [DAY]).get(DAY)
    assert touches is not None
    assert touches[0]["unit"].to_list() == [unit("u2")]
    (shop, *_) = between(files(), DAY, DAY)[DAY].to_dicts()
    assert shop["clicks"] == 2


def test_a_click_before_a_login_counts_where_the_user_buys_later_and_objects_with_them(bucket: "S3Client") -> None:
    clicked = {**event("View", 5, "", listed="a", session="s1"), "VISITOR": unit("v")}
    bought = {**buy(86_400, "u1", session="s2"), "VISITOR": unit("v")}
    for number, row in enumerate((clicked, bought)):
        key = f"events/demo/{on(number):%Y/%m/%d}/1.csv"
        bucket.put_object(Bucket=BUCKET, Key=key, Body=copy([row], (*COLUMNS, "VISITOR")))

    def orders_of(*left_out: str) -> list[int]:
        rules = ShelfRules(facts_of=facts_of, left_out=left_out)
        companion = ShelfFiles(files(), rules, on(1))
        aggregating.make(files(), RULES, [], on(1), lambda: False, Also(companion=companion))
        days = between(files(), on(1), on(1))
        return [row["orders"] for row in days[on(1)].to_dicts() if row["level"] == "placement"]

    assert orders_of() == [1]
    assert orders_of(unit("u1")) == []


def test_an_order_that_page_and_server_send_counts_once_for_the_visitor_who_is_the_user(bucket: "S3Client") -> None:
    guest = [
        {**buy(at, "", item, orderId="o", session="s1"), "VISITOR": unit("v")} for at, item in ((9, "i1"), (9, "i2"))
    ]
    server = [buy(12, "u1", item, orderId="o", session="s2") for item in ("i2", "i1", "i3")]
    login = {**event("View", 20, "u1", session="s1"), "VISITOR": unit("v")}
    text = copy([*guest, *server, login], (*COLUMNS, "VISITOR"))
    bucket.put_object(Bucket=BUCKET, Key=f"events/demo/{DAY:%Y/%m/%d}/1.csv", Body=text)
    expose(bucket, 0, ("v", "a", 0))

    (row,) = make(0).rows["home"][DAY].to_dicts()

    assert (row["orders"], row["items"], row["money"], row["values"]) == (1, 3, 30, [30])


def as_visitor(visitor: str, row: dict[str, str]) -> dict[str, str]:
    return {**row, "VISITOR": unit(visitor)}


def accept_visitors(bucket: "S3Client", number: int, *rows: dict[str, str]) -> None:
    key = f"events/demo/{on(number):%Y/%m/%d}/1.csv"
    bucket.put_object(Bucket=BUCKET, Key=key, Body=copy(rows, (*COLUMNS, "VISITOR")))


def test_an_order_that_a_page_tells_of_a_visitor_counts_once_where_the_server_tells_it_the_next_day(
    bucket: "S3Client",
) -> None:
    accept_visitors(bucket, 0, as_visitor("v", buy(9, "", orderId="o", session="s1")))
    server = buy(86_412, "u1", orderId="o", session="s2")
    accept_visitors(bucket, 1, server, as_visitor("v", event("View", 86_420, "u1", session="s1")))
    expose(bucket, 0, ("v", "a", 0))

    made = make(1)

    assert orders(made) == {on(0).isoformat(): [("a", 1)], on(1).isoformat(): []}


def test_one_id_for_all_guests_joins_none_of_their_browsers(bucket: "S3Client") -> None:
    guests = [f"v{number}" for number in range(60)]
    for number in range(2):
        at = number * 86_400
        views = [event("View", at + 9, "guest", session=name) for name in guests[number::2]]
        rows = [as_visitor(row["SESSION_ID"], row) for row in views]
        accept_visitors(bucket, number, *rows, as_visitor("own", buy(at + 20, "u1", session="s")))
    expose(bucket, 0, *((name, "ab"[number % 2], 0) for number, name in enumerate(guests)), ("own", "a", 0))

    made = make(1)

    assert made.links.crowds == {unit("guest")}
    assert len(made.links.all_of({unit("v0")})) == 1
    assert made.links.all_of({unit("u1")}) == {unit("u1"), unit("own")}
    assert orders(made) == {on(0).isoformat(): [("a", 1)], on(1).isoformat(): [("a", 1)]}


def test_money_of_another_currency_is_told_of_the_days_of_each_experiment(bucket: "S3Client") -> None:
    won = [buy(at, currency="KRW") for at in (10, 11)]
    accept(bucket, 0, [*won, buy(20, user="u2", currency="EUR"), buy(30, value="")])
    accept(bucket, 3, [buy(3 * 86_400, currency="KRW"), buy(3 * 86_400, user="u2", currency="USD")])
    later = replace(EXPERIMENT, name="later", starts_at=START + 2 * 86_400)

    made = aggregating.make(files(), RULES, [EXPERIMENT, later], on(3), lambda: False)

    assert (made.foreign_of(EXPERIMENT), made.unvalued_of(EXPERIMENT)) == ({"EUR": 1, "USD": 1}, 1)
    assert (made.foreign_of(later), made.unvalued_of(later)) == ({"USD": 1}, 0)


def shelves_of(number: int) -> list[dict[str, object]]:
    """Make the placements of all days up to one, and return the rows of the shop by day."""
    companion = ShelfFiles(files(), ShelfRules(facts_of=facts_of), on(number))
    aggregating.make(files(), RULES, [], on(number), lambda: False, Also(companion=companion))
    days = between(files(), on(-40), on(number))
    return [{"day": day, **row} for day, table in days.items() for row in table.to_dicts() if row["level"] == "shop"]


def test_robots_are_in_no_figures_of_placements(bucket: "S3Client") -> None:
    robot = [event("View", 5, "robot", f"i{number}", listed="a") for number in range(1_001)]
    accept(bucket, 0, [*robot, buy(9, "robot"), event("View", 5, listed="b"), buy(9)])

    (*_, shop) = shelves_of(0)

    assert (shop["clicks"], shop["orders"]) == (1, 1)


def test_the_clicks_of_a_visitor_leave_days_that_are_over_where_their_user_was_erased(bucket: "S3Client") -> None:
    accept_visitors(bucket, 0, as_visitor("v", event("View", 5, "", listed="a", session="s1")))
    shelves_of(3)
    accept_visitors(bucket, 4, as_visitor("v", event("View", 4 * 86_400, "u1", session="s1")))

    files().forget({unit("u1")})
    shelves_of(4)

    touches = files().tables("touches", [DAY]).get(DAY)
    assert touches is not None
    assert touches[0].is_empty()


def test_orders_that_are_imported_within_a_week_count_for_placements_without_an_experiment(bucket: "S3Client") -> None:
    accept(bucket, 0, [event("View", 5, listed="a")])
    shelves_of(4)
    rows = f"USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,EVENT_VALUE\nu1,i1,Purchase,{START + 60},7\n"
    bucket.put_object(Bucket=BUCKET, Key="imports/demo/r1/interactions/part-0.csv", Body=rows.encode())

    days = {row["day"]: row["attributed"] for row in shelves_of(5)}

    assert days[on(3)] == 7
