# SPDX-License-Identifier: Apache-2.0
"""A day's figures of each placement: sums that name nobody, and what later days need to join orders to lists.

An answer leaves no record outside of experiments, so a list is known by what follows it: an item on screen, a click, or
an event that names it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import polars as pl

from personalization.experiments.days.columns import numbered, shaped
from personalization.experiments.days.events import Events
from personalization.experiments.shelves import metrics
from personalization.experiments.shelves.metrics import BOUGHT, LISTS, SUMS, WAYS, WINDOW

Level = Literal["shop", "placement", "variant", "item"]
"""What a row is of: all lists, those of a placement, those of a variant and release in it, or an item of it."""
DAYS_BACK = 30
"""The days after a purchase on which what comes back still finds its list."""
MOST_ITEMS = 100
"""The most items of a placement on a day: those with the most clicks."""
OTHER = "other"
"""A variant that no experiment of the shop has any more."""
_GROUPS = ("placement", "variant", "release")
_BY: Mapping[Level, tuple[str, ...]] = {"shop": (), "placement": ("placement",), "variant": _GROUPS}
TOUCHES = pl.Schema(
    {
        "unit": pl.String,
        "session": pl.String,
        "item": pl.String,
        "time": pl.Int64,
        "list": pl.String,
        "recommendation": pl.String,
        "order": pl.UInt64,
        "way": pl.String,
    }
)
"""Clicks, and with an `order` lines that were bought from a list; `session` is a digest as `unit` is."""
SHELVES = pl.Schema(
    {
        "level": pl.String,
        **dict.fromkeys((*_GROUPS, "item"), pl.String),
        **{name: pl.Float64 if name in {"items", "attributed", "engaged"} else pl.UInt32 for name in SUMS},
        **dict.fromkeys((*WAYS, "none"), pl.UInt32),
    }
)
"""`SUMS` of metrics; what a level does not tell is empty or null. The shop's row has how bought lines were joined."""


FACTS = pl.Schema(
    {"list": pl.String, "placement": pl.String, "variant": pl.UInt32, "release": pl.String, "at": pl.Int64}
)
"""What listIds say of their lists: a placement's name, or with a slash before it that of a route; the number of the
variant, 0 for none; when the release was promoted, ISO 8601; and when they were answered, in epoch seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfRules:
    """How lists and orders are joined."""

    facts_of: Callable[[pl.Series], pl.DataFrame]
    """Returns what listIds say that were checked when they were accepted, as `FACTS`."""
    variants: Mapping[int, str] = field(default_factory=dict)
    """The names `experiment.variant` by their numbers."""
    left_out: Collection[str] = ()
    """Units that count in no report: of users who object, or who were erased."""
    window: int = WINDOW
    """Days from a click to a purchase."""


@dataclass(frozen=True, slots=True)
class ShelfDay:
    """A day of all placements."""

    rows: pl.DataFrame
    """As `SHELVES` says."""
    touches: pl.DataFrame
    """As `TOUCHES` says."""


def shelf_day(accepted: Events, viewable: pl.DataFrame, before: Iterable[pl.DataFrame], rules: ShelfRules) -> ShelfDay:
    """Return a day's placements.

    Args:
        accepted: the day's events.
        viewable: its items on screen, as `reading.VIEWABLE`.
        before: touches of the days before; see `needed`.
        rules: how to join them.
    """
    ours = ~pl.col("unit").is_in(list(rules.left_out))
    outcomes = accepted.outcomes.filter(ours)
    earlier = pl.concat([pl.DataFrame(schema=TOUCHES), *before]).filter(ours)
    clicks = outcomes.filter(pl.col("clicks") > 0)
    of_window = pl.concat([_clicks(earlier), clicks.select(_CLICKS)], how="vertical_relaxed")
    bought = earlier.filter(pl.col("order").is_not_null())
    named = outcomes.filter(pl.col("clicks").is_null())["list"]
    rows = metrics.joined(outcomes, of_window, _lists(named, None, rules), rules.window, bought)
    back = bought.join(rows.filter(pl.col("itemsBack").is_not_null()), on=["unit", "order"], how="semi")
    seen = viewable.filter(ours).group_by("list").agg(pl.col("items").sum().alias("viewable"))
    tokens = pl.concat([frame["list"] for frame in (rows, clicks, back, seen)])
    lists = _lists(tokens, seen, rules)
    parts = _numbered(rows, clicks, lists, back)
    tables = [_level(level, by, parts) for level, by in _BY.items()]
    ways = pl.DataFrame({"level": "shop", **metrics.ways(rows)})
    tables[0] = tables[0].join(ways, on="level", how="full", coalesce=True)
    lines = rows.filter(pl.col("items").is_not_null() & pl.col("list").is_not_null())
    touches = [shaped(clicks.with_columns(order=None, way=None), TOUCHES), shaped(lines, TOUCHES)]
    return ShelfDay(
        pl.concat([shaped(table, SHELVES) for table in (*tables, _items(*parts[:3]))]).with_columns(
            pl.col(*_GROUPS, "item").fill_null("")
        ),
        pl.concat(touches),
    )


def needed(touches: pl.DataFrame, made: date, day: date, window: int) -> pl.DataFrame:
    """Return what a later day needs of the touches of a day that was made."""
    age = day - made
    if age > timedelta(days=DAYS_BACK):
        return touches.clear()
    # A day more, since a day is that of acceptance.
    return touches if age <= timedelta(days=window + 1) else touches.filter(pl.col("order").is_not_null())


def added(days: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of several days as one row for each level and group."""
    keys = ["level", *_GROUPS, "item"]
    values = [name for name in SHELVES.names() if name not in keys]
    rows = pl.concat([pl.DataFrame(schema=SHELVES), *days])
    # What is unknown on all days stays unknown.
    sums = [pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()) for name in values]
    return rows.group_by(keys).agg(sums).sort(keys)


_CLICKS = ["unit", "session", "item", "time", "list", "recommendation", "clicks"]


def _clicks(touches: pl.DataFrame) -> pl.DataFrame:
    return touches.filter(pl.col("order").is_null()).with_columns(pl.lit(1, pl.UInt32).alias("clicks")).select(_CLICKS)


def _lists(tokens: pl.Series, seen: pl.DataFrame | None, rules: ShelfRules) -> pl.DataFrame:
    """Return what is known of lists, as `metrics.LISTS`."""
    facts = rules.facts_of(tokens.drop_nulls().unique())
    names = pl.col("variant").replace_strict({0: "", **rules.variants}, default=OTHER, return_dtype=pl.String)
    table = facts.with_columns(names.alias("variant"))
    return shaped(table if seen is None else table.join(seen, on="list", how="left"), LISTS)


def _numbered(
    rows: pl.DataFrame, clicks: pl.DataFrame, lists: pl.DataFrame, back: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return tables with numbers of lists and of units, which each level joins again, and groups as categories."""
    _, (rows, clicks, lists, back) = numbered((rows, clicks.select("list", "item", "clicks"), lists, back), "list")
    _, (rows, back) = numbered((rows, back), "unit")
    # Categories in the order of their names.
    groups = [lists[name].cast(pl.Enum(lists[name].drop_nulls().unique().sort())) for name in _GROUPS]
    return rows, clicks, lists.with_columns(groups), back


def _level(
    level: Level, by: Sequence[str], parts: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]
) -> pl.DataFrame:
    rows, clicks, lists, back = parts
    lists = lists.with_columns(pl.lit(level).alias("level"))
    return metrics.sums(rows, clicks, lists, ["level", *by], back.select(BOUGHT.names()))


def _items(rows: pl.DataFrame, clicks: pl.DataFrame, lists: pl.DataFrame) -> pl.DataFrame:
    """Return the most clicked items of each placement."""
    groups = lists.select("list", "placement")
    clicked = clicks.join(groups, on="list").group_by("placement", "item").agg(pl.col("clicks").sum())
    # The sums of items are those of lists, each of which is of one item: what was bought of it.
    earned = metrics.sums(
        rows.with_columns(pl.concat_str("list", pl.lit("\n"), "item").alias("list")),
        clicks.clear().cast({"list": pl.String}),
        _pairs(rows, groups),
        ["placement", "item"],
    )
    items = clicked.join(earned.drop("clicks"), on=["placement", "item"], how="full", coalesce=True)
    unknown = ("lists", "impressions", "viewable", "engaged")
    items = items.with_columns(pl.lit("item").alias("level"), *(pl.lit(None).alias(name) for name in unknown))
    order = ["placement", "clicks", "attributed", "item"]
    ranked = items.with_columns(pl.col("clicks", "attributed").fill_null(0)).sort(
        order, descending=[False, True, True, False]
    )
    return ranked.group_by("placement", maintain_order=True).head(MOST_ITEMS)


def _pairs(rows: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    pairs = rows.select("list", "item").drop_nulls().unique().join(groups, on="list")
    return shaped(
        pairs.with_columns(pl.concat_str("list", pl.lit("\n"), "item").alias("list")),
        pl.Schema({**LISTS, "placement": groups.schema["placement"], "item": pl.String()}),
    )
