# SPDX-License-Identifier: Apache-2.0
"""Dataset import jobs: a CSV in S3 becomes rows of a dataset."""

import asyncio
import shutil
from typing import Final

from personalize_local.engine import Engine, operation, require_active, work
from personalize_local.jobs.tasks import ImportTask
from personalize_local.jobs.work import run_import
from personalize_local.operations.common import limit_jobs, tags_of
from personalize_local.operations.datasets import has_bulk_data, import_target, publish, schema_of
from personalize_local.operations.metric_attributions import attribution_of, publish_metrics
from personalize_local.resources import kinds
from personalize_local.resources.kinds import Call
from personalize_local.resources.lifecycle import under_way
from personalize_local.resources.registry import Resource
from personalize_local.wire.errors import ImportRefused, InvalidInput
from personalize_local.wire.protocol import Json

_BUILT: Final = (kinds.SOLUTION_VERSION, kinds.RECOMMENDER)
"""What trains on imported rows."""
FULL_BYTES: Final = 100 * 10**9
"""Bytes of a FULL import."""


@operation("CreateDatasetImportJob")
def create_dataset_import_job(engine: Engine, call: Call, request: Json) -> Json:
    """Start an import: FULL replaces the bulk data of the dataset, INCREMENTAL adds to it."""
    mode = request.get("importMode", "FULL")
    if "roleArn" not in request:
        raise InvalidInput("An import from Amazon S3 needs a roleArn that may read it.")
    if not request["dataSource"].get("dataLocation"):
        raise InvalidInput("dataSource needs a dataLocation.")
    dataset = require_active(engine.registry.get(kinds.DATASET, request["datasetArn"]))
    if request.get("publishAttributionMetricsToS3"):
        _check_publishing(engine, dataset)
    if mode == "INCREMENTAL" and not has_bulk_data(engine, dataset):
        raise InvalidInput("The first import of a dataset must be FULL: there is no bulk data to add to.")
    tags = tags_of(request)
    limit_jobs(engine.registry.find(kinds.IMPORT_JOB, call.prefix), 5)
    more = {"importMode": mode, "datasetGroupArn": dataset.group, "tags": tags}
    return engine.create(call, kinds.IMPORT_JOB, request["jobName"], request | more)


def _check_publishing(engine: Engine, dataset: Resource) -> None:
    if dataset.body["datasetType"] != "INTERACTIONS":
        raise InvalidInput("Only an import of interactions can publish attribution metrics.")
    attribution = attribution_of(engine, dataset.group)
    if attribution is None or "s3DataDestination" not in attribution.body["metricsOutputConfig"]:
        raise InvalidInput(f"{dataset.group} has no ACTIVE metric attribution with an S3 destination.")


@work(kinds.IMPORT_JOB, kinds.CREATE)
async def import_data(engine: Engine, job: Resource) -> None:
    """Read the files in the worker, then publish them to answers and filters."""
    dataset = engine.registry.get(kinds.DATASET, job.body["datasetArn"])
    task = ImportTask(
        engine.location(job.body["dataSource"]["dataLocation"], job),
        schema_of(engine, dataset),
        import_target(engine, job),
        engine.options.incremental_bytes if job.body["importMode"] == "INCREMENTAL" else FULL_BYTES,
    )
    try:
        await engine.workers.run(run_import, task)
    except ImportRefused as refused:
        what = f"{dataset.body['datasetType']} dataset {dataset.arn}"
        raise ImportRefused(f"Failed to create a data import job for {what}. {refused}") from refused
    if job.body.get("publishAttributionMetricsToS3"):
        await publish_metrics(engine, job)
    async with engine.publishing:
        await publish(engine, dataset, job)
        job.body["completed"] = engine.clock.now()
    asyncio.get_running_loop().call_soon(_drop_replaced, engine, job)  # once the job is ACTIVE on the disk


def _drop_replaced(engine: Engine, job: Resource) -> None:
    """Delete what a FULL import replaced, unless a training may still read it."""
    built = [each for kind in _BUILT for each in engine.registry.find(kind, datasetGroupArn=job.group)]
    if job.body["importMode"] == "FULL" and not any(map(under_way, built)):
        for other in engine.registry.find(kinds.IMPORT_JOB, datasetArn=job.body["datasetArn"]):
            if other.active and other is not job:
                shutil.rmtree(engine.store.folder(other.arn), ignore_errors=True)
