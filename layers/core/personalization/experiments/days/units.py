# SPDX-License-Identifier: Apache-2.0
"""A day's exposures and events as figures of each unit: what a verdict adds up, in place of reading events again.

An event counts from the unit's first exposure on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from personalization.experiments.days.columns import numbered, shaped
from personalization.experiments.days.events import OUTCOMES, Events
from personalization.experiments.days.reading import VIEWABLE

ROBOT_EVENTS, ROBOT_ORDERS = 1_000, 50
"""More of them on one day than a person makes."""
PAST_DAYS = 14
"""The whole days before a unit's first one, which are its past."""
_AMOUNTS, _COUNTS = ("items", "itemsBack", "money", "returned"), ("clicks", "carts")
_SUMS = ("orders", *_AMOUNTS, *_COUNTS)
_PAST_COUNTS = {"pastOrders": "orders", "pastClicks": "clicks", "pastViewable": "viewable"}
SHOP_DAY = pl.Schema(
    {
        "unit": pl.String(),
        "events": pl.UInt32(),
        **{name: OUTCOMES[name] for name in _SUMS},
        "viewable": pl.UInt32(),
        "values": pl.List(pl.Float64),
        "seen": pl.List(pl.UInt64),
    }
)
ROWS = pl.Schema(
    {
        "unit": pl.String(),
        "variant": pl.String(),
        "first": pl.Int64(),
        "exposures": pl.UInt32(),
        "events": pl.UInt32(),
        **{name: OUTCOMES[name] for name in _SUMS},
        "viewable": pl.UInt32(),
        "values": pl.List(pl.Float64),
        "counted": pl.List(pl.UInt64),
        **dict.fromkeys(_PAST_COUNTS, pl.UInt32()),
        "pastReturned": pl.Float64(),
        "pastValues": pl.List(pl.Float64),
        "lists": pl.UInt32(),
    }
)
"""`lists` are those of the experiment that events or views name. A unit that was shown some, and neither exposed nor
counted on a day, has a row without a variant."""
Days = Mapping[date, pl.DataFrame]
"""Rows by day, of some units: all rows of a unit are in one shard, and a day may be missing where they have none."""
_FIRST = pl.Schema({name: ROWS[name] for name in ("unit", "variant", "first")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a day of an experiment needs beside its exposures and events."""

    until: int | None = None
    """The end of the experiment, in epoch milliseconds; what comes later counts no more."""
    past: pl.DataFrame | None = None
    """Of units, as `past` returns it."""
    viewable: pl.DataFrame | None = None
    """The day's items on screen."""
    numbers: Collection[int] | None = None
    """The numbers of the experiment's variants, of whose lists clicks and items on screen count; None for all lists."""


def shop_day(accepted: Events, viewable: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return a day's figures of all units, exposed or not: the past of later exposures."""
    tables = [accepted.outcomes.drop("session"), accepted.units, _on_screen(viewable).select("unit", "items")]
    names, (outcomes, days, on_screen) = numbered(tables, "unit")
    lines = outcomes.filter(pl.col("line").is_not_null())
    hashes = (lines.select("unit", seen="line"), _bought(lines).select("unit", seen="order"))
    seen = pl.concat([*hashes, lines.select("unit", seen="moment").drop_nulls()]).unique()
    seen = seen.sort("unit", "seen").group_by("unit", maintain_order=True).agg("seen")
    on_screen = on_screen.group_by("unit").agg(pl.col("items").sum().alias("viewable"))
    for sums in (_summed(outcomes, ["unit"]), on_screen):
        days = days.join(sums, on="unit", how="full", coalesce=True)
    days = days.join(seen, on="unit", how="left").join(names, on="unit", how="left")
    return _counted(days.with_columns(pl.col("text").alias("unit")), SHOP_DAY).sort("unit")


def day(shown: pl.DataFrame, accepted: Events, days: Sequence[pl.DataFrame], beside: Beside) -> pl.DataFrame:
    """Return an experiment's rows of a day, one for each unit and variant with an exposure or an outcome on it.

    Args:
        shown: the day's exposures, as `reading.EXPOSURES`.
        accepted: its events.
        days: the rows of the experiment's earlier days.
        beside: the rest.
    """
    until = beside.until
    if until is not None:
        shown = shown.filter(pl.col("at") < until)
    today = shown.group_by("unit", "variant").agg(pl.col("at").min().alias("first"), pl.col("exposures").sum())
    before = firsts(days)
    first = pl.concat([before, today.select(_FIRST.names())]).group_by("unit", "variant").agg(pl.col("first").min())
    outcomes = accepted.outcomes if until is None else accepted.outcomes.filter(pl.col("time") * 1000 < until)
    outcomes = _as_exposed(outcomes, first["unit"].unique())
    on_screen = _on_screen(beside.viewable)
    lists = _lists(outcomes, on_screen, beside.numbers)
    if beside.numbers is not None:
        ours = pl.col("shown").is_in(list(beside.numbers))
        outcomes, on_screen = outcomes.filter(pl.col("clicks").is_null() | ours), on_screen.filter(ours)
    # An event has no milliseconds.
    since = outcomes.join(first, on="unit").filter(pl.col("time") >= pl.col("first") // 1000)
    since = _without_strange_returns(since, days)
    counted = _bought(since).group_by("unit", "variant").agg(pl.col("order").unique().sort().alias("counted"))
    keys = ["unit", "variant"]
    on_screen = on_screen.join(first, on="unit").filter(pl.col("at") >= pl.col("first"))
    sums = _summed(since, keys).join(
        on_screen.group_by(keys).agg(pl.col("items").sum().alias("viewable")), on=keys, how="full", coalesce=True
    )
    rows = today.drop("first").join(sums, on=keys, how="full", coalesce=True).join(first, on=keys)
    rows = rows.join(accepted.units, on="unit", how="left").join(counted, on=keys, how="left")
    new = today.join(before, on=keys, how="anti").select(keys)
    if beside.past is not None:
        new = new.join(beside.past, on="unit", how="left")
    rows = rows.join(new, on=keys, how="left").join(lists, on="unit", how="full", coalesce=True)
    return _counted(rows, ROWS).sort(keys)


def firsts(days: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return when each unit was first exposed to a variant."""
    before = pl.concat([pl.DataFrame(schema=_FIRST), *(rows.select(_FIRST.names()) for rows in days)])
    return before.drop_nulls("variant").group_by("unit", "variant").agg(pl.col("first").min())


def unexposed(days: Iterable[pl.DataFrame]) -> tuple[int, int]:
    """Return how many units were shown lists of the experiment, and how many of them were never exposed."""
    columns = ("unit", "variant", "lists")
    rows = pl.concat([pl.DataFrame(schema=ROWS).select(columns), *(rows.select(columns) for rows in days)])
    units = rows.group_by("unit").agg(pl.col("lists").sum(), pl.col("variant").is_not_null().any().alias("exposed"))
    shown = units.filter(pl.col("lists") > 0)
    return shown.height, shown.filter(~pl.col("exposed")).height


def past(shop_days: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return what units did on the days before an exposure; a unit without a row has no past."""
    names = ["unit", *_PAST_COUNTS.values(), "returned", "values"]
    empty = pl.DataFrame(schema={name: SHOP_DAY[name] for name in names})
    rows = pl.concat([empty, *(rows.select(names) for rows in shop_days)])
    return rows.group_by("unit").agg(
        *(pl.col(name).sum().alias(past_name) for past_name, name in _PAST_COUNTS.items()),
        pl.col("returned").sum().alias("pastReturned"),
        pl.col("values").explode().drop_nulls().sort().alias("pastValues"),
    )


def summed(days: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of several days as one row for each unit and variant, in any order of the days."""
    rows = pl.concat([pl.DataFrame(schema=ROWS), *days])
    return shaped(
        rows.group_by("unit", "variant").agg(
            [
                pl.col("first").min(),
                pl.col("exposures", *_SUMS, "viewable", "lists").sum(),
                # Of robots: the most on one day.
                pl.col("events").max(),
                pl.col("values", "counted").explode().drop_nulls().sort(),
                # The row of the first day has them, where there is a past.
                pl.col(*_PAST_COUNTS, "pastReturned").max(),
                pl.col("pastValues").drop_nulls().first(),
            ]
        ),
        ROWS,
    ).sort("unit", "variant")


def left(rows: pl.DataFrame, units: Collection[str]) -> pl.DataFrame:
    """Return rows without those of some units."""
    if not units:
        return rows
    names = [name for name in ("unit", "other") if name in rows.columns]
    return rows.filter(~pl.any_horizontal(pl.col(names).is_in(list(units))))


def robots(days: Iterable[pl.DataFrame]) -> pl.Series:
    """Return the units that did more on one of some days than a person does."""
    is_robot = (pl.col("events") > ROBOT_EVENTS) | (pl.col("orders") > ROBOT_ORDERS)
    names = [pl.Series("unit", [], pl.String), *(rows.filter(is_robot)["unit"] for rows in days)]
    return pl.concat(names).unique()


def busiest(accepted: Events) -> pl.Series:
    """Return the robots among a day's events."""
    orders = accepted.outcomes.group_by("unit").agg(pl.col("orders").sum())
    return robots([accepted.units.join(orders, on="unit", how="left")])


def _bought(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.filter(pl.col("items").is_not_null() & pl.col("order").is_not_null())


def _as_exposed(outcomes: pl.DataFrame, exposed: pl.Series) -> pl.DataFrame:
    """Return outcomes with the units that were exposed: before a login, the session is the unit, if that was."""
    is_stranger = ~pl.col("unit").is_in(exposed.implode()) & pl.col("session").is_in(exposed.implode())
    return outcomes.with_columns(pl.when(is_stranger).then("session").otherwise("unit").alias("unit"))


def _without_strange_returns(since: pl.DataFrame, days: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Leave out returns of orders that did not count, since they were placed before the exposure."""
    keys = ["unit", "variant", "order"]
    earlier = (rows.select("unit", "variant", order="counted").explode("order").drop_nulls() for rows in days)
    ours = pl.concat([_bought(since).select(keys), *earlier]).unique()
    is_back = (pl.col("named") & pl.col("itemsBack").is_not_null()).fill_null(value=False)
    if since.filter(is_back).is_empty():
        return since
    rest = since.filter(~is_back)
    return pl.concat([rest, since.filter(is_back).join(ours, on=keys, how="semi")])


def _lists(outcomes: pl.DataFrame, on_screen: pl.DataFrame, numbers: Collection[int] | None) -> pl.DataFrame:
    """Return of how many lists of the experiment there are events or items on screen, for each unit."""
    ours = pl.col("shown").is_in(list(numbers or ()))
    lists = ["unit", pl.col("list").hash()]
    units = pl.concat([outcomes.filter(ours).select(lists), on_screen.filter(ours).select(lists)])
    return units.unique().group_by("unit").agg(pl.len().cast(pl.UInt32).alias("lists"))


def _on_screen(viewable: pl.DataFrame | None) -> pl.DataFrame:
    return pl.DataFrame(schema=VIEWABLE) if viewable is None else viewable


def _summed(outcomes: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    values = (
        _bought(outcomes)
        .filter(pl.col("money").is_not_null())
        .group_by(*keys, "order")
        .agg(pl.col("money").sum())
        .group_by(keys)
        .agg(pl.col("money").sort().alias("values"))
    )
    is_line = pl.any_horizontal(pl.col("items", "itemsBack").is_not_null())
    # In a fixed order, so that sums of floating-point numbers are the same, however the events came.
    lines = outcomes.filter(is_line).sort("time", "order", "line", *_AMOUNTS).group_by(keys, maintain_order=True)
    sums = lines.agg(pl.col("orders", *_AMOUNTS).sum())
    for others in (outcomes.filter(~is_line).group_by(keys).agg(pl.col(_COUNTS).sum()), values):
        sums = sums.join(others, on=keys, how="full", coalesce=True)
    return sums


def _counted(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the columns of a schema; what was not counted is 0."""
    names = [name for name in ("exposures", "events", "viewable", "lists", *_SUMS) if name in schema]
    return shaped(rows, schema).with_columns(pl.col(names).fill_null(0))
