# SPDX-License-Identifier: Apache-2.0
"""Recommendations and rankings."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from personalization.core.aws.errors import translate_errors
from personalization.core.errors import Rejected
from personalization.personalize.requests import Ask, Predicted, without_metadata

if TYPE_CHECKING:
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient


def recommend(client: "PersonalizeRuntimeClient", ask: Ask) -> Predicted:
    """GetRecommendations.

    Raises:
        RetryLater, Rejected, Broken: as `translate_errors` says; a campaign that is gone is Broken.
    """
    with translate_errors(ask.campaign_arn):
        if ":recommender/" in ask.campaign_arn:
            answer = client.get_recommendations(recommenderArn=ask.campaign_arn, **ask.parameters)
        else:
            answer = client.get_recommendations(campaignArn=ask.campaign_arn, **ask.parameters)
        return Predicted(answer["recommendationId"], answer["itemList"])


def rank(client: "PersonalizeRuntimeClient", ask: Ask) -> Predicted:
    """GetPersonalizedRanking.

    Raises:
        RetryLater, Rejected, Broken: as for `recommend`.
    """
    with translate_errors(ask.campaign_arn):
        answer = client.get_personalized_ranking(campaignArn=ask.campaign_arn, **ask.parameters)
        return Predicted(answer["recommendationId"], answer["personalizedRanking"])


def served(
    call: Callable[["PersonalizeRuntimeClient", Ask], Predicted], client: "PersonalizeRuntimeClient", ask: Ask
) -> Predicted:
    """What a campaign answers, without columns of Items where it refuses them.

    Nobody who asks can know which columns a campaign shows: it may be older than the shop's items.

    Raises:
        RetryLater, Rejected, Broken: as for `recommend`.
    """
    try:
        return call(client, ask)
    except Rejected:
        if "metadataColumns" not in ask.parameters:
            raise
    return call(client, without_metadata(ask))
