# SPDX-License-Identifier: Apache-2.0
"""Many rows at once in the CSV that Personalize reads: what `dialect.record` writes, from frames."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import polars as pl

from personalization.core.csv_dialect import ESCAPED, SPECIAL
from personalization.shop.item_table import MOST_CHARACTERS, MOST_SHARDS, SHARD_BYTES, place

PARTITIONS = 64


class ItemLines:
    """Lines of items, in memory that does not grow with the drop.

    Args:
        folder: where files may be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.columns: tuple[str, ...] = ()
        self.size = 0
        """Bytes of all lines."""

    def take(self, frame: pl.DataFrame) -> None:
        """Add some rows: their cells as they are imported."""
        self.columns = tuple(name for name in frame.columns if name != "ITEM_ID")
        if not frame.height or self.too_large:
            return
        fits = [
            pl.when(pl.col(name).str.len_chars().is_between(1, MOST_CHARACTERS)).then(pl.col(name)).alias(str(number))
            for number, name in enumerate(self.columns)
        ]
        told = frame.select(pl.struct(pl.col("ITEM_ID").alias(""), *fits).struct.json_encode())
        lines = told.to_series().to_list()
        parts: list[list[str]] = [[] for _ in range(PARTITIONS)]
        for item, text in zip(frame["ITEM_ID"].to_list(), lines, strict=True):
            parts[place(item) % PARTITIONS].append(text)
        for number, some in enumerate(parts):
            if some:
                data = ("\n".join(some) + "\n").encode()
                self.size += len(data)
                with (self._folder / f"listed-{number}").open("ab") as file:
                    file.write(data)

    @property
    def too_large(self) -> bool:
        """Whether the items are more than a table can hold."""
        return self.size > SHARD_BYTES * MOST_SHARDS

    def partitions(self) -> Iterator[tuple[int, list[bytes]]]:
        """The lines by the lowest bits of their ids' places."""
        for number in range(PARTITIONS):
            path = self._folder / f"listed-{number}"
            yield number, path.read_bytes().split(b"\n")[:-1] if path.exists() else []


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
