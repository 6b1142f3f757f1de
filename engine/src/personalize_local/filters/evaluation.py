# SPDX-License-Identifier: Apache-2.0
"""Filters, evaluated over a whole catalogue for an answer.

Where Amazon's guide is silent: null never satisfies a condition, not even NOT IN and !=; a cell with several values
(`Drama|Comedy`) is IN a list if any of its values is, and NOT IN it if none is; an expression with a false IF does not
count, and a filter without a remaining INCLUDE starts from everything.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import reduce
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from personalize_local.data.records import Coded, History, Interaction
from personalize_local.filters.expressions import (
    NUMBER,
    ORDERS,
    Condition,
    CurrentItem,
    Expression,
    Filter,
    Placeholder,
)
from personalize_local.filters.values import Column, Ids, Mask, Test, make_test, parse_values, words_of
from personalize_local.wire.errors import InvalidInput

NEWEST_PER_EVENT_TYPE = 100
"""Interactions of a user that a filter considers, per event type."""

_ROW: dict[str, Callable[[Interaction], object]] = {
    "EVENT_TYPE": lambda row: row.event_type,
    "EVENT_VALUE": lambda row: row.event_value,
    "TIMESTAMP": lambda row: row.timestamp,
    "ITEM_ID": lambda row: row.item_id,
    "ACTION_ID": lambda row: row.item_id,
}
_ID_COLUMNS = {"Items": "ITEM_ID", "Users": "USER_ID", "Actions": "ACTION_ID"}
_Values = Mapping[str, Sequence[str]]


class Catalogue(Protocol):
    """The items that an answer may contain (or users or actions, by the filter's target)."""

    @property
    def item_ids(self) -> NDArray[Any]:
        """The ids, in the order of the masks."""

    @property
    def cache(self) -> dict[tuple[Hashable, ...], Any]:
        """What filters keep between calls; its owner clears it when an item's metadata changes."""

    def places(self, item_ids: Sequence[str], /) -> NDArray[np.intp]:
        """Return the position of each id; -1 for unknown ones."""

    def column(self, name: str, /) -> NDArray[Any]:
        """Return a column aligned with `item_ids`: strings and None (several joined by `|`), or numbers and NaN."""


def allowed(
    parsed: Filter,
    values: Mapping[str, str],
    catalogue: Catalogue,
    user: Mapping[str, Any],
    history: Sequence[Interaction],
    current_item: Mapping[str, Any] | None = None,
) -> Mask:
    """Return whether the filter allows each item: the INCLUDEs' matches without the EXCLUDEs'.

    Args:
        parsed: a filter from `check`.
        values: the request's filterValues.
        catalogue: the items that the mask is aligned with.
        user: the metadata of the request's user, empty if unknown.
        history: the user's interactions, oldest first.
        current_item: the metadata of the request's item, empty if unknown, None if the request names none.

    Raises:
        InvalidInput: an INCLUDE with a placeholder without a value (an EXCLUDE does not count then), a malformed value
            or one of the wrong type, CurrentItem without an item.
    """
    if current_item is None and parsed.uses_current_item:
        raise InvalidInput("The filter uses CurrentItem, so the request must have an itemId.")
    bound = {name: parse_values(name, values[name]) for name in parsed.parameters if name in values}
    included: Mask | None = None
    excluded: Mask | None = None
    for expression in parsed.expressions:
        missing = expression.parameters - bound.keys()
        if missing and expression.include:
            raise InvalidInput(f"The filter needs values for {', '.join(f'${name}' for name in sorted(missing))}.")
        guarded = (make_test(c.operator, _texts(c, bound, {}))(user.get(c.column)) for c in expression.guard)
        if missing or not all(guarded):
            continue
        mask = _matches(expression, catalogue, history, bound, current_item or {})
        if expression.include:
            included = mask if included is None else included | mask
        else:
            excluded = mask if excluded is None else excluded | mask
    if excluded is None:
        return np.ones(len(catalogue.item_ids), np.bool_) if included is None else included.copy()
    return ~excluded if included is None else included & ~excluded


def _matches(
    expression: Expression,
    catalogue: Catalogue,
    history: Sequence[Interaction],
    bound: _Values,
    current_item: Mapping[str, Any],
) -> Mask:
    if expression.dataset in {"Interactions", "Action_Interactions"}:
        return _interacted(expression, catalogue, history, bound, current_item)
    masks = []
    for together in expression.alternatives:
        mask = _column_mask(together[0], catalogue, bound, current_item)
        for condition in together[1:]:
            mask = mask & _column_mask(condition, catalogue, bound, current_item)
        masks.append(mask)
    return reduce(np.logical_or, masks)


def _column_mask(condition: Condition, catalogue: Catalogue, bound: _Values, current: Mapping[str, Any]) -> Mask:
    """Return the mask of one condition on the items; without placeholders it is cached."""
    texts = _texts(condition, bound, current)
    fixed = not any(isinstance(operand, Placeholder | CurrentItem) for operand in condition.operands)
    key = (condition.column, condition.operator, texts)
    if fixed and key in catalogue.cache:
        cached: Mask = catalogue.cache[key]
        return cached
    mask = _column(condition, catalogue).matching(condition.operator, texts)
    if fixed:
        catalogue.cache[key] = mask
    return mask


def _column(condition: Condition, catalogue: Catalogue) -> Column | Ids:
    if _ID_COLUMNS.get(condition.dataset) == condition.column:
        return Ids(len(catalogue.item_ids), catalogue.places)
    key = (condition.column,)
    if key not in catalogue.cache:
        catalogue.cache[key] = Column(catalogue.column(condition.column))
    column: Column = catalogue.cache[key]
    return column


def _interacted(
    expression: Expression,
    catalogue: Catalogue,
    history: Sequence[Interaction],
    bound: _Values,
    current: Mapping[str, Any],
) -> Mask:
    """Return the mask of the items of the user's matching interactions."""
    wanted = _row_match([[_row_test(c, bound, current) for c in together] for together in expression.alternatives])
    columns = History.of(history)
    rows = _newest(columns.event_types)
    if wanted is not _any_row:
        rows = np.array([row for row in rows.tolist() if wanted(columns[row])], np.intp)
    places = catalogue.places(columns.item_ids[rows])
    mask = np.zeros(len(catalogue.item_ids), np.bool_)
    mask[places[places >= 0]] = True
    return mask


def _newest(types: Coded[str | None]) -> NDArray[np.intp]:
    """Return the rows of a history that filters consider, by their event types: the newest of each type."""
    if len(types) <= NEWEST_PER_EVENT_TYPE:
        return np.arange(len(types))
    folded = [kind.lower() if kind else kind for kind in types.table.texts]
    names = list(dict.fromkeys(folded))
    codes = np.array([names.index(kind) for kind in folded])[types.codes]
    return np.concatenate([np.flatnonzero(codes == code)[-NEWEST_PER_EVENT_TYPE:] for code in range(len(names))])


def _row_match(tests: list[list[Callable[[Interaction], bool]]]) -> Callable[[Interaction], bool]:
    """Join tests: an OR of ANDs. A single test, the usual case, is returned itself."""
    if len(tests) == len(tests[0]) == 1:
        return tests[0][0]
    return lambda row: any(all(test(row) for test in together) for together in tests)


def _any_row(_row: Interaction) -> bool:
    return True


def _row_test(condition: Condition, bound: _Values, current: Mapping[str, Any]) -> Callable[[Interaction], bool]:
    if condition.operands == ("*",):
        return _any_row
    read = _ROW[condition.column]
    test: Test = make_test(condition.operator, _texts(condition, bound, current), fold=condition.column == "EVENT_TYPE")
    return lambda row: test(read(row))


def _texts(condition: Condition, bound: _Values, current: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a condition compares with; nothing for CurrentItem's null, which satisfies no condition."""
    texts: list[str] = []
    for operand in condition.operands:
        if isinstance(operand, Placeholder):
            texts.extend(bound[operand.name])
            if not condition.operator.endswith("IN") and len(texts) != 1:
                raise InvalidInput(f"{operand} is compared by {condition.operator} and takes one value.")
            if condition.operator in ORDERS and not NUMBER.fullmatch(texts[0]):
                raise InvalidInput(f"{operand} is compared by {condition.operator} and takes a number.")
        elif isinstance(operand, CurrentItem):
            texts.extend(words_of(current.get(operand.column)))
        else:
            texts.append(str(operand))
    return tuple(texts)
