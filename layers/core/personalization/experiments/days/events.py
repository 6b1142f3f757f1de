# SPDX-License-Identifier: Apache-2.0
"""Which of a day's events count: each once, at its own time, whoever sent it how often.

A day is that of the acceptance of its events, so that it is done when it is over. What was sent twice counts once, also
on two days: earlier days are given.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import polars as pl

from personalization.experiments.days.columns import shaped
from personalization.experiments.days.links import LINK, Links
from personalization.experiments.days.reading import CLICKS, COPIES, UNIT, Rules, purchases

OUTCOMES = pl.Schema(
    {
        "unit": pl.String,
        "session": pl.String,
        "item": pl.String,
        "time": pl.Int64,
        "orders": pl.UInt32,
        "items": pl.Float64,
        "itemsBack": pl.Float64,
        "money": pl.Float64,
        "returned": pl.Float64,
        "clicks": pl.UInt32,
        "carts": pl.UInt32,
        "order": pl.UInt64,
        "line": pl.UInt64,
        "named": pl.Boolean,
        "list": pl.String,
        "recommendation": pl.String,
        "shown": pl.UInt32,
        "moment": pl.UInt64,
    }
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What earlier days tell a day of the same shop."""

    days: Sequence[pl.DataFrame] = ()
    """As `units.shop_day` returns them."""
    currency: str | None = None
    links: Links = field(default_factory=Links)
    """Who is one unit: a page told an order of the visitor, and the next day the shop's server of the user."""

    def seen(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return which orders and lines of events their units, or those that are linked with them, had, by hash."""
        even = pl.col("moment") & ~pl.lit(1, pl.UInt64)
        hashes = events.select(pl.concat_list("line", "order", even, even | 1).explode().drop_nulls().unique())
        empty = pl.DataFrame(schema={"unit": pl.String, "seen": pl.UInt64})
        # Few of all that earlier days have.
        is_told = pl.col("seen").is_in(hashes.to_series().implode())
        days = (rows.select("unit", "seen").drop_nulls().explode("seen").filter(is_told) for rows in self.days)
        before = self.links.joined(pl.concat([empty, *days])).unique()
        names = self.links.joined(events.select("unit", name="unit").unique())
        return before.join(names, on="unit").select(pl.col("name").alias("unit"), "seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """A day's accepted events, each once."""

    outcomes: pl.DataFrame
    """Clicks, carts, and lines of orders and of returns; `time` is in epoch seconds."""
    units: pl.DataFrame
    """All units with their number of events of any type."""
    currency: str | None
    foreign: Mapping[str, int] = field(default_factory=dict)
    """Lines by another currency, whose money is not added."""
    unvalued: int = 0
    """Lines without a value."""

    def joined(self, links: Links) -> Self:
        """Return the events with linked units as one."""
        units = links.joined(self.units).group_by("unit").agg(pl.col("events").sum())
        outcomes = links.joined(self.outcomes)
        renamed = outcomes.filter(outcomes["unit"] != self.outcomes["unit"])["unit"].unique()
        if renamed.is_empty():
            return replace(self, units=units)
        # A page told an order of the visitor, and the shop's server told it of the user.
        is_linked = pl.col("unit").is_in(renamed.implode())
        linked = outcomes.filter(is_linked)
        linked = linked.filter(pl.col("line").is_null() | pl.struct("unit", "line").is_first_distinct())
        begun = pl.when(pl.col("orders") > 0).then(pl.struct("unit", "order"))
        orders = pl.when(begun.is_first_distinct()).then("orders").otherwise(pl.col("orders") * 0)
        outcomes = pl.concat([outcomes.filter(~is_linked), linked.with_columns(orders.alias("orders"))])
        return replace(self, outcomes=outcomes, units=units)


def accepted(copies: pl.DataFrame, rules: Rules, before: Remembered, imported: pl.DataFrame | None = None) -> Events:
    """Return the events of a day's copies.

    A user's purchases with one `orderId` are one order with a line for each item, however often they are sent. Without
    an `orderId`, purchases of the same second are one order, and only a repeated `eventId` is known to be the same. A
    value is a line's whole amount; without it, `price` times `quantity`. A negative purchase is a return. An order that
    comes back stays an order, and its money and items are subtracted.

    An imported order that was sent as well counts once: it has the same `orderId`, or the same user, item and minute.

    Args:
        copies: as `COPIES`.
        rules: how they are read.
        before: what earlier days tell.
        imported: the lines of the day that came by a drop, as `imported_orders.LINES` has them.
    """
    kind = pl.col("kind")
    # Most days of a small shop's past have nothing.
    if copies.is_empty() and (imported is None or imported.is_empty()):
        nobody = pl.DataFrame(schema={"unit": pl.String, "events": pl.UInt32})
        return Events(outcomes=pl.DataFrame(schema=OUTCOMES), units=nobody, currency=before.currency or rules.currency)
    units = copies.filter(kind == UNIT).group_by("unit").agg(pl.col("events").sum())
    rows = copies.filter(~kind.is_in([UNIT, LINK])).drop("events", "other")
    # Few are sent twice, and only these are compared.
    is_again = rows["id"].is_duplicated()
    again = rows.filter(is_again).sort("time", "id", "line", "item", "amount")
    again = again.unique(["unit", "id"], keep="first", maintain_order=True)
    rows = pl.concat([rows.filter(~is_again), again]).sort("time", "id", maintain_order=True)
    rows = rows.with_columns(imported=pl.lit(value=False))
    if imported is not None:
        lines = shaped(purchases(imported.with_columns(event=pl.lit(""))), COPIES).select(rows.drop("imported").columns)
        rows = pl.concat([rows, lines.with_columns(imported=pl.lit(value=True))])
    variants = rules.variants_in(rows["list"].fill_null("")).cast(pl.UInt32).alias("shown")
    # A session is exposed to nothing: what is known by it alone is no sign of a lost exposure.
    is_of_unit = pl.col("lasts") & pl.col("list").is_not_null()
    rows = rows.with_columns(pl.when(is_of_unit).then(variants).alias("shown")).drop("lasts")
    seen = before.seen(rows)
    clicks = _new(rows.filter(kind.is_in(CLICKS)), seen)
    carts = rows.filter(kind == "addtocart")
    lines = _counted(rows.filter(pl.col("isReturn").is_not_null()), seen)
    named = Counter(lines["currency"].drop_nulls().to_list())
    currency = before.currency or rules.currency or min(named, key=lambda code: (-named[code], code), default=None)
    is_ours = pl.col("currency").is_null() | pl.col("currency").eq_missing(pl.lit(currency))
    return Events(
        outcomes=pl.concat(
            [
                shaped(clicks.with_columns(clicks=1), OUTCOMES),
                shaped(carts.with_columns(carts=1), OUTCOMES),
                shaped(
                    lines.with_columns(pl.when(is_ours).then(name).alias(name) for name in ("money", "returned")),
                    OUTCOMES,
                ),
            ]
        ),
        units=units,
        currency=currency,
        foreign={code: number for code, number in sorted(named.items()) if code != currency},
        unvalued=int(lines["amount"].null_count()),
    )


def _counted(rows: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of orders and of returns that are new, with what they count."""
    # An even number for what was sent, and the odd one after it for the same where it was imported.
    rows = rows.with_columns((pl.col("moment") & ~pl.lit(1, pl.UInt64)) + pl.col("imported").cast(pl.UInt64))
    sent = rows.filter(~pl.col("imported")).select("unit", seen="moment")
    rows = _new(rows, seen).with_columns(pl.col("moment").xor(pl.lit(1, pl.UInt64)).alias("twin"))
    rows = rows.join(
        pl.concat([seen.select("unit", "seen"), sent]),
        left_on=["unit", "twin"],
        right_on=["unit", "seen"],
        how="anti",
        maintain_order="left",
    )
    bought = ~pl.col("isReturn")
    is_first = pl.struct("unit", "order", "isReturn").is_first_distinct() & bought
    before = seen.select("unit", order="seen", begun=pl.lit(value=True)).unique()
    rows = rows.join(before, on=["unit", "order"], how="left", maintain_order="left")
    amount = pl.col("amount").abs()
    return rows.with_columns(
        (is_first & pl.col("begun").is_null()).cast(pl.UInt32).alias("orders"),
        pl.when(bought).then("pieces").alias("items"),
        pl.when(~bought).then("pieces").alias("itemsBack"),
        pl.when(bought).then(amount).alias("money"),
        pl.when(~bought).then(amount).alias("returned"),
    )


def _new(rows: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Return each line once, unless an earlier day has it."""
    rows = rows.unique(["unit", "line"], keep="first", maintain_order=True)
    return rows.join(seen, left_on=["unit", "line"], right_on=["unit", "seen"], how="anti", maintain_order="left")
