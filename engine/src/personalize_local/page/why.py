# SPDX-License-Identifier: Apache-2.0
"""What stands beside an answer of a campaign or a recommender, as people ask it on the page."""

import asyncio

from personalize_local.answers.explaining import Causes, Explaining, read
from personalize_local.engine import Engine, Json, Resource
from personalize_local.operations.campaigns import serving_version
from personalize_local.operations.recommenders import serving_recommender
from personalize_local.recipes.definitions import recipe_of
from personalize_local.wire.errors import InvalidInput


async def facts(engine: Engine, question: Json) -> Json:
    """Return what is known of a `user` and of `items` (ids) to the `source`, the ARN of a campaign or recommender.

    `item` is the one that similar items were asked for; `who` an item whose latest users are wanted, `like` a text to
    look up: the beginning of ids, or in a user's columns.

    Without a user, names some users and popular items to ask about. Raises InvalidInput, ResourceNotFound.
    """
    source, asking = question.get("source"), read(question)
    if not isinstance(source, str):
        raise InvalidInput("Name a source: the ARN of a campaign or recommender.")
    version = _version(engine, source)
    catalogue = await engine.serving.catalogue(version)
    live, user = catalogue.live, asking.user
    explaining = Explaining(
        question=asking,
        recipe_type=recipe_of(version.body["recipeArn"]).recipe_type,
        catalogue=catalogue,
        history=live.history(user) if user else (),
        user=live.user(user) if user else {},
        now=engine.clock.now(),
    )
    causes: Causes = {}
    for so_far in explaining.causes():
        causes = so_far
        await asyncio.sleep(0)  # requests go first
    return explaining.facts(causes)


def _version(engine: Engine, source: str) -> Resource:
    """Return what has the model of a campaign or recommender. Raises ResourceNotFound."""
    if ":recommender/" in source:
        return serving_recommender(engine, source)
    return serving_version(engine, source)[1]
