# SPDX-License-Identifier: Apache-2.0
"""The parts of filter expressions.

    INCLUDE ItemID WHERE Items.GENRE IN ($GENRE) AND Items.PRICE < 9
    | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")

A Filter comes from `grammar.parse` and obeys every rule of the language that needs no schema.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

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
ORDERS: Final = frozenset({"<", "<=", ">", ">="})
HISTORY: Final = frozenset({"EVENT_TYPE", "EVENT_VALUE", "TIMESTAMP", "ITEM_ID", "ACTION_ID"})
"""The columns of interactions that histories have."""
FORMAT: Final = 1
"""Of filters as JSON."""


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
    """A filter as it was read. As JSON, a program that only answers reads it without the parser, a slow import."""

    expressions: tuple[Expression, ...]

    def to_json(self) -> str:
        expressions = [
            {
                "include": expression.include,
                "target": expression.target,
                "alternatives": [_written(together) for together in expression.alternatives],
                "guard": _written(expression.guard),
            }
            for expression in self.expressions
        ]
        return json.dumps({"format": FORMAT, "expressions": expressions}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the filter that `to_json` wrote. Raises ValueError for one in another format."""
        stored = json.loads(text)
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise ValueError(f"This is not a filter in format {FORMAT}: {text[:100]}")
        return cls(tuple(map(_expression, stored["expressions"])))

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


def _written(conditions: Iterable[Condition]) -> list[list[object]]:
    return [[c.dataset, c.column, c.operator, [_operand(operand) for operand in c.operands]] for c in conditions]


def _operand(operand: Operand) -> object:
    if isinstance(operand, Placeholder):
        return {"parameter": operand.name}
    return {"currentItem": operand.column} if isinstance(operand, CurrentItem) else operand


def _expression(stored: Mapping[str, Any]) -> Expression:
    alternatives = tuple(map(_conditions, stored["alternatives"]))
    return Expression(stored["include"], stored["target"], alternatives, _conditions(stored["guard"]))


def _conditions(stored: Iterable[tuple[str, str, str, list[Any]]]) -> tuple[Condition, ...]:
    return tuple(
        Condition(dataset, column, operator, tuple(map(_read, operands)))
        for dataset, column, operator, operands in stored
    )


def _read(stored: Any) -> Operand:  # noqa: ANN401 - as JSON has it
    if isinstance(stored, dict):
        return Placeholder(stored["parameter"]) if "parameter" in stored else CurrentItem(stored["currentItem"])
    operand: Operand = stored
    return operand
