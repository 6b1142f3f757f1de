# SPDX-License-Identifier: Apache-2.0
"""What each file of an export has, and which of its columns would name users, items and times, if it had sales."""

import re
from collections.abc import Iterable, Mapping, Sequence

from table_intake.columns import usual_names
from table_intake.columns.header import canonical
from table_intake.columns.usual_names import forms, ranks
from table_intake.kinds import DataKind
from table_intake.propose import personal, values
from table_intake.propose.judgement import judge
from table_intake.propose.relations import Relation, Relations
from table_intake.propose.samples import Sample
from table_intake.propose.values import Times
from table_intake.settings.tables import TableSettings

Column = tuple[str, int]
"""A table, and the index of a column in it."""
FILES = "the files"
"""What a refusal of all files together is about."""
REPEATED = 0.98
"""The share of different values from which on a column has one row for each item, so that nothing is sold in it."""
LOOKED_AT = 200
"""Cells that are read as times."""
_HALF = 0.5
_LONGEST = 150
"""Characters of a column's name in settings."""
_BOUGHT = re.compile(r"purchase|order|creat|placed|sold|paid|transaction|invoice|bestell|주문|구매|결제|판매")
_LATER = re.compile(
    r"deliver|ship|approv|updat|modif|limit|estimat|birth|due|required|cancel|return|refund|배송|취소|반품|환불|생일"
)
"""Names of times at which something was bought, and of others."""
_USERS = f"{usual_names.USER} {usual_names.PHONE} {usual_names.NICKNAMES}"
_NICKNAMES = ranks(usual_names.NICKNAMES).keys()


class Roles:
    """The tables of an export, by what they are.

    Attributes:
        tables: a sample of each, by its name.
        kinds: what each has; None where that is open.
        columns: in each, the columns of USER_ID, ITEM_ID and TIMESTAMP, if it had sales.
        timed: the tables that have times.
    """

    def __init__(self, tables: Mapping[str, Sample], settings: TableSettings, relations: Relations) -> None:
        self.tables = tables
        self.settings = settings
        self.relations = relations
        self.judgements = {name: judge(sample, settings) for name, sample in tables.items()}
        self.kinds: Mapping[str, DataKind | None] = {
            name: judgement.kind for name, judgement in self.judgements.items()
        }
        self._recognised = {name: judgement.targets["interactions"] for name, judgement in self.judgements.items()}
        self._mapped = {canonical(heading) for heading in settings.file_settings("interactions").columns}
        self.columns = {name: self._columns(name) for name in tables}
        self.timed = {name for name in tables if self._has_times(name)}

    def heading(self, column: Column) -> str:
        """Return the name of a column."""
        table, index = column
        return self.tables[table].header[index]

    def cells(self, column: Column) -> Sequence[str]:
        table, index = column
        return self.tables[table].column(index)

    def times(self, column: Column) -> Times:
        """Return the forms of the times in a column."""
        table, index = column
        return self.tables[table].times(index)

    def is_of_users(self, relation: Relation) -> bool:
        """Tell whether a relation leads to a file of users, which has one row for each: orders come back to theirs."""
        sample = self.tables[relation.other]
        user = self._recognised[relation.other].get("USER_ID", relation.key)
        is_of_orders = user != relation.key and sample.value_sets()[user].unique < REPEATED
        return self.kinds[relation.other] == "users" and not is_of_orders

    def _columns(self, name: str) -> Mapping[str, int]:
        sample, indices = self.tables[name], dict(self._recognised[name])
        if not self._is_mapped(sample, indices.get("USER_ID")):
            indices.pop("USER_ID", None)
            users = [index for index in self._user_columns(name) if not self._is_mapped(sample, index)]
            indices |= {"USER_ID": users[0]} if users else {}
        if "TIMESTAMP" not in indices and (time := _time_column(sample)) is not None:
            indices["TIMESTAMP"] = time
        # Of several ids of items, the one that a file of items has as its key.
        items = [
            (_rank(heading, usual_names.ITEM), index)
            for index, heading in enumerate(sample.header)
            if any(self.kinds[relation.other] == "items" for relation in self.relations.of(name, index))
        ]
        if items and not self._is_mapped(sample, indices.get("ITEM_ID", items[0][1])):
            indices["ITEM_ID"] = min(items)[1]
        return indices

    def _is_mapped(self, sample: Sample, index: int | None) -> bool:
        """Tell whether the settings say what a column is."""
        return index is not None and canonical(sample.header[index]) in self._mapped

    def _user_columns(self, name: str) -> list[int]:
        """Return the columns that may name users, the best first: an id before an e-mail address, and before both what
        another table has as its key."""
        sample, scored = self.tables[name], []
        for index, heading in enumerate(sample.header):
            rank = _rank(heading, _USERS)
            refers = any(map(self.is_of_users, self.relations.of(name, index)))
            if (rank < len(ranks(_USERS)) or refers) and sample.filled(index) > 0:
                is_personal = bool(personal.kind_of(sample.column(index)))
                is_name = not _NICKNAMES.isdisjoint(forms(heading))
                scored.append((sample.filled(index) < _HALF, is_name, is_personal, not refers, rank, index))
        return [index for *_, index in sorted(scored)]

    def _has_times(self, table: str) -> bool:
        index = self.columns[table].get("TIMESTAMP")
        return index is not None and not self.tables[table].times(index).problem


def _rank(heading: str, names: str) -> int:
    """Return how good a column's name is among those of a list: the lower, the better."""
    best = ranks(names)
    return min((best.get(form, len(best)) for form in forms(heading)), default=len(best))


def _time_column(sample: Sample) -> int | None:
    """Return the column of dates that tells when something was bought, where no usual name does."""
    candidates = []
    for index, heading in enumerate(sample.header):
        if not nameable([heading]) or _LATER.search(heading.casefold()) or sample.filled(index) < REPEATED:
            continue
        if are_dates([cell for cell in sample.column(index) if cell.strip()][:LOOKED_AT]):
            candidates.append((_BOUGHT.search(heading.casefold()) is None, index))
    return min(candidates)[1] if candidates else None


def are_dates(cells: Sequence[str]) -> bool:
    """Tell whether cells are dates, rather than numbers that might be."""
    return bool(cells) and not any(map(values.is_number, cells[:3])) and not values.times(cells).problem


def nameable(header: Iterable[str]) -> list[str]:
    """Return the columns that settings can name, each once."""
    names = {heading.strip().casefold(): heading for heading in reversed([*header])}
    return [heading for name, heading in reversed(names.items()) if 0 < len(name) <= _LONGEST]
