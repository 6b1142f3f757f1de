# SPDX-License-Identifier: Apache-2.0
"""What many listIds say that were checked before, as columns: a day of a large shop names millions."""

import polars as pl

from personalization.auth import list_ids

TOLD = pl.Schema({"list": pl.String, "name": pl.String, "variant": pl.UInt32, "release": pl.Int64, "at": pl.Int64})
"""As `list_ids.Shown` has them, but the time in whole seconds."""

_FEWEST = 39
"""The characters of the shortest listId, which has a name of one byte."""
_NUMBERS = ("at", "variant", "release")
_WORD = 8


def told(tokens: pl.Series) -> pl.DataFrame:
    """Return what listIds say, without those that say nothing; see `list_ids.told`."""
    return _read(tokens).drop_nulls("name")


def facts(tokens: pl.Series) -> pl.DataFrame:
    """Return what listIds say of their lists: placement or `/route`, variant, when it was released, and when made."""
    name = pl.col("name")
    is_placement = name.str.starts_with(list_ids.PLACEMENT)
    return told(tokens).select(
        "list",
        pl.when(is_placement).then(name.str.strip_prefix(list_ids.PLACEMENT)).otherwise("/" + name).alias("placement"),
        "variant",
        pl.from_epoch("release", time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("release"),
        "at",
    )


def variants(tokens: pl.Series) -> pl.Series:
    """Return the number of the variant that each listId names; 0 for a list in no experiment."""
    rows = _read(tokens)
    return rows.select(pl.when(pl.col("name").is_not_null()).then("variant").otherwise(0).alias("variant"))["variant"]


def _read(tokens: pl.Series) -> pl.DataFrame:
    """Return a row for each text, as `TOLD`; a name is null where there is none."""
    text, size = pl.col("list"), pl.col("list").str.len_bytes()
    is_token = size.is_between(_FEWEST, list_ids.MOST_CHARACTERS) & ~text.str.contains("[^A-Za-z0-9_-]")
    padding = pl.when(size % 4 == 2).then(pl.lit("==")).when(size % 4 == 3).then(pl.lit("=")).otherwise(pl.lit(""))
    usual = text.str.replace_all("-", "+", literal=True).str.replace_all("_", "/", literal=True)
    rows = tokens.alias("list").cast(pl.String).to_frame()
    rows = rows.with_columns(pl.when(is_token).then(usual + padding).str.decode("base64", strict=False).alias("data"))
    begin, end = list_ids.PLACES["name"]
    packed = pl.col("data").bin.slice(begin, pl.col("data").bin.size() - (begin - end))
    rows = rows.with_columns(packed.alias("packed"), *(_number(name).alias(name) for name in _NUMBERS))
    names = {data: list_ids.unpacked(data) or None for data in rows["packed"].drop_nulls().unique()}
    named = pl.DataFrame([list(names), list(names.values())], {"packed": pl.Binary, "name": pl.String})
    rows = rows.join(named, on="packed", how="left", maintain_order="left")
    return rows.with_columns(pl.col("at") // 100).select(TOLD.names()).cast(TOLD)


def _number(name: str) -> pl.Expr:
    """Return the number in some bytes of the data: of the eight that end with them, all but what is before."""
    begin, end = list_ids.PLACES[name]
    start = max(end - _WORD, 0)
    word = pl.col("data").bin.slice(start, _WORD).bin.reinterpret(dtype=pl.UInt64, endianness="big")
    after = start + _WORD - end
    return word // pl.lit(1 << 8 * after, pl.UInt64) & pl.lit((1 << 8 * (end - begin)) - 1, pl.UInt64)
