# SPDX-License-Identifier: Apache-2.0
"""GetActionRecommendations: the most likely of the actions that are open to a user now."""

from typing import Final

import numpy as np

from personalize_local.answers.catalogue import Catalogue
from personalize_local.answers.questions import Facts, Json, Request, Source
from personalize_local.filters.evaluation import allowed
from personalize_local.filters.values import Mask
from personalize_local.recipes.actions import DAY, taken
from personalize_local.recipes.base import Query
from personalize_local.wire.errors import InvalidInput

MAX_RESULTS: Final = 100
_DEFAULT_RESULTS: Final = 5
_EXPIRES: Final = ("ACTION_EXPIRATION_TIMESTAMP", "EXPIRATION_TIMESTAMP")


def check(source: Source, request: Request) -> int:
    """Check a request; returns how many actions are wanted. Raises InvalidInput."""
    spec = source.spec
    if spec.recipe_type != "PERSONALIZED_ACTIONS":
        raise InvalidInput(f"{source.arn} is based on {spec.name}, of type {spec.recipe_type}: it has no actions.")
    if "userId" not in request:
        raise InvalidInput(f"userId is required by {spec.name}.")
    limit: int = request.get("numResults", _DEFAULT_RESULTS)
    if not 0 <= limit <= MAX_RESULTS:
        raise InvalidInput(f"numResults is at most {MAX_RESULTS}, not {limit}.")
    return limit


def recommended(request: Request, facts: Facts, limit: int) -> list[Json]:
    """Return the actions of an answer, best first. Raises InvalidInput, and what `facts.filter_of` raises."""
    catalogue = facts.catalogue
    query = Query(request["userId"], history=facts.history, user=facts.user, now=facts.now)
    mask = _open(catalogue, query)
    if "filterArn" in request:
        expression = facts.filter_of(request["filterArn"])
        if expression.expressions[0].target != "ActionID":
            raise InvalidInput(f"{request['filterArn']} does not choose actions: its expression has no ActionID.")
        mask &= allowed(expression, request.get("filterValues", {}), catalogue, query.user, query.history)
    scored = catalogue.model.recommend(query, mask, limit)
    return [{"actionId": action.item_id, "score": action.score} for action in scored]


def _open(catalogue: Catalogue, query: Query) -> Mask:
    """Return the actions that have not expired, and that the user has not taken within their REPEAT_FREQUENCY."""
    mask = np.ones(len(catalogue.item_ids), np.bool_)
    for name in _EXPIRES:
        ends = catalogue.column(name)
        if ends.dtype != object:
            mask &= ~(ends.astype(np.float64) <= query.now)
    for row in query.history:
        days = catalogue.live.item(row.item_id).get("REPEAT_FREQUENCY") if taken(row.event_type) else None
        position = catalogue.index_of(row.item_id)
        if position is not None and isinstance(days, int | float) and query.now - row.timestamp < days * DAY:
            mask[position] = False
    return mask
