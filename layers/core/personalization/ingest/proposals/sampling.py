# SPDX-License-Identifier: Apache-2.0
"""Take some rows of an open drop, from as many places as it is read to."""

from itertools import islice

import polars as pl

from personalization.ingest.csv.rows import source
from personalization.ingest.proposals.propose import Sample
from personalization.ingest.table import Table

ROWS = 2_000
"""Rows of a piece, at most."""
_CELLS = 1_000_000
"""Cells of a piece, at most: with many columns, fewer rows."""
_LONGEST = 100
"""Characters of a cell that are looked at."""


def sample(name: str, table: Table, pieces: int = 1) -> Sample:
    """Return rows that are spread over the first pieces of a table.

    Raises:
        Rejected: what is read is no table.
    """
    names = [source(index) for index in range(len(table.header))]
    rows: list[tuple[str, ...]] = []
    for piece in islice(table.rows(), pieces):
        most = max(1, min(ROWS, _CELLS // len(names)))
        frame = piece.frame.select(names).gather_every(max(1, -(-piece.frame.height // most)))
        rows += frame.select(pl.all().str.slice(0, _LONGEST)).rows()
    return Sample(name, table.header, rows)
