# SPDX-License-Identifier: Apache-2.0
"""Lines of batch inference and segment jobs: JSON in, JSON out; the answer to a bad line is its error (numpy only).

Models of segments need scipy.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from personalize_local import filters
from personalize_local.answers.catalogue import Catalogue
from personalize_local.data.live import LiveData
from personalize_local.data.records import Interaction, Value
from personalize_local.data.schemas import Schema
from personalize_local.filters.evaluation import allowed
from personalize_local.filters.expressions import Condition, Filter, Placeholder
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.definitions import RECIPES
from personalize_local.wire.errors import InvalidInput
from personalize_local.wire.protocol import Json, load_json

if TYPE_CHECKING:
    from personalize_local.recipes.segments import AffinityModel

_NEEDS: Final[dict[str, dict[str, type]]] = {
    "USER_PERSONALIZATION": {"userId": str},
    "POPULAR_ITEMS": {"userId": str},
    "RELATED_ITEMS": {"itemId": str},
    "PERSONALIZED_RANKING": {"userId": str, "itemList": list},
    "aws-item-affinity": {"itemId": str},
    "aws-item-attribute-affinity": {"itemAttributes": str},
}
"""The members that a line needs, by recipe type; of segments, by recipe."""


@dataclass
class _Users:
    """The users of a model, in the form that filters need."""

    item_ids: npt.NDArray[np.object_]
    live: LiveData
    cache: dict[tuple[Hashable, ...], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = ItemIndex(self.item_ids).places

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a Users column, aligned with the users."""
        cells = np.empty(len(self.item_ids), object)
        cells[:] = [self.live.user(user).get(name) for user in self.item_ids.tolist()]
        numbers = all(cell is None or isinstance(cell, int | float) for cell in cells.tolist())
        return cells.astype(np.float64) if numbers else cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a job asks with each line."""

    recipe: str
    schemas: Mapping[str, Schema]
    filter: Filter | None
    results: int
    now: float
    exploration: Mapping[str, float] = field(default_factory=dict)
    influence: Mapping[str, float] = field(default_factory=dict)
    hidden: Callable[[str], bool] = lambda _user: False
    """Whether a user was erased since the training: no segment has them."""


class Person(NamedTuple):
    """What is known of the user of a line."""

    user_id: str
    """By which the model knows them."""
    history: Sequence[Interaction]
    attributes: Mapping[str, Value]


class Lines:
    """Answers the lines of one job, from a model with its live data."""

    def __init__(self, job: Job, catalogue: Catalogue, person: Callable[[str], Person] | None = None) -> None:
        """`person` tells what is known of a user; the live data, if it is left out."""
        self._job, self._catalogue = job, catalogue
        self._person = person or self._of_live_data
        self._spec = RECIPES[job.recipe]
        self._segments = self._spec.recipe_type == "USER_SEGMENTATION"
        self._member = "usersList" if self._segments else "recommendedItems"
        self._affinity = cast("AffinityModel", catalogue.model)
        if self._segments:
            self._users = _Users(self._affinity.user_ids, catalogue.live)
            users = self._users.item_ids.tolist()
            self._staying = np.array([not job.hidden(user) for user in users], np.bool_)

    def answer(self, line: str, finish: Callable[[Json], Json] = lambda output: output) -> Json:
        """Answer a line; `finish` adds to the output of a list."""
        query_line: object = line.strip()
        try:
            query_line = load_json(line)
            if isinstance(query_line, dict):
                output = self._segment(query_line) if self._segments else finish(self._recommended(query_line))
                return {**_at_the_top(query_line), "input": query_line, "output": output, "error": None}
            reason = "Each line must be one JSON object"
        except ValueError:
            reason = "Each line must be one JSON object"
        except InvalidInput as error:
            reason = error.message
        output = {self._member: []}
        return {**_at_the_top(query_line), "input": query_line, "output": output, "error": f"User error: {reason}"}

    def _of_live_data(self, user: str) -> Person:
        live = self._catalogue.live
        return Person(user, live.history(user), live.user(user))

    def _recommended(self, members: Json) -> Json:
        job, catalogue, kind = self._job, self._catalogue, self._spec.recipe_type
        _check(_NEEDS[kind], members, optional=kind == "POPULAR_ITEMS")
        user, live = members.get("userId"), catalogue.live
        person = self._person(user) if user else None
        query = Query(
            person.user_id if person else user,
            members.get("itemId"),
            person.history if person else (),
            person.attributes if person else {},
            {str(name).upper(): str(value) for name, value in members.get("context", {}).items()},
            job.now,
            job.exploration,
            online=catalogue.online,
            influence=job.influence,
        )
        mask = None
        if job.filter:
            item = live.item(query.item_id) if query.item_id else None
            mask = allowed(job.filter, _values(members), catalogue, query.user, query.history, item)
        if kind == "PERSONALIZED_RANKING":
            scored = catalogue.model.rank(query, list(dict.fromkeys(members["itemList"])))
            places = ((item, catalogue.index_of(item.item_id)) for item in scored)
            scored = [item for item, position in places if mask is None or (position is not None and mask[position])][
                : job.results
            ]
        else:
            scored = catalogue.model.recommend(query, mask, job.results)
        output: Json = {"recommendedItems": [item.item_id for item in scored]}
        return output | ({"scores": [item.score for item in scored]} if self._spec.scores_shown else {})

    def _segment(self, members: Json) -> Json:
        job, model = self._job, self._affinity
        needs = _NEEDS[job.recipe]
        _check(needs, members)
        if "itemId" in needs:
            interest = model.of_item(members["itemId"])
        else:
            chosen = attributes(members["itemAttributes"], job.schemas)
            interest = model.of_items(allowed(chosen, {}, self._catalogue, {}, ()))
        mask = self._staying
        if job.filter:
            mask = mask & allowed(job.filter, _values(members), self._users, {}, ())
        return {"usersList": model.segment(interest, mask, job.results)}


def _at_the_top(query_line: object) -> Json:
    """Return a segment's conditions, which AWS's guide shows outside of `input` ("Batch segment job output format
    examples"), whereas AWS's samples read them inside."""
    return (
        {"itemAttributes": query_line["itemAttributes"]}
        if isinstance(query_line, dict) and "itemAttributes" in query_line
        else {}
    )


def _values(members: Json) -> dict[str, str]:
    values = members.get("filterValues", {})
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise InvalidInput("filterValues must be a map of strings")
    return values


def _check(needs: Mapping[str, type], members: Json, *, optional: bool = False) -> None:
    for name, kind in needs.items():
        if not isinstance(members.get(name), kind) and not (optional and name not in members):
            raise InvalidInput(f"Required fields for the provided recipe are {', '.join(needs)}")
    if not isinstance(members.get("context", {}), dict):
        raise InvalidInput("context must be a map")


def attributes(text: str, schemas: Mapping[str, Schema]) -> Filter:
    """Read `ITEMS.GENRE = "Comedy" AND …`: equality and AND only. Raises InvalidInput."""
    chosen = filters.check(filters.parse(f"INCLUDE ItemID WHERE {text}"), schemas)
    conditions: Sequence[Condition] = [c for expression in chosen.expressions for c in expression.conditions()]
    plain = all(c.dataset == "Items" and c.operator == "=" for c in conditions)
    if not plain or len(chosen.expressions) > 1 or len(chosen.expressions[0].alternatives) > 1:
        raise InvalidInput('itemAttributes must be conditions such as ITEMS.GENRE = "Comedy", joined by AND')
    if any(isinstance(operand, Placeholder) for c in conditions for operand in c.operands):
        raise InvalidInput("itemAttributes takes no placeholders")
    return chosen
