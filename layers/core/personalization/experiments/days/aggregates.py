# SPDX-License-Identifier: Apache-2.0
"""A day's exposures and events as figures of each unit: what a verdict adds up, in place of reading events again.

A day is that of the acceptance of its events, so that it is done when it is over. An event still counts at its own
time, and from the unit's first exposure on. What was sent twice counts once, also on two days: earlier days are given.
"""

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
PAST_DAYS = 14
"""The whole days before a unit's first one, which are its past."""
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
_SUMS = ("orders", "items", "itemsBack", "money", "returned", "clicks", "carts")
_PAST_COUNTS = {"pastOrders": "orders", "pastClicks": "clicks", "pastViewable": "viewable"}
_OUTCOMES = pl.Schema(
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
SHOP_DAY = pl.Schema(
    {
        "unit": pl.String(),
        "events": pl.UInt32(),
        **{name: _OUTCOMES[name] for name in _SUMS},
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
        **{name: _OUTCOMES[name] for name in _SUMS},
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
_FIRST = pl.Schema({name: ROWS[name] for name in ("unit", "variant", "first")})


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
    """As `Events.shop_day` returns them."""
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

    def shop_day(self, viewable: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return the day's figures of all units, exposed or not: the past of later exposures."""
        lines = self.outcomes.filter(pl.col("line").is_not_null())
        hashes = (lines.select("unit", seen="line"), _bought(lines).select("unit", seen="order"))
        seen = pl.concat([*hashes, lines.select("unit", seen="moment").drop_nulls()]).unique()
        seen = seen.sort("unit", "seen").group_by("unit", maintain_order=True).agg("seen")
        on_screen = _on_screen(viewable).group_by("unit").agg(pl.col("items").sum().alias("viewable"))
        days = self.units
        for sums in (_summed(self.outcomes, ["unit"]), on_screen):
            days = days.join(sums, on="unit", how="full", coalesce=True)
        return _counted(days.join(seen, on="unit", how="left"), SHOP_DAY).sort("unit")


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


def events(rows: pl.DataFrame, rules: Rules, before: Remembered, imported: pl.DataFrame | None = None) -> Events:
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
                shaped(clicks.with_columns(clicks=1), _OUTCOMES),
                shaped(carts.with_columns(carts=1), _OUTCOMES),
                shaped(
                    lines.with_columns(pl.when(is_ours).then(name).alias(name) for name in ("money", "returned")),
                    _OUTCOMES,
                ),
            ]
        ),
        units=units,
        currency=currency,
        foreign={code: number for code, number in sorted(named.items()) if code != currency},
        unvalued=int(lines["amount"].null_count()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a day of an experiment needs beside its exposures and events."""

    unit_of: UnitOf
    """See `Rules`. An event of a user who was never exposed counts for the session, if that was."""
    until: int | None = None
    """The end of the experiment, in epoch milliseconds; what comes later counts no more."""
    past: pl.DataFrame | None = None
    """Of units, as `past` returns it."""
    viewable: pl.DataFrame | None = None
    """The day's items on screen."""
    numbers: Collection[int] | None = None
    """The numbers of the experiment's variants, of whose lists clicks and items on screen count; None for all lists."""


def day(shown: pl.DataFrame, accepted: Events, days: Sequence[pl.DataFrame], beside: Beside) -> pl.DataFrame:
    """Return an experiment's rows of a day, one for each unit and variant with an exposure or an outcome on it.

    Args:
        shown, accepted: the day's exposures and events.
        days: the rows of the experiment's earlier days.
        beside: the rest.
    """
    until = beside.until
    if until is not None:
        shown = shown.filter(pl.col("at") < until)
    today = shown.group_by("unit", "variant").agg(pl.col("at").min().alias("first"), pl.len().alias("exposures"))
    before = firsts(days)
    first = pl.concat([before, today.select(_FIRST.names())]).group_by("unit", "variant").agg(pl.col("first").min())
    outcomes = accepted.outcomes if until is None else accepted.outcomes.filter(pl.col("time") * 1000 < until)
    outcomes = _as_exposed(outcomes, first["unit"].unique(), beside.unit_of)
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


_STRINGS = dict.fromkeys(("who", "unit", "session", "kind", "EVENT_TYPE"), pl.String)


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


def _bought(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.filter(pl.col("items").is_not_null() & pl.col("order").is_not_null())


def _as_exposed(outcomes: pl.DataFrame, exposed: pl.Series, unit_of: UnitOf) -> pl.DataFrame:
    """Return outcomes with the units that were exposed: before a login, the session is the unit."""
    is_stranger = ~pl.col("unit").is_in(exposed.implode())
    names = outcomes.filter(is_stranger)["session"].drop_nulls().unique()
    sessions = {name: unit for name in names if (unit := unit_of(name))}
    visitors = pl.DataFrame(
        {"session": list(sessions), "visitor": list(sessions.values())},
        schema={"session": pl.String, "visitor": pl.String},
    ).filter(pl.col("visitor").is_in(exposed.implode()))
    joined = outcomes.join(visitors, on="session", how="left", maintain_order="left")
    renamed = pl.when(is_stranger).then(pl.coalesce("visitor", "unit")).otherwise("unit")
    return joined.with_columns(renamed.alias("unit")).drop("visitor")


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
    units = pl.concat([outcomes.filter(ours).select("unit", "list"), on_screen.filter(ours).select("unit", "list")])
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
    # In a fixed order, so that sums of floating-point numbers are the same, however the events came.
    sums = outcomes.sort("time", "order", "line", *_SUMS).group_by(keys, maintain_order=True)
    return sums.agg(pl.col(*_SUMS).sum()).join(values, on=keys, how="left")


def shaped(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the columns of a schema; one that is missing is null."""
    return rows.select(
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, kind).alias(name)
        for name, kind in schema.items()
    )


def _counted(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the columns of a schema; what was not counted is 0."""
    names = [name for name in ("exposures", "events", "viewable", "lists", *_SUMS) if name in schema]
    return shaped(rows, schema).with_columns(pl.col(names).fill_null(0))
