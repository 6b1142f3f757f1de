# SPDX-License-Identifier: Apache-2.0
"""A day's files as tables: copies of events, exposures, and items on screen.

Files are read some at a time, since the texts of a day are larger than the memory; those of a part of a day are a
table of their own, and the tables of all parts become the day's.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl
from table_intake.streamed import MARK

from personalization.experiments.days.columns import hashed, shaped
from personalization.experiments.days.links import LINK

UnitOf = Callable[[str], str]
"""Returns the unit of a user or of a session: a digest. A visitor's digest comes with their events."""
VariantsIn = Callable[[pl.Series], pl.Series]
RETURN = "return"
CLICKS = ["click", "view"]
UNIT = "#unit"
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
_EXPOSED_BY = ["experiment", "unit", "variant", "user", "visitor"]
EXPOSED = pl.Schema(
    {
        "experiment": pl.String(),
        "unit": pl.String(),
        "variant": pl.String(),
        "user": pl.String(),
        "visitor": pl.String(),
        "at": pl.Int64(),
        "told": pl.List(pl.UInt64),
    }
)
"""Exposures of a part of a day; `told` are hashes, by which each counts once. They are those of one version of polars:
a part that another version read is read again."""
ON_SCREEN = pl.Schema(
    {"unit": pl.String(), "at": pl.Int64(), "list": pl.String(), "session": pl.Boolean(), "seen": pl.List(pl.UInt64)}
)
"""Lists with items on screen of a part of a day; `seen` are hashes of items, see `EXPOSED`."""
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
_MEMBERS = ("orderId", "quantity", "price", "currency")


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
    """Returns the number of the variant that each listId names; 0 for a list in no experiment, and for no list."""


def exposures(files: Iterable[bytes], day: date) -> pl.DataFrame:
    """Return a day's exposures, each once, as `EXPOSURES`; files of the next day may have late ones."""
    return exposures_of([exposed(files, day)])


def exposed(files: Iterable[bytes], day: date) -> pl.DataFrame:
    """Return a part of a day's exposures, as `EXPOSED`."""
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    of_day = pl.col("at").is_between(start, start + 86_400_000, closed="left")
    told = {**dict.fromkeys((*_EXPOSED_BY, "placement"), pl.String), "at": pl.Int64}
    parts = [pl.DataFrame(schema=EXPOSED)]
    for block in _blocks(files):
        read = (
            _objects(b"\n".join(text.strip() for text in block).strip(), told)
            .filter(of_day)
            .drop_nulls(["unit", "variant"])
        )
        # A file that came twice may lie in another block.
        moments = pl.struct("at", "placement").hash().unique().alias("told")
        parts.append(read.group_by(_EXPOSED_BY).agg(pl.col("at").min(), moments).select(EXPOSED.names()))
    return pl.concat(parts)


def exposures_of(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the exposures of all parts of a day, each once, as `EXPOSURES`."""
    rows = pl.concat([pl.DataFrame(schema=EXPOSED), *parts])
    days = rows.group_by(_EXPOSED_BY).agg(pl.col("at").min(), _distinct("told").alias("exposures"))
    return shaped(days, EXPOSURES)


def impressions(files: Iterable[bytes], variants_in: VariantsIn) -> pl.DataFrame:
    """Return a day's items on screen, each once for each list, as `VIEWABLE`."""
    return impressions_of([on_screen(files)], variants_in)


def on_screen(files: Iterable[bytes]) -> pl.DataFrame:
    """Return a part of a day's items on screen, as `ON_SCREEN`."""
    parts = [pl.DataFrame(schema=ON_SCREEN)]
    for block in _blocks(files):
        read = pl.read_ndjson(io.BytesIO(b"\n".join(text.strip() for text in block)), schema=_SEEN)
        read = read.drop_nulls(["unit", "listId", "itemIds", "at"]).filter(pl.col("itemIds").list.len() > 0)
        items = pl.col("itemIds").list.eval(pl.element().hash())
        is_session = pl.col("session").fill_null(value=False)
        parts.append(read.select("unit", "at", pl.col("listId").alias("list"), is_session, items.alias("seen")))
    return pl.concat(parts)


def impressions_of(parts: Iterable[pl.DataFrame], variants_in: VariantsIn) -> pl.DataFrame:
    """Return the items on screen of all parts of a day, each once for each list, as `VIEWABLE`."""
    rows = pl.concat([pl.DataFrame(schema=ON_SCREEN), *parts])
    # Most lists are told once; of another, an item counts for the unit that saw it first.
    is_again = rows["list"].is_duplicated()
    once = rows.filter(~is_again).with_columns(pl.col("seen").list.n_unique().alias("items"))
    items = rows.filter(is_again).explode("seen").sort("at", "unit")
    items = items.unique(["list", "seen"], keep="first", maintain_order=True)
    again = items.group_by("unit", "list").agg(pl.col("at", "session").min(), pl.len().alias("items"))
    names = ["unit", "at", "list", "session", pl.col("items").cast(pl.UInt32)]
    lists = pl.concat([once.select(names), again.select(names)])
    variants = variants_in(lists["list"]).cast(pl.UInt32).alias("shown")
    return shaped(lists.with_columns(pl.when(~pl.col("session")).then(variants).alias("shown")), VIEWABLE)


def _distinct(hashes: str) -> pl.Expr:
    """Return how many hashes there are in a group's lists of them."""
    return pl.col(hashes).explode().n_unique().cast(pl.UInt32)


def copies(files: Iterable[bytes], rules: Rules) -> pl.DataFrame:
    """Return what counts of copies of events, as `COPIES`.

    They are read some at a time, since the texts of a day are larger than the memory. The number of a unit's events
    leaves out what was sent twice only within these: it tells robots, and no verdict counts it.
    """
    rows = pl.concat([pl.DataFrame(schema=COPIES), *(_read(_rows(block), rules) for block in _blocks(files))])
    is_unit = pl.col("kind") == UNIT
    units = rows.filter(is_unit).group_by("kind", "unit").agg(pl.col("events").sum())
    rows = pl.concat([rows.filter(~is_unit), shaped(units, COPIES)])
    return _with_digests(rows, rules.unit_of)


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
    by_header: dict[bytes, list[bytes | memoryview]] = {}
    for text in files:
        start = (text.find(b"\n") + 1) or len(text)
        header = text[:start].removesuffix(b"\n")
        parts = by_header.setdefault(header, [header, b"\n"])
        # No copy, since these are all bytes of a day.
        parts += [memoryview(text)[start:], b"" if text.endswith(b"\n") else b"\n"]
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


def _read(rows: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return what counts of some events, typed, with names in place of digests."""
    kinds = {name: plain_type(name) for name in rows["EVENT_TYPE"].drop_nulls().unique()}
    rows = rows.with_columns(
        pl.coalesce(_given("USER_ID"), pl.lit(_VISITOR) + _given("VISITOR"), _given("SESSION_ID")).alias("who"),
        pl.col("EVENT_ID").hash().alias("id"),
    )
    rows = rows.filter(pl.col("who").is_not_null(), pl.col("EVENT_TYPE").is_not_null())
    ids = rows.select("who", "id")
    # Few are sent twice, and only these are compared by user.
    is_repeated = ids["id"].is_duplicated()
    ids = pl.concat([ids.filter(~is_repeated), ids.filter(is_repeated).unique()])
    units = ids.group_by(unit="who").agg(pl.len().cast(pl.UInt32).alias("events"))
    purchase = plain_type(rules.purchase)
    counting = [name for name, kind in kinds.items() if kind in {"addtocart", RETURN, purchase}]
    clicking = [name for name, kind in kinds.items() if kind in CLICKS]
    listed = pl.col("EVENT_TYPE").is_in(clicking) & _given("LIST_ID").is_not_null()
    typed = _typed(rows.filter(pl.col("EVENT_TYPE").is_in(counting) | listed), kinds)
    is_line = pl.col("kind").is_in([purchase, RETURN])
    clicks = typed.filter(pl.col("kind").is_in(CLICKS), ~is_line)
    parts = [
        clicks.with_columns(line=hashed(clicks.select(pl.concat_str("list", "item", separator="\0")).to_series())),
        purchases(typed.filter(is_line)),
        typed.filter(pl.col("kind") == "addtocart", ~is_line),
        units.with_columns(kind=pl.lit(UNIT)),
        _links(rows),
    ]
    return pl.concat(shaped(part, COPIES) for part in parts)


def _typed(rows: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Return events with what is known of them."""
    accepted = pl.col(MARK).str.split("/").list.last().cast(pl.Int64, strict=False)
    typed = rows.select(
        [
            pl.col("EVENT_TYPE").replace_strict(kinds, default=None, return_dtype=pl.String).alias("kind"),
            pl.col("who").alias("unit"),
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


def _links(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the visitors of users."""
    visitor = pl.when(_given("USER_ID").is_not_null()).then(pl.lit(_VISITOR) + _given("VISITOR"))
    named = rows.select(visitor.alias("unit"), other="who").drop_nulls().unique()
    return named.with_columns(kind=pl.lit(LINK))


def _with_digests(rows: pl.DataFrame, unit_of: UnitOf) -> pl.DataFrame:
    """Return rows with digests in place of names: before a login, a session may be the unit, and rows are kept."""
    columns = ("unit", "session", "other")
    names = pl.concat([rows[column].alias("name") for column in columns]).drop_nulls().unique()
    # Each once for all blocks: hashing takes longer than reading.
    digests = [name[1:] if name.startswith(_VISITOR) else unit_of(name) for name in names]
    units = pl.DataFrame([names, pl.Series("digest", digests, pl.String)])
    for column in columns:
        joined = rows.join(units, left_on=column, right_on="name", how="left", maintain_order="left")
        rows = joined.with_columns(pl.col("digest").alias(column)).drop("digest")
    return rows


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


def purchases(rows: pl.DataFrame) -> pl.DataFrame:
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
    # Of an export that cuts seconds off, the minute is left to tell that an order was sent as well.
    minute = pl.format("@{}", pl.col("time") // 60)
    order = pl.coalesce(pl.format("#{}", "orderId"), at)
    thing = pl.concat_str("item", pl.when("isReturn").then(pl.lit("return")).otherwise(pl.lit("")), separator="\0")
    # An item may come back in two parts.
    apart = pl.when(~pl.col("named")).then("event").when("isReturn").then(at).otherwise(pl.lit(""))
    texts = rows.select(
        order=order,
        line=pl.concat_str(order, thing, apart, separator="\0"),
        moment=pl.concat_str(minute, thing, pl.lit("moment"), separator="\0"),
    )
    return rows.with_columns(hashed(text) for text in texts)


def _number(column: pl.Expr) -> pl.Expr:
    number = column.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)
