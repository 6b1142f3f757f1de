# SPDX-License-Identifier: Apache-2.0
"""The grammar of filter expressions and their parser.

Keywords, datasets and columns are read in any case, values and placeholders are not. AND binds tighter than OR, and
brackets around conditions are not part of the language (Amazon's guide shows none).
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn, cast

from personalize_local.filters.expressions import (
    DATASET_TYPES,
    Condition,
    CurrentItem,
    Expression,
    Filter,
    Operand,
    Placeholder,
)
from personalize_local.wire.errors import InvalidInput

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

MAX_EXPRESSION_LENGTH = 2500
"""Characters of a filter expression."""
MAX_FIELDS = 10
"""Distinct columns in one filter."""
_TARGETS = {
    "ItemID": ("Items", "Interactions"),
    "UserID": ("Users", "Interactions"),
    "ActionID": ("Actions", "Action_Interactions"),
}
_GRAMMAR = r"""
start: expression ("|" expression)*
expression: ACTION NAME _WHERE alternatives [_IF conditions]
alternatives: conditions (_OR conditions)*
conditions: condition (_AND condition)*
condition: column COMPARISON (value | "(" parameter ")" | column) -> compare
         | column IN values -> include
         | column NOT IN values -> exclude
?values: "(" value ("," value)* ")" -> listed
       | column
column: NAME "." NAME
?value: STRING -> string
      | NUMBER -> number
      | parameter
parameter: PARAMETER
ACTION: /(INCLUDE|EXCLUDE)\b/i
_WHERE: /WHERE\b/i
_IF: /IF\b/i
_AND: /AND\b/i
_OR: /OR\b/i
NOT: /NOT\b/i
IN: /IN\b/i
COMPARISON: "=" | "!=" | "<=" | "<" | ">=" | ">"
NAME: /[A-Za-z_][A-Za-z0-9_]*/
PARAMETER: /\$[A-Za-z0-9_]+/
STRING: /"[^"]*"|'[^']*'/
NUMBER: /[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?/
%ignore /\s+/
"""


def refuse(reason: str) -> NoReturn:
    """Raise InvalidInput in Personalize's words for filters."""
    raise InvalidInput(f"Could not create filter. Invalid Expression: {reason}")


def parse(expression: str) -> Filter:
    """Read a filter expression of 1 to 2500 characters.

    Raises:
        InvalidInput: a syntax error; an unknown dataset or target; AND or OR over different datasets; a placeholder
            with NOT IN; `*` for anything but event types; an order (<, >=, …) of strings; more than ten columns.
    """
    from lark.exceptions import UnexpectedInput  # noqa: PLC0415

    if not 1 <= len(expression) <= MAX_EXPRESSION_LENGTH:
        refuse(f"it must have between 1 and {MAX_EXPRESSION_LENGTH} characters, not {len(expression)}.")
    try:
        parsed = cast(Filter, _parser().parse(expression))
    except UnexpectedInput as error:
        refuse(_where(expression, error))
    if len(parsed.fields) > MAX_FIELDS:
        refuse(f"it names {len(parsed.fields)} different fields; at most {MAX_FIELDS} are allowed.")
    if len({part.target for part in parsed.expressions}) > 1:
        refuse("expressions that are joined by | must have the same target.")
    return parsed


def _where(expression: str, error: "UnexpectedInput") -> str:
    position: int = getattr(error, "pos_in_stream", 0)
    token, expected = getattr(error, "token", None), getattr(error, "expected", ())
    met = getattr(token, "type", None)
    if "DOT" in expected or ("STRING" in expected and met == "NAME"):
        last = position if met == "$END" or "DOT" not in expected else len(expression[:position].rstrip()) - 1
        word = next(match[0] for match in re.finditer(r"\w+", expression) if match.end() > last)
        return f'a text is written in quotes, as "{word}", a column with its dataset, as Items.{word}; not {word}.'
    if met in {"STRING", "NUMBER", "PARAMETER"} and "LPAR" in expected:
        return f"values after IN are written in brackets, as ({token})."
    if met == "$END":
        return "it ends too early."
    return f"unexpected text at character {position + 1}: {expression[position : position + 20].strip()!r}."


def _spelled(written: str, spellings: Iterable[str], what: str) -> str:
    for word in spellings:
        if word.lower() == written.lower():
            return word
    refuse(f"unknown {what} {written}; it is one of {', '.join(spellings)}.")


@dataclass(frozen=True, slots=True)
class _Column:
    dataset: str
    name: str


class _Builder:
    """Builds a filter from the parse tree; each method has the name of its rule and gets the rule's parts."""

    def start(self, parts: list[Expression]) -> Filter:
        return Filter(tuple(parts))

    def expression(self, parts: tuple[str, str, "_Alternatives", "_Conditions | None"]) -> Expression:
        action, written, alternatives, guard = parts
        target = _spelled(written, _TARGETS, "target")
        dataset = alternatives[0][0].dataset
        if dataset not in _TARGETS[target]:
            refuse(f"{target} cannot be chosen by {dataset}; use {' or '.join(_TARGETS[target])}.")
        other = next((c.dataset for together in alternatives for c in together if c.dataset != dataset), None)
        if other:
            refuse(f"AND and OR join conditions on one dataset, not {dataset} and {other}; join expressions with |.")
        for condition in guard or ():
            if condition.dataset != "CurrentUser":
                refuse(f"IF can only look at CurrentUser, not at {condition.dataset}.")
        return Expression(action.upper() == "INCLUDE", target, alternatives, guard or ())

    alternatives = conditions = listed = staticmethod(tuple)

    def compare(self, parts: tuple[_Column, str, "Operand | _Column"]) -> Condition:
        column, operator, operand = parts
        if operator in {"<", "<=", ">", ">="} and isinstance(operand, str):
            refuse(f"{operator} compares numbers, and {operand!r} is not one.")
        return _condition(column, str(operator), [operand])

    def include(self, parts: tuple[_Column, str, "tuple[Operand, ...] | _Column"]) -> Condition:
        column, _, operands = parts
        return _condition(column, "IN", operands)

    def exclude(self, parts: tuple[_Column, str, str, "tuple[Operand, ...] | _Column"]) -> Condition:
        column, _, _, operands = parts
        for operand in () if isinstance(operands, _Column) else operands:
            if isinstance(operand, Placeholder):
                raise InvalidInput(
                    f"Could not create filter. Invalid input symbol: {operand}. "
                    "Placeholders are not allowed with NOT_IN operator."
                )
        return _condition(column, "NOT IN", operands)

    def column(self, parts: tuple[str, str]) -> _Column:
        return _Column(_spelled(parts[0], DATASET_TYPES, "dataset"), str(parts[1]))

    def string(self, parts: list[str]) -> str:
        return parts[0][1:-1]

    def number(self, parts: list[str]) -> int | float:
        text = str(parts[0])
        value = int(text) if text.lstrip("+-").isdigit() else float(text)
        if not math.isfinite(value):
            refuse(f"the number {text} is too large.")
        return value

    def parameter(self, parts: list[str]) -> Placeholder:
        return Placeholder(parts[0][1:])


_Conditions = tuple[Condition, ...]
_Alternatives = tuple[_Conditions, ...]


def _condition(column: _Column, operator: str, right: "Sequence[Operand | _Column] | _Column") -> Condition:
    if column.dataset == "CurrentItem":
        refuse("CurrentItem can only stand on the right side of a condition.")
    operands: list[Operand] = []
    for operand in [right] if isinstance(right, _Column) else right:
        if isinstance(operand, _Column) and operand.dataset != "CurrentItem":
            refuse(f"only CurrentItem can stand on the right side of a condition, not {operand.dataset}.")
        operands.append(CurrentItem(operand.name) if isinstance(operand, _Column) else operand)
    if column.dataset == "CurrentUser" and any(isinstance(operand, CurrentItem) for operand in operands):
        refuse("CurrentUser cannot be compared with CurrentItem.")
    if "*" in operands and (column.name.upper() != "EVENT_TYPE" or operator != "IN" or len(operands) > 1):
        refuse('"*" can only stand alone, as in Interactions.EVENT_TYPE IN ("*").')
    return Condition(column.dataset, column.name, operator, tuple(operands))


@lru_cache(maxsize=1)
def _parser() -> "Lark":
    from lark import Lark  # noqa: PLC0415 - a tenth of a second that a start without filters saves

    return Lark(_GRAMMAR, parser="lalr", transformer=_Builder(), maybe_placeholders=True)
