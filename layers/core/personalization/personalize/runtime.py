# SPDX-License-Identifier: Apache-2.0
"""Request recommendations and rankings from a campaign."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from personalization.core.errors import Rejected
from personalization.core.names import backend_of, on_backend

if TYPE_CHECKING:
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient

A = TypeVar("A", bound="Ask")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a campaign: the parameters of GetRecommendations or GetPersonalizedRanking."""

    campaign_arn: str
    """A campaign's or a recommender's ARN; empty if the release has none, and a fallback fills the list."""
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Predicted:
    """A campaign's answer: items as Personalize describes them."""

    recommendation_id: str | None
    """None for answers from elsewhere."""
    items: Sequence[Mapping[str, Any]]


def recommend(client: "PersonalizeRuntimeClient", ask: Ask) -> Predicted:
    """Call GetRecommendations.

    Raises:
        RetryLater, Rejected, Broken: see `aws.errors.Translating`; a missing campaign is Broken.
    """
    parameters = _parameters(ask)
    if ":recommender/" in ask.campaign_arn:
        answer = client.get_recommendations(recommenderArn=ask.campaign_arn, **parameters)
    else:
        answer = client.get_recommendations(campaignArn=ask.campaign_arn, **parameters)
    return Predicted(answer["recommendationId"], answer["itemList"])


def rank(client: "PersonalizeRuntimeClient", ask: Ask) -> Predicted:
    """Call GetPersonalizedRanking; raise as `recommend`."""
    answer = client.get_personalized_ranking(campaignArn=ask.campaign_arn, **_parameters(ask))
    return Predicted(answer["recommendationId"], answer["personalizedRanking"])


def recommend_actions(client: "PersonalizeRuntimeClient", ask: Ask) -> Predicted:
    """Call GetActionRecommendations; raise as `recommend`. The actions have the form of items."""
    answer = client.get_action_recommendations(campaignArn=ask.campaign_arn, **_parameters(ask))
    items = [{"itemId": action["actionId"], "score": action.get("score")} for action in answer["actionList"]]
    return Predicted(answer["recommendationId"], items)


def _parameters(ask: Ask) -> dict[str, Any]:
    """Return the parameters of a request with the filters of its campaign's backend: all have the same names."""
    parameters = dict(ask.parameters)
    if not {"filterArn", "promotions"} & parameters.keys():
        return parameters
    backend = backend_of(ask.campaign_arn)
    if "filterArn" in parameters:
        parameters["filterArn"] = on_backend(parameters["filterArn"], backend)
    if "promotions" in parameters:
        parameters["promotions"] = [
            {**promotion, "filterArn": on_backend(promotion["filterArn"], backend)}
            for promotion in parameters["promotions"]
        ]
    return parameters


def served(
    call: Callable[["PersonalizeRuntimeClient", Ask], Predicted],
    client: "Callable[[], PersonalizeRuntimeClient]",
    ask: Ask,
) -> Predicted:
    """Return a campaign's answer, without columns of Items if it refuses them: it may be older than those columns."""
    try:
        return call(client(), ask)
    except Rejected:
        if "metadataColumns" not in ask.parameters:
            raise
    return call(client(), without_metadata(ask))


def without_metadata(ask: A) -> A:
    """Return the same request without columns of items."""
    parameters = {name: value for name, value in ask.parameters.items() if name != "metadataColumns"}
    return replace(ask, parameters=parameters)
