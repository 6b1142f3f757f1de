# SPDX-License-Identifier: Apache-2.0
"""Dispatch the import and training steps by the state machine's step names."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from personalization.core.environment import Environment
from personalization.core.errors import Broken
from personalization.personalize import ensure, training
from personalization.personalize.readiness import Stage, advance
from personalization.shop import recommenders
from personalization.shop.plan import ImportJob, ImportRequest, Step, TrainRequest

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient


def import_step(client: "PersonalizeClient", request: ImportRequest, environment: Environment) -> Step:
    """Ensure the requested resources in sequence.

    Raises:
        Broken: a `filter` or `recommender` step lacks its resource, or a resource has failed.
    """
    plan = request.plan

    def recommender() -> Stage:
        wanted = request.recommender
        if wanted is None:
            raise Broken("recommender", "the step needs a recommender of the plan")
        return Stage(
            wanted.name,
            lambda _: ensure.ensure_recommender(client, plan, wanted),
            lambda arn: recommenders.progress_to(
                client.describe_recommender(recommenderArn=arn)["recommender"], wanted.config
            ),
        )

    def a_filter() -> Stage:
        wanted = request.filter
        if wanted is None:
            raise Broken("filter", "the step needs a filter of the plan")
        return Stage(
            wanted.name,
            lambda _: ensure.ensure_filter(client, plan, wanted),
            lambda arn: client.describe_filter(filterArn=arn)["filter"],
        )

    def import_job(job: ImportJob) -> Stage:
        part = plan.model_copy(update={"import_job": job})
        return Stage(
            job.name,
            lambda _: ensure.ensure_import_job(client, part, environment.role_arn),
            lambda arn: client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"],
        )

    group, dataset, tracker = plan.dataset_group, plan.dataset, plan.event_tracker
    stages: Mapping[str, Callable[[], list[Stage]]] = {
        "datasetGroup": lambda: [
            Stage(
                group.name,
                lambda _: ensure.ensure_dataset_group(client, plan),
                lambda arn: client.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"],
            )
        ],
        # A schema has no status to wait for.
        "schema": lambda: [Stage(plan.schema_.name, lambda _: ensure.ensure_schema(client, plan), lambda _: {})],
        "dataset": lambda: [
            Stage(
                dataset.name,
                lambda _: ensure.ensure_dataset(client, plan),
                lambda arn: client.describe_dataset(datasetArn=arn)["dataset"],
            )
        ],
        "eventTracker": lambda: [
            Stage(
                tracker.name,
                lambda _: ensure.ensure_event_tracker(client, plan),
                lambda _: ensure.event_tracker(client, group.arn),
            )
        ],
        "filter": lambda: [a_filter()],
        "recommender": lambda: [recommender()],
        "importJob": lambda: [import_job(job) for job in (plan.import_job, *plan.further)],
    }
    return advance([stage for word in request.steps for stage in stages[word]()], request.made)


def train_step(client: "PersonalizeClient", request: TrainRequest) -> Step:
    """Ensure the solution, and the solution version of this run."""
    plan, recipe = request.plan, request.recipe
    stages = {
        "solution": Stage(
            recipe.solution.name,
            lambda _: training.ensure_solution(client, plan, recipe),
            lambda arn: client.describe_solution(solutionArn=arn)["solution"],
        ),
        "solutionVersion": Stage(
            recipe.solution_version_name,
            lambda solution: training.ensure_solution_version(client, plan, recipe, solution),
            lambda arn: client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"],
        ),
    }
    return advance([stages[word] for word in request.steps], request.made)
