# SPDX-License-Identifier: Apache-2.0
"""The table of an export whose rows are sold items, with those that say who bought them, and when."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from table_intake.columns import usual_names
from table_intake.columns.usual_names import forms, plain, ranks
from table_intake.errors import Refused
from table_intake.propose import outcomes, personal, values
from table_intake.propose.relations import Relation
from table_intake.propose.roles import FILES, LOOKED_AT, REPEATED, Column, Roles, are_dates, nameable
from table_intake.propose.samples import Sample
from table_intake.settings.exports import base_name
from table_intake.wording import Text

_HALF = 0.5
_ENOUGH, _ALL_DIFFERENT, _STEM = 20, 100, 4
"""Values of an id that say something, and that would repeat if they were items; letters by which two names of ids are
alike."""
_MOST_CHOICES = 8
_AMOUNT = re.compile(r"-?[\d,]*[.,]\d{1,2}")
_LIST = re.compile(r"\s*\[\s*\{\s*\"")
"""The beginning of a list of objects in JSON."""
_OF_SALES = ranks(f"{usual_names.QUANTITY} {usual_names.ORDER} {usual_names.TYPE}").keys() - {"name"}
"""Names of columns that sales have, and reviews and wish lists have not."""
_OF_ITEMS = ranks(usual_names.ITEM).keys() | usual_names.NAMES_IN_SALES - {"name", "title"}
_SAYS = ("USER_ID", "ITEM_ID", "TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Sales:
    """The table whose rows are sold items, and the columns of them; a column of a joined table comes by relations."""

    table: str
    item: int
    joins: tuple[Relation, ...]
    user: Column
    time: Column
    people: Relation | None = None
    """The last of the joins, where it leads to the ids of people, in place of ids that are new with each order."""
    outcomes: tuple[Relation, ...] = ()
    """What is joined beside that, since it says what became of orders; a row without a partner stays."""

    @property
    def tables(self) -> tuple[str, ...]:
        return (self.table, *(relation.other for relation in (*self.joins, *self.outcomes)))

    @property
    def targets(self) -> Mapping[str, Column]:
        """The columns that say who bought what and when."""
        return {"USER_ID": self.user, "ITEM_ID": (self.table, self.item), "TIMESTAMP": self.time}


@dataclass(frozen=True, slots=True)
class Lacking:
    """A table of sales of which no column looks like the one thing that is missing."""

    table: str
    target: str
    candidates: tuple[int, ...]


def find_sales(roles: Roles) -> tuple[Sales, list[str]]:
    """Return the sales of an export, and sentences about their users.

    Raises:
        Refused: the files do not say who bought what and when.
    """
    candidates = [sales for name in roles.tables for sales in _sales_in(roles, name)]
    if not candidates:
        raise Refused(FILES, _why_none(roles))
    sales, sentences = _of_people(roles, min(candidates, key=lambda sales: _doubt(roles, sales)))
    return replace(sales, outcomes=tuple(outcomes.of_orders(roles, sales.tables))), sentences


def find_lacking(roles: Roles) -> Lacking | None:
    """Return the table that has sales but for one thing, and the columns that may be it; None without any."""
    for name, columns in sorted(roles.columns.items(), key=lambda pair: -roles.tables[pair[0]].read):
        missing = [target for target in _SAYS if target not in columns]
        sample = roles.tables[name]
        if len(missing) != 1 or ("ITEM_ID" in columns and not _looks_like_sales(sample)):
            continue
        orders = [relation.other for relation in roles.relations.of(name) if _may_join(roles, relation)]
        if any("TIMESTAMP" in roles.columns[other] for other in orders):
            continue
        candidates = [
            index
            for index in range(len(sample.header))
            if index not in columns.values() and _may_be(missing[0], sample, index)
        ]
        if candidates and len(nameable(sample.header[index] for index in candidates)) == len(candidates):
            return Lacking(name, missing[0], tuple(candidates[:_MOST_CHOICES]))
    return None


def _may_be(target: str, sample: Sample, index: int) -> bool:
    """Tell whether a column may name users or items, or be a time."""
    heading, cells = sample.header[index], [cell for cell in sample.column(index) if cell.strip()][:LOOKED_AT]
    if not cells or sample.filled(index) < _HALF or not heading.strip() or _is_other(target, heading, sample, index):
        return False
    if target == "TIMESTAMP":
        return not values.times(cells).problem
    ids = sample.value_sets()[index]
    is_other = any(_AMOUNT.fullmatch(cell.strip()) or _LIST.match(cell) for cell in cells[:3])
    return not is_other and not are_dates(cells) and ids.unique < REPEATED and ids.different >= _ENOUGH


def _is_other(target: str, heading: str, sample: Sample, index: int) -> bool:
    """Tell whether a column has orders or amounts, people where items are looked for, or items where people are."""
    others = f"{usual_names.ORDER} {usual_names.QUANTITY} {usual_names.PRICE}"
    if not (ranks(others).keys() | usual_names.TIMES_OF_DAY).isdisjoint(forms(heading)):
        return True
    if target == "ITEM_ID":
        return personal.is_personal(heading, sample.column(index))
    return usual_names.translated(heading, "items") == "NAME" or not _OF_ITEMS.isdisjoint(forms(heading))


def _of_people(roles: Roles, sales: Sales) -> tuple[Sales, list[str]]:
    """Return the sales with people in place of ids that are new with each order, where a file knows the people."""
    table, index = sales.user
    ids = roles.tables[table].value_sets()[index]
    if ids.unique < REPEATED or ids.different < _ENOUGH:
        return sales, []
    stem = plain(roles.heading(sales.user))[:_STEM]
    for relation in roles.relations.of(table, index):
        people = roles.tables[relation.other]
        for other, heading in enumerate(people.header):
            values_here = people.value_sets()[other]
            is_named = plain(heading).startswith(stem) or plain(heading) in ranks(usual_names.USER)
            is_id = values_here.filled >= REPEATED * values_here.rows and values_here.different >= _ENOUGH
            repeats = values_here.unique < 1 and not personal.is_personal(heading, people.column(other))
            if other != relation.key and is_named and is_id and repeats and relation.other not in sales.tables:
                sentence = Text(
                    "export.people",
                    "{id} ({table}) is new with each order, so users are told by {person} of {people}",
                    id=roles.heading(sales.user),
                    table=table,
                    person=heading,
                    people=relation.other,
                )
                joins, user = (*sales.joins, relation), (relation.other, other)
                return replace(sales, joins=joins, user=user, people=relation), [sentence]
    return sales, []


def _doubt(roles: Roles, sales: Sales) -> tuple[bool, bool, int, int]:
    """Return what speaks against a table of sales: reviews and wish lists have users, items and times as well, and what
    is another one in each row names orders."""
    sample = roles.tables[sales.table]
    ids = sample.value_sets()[sales.item]
    is_of_a_row = ids.unique >= REPEATED and ids.different >= _ALL_DIFFERENT
    return is_of_a_row, not _looks_like_sales(sample), len(sales.joins), -sample.read


def _looks_like_sales(sample: Sample) -> bool:
    return any(not _OF_SALES.isdisjoint(forms(heading)) for heading in sample.header)


def _sales_in(roles: Roles, name: str) -> Iterator[Sales]:
    """Yield the sales of a table with the fewest joins that they need; nothing where it has none."""
    sample, item = roles.tables[name], roles.columns[name].get("ITEM_ID")
    if item is None:
        return
    is_of_items = roles.kinds[name] == "items" and "USER_ID" not in roles.columns[name]
    repeats = sample.value_sets()[item].unique < REPEATED or len(sample.rows) < _ENOUGH
    if is_of_items and not repeats:
        return
    for joins in _joins(roles, name):
        tables = [name, *(relation.other for relation in joins)]
        users = [(table, roles.columns[table]["USER_ID"]) for table in tables if "USER_ID" in roles.columns[table]]
        times = [(table, roles.columns[table]["TIMESTAMP"]) for table in tables if table in roles.timed]
        if users and times and all(_is_needed(relation, joins, users, times) for relation in joins):
            yield Sales(name, item, joins, users[0], times[0])
            return


def _joins(roles: Roles, name: str) -> Iterator[tuple[Relation, ...]]:
    """Yield what may be joined to a table, the fewest tables first; never items or users, which have own files."""
    direct = [relation for relation in roles.relations.of(name) if _may_join(roles, relation)]
    yield ()
    for relation in direct:
        yield (relation,)
    for relation in direct:
        for further in roles.relations.of(relation.other):
            if _may_join(roles, further) and further.other != name:
                yield (relation, further)


def _may_join(roles: Roles, relation: Relation) -> bool:
    """Tell whether a table that a relation leads to may have orders: its key names neither users nor items."""
    kind, sample = roles.kinds[relation.other], roles.tables[relation.other]
    of_orders = not ranks(usual_names.ORDER).keys().isdisjoint(forms(sample.header[relation.key])) or bool(
        re.search(usual_names.FILES["interactions"], base_name(relation.other).casefold())
    )
    may_be = kind in {None, "interactions"} or of_orders or (kind == "users" and not roles.is_of_users(relation))
    return may_be and not roles.columns[relation.other].keys().isdisjoint({"USER_ID", "TIMESTAMP"})


def _is_needed(relation: Relation, joins: Sequence[Relation], users: Sequence[Column], times: Sequence[Column]) -> bool:
    leads_on = any(further.table == relation.other for further in joins)
    return leads_on or relation.other in {users[0][0], times[0][0]}


def _why_none(roles: Roles) -> str:
    for relation in roles.relations.broken:
        if "ITEM_ID" in roles.columns[relation.table] and "USER_ID" in roles.columns[relation.other]:
            return Text(
                "export.two-shops",
                "{table} and {other} do not belong together: only {because}. Are these files of two shops? {column} "
                "must have the values of {key}",
                table=relation.table,
                other=relation.other,
                because=relation.because,
                column=roles.heading((relation.table, relation.column)),
                key=roles.heading((relation.other, relation.key)),
            )
    having = {target: [name for name, columns in roles.columns.items() if target in columns] for target in _SAYS}
    orders = [name for name in having["USER_ID"] if name in having["TIMESTAMP"] and name not in having["ITEM_ID"]]
    lines = [name for name in having["ITEM_ID"] if roles.tables[name].orders({roles.columns[name]["ITEM_ID"]})]
    if lines and not orders:
        return Text(
            "export.no-orders",
            "{table} has the lines of orders ({columns}), and no file says who bought and when: add the file with the "
            "orders",
            table=lines[0],
            columns=Text.some_of(roles.tables[lines[0]].header),
        )
    lists = [
        (name, heading)
        for name in orders
        for index, heading in enumerate(roles.tables[name].header)
        if any(map(_LIST.match, roles.tables[name].column(index)[:LOOKED_AT]))
    ]
    if lists and not lines:
        return Text(
            "export.lists",
            "{table} has all lines of an order in one cell, as a list in JSON ({column}): export the lines as a file "
            "of their own, or each order as a JSON object with that list, a line each",
            table=lists[0][0],
            column=lists[0][1],
        )
    if orders and not lines:
        return Text(
            "export.no-lines",
            "{table} has orders ({columns}), and no file says what was bought: add the file with the lines of orders",
            table=orders[0],
            columns=Text.some_of(roles.tables[orders[0]].header),
        )
    told = [
        Text(
            "export.table",
            "{table}: {because} ({columns})",
            table=name,
            because=roles.judgements[name].because,
            columns=Text.some_of(sample.header),
        )
        for name, sample in roles.tables.items()
    ]
    return Text(
        "export.no-sales",
        "no file says who bought what and when, alone or joined with another. {tables}",
        tables=Text.joined("; ", told),
    )
