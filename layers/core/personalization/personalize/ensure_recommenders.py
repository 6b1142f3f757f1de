# SPDX-License-Identifier: Apache-2.0
"""Recommenders, safe to repeat as everything in `control` is."""

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
    """One of the shop's recommenders, made or changed as the plan has it; the machine waits for it.

    Raises:
        Rejected: its name is that of another use case, which Personalize cannot change, or of another shop's.
        RetryLater: Personalize is at work on another change of it.
    """
    arn, group = wanted.arn, plan.dataset_group.arn
    with translate_errors(arn):
        there = none_if_missing(lambda: client.describe_recommender(recommenderArn=arn)["recommender"])
        # All of it: whether Personalize keeps what an update leaves out is not said.
        config: dict[str, Any] = {"recommenderConfig": {**(there or {}).get("recommenderConfig", {}), **wanted.config}}
        if there is None:
            created(
                lambda: client.create_recommender(
                    name=wanted.name, datasetGroupArn=group, recipeArn=wanted.recipe_arn, **config
                )
            )
            return Step(arn=arn, status=CREATED)
        step = usable(arn, there["status"], lambda: client.delete_recommender(recommenderArn=arn))
        if there["datasetGroupArn"] != group:
            raise Rejected(arn, "the recommender is of another shop: give this one another name")
        if there["recipeArn"] != wanted.recipe_arn:
            raise Rejected(arn, "the recommender is there for another use case: give the changed one a new name")
        action = recommenders.decide(there, wanted.config)
        if action == "busy":
            raise RetryLater(arn, f"Personalize is at work on the recommender ({there['status']})")
        if action == "update":
            client.update_recommender(recommenderArn=arn, **config)
            return Step(arn=arn, status=CREATED)
    return step


def statuses(client: "PersonalizeClient", group_arn: str) -> Mapping[str, str]:
    """The statuses of a dataset group's recommenders by the names that settings have for them.

    Those that are named otherwise than a run would name them have their whole name.
    """
    start = f"{group_arn.rpartition('/')[2]}-"
    with translate_errors(group_arn):
        found = paginate(client.list_recommenders, "recommenders", datasetGroupArn=group_arn, maxResults=100)
        return {each["name"].removeprefix(start): each["status"] for each in found}
