# SPDX-License-Identifier: Apache-2.0
"""Times by which rows are older or newer."""

import polars as pl

from table_intake.check.forms import convert
from table_intake.columns import schema
from table_intake.errors import Refused
from table_intake.settings.files import FileSettings


def seconds(table: str, cells: pl.Series, heading: str, dates: str | None) -> pl.Series:
    """Return times as whole numbers; null for cells that are none, which are older than all others.

    Raises:
        Refused: none of the cells is a time.
    """
    column = schema.recognised("interactions", None)["TIMESTAMP"]
    times = convert(column, cells, FileSettings(dates=dates)).values.str.extract(r"^([0-9]+)").cast(pl.Int64)
    if cells.len() and times.null_count() == cells.len():
        way = "say how they are written by dates, as in dates: '%d/%m/%Y'" if dates is None else "change dates"
        raise Refused(table, f"newest_by names {heading}, and {cells[0]!r} and the others there are no times: {way}")
    return times
