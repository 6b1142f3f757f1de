# SPDX-License-Identifier: Apache-2.0
"""GetActionRecommendations of campaigns; `answers` computes them."""

from functools import partial

from personalize_local.answers import actions
from personalize_local.answers.questions import Facts
from personalize_local.data.recommendation_ids import recommendation_id
from personalize_local.engine import Call, Engine, Json, operation
from personalize_local.operations.campaigns import serving_version
from personalize_local.operations.filters import filter_of
from personalize_local.operations.runtime import source_of
from personalize_local.wire.errors import InvalidInput


@operation("GetActionRecommendations")
async def get_action_recommendations(engine: Engine, call: Call, request: Json) -> Json:
    if "campaignArn" not in request:
        raise InvalidInput("campaignArn is required.")
    campaign, version = serving_version(engine, request["campaignArn"])
    limit = actions.check(source_of(engine, campaign, version), request)
    catalogue, of_group = await engine.serving.catalogue(version), await engine.serving.live(version.group)
    facts = Facts(
        catalogue=catalogue,
        history=catalogue.live.history(request["userId"]),
        user=of_group.user(request["userId"]),
        filter_of=partial(filter_of, engine, group=version.group),
        now=call.now,
    )
    return {
        "actionList": actions.recommended(request, facts, limit),
        "recommendationId": recommendation_id(campaign.arn),
    }
