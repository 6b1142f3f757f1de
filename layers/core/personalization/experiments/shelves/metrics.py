# SPDX-License-Identifier: Apache-2.0
"""What a placement earns: each metric is defined once here, and what was bought is joined to the list it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import polars as pl

Unit = Literal["count", "share", "money", "dollars"]
Way = Literal["listId", "recommendationId", "userAndItem"]
"""How a line of an order was joined to a list, in the order in which the ways are tried."""
WAYS: tuple[Way, ...] = get_args(Way)
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
    Metric(name="lists", numerator="lists", unit="count", meaning="lists of which an item was on screen"),
    Metric(
        name="impressions",
        numerator="impressions",
        unit="count",
        meaning="items in these lists, seen or not; unknown where answers leave no record",
    ),
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
SUMS = tuple(dict.fromkeys(metric.numerator for metric in METRICS if metric.numerator != "cost"))
"""The columns that metrics are made of. They can be added up over days, unlike the metrics."""
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
"""Lists, each once; `at` is in epoch seconds. `viewable` is null for a list of which nothing was seen that day."""
BOUGHT = pl.Schema({"unit": pl.String, "order": pl.UInt64, "item": pl.String, "list": pl.String, "way": pl.String})
"""Lines of orders of earlier days, with the lists that they came from."""
JOINED = ("list", "way")
_ORDER = ["unit", "order"]


def joined(
    outcomes: pl.DataFrame,
    clicks: pl.DataFrame,
    lists: pl.DataFrame,
    window: int = WINDOW,
    bought: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return carts and lines of orders with the `list` and the `way` by which each was joined; null without a list.

    Args:
        outcomes: a day's, as `events.Events` has them.
        clicks: those of the window too, with the same columns.
        lists: those that the outcomes name.
        window: days.
        bought: see `BOUGHT`; what comes back belongs to the list that it was bought from.
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
    return _with_returns(rows, _earlier(bought))


def _earlier(bought: pl.DataFrame | None) -> pl.DataFrame:
    return pl.DataFrame(schema=BOUGHT) if bought is None else bought.select(BOUGHT.names())


def _with_returns(rows: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Return rows in which what comes back belongs to the list that it was bought from."""
    keys = [*_ORDER, "item"]
    is_back = (pl.col("named") & pl.col("itemsBack").is_not_null()).fill_null(value=False)
    today = rows.filter(pl.col("items").is_not_null()).select(*keys, *JOINED)
    bought = pl.concat([today, earlier]).unique(keys, keep="first", maintain_order=True)
    back = rows.filter(is_back).drop(JOINED).join(bought, on=keys, how="left").select(rows.columns)
    return pl.concat([rows.filter(~is_back), back])


def ways(rows: pl.DataFrame) -> dict[str, int]:
    """Return how many bought lines were joined each way, and how many came from no list (`none`)."""
    bought = rows.filter(pl.col("items").is_not_null())
    lines: dict[str, int] = {name: bought.filter(pl.col("way") == name).height for name in WAYS}
    return {**lines, "none": bought["way"].null_count()}


def sums(
    rows: pl.DataFrame,
    clicks: pl.DataFrame,
    lists: pl.DataFrame,
    by: Sequence[str],
    bought: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return `SUMS` of each group of lists.

    Args:
        rows: what `joined` returns.
        clicks: the day's.
        lists: all that rows, clicks and `bought` name, and those of which something was seen on the day.
        by: columns of lists, such as placement, variant and release.
        bought: see `BOUGHT`.
    """
    groups = lists.select("list", *by)
    seen = lists.filter(pl.col("viewable") > 0)
    # What nobody recorded is unknown, not nothing.
    impressions = pl.when(pl.col("impressions").is_not_null().all()).then(pl.col("impressions").sum())
    shown = seen.group_by(by).agg(pl.len().alias("lists"), impressions, pl.col("viewable").sum())
    clicked = clicks.filter(pl.col("clicks") > 0).join(groups, on="list").group_by(by).agg(pl.col("clicks").sum())
    ours = rows.join(groups, on="list")
    earned = ours.group_by(by).agg(
        pl.col("carts").sum(),
        pl.struct(_ORDER).filter(pl.col("items").is_not_null()).n_unique().alias("orders"),
        (pl.col("items").fill_null(0) - pl.col("itemsBack").fill_null(0)).sum().alias("items"),
        _LEFT.alias("attributed"),
    )
    # An order is engaged once, even if two of its items came from one list, and what comes back later leaves it.
    orders = ours.filter(pl.col("items").is_not_null()).select(*by, *_ORDER)
    before = [] if bought is None else [bought.join(groups, on="list").select(*by, *_ORDER)]
    whole = rows.group_by(_ORDER).agg(_LEFT.alias("engaged"))
    engaged = pl.concat([orders, *before]).unique().join(whole, on=_ORDER).group_by(by).agg(pl.col("engaged").sum())
    table = shown
    for part in (clicked, earned, engaged):
        table = table.join(part, on=by, how="full", coalesce=True)
    counted = [name for name in SUMS if name != "impressions"]
    return table.select(*by, "impressions", pl.col(counted).fill_null(0)).select(*by, *SUMS).sort(by)


_LEFT = (pl.col("money").fill_null(0) - pl.col("returned").fill_null(0)).sum()


def figures(table: Mapping[str, float | None], cost: float | None = None) -> dict[str, float | None]:
    """Return the metrics of sums, by name; None where one is unknown.

    Args:
        table: `SUMS`, by name.
        cost: dollars of these lists.
    """
    values = {**table, "cost": cost}
    return {metric.name: _figure(metric, values) for metric in METRICS}


def _figure(metric: Metric, values: Mapping[str, float | None]) -> float | None:
    above = values.get(metric.numerator)
    if above is None or not metric.denominator:
        return above
    below = values.get(metric.denominator)
    # Nothing divided by nothing is no share.
    return above / below * metric.times if below else None
