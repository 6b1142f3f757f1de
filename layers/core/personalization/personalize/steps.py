# SPDX-License-Identifier: Apache-2.0
"""The steps of a run, by the words that the state machine calls them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from personalization.core.environment import Environment
from personalization.core.errors import Broken
from personalization.personalize import ensure, ensure_recommenders, training
from personalization.shop.plan import FilterPart, ImportRequest, RecommenderPart, Step, TrainRequest

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient


def import_step(client: "PersonalizeClient", request: ImportRequest, environment: Environment) -> Step:
    """Make or find what the step names.

    Raises:
        Broken: the step is `filter` or `recommender` and the request has none.
    """
    plan = request.plan
    steps: Mapping[str, Callable[[], Step]] = {
        "datasetGroup": lambda: ensure.ensure_dataset_group(client, plan),
        "schema": lambda: ensure.ensure_schema(client, plan),
        "dataset": lambda: ensure.ensure_dataset(client, plan),
        "eventTracker": lambda: ensure.ensure_event_tracker(client, plan),
        "filter": lambda: ensure.ensure_filter(client, plan, _filter(request)),
        "recommender": lambda: ensure_recommenders.ensure_recommender(client, plan, _recommender(request)),
        "importJob": lambda: ensure.ensure_import_job(client, plan, environment.role_arn),
    }
    return ensure.if_room(steps[request.step], waits=request.waits)


def train_step(client: "PersonalizeClient", request: TrainRequest) -> Step:
    """Make or find the solution, or the solution version of this run."""
    plan = request.plan
    if request.step == "solution":
        return training.ensure_solution(client, plan, request.recipe)
    solution = request.solution_arn or training.ensure_solution(client, plan, request.recipe).arn
    return ensure.if_room(
        lambda: training.ensure_solution_version(client, plan, request.recipe, solution), waits=request.waits
    )


def _filter(request: ImportRequest) -> FilterPart:
    if request.filter is None:
        raise Broken("filter", "the step needs a filter of the plan")
    return request.filter


def _recommender(request: ImportRequest) -> RecommenderPart:
    if request.recommender is None:
        raise Broken("recommender", "the step needs a recommender of the plan")
    return request.recommender
