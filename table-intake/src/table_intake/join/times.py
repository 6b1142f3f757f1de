# SPDX-License-Identifier: Apache-2.0
"""Times by which rows are older or newer."""

import polars as pl

from table_intake.check.forms import convert
from table_intake.columns import schema
from table_intake.errors import Refused
from table_intake.settings.files import FileSettings


def seconds(cells: pl.Series, dates: str | None) -> pl.Series:
    """Return times as whole numbers; null for cells that are none, which are older than all others."""
    column = schema.recognised("interactions", None)["TIMESTAMP"]
    return convert(column, cells, FileSettings(dates=dates)).values.str.extract(r"^([0-9]+)").cast(pl.Int64)


def no_times(table: str, cell: str, heading: str, dates: str | None) -> Refused:
    """Return the refusal of a table in which no cell of a column is a time, such as this one."""
    way = "say how they are written by dates, as in dates: '%d/%m/%Y'" if dates is None else "change dates"
    return Refused(table, f"newest_by names {heading}, and {cell!r} and the others there are no times: {way}")
