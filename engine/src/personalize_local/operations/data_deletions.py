# SPDX-License-Identifier: Apache-2.0
"""Data deletion jobs: users vanish from datasets, from what answers know, and from models that name users.

The service guarantees nothing if a training, a batch job or an import runs beside the job. This engine then takes the
worst case: the job is COMPLETED, and no user is deleted. Records that are streamed during the job stay.
"""

import logging
from itertools import chain
from typing import Final

from personalize_local.engine import Call, Engine, Json, Resource, operation, work
from personalize_local.jobs.work import run_deletion
from personalize_local.operations.common import limit_jobs, listed, tags_of
from personalize_local.operations.datasets import claim_of, datasets_of, import_target, publish
from personalize_local.recipes.definitions import recipe_of
from personalize_local.resources import kinds
from personalize_local.resources.lifecycle import under_way
from personalize_local.serving import actions_of
from personalize_local.wire.errors import InvalidInput

LOGGER: Final = logging.getLogger("personalize")
_OF_USERS = ("INTERACTIONS", "USERS", "ACTION_INTERACTIONS")
"""Types of the datasets that name users."""
_DISTURBING = (
    kinds.IMPORT_JOB,
    kinds.SOLUTION_VERSION,
    kinds.RECOMMENDER,
    kinds.BATCH_INFERENCE_JOB,
    kinds.BATCH_SEGMENT_JOB,
)
"""Kinds whose jobs read or write what a deletion changes."""


@operation("CreateDataDeletionJob")
def create_data_deletion_job(engine: Engine, call: Call, request: Json) -> Json:
    if not request["dataSource"].get("dataLocation"):
        raise InvalidInput("dataSource needs a dataLocation.")
    group = engine.usable(engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"]))
    tags = tags_of(request)
    present = engine.registry.find(kinds.DATA_DELETION_JOB, datasetGroupArn=group.arn)
    limit_jobs(present, engine.quotas.data_deletion_jobs)
    streamed = {
        dataset.arn: engine.store.last_streamed(dataset.arn) for dataset in datasets_of(engine, group.arn).values()
    }
    more = {"tags": tags, "streamed": streamed}
    return engine.create(call, kinds.DATA_DELETION_JOB, request["jobName"], request | more)


@work(kinds.DATA_DELETION_JOB, kinds.CREATE, turn="datasetGroupArn")
async def delete_users(engine: Engine, job: Resource) -> None:
    """Remove the users from every file, then from streamed records, then from answers."""
    async with engine.publishing(job.group):
        named = {kind: dataset for kind, dataset in datasets_of(engine, job.group).items() if kind in _OF_USERS}
        source = engine.location(job.body["dataSource"]["dataLocation"], job)
        files, models = [], []
        if not (disturbed := _disturbed(engine, job)):
            imports = (engine.registry.find(kinds.IMPORT_JOB, datasetArn=dataset.arn) for dataset in named.values())
            files = [path for import_job in chain(*imports) if (path := import_target(engine, import_job)).is_file()]
            for version in engine.registry.find(kinds.SOLUTION_VERSION, datasetGroupArn=job.group):
                if version.active and recipe_of(version.body["recipeArn"]).recipe_type == "USER_SEGMENTATION":
                    models.append(engine.store.folder(version.arn))
        claim, most = claim_of(engine, named.values()), engine.quotas.deletion_bytes
        users, gone = await engine.workers.run(claim, run_deletion, source, files, models, most)
        if disturbed:
            LOGGER.warning("%s deletes no user: %s ran beside it", job.arn, disturbed.arn)
        else:
            # What was streamed after the job's creation stays.
            before = job.body.get("streamed", {})
            streamed = {dataset.arn: before.get(dataset.arn, (0, 0)) for dataset in named.values()}
            gone += engine.store.remove_users(streamed, set(users))
        for kind in ("INTERACTIONS", "ACTION_INTERACTIONS", "USERS"):
            if kind in named:
                await publish(engine, named[kind])
    job.body["numDeleted"] = gone
    engine.serving.forget(job.group, actions_of(job.group))


def _disturbed(engine: Engine, job: Resource) -> Resource | None:
    """Return a job or training of the group that runs or ran beside a job; None if there is none."""
    since = job.body["creationDateTime"]
    for kind in _DISTURBING:
        for resource in engine.registry.find(kind, datasetGroupArn=job.group):
            if under_way(resource) not in {"", kinds.DELETE} or resource.body["lastUpdatedDateTime"] >= since:
                return resource
    return None


@operation("ListDataDeletionJobs")
def list_data_deletion_jobs(engine: Engine, call: Call, request: Json) -> Json:
    """List jobs, newest first."""
    return listed(kinds.DATA_DELETION_JOB, engine, call, request, newest_first=True)
