# SPDX-License-Identifier: Apache-2.0
"""The cells of a column that the schema knows: what they must be, and how they are imported."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from table_intake.columns import choices
from table_intake.columns.schema import CATEGORY_LENGTH, ID_LENGTH, Column
from table_intake.read.line_breaks import PATTERN
from table_intake.settings.files import FileSettings
from table_intake.wording import Text

NOT_SECONDS = 10**11
"""Timestamps from here on are milliseconds or finer: as seconds they would lie after the year 5000."""
FIRST_SECOND = 631_152_000
"""The beginning of 1990: no interaction is older."""
LAST_SECOND = 9_999_999_999
IDS = frozenset({"USER_ID", "ITEM_ID", "ACTION_ID"})
_CAPPED = {"EVENT_TYPE", "IMPRESSION"}
ISO_DATE = (
    r"^(?<day>[1-9][0-9]{3}-[0-9]{2}-[0-9]{2})(?:[Tt ](?<hour>[01][0-9]|2[0-3]):(?<minute>[0-5][0-9])"
    r"(?::(?<second>[0-5][0-9])(?:[.,][0-9]{1,9})?)?"
    r"(?: ?(?<zone>[Zz]|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?)?$"
)
_PLAIN_ISO = r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
"""The most frequent form of ISO 8601."""
_NUMBER = r"^(?<whole>[0-9]+)(?:\.[0-9]{0,9})?$"
"""Seconds, as some programs write them: the fraction is cut off, as for dates."""
_SHOWN = 40
_DAY_OR_MONTH_FIRST = (
    r"^(?:[0-9]{1,2}/[0-9]{1,2}/|[0-9]{1,2}\.[0-9]{1,2}\.|[0-9]{1,2}-[0-9]{1,2}-)(?:[0-9]{4}|[0-9]{2})(?:[ T,].*)?$"
)
_RULES = (
    ("empty", "is empty", "is empty"),
    ("bytes", "has {bytes} bytes; 256 are allowed", "is longer than 256 bytes"),
    ("characters", "has {characters} characters; 1000 are allowed", "is longer than 1,000 characters"),
    (
        "milliseconds",
        "must be Unix time in seconds; {value} looks like milliseconds",
        "looks like milliseconds, but must be Unix time in seconds",
    ),
    ("time", "must be Unix time in seconds or an ISO 8601 date, not {value}", "is not a time"),
    ("range", "is not between 1990 and tomorrow: {value}", "is not between 1990 and tomorrow"),
    ("whole", "must be a whole number, not {value}", "is not a whole number"),
    ("number", "must be a number, not {value}", "is not a number"),
    ("break", "has a line break in it: {value}", "has a line break in it"),
    ("readings", "{readings}", "is a date whose form the settings must name"),
    (
        "dated",
        "must be a date in the form that the settings name ({dates}), not {value}",
        "is not a date in the form that the settings name",
    ),
    (
        "skipped",
        "is a time that the clocks of {timezone} skip: {value}; if the times are in UTC, let the settings say so",
        "is a time that the clocks skip",
    ),
    ("unit", "is not a time in the unit that the settings name ({unit}): {value}", "is in another unit of time"),
    (
        "marks",
        "must be a number with the marks that the settings name, not {value}",
        "is not a number with the marks that the settings name",
    ),
    (
        "unjudged",
        "must be a number, since the setting returns tells returns by it, not {value}",
        "is not a number, though the setting returns tells returns by it",
    ),
    ("words", "must be one of {words}, not {value}", "is not one of the values that Personalize takes"),
    ("bounds", "must be from {least} to {most}, not {value}", "is outside of what Personalize takes"),
    ("choice", "must be yes or no, or empty, not {value}", "is neither yes nor no"),
)
CODES = 32
(
    EMPTY, BYTES, CHARACTERS, MILLISECONDS, TIME, RANGE, WHOLE, NUMBER, BREAK, READINGS, DATED, SKIPPED, UNIT, MARKS,
    UNJUDGED, WORDS, BOUNDS, CHOICE,
) = range(1, len(_RULES) + 1)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking one column of a piece."""

    values: pl.Series
    """The cells as they are imported."""
    broken: pl.Series | None
    """The rule that each cell breaks, 0 for none; None where no cell breaks any."""
    seconds: pl.Series | None = None
    """Times in whole seconds."""
    converted: int = 0
    """Dates and fractions converted to whole seconds."""
    joined: int = 0
    """Texts whose line breaks became spaces."""
    cut: int = 0
    """Texts cut to Personalize's limit."""
    worded: int = 0
    """Words written in another way."""

    def also(self, broken: pl.Series | None) -> "Verdict":
        """Return the verdict on cells of which some broke a rule before."""
        if broken is None:
            return self
        return replace(self, broken=broken if self.broken is None else broken.zip_with(broken > 0, self.broken))


def says_yes(cells: pl.Series) -> pl.Series:
    """Return whether each cell says yes; null for an empty one, and for one that says neither yes nor no."""
    words = dict.fromkeys(choices.YES, True) | dict.fromkeys(choices.NO, False)
    plain = cells.str.strip_chars().str.to_lowercase()
    return plain.replace_strict(list(words), list(words.values()), default=None, return_dtype=pl.Boolean)


def choice(cells: pl.Series) -> Verdict:
    """Check the cells of the column that says who objects to personal lists."""
    wrong = says_yes(cells).is_null() & (cells.str.strip_chars() != "")
    return Verdict(cells, _if_any(wrong.cast(pl.UInt8) * CHOICE))


def codes(verdicts: Sequence[Verdict]) -> pl.Series | None:
    """Return the code of each row: the index of its first broken cell times CODES, plus the rule; 0 for a good row.

    None where all rows are good.
    """
    coded = [
        pl.when(verdict.broken > 0).then(index * CODES + verdict.broken.cast(pl.UInt16))
        for index, verdict in enumerate(verdicts)
        if verdict.broken is not None
    ]
    return pl.select(pl.coalesce(*coded, pl.lit(0, pl.UInt16)).alias("code")).to_series() if coded else None


def rule(column: str, number: int) -> Text:
    """Return the rule that a column's cells break, by its number, without the details of a cell."""
    name, _, text = _RULES[number - 1]
    return Text(f"rule.{name}", f"{{column}} {text}", column=column)


def reason(
    column: str, number: int, value: str, form: FileSettings | None = None, definition: Column | None = None
) -> Text:
    """Return why a cell is refused; `form` is that of the column's numbers or times, `definition` the column itself."""
    least, most = (definition and definition.bounds) or (0, 0)
    name, text, _ = _RULES[number - 1]
    values: Mapping[str, object] = {
        "value": repr(shown(value)),
        "bytes": len(value.encode()),
        "characters": len(value),
        "readings": readings(value) if number == READINGS else "",
        "dates": form.dates if form else "",
        "timezone": form.timezone if form else "",
        "unit": form.unit if form else "",
        "words": ", ".join(definition.words) if definition else "",
        "least": least,
        "most": most,
    }
    used = {key: given for key, given in values.items() if f"{{{key}}}" in text}
    return Text(f"reason.{name}", f"{{column}} {text}", column=column, **used)


def readings(value: str) -> Text:
    """Return how a date that begins with its day or month can be read, and the forms of it."""
    mark = value.lstrip("0123456789")[:1]
    numbers = [int(number) for number in re.findall(r"[0-9]+", value)[:3]]
    orders = ("dmY", "mdY") if numbers[2] > 99 else ("dmy", "mdy", "ymd")
    days: dict[str, date] = {}
    for order in orders:
        given = dict(zip(order.lower(), numbers, strict=True))
        with suppress(ValueError):
            day = date(given["y"] + 2000 * (given["y"] < 100), given["m"], given["d"])
            days[mark.join(f"%{part}" for part in order)] = day
    if not days:
        text = "must be Unix time in seconds or an ISO 8601 date, not {value}"
        return Text("readings.none", text, value=repr(shown(value)))
    if len(days) > len(set(days.values())):
        may = Text("readings.forms", "of the form {forms}", forms=Text.any_of(days))
    else:
        may = Text.any_of([_reading(day, form) for form, day in days.items()])
    text = "{value} may be {may}: the settings must name the form of dates"
    return Text("readings", text, value=repr(shown(value)), may=may)


def _reading(day: date, form: str) -> Text:
    written = {"number": day.day, "month": f"{day:%B}", "year": day.year, "iso": day.isoformat()}
    return Text("reading", "{number} {month} {year} ({form})", **written, form=form)


def shown(value: str) -> str:
    """Return a cell, shortened if it is long."""
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"


def check(
    column: Column | None, values: pl.Series, now: int, *, breaks: bool = False, most: int | None = None
) -> Verdict:
    """Check the cells of a column.

    Args:
        column: its definition, or None where the data decide.
        values: the cells, as text.
        now: Unix time; interactions more than a day later are refused.
        breaks: whether cells may contain line breaks: an id must not, and in other texts they become spaces.
        most: characters of a text, at most.
    """
    if column is None or (column.name not in IDS and column.type == "string"):
        values, joined = _on_one_line(values) if breaks else (values, 0)
        values, cut = _shortened(values, most) if most else (values, 0)
        if column and column.words:
            return _worded(column, values)
        return Verdict(values, _text(column, values) if column else None, joined=joined, cut=cut)
    if column.type == "string":
        return Verdict(values, _id(column, values, breaks=breaks))
    return _number(column, values, now)


def _number(column: Column, values: pl.Series, now: int) -> Verdict:
    """Check the cells of a column of numbers or times."""
    if column.name == "TIMESTAMP":
        return _time(column, values, FIRST_SECOND, now + 86_400)
    if column.name.endswith("TIMESTAMP"):
        return _time(column, values, 0, LAST_SECOND)
    whole = column.type == "long"
    numbers = values.cast(pl.Int64 if whole else pl.Float64, strict=False)
    good = numbers.is_not_null() if whole else numbers.is_finite().fill_null(False)
    verdict = Verdict(values, _broken(column, values, good, WHOLE if whole else NUMBER))
    if column.bounds is None:
        return verdict
    outside = (~numbers.is_between(*column.bounds)).fill_null(False).cast(pl.UInt8) * BOUNDS
    return verdict.also(_if_any(outside))


def _worded(column: Column, values: pl.Series) -> Verdict:
    """Check the cells of a column that has some values alone, and write these as they are imported."""
    words = values.str.to_uppercase().str.strip_chars().str.replace_all(r"[^A-Z]+", "_")
    broken = _broken(column, values, words.is_in(list(column.words)), WORDS)
    return Verdict(words, broken, worded=int((words != values).sum()))


def _on_one_line(values: pl.Series) -> tuple[pl.Series, int]:
    """Return the texts with spaces in place of line breaks, and the number of changed ones."""
    count = int(values.str.contains(PATTERN).sum())
    return (values.str.replace_all(PATTERN, " "), count) if count else (values, 0)


def _shortened(values: pl.Series, most: int) -> tuple[pl.Series, int]:
    """Return the texts cut to a number of characters, and the number of changed ones."""
    longest = values.str.len_bytes().max()
    if not isinstance(longest, int) or longest <= most:
        return values, 0
    count = int((values.str.len_chars() > most).sum())
    return (values.str.slice(0, most), count) if count else (values, 0)


def _id(column: Column, values: pl.Series, *, breaks: bool) -> pl.Series | None:
    broken = _text(column, values)
    cells = values.str.contains(PATTERN) if breaks else None
    if cells is None or not cells.any():
        return broken
    bad = cells.cast(pl.UInt8) * BREAK
    return bad if broken is None else broken.zip_with(broken > 0, bad)


def _text(column: Column, values: pl.Series) -> pl.Series | None:
    sizes = values.str.len_bytes()
    shortest, longest = sizes.min(), sizes.max()
    has_empty = not column.nullable and shortest == 0
    limit = ID_LENGTH if column.name in IDS else CATEGORY_LENGTH
    capped = column.name in IDS or column.categorical or column.name in _CAPPED
    if not has_empty and not (capped and isinstance(longest, int) and longest > limit):
        return None
    codes = pl.lit(0, pl.UInt8)
    cell = pl.col(values.name)
    if column.name in IDS:
        codes = pl.when(cell.str.len_bytes() > limit).then(pl.lit(BYTES, pl.UInt8)).otherwise(codes)
    elif capped:
        codes = pl.when(cell.str.len_chars() > limit).then(pl.lit(CHARACTERS, pl.UInt8)).otherwise(codes)
    if has_empty:
        codes = pl.when(cell.str.len_bytes() == 0).then(pl.lit(EMPTY, pl.UInt8)).otherwise(codes)
    return _if_any(values.to_frame().select(broken=codes).to_series())


def _broken(column: Column, values: pl.Series, good: pl.Series, rule_number: int) -> pl.Series | None:
    """Return which cells break a rule, except empty ones."""
    if good.all():
        return None
    empty = values.str.len_bytes() == 0
    frame = pl.DataFrame({"good": good, "empty": empty})
    blank = pl.lit(0 if column.nullable else EMPTY, pl.UInt8)
    chosen = (
        pl.when("good").then(pl.lit(0, pl.UInt8)).when("empty").then(blank).otherwise(pl.lit(rule_number, pl.UInt8))
    )
    return _if_any(frame.select(broken=chosen).to_series())


def _if_any(broken: pl.Series) -> pl.Series | None:
    return broken if broken.max() else None


def _time(column: Column, values: pl.Series, first: int, last: int) -> Verdict:
    seconds = values.cast(pl.Int64, strict=False)
    sizes = values.str.len_bytes()
    # With as many characters as digits, a cell has only digits and no sign.
    good = ((seconds >= 10**9) & (sizes == 10)) | ((seconds >= 10**8) & (seconds < 10**9) & (sizes == 9))
    good = (good & (seconds >= first) & (seconds <= last)).fill_null(False)
    if good.all():
        return Verdict(values, None, seconds)
    frame = pl.DataFrame({"cell": values, "seconds": seconds, "good": good})
    rest = frame.filter(~pl.col("good"))
    checked = rest.hstack(iso_seconds(rest["cell"])).select("cell", *_parsed_times("cell"))
    checked = checked.with_columns(broken=_rule_of_time(first, last, nullable=column.nullable))
    rewritten = pl.col("rewritten") & (pl.col("broken") == 0) & pl.col("seconds").is_not_null()
    converted = checked.select(rewritten.sum()).item()
    written = pl.when(rewritten).then(pl.col("seconds").cast(pl.String)).otherwise("cell")
    checked = checked.select("seconds", "broken", cell=written)
    places = good.not_().arg_true()
    broken = pl.zeros(values.len(), pl.UInt8, eager=True).scatter(places, checked["broken"])
    return Verdict(
        values.clone().scatter(places, checked["cell"]) if converted else values,
        _if_any(broken),
        seconds.scatter(places, checked["seconds"]),
        converted,
    )


def _parsed_times(name: str) -> list[pl.Expr]:
    """Return expressions for the seconds of a time, whether it is a date, and whether its import rewrites it."""
    cell = pl.col(name)
    dated = pl.col("clock") - pl.col("offset").fill_null(0)
    whole = cell.str.extract_groups(_NUMBER).struct.field("whole").str.strip_chars_start("0").str.pad_start(1, "0")
    # A number with too many digits counts as milliseconds.
    counted = pl.when(whole.str.len_bytes() > 18).then(pl.lit(10**18)).otherwise(whole.cast(pl.Int64, strict=False))
    rewritten = counted.is_null() | cell.str.contains(".", literal=True)
    return [
        pl.coalesce(counted, dated).alias("seconds"),
        (dated.is_not_null() & counted.is_null()).alias("dated"),
        rewritten.alias("rewritten"),
    ]


def iso_seconds(cells: pl.Series) -> pl.DataFrame:
    """Return the seconds that ISO 8601 dates show as `clock`, and those of their zones as `offset`.

    Both are null where a cell is no such date, and the offset is where it names no zone.
    """
    plain = cells.str.contains(_PLAIN_ISO)
    if not plain.any():
        return _any_iso(cells)
    days = cells.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    clock = days.cast(pl.Int32).cast(pl.Int64) * 86_400
    for begin, seconds in ((11, 3600), (14, 60), (17, 1)):
        clock += cells.str.slice(begin, 2).cast(pl.Int64, strict=False) * seconds
    offset = pl.repeat(None, len(cells), dtype=pl.Int64, eager=True)
    if not plain.all():
        places, rest = plain.not_().arg_true(), _any_iso(cells.filter(~plain))
        clock, offset = clock.scatter(places, rest["clock"]), offset.scatter(places, rest["offset"])
    return pl.DataFrame({"clock": clock, "offset": offset})


def _any_iso(cells: pl.Series) -> pl.DataFrame:
    parts = pl.col("cell").str.extract_groups(ISO_DATE)

    def number(part: pl.Expr) -> pl.Expr:
        return part.cast(pl.Int64, strict=False).fill_null(0)

    def field(part: str) -> pl.Expr:
        return parts.struct.field(part)

    zone = field("zone").str.replace(":", "", literal=True)
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    offset = sign * (number(zone.str.slice(1, 2)) * 3600 + number(zone.str.slice(3, 2)) * 60)
    days = field("day").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Int64)
    clock = number(field("hour")) * 3600 + number(field("minute")) * 60 + number(field("second"))
    shown = (days * 86_400 + clock).alias("clock")
    return cells.to_frame("cell").select(shown, pl.when(zone.is_not_null()).then(offset).alias("offset"))


def _rule_of_time(first: int, last: int, *, nullable: bool) -> pl.Expr:
    seconds = pl.col("seconds")
    return (
        pl.when(pl.col("cell").str.len_bytes() == 0)
        .then(0 if nullable else EMPTY)
        .when(seconds.is_null() & pl.col("cell").str.contains(_DAY_OR_MONTH_FIRST))
        .then(READINGS)
        .when(seconds.is_null())
        .then(TIME)
        .when(~pl.col("dated") & (seconds >= NOT_SECONDS))
        .then(MILLISECONDS)
        .when((seconds < first) | (seconds > last))
        .then(RANGE)
        .otherwise(0)
        .cast(pl.UInt8)
    )
