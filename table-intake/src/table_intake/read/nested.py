# SPDX-License-Identifier: Apache-2.0
"""Rows with objects and lists in them, as analytics and shops' interfaces write them, as flat rows.

Objects become columns `customer.id`. The objects of one list, such as the lines of an order, become a row each, with
what stands beside the list repeated. Lists of keys and values, such as GA4's `event_params`, become the columns that
the settings name, such as `event_params.page_location`. Lists of plain values become texts with `|` between them.
"""

from collections.abc import Iterable, Sequence

from table_intake.columns.header import canonical
from table_intake.columns.usual_names import LINES, plain, ranks
from table_intake.errors import Refused
from table_intake.settings.files import FileSettings
from table_intake.wording import Text

DEEPEST = 20
"""Objects within each other."""
BETWEEN = "|"
"""What stands between the values of a list: Personalize's mark between categories."""
_BARE = "{bare:,} {bare:row has|rows have} no object in {rows}, and {bare:gives|give} no row"
_MORE = "{more:,} more {more:list is|lists are} left out"
_PAIRS = "{name} has keys and values: columns can name those to read, as {name}.<key>"
_LEFT_OUT = "{name} has a list of objects, which is left out: rows: {name} reads each as a row"
_SHOWN = 8
"""Lists that a message names."""
KEYS, VALUES = ("key", "name"), ("value", "values")
"""The names of keys and of values in lists of both."""


def list_of_rows(resource: str, lists: Sequence[str], settings: FileSettings) -> str:
    """Return the name of the list whose objects are rows: what the settings say, or a usual name; "" where none is.

    Raises:
        Refused: the file lacks the list that the settings name.
    """
    if settings.rows is not None:
        wanted = canonical(settings.rows)
        for name in lists:
            if canonical(name) == wanted:
                return name
        text = "the settings read the list {name} as rows, which the file lacks: {has}"
        has = Text("lists.has", "it has {lists}", lists=", ".join(lists[:_SHOWN]))
        none = Text("lists.none", "it has none")
        raise Refused(resource, Text("lists.missing", text, name=settings.rows, has=has if lists else none))
    usual = ranks(LINES)
    ranked = [(usual[last], name) for name in lists if (last := plain(name.rpartition(".")[2])) in usual]
    return min(ranked)[1] if ranked else ""


class Wanted:
    """The keys of lists of keys and values that the settings name as columns."""

    def __init__(self, settings: FileSettings) -> None:
        self._names = settings.named()

    def keys(self, name: str) -> list[str]:
        """Return the keys that are named of a list, such as `page_location` of `event_params.page_location`."""
        prefix = f"{name}.".casefold()
        return [column[len(prefix) :] for column in self._names if column.casefold().startswith(prefix)]


def is_pairs(fields: Iterable[str]) -> bool:
    """Tell whether the objects of a list are a key and a value each, by their fields."""
    names = set(fields)
    return len(names) == 2 and bool(names & {*KEYS}) and bool(names & {*VALUES})


def notes(rows: str, pairs: Sequence[str], others: Sequence[str], bare: int) -> list[str]:
    """Return what became of lists.

    Args:
        rows: the list whose objects are rows.
        pairs: lists of keys and values.
        others: lists of objects that are left out.
        bare: rows whose list has no object, which give none.
    """
    told = list[str]()
    if rows:
        told.append(Text("note.lists", "each object of {rows} is a row: the setting rows overrules this", rows=rows))
    if bare:
        told.append(Text("note.bare", _BARE, bare=bare, rows=rows))
    told += [Text("note.pairs", _PAIRS, name=name) for name in pairs[:_SHOWN]]
    told += [Text("note.list-left-out", _LEFT_OUT, name=name) for name in others[:_SHOWN]]
    more = sum(max(0, len(names) - _SHOWN) for names in (pairs, others))
    return [*told, Text("note.more-lists", _MORE, more=more)] if more else told
