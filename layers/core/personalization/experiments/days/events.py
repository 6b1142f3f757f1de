# SPDX-License-Identifier: Apache-2.0
"""A day's files as its exposures, items on screen and events: each once, at its own time, whoever sent it how often.

A day is that of the acceptance of its events, so that it is done when it is over. What was sent twice counts once, also
on two days: earlier days are given.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Self

import polars as pl
from table_intake.streamed import MARK

from personalization.experiments.days.links import Links

UnitOf = Callable[[str], str]
"""Returns the unit of a user or of a session: a digest. A visitor's digest comes with their events."""
VariantIn = Callable[[str], int]
RETURN = "return"
_TEXTS = (
    "USER_ID",
    "ITEM_ID",
    "EVENT_TYPE",
    "TIMESTAMP",
    "EVENT_VALUE",
    "RECOMMENDATION_ID",
    "LIST_ID",
    MARK,
    "SESSION_ID",
    "EVENT_ID",
    "PROPERTIES",
    "VISITOR",
)
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
EXPOSURES = pl.Schema({"unit": pl.String, "variant": pl.String, "placement": pl.String, "at": pl.Int64})
VIEWABLE = pl.Schema({"unit": pl.String, "at": pl.Int64, "list": pl.String, "items": pl.UInt32, "shown": pl.UInt32})
"""Lists with items on screen; times are epoch milliseconds, as in exposures. `shown` is the number of the variant; null
for a session, which is in no experiment."""

_VISITOR = "\0"
"""The start of a visitor's digest among names of users and of sessions."""


def no_variant(_list_id: str) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Rules:
    """How a shop's events are read."""

    purchase: str
    """The event type of purchases, in any spelling."""
    unit_of: UnitOf
    currency: str | None = None
    """The shop's; without one, what its purchases name most often."""
    variant_in: VariantIn = no_variant
    """Returns the number of the variant that a listId names; 0 for a list in no experiment."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What earlier days tell a day of the same shop."""

    days: Sequence[pl.DataFrame] = ()
    """As `units.shop_day` returns them."""
    currency: str | None = None

    def seen(self, units: pl.Series) -> pl.DataFrame:
        """Return the orders of some units and their lines, by hash."""
        empty = pl.DataFrame(schema={"unit": pl.String, "seen": pl.UInt64})
        is_wanted = pl.col("unit").is_in(units.implode())
        days = (rows.filter(is_wanted).select("unit", "seen").explode("seen").drop_nulls() for rows in self.days)
        return pl.concat([empty, *days]).unique()


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


def exposures(files: Iterable[bytes], experiment: str, day: date) -> pl.DataFrame:
    """Return a day's exposures of an experiment, each once; files of the next day may have late ones."""
    lines = b"\n".join(text.strip() for text in files).strip()
    if not lines:
        return pl.DataFrame(schema=EXPOSURES)
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    read = _objects(lines, {"experiment": pl.String, **EXPOSURES})
    of_day = pl.col("at").is_between(start, start + 86_400_000, closed="left")
    return read.filter(pl.col("experiment") == experiment, of_day).select(EXPOSURES.names()).drop_nulls().unique()


def impressions(files: Iterable[bytes], variant_in: VariantIn) -> pl.DataFrame:
    """Return a day's items on screen, each once for each list."""
    lines = b"\n".join(text.strip() for text in files).strip()
    if not lines:
        return pl.DataFrame(schema=VIEWABLE)
    schema = {"unit": pl.String(), "listId": pl.String(), "itemIds": pl.List(pl.String), "at": pl.Int64()}
    read = pl.read_ndjson(io.BytesIO(lines), schema={**schema, "session": pl.Boolean()}).drop_nulls(list(schema))
    read = read.rename({"listId": "list"}).explode("itemIds").with_columns(pl.col("session").fill_null(value=False))
    items = read.sort("at", "unit").unique(["list", "itemIds"], keep="first", maintain_order=True)
    lists = items.group_by("unit", "list").agg(pl.col("at", "session").min(), pl.len().alias("items"))
    lists = lists.join(_shown(lists["list"], variant_in), on="list", how="left")
    return shaped(lists.with_columns(pl.when(~pl.col("session")).then("shown").alias("shown")), VIEWABLE)


def copies(files: Iterable[bytes]) -> pl.DataFrame:
    """Return the rows of copies of events, as texts."""
    by_header: dict[bytes, list[bytes]] = {}
    for text in files:
        header, _, rows = text.partition(b"\n")
        by_header.setdefault(header, []).append(rows if rows.endswith(b"\n") or not rows else rows + b"\n")
    frames = [
        pl.read_csv(
            b"\n".join([header, b"".join(rows)]),
            infer_schema=False,
            columns=[name for name in header.decode().strip().split(",") if name in _TEXTS],
        )
        for header, rows in by_header.items()
    ]
    # Copies from before a column was added lack it.
    padded = (
        frame.select(pl.col(name) if name in frame.columns else pl.lit(None, pl.String).alias(name) for name in _TEXTS)
        for frame in frames
    )
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(_TEXTS, pl.String)), *padded])


def accepted(rows: pl.DataFrame, rules: Rules, before: Remembered, imported: pl.DataFrame | None = None) -> Events:
    """Return the events of a day's copies.

    A user's purchases with one `orderId` are one order with a line for each item, however often they are sent. Without
    an `orderId`, purchases of the same second are one order, and only a repeated `eventId` is known to be the same. A
    value is a line's whole amount; without it, `price` times `quantity`. A negative purchase is a return. An order that
    comes back stays an order, and its money and items are subtracted.

    An imported order that was sent as well counts once: it has the same `orderId`, or the same user, item and second.

    Args:
        rows: the copies.
        rules: how they are read.
        before: what earlier days tell.
        imported: the lines of the day that came by a drop, as `imported_orders.LINES` has them.
    """
    kind, purchase = pl.col("kind"), plain_type(rules.purchase)
    rows, units = _read(rows, rules)
    rows = rows.with_columns(pl.lit(value=False).alias("imported"))
    if imported is not None:
        lines = imported.drop("day").with_columns(pl.lit("").alias("id"), pl.lit(value=True).alias("imported"))
        rows = pl.concat([rows, lines], how="diagonal")
    rows = rows.join(_shown(rows["list"].drop_nulls(), rules.variant_in), on="list", how="left", maintain_order="left")
    # A session is exposed to nothing: what is known by it alone is no sign of a lost exposure.
    rows = rows.with_columns(pl.when("lasts").then("shown").alias("shown")).drop("lasts")
    clicks = rows.filter(kind.is_in(["click", "view"]) & pl.col("list").is_not_null())
    names = clicks.select("list", "item").iter_rows()
    clicks = clicks.with_columns(pl.Series("line", [_hash("\0".join(name)) for name in names], pl.UInt64))
    seen = before.seen(rows["unit"].unique())
    clicks = _new(clicks, seen)
    carts = rows.filter(kind == "addtocart")
    lines = _lines(rows.filter(kind.is_in([purchase, RETURN])), seen)
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


def _read(rows: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what counts of the events, typed and with their units, each once, oldest first; and all events by unit."""
    kinds = {name: plain_type(name) for name in rows["EVENT_TYPE"].drop_nulls().unique()}
    rows = rows.with_columns(
        pl.col("EVENT_TYPE").replace_strict(kinds, default=None, return_dtype=pl.String).alias("kind"),
        pl.coalesce(_given("USER_ID"), pl.lit(_VISITOR) + _given("VISITOR"), _given("SESSION_ID")).alias("who"),
    )
    rows = rows.filter(pl.col("who").is_not_null(), pl.col("kind").is_not_null())
    ids = rows.select("who", pl.col("EVENT_ID").hash().alias("id"))
    # Few are sent twice, and only these are compared by user.
    is_repeated = ids["id"].is_duplicated()
    ids = pl.concat([ids.filter(~is_repeated), ids.filter(is_repeated).unique()])
    counts = ids.group_by("who").agg(pl.len().cast(pl.UInt32).alias("events"))
    names = [name[1:] if name.startswith(_VISITOR) else rules.unit_of(name) for name in counts["who"]]
    named = pl.Series("unit", names, pl.String)
    units = counts.with_columns(named)
    # Most events are views of no list: only the others are worth their order.
    listed = pl.col("kind").is_in(["click", "view"]) & _given("LIST_ID").is_not_null()
    typed = _typed(rows.filter(pl.col("kind").is_in(["addtocart", RETURN, plain_type(rules.purchase)]) | listed))
    typed = typed.unique(["who", "id"], keep="first", maintain_order=True)
    typed = typed.join(units.select("who", "unit"), on="who", how="left", maintain_order="left")
    return typed, units.select("unit", "events")


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return events with what is known of them, oldest first."""
    accepted = pl.col(MARK).str.split("/").list.last().cast(pl.Int64, strict=False)
    typed = rows.select(
        [
            "who",
            "kind",
            _given("SESSION_ID").alias("session"),
            _given("ITEM_ID").fill_null("").alias("item"),
            # A clock may be ahead.
            pl.min_horizontal(pl.col("TIMESTAMP").cast(pl.Int64, strict=False), accepted).alias("time"),
            pl.col("EVENT_VALUE").cast(pl.Float64, strict=False).alias("value"),
            _given("LIST_ID").alias("list"),
            (_given("USER_ID").is_not_null() | _given("VISITOR").is_not_null()).alias("lasts"),
            _given("RECOMMENDATION_ID").alias("recommendation"),
            pl.col("EVENT_ID").fill_null("").alias("id"),
            _given("PROPERTIES").alias("properties"),
        ]
    )
    return typed.drop_nulls("time").sort(["time", "who", "id", "item", "value", "properties"])


def _objects(lines: bytes, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Return JSON lines as rows, without those that nobody can read."""
    try:
        return pl.read_ndjson(io.BytesIO(lines), schema=schema)
    except pl.exceptions.PolarsError:
        texts = pl.Series("text", lines.decode(errors="replace").split("\n")).to_frame()
        return texts.select(
            pl.col("text").str.json_path_match(f"$.{name}").cast(kind, strict=False).alias(name)
            for name, kind in schema.items()
        )


def plain_type(event_type: str) -> str:
    """Return an event type without its spelling: add_to_cart is AddToCart."""
    return "".join(filter(str.isalnum, event_type)).lower()


def _given(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != "").then(pl.col(name))


def _lines(rows: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of orders and of returns that are new, with what they count."""
    member = {name: pl.col("properties").str.json_path_match(f"$.{name}") for name in _MEMBERS}
    rows = rows.with_columns(
        member["orderId"].alias("orderId"),
        _number(member["quantity"]).abs().alias("quantity"),
        _number(member["price"]).alias("price"),
        member["currency"].str.to_uppercase().str.strip_chars().alias("currency"),
        _number(pl.col("value")),
    )
    pieces = pl.when(pl.col("quantity") > 0).then(pl.col("quantity")).otherwise(1.0)
    rows = rows.with_columns(pieces.alias("pieces"))
    rows = rows.with_columns(pl.coalesce("value", pl.col("price") * pl.col("pieces")).alias("amount"))
    is_return = (pl.col("kind") == RETURN) | (pl.col("amount") < 0).fill_null(value=False)
    rows = rows.with_columns(is_return.alias("isReturn"), pl.col("orderId").is_not_null().alias("named"))
    keys = rows.select("orderId", "time", "item", "id", "isReturn").iter_rows()
    hashes = [_hashes(*key) for key in keys]
    rows = rows.with_columns(
        pl.Series("order", [order for order, _, _ in hashes], pl.UInt64),
        pl.Series("line", [line for _, line, _ in hashes], pl.UInt64),
        # An even number for what was sent, and the odd one after it for the same where it was imported.
        pl.Series("moment", [moment & ~1 for _, _, moment in hashes], pl.UInt64) + pl.col("imported").cast(pl.UInt64),
    )
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
    before = seen.select("unit", pl.col("seen").alias("order"), pl.lit(value=True).alias("begun")).unique()
    rows = rows.join(before, on=["unit", "order"], how="left", maintain_order="left")
    amount = pl.col("amount").abs()
    return rows.with_columns(
        (is_first & pl.col("begun").is_null()).cast(pl.UInt32).alias("orders"),
        pl.when(bought).then("pieces").alias("items"),
        pl.when(~bought).then("pieces").alias("itemsBack"),
        pl.when(bought).then(amount).alias("money"),
        pl.when(~bought).then(amount).alias("returned"),
    )


def _shown(lists: pl.Series, variant_in: VariantIn) -> pl.DataFrame:
    """Return the number of the variant of each list."""
    names = lists.unique()
    numbers = pl.Series([variant_in(name) for name in names], dtype=pl.UInt32)
    return pl.DataFrame({"list": names, "shown": numbers}, schema={"list": pl.String, "shown": pl.UInt32})


def _new(rows: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Return each line once, unless an earlier day has it."""
    rows = rows.unique(["unit", "line"], keep="first", maintain_order=True)
    return rows.join(seen, left_on=["unit", "line"], right_on=["unit", "seen"], how="anti", maintain_order="left")


_MEMBERS = ("orderId", "quantity", "price", "currency")


def _hashes(order_id: str | None, time: int, item: str, event_id: str, is_return: bool) -> tuple[int, int, int]:
    """Return the hashes of an order, its line and its item's time, the same on every day and in every version."""
    order = f"#{order_id}" if order_id is not None else f"@{time}"
    line = f"{order}\0{item}\0{'return' if is_return else ''}"
    moment = f"@{time}\0{item}\0{'return' if is_return else ''}\0moment"
    if order_id is None:
        line += f"\0{event_id}"
    elif is_return:
        # An item may come back in two parts.
        line += f"\0{time}"
    return _hash(order), _hash(line), _hash(moment)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=8).digest())


def _number(column: pl.Expr) -> pl.Expr:
    number = column.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def shaped(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the columns of a schema; one that is missing is null."""
    return rows.select(
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, kind).alias(name)
        for name, kind in schema.items()
    )
