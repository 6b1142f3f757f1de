# SPDX-License-Identifier: Apache-2.0
"""Ensure recommenders; every step can be repeated."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import none_if_missing, translate_errors
from personalization.core.aws.pagination import paginate
from personalization.core.errors import Rejected, RetryLater
from personalization.personalize.ensure import CREATED, created, usable
from personalization.shop import recommenders
from personalization.shop.plan import Plan, RecommenderPart, Step

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient


def ensure_recommender(client: "PersonalizeClient", plan: Plan, wanted: RecommenderPart) -> Step:
    """Create or update one of the shop's recommenders to the plan; the state machine waits for it.

    Raises:
        Rejected: its name is that of another use case, which Personalize cannot change, or of another shop's.
        RetryLater: Personalize is working on another change of it.
    """
    arn, group = wanted.arn, plan.dataset_group.arn
    with translate_errors(arn):
        existing = none_if_missing(lambda: client.describe_recommender(recommenderArn=arn)["recommender"])
        # Send the whole configuration: Amazon does not document whether an update keeps missing members.
        config: dict[str, Any] = {
            "recommenderConfig": {**(existing or {}).get("recommenderConfig", {}), **wanted.config}
        }
        if existing is None:
            created(
                lambda: client.create_recommender(
                    name=wanted.name, datasetGroupArn=group, recipeArn=wanted.recipe_arn, **config
                )
            )
            return Step(arn=arn, status=CREATED)
        step = usable(arn, existing["status"], lambda: client.delete_recommender(recommenderArn=arn))
        if existing["datasetGroupArn"] != group:
            raise Rejected(arn, "the recommender is of another shop: give this one another name")
        if existing["recipeArn"] != wanted.recipe_arn:
            raise Rejected(arn, "the recommender is there for another use case: give the changed one a new name")
        action = recommenders.decide(existing, wanted.config)
        if action == "busy":
            raise RetryLater(arn, f"Personalize is at work on the recommender ({existing['status']})")
        if action == "update":
            client.update_recommender(recommenderArn=arn, **config)
            return Step(arn=arn, status=CREATED)
    return step


def statuses(client: "PersonalizeClient", group_arn: str) -> Mapping[str, str]:
    """Return the statuses of a dataset group's recommenders by their names in settings.

    Recommenders that no run would name so have their full name.
    """
    start = f"{group_arn.rpartition('/')[2]}-"
    with translate_errors(group_arn):
        found = paginate(client.list_recommenders, "recommenders", datasetGroupArn=group_arn, maxResults=100)
        return {each["name"].removeprefix(start): each["status"] for each in found}
