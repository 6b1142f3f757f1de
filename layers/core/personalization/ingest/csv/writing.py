# SPDX-License-Identifier: Apache-2.0
"""Many rows at once in the CSV that Personalize reads: what `dialect.record` writes, from frames."""

from collections.abc import Iterable
from io import BytesIO

import polars as pl

from personalization.core.csv_dialect import ESCAPED, SPECIAL


def render(frame: pl.DataFrame, suspects: Iterable[str]) -> bytes:
    """The rows of a frame of texts, without a header.

    Args:
        frame: the rows.
        suspects: columns that may have commas, quotes or backslashes in them; the others must have none.
    """
    odd = [name for name in suspects if bool(frame[name].str.contains(SPECIAL).any())]
    file = BytesIO()
    frame.with_columns(_quoted(name) for name in odd).write_csv(file, include_header=False, quote_style="never")
    return file.getvalue()


def _quoted(name: str) -> pl.Expr:
    """The cells of a column, in quotes where they need them."""
    cell = pl.col(name)
    escaped = cell.str.replace_all(f"({ESCAPED})", r"\${1}")
    return pl.when(cell.str.contains(SPECIAL)).then(pl.format('"{}"', escaped)).otherwise(cell).alias(name)
