# SPDX-License-Identifier: Apache-2.0
"""The values of a filter's parameters in a request, checked and in Personalize's format."""

from collections.abc import Iterator, Mapping

from personalization.core.problems import FieldError, Problem
from personalization.shop.filters import NUMBER
from personalization.shop.records.release import Kind


def checked(values: Mapping[str, str], kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Return values that `Choice` has quoted in Personalize's format: text that looks like a number gets quotes.

    Raises:
        Problem: 400, naming each missing, wrong or unknown value.
    """
    if errors := list(_errors(values, kinds)):
        raise Problem(400, "The filter's values are invalid.", errors)
    quotes = {name for name, kind in kinds.items() if kind == "text" and NUMBER.fullmatch(values[name])}
    return {name: f'"{value}"' if name in quotes else value for name, value in values.items()}


def _errors(values: Mapping[str, str], kinds: Mapping[str, Kind]) -> Iterator[FieldError]:
    for name, kind in kinds.items():
        if name not in values:
            yield FieldError(f"filterValues.{name}", "is missing: the filter has this parameter")
        elif kind == "number" and not all(
            NUMBER.fullmatch(part.strip().strip('"')) for part in values[name].split(",")
        ):
            yield FieldError(f"filterValues.{name}", "must be a number")
    for name in values:
        if name not in kinds:
            names = ", ".join(kinds) or "none"
            yield FieldError(f"filterValues.{name}", f"is not a parameter of the filter, which has: {names}")
