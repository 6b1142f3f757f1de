# SPDX-License-Identifier: Apache-2.0
"""What stands beside an answer so that people see where it comes from: the user's history, and the items' columns."""

from collections.abc import Mapping
from typing import Final

from personalize_local.data.records import Value
from personalize_local.engine import Engine, Json, Resource
from personalize_local.operations.campaigns import serving_version
from personalize_local.operations.recommenders import serving_recommender
from personalize_local.operations.runtime import MAX_RESULTS
from personalize_local.serving import Catalogue
from personalize_local.wire.errors import InvalidInput

LATEST: Final = 20
"""Interactions of a user that are shown."""
SUGGESTED: Final = 24
"""Users to choose from."""
CHARACTERS: Final = 200
"""Of a text of a user or an item."""


async def facts(engine: Engine, question: Json) -> Json:
    """Return what is known of a `user` and of `items` (ids) to the `source`, the ARN of a campaign or recommender.

    Without a user, names some users and popular items to ask about. Raises InvalidInput, ResourceNotFound.
    """
    source, user, items = question.get("source"), question.get("user", ""), question.get("items", [])
    texts = [source, user, *items] if isinstance(items, list) else [None]
    if not all(isinstance(text, str) for text in texts) or len(items) > MAX_RESULTS:
        raise InvalidInput(f"Ask for a source, a user, and a list of at most {MAX_RESULTS} items, all of them strings.")
    catalogue = await engine.serving.catalogue(_version(engine, str(source)))
    live = catalogue.live
    rows = live.history(user) if user else []
    latest = [
        {"item": row.item_id, "time": row.timestamp, "type": row.event_type, "value": row.event_value}
        for row in rows[: -LATEST - 1 : -1]
    ]
    times: dict[str, int] = {}
    for row in rows:
        times[row.item_id] = times.get(row.item_id, 0) + 1
    shown = dict.fromkeys([*items, *(row["item"] for row in latest)])
    return {
        "user": _short(live.user(user)) if user else {},
        "interactions": len(rows),
        "latest": latest,
        "items": {item: _item(catalogue, item) | {"times": times.get(item, 0)} for item in shown},
        **({} if user else _suggested(catalogue)),
    }


def _version(engine: Engine, source: str) -> Resource:
    """Return what has the model of a campaign or recommender. Raises ResourceNotFound."""
    if ":recommender/" in source:
        return serving_recommender(engine, source)
    return serving_version(engine, source)[1]


def _item(catalogue: Catalogue, item: str) -> Json:
    """Return an item's columns, and its place by popularity in training (1: the most popular); None if unknown."""
    place = catalogue.index_of(item)
    return {"columns": _short(catalogue.live.item(item)), "place": None if place is None else place + 1}


def _suggested(catalogue: Catalogue) -> Json:
    live = catalogue.live
    popular = catalogue.item_ids[:SUGGESTED].tolist()
    return {"users": live.some_users(SUGGESTED), "popular": popular, "eventTypes": live.event_types()}


def _short(row: Mapping[str, Value]) -> Mapping[str, Value]:
    return {name: value[:CHARACTERS] if isinstance(value, str) else value for name, value in row.items()}
