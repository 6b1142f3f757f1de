# SPDX-License-Identifier: Apache-2.0
"""Which file of a shop's export has what, and how they belong together: the section `export` of its settings."""

import re
import unicodedata
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from table_intake.errors import Refused
from table_intake.kinds import DataKind
from table_intake.settings.files import FileSettings, TheirName
from table_intake.wording import Text

_SHOWN = 8
"""Files named in a message."""


def _file_name(name: str) -> str:
    parts = re.split(r"[/\\#]", name)
    if name.startswith(("/", "#")) or "\\" in name or ".." in parts or not name.isprintable():
        text = (
            "must name a file of the export, such as orders.csv, shop.xlsx#Orders (a sheet) or export.zip/orders.csv "
            "(a file in a zip); * stands for any characters"
        )
        raise ValueError(Text("set.file", text))
    return name


def _form(dates: str) -> str:
    try:
        FileSettings(dates=dates)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["ctx"]["error"].args[0]) from None
    return dates


FileName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(_file_name)
]
"""A table's name among those of the export; `*` stands for any characters."""


class JoinedFile(BaseModel):
    """A file that is joined to another one, row by row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: FileName
    """The file; of several that a pattern fits, all are read, in the order of their names."""
    by: Annotated[dict[TheirName, TheirName], Field(min_length=1, max_length=4)]
    """Which rows belong together: a column of what is read so far, and the column of this file with the same values."""
    columns: tuple[TheirName, ...] = ()
    """What is taken of this file; all columns without it. A name that is there already gets the file's name before it,
    as in orders.status."""
    newest_by: TheirName | None = None
    """The column of times that tells which of several rows with the same key counts."""
    repeated: Literal["refuse", "last"] = "refuse"
    """What becomes of several rows with the same key that differ, without `newest_by`: the file is refused, or the last
    of them counts."""
    dates: Annotated[str, AfterValidator(_form)] | None = None
    """The form of these times, such as %d/%m/%Y; without it, they are ISO 8601 or numbers."""
    missing: Literal["leave_out", "keep"] = "leave_out"
    """What becomes of a row that has no partner in this file: it is left out and counted, or kept with empty cells."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.dates and not self.newest_by:
            raise ValueError(
                Text(
                    "set.newest-dates",
                    "dates is the form of the times in newest_by: name that column, or leave dates out",
                )
            )
        if self.newest_by and self.repeated == "last":
            raise ValueError(
                Text("set.two-ways", "newest_by and repeated are two ways to choose a row: leave one of them out")
            )
        return self


class ExportedTable(BaseModel):
    """The files of which one kind of data is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: FileName
    """The file whose rows these are; of several that a pattern fits, all are read, in the order of their names."""
    columns: tuple[TheirName, ...] = ()
    """What is taken of the file; all columns without it. Columns that `by` and `newest_by` name are read as well."""
    join: Annotated[tuple[JoinedFile, ...], Field(max_length=8)] = ()
    """Files whose columns are added to these rows, one after the other."""
    one_row_per: TheirName | None = None
    """The column of ids of which each gets one row, as where items are made of the lines of orders: the newest value
    of each other column counts."""
    newest_by: TheirName | None = None
    """With `one_row_per`, the column of times that tells which value is newest; without it, the last row's."""
    dates: Annotated[str, AfterValidator(_form)] | None = None
    """The form of these times, such as %d/%m/%Y; without it, they are ISO 8601 or numbers."""

    @property
    def as_it_is(self) -> bool:
        """Whether nothing is joined, chosen or made of the file: the kind is the file."""
        return not (self.join or self.one_row_per or self.columns)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.newest_by and not self.one_row_per:
            raise ValueError(
                Text("set.newest", "newest_by goes with one_row_per: name the column of ids of which each gets one row")
            )
        if self.dates and not self.newest_by:
            raise ValueError(
                Text(
                    "set.newest-dates",
                    "dates is the form of the times in newest_by: name that column, or leave dates out",
                )
            )
        names = [name.casefold() for name in self.columns]
        if repeated := [name for name in self.columns if names.count(name.casefold()) > 1]:
            raise ValueError(
                Text("set.column-twice", "columns names {column!r} twice: leave one out", column=repeated[0])
            )
        return self


class ExportSettings(BaseModel):
    """Which file has what; the sections `interactions`, `users` and `items` read what is joined here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interactions: ExportedTable | None = None
    """The files of interactions, such as the lines of orders, joined to their orders."""
    users: ExportedTable | None = None
    """The files of users."""
    items: ExportedTable | None = None
    """The files of items, such as variants, joined to their products."""

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        if not dict(self.tables()):
            raise ValueError(
                Text("set.no-file", "names no file: say which file has the interactions, the users or the items")
            )
        return self

    def tables(self) -> Iterator[tuple[DataKind, ExportedTable]]:
        """Yield what each kind is made of; users and items first, as they are imported."""
        for kind in _KINDS:
            table = self.table(kind)
            if table is not None:
                yield kind, table

    def table(self, kind: DataKind) -> ExportedTable | None:
        return {"interactions": self.interactions, "users": self.users, "items": self.items}[kind]

    def files(self) -> tuple[str, ...]:
        """Return the names and patterns of all files, each once."""
        named = [name for _, table in self.tables() for name in (table.file, *(other.file for other in table.join))]
        return tuple(dict.fromkeys(named))


_KINDS: tuple[DataKind, ...] = ("users", "items", "interactions")


def base_name(table: str) -> str:
    """Return a table's name without folder and ending: Orders of shop.xlsx#Orders, orders of export.zip/orders.csv."""
    last = re.split(r"[/#]", table)[-1]
    return last.partition(".")[0] or last


def matching(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tables that a name or pattern of the settings means, in the order of their names.

    Args:
        name: of the settings.
        names: of all tables that there are.

    Raises:
        Refused: there is none.
    """
    if name in names:
        return (name,)
    means = tuple(sorted(other for other in names if fnmatchcase(_plain(other), _pattern(_plain(name)))))
    if not means:
        text = (
            "the setting export names this file, and the export has {files}: add the file, or change the name in the "
            "settings"
        )
        files = Text.some_of(names, _SHOWN) or Text("join.no-file", "no file")
        raise Refused(name, Text("join.no-such-file", text, files=files))
    return means


def may_mean(name: str, file: str) -> bool:
    """Tell whether a name or pattern of the settings may mean a file, or a table in it, such as a sheet."""
    pattern, lower = _pattern(_plain(name)), _plain(file)
    ends = [index + (letter == "*") for index, letter in enumerate(pattern) if letter in "*#/"]
    return any(fnmatchcase(lower, pattern[:end]) for end in (*ends, len(pattern)))


def _plain(name: str) -> str:
    """Return a name as names are compared: without case, its letters as a Mac and as others write them alike."""
    return unicodedata.normalize("NFC", name).casefold()


def _pattern(name: str) -> str:
    """Return a name in which the star alone stands for others."""
    return re.sub(r"[\[?]", "[\\g<0>]", name)
