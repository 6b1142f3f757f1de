# SPDX-License-Identifier: Apache-2.0
"""Numbers and times in a shop's own form, as its settings name it, in the form of the import."""

import re
from dataclasses import dataclass

import polars as pl

from table_intake.check import cell_rules
from table_intake.columns import months
from table_intake.columns.schema import Column
from table_intake.errors import Refused
from table_intake.settings.files import ISO, SERIAL, FileSettings, Unit
from table_intake.wording import Text

PER_SECOND: dict[Unit, int] = {"s": 1, "ms": 1_000, "us": 1_000_000}
_NUMBER = r"^[0-9]+(?:\.[0-9]*)?$"
_SPACES = r"[\x{00A0}\x{2009}\x{202F}]"
"""Other characters than a space between groups of digits."""
_APOSTROPHE = "\u2019"
_MINUS = "[-\u2212\u2013\ufe63\uff0d]"
"""Signs that programs write for a minus."""
_TRIANGLE = "[\u25b3\u25b2]"
"""Triangles that Japanese and Korean accounts write for a minus."""
_SERIAL = r"^([0-9]{1,7}(?:[.,][0-9]*)?)$"
_DAY_OF_1970 = 25_569
"""The number of 1970's first day in spreadsheets."""
_MIDNIGHT = r"[T ]0?0:00(?::00(?:\.0+)?)?$"
_DAY_OF_TIMES = r"^(?:1899-12-3[01]|1900-01-0[01])[T ]"
"""What programs write before a time of day alone."""
_FIVE_DIGITS = r"^([0-9]{5})$"
"""A time such as 91500, whose zero in front a spreadsheet took away."""
_BEFORE_NOON = r"오전|上午|午前"
_AFTER_NOON = r"오후|下午|午後"


@dataclass(frozen=True, slots=True)
class Converted:
    """The cells of a column in the form of the import."""

    values: pl.Series
    """Texts stay as they are; other cells that break a rule are empty."""
    broken: pl.Series | None = None
    """The rule that each cell breaks, 0 for none; None where no cell breaks any."""
    changed: int = 0


def check_zone(resource: str, zone: str) -> None:
    """Check that a time zone is known: where settings are checked, there may be no list of them.

    Raises:
        Refused: it is unknown.
    """
    try:
        pl.Series([0]).cast(pl.Datetime("us")).dt.replace_time_zone(zone)
    except pl.exceptions.PolarsError:
        text = "the time zone {zone} of the settings is unknown: write one like Asia/Seoul"
        raise Refused(resource, Text("settings.time-zone", text, zone=zone)) from None


def convert(column: Column | None, values: pl.Series, form: FileSettings) -> Converted:
    """Convert the cells of a column; `column` is its definition, or None where the data decide.

    Cells of a column that may be text are numbers only if they wholly have the form of one.
    """
    if column is not None and column.name.endswith("TIMESTAMP"):
        return _times(values, form)
    numbers = plain_numbers(values, form, any_minus=column is not None and column.numeric)
    if column is None or column.type == "string":
        numbers = numbers.fill_null(values)
        return Converted(numbers, changed=int((numbers != values).sum()))
    if column.type == "long":
        numbers = numbers.str.replace(r"\.0*$", "")
    empty = values.str.strip_chars().str.len_bytes() == 0
    broken = (numbers.is_null() & ~empty).cast(pl.UInt8) * cell_rules.MARKS
    return Converted(numbers.fill_null(""), broken if broken.max() else None, int((numbers != values).sum()))


def plain_numbers(values: pl.Series, form: FileSettings, *, any_minus: bool = False) -> pl.Series:
    """Return the numbers of a column with a point before their decimals and nothing else; null for other cells.

    With `any_minus`, numbers below 0 may also have the minus of typographers, or stand in brackets, as in books.
    """
    cell, mark, group = pl.col("cell").str.strip_chars(), re.escape(form.decimal or "."), form.thousands
    if any_minus:
        cell = with_usual_minus(cell)
    if form.currency is not None:
        sign = re.escape(form.currency)
        cell = cell.str.replace(rf"^([+-]?)\s*{sign}\s*|\s*{sign}\s*(-?)$", "${1}${2}")
        if any_minus:
            cell = with_usual_minus(cell)
    whole = "[0-9]+"
    if group is not None:
        if group == " ":
            cell = cell.str.replace_all(_SPACES, " ")
        if group == "'":
            cell = cell.str.replace_all(_APOSTROPHE, "'", literal=True)
        # Groups of two are those of India.
        whole += rf"|[0-9]{{1,3}}(?:{re.escape(group)}[0-9]{{2,3}})*{re.escape(group)}[0-9]{{3}}"
    number = rf"(?:(?:{whole})(?:{mark}[0-9]*)?|{mark}[0-9]+)"
    matched = cell.str.contains(rf"^(?:[+-]?{number}(?:[eE][+-]?[0-9]{{1,2}})?|{number}-)$")
    plain = cell if group is None else cell.str.replace_all(group, "", literal=True)
    if form.decimal == ",":
        plain = plain.str.replace(",", ".", literal=True)
    # SAP writes the sign of a number behind it.
    plain = plain.str.replace(r"^(.*)-$", "-${1}")
    return values.to_frame("cell").select(pl.when(matched).then(plain)).to_series().alias(values.name)


def with_usual_minus(cell: pl.Expr) -> pl.Expr:
    """Return cells with a hyphen before or behind them for any other sign of a number below 0."""
    return (
        cell.str.replace(r"^[(\uff08]\s*([^()\uff08\uff09+-]+?)\s*[)\uff09]$", "-${1}")
        .str.replace(rf"^(?:{_MINUS}|{_TRIANGLE})\s*", "-")
        .str.replace(rf"\s*{_MINUS}$", "-")
    )


def _times(values: pl.Series, form: FileSettings) -> Converted:
    """Convert times to whole Unix seconds."""
    cells = values.str.strip_chars().alias("cell")
    frame, cell = cells.to_frame(), pl.col("cell")
    if form.dates == SERIAL:
        frame = frame.hstack(cell_rules.iso_seconds(cells)).with_columns(_serial(form))
    elif form.dates is not None and form.dates != ISO:
        frame = frame.with_columns(_formatted(form.dates, form.timezone))
    elif cells.str.contains(_NUMBER).all():
        frame = frame.with_columns(seconds=pl.lit(None, pl.Int64), skipped=pl.lit(value=False))
    else:
        frame = frame.hstack(cell_rules.iso_seconds(cells)).with_columns(_iso(form))
    number = cell.str.contains(_NUMBER)
    counted = pl.lit(None, pl.Int64)
    wrong_unit = pl.lit(value=False)
    if form.dates is None and form.unit is not None:
        raw = cell.str.extract(r"^([0-9]{1,18})(?:\.[0-9]*)?$").cast(pl.Int64)
        counted = raw // PER_SECOND[form.unit]
        likely = pl.any_horizontal(
            (raw // size).is_between(cell_rules.FIRST_SECOND, cell_rules.LAST_SECOND)
            for unit, size in PER_SECOND.items()
            if unit != form.unit
        )
        wrong_unit = ~counted.is_between(cell_rules.FIRST_SECOND, cell_rules.LAST_SECOND) & likely
    seconds = pl.coalesce(counted, "seconds")
    # Without a unit or a form, numbers are Unix seconds, which are checked as ever.
    as_ever = number if form.dates is None and form.unit is None else pl.lit(value=False)
    checked = frame.select(
        seconds=seconds,
        broken=pl.when((cell.str.len_bytes() == 0) | as_ever)
        .then(0)
        .when(pl.col("skipped"))
        .then(cell_rules.SKIPPED)
        .when(wrong_unit)
        .then(cell_rules.UNIT)
        .when(seconds.is_null())
        .then(cell_rules.DATED if form.dates else cell_rules.TIME)
        .when(seconds < 0)
        .then(cell_rules.RANGE)
        .otherwise(0)
        .cast(pl.UInt8),
        cell=cell,
    )
    good = pl.col("broken") == 0
    written = checked.select(
        pl.when(good).then(pl.coalesce(pl.col("seconds").cast(pl.String), "cell")).otherwise(pl.lit(""))
    )
    times, broken = written.to_series().alias(values.name), checked["broken"]
    changed = int(((times != values) & (broken == 0)).sum())
    return Converted(times, broken if broken.max() else None, changed)


def _formatted(dates: str, zone: str) -> list[pl.Expr]:
    """Return expressions for the seconds of dates in a form, and for those that clocks skip."""
    cell, form = pl.col("cell"), dates.replace("%-", "%").replace(".%f", "%.f")
    if "%p" in form:
        cell = cell.str.replace(_BEFORE_NOON, "AM").str.replace(_AFTER_NOON, "PM")
    if "%B" in form:
        cell = months.all_in_english(cell)
    if "%H" not in form and "%I" not in form:
        return _in_zone(cell.str.to_date(form, strict=False).cast(pl.Datetime("us")), zone)
    moment = cell.str.to_datetime(form, strict=False, time_unit="us")
    if "%z" not in form:
        return _in_zone(moment, zone)
    return [moment.dt.epoch("s").alias("seconds"), pl.lit(value=False).alias("skipped")]


def _iso(form: FileSettings) -> list[pl.Expr]:
    """Return expressions for the seconds of ISO 8601 dates, and for those that clocks skip."""
    clock, offset = pl.col("clock"), pl.col("offset")
    there, skipped = _in_zone(pl.from_epoch(clock, time_unit="s"), form.timezone)
    named = offset.is_not_null()
    return [
        pl.when(named).then(clock - offset).otherwise(there).alias("seconds"),
        (skipped & ~named).alias("skipped"),
    ]


def _serial(form: FileSettings) -> list[pl.Expr]:
    """Return expressions for the seconds of days as spreadsheets count them, and for those that clocks skip.

    Where a column has real dates as well, the reader has written them in ISO 8601.
    """
    day = pl.col("cell").str.extract(_SERIAL).str.replace(",", ".", literal=True).cast(pl.Float64)
    clock = ((day - _DAY_OF_1970) * 86_400).round().cast(pl.Int64)
    (there, skipped), (iso, iso_skipped) = _in_zone(pl.from_epoch(clock, time_unit="s"), form.timezone), _iso(form)
    return [
        pl.when(day.is_not_null()).then(there).otherwise(iso).alias("seconds"),
        pl.when(day.is_not_null()).then(skipped).otherwise(iso_skipped).alias("skipped"),
    ]


def with_time_of_day(days: pl.Series, times: pl.Series) -> pl.Series:
    """Return days with the times of another column behind them; a day whose time is empty stays as it is."""
    day = pl.col("day").str.strip_chars().str.replace(_MIDNIGHT, "")
    time = pl.col("time").str.strip_chars().str.replace(_DAY_OF_TIMES, "").str.replace(_FIVE_DIGITS, "0${1}")
    joined = pl.when(time == "").then(day).otherwise(pl.concat_str([day, time], separator=" "))
    return pl.DataFrame([days.alias("day"), times.alias("time")]).select(joined).to_series().alias(days.name)


def _in_zone(moment: pl.Expr, zone: str) -> list[pl.Expr]:
    """Return expressions for the seconds of times in a zone, and for those that its clocks skip.

    A time that the clocks show twice is the first of the two.
    """
    there = moment.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    skipped = there.is_null() & moment.is_not_null()
    return [there.dt.epoch("s").alias("seconds"), skipped.alias("skipped")]
