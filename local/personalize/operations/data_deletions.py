# SPDX-License-Identifier: Apache-2.0
"""Data deletion jobs: users vanish from datasets, from what answers know, and from models that name users."""

from pathlib import Path

from local.personalize.engine import Engine, operation, require_active, work
from local.personalize.errors import InvalidInput
from local.personalize.operations.common import describes, limit, page, tags_of
from local.personalize.operations.datasets import datasets_of, import_target, publish
from local.personalize.operations.recipes import recipe_of
from local.personalize.resources import (
    CREATE,
    DATA_DELETION_JOB,
    DATASET_GROUP,
    IMPORT_JOB,
    SOLUTION_VERSION,
    Call,
    Resource,
)
from local.personalize.serving import actions_of
from local.personalize.tasks import DeletionTask, run_deletion
from local.personalize.wire import Json

_OF_USERS = ("INTERACTIONS", "USERS", "ACTION_INTERACTIONS")
"""Types of the datasets that name users."""


@operation("CreateDataDeletionJob")
def create_data_deletion_job(engine: Engine, call: Call, request: Json) -> Json:
    """Start the deletion of the users that a file in S3 lists."""
    if not request["dataSource"].get("dataLocation"):
        raise InvalidInput("dataSource needs a dataLocation.")
    group = require_active(engine.registry.get(DATASET_GROUP, request["datasetGroupArn"]))
    tags = tags_of(request)
    jobs = engine.registry.find(DATA_DELETION_JOB, datasetGroupArn=group.arn)
    limit((job for job in jobs if not job.settled), 5, "resources with PENDING or IN_PROGRESS status")
    arn = call.arn(DATA_DELETION_JOB, request["jobName"])
    engine.create(call, DATA_DELETION_JOB, arn, request | {"region": call.region, "tags": tags})
    return {"dataDeletionJobArn": arn}


@work(DATA_DELETION_JOB, CREATE)
async def delete_users(engine: Engine, job: Resource) -> None:
    """Take the users out of every file, then out of streamed records, then out of answers."""
    named = {kind: each for kind, each in datasets_of(engine, job.group).items() if kind in _OF_USERS}
    async with engine.publishing:
        task = DeletionTask(
            location=job.body["dataSource"]["dataLocation"],
            s3_root=engine.options.s3_root,
            region=job.body["region"],
            files=[file for dataset in named.values() for file in _files(engine, dataset)],
            models=_models(engine, job.group),
        )
        users, gone = await engine.workers.run(run_deletion, task)
        gone += engine.store.remove_users([dataset.arn for dataset in named.values()], set(users))
        for kind in ("INTERACTIONS", "ACTION_INTERACTIONS", "USERS"):
            if kind in named:
                await publish(engine, named[kind])
    engine.serving.forget(job.group, actions_of(job.group))
    job.body["numDeleted"] = gone


def _files(engine: Engine, dataset: Resource) -> list[Path]:
    jobs = engine.registry.find(IMPORT_JOB, datasetArn=dataset.arn)
    return [path for path in (import_target(engine, each) for each in jobs) if path.is_file()]


def _models(engine: Engine, group: str) -> list[Path]:
    versions = engine.registry.find(SOLUTION_VERSION, datasetGroupArn=group)
    segmenting = (each for each in versions if recipe_of(each.body["recipeArn"]).recipe_type == "USER_SEGMENTATION")
    return [engine.store.folder(each.arn) for each in segmenting if each.active]


@operation("ListDataDeletionJobs")
def list_data_deletion_jobs(engine: Engine, call: Call, request: Json) -> Json:
    """Name jobs, newest first."""
    parent = {"datasetGroupArn": request["datasetGroupArn"]} if "datasetGroupArn" in request else {}
    found = list(engine.registry.find(DATA_DELETION_JOB, call.prefix, **parent))
    rows = [(-job.number, job.body) for job in reversed(found)]
    return page("dataDeletionJobs", rows, request, f"DataDeletionJob {call.prefix} {parent}")


describes(DATA_DELETION_JOB)
