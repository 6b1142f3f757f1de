# SPDX-License-Identifier: Apache-2.0
"""Rows as the CSV that Personalize reads."""

from collections.abc import Iterable
from io import BytesIO

import polars as pl

_SPECIAL = r'[",\n\r]'


def render(frame: pl.DataFrame, suspects: Iterable[str]) -> bytes:
    """The rows of a frame of texts, without a header.

    Args:
        frame: the rows.
        suspects: columns that may have commas, quotes or line breaks in them; the others must have none.
    """
    odd = [name for name in suspects if bool(frame[name].str.contains(_SPECIAL).any())]
    file = BytesIO()
    frame.with_columns(_quoted(name) for name in odd).write_csv(file, include_header=False, quote_style="never")
    return file.getvalue()


def _quoted(name: str) -> pl.Expr:
    """The cells of a column, in quotes where they need them: in the form that Personalize reads."""
    cell = pl.col(name)
    # A backslash before the closing quote would turn it into an escaped one.
    tail = pl.when(cell.str.ends_with("\\")).then(pl.lit("\\")).otherwise(pl.lit(""))
    escaped = cell.str.replace_all('"', '\\"', literal=True)
    return pl.when(cell.str.contains(_SPECIAL)).then(pl.format('"{}{}"', escaped, tail)).otherwise(cell).alias(name)
