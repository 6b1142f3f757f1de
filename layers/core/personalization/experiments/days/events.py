# SPDX-License-Identifier: Apache-2.0
"""A day's files as its exposures, items on screen and events: each once, at its own time, whoever sent it how often.

A day is that of the acceptance of its events, so that it is done when it is over. What was sent twice counts once, also
on two days: earlier days are given.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Self

import polars as pl
from table_intake.streamed import MARK

from personalization.experiments.days.links import LINK, Links

UnitOf = Callable[[str], str]
"""Returns the unit of a user or of a session: a digest. A visitor's digest comes with their events."""
VariantsIn = Callable[[pl.Series], pl.Series]
RETURN = "return"
_UNIT = "#unit"
"""The kind of rows of copies that count events; no event type has such a name."""
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
COPIES = pl.Schema(
    {
        "kind": pl.String,
        "unit": pl.String,
        "session": pl.String,
        "item": pl.String,
        "time": pl.Int64,
        "list": pl.String,
        "recommendation": pl.String,
        "lasts": pl.Boolean,
        "id": pl.UInt64,
        "named": pl.Boolean,
        "isReturn": pl.Boolean,
        "pieces": pl.Float64,
        "amount": pl.Float64,
        "currency": pl.String,
        "order": pl.UInt64,
        "line": pl.UInt64,
        "moment": pl.UInt64,
        "events": pl.UInt32,
        "other": pl.String,
    }
)
"""What counts of copies of events; most events are views of no list, and only their number does. `session` is a digest
as `unit` is. A row of kind `#unit` has the number of a unit's events, and one of `#link` another name of a unit."""
EXPOSURES = pl.Schema(
    {
        "experiment": pl.String,
        "unit": pl.String,
        "variant": pl.String,
        "user": pl.String,
        "visitor": pl.String,
        "at": pl.Int64,
        "exposures": pl.UInt32,
    }
)
"""The first exposure of a unit to a variant, and how many there were; `user` and `visitor` are its other names."""
VIEWABLE = pl.Schema({"unit": pl.String, "at": pl.Int64, "list": pl.String, "items": pl.UInt32, "shown": pl.UInt32})
"""Lists with items on screen; times are epoch milliseconds, as in exposures. `shown` is the number of the variant; null
for a session, which is in no experiment."""

_SEEN = {
    "unit": pl.String(),
    "listId": pl.String(),
    "itemIds": pl.List(pl.String),
    "at": pl.Int64(),
    "session": pl.Boolean(),
}
_BLOCK = 48 * 1024 * 1024
"""The bytes of files that are read at a time."""
_VISITOR = "\0"
"""The start of a visitor's digest among names of users and of sessions."""


def no_variants(lists: pl.Series) -> pl.Series:
    return pl.zeros(lists.len(), pl.UInt32, eager=True)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a shop's events are read."""

    purchase: str
    """The event type of purchases, in any spelling."""
    unit_of: UnitOf
    currency: str | None = None
    """The shop's; without one, what its purchases name most often."""
    variants_in: VariantsIn = no_variants
    """Returns the number of the variant that each listId names; 0 for a list in no experiment."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What earlier days tell a day of the same shop."""

    days: Sequence[pl.DataFrame] = ()
    """As `units.shop_day` returns them."""
    currency: str | None = None
    links: Links = field(default_factory=Links)
    """Who is one unit: a page told an order of the visitor, and the next day the shop's server of the user."""

    def seen(self, units: pl.Series) -> pl.DataFrame:
        """Return the orders of some units, and of all that are linked with them, with their lines, by hash."""
        names = self.links.joined(pl.DataFrame({"name": units, "unit": units}))
        empty = pl.DataFrame(schema={"unit": pl.String, "seen": pl.UInt64})
        is_wanted = pl.col("unit").is_in(names["unit"].implode())
        days = (
            self.links.joined(rows.select("unit", "seen")).filter(is_wanted).explode("seen").drop_nulls()
            for rows in self.days
        )
        return pl.concat([empty, *days]).unique().join(names, on="unit").select(pl.col("name").alias("unit"), "seen")


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


def exposures(files: Iterable[bytes], day: date) -> pl.DataFrame:
    """Return a day's exposures, each once, as `EXPOSURES`; files of the next day may have late ones."""
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    of_day = pl.col("at").is_between(start, start + 86_400_000, closed="left")
    keys = ["experiment", "unit", "variant", "user", "visitor"]
    told = {**dict.fromkeys((*keys, "placement"), pl.String), "at": pl.Int64}
    parts = [pl.DataFrame(schema={**EXPOSURES, "told": pl.List(pl.UInt64)}).drop("exposures")]
    for block in _blocks(files):
        read = (
            _objects(b"\n".join(text.strip() for text in block).strip(), told)
            .filter(of_day)
            .drop_nulls(["unit", "variant"])
        )
        # A file that came twice may lie in another block.
        moments = pl.struct("at", "placement").hash().unique().alias("told")
        shown = read.group_by(keys).agg(pl.col("at").min(), moments)
        parts.append(shown.select(parts[0].columns))
    days = pl.concat(parts).group_by(keys).agg(pl.col("at").min(), _distinct("told").alias("exposures"))
    return shaped(days, EXPOSURES)


def impressions(files: Iterable[bytes], variants_in: VariantsIn) -> pl.DataFrame:
    """Return a day's items on screen, each once for each list."""
    kinds = pl.Schema({**VIEWABLE, "session": pl.Boolean(), "seen": pl.List(pl.UInt64)})
    parts = [pl.DataFrame(schema=kinds).drop("shown", "items")]
    for block in _blocks(files):
        read = pl.read_ndjson(io.BytesIO(b"\n".join(text.strip() for text in block)), schema=_SEEN)
        read = read.drop_nulls(["unit", "listId", "itemIds", "at"])
        read = read.rename({"listId": "list"}).explode("itemIds").with_columns(pl.col("session").fill_null(value=False))
        items = read.sort("at", "unit").unique(["list", "itemIds"], keep="first", maintain_order=True)
        # An item that was told twice may lie in another block.
        parts.append(
            items.group_by("unit", "list")
            .agg(pl.col("at", "session").min(), pl.col("itemIds").hash().alias("seen"))
            .select(parts[0].columns)
        )
    if len(parts) == 1:
        return pl.DataFrame(schema=VIEWABLE)
    lists = (
        pl.concat(parts).group_by("unit", "list").agg(pl.col("at", "session").min(), _distinct("seen").alias("items"))
    )
    lists = lists.join(_shown(lists["list"], variants_in), on="list", how="left")
    return shaped(lists.with_columns(pl.when(~pl.col("session")).then("shown").alias("shown")), VIEWABLE)


def _distinct(hashes: str) -> pl.Expr:
    """Return how many hashes there are in a group's lists of them."""
    return pl.col(hashes).explode().n_unique().cast(pl.UInt32)


def copies(files: Iterable[bytes], rules: Rules) -> pl.DataFrame:
    """Return what counts of copies of events, as `COPIES`.

    They are read some at a time, since the texts of a day are larger than the memory. The number of a unit's events
    leaves out what was sent twice only within these: it tells robots, and no verdict counts it.
    """
    # Users come back in the next files.
    rules = replace(rules, unit_of=lru_cache(1 << 18)(rules.unit_of))
    return pl.concat([pl.DataFrame(schema=COPIES), *(_read(_rows(block), rules) for block in _blocks(files))])


def _blocks(files: Iterable[bytes]) -> Iterator[list[bytes]]:
    block, size = list[bytes](), 0
    for text in files:
        block.append(text)
        size += len(text)
        if size >= _BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _rows(files: Iterable[bytes]) -> pl.DataFrame:
    """Return the rows of copies of events, as texts."""
    by_header: dict[bytes, list[bytes]] = {}
    for text in files:
        header, _, rows = text.partition(b"\n")
        parts = by_header.setdefault(header, [header, b"\n"])
        parts += [rows] if rows.endswith(b"\n") or not rows else [rows, b"\n"]
    frames = [
        pl.read_csv(
            b"".join(parts),
            infer_schema=False,
            columns=[name for name in header.decode().strip().split(",") if name in _TEXTS],
        )
        for header, parts in by_header.items()
    ]
    # Copies from before a column was added lack it.
    padded = (
        frame.select(pl.col(name) if name in frame.columns else pl.lit(None, pl.String).alias(name) for name in _TEXTS)
        for frame in frames
    )
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(_TEXTS, pl.String)), *padded])


def accepted(copies: pl.DataFrame, rules: Rules, before: Remembered, imported: pl.DataFrame | None = None) -> Events:
    """Return the events of a day's copies.

    A user's purchases with one `orderId` are one order with a line for each item, however often they are sent. Without
    an `orderId`, purchases of the same second are one order, and only a repeated `eventId` is known to be the same. A
    value is a line's whole amount; without it, `price` times `quantity`. A negative purchase is a return. An order that
    comes back stays an order, and its money and items are subtracted.

    An imported order that was sent as well counts once: it has the same `orderId`, or the same user, item and second.

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
    units = copies.filter(kind == _UNIT).group_by("unit").agg(pl.col("events").sum())
    rows = copies.filter(~kind.is_in([_UNIT, LINK])).drop("events", "other")
    rows = rows.sort("time", "id", "line", "item", "amount").unique(["unit", "id"], keep="first", maintain_order=True)
    rows = rows.with_columns(imported=pl.lit(value=False))
    if imported is not None:
        lines = shaped(_lines(imported.with_columns(event=pl.lit(""))), COPIES).select(rows.drop("imported").columns)
        rows = pl.concat([rows, lines.with_columns(imported=pl.lit(value=True))])
    rows = rows.join(_shown(rows["list"].drop_nulls(), rules.variants_in), on="list", how="left", maintain_order="left")
    # A session is exposed to nothing: what is known by it alone is no sign of a lost exposure.
    rows = rows.with_columns(pl.when("lasts").then("shown").alias("shown")).drop("lasts")
    seen = before.seen(rows["unit"].unique())
    clicks = _new(rows.filter(kind.is_in(_CLICKS)), seen)
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


def _read(rows: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return what counts of some events, typed and with their units."""
    kinds = {name: plain_type(name) for name in rows["EVENT_TYPE"].drop_nulls().unique()}
    rows = rows.with_columns(
        pl.col("EVENT_TYPE").replace_strict(kinds, default=None, return_dtype=pl.String).alias("kind"),
        pl.coalesce(_given("USER_ID"), pl.lit(_VISITOR) + _given("VISITOR"), _given("SESSION_ID")).alias("who"),
        pl.col("EVENT_ID").hash().alias("id"),
    )
    rows = rows.filter(pl.col("who").is_not_null(), pl.col("kind").is_not_null())
    ids = rows.select("who", "id")
    # Few are sent twice, and only these are compared by user.
    is_repeated = ids["id"].is_duplicated()
    ids = pl.concat([ids.filter(~is_repeated), ids.filter(is_repeated).unique()])
    units = ids.group_by("who").agg(pl.len().cast(pl.UInt32).alias("events"))
    names = [name[1:] if name.startswith(_VISITOR) else rules.unit_of(name) for name in units["who"]]
    units = units.with_columns(pl.Series("unit", names, pl.String))
    purchase = plain_type(rules.purchase)
    listed = pl.col("kind").is_in(_CLICKS) & _given("LIST_ID").is_not_null()
    typed = _typed(rows.filter(pl.col("kind").is_in(["addtocart", RETURN, purchase]) | listed))
    typed = typed.join(units.select("who", "unit"), on="who", how="left", maintain_order="left").drop("who")
    typed = _with_digests(typed, rules.unit_of)
    is_line = pl.col("kind").is_in([purchase, RETURN])
    clicks = typed.filter(pl.col("kind").is_in(_CLICKS), ~is_line)
    parts = [
        clicks.with_columns(line=hashed(clicks.select(pl.concat_str("list", "item", separator="\0")).to_series())),
        _lines(typed.filter(is_line)),
        typed.filter(pl.col("kind") == "addtocart", ~is_line),
        units.with_columns(kind=pl.lit(_UNIT)),
        _links(rows, units),
    ]
    return pl.concat(shaped(part, COPIES) for part in parts)


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return events with what is known of them."""
    accepted = pl.col(MARK).str.split("/").list.last().cast(pl.Int64, strict=False)
    typed = rows.select(
        [
            "who",
            "kind",
            "id",
            _given("SESSION_ID").alias("session"),
            _given("ITEM_ID").fill_null("").alias("item"),
            # A clock may be ahead.
            pl.min_horizontal(pl.col("TIMESTAMP").cast(pl.Int64, strict=False), accepted).alias("time"),
            pl.col("EVENT_VALUE").cast(pl.Float64, strict=False).alias("value"),
            _given("LIST_ID").alias("list"),
            (_given("USER_ID").is_not_null() | _given("VISITOR").is_not_null()).alias("lasts"),
            _given("RECOMMENDATION_ID").alias("recommendation"),
            pl.col("EVENT_ID").fill_null("").alias("event"),
            _given("PROPERTIES").alias("properties"),
        ]
    )
    return typed.drop_nulls("time")


def _links(rows: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Return the visitors of users."""
    named = rows.select("who", pl.when(_given("USER_ID").is_not_null()).then(_given("VISITOR")).alias("unit"))
    named = named.drop_nulls().unique().join(units.select("who", other="unit"), on="who")
    return named.with_columns(kind=pl.lit(LINK))


def _with_digests(rows: pl.DataFrame, unit_of: UnitOf) -> pl.DataFrame:
    """Return rows with digests in place of sessions: before a login, a session may be the unit, and rows are kept."""
    names = rows["session"].drop_nulls().unique()
    digests = pl.Series("digest", [unit_of(name) for name in names], pl.String)
    joined = rows.join(pl.DataFrame([names, digests]), on="session", how="left", maintain_order="left")
    return joined.drop("session").rename({"digest": "session"})


def _objects(lines: bytes, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Return JSON lines as rows, without those that nobody can read."""
    if not lines:
        return pl.DataFrame(schema=schema)
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


def _lines(rows: pl.DataFrame) -> pl.DataFrame:
    """Return purchases and returns with what they say."""
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
    at = pl.format("@{}", "time")
    order = pl.coalesce(pl.format("#{}", "orderId"), at)
    thing = pl.concat_str("item", pl.when("isReturn").then(pl.lit("return")).otherwise(pl.lit("")), separator="\0")
    # An item may come back in two parts.
    apart = pl.when(~pl.col("named")).then("event").when("isReturn").then(at).otherwise(pl.lit(""))
    texts = rows.select(
        order=order,
        line=pl.concat_str(order, thing, apart, separator="\0"),
        moment=pl.concat_str(at, thing, pl.lit("moment"), separator="\0"),
    )
    return rows.with_columns(hashed(text) for text in texts)


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


def _shown(lists: pl.Series, variants_in: VariantsIn) -> pl.DataFrame:
    """Return the number of the variant of each list."""
    names = lists.unique()
    return pl.DataFrame([names.alias("list"), variants_in(names).cast(pl.UInt32).alias("shown")])


def _new(rows: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Return each line once, unless an earlier day has it."""
    rows = rows.unique(["unit", "line"], keep="first", maintain_order=True)
    return rows.join(seen, left_on=["unit", "line"], right_on=["unit", "seen"], how="anti", maintain_order="left")


_CLICKS = ["click", "view"]
_MEMBERS = ("orderId", "quantity", "price", "currency")


_WORD = 8
_PRIMES = (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)


def hashed(texts: pl.Series) -> pl.Series:
    """Return 64-bit hashes of texts, the same on every day and in every version, which those of polars are not.

    Each word of eight bytes is mixed into the hash as splitmix64 mixes: a product, and its upper half on the lower one.
    """
    longest = int(texts.str.len_bytes().max() or 0)  # type: ignore[arg-type]
    rows = pl.DataFrame([texts.alias("text"), texts.str.len_bytes().cast(pl.UInt64).alias("size")])
    # The size tells a text from one with a zero byte more.
    rows = rows.with_columns(
        (pl.col("size") * pl.lit(_PRIMES[0], pl.UInt64)).alias("hash"),
        (pl.col("text") + "\0" * (longest + _WORD)).cast(pl.Binary),
    )
    for start in range(0, longest, _WORD):
        word = pl.col("text").bin.slice(start, _WORD).bin.reinterpret(dtype=pl.UInt64, endianness="little")
        mixed = pl.col("hash").xor(word)
        for prime in _PRIMES:
            product = mixed * pl.lit(prime, pl.UInt64)
            mixed = product.xor(product // pl.lit(1 << 32, pl.UInt64))
        rows = rows.with_columns(pl.when(pl.col("size") > start).then(mixed).otherwise("hash").alias("hash"))
    return rows["hash"].alias(texts.name)


def _number(column: pl.Expr) -> pl.Expr:
    number = column.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def shaped(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the columns of a schema; one that is missing is null."""
    return rows.select(
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, kind).alias(name)
        for name, kind in schema.items()
    )
