# SPDX-License-Identifier: Apache-2.0
"""How a shop's files of one kind are read: the sections `interactions`, `users` and `items` of its settings."""

import codecs
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from table_intake.wording import Text


def zone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        ValueError: the IANA database has no such zone.
    """
    import zoneinfo  # noqa: PLC0415 - only shops with a zone of their own need it

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            Text("set.zone", "is not a time zone: write one like Europe/Berlin, Asia/Seoul or UTC")
        ) from None
    return name


Timezone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,49}$"), AfterValidator(zone)]
ColumnName = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,149}$")]
TheirName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=150)]
"""A column's name as the shop writes it."""
EventType = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Unit = Literal["s", "ms", "us"]

ISO, SERIAL = "iso", "serial"
DIRECTIVES = "YymdejHIMSfpbBz"
"""Directives that a date format may have, as Python's strptime has them, and e for a day without a zero."""
SEPARATOR = r"^(tab|[\t !#-/:-@\[\]^`{-~\x01-\x08\x0e-\x1f])$"
"""One ASCII character that is no letter, digit, underscore, quote or backslash."""
SIGN = r"^[^\d\s.,'+-]([^\d.,'+-]{0,6}[^\d\s.,'+-])?$"


def _tab(value: object) -> object:
    return "\t" if value == "tab" else value


def _no_truth(value: object) -> object:
    if value is None or isinstance(value, bool):
        raise ValueError(Text("set.truth", "must be a text or a number: write words like true and null in quotes"))
    return value


SkippedValue = Annotated[str | int | float, BeforeValidator(_no_truth)]


class Returns(BaseModel):
    """Which interactions are returns: they get the event type Return, whatever type they came with.

    The number in the column tells it, or with `values` the word there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: TheirName
    """A column of the file, under the shop's name or Personalize's; it need not be imported."""
    below: Annotated[float, Field(allow_inf_nan=False)] = 0
    """A row is a return if its number in the column is below this."""
    of: TheirName | None = None
    """Another column of numbers, such as what was ordered: a row is a return if its number in `column` is above 0 and
    not below the one there, since all of it came back."""
    values: tuple[SkippedValue, ...] = ()
    """A row is a return if its cell in the column is one of these words, as in `skip`."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if len(self.model_fields_set & {"below", "of", "values"}) > 1:
            raise ValueError(
                Text(
                    "set.returns", "below, of and values are three ways to tell a return: leave all but one of them out"
                )
            )
        return self

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the same as before there was more than one way, where `below` tells."""
        return {name: value for name, value in write(self).items() if value not in (None, (), [])}


def _number_of_conditions(value: object) -> str:
    return "[several]" if isinstance(value, list | tuple) else "[one]"


Recognised = Annotated[
    Annotated[Returns, Tag("[one]")]
    | Annotated[tuple[Returns, ...], Field(min_length=1, max_length=8), Tag("[several]")],
    Discriminator(_number_of_conditions),
]
"""One condition, or several, of which any makes a row a return."""


class FillDown(BaseModel):
    """Columns that have a value in the first row of an order alone, as Shopify writes its status."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: Annotated[tuple[TheirName, ...], Field(min_length=1)]
    """Columns of the file whose empty cells take the value of the row above; they need not be imported."""
    by: TheirName
    """The column that names the order: a value goes down to the rows right below it that name the same one, or where
    this column is filled itself, none."""


class FileSettings(BaseModel):
    """How files of one kind are read; what is not set here, the shop's `columns` and `defaults` decide."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[TheirName, ColumnName] = {}
    """The shop's column names, in any case, and Personalize's names of them; they overrule the shop's for all kinds."""
    ignore: tuple[Annotated[str, StringConstraints(strip_whitespace=True, max_length=150)], ...] = ()
    """Columns that are not imported; `*` stands for any characters, and takes none that `columns` names or Personalize
    knows."""
    defaults: dict[ColumnName, str | int | float] = {}
    """Values for missing columns, and for empty cells; they overrule the shop's for all kinds."""
    skip: dict[TheirName, Annotated[tuple[SkippedValue, ...], Field(min_length=1)]] = {}
    """Rows that are left out, by values of a column of the file: the name is the shop's or Personalize's, the case of
    values does not count, '' stands for empty cells, and `*` for any characters. The column need not be imported."""
    fill_down: FillDown | None = None
    """Columns that have a value in the first row of an order alone; they are filled before `skip` and `returns`."""
    encoding: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,29}$")] | None = None
    """The encoding of text files, such as cp949; without it, it is detected."""
    separator: Annotated[str, BeforeValidator(_tab), StringConstraints(pattern=SEPARATOR)] | None = None
    """The character between two values, or `tab`; without it, it is detected."""
    sheet: str | int | None = None
    """The sheet of a workbook, by name or number; required where it has several."""
    member: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = None
    """The file within a zip, with or without its folder; `*` stands for any characters; required where it has
    several."""
    header: Annotated[int, Field(ge=1, le=100)] | None = None
    """The number of the row that names the columns, where a title stands above it; without it, it is found."""
    totals: Literal["skip", "keep"] = "skip"
    """What becomes of sums in the last rows of a text or a sheet, which are told by their words."""
    rows: TheirName | None = None
    """The list of JSON or Parquet whose objects are rows, such as the lines of an order; without it, it is found."""
    dates: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = None
    """The form of dates, such as %d/%m/%Y %H:%M, or iso, or serial for days as spreadsheets count them; without it,
    dates are ISO 8601 and times may be numbers."""
    time_of_day: TheirName | None = None
    """The column of the file that has the time of day, where the one of the time has the day alone."""
    timezone: Timezone = "UTC"
    """The time zone of dates that name none, such as Europe/Berlin."""
    unit: Unit | None = None
    """The unit of times that are numbers: seconds, milliseconds or microseconds since 1970; without it, seconds."""
    decimal: Literal[".", ","] | None = None
    """The mark before the decimals of numbers; without it, a point."""
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    """The mark between groups of three digits of a number; none without it."""
    currency: Annotated[str, StringConstraints(pattern=SIGN)] | None = None
    """A sign before or behind numbers that is left out, such as €, EUR or 원."""

    ids: Literal["whole"] | None = None
    """`whole` reads 17850.0 as the id 17850, where a program took ids for numbers; without it, ids stay as they are."""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        if encoding is None:
            return None
        try:
            "".encode(encoding)  # refuses what is known and no encoding of text
            return codecs.lookup(encoding).name
        except LookupError:
            raise ValueError(
                Text("set.encoding", "is not an encoding of text: write one like utf-8, cp949, shift_jis or cp1252")
            ) from None

    @field_validator("sheet")
    @classmethod
    def _is_a_sheet(cls, sheet: str | int | None) -> str | int | None:
        if sheet is not None and not (1 <= len(sheet) <= 31 if isinstance(sheet, str) else sheet >= 1):
            raise ValueError(Text("set.sheet", "must be a sheet's name, or its number from 1"))
        return sheet

    @field_validator("dates")
    @classmethod
    def _is_a_form(cls, dates: str | None) -> str | None:
        if dates in {None, ISO, SERIAL}:
            return dates
        parts = set(re.findall(r"%(.?)", dates.replace("%-", "%")))
        if strange := sorted(parts - {*DIRECTIVES, "%"}):
            directives = " ".join(f"%{directive}" for directive in DIRECTIVES)
            text = "%{part} is not a part of a date here: the parts are {parts}; or write iso"
            raise ValueError(Text("set.part", text, part=strange[0], parts=directives))
        if not parts & {*"Yy"} or not ("j" in parts or (parts & {*"mbB"} and parts & {*"de"})):
            raise ValueError(
                Text("set.form", "must name year, month and day, such as %Y-%m-%d or %d/%m/%Y %H:%M; or write iso")
            )
        if bool(parts & {*"HI"}) != ("M" in parts):
            raise ValueError(Text("set.hours", "hours (%H, or %I with %p) and minutes (%M) go together"))
        if "%f" in dates.replace(".%f", ""):
            raise ValueError(Text("set.fractions", "%f, fractions of a second, follows a point: %S.%f"))
        if ("I" in parts) != ("p" in parts):
            raise ValueError(
                Text("set.halves", "%I (1 to 12) and %p (AM or PM) go together; hours from 0 to 23 are %H")
            )
        return dates

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if both := [name for name in self.columns if name.casefold() in {name.casefold() for name in self.ignore}]:
            text = "columns and ignore both name {column!r}: leave it out of one of them"
            raise ValueError(Text("set.both", text, column=both[0]))
        mark = self.decimal or "."
        if self.thousands == mark:
            other = "," if mark == "." else "."
            text = (
                "{mark!r} cannot be the mark of thousands and of decimals, too: set decimal to {other!r}, or change "
                "thousands"
            )
            raise ValueError(Text("set.marks", text, mark=mark, other=other))
        if self.unit and self.dates:
            raise ValueError(
                Text("set.unit", "unit is for times that are numbers, dates is for dates: leave one of them out")
            )
        return self

    def named(self) -> frozenset[str]:
        """Return the columns of the file that these settings name, apart from those that are left out."""
        filled = (*self.fill_down.columns, self.fill_down.by) if self.fill_down else ()
        times = (self.time_of_day,) if self.time_of_day else ()
        return frozenset((*self.columns, *self.skip, *filled, *times))

    @property
    def rewrites_numbers(self) -> bool:
        """Whether numbers come in a form of the shop's own."""
        return self.decimal is not None or self.thousands is not None or self.currency is not None

    @property
    def rewrites_times(self) -> bool:
        """Whether times come in a form of the shop's own."""
        return self.dates is not None or self.unit is not None or self.timezone != "UTC"

    def content(self) -> dict[str, Any]:
        """Return what is set, for digests: the same for settings that mean the same."""
        return self.model_dump(mode="json", exclude_defaults=True)


class InteractionFileSettings(FileSettings):
    """How files of interactions are read."""

    returns: Recognised | None = None
    """Which interactions are returns, by one condition or a list of them; without it, the shop's `returns` decide."""
    event_types: dict[EventType, EventType] = {}
    """The shop's event types, such as view_item, and their names here, such as View; others keep their names."""

    def named(self) -> frozenset[str]:
        """Return the columns of the file that these settings name, apart from those that are left out."""
        rules = (self.returns,) if isinstance(self.returns, Returns) else self.returns or ()
        return super().named() | {name for rule in rules for name in (rule.column, rule.of) if name}


def merged(
    file_settings: FileSettings | None, columns: Mapping[str, str], defaults: Mapping[str, str | int | float]
) -> FileSettings:
    """Return the settings of one kind's files, with what the shop sets for all kinds below them."""
    file_settings = file_settings or FileSettings()
    return file_settings.model_copy(
        update={"columns": {**columns, **file_settings.columns}, "defaults": {**defaults, **file_settings.defaults}}
    )
