# SPDX-License-Identifier: Apache-2.0
"""GetRecommendations and GetPersonalizedRanking: model, live data and filters combined."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from personalize_local import filters
from personalize_local.data.recommendation_ids import recommendation_id
from personalize_local.engine import Call, Engine, Json, Resource, operation
from personalize_local.filters import Mask
from personalize_local.operations.campaigns import serving_version
from personalize_local.operations.datasets import schemas_of
from personalize_local.operations.filters import filter_of
from personalize_local.operations.recommenders import serving_recommender
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.topk import Scored
from personalize_local.recipes.definitions import RecipeSpec, recipe_of
from personalize_local.serving import Catalogue
from personalize_local.wire.errors import InvalidInput

MAX_RESULTS: Final = 500
MAX_WITH_METADATA: Final = 50
MAX_METADATA_COLUMNS: Final = 10
MAX_IMPRESSION: Final = 25
"""Items that an impression names."""
_DEFAULT_RESULTS: Final = 25
_OPERATIONS: Final = {
    "PERSONALIZED_RANKING": "GetPersonalizedRanking",
    "PERSONALIZED_ACTIONS": "GetActionRecommendations",
}
"""The operation that answers, by recipe type, where it is not GetRecommendations."""
_OWN_MEMBERS: Final = frozenset({"USER_ID", "ITEM_ID", "TIMESTAMP"})


@dataclass(frozen=True, slots=True)
class Question:
    """One request with everything that its answer depends on."""

    engine: Engine
    source: Resource
    """The campaign or recommender of the request."""
    spec: RecipeSpec
    catalogue: Catalogue
    query: Query
    columns: Mapping[str, str]
    """Items columns to show: as asked → as in the schema."""

    def allowed(self, request: Json) -> Mask | None:
        """Return the items that the use case and the filter of the request, or of a promotion, allow; None = all."""
        automatic = None
        if self.spec.left_out and self.query.history:
            done = _without_event(self.spec.left_out)
            automatic = filters.allowed(done, {}, self.catalogue, {}, self.query.history)
        if "filterArn" not in request:
            return automatic
        arn, query = request["filterArn"], self.query
        expression = filter_of(self.engine, arn, self.source.group)
        item = None
        if expression.uses_current_item:
            if self.spec.recipe_type != "RELATED_ITEMS" or query.item_id is None:
                raise InvalidInput(f"{arn} uses CurrentItem: it is for RELATED_ITEMS recipes, with an itemId.")
            item = self.catalogue.live.item(query.item_id)
        values = request.get("filterValues", {})
        mask = filters.allowed(expression, values, self.catalogue, query.user, query.history, item)
        return mask if automatic is None else mask & automatic

    def selects(self, request: Json) -> bool:
        """Tell whether the request's filter has an INCLUDE, which no item unknown to the model meets."""
        expressions = filter_of(self.engine, request["filterArn"], self.source.group).expressions
        return any(expression.include for expression in expressions)

    def shown(self, scored: Sequence[Scored], promotion: Json | None = None) -> list[Json]:
        """Return items as the wire shows them; use cases show neither scores nor reasons."""
        bare = self.spec.domain is not None
        promoted = "Promoted item" if promotion is not None and self.spec.events_config else None
        return [
            {
                "itemId": item.item_id,
                "score": None if bare or item.score is None else round(item.score, 7),
                "reason": [reason] if (reason := promoted or item.reason) and not bare else None,
                "promotionName": promotion.get("name") if promotion else None,
                "metadata": self._metadata(item.item_id) if self.columns else None,
            }
            for item in scored
        ]

    def _metadata(self, item_id: str) -> dict[str, str]:
        item = self.catalogue.live.item(item_id)
        return {name: str(item[column]) for name, column in self.columns.items() if column in item}


@operation("GetRecommendations")
async def get_recommendations(engine: Engine, call: Call, request: Json) -> Json:
    if ("campaignArn" in request) == ("recommenderArn" in request):
        raise InvalidInput("A request names either a campaignArn or a recommenderArn.")
    limit = request.get("numResults", _DEFAULT_RESULTS)
    question = await _question(engine, call, request, limit, ranking=False)
    items = _items(question, request, limit) if limit else []
    answer_id = recommendation_id(question.source.arn)
    engine.serving.remember(answer_id, (item["itemId"] for item in items[:MAX_IMPRESSION]))
    return {"itemList": items, "recommendationId": answer_id}


@operation("GetPersonalizedRanking")
async def get_personalized_ranking(engine: Engine, call: Call, request: Json) -> Json:
    ids = list(dict.fromkeys(request["inputList"]))
    question = await _question(engine, call, request, len(ids), ranking=True)
    mask = question.allowed(request)
    ranked = question.catalogue.model.rank(question.query, ids)
    if mask is not None:
        unknown = not question.selects(request)
        positions = ((item, question.catalogue.index_of(item.item_id)) for item in ranked)
        ranked = [item for item, position in positions if (unknown if position is None else mask[position])]
    return {
        "personalizedRanking": question.shown(ranked),
        "recommendationId": recommendation_id(question.source.arn),
    }


async def _question(engine: Engine, call: Call, request: Json, size: int, *, ranking: bool) -> Question:
    if "recommenderArn" in request:
        source = version = serving_recommender(engine, request["recommenderArn"])
    else:
        source, version = serving_version(engine, request["campaignArn"])
    spec = recipe_of(version.body["recipeArn"])
    answers = _OPERATIONS.get(spec.recipe_type, "GetRecommendations")
    if answers != ("GetPersonalizedRanking" if ranking else "GetRecommendations"):
        raise InvalidInput(f"{source.arn} is based on {spec.name}, of type {spec.recipe_type}: call {answers}.")
    for needed in spec.needs:
        if needed not in request:
            raise InvalidInput(f"{needed} is required by {spec.name}.")
    columns = _metadata_columns(engine, source, spec, request.get("metadataColumns", {}))
    most = MAX_WITH_METADATA if columns else MAX_RESULTS
    if not 0 <= size <= most:
        raise InvalidInput(
            f"A request is for at most {most} items{' with metadataColumns' if columns else ''}, not {size}."
        )
    context = _context(engine, source, request.get("context", {}))
    catalogue = await engine.serving.catalogue(version)
    return Question(engine, source, spec, catalogue, _query(catalogue, source, spec, request, context, call), columns)


def _config(source: Resource) -> Json:
    config: Json = source.body.get("campaignConfig") or source.body.get("recommenderConfig") or {}
    return config


@lru_cache
def _without_event(event_type: str) -> filters.Filter:
    return filters.parse(f'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("{event_type}")')


def _query(
    catalogue: Catalogue, source: Resource, spec: RecipeSpec, request: Json, context: Mapping[str, str], call: Call
) -> Query:
    user_id = request.get("userId")
    exploration_config = _config(source).get("itemExplorationConfig", {})
    return Query(
        user_id=user_id,
        item_id=request.get("itemId"),
        history=catalogue.live.history(user_id) if user_id else (),
        user=catalogue.live.user(user_id) if user_id else {},
        context=context,
        now=call.now,
        online=catalogue.online,
        influence=_config(source).get("rankingInfluence", {}),
        exploration={
            name: float(exploration_config.get(name, parameter.default)) for name, parameter in spec.exploration.items()
        },
    )


def _items(question: Question, request: Json, limit: int) -> list[Json]:
    """Return the answer's items: organic ones, with promoted ones at random places among them."""
    mask = question.allowed(request)
    recommend = question.catalogue.model.recommend
    promotion = next(iter(request.get("promotions", [])), None)
    if promotion is None:
        return question.shown(recommend(question.query, mask, limit))
    count = max(1, round(limit * promotion["percentPromotedItems"] / 100)) if "percentPromotedItems" in promotion else 0
    promoted = recommend(question.query, question.allowed(promotion), count) if count else []
    organic = recommend(question.query, _without(question.catalogue, mask, promoted), limit - len(promoted))
    places = sorted(random.sample(range(len(promoted) + len(organic)), len(promoted)))
    items = question.shown(organic)
    for position, item in zip(places, question.shown(promoted, promotion), strict=True):
        items.insert(position, item)
    return items


def _without(catalogue: Catalogue, mask: Mask | None, taken: Sequence[Scored]) -> Mask:
    rest = np.ones(len(catalogue.item_ids), np.bool_) if mask is None else mask.copy()
    positions = [catalogue.index_of(scored.item_id) for scored in taken]
    rest[[position for position in positions if position is not None]] = False
    return rest


def _metadata_columns(
    engine: Engine, source: Resource, spec: RecipeSpec, names_by_kind: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    if not names_by_kind:
        return {}
    enabled = _config(source).get("enableMetadataWithRecommendations")
    if not enabled and not spec.metadata_shown:
        raise InvalidInput(
            f"{source.arn} does not have enableMetadataWithRecommendations: it shows no metadataColumns."
        )
    (kind, names), *_ = names_by_kind.items()
    schema = schemas_of(engine, source.group).get("ITEMS")
    if kind.upper() != "ITEMS" or schema is None:
        raise InvalidInput("metadataColumns names columns of ITEMS, and the dataset group needs an Items dataset.")
    if len(names) > MAX_METADATA_COLUMNS:
        raise InvalidInput(f"metadataColumns names at most {MAX_METADATA_COLUMNS} columns.")
    fields = {name: schema.find(name) for name in names}
    for name, field in fields.items():
        if field is None or field.name == "ITEM_ID":
            raise InvalidInput(f"The Items dataset has no metadata column {name}.")
    return {name: field.name for name, field in fields.items() if field}


def _context(engine: Engine, source: Resource, context: Mapping[str, str]) -> dict[str, str]:
    """Return the context by the schema's spelling of its columns; ignores unknown columns, as AWS does."""
    schema = schemas_of(engine, source.group).get("INTERACTIONS") if context else None
    if schema is None:
        return {}
    fields = {name: schema.find(name) for name in context}
    return {field.name: context[name] for name, field in fields.items() if field and field.name not in _OWN_MEMBERS}
