# SPDX-License-Identifier: Apache-2.0
"""Create or find the resources of an import, one per call. Each step can be repeated."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from personalization.core import environment
from personalization.core.aws import clients, objects
from personalization.core.environment import Environment
from personalization.core.errors import Broken
from personalization.core.names import is_of_engine
from personalization.core.observability import logger
from personalization.core.status import ACTIVE
from personalization.engine import backend, deleting, describing, files, importing
from personalization.events import dropped_choices
from personalization.personalize import ensure, metric_attributions
from personalization.personalize.readiness import Stage, advance
from personalization.shop.plan import Choices, ImportJob, ImportRequest, Plan, Step
from personalization.shop.records import dataset_groups
from personalization.shop.settings import recommenders

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient

LOG = logger()
STORE = files.Store(clients.s3, environment.bucket)
backend.connect(
    clients.dynamodb, environment, describing.OPERATIONS, importing.operations(STORE), deleting.operations(STORE)
)
CHOICE_SECONDS = 35.0
"""How long a call applies choices, of the function's minute."""


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Create or find resources in order, or describe the one in progress.

    Args:
        event: `{steps: [datasetGroup|schema|dataset|eventTracker|metricAttribution|filter|recommender|importJob], plan,
            filter?, recommender?, backend?, made?}`.

    Returns:
        `{arn, status, ready, made?}`; status WAITING and the reason if a quota is used up.

    Raises:
        Broken: a step lacks its resource in the request, or a resource has failed.
    """
    request = ImportRequest.read(event)
    if request.backend:
        request = request.on(request.backend)
    # A new dataset group and a new schema have no ARN by which a call could go to the engine.
    client = clients.engine() if is_of_engine(request.plan.dataset_group.arn) else clients.personalize()
    stages = _stages(client, request)
    # What may take a function's whole time, the machine asks of each backend by itself.
    if request.plan.is_on_both and request.recommender is None and "importJob" not in request.steps:
        stages += _stages(clients.engine(), request.on("engine"))
    done = advance(stages, request.made)
    LOG.info(
        "Step done", steps=request.steps, run=request.plan.run, arn=done.arn, status=done.status, reason=done.reason
    )
    return done.as_json()


def _stages(client: "PersonalizeClient", request: ImportRequest) -> list[Stage]:
    """Return how the requested resources are ensured and described, in sequence.

    Raises:
        Broken: a `filter` or `recommender` step lacks its resource.
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
        return Stage(
            job.name,
            lambda _: ensure.ensure_import_job(client, plan, job, Environment().role_arn),
            lambda arn: client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"],
        )

    def choices(said: Choices) -> Stage:
        # Many take several calls, each of which goes on where the last one ended.
        return Stage(said.key, lambda _: _applied(plan, said), lambda _: {"status": _applied(plan, said).status})

    def metric_attribution() -> list[Stage]:
        wanted = plan.metric_attribution
        if wanted is None:
            return []
        return [
            Stage(
                wanted.name,
                lambda _: metric_attributions.ensure_metric_attribution(client, plan, wanted, Environment().role_arn),
                lambda arn: client.describe_metric_attribution(metricAttributionArn=arn)["metricAttribution"],
            )
        ]

    group, dataset, tracker = plan.dataset_group, plan.dataset, plan.event_tracker
    stages: Mapping[str, Callable[[], list[Stage]]] = {
        "datasetGroup": lambda: [
            Stage(
                group.name,
                lambda _: _group(client, plan),
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
        "metricAttribution": metric_attribution,
        "filter": lambda: [a_filter()],
        "recommender": lambda: [recommender()],
        "importJob": lambda: [
            *[import_job(job) for job in (plan.import_job, *plan.further)],
            *[choices(said) for said in plan.choices],
        ],
    }
    return [stage for word in request.steps for stage in stages[word]()]


def _group(client: "PersonalizeClient", plan: Plan) -> Step:
    """Ensure the dataset group, which an erasure has to know of before it is there."""
    dataset_groups.note(clients.dynamodb(), Environment().table, plan.shop, plan.dataset_group.arn)
    return ensure.ensure_dataset_group(client, plan)


def _applied(plan: Plan, said: Choices) -> Step:
    """Let what users say about personal lists hold, now that their import is accepted."""
    variables = Environment()
    data = objects.required_bytes(clients.s3(), variables.bucket, said.key)
    choices, until = dropped_choices.unpack(data), time.monotonic() + CHOICE_SECONDS
    changes = dropped_choices.apply(
        clients.dynamodb(), variables.table, plan.shop, choices, said.at, has_time=lambda: time.monotonic() < until
    )
    LOG.info("Choices applied", run=plan.run, shop=plan.shop, came=changes.came, went=changes.went, done=changes.done)
    return Step(arn=said.key, status=ACTIVE if changes.done else ensure.CREATED)
