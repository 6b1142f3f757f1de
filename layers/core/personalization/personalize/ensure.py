# SPDX-License-Identifier: Apache-2.0
"""Ensure resources in Personalize's control plane: every step describes, and creates what is missing.

All steps can be repeated. "Already exists" means found: two runs may race to create the same resource. What an earlier
run began of the same work is found by its name and its age.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec

from table_intake import DataKind
from table_intake.columns.schema import Schema
from table_intake.streamed import Group

from personalization.core.aws.errors import code, false_on, none_if_missing
from personalization.core.aws.pagination import paginate
from personalization.core.errors import Broken, PersonalizationError, Rejected, RetryLater
from personalization.core.names import Named, dataset_arn
from personalization.core.status import ACTIVE, UPDATED, Progress, failed_to_create, is_being_deleted, progress
from personalization.personalize import schemas
from personalization.shop.plan import FilterPart, ImportJob, Plan, RecommenderPart, Resource, Step
from personalization.shop.settings import recommenders

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize.type_defs import DatasetTypeDef

Request = ParamSpec("Request")
CREATED = "CREATE PENDING"
"""The status of a new resource."""
SKEW = timedelta(minutes=1)
"""How far Personalize's clock may be behind our functions' clock."""


def created(create: Callable[Request, object], *arguments: Request.args, **request: Request.kwargs) -> None:
    """Create a resource, unless another caller just did."""
    false_on("ResourceAlreadyExistsException", create, *arguments, **request)


def choose_name(names: Sequence[str], statuses: Mapping[str, str]) -> str:
    """Choose one of several names for the same work.

    Args:
        names: those of the runs that may have begun it, oldest first, the current run's last.
        statuses: the statuses of existing resources, by name.

    Returns:
        The newest that has not failed; else the first unused one, so that two concurrent runs request the same name and
        Personalize creates one resource; else the last, which has failed.
    """
    alive = [name for name in names if name in statuses and progress(statuses[name]) is not Progress.FAILED]
    unused = [name for name in names if name not in statuses]
    return alive[-1] if alive else [*unused, names[-1]][0]


def found_from(made: datetime | None, begun_at: str) -> str:
    """Return when Personalize made a resource, ISO 8601, if that was before a piece of work began, else "".

    A resource that is older than the work does not belong to it.

    Args:
        made: when it was made, if known.
        begun_at: when the work began, ISO 8601; empty if unknown.
    """
    if made is None or not begun_at:
        return ""
    return made.isoformat() if made < datetime.fromisoformat(begun_at) - SKEW else ""


def usable(arn: str, status: str, delete: Callable[[], object]) -> Step:
    """Return an existing resource; delete it first if its creation failed, because its name is needed.

    Raises:
        RetryLater: it is being deleted, and can be created afterwards.
    """
    if failed_to_create(status):
        delete()
    if failed_to_create(status) or is_being_deleted(status):
        raise RetryLater(arn, f"was found in {status}: it is removed, and then made again")
    return Step(arn=arn, status=status)


def ensured(
    arn: str,
    describe: Callable[[], Mapping[str, Any]],
    create: Callable[[], object],
    delete: Callable[[], object] | None = None,
) -> Step:
    """Return the existing resource, or create it; with `delete`, a failed one is deleted first, see `usable`."""
    existing = none_if_missing(describe)
    if existing is None:
        created(create)
        return Step(arn=arn, status=CREATED)
    return usable(arn, existing["status"], delete) if delete else Step(arn=arn, status=existing["status"])


def group_domain(client: "PersonalizeClient", group: Named) -> tuple[Group | None, str | None]:
    """Return the dataset group, if it exists, and its domain."""
    answer = none_if_missing(client.describe_dataset_group, datasetGroupArn=group.arn)
    if answer is None:
        return None, None
    described = answer["datasetGroup"]
    made = described.get("creationDateTime")
    return Group(group.name, int(made.timestamp()) if made else 0), described.get("domain")


def dataset_schema(client: "PersonalizeClient", kind: DataKind, arn: str) -> Schema | None:
    existing = dataset(client, arn)
    return schema_of(client, kind, existing) if existing else None


def dataset(client: "PersonalizeClient", arn: str) -> "DatasetTypeDef | None":
    return none_if_missing(lambda: client.describe_dataset(datasetArn=arn)["dataset"])


def schema_of(client: "PersonalizeClient", kind: DataKind, dataset: "DatasetTypeDef") -> Schema:
    """Return the schema of a dataset: the replacing one as soon as its update has ended."""
    arn = dataset["schemaArn"]
    return schemas.read(arn, kind, client.describe_schema(schemaArn=arn)["schema"]["schema"])


def ensure_dataset_group(client: "PersonalizeClient", plan: Plan) -> Step:
    group = plan.dataset_group
    domain: dict[str, Any] = {"domain": group.domain} if group.domain else {}
    return ensured(
        group.arn,
        lambda: client.describe_dataset_group(datasetGroupArn=group.arn)["datasetGroup"],
        lambda: client.create_dataset_group(name=group.name, **domain),
        lambda: client.delete_dataset_group(datasetGroupArn=group.arn),
    )


def ensure_schema(client: "PersonalizeClient", plan: Plan) -> Step:
    """Ensure the dataset's schema, which has no status."""
    schema = plan.schema_
    domain: dict[str, Any] = {"domain": schema.domain} if schema.domain else {}
    if none_if_missing(client.describe_schema, schemaArn=schema.arn) is None:
        created(client.create_schema, name=schema.name, schema=schema.text, **domain)
    return Step(arn=schema.arn, status=ACTIVE)


def ensure_dataset(client: "PersonalizeClient", plan: Plan) -> Step:
    """Ensure the dataset of the drop, with the plan's schema if the plan changes it."""
    dataset = plan.dataset
    answer = none_if_missing(lambda: client.describe_dataset(datasetArn=dataset.arn)["dataset"])
    if answer is not None:
        if dataset.changes and answer["schemaArn"] != plan.schema_.arn and not _is_changing(answer, plan):
            client.update_dataset(datasetArn=dataset.arn, schemaArn=plan.schema_.arn)
            return Step(arn=dataset.arn, status=UPDATED)
        return usable(dataset.arn, answer["status"], lambda: client.delete_dataset(datasetArn=dataset.arn))
    created(
        client.create_dataset,
        name=dataset.name,
        schemaArn=plan.schema_.arn,
        datasetGroupArn=plan.dataset_group.arn,
        datasetType=dataset.type,
    )
    return Step(arn=dataset.arn, status=CREATED)


def _is_changing(dataset: Mapping[str, Any], plan: Plan) -> bool:
    """Return whether the plan's change was requested before and is in progress."""
    update = dataset.get("latestDatasetUpdate") or {}
    return update.get("schemaArn") == plan.schema_.arn and progress(update["status"]) is Progress.UNDER_WAY


def find_event_tracker(client: "PersonalizeClient", group_arn: str) -> Step | None:
    """Return the only event tracker of a dataset group; Personalize chooses its ARN."""
    trackers = paginate(client.list_event_trackers, "eventTrackers", datasetGroupArn=group_arn)
    tracker = next(trackers, None)
    return Step(arn=tracker["eventTrackerArn"], status=tracker["status"]) if tracker else None


def event_tracker(client: "PersonalizeClient", group_arn: str) -> Mapping[str, Any]:
    """Describe a dataset group's event tracker; one that is not listed yet counts as new."""
    tracker = find_event_tracker(client, group_arn)
    return {"status": tracker.status if tracker else CREATED}


def ensure_event_tracker(client: "PersonalizeClient", plan: Plan) -> Step:
    group, name = plan.dataset_group.arn, plan.event_tracker.name
    tracker = find_event_tracker(client, group)
    if tracker is not None:
        arn = tracker.arn
        return usable(arn, tracker.status, lambda: client.delete_event_tracker(eventTrackerArn=arn))
    try:
        made = client.create_event_tracker(name=name, datasetGroupArn=group)
        return Step(arn=made["eventTrackerArn"], status=CREATED)
    except PersonalizationError as error:
        if code(error) != "ResourceAlreadyExistsException":
            raise
    tracker = find_event_tracker(client, group)
    if tracker is None:
        raise Rejected(group, "another event tracker has the shop's name; rename it")
    return tracker


def tracking_id(client: "PersonalizeClient", group_arn: str) -> str:
    """Return the tracking id for a shop's live events.

    Raises:
        Rejected: the dataset group has no event tracker.
    """
    tracker = find_event_tracker(client, group_arn)
    if tracker is None:
        raise Rejected(group_arn, "the dataset group has no event tracker")
    return client.describe_event_tracker(eventTrackerArn=tracker.arn)["eventTracker"]["trackingId"]


def action_tracking_id(client: "PersonalizeClient", group_arn: str) -> str:
    """Return the tracking id for what users do with actions; empty without a dataset of action interactions."""
    answer = dataset(client, dataset_arn(group_arn, "ACTION_INTERACTIONS"))
    return answer.get("trackingId", "") if answer else ""


def ensure_filter(client: "PersonalizeClient", plan: Plan, wanted: FilterPart) -> Step:
    """Ensure one of the shop's filters.

    Raises:
        Rejected: the filter exists with another expression, which Personalize cannot change.
    """
    answer = none_if_missing(lambda: client.describe_filter(filterArn=wanted.arn)["filter"])
    if answer is None:
        created(
            client.create_filter,
            name=wanted.name,
            datasetGroupArn=plan.dataset_group.arn,
            filterExpression=wanted.expression,
        )
        return Step(arn=wanted.arn, status=CREATED)
    step = usable(wanted.arn, answer["status"], lambda: client.delete_filter(filterArn=wanted.arn))
    if answer["filterExpression"] != wanted.expression:
        raise Rejected(wanted.arn, "the filter is there with another expression: give the changed one a new name")
    return step


def ensure_import_job(client: "PersonalizeClient", plan: Plan, wanted: ImportJob, role_arn: str) -> Step:
    """Ensure an import job of this run, or find that of an earlier run whose work it continues.

    A failed job keeps its name and is not retried; the next run uses another name.

    Raises:
        Broken: the job is older than the run and those that it continues, so that its data are not the drop's.
    """
    jobs: list[Resource] = [*wanted.earlier, wanted]
    existing = {job.name: _import_job(client, job.arn, plan.begun_at) for job in jobs}
    name = choose_name([job.name for job in jobs], {name: step.status for name, step in existing.items() if step})
    job = next(job_of_run for job_of_run in jobs if job_of_run.name == name)
    step = existing[name]
    if step and step.found_from:
        raise Broken(job.arn, f"an import job of this name was made at {step.found_from}, before its drop was handled")
    if step is None:
        created(
            client.create_dataset_import_job,
            jobName=job.name,
            datasetArn=plan.dataset.arn,
            dataSource={"dataLocation": wanted.data_location},
            roleArn=role_arn,
            importMode=wanted.mode,
        )
    return step or Step(arn=job.arn, status=CREATED)


def import_job_status(client: "PersonalizeClient", arn: str) -> str | None:
    job = _import_job(client, arn, "")
    return job.status if job else None


def _import_job(client: "PersonalizeClient", arn: str, begun_at: str) -> Step | None:
    answer = none_if_missing(client.describe_dataset_import_job, datasetImportJobArn=arn)
    if answer is None:
        return None
    job = answer["datasetImportJob"]
    old = found_from(job.get("creationDateTime"), begun_at)
    return Step(arn=arn, status=job["status"], found_from=old)


def ensure_recommender(client: "PersonalizeClient", plan: Plan, wanted: RecommenderPart) -> Step:
    """Create or update one of the shop's recommenders.

    Raises:
        Rejected: its name is that of another use case, which Personalize cannot change, or of another shop's.
        RetryLater: Personalize is working on another change of it.
    """
    arn, group = wanted.arn, plan.dataset_group.arn
    existing = none_if_missing(lambda: client.describe_recommender(recommenderArn=arn)["recommender"])
    # Send the whole configuration: Amazon does not document whether an update keeps missing members.
    config: dict[str, Any] = {"recommenderConfig": {**(existing or {}).get("recommenderConfig", {}), **wanted.config}}
    if existing is None:
        created(
            client.create_recommender, name=wanted.name, datasetGroupArn=group, recipeArn=wanted.recipe_arn, **config
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


def recommender_statuses(client: "PersonalizeClient", group_arn: str) -> Mapping[str, str]:
    """Return the statuses of a dataset group's recommenders by their names in settings.

    A recommender whose name no run would give is returned by its full name.
    """
    start = f"{group_arn.rpartition('/')[2]}-"
    return {
        recommender["name"].removeprefix(start): recommender["status"]
        for recommender in list_recommenders(client, group_arn)
    }


def list_recommenders(client: "PersonalizeClient", group_arn: str) -> list[Mapping[str, Any]]:
    """Return a dataset group's recommenders.

    Amazon does not say what it answers for a group without a domain, which can have none: a refusal means none, too.
    """
    try:
        return list(paginate(client.list_recommenders, "recommenders", datasetGroupArn=group_arn, maxResults=100))
    except PersonalizationError as error:
        if code(error) != "InvalidInputException":
            raise
        return []
