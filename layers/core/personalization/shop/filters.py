# SPDX-License-Identifier: Apache-2.0
"""Filters: the one that every shop has, the parameters of expressions, and how requests choose a filter."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from personalization.shop.records.release import Kind

NOT_PURCHASED = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")'
"""The filter `not-purchased`, which a shop has unless its settings say otherwise."""
NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(
    r"\$(\w+)|\b(Interactions|Items|Users|Actions|Action_Interactions|CurrentUser|CurrentItem)\.(\w+)", re.IGNORECASE
)
_DATASETS = {
    "interactions": "INTERACTIONS",
    "items": "ITEMS",
    "currentitem": "ITEMS",
    "actions": "ACTIONS",
    "action_interactions": "ACTION_INTERACTIONS",
}
_OF_ACTIONS = re.compile(r"\s*\w+\s+ActionID\b", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_]{1,50}")
_CONTEXT_NAME = re.compile(r"[A-Za-z0-9_]{1,150}")
Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Choice(BaseModel):
    """What every kind of recommendation can be asked with; query parameters `filterValues.X` and `context.X`."""

    # Only by alias: a second spelling of userId would bypass the check of browsers' sessions.
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, defer_build=True)

    filter: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    # A factory, because pydantic would copy a default dict for each request.
    filter_values: dict[str, str] = Field(default_factory=dict, max_length=25)
    context: dict[str, Annotated[str, StringConstraints(max_length=1000)]] = Field(default_factory=dict, max_length=150)

    @field_validator("filter_values")
    @classmethod
    def _values(cls, values: dict[str, str]) -> dict[str, str]:
        quoted = {name: _filter_value(value) for name, value in values.items()}
        if any(not _NAME.fullmatch(name) or len(value) > 1000 for name, value in quoted.items()):
            raise ValueError("names have 1 to 50 letters, digits and _, values up to 1000 characters")
        return quoted

    @field_validator("context")
    @classmethod
    def _keys(cls, context: dict[str, str]) -> dict[str, str]:
        if not all(map(_CONTEXT_NAME.fullmatch, context)):
            raise ValueError("names have 1 to 150 letters, digits and _")
        return {name.upper(): value for name, value in context.items()}


def parameters(expression: str, numeric: Collection[tuple[str, str]]) -> dict[str, Kind]:
    """Return the parameters of an expression such as `INCLUDE ItemID WHERE Items.PRICE < $MOST`, with their kinds.

    `numeric` are the dataset types (INTERACTIONS, ITEMS, USERS, ACTIONS) and names of numeric columns.
    """
    kinds: dict[str, Kind] = {}
    column = ("", "")
    for parameter, dataset, name in _WORD.findall(_QUOTED.sub('""', expression)):
        if not parameter:
            column = (_DATASETS.get(dataset.lower(), "USERS"), name.upper())
        elif parameter not in kinds:
            kinds[parameter] = "number" if column in numeric else "text"
    return kinds


def of_purchases(filters: Mapping[str, str], event_type: str) -> str | None:
    """Return the name of the filter that leaves what the user has bought and nothing else; None without one."""
    value = f'"{re.escape(event_type)}"'
    expression = rf"INCLUDE ItemID WHERE Interactions\.EVENT_TYPE (IN ?\( ?{value} ?\)|= ?{value})"
    bought = re.compile(expression, re.IGNORECASE)
    return next((name for name, text in filters.items() if bought.fullmatch(" ".join(text.split()))), None)


def chooses_actions(expression: str) -> bool:
    """Return whether an expression chooses among actions, not among items."""
    return bool(_OF_ACTIONS.match(expression))


def _filter_value(value: str) -> str:
    """Return `a,b` as `"a","b"`; leave numbers and quoted values unchanged."""
    if NUMBER.fullmatch(value) or value.startswith('"'):
        return value
    return ",".join('"' + part.strip().replace('"', '\\"') + '"' for part in value.split(","))
