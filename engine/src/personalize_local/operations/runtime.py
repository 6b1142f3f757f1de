# SPDX-License-Identifier: Apache-2.0
"""GetRecommendations and GetPersonalizedRanking of campaigns and recommenders; `answers` computes them."""

from functools import partial
from typing import Final

from personalize_local.answers import questions
from personalize_local.answers.questions import Facts, Question, Source
from personalize_local.data.recommendation_ids import recommendation_id
from personalize_local.engine import Call, Engine, Json, Resource, operation
from personalize_local.operations.campaigns import serving_version
from personalize_local.operations.datasets import schemas_of
from personalize_local.operations.filters import filter_of
from personalize_local.operations.recommenders import serving_recommender
from personalize_local.recipes.definitions import recipe_of
from personalize_local.wire.errors import InvalidInput

MAX_IMPRESSION: Final = 25
"""Items that an impression names."""


@operation("GetRecommendations")
async def get_recommendations(engine: Engine, call: Call, request: Json) -> Json:
    if ("campaignArn" in request) == ("recommenderArn" in request):
        raise InvalidInput("A request names either a campaignArn or a recommenderArn.")
    resource, version = _answering(engine, request)
    question = questions.recommendations(source_of(engine, resource, version), request)
    answer_id = recommendation_id(resource.arn)
    items = questions.recommended(question, await _facts(engine, call, version, question), answer_id)
    engine.serving.remember(answer_id, (item["itemId"] for item in items[:MAX_IMPRESSION]))
    return {"itemList": items, "recommendationId": answer_id}


@operation("GetPersonalizedRanking")
async def get_personalized_ranking(engine: Engine, call: Call, request: Json) -> Json:
    resource, version = _answering(engine, request)
    question = questions.ranking(source_of(engine, resource, version), request)
    items = questions.ranked(question, await _facts(engine, call, version, question))
    return {"personalizedRanking": items, "recommendationId": recommendation_id(resource.arn)}


def source_of(engine: Engine, resource: Resource, version: Resource) -> Source:
    """Return a campaign or recommender, and what has its model, as what answers."""
    config = resource.body.get("campaignConfig") or resource.body.get("recommenderConfig") or {}
    spec = recipe_of(version.body["recipeArn"])
    return Source(resource.arn, spec, config, partial(schemas_of, engine, resource.group))


def _answering(engine: Engine, request: Json) -> tuple[Resource, Resource]:
    """Return the campaign or recommender of a request, and what has its model. Raises ResourceNotFound."""
    if "recommenderArn" in request:
        recommender = serving_recommender(engine, request["recommenderArn"])
        return recommender, recommender
    return serving_version(engine, request["campaignArn"])


async def _facts(engine: Engine, call: Call, version: Resource, question: Question) -> Facts:
    catalogue = await engine.serving.catalogue(version)
    user = question.request.get("userId")
    return Facts(
        catalogue=catalogue,
        history=catalogue.live.history(user) if user else (),
        user=catalogue.live.user(user) if user else {},
        filter_of=partial(filter_of, engine, group=version.group),
        now=call.now,
    )
