# SPDX-License-Identifier: Apache-2.0
"""Write rows of frames: as the CSV that Personalize reads, and as lines of the table of items."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import polars as pl

from personalization.core.csv_dialect import ESCAPED, SPECIAL
from personalization.shop.item_table import MAX_CHARACTERS, MAX_SHARDS, SHARD_BYTES, place

PARTITIONS = 64


class ItemLines:
    """Rows of a drop of items as lines of the table of items, spread by id over files of a scratch folder.

    Args:
        folder: for the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.columns: tuple[str, ...] = ()
        self.size = 0
        """Bytes of all lines."""

    def take(self, frame: pl.DataFrame) -> None:
        """Add some rows in the form of the import."""
        self.columns = tuple(name for name in frame.columns if name != "ITEM_ID")
        if not frame.height or self.too_large:
            return
        fits = [
            pl.when(pl.col(name).str.len_chars().is_between(1, MAX_CHARACTERS)).then(pl.col(name)).alias(str(number))
            for number, name in enumerate(self.columns)
        ]
        encoded = frame.select(pl.struct(pl.col("ITEM_ID").alias(""), *fits).struct.json_encode())
        lines = encoded.to_series().to_list()
        parts: list[list[str]] = [[] for _ in range(PARTITIONS)]
        for item, text in zip(frame["ITEM_ID"].to_list(), lines, strict=True):
            parts[place(item) % PARTITIONS].append(text)
        for number, texts in enumerate(parts):
            if texts:
                data = ("\n".join(texts) + "\n").encode()
                self.size += len(data)
                with (self._folder / f"listed-{number}").open("ab") as file:
                    file.write(data)

    @property
    def too_large(self) -> bool:
        """Tell whether the items exceed a table."""
        return self.size > SHARD_BYTES * MAX_SHARDS

    def partitions(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the lines of each partition: ids with equal lowest bits of their places."""
        for number in range(PARTITIONS):
            path = self._folder / f"listed-{number}"
            yield number, path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def render(frame: pl.DataFrame, suspects: Iterable[str]) -> bytes:
    """Return the rows of a frame of texts, without a header; see `csv_dialect.record`.

    Args:
        frame: the rows.
        suspects: columns that may contain commas, quotes or backslashes; others must not.
    """
    to_quote = [name for name in suspects if bool(frame[name].str.contains(SPECIAL).any())]
    file = BytesIO()
    frame.with_columns(_quoted(name) for name in to_quote).write_csv(file, include_header=False, quote_style="never")
    return file.getvalue()


def _quoted(name: str) -> pl.Expr:
    """Return the cells of a column, quoted where they need it."""
    cell = pl.col(name)
    escaped = cell.str.replace_all(f"({ESCAPED})", r"\${1}")
    return pl.when(cell.str.contains(SPECIAL)).then(pl.format('"{}"', escaped)).otherwise(cell).alias(name)
