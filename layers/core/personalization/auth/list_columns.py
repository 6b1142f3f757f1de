# SPDX-License-Identifier: Apache-2.0
"""What many listIds say that were checked before, as columns: a day of a large shop names millions."""

import polars as pl

from personalization.auth import list_ids

TOLD = pl.Schema({"list": pl.String, "name": pl.String, "variant": pl.UInt32, "release": pl.Int64, "at": pl.Int64})
"""As `list_ids.Shown` has them, but the time in whole seconds."""


def told(tokens: pl.Series) -> pl.DataFrame:
    """Return what listIds say, without those that say nothing; see `list_ids.told`."""
    if tokens.is_empty():
        return pl.DataFrame(schema=TOLD)
    text = pl.col("list").str.replace_all("-", "+", literal=True).str.replace_all("_", "/", literal=True)
    padding = pl.lit("=").repeat_by((4 - pl.col("list").str.len_bytes() % 4) % 4).list.join("")
    rows = tokens.alias("list").to_frame().filter(pl.col("list").str.contains(r"\A[A-Za-z0-9_-]{39,56}\z"))
    # Two hexadecimal digits are a byte.
    rows = rows.with_columns((text + padding).str.decode("base64", strict=False).bin.encode("hex").alias("hex"))
    parts = {name: _digits(*bounds) for name, bounds in list_ids.PLACES.items()}
    rows = rows.with_columns(name=parts.pop("name"), **{name: _number(digits) for name, digits in parts.items()})
    names = {digits: list_ids.unpacked(bytes.fromhex(digits)) for digits in rows["name"].drop_nulls().unique()}
    rows = rows.with_columns(pl.col("name").replace_strict(names, default="", return_dtype=pl.String))
    return (
        rows.filter(pl.col("name") != "")
        .select("list", "name", pl.col("variant", "release").cast(pl.Int64), pl.col("at") // 100)
        .cast(TOLD)
    )


def variants(tokens: pl.Series) -> pl.Series:
    """Return the number of the variant that each listId names; 0 for a list in no experiment."""
    numbers = told(tokens.unique()).select("list", "variant")
    named = tokens.alias("list").to_frame().join(numbers, on="list", how="left", maintain_order="left")
    return named["variant"].fill_null(0)


def _digits(begin: int, end: int) -> pl.Expr:
    digits = pl.col("hex")
    return digits.str.slice(2 * begin, 2 * (end - begin)) if end > 0 else digits.str.slice(2 * begin).str.head(2 * end)


def _number(digits: pl.Expr) -> pl.Expr:
    return digits.str.to_integer(base=16, strict=False)
