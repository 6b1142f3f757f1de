# SPDX-License-Identifier: Apache-2.0
"""Values in filters: of a request, of a single cell, and of a whole column.

Values are compared as text in a text column and as numbers in a numeric one; a text that is not a number equals none.
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personalize_local.filters.expressions import NUMBER
from personalize_local.wire.errors import InvalidInput

Mask = NDArray[np.bool_]
Test = Callable[[object], bool]
"""Tells whether one cell satisfies a condition."""

_NUMBERS = (int, float, np.number)
_QUOTED = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*(,|$)""", re.DOTALL)
_ESCAPED = re.compile(r"""\\(["'\\])""")
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def parse_values(name: str, text: str) -> tuple[str, ...]:
    r"""Read one entry of filterValues: `"\"a\",\"b\""` or a bare number.

    A quote inside a value is written `\"`; every other backslash stands for itself. `\"a\",\"b\"` with the
    backslashes, from clients that escape once too often, means the same.

    Raises:
        InvalidInput: neither a number nor quoted values separated by commas.
    """
    if NUMBER.fullmatch(text.strip()):
        return (text.strip(),)
    if text.lstrip().startswith(('\\"', "\\'")):
        text = _ESCAPED.sub(r"\1", text)
    values, position = [], 0
    while match := _QUOTED.match(text, position):
        values.append((match[1] if match[1] is not None else match[2]).replace('\\"', '"').replace("\\'", "'"))
        position = match.end()
        if not match[3]:
            return tuple(values)
    raise InvalidInput(
        f'The filter value for {name} must be a number, or quoted values with commas between: "\\"a\\",\\"b\\"".'
    )


def number(text: str) -> float | None:
    if not NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def words_of(cell: object) -> tuple[str, ...]:
    """Return the values of one cell: the parts between `|`, and the whole; none for null."""
    if cell is None or cell != cell:  # noqa: PLR0124 - NaN
        return ()
    text = str(cell)
    return (text, *text.split("|")) if "|" in text else (text,)


def make_test(word: str, texts: Sequence[str], *, fold: bool = False) -> Test:
    """Return the test of one cell for `cell <word> texts`; with `fold` in any case, as for event types.

    Without texts (CurrentItem's null) no cell passes.
    """
    if not texts:
        return lambda _cell: False
    if word in _ORDERS:
        compare, limit = _ORDERS[word], number(texts[0])
        return lambda cell: isinstance(cell, _NUMBERS) and limit is not None and bool(compare(cell, limit))
    wanted = {text.lower() for text in texts} if fold else set(texts)
    numbers = {value for value in map(number, texts) if value is not None}
    positive = word in {"IN", "="}

    def holds(cell: object) -> bool:
        if isinstance(cell, str):
            equal = not wanted.isdisjoint(words_of(cell.lower() if fold else cell))
        elif isinstance(cell, _NUMBERS) and not math.isnan(cell):
            equal = cell in numbers
        else:
            return False
        return equal is positive

    return holds


class Column:
    """One column of a catalogue, prepared for conditions: numbers, or the places of each text."""

    def __init__(self, cells: NDArray[Any]) -> None:
        """`cells`: an object array of strings and None, or a numeric array with NaN for null."""
        self._size = len(cells)
        self._numbers: NDArray[np.float64] | None = None
        self._places: dict[str, NDArray[np.intp]] = {}
        if cells.dtype.kind in "fiu" or not any(isinstance(cell, str) for cell in cells):
            self._numbers = cells.astype(np.float64)
            self._present = ~np.isnan(self._numbers)
        else:
            places: dict[str, list[int]] = {}
            for position, cell in enumerate(cells.tolist()):
                for word in words_of(cell):
                    places.setdefault(word, []).append(position)
            self._places = {word: np.array(positions, np.intp) for word, positions in places.items()}
            self._present = np.array([cell is not None and cell == cell for cell in cells.tolist()], np.bool_)  # noqa: PLR0124

    def matching(self, word: str, texts: Sequence[str]) -> Mask:
        """Return the mask of `column <word> texts`: never of nulls, and empty without texts."""
        if not texts:
            return np.zeros(self._size, np.bool_)
        if word in _ORDERS:
            limit = number(texts[0])
            if self._numbers is None or limit is None:
                return np.zeros(self._size, np.bool_)
            matches: Mask = _ORDERS[word](self._numbers, limit)  # NaN compares false
            return matches
        equal = self._equal(texts)
        return equal if word in {"IN", "="} else self._present & ~equal

    def _equal(self, texts: Sequence[str]) -> Mask:
        equal = np.zeros(self._size, np.bool_)
        for text in texts:
            if self._numbers is None:
                if (places := self._places.get(text)) is not None:
                    equal[places] = True
            elif (value := number(text)) is not None:
                equal |= self._numbers == value
        return equal


class Ids:
    """The column of the ids themselves."""

    def __init__(self, size: int, places: Callable[[Sequence[str]], NDArray[np.intp]]) -> None:
        self._size, self._places = size, places

    def matching(self, word: str, texts: Sequence[str]) -> Mask:
        """Return the mask of `id <word> texts`."""
        equal = np.zeros(self._size, np.bool_)
        places = self._places(texts)
        equal[places[places >= 0]] = True
        return equal if word in {"IN", "="} else ~equal
