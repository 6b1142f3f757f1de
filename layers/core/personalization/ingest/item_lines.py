# SPDX-License-Identifier: Apache-2.0
"""Rows of a drop of items as lines of the table of items."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from personalization.shop.records.item_table import MAX_CHARACTERS, MAX_SHARDS, SHARD_BYTES, hashed

PARTITIONS = 64
TOO_LARGE = SHARD_BYTES * MAX_SHARDS + 1
"""Bytes of lines that no table holds."""


class ItemLines:
    """Rows of a drop of items as lines of the table of items, spread by id over files of a scratch folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.columns: tuple[str, ...] = ()
        self.size = 0
        """Bytes of all lines."""

    def take(self, frame: pl.DataFrame) -> None:
        self.columns = tuple(name for name in frame.columns if name != "ITEM_ID")
        if not frame.height or self.too_large:
            return
        fits = [
            pl.when(pl.col(name).str.len_chars().is_between(1, MAX_CHARACTERS)).then(pl.col(name)).alias(str(number))
            for number, name in enumerate(self.columns)
        ]
        line = pl.struct(pl.col("ITEM_ID").alias(""), *fits).struct.json_encode()
        places = pl.Series(map(hashed, frame["ITEM_ID"].cast(pl.Binary).to_list()), dtype=pl.UInt32)
        spread = frame.select((places % PARTITIONS).alias("part"), line.alias("line"))
        for number, lines in (
            spread.group_by("part", maintain_order=True).agg(pl.col("line").str.join("\n")).iter_rows()
        ):
            data = f"{lines}\n".encode()
            self.size += len(data)
            with (self._folder / f"listed-{number}").open("ab") as file:
                file.write(data)

    @property
    def too_large(self) -> bool:
        """Whether the items exceed a table."""
        return self.size >= TOO_LARGE

    def partitions(self) -> Iterator[tuple[int, list[bytes]]]:
        """See `shop.records.item_files.Listed`."""
        for number in range(PARTITIONS):
            path = self._folder / f"listed-{number}"
            yield number, path.read_bytes().split(b"\n")[:-1] if path.exists() else []
