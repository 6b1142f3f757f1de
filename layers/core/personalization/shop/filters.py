# SPDX-License-Identifier: Apache-2.0
"""The parameters of filter expressions, and whether the values of a request fit them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from personalization.core.problems import FieldError, Problem
from personalization.shop.release import Kind

NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(r"\$(\w+)|\b(Interactions|Items|Users|CurrentUser|CurrentItem)\.(\w+)", re.IGNORECASE)
_DATASETS = {"interactions": "INTERACTIONS", "items": "ITEMS", "currentitem": "ITEMS"}


def parameters(expression: str, numeric: Collection[tuple[str, str]]) -> dict[str, Kind]:
    """The parameters of an expression, in order, and what each takes.

    Args:
        expression: of a filter, such as `INCLUDE ItemID WHERE Items.PRICE < $MOST`.
        numeric: dataset type (INTERACTIONS, ITEMS, USERS) and column name of the columns that hold numbers.
    """
    found: dict[str, Kind] = {}
    column = ("", "")
    for parameter, dataset, name in _WORD.findall(_QUOTED.sub('""', expression)):
        if not parameter:
            column = (_DATASETS.get(dataset.lower(), "USERS"), name.upper())
        elif parameter not in found:
            found[parameter] = "number" if column in numeric else "text"
    return found


def checked(values: Mapping[str, str], known: Mapping[str, Kind]) -> dict[str, str]:
    """The values of a request as Personalize wants them: a text that looks like a number gets its quotes.

    Args:
        values: by parameter, as `Choice` has quoted them.
        known: what the filter's parameters take.

    Raises:
        Problem: 400, naming each value that is missing, of the wrong kind, or of no parameter.
    """
    errors = list(_errors(values, known))
    if errors:
        raise Problem(400, "The filter's values are not as they must be.", errors)
    quotes = {name for name, kind in known.items() if kind == "text" and NUMBER.fullmatch(values[name])}
    return {name: f'"{value}"' if name in quotes else value for name, value in values.items()}


def _errors(values: Mapping[str, str], known: Mapping[str, Kind]) -> Iterator[FieldError]:
    for name, kind in known.items():
        if name not in values:
            yield FieldError(f"filterValues.{name}", "is missing: the filter has this parameter")
        elif kind == "number" and not all(map(NUMBER.fullmatch, _parts(values[name]))):
            yield FieldError(f"filterValues.{name}", "must be a number")
    for name in values:
        if name not in known:
            told = ", ".join(known) or "none"
            yield FieldError(f"filterValues.{name}", f"is no parameter of the filter, which has: {told}")


def _parts(value: str) -> Sequence[str]:
    return [part.strip().strip('"') for part in value.split(",")]
