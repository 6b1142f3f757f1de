# SPDX-License-Identifier: Apache-2.0
"""Recommendations and rankings."""

from typing import TYPE_CHECKING

from personalization.aws.failures import about
from personalization.recommendations import Ask, Predicted

if TYPE_CHECKING:
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient


def recommend(client: "PersonalizeRuntimeClient", ask: Ask) -> Predicted:
    """GetRecommendations.

    Raises:
        RetryLater, Rejected, Broken: as `failures.about` says; a campaign that is gone is Broken.
    """
    with about(ask.campaign_arn):
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
    with about(ask.campaign_arn):
        answer = client.get_personalized_ranking(campaignArn=ask.campaign_arn, **ask.parameters)
        return Predicted(answer["recommendationId"], answer["personalizedRanking"])
