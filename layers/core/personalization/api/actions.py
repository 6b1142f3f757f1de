# SPDX-License-Identifier: Apache-2.0
"""Answer with the actions that a user most likely takes: the campaign's, or else earlier ones.

campaign → the last good answer for this user → what the campaign recommended to a stranger when it was promoted. An
answer that a filter has emptied stays empty, and no filter applies to the actions of a stranger.
"""

from typing import Any

from pydantic import Field

from personalization.api.fallback import FallbackChain
from personalization.api.lists import ListAsk, Predict, filtered
from personalization.core.problems import Problem
from personalization.shop.filters import Choice, Id
from personalization.shop.records.release import Release
from personalization.shop.settings.recipes import NEXT_BEST_ACTION

MOST_ACTIONS = 100
"""The most actions in one answer of Personalize."""


class ActionListing(Choice):
    """A request for a user's next best actions."""

    user_id: Id
    limit: int = Field(default=5, ge=1, le=MOST_ACTIONS)


def ask(release: Release, request: ActionListing) -> ListAsk:
    """Return the question for a user's actions.

    Raises:
        Problem: 400, the request is invalid; 404, the shop has no such campaign.
    """
    arn = release.campaigns.get(NEXT_BEST_ACTION)
    if arn is None:
        raise Problem(404, "The shop does not train next-best-action, or no version of it was approved yet.")
    parameters = {"userId": request.user_id, "numResults": request.limit, **filtered(release, request)}
    return ListAsk(arn, parameters, limit=request.limit)


def fill(chain: FallbackChain, release: Release, question: ListAsk, predict: Predict) -> dict[str, object]:
    """Return the answer's JSON, described by `api.models.ActionAnswer`.

    Raises:
        Rejected: Personalize calls the request invalid.
        PersonalizationError: Personalize does not answer, and the release has no actions.
    """
    answer = chain.remembered(question, predict, release.actions)
    items: Any = answer.pop("items")
    actions = [{"actionId": item["itemId"], "score": item["score"], "source": item["source"]} for item in items]
    return {"recommendationId": answer.pop("recommendationId"), "actions": actions, **answer}
