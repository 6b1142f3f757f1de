# SPDX-License-Identifier: Apache-2.0
"""The items of an export: from a file of products and what it refers to, or from the lines of orders."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from table_intake.columns import statuses, usual_names
from table_intake.columns.header import canonical
from table_intake.columns.usual_names import forms
from table_intake.propose.joined import JoinedSample
from table_intake.propose.one_file import read_as, with_columns
from table_intake.propose.questions import Document, merged
from table_intake.propose.relations import Relation
from table_intake.propose.roles import Roles, nameable
from table_intake.propose.sales import Sales
from table_intake.propose.samples import Ids, Sample, whole
from table_intake.propose.taken import Part, join, note
from table_intake.propose.targets import find_targets
from table_intake.settings.exports import base_name
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text


def items(roles: Roles, sales: Sales, ids: Ids, used: frozenset[str]) -> Part:
    """Return how items are read: by the file that their ids lead to, or where none comes, by what sales say of them.

    Args:
        roles: of the tables.
        sales: of the export.
        ids: of the interactions.
        used: the tables that other kinds are made of.
    """
    for relation in roles.relations.of(sales.table, sales.item):
        if relation.other not in sales.tables:
            return _of_products(roles, sales, relation, ids, used)
    return _of_lines(roles, sales)


def _of_products(roles: Roles, sales: Sales, relation: Relation, ids: Ids, used: frozenset[str]) -> Part:
    """Return how items are read from their file, and from those that it refers to: products of variants, words for
    categories."""
    used |= {relation.other}
    joins, sure = list[dict[str, Any]](), list[str]([note(relation)])
    joined = JoinedSample(relation.other, roles.tables[relation.other])
    further = [*roles.relations.of(relation.other)]
    for step in further:
        other = roles.tables[step.other]
        headings = nameable(heading for index, heading in enumerate(other.header) if index != step.key)
        is_of_users = "USER_ID" in roles.columns[step.other]
        if step.other in used or not step.unique or is_of_users or not headings:
            continue
        used |= {step.other}
        sure.append(note(step))
        joins.append(join(roles, step, joined.heading((step.table, step.column)), headings, missing="keep"))
        joined.add(step, other, headings)
        further += [more for more in roles.relations.of(step.other) if joined.has((more.table, more.column))]
    sample = joined.sample()
    if "PRICE" not in find_targets(sample, roles.settings, "items").indices:
        sample, prices, remarks = _priced(roles, sales, relation, sample)
        joins, sure = joins + prices, sure + remarks
    key = roles.heading((relation.other, relation.key))
    settings, remarks, questions = read_as(roles.settings, sample, "items", {key: "ITEM_ID"}, ids)
    settings, defaults = _filled_in(roles.settings, settings, sample)
    return Part(
        table={"file": relation.other, **({"join": joins} if joins else {})},
        settings=settings,
        sure=[*sure, *remarks, *defaults],
        questions=questions,
        used=used,
    )


def _priced(
    roles: Roles, sales: Sales, relation: Relation, items: Sample
) -> tuple[Sample, list[dict[str, Any]], list[str]]:
    """Return items with the prices for which they were sold, where the sales have some: how these are joined, and a
    sentence about it."""
    lines = roles.tables[sales.table]
    index = roles.judgements[sales.table].targets["items"].get("PRICE")
    heading = lines.header[index] if index is not None else ""
    if index is None or canonical(heading) in map(canonical, items.header):
        return items, [], []
    prices = {whole(row[sales.item].strip()): row[index] for row in lines.rows}
    rows = [[*row, prices.get(whole(row[relation.key].strip()), "")] for row in items.rows]
    sentence = Text(
        "export.prices",
        "{table} has no prices: those of {sales} count, the last of each item",
        table=relation.other,
        sales=sales.table,
    )
    key, item = items.header[relation.key], lines.header[sales.item]
    how = {"columns": [heading], "repeated": "last", "missing": "keep"}
    priced = Sample(items.name, [*items.header, heading], rows)
    return priced, [{"file": sales.table, "by": {key: item}, **how}], [sentence]


def _of_lines(roles: Roles, sales: Sales) -> Part:
    """Return how items are made of what their sales say of them."""
    sample = roles.tables[sales.table]
    others = [(index, heading) for index, heading in enumerate(sample.header) if index != sales.item]
    names = [index for index, heading in others if usual_names.translated(heading, "items") == "NAME"]
    names = names or _names_in_sales(sample, sales.item)
    siblings = _siblings(sample, sales.item)
    names = names or _names_in_sales(siblings, sales.item)
    indices = {"ITEM_ID": sales.item, **({"NAME": names[0]} if names else {})}
    of_orders = [index for index, counted in sample.counts.items() if _tells_of_orders(sample.header[index], counted)]
    for target, index in roles.judgements[sales.table].targets["items"].items():
        if target not in {"ITEM_ID", "CREATION_TIMESTAMP"} and index not in {*indices.values(), *of_orders}:
            indices[target] = index
    for target, index in find_targets(siblings, roles.settings, "items").indices.items():
        if target not in {*indices, "CREATION_TIMESTAMP"} and index not in indices.values():
            indices[target] = index
    if len(indices) == 1:
        sentence = Text(
            "export.ids-alone", "no file has items, and {table} says nothing of them but their ids", table=sales.table
        )
        return Part(table={}, settings={}, sure=[sentence])
    columns = {sample.header[index]: target for target, index in indices.items()}
    rows = [[row[index] for index in indices.values()] for row in sample.rows]
    some = Sample(sample.name, [*columns], rows)
    settings, remarks, questions = read_as(roles.settings, some, "items", columns, {})
    settings, defaults = _filled_in(roles.settings, settings, some)
    made = Text(
        "export.items-of-sales",
        "no file has items, so they are made of {table}: {columns}; the newest value counts",
        table=sales.table,
        columns=Text.some_of([*columns]),
    )
    table = {"file": sales.table, "columns": [*columns], "one_row_per": sample.header[sales.item]}
    return Part(
        table={**table, **_newest(roles, sales)},
        settings=settings,
        sure=[*remarks, *defaults, made],
        questions=questions,
    )


def _tells_of_orders(heading: str, values: Mapping[str, int]) -> bool:
    """Tell whether a column says what became of orders, and so nothing of their items."""
    told = statuses.sorted_out(statuses.column(heading) or statuses.Column(), values)
    return bool(told.cancelled or told.returned)


def _siblings(sample: Sample, item: int) -> Sample:
    """Return sales whose columns beside that of the items have names without what all of them begin with, as in ti_sku,
    ti_name and ti_price; other columns have no name."""
    begin = re.match(r"(?:[^\W\d_]+[ _.-])+(?=[^\W_]+$)", sample.header[item])
    stem = begin[0].casefold() if begin else ""
    header = [heading[len(stem) :] if stem and heading.casefold().startswith(stem) else "" for heading in sample.header]
    return replace(sample, header=header)


def _names_in_sales(sample: Sample, item: int) -> list[int]:
    """Return the columns of sales that have items' names, those in the list of the items themselves first."""
    named = [
        (not usual_names.inner(heading), index)
        for index, heading in enumerate(sample.header)
        if index != item and not usual_names.NAMES_IN_SALES.isdisjoint(forms(heading)) and sample.filled(index)
    ]
    return [index for _, index in sorted(named)]


def _newest(roles: Roles, sales: Sales) -> dict[str, Any]:
    """Return how the newest of several sales is told; nothing where the order of the file must do."""
    table, heading = sales.time[0], roles.heading(sales.time)
    forms = roles.times(sales.time).dates
    form = {"dates": forms[0]} if forms else {}
    if table == sales.table:
        return {"newest_by": heading, **form}
    relation = sales.joins[0]
    if relation.other != table:
        return {}
    by = roles.heading((relation.table, relation.column))
    if canonical(heading) in map(canonical, roles.tables[sales.table].header):
        heading = f"{base_name(table)}.{heading}"
    return {"join": [join(roles, relation, by, [roles.heading(sales.time)])], "newest_by": heading, **form}


def _filled_in(settings: TableSettings, document: Document, sample: Sample) -> tuple[Document, Sequence[str]]:
    """Return settings with values for what a shop of retail must have and these files lack, and a sentence about it."""
    if settings.domain != "ecommerce":
        return document, []
    known_columns = with_columns(settings, document["items"].get("columns", {}), "items")
    targets = find_targets(sample, known_columns, "items").indices
    usual: Mapping[str, str | int] = {"PRICE": 0, "CATEGORY_L1": "other"}
    given = settings.file_settings("items").defaults
    lacking = {name: value for name, value in usual.items() if name not in targets and name not in given}
    if not lacking:
        return document, []
    values_here = Text.all_of(
        Text("is", "{name} is {value}", name=name, value=value) for name, value in lacking.items()
    )
    sentence = Text(
        "export.defaults",
        "no column says it of items, so {defaults} for all of them: change items.defaults if that is wrong",
        defaults=values_here,
    )
    return merged(document, {"items": {"defaults": lacking}}), [sentence]
