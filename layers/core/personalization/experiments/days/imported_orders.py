# SPDX-License-Identifier: Apache-2.0
"""Orders that came by a drop, such as a till's of every night, beside those that were sent as events.

They are read from import copies, each of which becomes one file of lines: `aggregates/<shop>/imported/<day of
reading>-<digest of its key>.parquet`. A line counts on the day of its own time. Where that day is closed already, it
counts on the oldest open one.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl
from table_intake.columns import usual_names

from personalization.experiments.days.reading import RETURN, Rules, plain_type

LINES = pl.Schema(
    {
        "unit": pl.String,
        "kind": pl.String,
        "item": pl.String,
        "time": pl.Int64,
        "value": pl.Float64,
        "properties": pl.String,
        "day": pl.Date,
    }
)
"""Lines of orders and of returns; `day` is that on which one counts. An event has its members `properties` as well."""
_SAME = ("unit", "kind", "item", "time", "properties")
_BLOCK = 32 * 1024 * 1024
_COPY = re.compile(r"imports/[^/]+/[^/]+/interactions(-\d+)?/part-\d+\.csv\Z")
_MEMBERS = {
    "orderId": frozenset(map(usual_names.plain, usual_names.ORDER.split())) - {"name", "order"},
    "quantity": frozenset({"quantity"}),
    "price": frozenset({"price"}),
    "currency": usual_names.CURRENCY,
}
"""What a line says of its order, and the columns that have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """On which days lines count."""

    first: date
    """Lines from before it tell nothing."""
    start: date
    """The first day of an experiment: what happened before is only the past, and never counts later."""
    oldest_open: date
    closed: Collection[date]
    """Days that are not made again."""
    now: int
    """Epoch seconds; a clock may be ahead."""


def is_copy(key: str) -> bool:
    """Return whether a key is that of an import copy of interactions."""
    return _COPY.match(key) is not None


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def lines(chunks: Iterable[bytes], rules: Rules, calendar: Calendar, before: pl.DataFrame) -> pl.DataFrame:
    """Return the orders of an import copy that are new.

    Args:
        chunks: the copy, whose values have no line breaks.
        rules: how the shop's events are read.
        calendar: the days.
        before: the lines of earlier copies: a drop may repeat them.
    """
    kinds = {plain_type(rules.purchase), RETURN}
    since = int(datetime(calendar.first.year, calendar.first.month, calendar.first.day, tzinfo=UTC).timestamp())
    frames = [pl.DataFrame(schema=LINES).drop("day")]
    for block in _blocks(chunks):
        rows = pl.read_csv(block, infer_schema=False)
        named = {name: plain_type(name) for name in rows["EVENT_TYPE"].drop_nulls().unique()}
        rows = rows.with_columns(
            pl.col("EVENT_TYPE").replace_strict(named, default=None, return_dtype=pl.String).alias("kind"),
            pl.min_horizontal(pl.col("TIMESTAMP").cast(pl.Int64, strict=False), calendar.now).alias("time"),
        ).filter(pl.col("kind").is_in(list(kinds)), pl.col("time") >= since, pl.col("USER_ID") != "")
        units = {name: rules.unit_of(name) for name in rows["USER_ID"].unique()}
        value = pl.col("EVENT_VALUE").cast(pl.Float64, strict=False) if "EVENT_VALUE" in rows.columns else pl.lit(None)
        frames.append(
            rows.select(
                [
                    pl.col("USER_ID").replace_strict(units, return_dtype=pl.String).alias("unit"),
                    pl.col("kind"),
                    pl.col("ITEM_ID").fill_null("").alias("item"),
                    pl.col("time"),
                    value.cast(pl.Float64).alias("value"),
                    _properties(rows.columns).alias("properties"),
                ]
            )
        )
    new = pl.concat(frames).unique(_SAME, keep="first", maintain_order=True)
    new = new.join(before.select(_SAME), on=_SAME, how="anti", nulls_equal=True, maintain_order="left")
    day = pl.from_epoch("time", time_unit="s").dt.date()
    is_closed = day.is_in(list(calendar.closed))
    return (
        new.filter(~is_closed | (day >= calendar.start))
        .with_columns(pl.when(is_closed).then(pl.lit(calendar.oldest_open)).otherwise(day).alias("day"))
        .select(LINES.names())
    )


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole rows with their header, some at a time: a whole history is larger than the memory."""
    header, rest = b"", bytearray()
    for chunk in chunks:
        rest += chunk
        if not header and (end := rest.find(b"\n") + 1):
            header = bytes(rest[:end])
            del rest[:end]
        if header and len(rest) > _BLOCK:
            end = rest.rfind(b"\n") + 1
            yield header + rest[:end]
            del rest[:end]
    if rest:
        yield header + bytes(rest)


def _properties(columns: Collection[str]) -> pl.Expr:
    """Return what events say in `properties`, as JSON."""
    members = {
        member: name
        for member, usual in _MEMBERS.items()
        if (name := next((name for name in columns if usual_names.plain(name) in usual), None))
    }
    if not members:
        return pl.lit(None, pl.String)
    named = (pl.when(pl.col(name) != "").then(pl.col(name)).alias(member) for member, name in members.items())
    return pl.struct(*named).struct.json_encode()
