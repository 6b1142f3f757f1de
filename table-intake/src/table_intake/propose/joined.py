# SPDX-License-Identifier: Apache-2.0
"""Rows of a table with those that are joined to it, as far as samples have them."""

from collections import Counter
from collections.abc import Mapping, Sequence

from table_intake.columns.header import canonical
from table_intake.propose.relations import Relation
from table_intake.propose.roles import Column
from table_intake.propose.samples import Sample, whole
from table_intake.settings.exports import base_name


class JoinedSample:
    """Rows of a table with those of the tables that are joined to it, as samples have them.

    Args:
        name: of the table.
        base: its sample.
    """

    def __init__(self, name: str, base: Sample) -> None:
        self._base = base
        self._header, self._rows = [*base.header], [list(row) for row in base.rows]
        self._counts = dict(base.counts)
        self._indices = {(name, index): index for index in range(len(base.header))}

    def heading(self, column: Column) -> str:
        """Return the name that a column of a joined table has here."""
        return self._header[self._indices[column]]

    def has(self, column: Column) -> bool:
        return column in self._indices

    def add(self, relation: Relation, other: Sample, headings: Sequence[str], *, spare: bool = False) -> None:
        """Join some columns of a table.

        Args:
            relation: that leads to it.
            other: its sample.
            headings: the columns.
            spare: whether a row whose partner is not in the sample gets the cells of another one, which are of the same
                form; without it, its cells stay empty.
        """
        indices = [[*other.header].index(heading) for heading in headings]
        partners = {whole(row[relation.key].strip()): row for row in other.rows}
        by, rows = self._indices[relation.table, relation.column], other.rows if spare else ()
        # The key is there already, under the name of the column that refers to it.
        self._indices.setdefault((relation.other, relation.key), by)
        for number, row in enumerate(self._rows):
            partner = partners.get(whole(row[by].strip())) or (rows[number % len(rows)] if rows else None)
            row += [partner[index] if partner else "" for index in indices]
        taken = {canonical(heading) for heading in self._header}
        for index in indices:
            heading = other.header[index]
            self._indices[relation.other, index] = len(self._header)
            if index in other.counts:
                self._counts[len(self._header)] = self._counted(other, index, by, relation)
            is_there = canonical(heading) in taken
            self._header.append(f"{base_name(relation.other)}.{heading}" if is_there else heading)

    def _counted(self, other: Sample, index: int, by: int, relation: Relation) -> Mapping[str, int]:
        """Return how often the values of a column of a joined table occur: where codes are counted, by these."""
        if by not in self._counts:
            return other.counts[index]
        words, counts = {row[relation.key].strip(): row[index].strip() for row in other.rows}, Counter[str]()
        for code, rows in self._counts[by].items():
            counts[words.get(code, "")] += rows
        return counts

    def sample(self) -> Sample:
        return Sample(self._base.name, self._header, self._rows, counts=self._counts, order=self._base.order)
