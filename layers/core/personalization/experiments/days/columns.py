# SPDX-License-Identifier: Apache-2.0
"""Columns of a day's tables: hashes that last, numbers in place of texts, and the columns of a schema."""

from collections.abc import Iterable

import polars as pl

_NUMBER = "#number"
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


def shaped(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the columns of a schema; one that is missing is null."""
    return rows.select(
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, kind).alias(name)
        for name, kind in schema.items()
    )


def numbered(tables: Iterable[pl.DataFrame], name: str) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Return the texts of a column as a table, and tables with the numbers of its rows in place of them.

    Millions of numbers are sorted, grouped and joined in a part of the time that as many texts take.
    """
    tables = list(tables)
    texts = pl.concat([pl.Series(name, [], pl.String), *(table[name] for table in tables)]).drop_nulls().unique()
    numbers = texts.to_frame().with_row_index(_NUMBER)
    return numbers.rename({_NUMBER: name, name: "text"}), [
        table.join(numbers, on=name, how="left", maintain_order="left")
        .with_columns(pl.col(_NUMBER).alias(name))
        .drop(_NUMBER)
        for table in tables
    ]
