# SPDX-License-Identifier: Apache-2.0
"""The tables that say what became of orders: the orders themselves beside their lines, and words for codes."""

import re
from collections import Counter
from collections.abc import Iterator

from table_intake.columns import statuses, usual_names
from table_intake.columns.usual_names import forms, ranks
from table_intake.propose.relations import Relation
from table_intake.propose.roles import Roles
from table_intake.propose.samples import Sample
from table_intake.settings.exports import base_name
from table_intake.wording import Text

CODES = -1
"""The strength of a relation that codes have to the words for them."""
_STATE = re.compile(r"stat(e|us|ut|o)|estado|zustand|etat|situacao|상태|状态|状態|狀態|ステータス")
"""Names of columns that have codes of statuses."""


def of_orders(roles: Roles, joined: tuple[str, ...]) -> list[Relation]:
    """Return relations that lead to tables which say what became of the orders in tables that are joined."""
    leading = list[Relation]()
    for table in joined:
        for relation in roles.relations.of(table):
            sample, there = roles.tables[relation.other], {*joined, *(other.other for other in leading)}
            if relation.other in there or not relation.unique or not _has_orders(roles, relation):
                continue
            if lost(sample) or any(_of_codes(roles, relation.other, joined)):
                leading.append(relation)
    tables = (*joined, *(relation.other for relation in leading))
    return [*leading, *(relation for table in tables for relation in _of_codes(roles, table, tables))]


def _has_orders(roles: Roles, relation: Relation) -> bool:
    """Tell whether a relation leads to orders, rather than to what has numbers of its own: payments, tickets."""
    sets = roles.tables[relation.other].value_sets()
    first = next(index for index, values in enumerate(sets) if values.unique >= 1 or index == relation.key)
    is_named = re.search(usual_names.FILES["interactions"], base_name(relation.other).casefold()) is not None
    is_of_orders = is_named or not ranks(usual_names.ORDER).keys().isdisjoint(
        forms(roles.heading((relation.other, relation.key)))
    )
    is_itself = is_of_orders and first == relation.key
    return is_itself and roles.kinds[relation.other] != "items" and not roles.is_of_users(relation)


def lost(sample: Sample) -> dict[str, int]:
    """Return the words with which a table says of its rows that something was never sold, or came back."""
    words = dict[str, int]()
    for index, rows in sample.counts.items():
        sorted_out = statuses.sorted_out(statuses.column(sample.header[index]) or statuses.Column(), rows)
        words |= {**sorted_out.cancelled, **sorted_out.returned}
    return words


def _of_codes(roles: Roles, table: str, joined: tuple[str, ...]) -> Iterator[Relation]:
    """Yield relations of codes in a table to the words for them."""
    sample = roles.tables[table]
    for column, heading in enumerate(sample.header):
        codes = {cell.strip() for cell in sample.column(column)} - {""}
        if not any(map(_STATE.search, forms(heading))) or not 0 < len(codes) <= statuses.FEW:
            continue
        for name, other in roles.tables.items():
            key = _key(other, codes) if name not in joined and word_column(other) is not None else None
            if key is not None:
                sets, keys = sample.value_sets()[column], other.value_sets()[key]
                yield Relation(
                    table=table,
                    column=column,
                    other=name,
                    key=key,
                    overlap=sets.compare(keys),
                    strength=CODES,
                    unique=True,
                    because=Text(
                        "relation.codes",
                        "the values of {column} in {table} are codes in {key} of {other}, which has words for them",
                        column=heading,
                        table=table,
                        key=other.header[key],
                        other=name,
                    ),
                )
                break


def word_column(sample: Sample) -> int | None:
    """Return the column of a small table that has a word for each status; None where it has none."""
    if not 1 < len(sample.rows) <= statuses.FEW:
        return None
    for index in range(len(sample.header)):
        words = Counter(cell.strip() for cell in sample.column(index))
        if statuses.looks_like_statuses(words) and len(words) == len(sample.rows):
            return index
    return None


def _key(sample: Sample, codes: set[str]) -> int | None:
    """Return the column of a table whose values are all different and have some codes among them."""
    for index in range(len(sample.header)):
        cells = [cell.strip() for cell in sample.column(index)]
        if len({*cells}) == len(cells) and codes <= {*cells} and index != word_column(sample):
            return index
    return None
