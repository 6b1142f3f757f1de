# SPDX-License-Identifier: Apache-2.0
"""The days of an experiment as what its verdict reads: sums by variant for each day and for each weekly look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations_with_replacement

import polars as pl

from personalization.experiments.days import units
from personalization.experiments.statistics.checks import Period
from personalization.experiments.statistics.sums import HAS_PAST, USERS, Matrix, Sums

CAP = 0.999
"""The share of orders whose value is counted whole where revenue is winsorized."""
COLUMNS = (
    HAS_PAST,
    "buyers",
    "orders",
    "revenue",
    "revenueWinsorized",
    "clickers",
    "clicks",
    "viewable",
    "returned",
    "money",
    "past.orders",
    "past.revenue",
    "past.revenueWinsorized",
    "past.clicks",
    "past.viewable",
)
"""What is known of a user, beside 1 for being one."""
_MARKS = {"buyers": "orders", "clickers": "clicks"}
"""Columns that have 1 for users who did something at all."""
_KEYS = ("unit", "variant")
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All users who were exposed by the end of a day, and what they had done by then."""

    day: date
    sums: Mapping[str, Sums]
    """By variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an experiment went."""

    days: tuple[Look, ...]
    looks: tuple[Look, ...]
    """After each whole week, with what the same users had done by the look before."""
    double: int
    """Units in two variants, who are in no sums."""
    robots: int
    """Units that did more than a person does, who are in no sums either."""
    cap: float | None
    """The value above which an order is cut where revenue is winsorized; None without an order that has one."""
    orders: int
    exposures: Mapping[str, Mapping[str, int]]
    """By day and variant."""
    money: Mapping[str, tuple[float, ...]]
    """The revenue of each user with an order, by variant; empty where there are many."""


def days_of_looks(starts_at: int, days: Sequence[date]) -> list[date]:
    """Return the last days of whole weeks since the start, in epoch seconds, that are over by the last of the days."""
    start = datetime.fromtimestamp(starts_at, UTC)
    # A week that does not begin at midnight ends on the day that has its last hours.
    ends = [(start + number * WEEK - timedelta(seconds=1)).date() for number in range(1, len(days) // 7 + 2)]
    return [end for end in ends if days and end <= max(days)]


def course(
    rows: Mapping[date, pl.DataFrame], variants: Sequence[str], looked: Sequence[date], few_orders: int = 0
) -> Course:
    """Return the course of an experiment.

    Args:
        rows: what `units.day` made of each day.
        variants: all that it has, the control first.
        looked: the days after which there is a look, in order.
        few_orders: the number of orders below which each buyer's revenue is told.
    """
    ordered = sorted(rows)
    every = [rows[day].drop_nulls("variant") for day in ordered]
    double, robots = _in_two(every), units.robots(every)
    left_out = pl.concat([double, robots]).unique()
    cap = _cap(every)
    figures = [_figures(frame, cap).filter(~pl.col("unit").is_in(left_out.implode())) for frame in every]
    summed = pl.DataFrame(schema={"unit": pl.String, "variant": pl.String, **dict.fromkeys(_ADDED, pl.Float64)})
    days, looks, before = list[Look](), list[Look](), summed
    for day, frame in zip(ordered, figures, strict=True):
        summed = pl.concat([summed, frame]).group_by(_KEYS).agg(pl.col(_ADDED).sum())
        days.append(Look(day=day, sums=_sums(_with_marks(summed), variants)))
        if day in looked:
            looks.append(
                Look(day=day, sums=_sums(_with_marks(summed), variants, _with_marks(before) if looks else None))
            )
            before = summed
    orders = int(summed["orders"].sum())
    return Course(
        days=tuple(days),
        looks=tuple(looks),
        double=double.len(),
        robots=robots.len(),
        cap=cap,
        orders=orders,
        exposures={day.isoformat(): _by_variant(frame, "exposures") for day, frame in zip(ordered, every, strict=True)},
        money=_money(summed, variants) if orders < few_orders else {},
    )


def periods(
    rows: Mapping[date, pl.DataFrame], weights: Sequence[tuple[int, Mapping[str, float]]]
) -> tuple[Period, ...]:
    """Return who was exposed first in each time of constant weights.

    Args:
        weights: from when each held, in epoch seconds, and the weight of each variant; in order.
    """
    first = units.firsts(rows.values()).group_by("unit").agg(pl.col("first", "variant").sort_by("first").first())
    edges = [*(since * 1000 for since, _ in weights[1:]), None]
    made, begin = list[Period](), 0
    for (_, shares), end in zip(weights, edges, strict=True):
        within = (pl.col("first") >= begin) & (pl.col("first") < end if end else pl.lit(value=True))
        users = first.filter(within).group_by("variant").len().rows()
        made.append(Period(weights=shares, users={name: number for name, number in users if name in shares}))
        begin = end or begin
    return tuple(made)


_ADDED = tuple(name for name in COLUMNS if name not in _MARKS)


def _figures(rows: pl.DataFrame, cap: float | None) -> pl.DataFrame:
    """Return the columns of a day's units that add up."""

    def capped(values: str) -> pl.Expr:
        column = pl.col(values).fill_null([])
        return (
            column.list.eval(pl.min_horizontal(pl.element(), pl.lit(cap))) if cap is not None else column
        ).list.sum()

    past = pl.col("pastReturned").fill_null(0)
    named = {
        HAS_PAST: pl.col("pastOrders").is_not_null(),
        "orders": pl.col("orders"),
        "revenue": pl.col("money") - pl.col("returned"),
        "revenueWinsorized": capped("values") - pl.col("returned"),
        "clicks": pl.col("clicks"),
        "viewable": pl.col("viewable"),
        "returned": pl.col("returned"),
        "money": pl.col("money"),
        "past.orders": pl.col("pastOrders"),
        "past.revenue": pl.col("pastValues").list.sum() - past,
        "past.revenueWinsorized": capped("pastValues") - past,
        "past.clicks": pl.col("pastClicks"),
        "past.viewable": pl.col("pastViewable"),
    }
    return rows.select(*_KEYS, *(named[name].cast(pl.Float64).fill_null(0.0).alias(name) for name in _ADDED))


def _with_marks(users: pl.DataFrame) -> pl.DataFrame:
    marks = ((pl.col(of) > 0).cast(pl.Float64).alias(name) for name, of in _MARKS.items())
    return users.with_columns(*marks, pl.lit(1.0).alias(USERS))


def _sums(users: pl.DataFrame, variants: Sequence[str], before: pl.DataFrame | None = None) -> dict[str, Sums]:
    columns = (USERS, *COLUMNS)
    pairs = [*combinations_with_replacement(columns, 2)]
    now = _added(users, pairs, "")
    shared: dict[str, dict[tuple[str, str], float]] = {}
    every = [(earlier, later) for earlier in columns for later in columns]
    if before is not None:
        together = before.join(users, on=_KEYS, suffix="@now")
        shared = _added(together, every, "@now")
    made = {}
    for variant in variants:
        cells = now.get(variant, {})
        products = _matrix(columns, {**cells, **{(later, earlier): value for (earlier, later), value in cells.items()}})
        since = () if before is None else _matrix(columns, shared.get(variant, {}))
        made[variant] = Sums(columns=columns, products=products, since=since)
    return made


def _added(
    users: pl.DataFrame, pairs: Sequence[tuple[str, str]], suffix: str
) -> dict[str, dict[tuple[str, str], float]]:
    """Return by variant the sums of products of two columns."""
    rows = users.group_by("variant").agg(
        (pl.col(left) * pl.col(f"{right}{suffix}")).sum().alias(str(number))
        for number, (left, right) in enumerate(pairs)
    )
    return {row[0]: dict(zip(pairs, row[1:], strict=True)) for row in rows.rows()}


def _matrix(columns: Sequence[str], cells: Mapping[tuple[str, str], float]) -> Matrix:
    return tuple(tuple(cells.get((left, right), 0.0) for right in columns) for left in columns)


def _in_two(days: Sequence[pl.DataFrame]) -> pl.Series:
    first = units.firsts(days)
    return first.group_by("unit").len().filter(pl.col("len") > 1)["unit"]


def _cap(days: Sequence[pl.DataFrame]) -> float | None:
    values = pl.concat([pl.Series("values", [], pl.Float64), *(rows["values"].explode().drop_nulls() for rows in days)])
    # Of fewer than a thousand orders, the largest one alone does not count whole.
    return values.quantile(CAP, "lower")


def _by_variant(rows: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(rows.group_by("variant").agg(pl.col(column).sum()).sort("variant").rows())


def _money(users: pl.DataFrame, variants: Sequence[str]) -> dict[str, tuple[float, ...]]:
    bought = users.filter(pl.col("orders") > 0).sort("unit")
    return {name: tuple(bought.filter(pl.col("variant") == name)["revenue"].to_list()) for name in variants}
