# SPDX-License-Identifier: Apache-2.0
"""A catalogue of five items, and the schemas that filters of the tests are held against."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from personalize_local.data.records import Interaction
from personalize_local.data.schemas import Field, Schema
from personalize_local.filters import check, parse
from personalize_local.filters.evaluation import allowed
from personalize_local.recipes.common.item_index import ItemIndex

SCHEMAS = {
    "ITEMS": Schema(
        "ITEMS",
        (
            Field("ITEM_ID", "string"),
            Field("GENRE", "string", nullable=True, categorical=True),
            Field("CATEGORY_L1", "string", categorical=True),
            Field("PRICE", "float", nullable=True),
            Field("YEAR", "long"),
            Field("ADULT", "boolean"),
            Field("STORY", "string", textual=True),
        ),
    ),
    "USERS": Schema("USERS", (Field("USER_ID", "string"), Field("AGE", "int"), Field("MEMBERSHIP_STATUS", "string"))),
    "INTERACTIONS": Schema(
        "INTERACTIONS",
        (
            Field("USER_ID", "string"),
            Field("ITEM_ID", "string"),
            Field("TIMESTAMP", "long"),
            Field("EVENT_TYPE", "string"),
            Field("EVENT_VALUE", "float", nullable=True),
            Field("DEVICE", "string"),
        ),
    ),
    "ACTIONS": Schema("ACTIONS", (Field("ACTION_ID", "string"), Field("TYPE", "string"))),
}
IDS = ["a", "b", "c", "d", "e"]
COLUMNS: dict[str, np.ndarray[Any, Any]] = {
    "GENRE": np.array(["Drama", "Comedy|Drama", "Comedy", None, "comedy"], object),
    "CATEGORY_L1": np.array(["1", "2", "2", "3", "|"], object),
    "PRICE": np.array([1.0, 2.5, 5.0, np.nan, 10.0]),
    "YEAR": np.array([1970, 1980, 1990, 2000, 2010]),
}


def row(item_id: str, timestamp: float = 0.0, kind: str = "Purchase", value: float | None = None) -> Interaction:
    return Interaction(item_id, timestamp, kind, value)


class ItemCatalogue:
    """A Catalogue over an array of ids and a function that gives columns."""

    def __init__(self, item_ids: np.ndarray[Any, Any], column: Callable[[str], np.ndarray[Any, Any]]) -> None:
        self.item_ids = item_ids
        self.column = column
        self.cache: dict[tuple[Hashable, ...], Any] = {}
        self.places = ItemIndex(item_ids).places

    def changed(self) -> None:
        self.cache.clear()


def catalogue() -> ItemCatalogue:
    return ItemCatalogue(np.array(IDS, object), COLUMNS.__getitem__)


def passed(
    expression: str,
    values: Mapping[str, str] | None = None,
    user: Mapping[str, Any] | None = None,
    history: Sequence[Interaction] = (),
    item: Mapping[str, Any] | None = None,
) -> str:
    """The ids that a filter lets through, in one word."""
    mask = allowed(check(parse(expression), SCHEMAS), values or {}, catalogue(), user or {}, history, item)
    return "".join(np.array(IDS)[mask])
