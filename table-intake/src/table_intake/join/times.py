# SPDX-License-Identifier: Apache-2.0
"""Times by which rows are older or newer."""

import polars as pl

from table_intake.check.forms import convert
from table_intake.columns import schema
from table_intake.errors import Refused
from table_intake.settings.files import FileSettings
from table_intake.wording import Text


def seconds(cells: pl.Series, dates: str | None) -> pl.Series:
    """Return times as whole numbers; null for cells that are none, which are older than all others."""
    column = schema.recognised("interactions", None)["TIMESTAMP"]
    return convert(column, cells, FileSettings(dates=dates)).values.str.extract(r"^([0-9]+)").cast(pl.Int64)


def no_times(table: str, cell: str, heading: str, dates: str | None) -> Refused:
    """Return the refusal of a table in which no cell of a column is a time, such as this one."""
    text, code = "newest_by names {heading}, and '{cell}' and the others there are no times: change dates", "dates"
    if dates is None:
        text, code = (
            f"{text.rpartition(':')[0]}: say how they are written by dates, as in dates: '%d/%m/%Y'",
            "no-dates",
        )
    return Refused(table, Text(f"join.times-{code}", text, heading=heading, cell=cell))
