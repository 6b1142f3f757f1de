# SPDX-License-Identifier: Apache-2.0
"""Batch inference and segment jobs: JSON lines in, JSON lines out; the answer to a bad line is its error."""

import json
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from personalize_local import filters
from personalize_local.answers.catalogue import Catalogue
from personalize_local.data import arrays
from personalize_local.data.live import LiveData
from personalize_local.data.s3 import deliver, fetch
from personalize_local.data.schemas import Schema
from personalize_local.filters.evaluation import allowed
from personalize_local.filters.expressions import Condition, Filter, Placeholder
from personalize_local.jobs.tasks import BatchTask
from personalize_local.jobs.themes import Themes
from personalize_local.recipes import loading
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.definitions import RECIPES, RecipeSpec
from personalize_local.recipes.segments import AffinityModel
from personalize_local.serving import read_live
from personalize_local.wire.errors import ImportRefused, InvalidInput, JobRefused
from personalize_local.wire.protocol import Json, load_json

INVALID_INPUT: Final = "Invalid S3 input path"
THEMED: Final = 100
"""Items in an input file of a job with themes."""
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


def answer(task: BatchTask) -> int:
    count = 0
    with tempfile.TemporaryDirectory(prefix="batch-") as scratch:
        try:
            inputs = fetch(task.source, Path(scratch) / "in")
        except ImportRefused as refused:
            raise JobRefused.since(refused, INVALID_INPUT) from refused
        answer_line, member = _answerer(task)
        outputs = Path(scratch) / "out"
        outputs.mkdir()
        for file in inputs:
            with (
                file.open(encoding="utf-8") as lines,
                (outputs / f"{file.name}.out").open("w", encoding="utf-8") as out,
            ):
                for number, line in enumerate(filter(str.strip, lines), 1):
                    if task.themes and number > THEMED:
                        raise JobRefused(f"{file.name} has more than {THEMED} items, the most for themes")
                    out.write(json.dumps(_row(line, answer_line, member), ensure_ascii=False) + "\n")
                    count += 1
        deliver(sorted(outputs.iterdir()), task.target)
    return count


def _row(line: str, answer_line: Callable[[Json], Json], member: str) -> Json:
    query_line: object = line.strip()
    try:
        query_line = load_json(line)
        if isinstance(query_line, dict):
            return {**_at_the_top(query_line), "input": query_line, "output": answer_line(query_line), "error": None}
        reason = "Each line must be one JSON object"
    except ValueError:
        reason = "Each line must be one JSON object"
    except InvalidInput as error:
        reason = error.message
    return {**_at_the_top(query_line), "input": query_line, "output": {member: []}, "error": f"User error: {reason}"}


def _at_the_top(query_line: object) -> Json:
    """Return a segment's conditions, which AWS's guide shows outside of `input` ("Batch segment job output format
    examples"), whereas AWS's samples read them inside."""
    return (
        {"itemAttributes": query_line["itemAttributes"]}
        if isinstance(query_line, dict) and "itemAttributes" in query_line
        else {}
    )


def _answerer(task: BatchTask) -> tuple[Callable[[Json], Json], str]:
    """Return the function that answers a line, and the member of its answers."""
    spec = RECIPES[task.recipe]
    live, _ = read_live(task.database, task.bulk, task.datasets)
    if spec.recipe_type == "USER_SEGMENTATION":
        model = AffinityModel(*arrays.load(task.model))
        users, items = _Users(model.user_ids, live), Catalogue(model, live)
        return lambda members: _segment(task, model, users, items, members), "usersList"
    catalogue = Catalogue(loading.load(task.model), live)
    if task.themes:
        themes = Themes(live, catalogue.item_ids, task.themes)
        return lambda members: _themed(themes, _recommended(task, spec, catalogue, members)), "recommendedItems"
    return lambda members: _recommended(task, spec, catalogue, members), "recommendedItems"


def _recommended(task: BatchTask, spec: RecipeSpec, catalogue: Catalogue, members: Json) -> Json:
    _check(_NEEDS[spec.recipe_type], members, optional=spec.recipe_type == "POPULAR_ITEMS")
    user, live = members.get("userId"), catalogue.live
    query = Query(
        user,
        members.get("itemId"),
        live.history(user) if user else (),
        live.user(user) if user else {},
        {str(name).upper(): str(value) for name, value in members.get("context", {}).items()},
        task.now,
        task.exploration,
        influence=task.influence,
    )
    mask = None
    if task.filter:
        item = live.item(query.item_id) if query.item_id else None
        mask = allowed(task.filter, _values(members), catalogue, query.user, query.history, item)
    if spec.recipe_type == "PERSONALIZED_RANKING":
        scored = catalogue.model.rank(query, list(dict.fromkeys(members["itemList"])))
        places = ((item, catalogue.index_of(item.item_id)) for item in scored)
        scored = [item for item, position in places if mask is None or (position is not None and mask[position])][
            : task.results
        ]
    else:
        scored = catalogue.model.recommend(query, mask, task.results)
    output: Json = {"recommendedItems": [item.item_id for item in scored]}
    return output | ({"scores": [item.score for item in scored]} if spec.scores_shown else {})


def _themed(themes: Themes, output: Json) -> Json:
    """Add the theme of the recommended items, and put them in the order of its relevance."""
    theme, scored = themes.of(output["recommendedItems"])
    scores = [score for _, score in scored]
    return {"recommendedItems": [item for item, _ in scored], "theme": theme, "itemsThemeRelevanceScores": scores}


def _segment(task: BatchTask, model: AffinityModel, users: _Users, items: Catalogue, members: Json) -> Json:
    _check(_NEEDS[task.recipe], members)
    if "itemId" in _NEEDS[task.recipe]:
        interest = model.of_item(members["itemId"])
    else:
        chosen = attributes(members["itemAttributes"], task.schemas)
        interest = model.of_items(allowed(chosen, {}, items, {}, ()))
    mask = allowed(task.filter, _values(members), users, {}, ()) if task.filter else None
    return {"usersList": model.segment(interest, mask, task.results)}


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
