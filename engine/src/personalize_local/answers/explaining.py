# SPDX-License-Identifier: Apache-2.0
"""What stands beside an answer so that people see where it comes from: the user's history, and the items' columns."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from personalize_local.answers.catalogue import Catalogue
from personalize_local.answers.questions import MAX_RESULTS, Json
from personalize_local.data.records import Interaction, Value
from personalize_local.recipes.base import Query
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
Causes = Mapping[str, tuple[str, float]]
"""By item: the item of the history that it owes most to, and the share of its score that goes without that one."""


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to know; empty texts ask nothing."""

    user: str
    items: Sequence[str]
    """Of an answer."""
    item: str | None
    """The one that similar items were asked for."""
    who: str
    """An item whose latest users are wanted."""
    like: str
    """A text to look up: the beginning of ids, or in a user's columns."""


def read(question: Mapping[str, Any]) -> Question:
    """Read the members `user`, `items`, `item`, `who` and `like`. Raises InvalidInput."""
    items, starting = question.get("items", []), question.get("item")
    texts = [question.get(name, "") for name in ("user", "who", "like")]
    if not isinstance(items, list) or not all(isinstance(text, str) for text in [*texts, *items]):
        raise InvalidInput("Ask for a user, an item or a text by strings, and for items by a list of them.")
    if len(items) > MAX_RESULTS:
        raise InvalidInput(f"Ask for at most {MAX_RESULTS} items, not {len(items)}.")
    user, who, like = texts
    return Question(user, items, starting if isinstance(starting, str) else None, who, like)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explaining:
    """A question, with what its answer depends on."""

    question: Question
    recipe_type: str
    catalogue: Catalogue
    history: Sequence[Interaction] = ()
    """Of the user, oldest first."""
    user: Mapping[str, Value]
    """The user's metadata; empty if unknown."""
    now: float
    erased: Collection[str] = ()
    """Users whom the imported data still have, but nobody may see."""

    def causes(self) -> Iterator[Causes]:
        """Yield what each item owes most to, again after each item of the history; the last mapping is the answer.

        Asks the model again without each of the latest items, so it is true of every recipe. Of models that show no
        scores, `1 / rank` stands for the score. Leaves out an item if no single item of the history lowers its score
        by LEAST.
        """
        items, query = self.question.items, self._query()
        latest = list(dict.fromkeys(row.item_id for row in reversed(query.history)))[:CAUSES]
        with_all = self._scores(query) if items and latest else {}
        causes: dict[str, tuple[str, float]] = {}
        yield causes
        for cause in latest if with_all else ():
            without = self._scores(replace(query, history=[row for row in query.history if row.item_id != cause]))
            for item in items:
                if with_all.get(item):
                    drop = 1.0 - without.get(item, 0.0) / with_all[item]
                    if drop >= max(LEAST, causes.get(item, ("", 0.0))[1]):
                        causes[item] = (cause, round(drop, 3))
            yield causes

    def facts(self, causes: Causes) -> Json:
        """Return what is known of the user and the items, with the causes that were found."""
        question, rows, catalogue = self.question, self.history, self.catalogue
        latest = list(rows[: -LATEST - 1 : -1])
        times: dict[str, int] = {}
        for row in rows:
            times[row.item_id] = times.get(row.item_id, 0) + 1
        shown = [*question.items, *(row.item_id for row in latest), *(cause for cause, _ in causes.values())]
        return {
            "user": _short(self.user),
            "interactions": len(rows),
            "latest": [
                {"item": row.item_id, "time": row.timestamp, "type": row.event_type, "value": row.event_value}
                for row in latest
            ],
            "because": causes,
            "items": {item: self._item(item) | {"times": times.get(item, 0)} for item in dict.fromkeys(shown)},
            **({} if question.user else self._suggested()),
            **({"who": _who(catalogue, question.who, self.erased)} if question.who else {}),
            **({"like": _like(catalogue, question.like, self.erased)} if question.like else {}),
        }

    def _query(self) -> Query:
        return Query(
            user_id=self.question.user or None,
            item_id=self.question.item,
            history=self.history,
            user=self.user,
            now=self.now,
            exploration={"explorationWeight": 0.0},
            online=self.catalogue.online,
        )

    def _scores(self, query: Query) -> dict[str, float]:
        """Return the scores of the question's items where the model ranks; otherwise of the best ones."""
        model = self.catalogue.model
        ranks = self.recipe_type == "PERSONALIZED_RANKING"
        answer = model.rank(query, self.question.items) if ranks else model.recommend(query, None, MAX_RESULTS)
        return {scored.item_id: scored.score or 1.0 / rank for rank, scored in enumerate(answer, 1)}

    def _item(self, item: str) -> Json:
        """Return an item's columns, and its rank by popularity in training (1: the most popular); None if unknown.

        Models of actions do not number them by popularity.
        """
        position = self.catalogue.index_of(item) if self.recipe_type != "PERSONALIZED_ACTIONS" else None
        return {"columns": _short(self.catalogue.live.item(item)), "rank": None if position is None else position + 1}

    def _suggested(self) -> Json:
        live = self.catalogue.live
        popular = self.catalogue.item_ids[:SUGGESTED].tolist()
        return {"users": live.some_users(SUGGESTED, self.erased), "popular": popular, "eventTypes": live.event_types()}


def _who(catalogue: Catalogue, item: str, erased: Collection[str]) -> Json:
    """Return how many interactions an item has, and the latest with their users."""
    count, rows = catalogue.live.of_item(item, LATEST, erased)
    latest = [{"user": user, "time": row.timestamp, "type": row.event_type} for user, row in rows]
    return {"interactions": count, "latest": latest}


def _like(catalogue: Catalogue, text: str, erased: Collection[str]) -> Json:
    """Return users and items whose ids begin with a text, and users who have it in their columns."""
    live, items = catalogue.live, (item for item in catalogue.item_ids.tolist() if item.startswith(text))
    described = live.users_having(text, SUGGESTED, erased)
    return {
        "users": live.users_starting(text, SUGGESTED, erased),
        "described": {user: _short(columns) for user, columns in described.items()},
        "items": list(islice(items, SUGGESTED)),
    }


def _short(row: Mapping[str, Value]) -> Mapping[str, Value]:
    return {name: value[:CHARACTERS] if isinstance(value, str) else value for name, value in row.items()}
