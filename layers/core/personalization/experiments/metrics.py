# SPDX-License-Identifier: Apache-2.0
"""What a placement earns: each metric is defined once here, and what was bought is joined to the list it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

Unit = Literal["count", "share", "money", "dollars"]
Way = Literal["listId", "recommendationId", "userAndItem"]
"""How a line of an order was joined to a list, in the order in which the ways are tried."""
WINDOWS = (1, 7, 30)
WINDOW = 7
"""Days from a click to a purchase."""
_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure of a group of lists: the sum of a column, or of one divided by that of another."""

    name: str
    numerator: str
    denominator: str = ""
    """Empty for a sum."""
    unit: Unit
    meaning: str
    times: int = 1


METRICS = (
    Metric(name="lists", numerator="lists", unit="count", meaning="lists that were shown"),
    Metric(name="impressions", numerator="impressions", unit="count", meaning="items in these lists"),
    Metric(
        name="viewable",
        numerator="viewable",
        unit="count",
        meaning="items of which half was on screen for a second, once per list",
    ),
    Metric(
        name="clicks",
        numerator="clicks",
        unit="count",
        meaning="items that a user opened from a list, once per list",
    ),
    Metric(name="ctr", numerator="clicks", denominator="impressions", unit="share", meaning="clicks per impression"),
    Metric(
        name="vctr", numerator="clicks", denominator="viewable", unit="share", meaning="clicks per viewable impression"
    ),
    Metric(
        name="carts",
        numerator="carts",
        unit="count",
        meaning="clicked items that the user put into the cart within the window",
    ),
    Metric(
        name="orders",
        numerator="orders",
        unit="count",
        meaning="orders with an item that was clicked within the window before",
    ),
    Metric(
        name="items",
        numerator="items",
        unit="count",
        meaning="pieces of these items, less those that came back",
    ),
    Metric(
        name="attributedRevenue",
        numerator="attributed",
        unit="money",
        meaning="value of items that were clicked and then bought within the window by the last click, less returns",
    ),
    Metric(
        name="engagedRevenue",
        numerator="engaged",
        unit="money",
        meaning="value of whole orders with such an item, less returns; never to be added to attributed revenue",
    ),
    Metric(
        name="costPerThousandLists",
        numerator="cost",
        denominator="lists",
        unit="dollars",
        meaning="bill for a thousand lists",
        times=1000,
    ),
)
LISTS = pl.Schema(
    {
        "list": pl.String,
        "placement": pl.String,
        "variant": pl.String,
        "release": pl.String,
        "at": pl.Int64,
        "impressions": pl.UInt32,
        "viewable": pl.UInt32,
    }
)
"""Lists that were shown, each once; `at` is in epoch seconds."""
JOINED = ("list", "way")


def joined(outcomes: pl.DataFrame, clicks: pl.DataFrame, lists: pl.DataFrame, window: int = WINDOW) -> pl.DataFrame:
    """Return carts and lines of orders with the `list` and the `way` by which each was joined; null without a list.

    Args:
        outcomes: a day's, as `aggregates.Events` has them.
        clicks: those of the window too, with the same columns.
        lists: those that the clicks name.
        window: days.
    """
    wanted = outcomes.filter(pl.col("clicks").is_null()).drop("list").with_row_index("number")
    named = outcomes.filter(pl.col("clicks").is_null()).select("list").with_row_index("number")
    clicks = clicks.filter(pl.col("clicks") > 0).select(["unit", "session", "item", "time", "list", "recommendation"])
    within = (pl.col("time") >= pl.col("clicked")) & (pl.col("time") - pl.col("clicked") <= window * _DAY)
    rows = wanted.select(["number", "unit", "session", "item", "time", "recommendation"])
    touches = clicks.rename({"time": "clicked"})
    by_list = rows.join(named.drop_nulls(), on="number").join(
        lists.select("list", clicked="at"), on="list", how="inner"
    )
    by_recommendation = rows.join(touches.select("recommendation", "clicked", "list"), on="recommendation")
    by_user = [
        rows.join(touches.select(key, "item", "clicked", "list"), on=[key, "item"]) for key in ("unit", "session")
    ]
    ways: Sequence[tuple[Way, Sequence[pl.DataFrame]]] = (
        ("listId", [by_list]),
        ("recommendationId", [by_recommendation]),
        ("userAndItem", by_user),
    )
    candidates = pl.concat(
        frame.filter(within).select("number", "clicked", "list", order=pl.lit(order), way=pl.lit(way))
        for order, (way, frames) in enumerate(ways)
        for frame in frames
    )
    # The first way that leads to a list, and there the last click.
    chosen = candidates.sort("number", "order", -pl.col("clicked"), "list").unique("number", keep="first")
    rows = wanted.join(chosen.select("number", *JOINED), on="number", how="left", maintain_order="left").drop("number")
    return _with_returns(rows)


def _with_returns(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in which what comes back belongs to the list that it was bought from, however long ago."""
    keys = ["unit", "order", "item"]
    is_back = (pl.col("named") & pl.col("itemsBack").is_not_null()).fill_null(value=False)
    bought = rows.filter(pl.col("items").is_not_null()).select(*keys, *JOINED).unique(keys)
    back = rows.filter(is_back).drop(JOINED).join(bought, on=keys, how="left").select(rows.columns)
    return pl.concat([rows.filter(~is_back), back])


def ways(rows: pl.DataFrame) -> dict[str, float]:
    """Return the share of bought lines that was joined each way, and of those that came from no list."""
    bought = rows.filter(pl.col("items").is_not_null())
    names = ("listId", "recommendationId", "userAndItem")
    lines = {name: bought.filter(pl.col("way") == name).height for name in names}
    lines["none"] = bought["way"].null_count()
    return {name: number / max(bought.height, 1) for name, number in lines.items()}


def figures(
    rows: pl.DataFrame,
    clicks: pl.DataFrame,
    lists: pl.DataFrame,
    by: Sequence[str],
    cost: Mapping[str, float] | None = None,
) -> pl.DataFrame:
    """Return the metrics of each group of lists.

    Args:
        rows: what `joined` returns.
        clicks, lists: the day's.
        by: columns of lists, such as placement, variant and release.
        cost: dollars by placement.
    """
    groups = lists.select("list", *by)
    shown = lists.group_by(by).agg(pl.len().alias("lists"), pl.col("impressions", "viewable").sum())
    clicked = clicks.filter(pl.col("clicks") > 0).join(groups, on="list").group_by(by).agg(pl.col("clicks").sum())
    ours = rows.join(groups, on="list")
    left = (pl.col("money").fill_null(0) - pl.col("returned").fill_null(0)).sum()
    whole = rows.group_by("unit", "order").agg(left.alias("engaged"))
    earned = ours.group_by(by).agg(
        pl.col("carts").sum(),
        pl.struct("unit", "order").filter(pl.col("items").is_not_null()).n_unique().alias("orders"),
        (pl.col("items").fill_null(0) - pl.col("itemsBack").fill_null(0)).sum().alias("items"),
        left.alias("attributed"),
    )
    # An order is engaged once, even if two of its items came from one list.
    orders = ours.filter(pl.col("items").is_not_null()).select(*by, "unit", "order").unique()
    engaged = orders.join(whole, on=["unit", "order"]).group_by(by).agg(pl.col("engaged").sum())
    sums = shown
    for part in (clicked, earned, engaged):
        sums = sums.join(part, on=by, how="full", coalesce=True)
    priced = "placement" in by and cost is not None
    spent = pl.col("placement").replace_strict(cost or {}, default=None, return_dtype=pl.Float64)
    sums = sums.with_columns(spent.alias("cost") if priced else pl.lit(None, pl.Float64).alias("cost"))
    return sums.select(*by, *(_figure(metric) for metric in METRICS)).sort(by)


def _figure(metric: Metric) -> pl.Expr:
    above = pl.col(metric.numerator)
    above = above if metric.numerator == "cost" else above.fill_null(0)
    if not metric.denominator:
        return above.alias(metric.name)
    below = pl.col(metric.denominator)
    # Nothing divided by nothing is no share.
    return pl.when(below > 0).then(above / below * metric.times).alias(metric.name)
