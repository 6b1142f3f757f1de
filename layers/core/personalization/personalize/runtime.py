# SPDX-License-Identifier: Apache-2.0
"""Recommendations and rankings: what a campaign is asked, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from personalization.core.aws.errors import translate_errors
from personalization.core.errors import Rejected

if TYPE_CHECKING:
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient


A = TypeVar("A", bound="Ask")


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a campaign: the parameters of GetRecommendations or GetPersonalizedRanking."""

    campaign_arn: str
    """Or a recommender's; empty where the release has none, and something else must fill the list."""
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a campaign answered: items as Personalize describes them."""

    recommendation_id: str | None
    """None where it is not Personalize that answered."""
    items: Sequence[Mapping[str, Any]]


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


def without_metadata(ask: A) -> A:
    """The same question for items without their columns."""
    parameters = {name: value for name, value in ask.parameters.items() if name != "metadataColumns"}
    return replace(ask, parameters=parameters)
