# SPDX-License-Identifier: Apache-2.0
"""The columns of what is joined: their names, and the keys in them."""

from collections.abc import Sequence
from difflib import get_close_matches

import polars as pl

from table_intake.columns.header import canonical
from table_intake.columns.shown import shown_all
from table_intake.errors import Refused
from table_intake.settings.exports import base_name
from table_intake.wording import Text

_POINTED = r"^([0-9]+)\.0+$"
"""A whole number as programs write it that took ids for numbers."""
BETWEEN = "\x1f"
"""What stands between the parts of a key: a character of no text."""
_SHOWN = 12


class Names:
    """The names of columns, to which joined files add theirs."""

    def __init__(self, table: str, header: Sequence[str]) -> None:
        self._table = table
        self.all = [*header]

    def index(self, name: str, setting: str) -> int:
        """Return the index of a column by its name, in any case.

        Raises:
            Refused: there is none.
        """
        for form in (str.strip, str.casefold, canonical):
            for index, heading in enumerate(self.all):
                if form(heading.strip()) == form(name.strip()):
                    return index
        near = get_close_matches(canonical(name), {canonical(heading): heading for heading in self.all}, 1)
        meant = next((heading for heading in self.all if near and canonical(heading) == near[0]), "")
        text = "the setting export names its column {name} under {setting}; it has {headings}"
        code = "join.no-column"
        if meant:
            text = (
                "the setting export names its column {name} under {setting} (did you mean {meant}?); it has {headings}"
            )
            code = "join.no-column-but"
        values = {
            "name": name,
            "setting": setting,
            "meant": meant,
            "headings": Text.some_of(shown_all(self.all), _SHOWN),
        }
        raise Refused(self._table, Text(code, text, **values))

    def add(self, table: str, heading: str) -> int:
        """Add a column of a joined file, and return its index; a name that is there already gets the file's before."""
        taken = {canonical(name) for name in self.all}
        self.all.append(heading if canonical(heading) not in taken else f"{base_name(table)}.{heading}")
        return len(self.all) - 1


def key(columns: Sequence[str]) -> pl.Expr:
    """Return the key of a row, in one text: without spaces around its parts, and 17850.0 as 17850; null where a part
    is empty."""
    parts = [pl.col(name).str.strip_chars().str.replace(_POINTED, "${1}") for name in columns]
    whole = pl.concat_str(parts, separator=BETWEEN) if len(parts) > 1 else parts[0]
    return pl.when(pl.all_horizontal(part != "" for part in parts)).then(whole)


def has_pointed(frame: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Tell whether keys look like 17850.0."""
    return any(bool(frame[name].str.strip_chars().str.contains(_POINTED).any()) for name in columns)
