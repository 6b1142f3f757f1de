# SPDX-License-Identifier: Apache-2.0
"""The parts of filter expressions.

    INCLUDE ItemID WHERE Items.GENRE IN ($GENRE) AND Items.PRICE < 9
    | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")

A Filter comes from `grammar.parse` and obeys every rule of the language that needs no schema.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""A number in an expression or in filterValues."""
DATASET_TYPES = {
    "Items": "ITEMS",
    "Interactions": "INTERACTIONS",
    "Users": "USERS",
    "Actions": "ACTIONS",
    "Action_Interactions": "ACTION_INTERACTIONS",
    "CurrentUser": "USERS",
    "CurrentItem": "ITEMS",
}
"""The words for datasets, and the type of dataset with their columns."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`$name`, bound by the request's filterValues. The name is case-sensitive."""

    name: str

    def __str__(self) -> str:
        return f"${self.name}"


@dataclass(frozen=True, slots=True)
class CurrentItem:
    """`CurrentItem.column`: the value of the item that the request is about."""

    column: str


Operand = str | int | float | Placeholder | CurrentItem


@dataclass(frozen=True, slots=True)
class Condition:
    """`dataset.column operator operands`; operator is IN, NOT IN (any number of operands) or a comparison (one)."""

    dataset: str
    column: str
    operator: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """One INCLUDE or EXCLUDE: an OR of ANDs over one dataset, applied only if the guard over CurrentUser holds."""

    include: bool
    target: str
    alternatives: tuple[tuple[Condition, ...], ...]
    guard: tuple[Condition, ...] = ()

    @property
    def dataset(self) -> str:
        return self.alternatives[0][0].dataset

    def conditions(self) -> Iterator[Condition]:
        """Yield all conditions, the guard's too."""
        for together in (*self.alternatives, self.guard):
            yield from together

    @property
    def parameters(self) -> frozenset[str]:
        operands = (operand for condition in self.conditions() for operand in condition.operands)
        return frozenset(operand.name for operand in operands if isinstance(operand, Placeholder))


@dataclass(frozen=True, slots=True)
class Filter:
    expressions: tuple[Expression, ...]

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset().union(*(expression.parameters for expression in self.expressions))

    @property
    def uses_current_item(self) -> bool:
        """Whether a condition names CurrentItem: only a RELATED_ITEMS recipe may use such a filter."""
        return any(isinstance(o, CurrentItem) for e in self.expressions for c in e.conditions() for o in c.operands)

    @property
    def fields(self) -> frozenset[tuple[str, str]]:
        """The distinct columns, as (dataset type, column): quotas count them per filter and per dataset group."""
        conditions = [condition for expression in self.expressions for condition in expression.conditions()]
        compared = {("ITEMS", o.column) for c in conditions for o in c.operands if isinstance(o, CurrentItem)}
        return frozenset((DATASET_TYPES[c.dataset], c.column) for c in conditions) | compared
