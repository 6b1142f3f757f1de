# SPDX-License-Identifier: Apache-2.0
"""A day of an interleaved experiment: for which of two rankers a user's clicks and purchases speak.

An item's listId names its ranker, so that an event says by itself whose item it was, also when it is read again. A
purchase that names no list is due to the ranker of the user's last click on the item within `WINDOW` days.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from personalization.experiments.days import units
from personalization.experiments.days.columns import hashed, shaped
from personalization.experiments.days.events import Events
from personalization.experiments.days.units import ROWS, Beside
from personalization.experiments.experiment import INTERLEAVED, Experiment
from personalization.experiments.statistics.signs import Signs

WINDOW = 7
"""Days from a click to a purchase."""
_CREDITS = ("clicks", "orders")


@dataclass(frozen=True, slots=True)
class Sides:
    """The two rankers of an experiment, for one day."""

    names: Mapping[int, str]
    """Of their variants, by the numbers that listIds have of them."""
    today: date


def sides_of(experiment: Experiment, number_of: Callable[[str], int] | None, today: date) -> Sides | None:
    """Return the rankers of an experiment; None unless it is interleaved."""
    if not experiment.interleaved or number_of is None:
        return None
    return Sides({number_of(f"{experiment.name}.{side.name}"): side.name for side in experiment.variants}, today)


def day(
    shown: pl.DataFrame,
    accepted: Events,
    days: Mapping[date, pl.DataFrame],
    beside: Beside,
    sides: Sides | None,
) -> pl.DataFrame:
    """Return an experiment's rows of a day; those of one without sides are as `units.day` makes them.

    Of an interleaved one, a unit has a row as in others, with `INTERLEAVED` for its variant, and one for each variant
    that something speaks for: `clicks` on its items, and `orders`, lines that were bought of them. Its `counted` are
    hashes of the items that were clicked last as its own, for purchases of later days.

    Args:
        shown, accepted, beside: as in `units.day`.
        days: the experiment's earlier days.
        sides: the rankers, if it is interleaved.
    """
    if sides is None:
        return units.day(shown, accepted, list(days.values()), beside)
    is_whole = pl.col("variant").is_null() | (pl.col("variant") == INTERLEAVED)
    whole = units.day(shown, accepted, [rows.filter(is_whole) for rows in days.values()], beside)
    first = units.firsts([*(rows.filter(is_whole) for rows in days.values()), whole]).select("unit", "first")
    since = accepted.outcomes.join(first, on="unit").filter(pl.col("time") >= pl.col("first") // 1000)
    if beside.until is not None:
        since = since.filter(pl.col("time") * 1000 < beside.until)
    names = pl.DataFrame(list(sides.names.items()), {"shown": pl.UInt32, "side": pl.String}, orient="row")
    # Hashes, since a row has no ids of items.
    items = since.select("item").unique()
    items = items.with_columns(hash=hashed(items["item"]))
    since = since.join(names, on="shown", how="left").join(items, on="item")
    clicks = since.filter(pl.col("clicks") > 0, pl.col("side").is_not_null()).sort("time", "list")
    # Of two clicks in one second, the one that later days know of.
    moments = clicks.group_by("unit", "hash", "time").agg(pl.col("side").last())
    touched = pl.concat([_touched(days, sides.today), moments])
    bought = _credited(since.filter(pl.col("items").is_not_null()), touched)
    keys = {"unit": "unit", "side": "variant"}
    clicked = clicks.rename(keys).group_by("unit", "variant").agg(pl.len().alias("clicks"))
    last = clicks.group_by("unit", "hash").agg(pl.col("side").last())
    clicked_last = last.rename(keys).group_by("unit", "variant").agg(pl.col("hash").sort().alias("counted"))
    lines = bought.rename(keys).group_by("unit", "variant").agg(pl.len().alias("orders"))
    rows = clicked.join(clicked_last, on=["unit", "variant"], how="full", coalesce=True)
    rows = rows.join(lines, on=["unit", "variant"], how="full", coalesce=True)
    counted = shaped(rows, ROWS).with_columns(pl.col(*_CREDITS).fill_null(0))
    return pl.concat([whole, counted]).sort("unit", "variant", nulls_last=True)


def _touched(days: Mapping[date, pl.DataFrame], today: date) -> pl.DataFrame:
    """Return the last clicks of earlier days within the window; their time is their day, before any of today's."""
    schema = {"unit": pl.String, "hash": pl.UInt64, "time": pl.Int64, "side": pl.String}
    tables = [pl.DataFrame(schema=schema)]
    for made, rows in days.items():
        age = (today - made).days
        if 0 < age <= WINDOW:
            sides = rows.filter(pl.col("variant") != INTERLEAVED, pl.col("counted").is_not_null())
            clicks = sides.select("unit", hash="counted", time=pl.lit(-age, pl.Int64), side="variant").explode("hash")
            tables.append(clicks.select(list(schema)).drop_nulls())
    return pl.concat(tables)


def _credited(lines: pl.DataFrame, touched: pl.DataFrame) -> pl.DataFrame:
    """Return the lines that are due to a ranker: that of their list, or else of the last click on the item before."""
    lines = lines.with_row_index("number")
    named = lines.filter(pl.col("side").is_not_null()).select("number", "unit", "side")
    rest = lines.filter(pl.col("side").is_null() & pl.col("list").is_null()).select("number", "unit", "hash", "time")
    joined = rest.join(touched.rename({"time": "clicked"}), on=["unit", "hash"]).filter(
        pl.col("clicked") <= pl.col("time")
    )
    last = joined.sort("clicked").unique("number", keep="last", maintain_order=True)
    return pl.concat([named, last.select("number", "unit", "side")])


def signs(days: Mapping[date, pl.DataFrame], looked: Sequence[date], goal: str, sides: tuple[str, str]) -> list[Signs]:
    """Return what users prefer by the end of some days, in order, each compared with the one before.

    Args:
        days: the experiment's rows, without units that are left out.
        looked: the days.
        goal: `clicks` or `orders`.
        sides: the names of the variants, the control first.
    """
    seen, before, added = list[Signs](), pl.DataFrame(), pl.DataFrame(schema={"unit": pl.String, "net": pl.Int64})
    done = date.min
    for end in looked:
        since = [rows for made, rows in days.items() if done < made <= end]
        added = (
            pl.concat([added, *(_net(rows, goal, sides) for rows in since)]).group_by("unit").agg(pl.col("net").sum())
        )
        now = added.select("unit", pl.col("net").sign().alias("sign")).filter(pl.col("sign") != 0)
        both = now.join(before, on="unit", suffix="@before") if seen else None
        seen.append(
            Signs(
                users=now.height,
                for_variant=now.filter(pl.col("sign") > 0).height,
                before=before.height,
                shared=0 if both is None else int((both["sign"] * both["sign@before"]).sum()),
            )
        )
        before, done = now, end
    return seen


def sums(days: Mapping[date, pl.DataFrame], side: str) -> dict[str, int]:
    """Return what speaks for a variant: clicks, lines that were bought, and the users behind either."""
    rows = pl.concat([pl.DataFrame(schema=ROWS), *days.values()]).filter(pl.col("variant") == side)
    users = rows.group_by("unit").agg(pl.col(*_CREDITS).sum())
    return {
        "clicks": int(users["clicks"].sum()),
        "clickers": users.filter(pl.col("clicks") > 0).height,
        "bought": int(users["orders"].sum()),
        "buyers": users.filter(pl.col("orders") > 0).height,
    }


def _net(rows: pl.DataFrame, goal: str, sides: tuple[str, str]) -> pl.DataFrame:
    """Return for each unit how much more of the goal is due to the variant than to the control."""
    control, variant = sides
    worth = pl.when(pl.col("variant") == variant).then(1).when(pl.col("variant") == control).then(-1)
    of_sides = rows.filter(pl.col("variant").is_in([control, variant]))
    return of_sides.group_by("unit").agg((pl.col(goal).cast(pl.Int64) * worth).sum().cast(pl.Int64).alias("net"))
