# SPDX-License-Identifier: Apache-2.0
"""What stands beside an answer so that people see where it comes from: the user's history, and the items' columns."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from personalize_local.answers.catalogue import Catalogue
from personalize_local.answers.questions import MAX_RESULTS
from personalize_local.data.records import Value
from personalize_local.engine import Engine, Json, Resource
from personalize_local.operations.campaigns import serving_version
from personalize_local.operations.recommenders import serving_recommender
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.definitions import recipe_of
from personalize_local.wire.errors import InvalidInput

LATEST: Final = 20
"""Interactions of a user that are shown."""
SUGGESTED: Final = 24
"""Users to choose from."""
CAUSES: Final = 10
"""Items of a history, the latest, that an answer is tried without."""
LEAST: Final = 0.1
"""Share of a score that an item of the history must account for to be named."""
CHARACTERS: Final = 200
"""Of a text of a user or an item."""


async def facts(engine: Engine, question: Json) -> Json:
    """Return what is known of a `user` and of `items` (ids) to the `source`, the ARN of a campaign or recommender.

    `item` is the one that similar items were asked for; `who` an item whose latest users are wanted, `like` a text to
    look up: the beginning of ids, or in a user's columns.

    Without a user, names some users and popular items to ask about. Raises InvalidInput, ResourceNotFound.
    """
    source, user, items = question.get("source"), question.get("user", ""), question.get("items", [])
    who, like = question.get("who", ""), question.get("like", "")
    texts = [source, user, who, like, *items] if isinstance(items, list) else [None]
    if not all(isinstance(text, str) for text in texts) or len(items) > MAX_RESULTS:
        raise InvalidInput(f"Ask for a source, a user, and a list of at most {MAX_RESULTS} items, all of them strings.")
    version = _version(engine, str(source))
    catalogue = await engine.serving.catalogue(version)
    live = catalogue.live
    rows = live.history(user) if user else []
    starting = question.get("item")
    query = Query(
        user_id=user or None,
        item_id=starting if isinstance(starting, str) else None,
        history=rows,
        user=live.user(user) if user else {},
        now=engine.clock.now(),
        exploration={"explorationWeight": 0.0},
        online=catalogue.online,
    )
    latest = [
        {"item": row.item_id, "time": row.timestamp, "type": row.event_type, "value": row.event_value}
        for row in rows[: -LATEST - 1 : -1]
    ]
    times: dict[str, int] = {}
    for row in rows:
        times[row.item_id] = times.get(row.item_id, 0) + 1
    kind = recipe_of(version.body["recipeArn"]).recipe_type
    because = await _because(catalogue.model, query, items, ranks=kind == "PERSONALIZED_RANKING")
    ordered = kind != "PERSONALIZED_ACTIONS"
    shown = dict.fromkeys([*items, *(row["item"] for row in latest), *(cause for cause, _ in because.values())])
    return {
        "user": _short(query.user),
        "interactions": len(rows),
        "latest": latest,
        "because": because,
        "items": {item: _item(catalogue, item, ordered=ordered) | {"times": times.get(item, 0)} for item in shown},
        **({} if user else _suggested(catalogue)),
        **({"who": _who(catalogue, str(who))} if who else {}),
        **({"like": _like(catalogue, str(like))} if like else {}),
    }


async def _because(model: Model, query: Query, items: Sequence[str], *, ranks: bool) -> dict[str, tuple[str, float]]:
    """Return what each item owes most to: an item of the history, and the share of the score that goes without it.

    Asks the model again without each of the latest items, so it is true of every recipe. Of models that show no scores,
    `1 / rank` stands for the score. Leaves out an item if no single item of the history lowers its score by LEAST.
    """
    causes = list(dict.fromkeys(row.item_id for row in reversed(query.history)))[:CAUSES]
    ranked = items if ranks else ()
    with_all = _scores(model, query, ranked) if items and causes else {}
    causes_by_item: dict[str, tuple[str, float]] = {}
    for cause in causes if with_all else ():
        await asyncio.sleep(0)  # requests go first
        rest = [row for row in query.history if row.item_id != cause]
        without = _scores(model, replace(query, history=rest), ranked)
        for item in items:
            if with_all.get(item):
                drop = 1.0 - without.get(item, 0.0) / with_all[item]
                if drop >= max(LEAST, causes_by_item.get(item, ("", 0.0))[1]):
                    causes_by_item[item] = (cause, round(drop, 3))
    return causes_by_item


def _scores(model: Model, query: Query, ranked: Sequence[str]) -> dict[str, float]:
    """Return the scores of ranked items, or of the best ones where none are given."""
    answer = model.rank(query, ranked) if ranked else model.recommend(query, None, MAX_RESULTS)
    return {scored.item_id: scored.score or 1.0 / rank for rank, scored in enumerate(answer, 1)}


def _version(engine: Engine, source: str) -> Resource:
    """Return what has the model of a campaign or recommender. Raises ResourceNotFound."""
    if ":recommender/" in source:
        return serving_recommender(engine, source)
    return serving_version(engine, source)[1]


def _item(catalogue: Catalogue, item: str, *, ordered: bool) -> Json:
    """Return an item's columns, and its rank by popularity in training (1: the most popular); None if unknown.

    `ordered` says whether the model numbers its items by popularity.
    """
    position = catalogue.index_of(item) if ordered else None
    return {"columns": _short(catalogue.live.item(item)), "rank": None if position is None else position + 1}


def _suggested(catalogue: Catalogue) -> Json:
    live = catalogue.live
    popular = catalogue.item_ids[:SUGGESTED].tolist()
    return {"users": live.some_users(SUGGESTED), "popular": popular, "eventTypes": live.event_types()}


def _who(catalogue: Catalogue, item: str) -> Json:
    """Return how many interactions an item has, and the latest with their users."""
    count, rows = catalogue.live.of_item(item, LATEST)
    latest = [{"user": user, "time": row.timestamp, "type": row.event_type} for user, row in rows]
    return {"interactions": count, "latest": latest}


def _like(catalogue: Catalogue, text: str) -> Json:
    """Return users and items whose ids begin with a text, and users who have it in their columns."""
    live, items = catalogue.live, (item for item in catalogue.item_ids.tolist() if item.startswith(text))
    return {
        "users": live.users_starting(text, SUGGESTED),
        "described": {user: _short(columns) for user, columns in live.users_having(text, SUGGESTED).items()},
        "items": list(islice(items, SUGGESTED)),
    }


def _short(row: Mapping[str, Value]) -> Mapping[str, Value]:
    return {name: value[:CHARACTERS] if isinstance(value, str) else value for name, value in row.items()}
