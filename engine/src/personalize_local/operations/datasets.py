# SPDX-License-Identifier: Apache-2.0
"""Schemas and datasets, and the imported files that are the data of a dataset group."""

import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from personalize_local.data.schemas import Field, Schema, as_items, fitting, parse_schema, updatable
from personalize_local.data.snapshots import SnapshotSpec
from personalize_local.engine import Call, Engine, Json, Resource, operation, work
from personalize_local.jobs.pool import Claim
from personalize_local.jobs.tasks import TrainingData
from personalize_local.jobs.work import run_live
from personalize_local.operations.common import deletes, limit, tags_of
from personalize_local.recipes.definitions import RecipeSpec
from personalize_local.resources import kinds
from personalize_local.resources.lifecycle import under_way
from personalize_local.serving import actions_of
from personalize_local.wire.errors import InvalidInput, ResourceInUse

ACTION_TYPES: Final = ("ACTIONS", "ACTION_INTERACTIONS")
_TYPES: Final = ("INTERACTIONS", "ITEMS", "USERS", *ACTION_TYPES)
NO_INTERACTIONS: Final = Schema(
    "INTERACTIONS", (Field("USER_ID", "string"), Field("ITEM_ID", "string"), Field("TIMESTAMP", "long"))
)
"""For a dataset group without an Interactions dataset."""
_parse = lru_cache(maxsize=512)(parse_schema)


@operation("CreateSchema")
def create_schema(engine: Engine, call: Call, request: Json) -> Json:
    parse_schema(request["schema"], request.get("domain"))
    limit(engine.registry.find(kinds.SCHEMA, call.prefix), engine.quotas.schemas, "schemas in this region")
    schema = engine.registry.add(kinds.SCHEMA, call.arn(kinds.SCHEMA, request["name"]), request, call.now)
    return {"schemaArn": schema.arn}


@operation("DeleteSchema")
def delete_schema(engine: Engine, _call: Call, request: Json) -> None:
    schema = engine.registry.get(kinds.SCHEMA, request["schemaArn"])
    for dataset in engine.registry.find(kinds.DATASET, schemaArn=schema.arn):
        if engine.options.strict or not dataset.deleting:
            raise ResourceInUse(f"{schema.arn} is used by {dataset.arn}.")
    engine.registry.remove(schema)


@operation("CreateDataset")
def create_dataset(engine: Engine, call: Call, request: Json) -> Json:
    kind = request["datasetType"].upper()
    if kind not in _TYPES:
        raise InvalidInput(
            f"datasetType is Interactions, Items, Users, Actions or Action_Interactions, not {request['datasetType']}."
        )
    group = engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"])
    schema = engine.registry.get(kinds.SCHEMA, request["schemaArn"])
    engine.usable(group)
    if kind in ACTION_TYPES and "domain" in group.body:
        raise InvalidInput(f"A dataset of type {kind} is for a custom dataset group, not for a domain's.")
    _fitting(schema, group, kind)
    tracker = {"trackingId": str(uuid.uuid4())} if kind == "ACTION_INTERACTIONS" else {}
    body = request | tracker | {"datasetType": kind, "tags": tags_of(request)}
    return engine.create(call, kinds.DATASET, f"{group.name}/{kind}", body)


@operation("UpdateDataset")
def update_dataset(engine: Engine, call: Call, request: Json) -> Json:
    dataset = engine.registry.get(kinds.DATASET, request["datasetArn"])
    schema = engine.registry.get(kinds.SCHEMA, request["schemaArn"])
    if not dataset.active:
        raise ResourceInUse(f"{dataset.arn} is in status {dataset.status}.")
    group = engine.registry.get(kinds.DATASET_GROUP, dataset.group)
    updatable(schema_of(engine, dataset), _fitting(schema, group, dataset.body["datasetType"]))
    return engine.lifecycle.update(dataset, {"schemaArn": schema.arn}, call.now)


@work(kinds.DATASET, kinds.UPDATE)
async def change_schema(engine: Engine, dataset: Resource) -> None:
    dataset.body["schemaArn"] = dataset.body["latestDatasetUpdate"]["schemaArn"]
    if has_bulk_data(engine, dataset):
        async with engine.publishing(dataset.group):
            await publish(engine, dataset)


@work(kinds.DATASET, kinds.DELETE)
async def remove_data(engine: Engine, dataset: Resource) -> None:
    """Remove its import jobs, their files and its part of live data."""
    jobs = list(engine.registry.find(kinds.IMPORT_JOB, datasetArn=dataset.arn))
    engine.serving.forget(_live_name(dataset))
    if jobs:
        async with engine.publishing(dataset.group):
            await publish(engine, dataset)
    engine.registry.remove(*jobs, *engine.registry.find(kinds.EXPORT_JOB, datasetArn=dataset.arn))
    for job in jobs:
        shutil.rmtree(engine.store.folder(job.arn), ignore_errors=True)


def _fitting(schema: Resource, group: Resource, kind: str) -> Schema:
    return fitting({**schema.body, "schemaArn": schema.arn}, group.body.get("domain"), kind)


def datasets_of(engine: Engine, group: str) -> dict[str, Resource]:
    """Return the datasets of a group, by type, without those that are being deleted."""
    datasets = engine.registry.find(kinds.DATASET, datasetGroupArn=group)
    return {dataset.body["datasetType"]: dataset for dataset in datasets if not dataset.deleting}


def schema_of(engine: Engine, dataset: Resource) -> Schema:
    schema = engine.registry.get(kinds.SCHEMA, dataset.body["schemaArn"])
    return _parse(schema.body["schema"], schema.body.get("domain"))


def schemas_of(engine: Engine, group: str) -> dict[str, Schema]:
    return {kind: schema_of(engine, dataset) for kind, dataset in datasets_of(engine, group).items()}


def import_target(engine: Engine, job: Resource) -> Path:
    """Return the file of rows that an import job makes."""
    return engine.store.folder(job.arn) / "rows"


def bulk_spec(
    engine: Engine, group: str, finishing: Resource | None = None, *, actions: bool = False, full: bool = False
) -> SnapshotSpec:
    """Return the imported files of a group; arguments as of `imported_files`.

    With `actions`, actions and their interactions stand for items and interactions; with `full`, what INCREMENTAL jobs
    imported is left out.
    """
    schemas = schemas_of(engine, group)
    jobs = {kind: imported_jobs(engine, dataset, finishing) for kind, dataset in datasets_of(engine, group).items()}
    files = {
        kind: [import_target(engine, job) for job in some if not full or job.body["importMode"] == "FULL"]
        for kind, some in jobs.items()
    }
    events, items = ("ACTION_INTERACTIONS", "ACTIONS") if actions else ("INTERACTIONS", "ITEMS")
    return SnapshotSpec(
        interactions=files.get(events, ()),
        interactions_schema=as_items(schemas.get(events, NO_INTERACTIONS)),
        users=files.get("USERS", ()),
        users_schema=schemas.get("USERS"),
        items=files.get(items, ()),
        items_schema=as_items(schemas[items]) if items in schemas else None,
    )


def training_data(engine: Engine, group: str, recipe: RecipeSpec) -> TrainingData:
    """Return what a training of a recipe, or an update of its model, learns from.

    Of bulk data segments use those of FULL imports only ("Getting batch user segments with custom resources").
    """
    segments = recipe.recipe_type == "USER_SEGMENTATION"
    actions = recipe.recipe_type == "PERSONALIZED_ACTIONS"
    of_actions = engine.serving.sources(actions_of(group)) if actions else {}
    of_group = engine.serving.sources(group)
    with_users = {"USERS": of_group["USERS"], **of_actions} if actions and "USERS" in of_group else of_actions
    return TrainingData(
        bulk_spec(engine, group, actions=actions, full=segments), engine.store.database, with_users or of_group
    )


def data_mark(engine: Engine, group: str, types: Collection[str] = ("INTERACTIONS", "ACTION_INTERACTIONS")) -> str:
    """Return a text that changes whenever rows of these dataset types are imported or streamed."""
    marks = []
    for kind, dataset in sorted(datasets_of(engine, group).items()):
        if kind in types:
            jobs = engine.registry.find(kinds.IMPORT_JOB, datasetArn=dataset.arn)
            imported = max((job.number for job in jobs if job.active), default=0)
            marks.append(f"{imported}/{max(engine.store.last_streamed(dataset.arn))}")
    return " ".join(marks)


def has_bulk_data(engine: Engine, dataset: Resource) -> bool:
    return any(job.active for job in engine.registry.find(kinds.IMPORT_JOB, datasetArn=dataset.arn))


def imported_files(engine: Engine, dataset: Resource, finishing: Resource | None = None) -> list[Path]:
    """Return the files of a dataset's rows, in order, FULL and INCREMENTAL resolved; `finishing` counts as done."""
    return [import_target(engine, job) for job in imported_jobs(engine, dataset, finishing)]


def imported_jobs(engine: Engine, dataset: Resource, finishing: Resource | None = None) -> list[Resource]:
    """Return the imports that a dataset's rows come from, as `imported_files`."""
    jobs = list(engine.registry.find(kinds.IMPORT_JOB, datasetArn=dataset.arn))
    done = sorted((job for job in jobs if job.active), key=lambda job: job.body["completed"])
    done += [job for job in jobs if job is finishing]
    current: list[Resource] = []
    for job in done:
        current = [*([] if job.body["importMode"] == "FULL" else current), job]
    return current


def claim_of(
    engine: Engine, datasets: Iterable[Resource], finishing: Resource | None = None, *, long: bool = False
) -> Claim:
    """Return what a job on the imported rows of datasets claims; `finishing` counts as done."""
    jobs = (job for dataset in datasets for job in engine.registry.find(kinds.IMPORT_JOB, datasetArn=dataset.arn))
    return Claim.of_rows(sum(job.body.get("rows", 0) for job in jobs if job.active or job is finishing), long=long)


async def publish(engine: Engine, dataset: Resource, finishing: Resource | None = None) -> None:
    """Rewrite the live data that a dataset is part of, and serve it; `finishing` counts as done.

    The caller holds `engine.publishing` of the group.
    """
    name = _live_name(dataset)
    spec = bulk_spec(engine, dataset.group, finishing, actions=name != dataset.group)
    claim = claim_of(engine, datasets_of(engine, dataset.group).values(), finishing)
    await engine.workers.run(claim, run_live, spec, engine.store.folder(name))
    await engine.serving.refresh(name)


def _live_name(dataset: Resource) -> str:
    return actions_of(dataset.group) if dataset.body["datasetType"] in ACTION_TYPES else dataset.group


def _needing(engine: Engine, dataset: Resource) -> Iterator[Resource]:
    """Return what prevents the deletion of a dataset: what AWS's page on it names, and exports."""
    for kind in (kinds.IMPORT_JOB, kinds.EXPORT_JOB):
        yield from (job for job in engine.registry.find(kind, datasetArn=dataset.arn) if not job.settled)
    for kind in (kinds.BATCH_INFERENCE_JOB, kinds.BATCH_SEGMENT_JOB):
        yield from (job for job in engine.registry.find(kind, datasetGroupArn=dataset.group) if not job.settled)
    for kind in (kinds.SOLUTION_VERSION, kinds.RECOMMENDER):
        built = engine.registry.find(kind, datasetGroupArn=dataset.group)
        yield from (resource for resource in built if under_way(resource) in {kinds.CREATE, kinds.UPDATE})
    campaigns = engine.registry.find(kinds.CAMPAIGN, datasetGroupArn=dataset.group)
    yield from (campaign for campaign in campaigns if campaign.status != "CREATE FAILED")
    yield from engine.registry.find(kinds.FILTER, datasetGroupArn=dataset.group)
    if dataset.body["datasetType"] == "INTERACTIONS":
        yield from engine.registry.find(kinds.EVENT_TRACKER, datasetGroupArn=dataset.group)
    for attribution in engine.registry.find(kinds.METRIC_ATTRIBUTION, datasetGroupArn=dataset.group):
        sums = (metric["expression"].partition("SUM(")[2].partition(".")[0] for metric in attribution.body["metrics"])
        if dataset.body["datasetType"] in {"INTERACTIONS", *map(str.upper, sums)}:
            yield attribution


deletes(kinds.DATASET, _needing)
