# SPDX-License-Identifier: Apache-2.0
"""Filters, checked against the schemas of a dataset group when they are made."""

from collections.abc import Mapping
from dataclasses import replace

from personalize_local.data.schemas import Field, Schema
from personalize_local.filters.expressions import DATASET_TYPES, HISTORY, NUMBER, ORDERS, Condition, CurrentItem, Filter
from personalize_local.filters.parser import refuse


def check(parsed: Filter, schemas: Mapping[str, Schema]) -> Filter:
    """Return a filter with its columns spelled as in a dataset group's schemas (by type): the one to evaluate.

    Raises:
        InvalidInput: an unknown dataset or column; a boolean or textual column; a comparison of different types; a
            column of interactions that histories do not have (other than EVENT_TYPE, EVENT_VALUE and TIMESTAMP).
    """
    checked = []
    for expression in parsed.expressions:
        alternatives = tuple(tuple(_check_condition(c, schemas) for c in some) for some in expression.alternatives)
        guard = tuple(_check_condition(c, schemas) for c in expression.guard)
        checked.append(replace(expression, alternatives=alternatives, guard=guard))
    return Filter(tuple(checked))


def _check_condition(condition: Condition, schemas: Mapping[str, Schema]) -> Condition:
    field = _field(condition.dataset, condition.column, schemas)
    name = f"{condition.dataset}.{field.name}"
    if condition.dataset in {"Interactions", "Action_Interactions"} and field.name not in HISTORY:
        refuse(f"{name}: conditions on this column of interactions are not built yet.")
    if condition.operator in ORDERS and not field.numeric:
        refuse(f"{name} is a string: {condition.operator} compares numbers; use IN or =.")
    operands = []
    for operand in condition.operands:
        if isinstance(operand, CurrentItem):
            other = _field("CurrentItem", operand.column, schemas)
            if other.numeric != field.numeric:
                refuse(f"{name} and CurrentItem.{other.name} cannot be compared: one is a number, the other a string.")
            operand = CurrentItem(other.name)  # noqa: PLW2901
        elif isinstance(operand, str) and field.numeric and not NUMBER.fullmatch(operand):
            refuse(f"{name} is a number and cannot be compared with {operand!r}.")
        operands.append(operand)
    return replace(condition, column=field.name, operands=tuple(operands))


def _field(dataset: str, column: str, schemas: Mapping[str, Schema]) -> Field:
    schema = schemas.get(DATASET_TYPES[dataset])
    if schema is None:
        refuse(f"{dataset}.{column}: the dataset group has no {DATASET_TYPES[dataset]} dataset.")
    field = schema.find(column)
    if field is None:
        refuse(f"{dataset}.{column}: the {schema.dataset_type} dataset has no such column.")
    if field.type == "boolean" or field.textual:
        refuse(f"{dataset}.{field.name} is {'textual' if field.textual else 'boolean'} and cannot be filtered by.")
    return field
