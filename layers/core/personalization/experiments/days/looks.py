# SPDX-License-Identifier: Apache-2.0
"""The days of an experiment as what its verdict reads: sums by variant for each day and for each weekly look.

The rows of all units are never needed at once: they come in shards, whose courses add up to that of all.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial, reduce
from itertools import combinations_with_replacement
from typing import Self

import polars as pl

from personalization.experiments.days import units
from personalization.experiments.days.units import Days
from personalization.experiments.statistics.checks import Period
from personalization.experiments.statistics.sums import HAS_PAST, USERS, Matrix, Sums, counted

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

    def __add__(self, other: Self) -> Self:
        """Return the same day with the users of both."""
        return type(self)(day=self.day, sums={name: sums + other.sums[name] for name, sums in self.sums.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is to be known of an experiment."""

    variants: Sequence[str]
    """All that it has, the control first."""
    today: date
    """The day that is not over."""
    weights: Sequence[tuple[int, Mapping[str, float]]] = ()
    """From when each held, in epoch seconds, and the weight of each variant; in order."""
    weeks_since: int | None = None
    """The start of the weeks after each of which there is a look, in epoch seconds; None for no looks."""
    few_orders: int = 0
    """The number of orders below which each buyer's revenue is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an experiment went."""

    days: tuple[Look, ...]
    looks: tuple[Look, ...]
    """After each whole week, with what the same users had done by the look before."""
    periods: tuple[Period, ...]
    """Who was exposed first in each time of constant weights."""
    double: int
    """Units in two variants, who are in no sums."""
    robots: int
    """Units that did more than a person does, who are in no sums either."""
    shown: int
    """Units that were shown lists of the experiment on days that are over."""
    unexposed: int
    """Those of them that were never exposed."""
    cap: float | None
    """The value above which an order is cut where revenue is winsorized; None without an order that has one."""
    orders: int
    exposures: Mapping[str, Mapping[str, int]]
    """By day and variant."""
    revenues: Mapping[str, Mapping[str, float]]
    """Of each unit with an order, by variant and unit; empty where there are many."""

    @property
    def money(self) -> dict[str, tuple[float, ...]]:
        """Return the revenue of each user with an order, by variant; empty where there are many."""
        return {name: tuple(by_unit[unit] for unit in sorted(by_unit)) for name, by_unit in self.revenues.items()}

    def __add__(self, other: Self) -> Self:
        """Return the course of the units of both, whose days, variants and cap are the same."""
        return type(self)(
            days=tuple(map(operator.add, self.days, other.days)),
            looks=tuple(map(operator.add, self.looks, other.looks)),
            periods=tuple(map(operator.add, self.periods, other.periods)),
            double=self.double + other.double,
            robots=self.robots + other.robots,
            shown=self.shown + other.shown,
            unexposed=self.unexposed + other.unexposed,
            cap=self.cap,
            orders=self.orders + other.orders,
            exposures={day: counted(shown, other.exposures[day]) for day, shown in self.exposures.items()},
            revenues={name: {**by_unit, **other.revenues[name]} for name, by_unit in self.revenues.items()},
        )


def days_of_looks(starts_at: int, days: Sequence[date]) -> list[date]:
    """Return the last days of whole weeks since the start, in epoch seconds, that are over by the last of the days."""
    start = datetime.fromtimestamp(starts_at, UTC)
    # A week that does not begin at midnight ends on the day that has its last hours.
    ends = [(start + number * WEEK - timedelta(seconds=1)).date() for number in range(1, len(days) // 7 + 2)]
    return [end for end in ends if days and end <= max(days)]


def course(shards: Callable[[], Iterator[Days]], scope: Scope) -> Course:
    """Return the course of an experiment.

    Args:
        shards: iterates over its rows, as `units.day` made them of each day; it is called twice.
        scope: what is to be known.
    """
    days, cap = _days_and_cap(shards())
    # A map keeps no shard while the next one is read.
    made = reduce(operator.add, map(partial(_of_shard, days=days, cap=cap, scope=scope), shards()))
    return made if made.orders < scope.few_orders else replace(made, revenues={})


def _days_and_cap(shards: Iterator[Days]) -> tuple[list[date], float | None]:
    """Return the days of all shards, and the cap of all orders."""
    parts = [*map(_valued, shards)]
    values = pl.concat([pl.Series("values", [], pl.Float64), *(values for _, values in parts)])
    # Of fewer than a thousand orders, the largest one alone does not count whole.
    return sorted({day for days, _ in parts for day in days}), values.quantile(CAP, "lower")


def _valued(shard: Days) -> tuple[list[date], pl.Series]:
    """Return the days of a shard, and the values of its orders."""
    values = (rows["values"].explode().drop_nulls() for rows in shard.values())
    return [*shard], pl.concat([pl.Series("values", [], pl.Float64), *values])


def _of_shard(shard: Days, days: Sequence[date], cap: float | None, scope: Scope) -> Course:
    """Return the course of the units of a shard."""
    first = units.firsts(shard.values())
    double = first.group_by("unit").len().filter(pl.col("len") > 1)["unit"]
    robots = units.robots(shard.values())
    left_out = pl.concat([double, robots]).unique().implode()
    over = [day for day in days if day < scope.today]
    looked = [] if scope.weeks_since is None else days_of_looks(scope.weeks_since, over)
    shown, unexposed = units.unexposed(shard[day] for day in over if day in shard)
    nothing = pl.DataFrame(schema=units.ROWS)
    summed = pl.DataFrame(schema={"unit": pl.String, "variant": pl.String, **dict.fromkeys(_ADDED, pl.Float64)})
    sums, looks, before, exposures = list[Look](), list[Look](), summed, {}
    for day in days:
        rows = shard.get(day, nothing).drop_nulls("variant")
        exposures[day.isoformat()] = _by_variant(rows, "exposures")
        figures = _figures(rows, cap).filter(~pl.col("unit").is_in(left_out))
        summed = pl.concat([summed, figures]).group_by(_KEYS).agg(pl.col(_ADDED).sum())
        users = _with_marks(summed)
        sums.append(Look(day=day, sums=_sums(users, scope.variants)))
        if day in looked:
            looks.append(Look(day=day, sums=_sums(users, scope.variants, before if looks else None)))
            before = users
    orders = int(summed["orders"].sum())
    return Course(
        days=tuple(sums),
        looks=tuple(looks),
        periods=_periods(first, scope.weights),
        double=double.len(),
        robots=robots.len(),
        shown=shown,
        unexposed=unexposed,
        cap=cap,
        orders=orders,
        exposures=exposures,
        revenues=_revenues(summed if orders < scope.few_orders else summed.clear(), scope.variants),
    )


def _periods(first: pl.DataFrame, weights: Sequence[tuple[int, Mapping[str, float]]]) -> tuple[Period, ...]:
    first = first.group_by("unit").agg(pl.col("first", "variant").sort_by("first").first())
    edges = [since * 1000 for since, _ in weights[1:]]
    made = list[Period]()
    for (_, shares), begin, end in zip(weights, [0, *edges], [*edges, None], strict=False):
        within = (pl.col("first") >= begin) & (pl.col("first") < end if end else pl.lit(value=True))
        users = first.filter(within).group_by("variant").len().rows()
        made.append(Period(weights=shares, users={name: number for name, number in users if name in shares}))
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
    every = [(earlier, later) for earlier in columns for later in columns]
    shared = None if before is None else before.join(users, on=_KEYS, suffix="@now")
    made = {}
    for variant in variants:
        cells = _products(users, variant, combinations_with_replacement(columns, 2))
        cells |= {(later, earlier): value for (earlier, later), value in cells.items()}
        since = () if shared is None else _matrix(columns, _products(shared, variant, every, "@now"))
        made[variant] = Sums(columns=columns, products=_matrix(columns, cells), since=since)
    return made


def _products(
    users: pl.DataFrame, variant: str, pairs: Iterable[tuple[str, str]], suffix: str = ""
) -> dict[tuple[str, str], float]:
    """Return the sums of products of two columns over the users of a variant."""
    ours = {column.name: column for column in users.filter(pl.col("variant") == variant)}
    return {(left, right): float(ours[left].dot(ours[f"{right}{suffix}"]) or 0.0) for left, right in pairs}


def _matrix(columns: Sequence[str], cells: Mapping[tuple[str, str], float]) -> Matrix:
    return tuple(tuple(cells[left, right] for right in columns) for left in columns)


def _by_variant(rows: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(rows.group_by("variant").agg(pl.col(column).sum()).sort("variant").rows())


def _revenues(users: pl.DataFrame, variants: Sequence[str]) -> dict[str, dict[str, float]]:
    bought = users.filter(pl.col("orders") > 0)
    return {name: dict(bought.filter(pl.col("variant") == name).select("unit", "revenue").rows()) for name in variants}
