# SPDX-License-Identifier: Apache-2.0
"""Dataset import jobs, by which CSV in S3 becomes rows of a dataset, and export jobs, the other way."""

import asyncio
import shutil
from typing import Final

from personalize_local.engine import Call, Engine, Json, Resource, operation, work
from personalize_local.jobs.pool import GIGABYTE, Claim
from personalize_local.jobs.tasks import ExportTask
from personalize_local.jobs.work import run_export, run_import
from personalize_local.operations.attribution_reports import publish_metrics
from personalize_local.operations.common import limit_jobs, tags_of
from personalize_local.operations.datasets import (
    claim_of,
    has_bulk_data,
    import_target,
    imported_files,
    publish,
    schema_of,
)
from personalize_local.operations.metric_attributions import attribution_of
from personalize_local.resources import kinds
from personalize_local.resources.lifecycle import under_way
from personalize_local.wire.errors import ImportRefused, InvalidInput

_BUILT: Final = (kinds.SOLUTION_VERSION, kinds.RECOMMENDER)
"""What trains on imported rows."""
IMPORT: Final = Claim(GIGABYTE)
"""Only the worker learns how much there is to import."""


@operation("CreateDatasetImportJob")
def create_dataset_import_job(engine: Engine, call: Call, request: Json) -> Json:
    """Start an import: FULL replaces the bulk data of the dataset, INCREMENTAL adds to it."""
    mode = request.get("importMode", "FULL")
    if "roleArn" not in request:
        raise InvalidInput("An import from Amazon S3 needs a roleArn that may read it.")
    if not request["dataSource"].get("dataLocation"):
        raise InvalidInput("dataSource needs a dataLocation.")
    dataset = engine.usable(engine.registry.get(kinds.DATASET, request["datasetArn"]))
    if request.get("publishAttributionMetricsToS3"):
        _check_publishing(engine, dataset)
    if mode == "INCREMENTAL" and not has_bulk_data(engine, dataset):
        raise InvalidInput("The first import of a dataset must be FULL: there is no bulk data to add to.")
    tags = tags_of(request)
    limit_jobs(engine.registry.find(kinds.IMPORT_JOB, call.prefix), engine.quotas.import_jobs)
    more = {"importMode": mode, "datasetGroupArn": dataset.group, "tags": tags}
    return engine.create(call, kinds.IMPORT_JOB, request["jobName"], request | more)


def _check_publishing(engine: Engine, dataset: Resource) -> None:
    if dataset.body["datasetType"] != "INTERACTIONS":
        raise InvalidInput("Only an import of interactions can publish attribution metrics.")
    attribution = attribution_of(engine, dataset.group)
    if attribution is None or "s3DataDestination" not in attribution.body["metricsOutputConfig"]:
        raise InvalidInput(f"{dataset.group} has no ACTIVE metric attribution with an S3 destination.")


@work(kinds.IMPORT_JOB, kinds.CREATE, turn="datasetArn")
async def import_data(engine: Engine, job: Resource) -> None:
    """Read the files in the worker, then publish them to answers and filters."""
    dataset = engine.registry.get(kinds.DATASET, job.body["datasetArn"])
    source = engine.location(job.body["dataSource"]["dataLocation"], job)
    most = engine.quotas.incremental_bytes if job.body["importMode"] == "INCREMENTAL" else engine.quotas.full_bytes
    try:
        limits = (most, engine.quotas.minimum_interactions)
        schema, target = schema_of(engine, dataset), import_target(engine, job)
        job.body["rows"] = await engine.workers.run(IMPORT, run_import, job.arn, source, *limits, schema, target)
    except ImportRefused as refused:
        what = f"{dataset.body['datasetType']} dataset {dataset.arn}"
        refused.args = (f"Failed to create a data import job for {what}. {refused}",)
        raise
    if dataset.body["datasetType"] == "INTERACTIONS":
        await publish_metrics(engine, job)
    async with engine.publishing(dataset.group):
        await publish(engine, dataset, job)
        job.body["completed"] = engine.clock.now()
    asyncio.get_running_loop().call_soon(_drop_replaced, engine, job)  # once the job is ACTIVE on the disk


def _drop_replaced(engine: Engine, job: Resource) -> None:
    """Delete what a FULL import replaced, unless a training may still read it."""
    built = [resource for kind in _BUILT for resource in engine.registry.find(kind, datasetGroupArn=job.group)]
    if job.body["importMode"] == "FULL" and not any(map(under_way, built)):
        for other in engine.registry.find(kinds.IMPORT_JOB, datasetArn=job.body["datasetArn"]):
            if other.active and other is not job:
                shutil.rmtree(engine.store.folder(other.arn), ignore_errors=True)


@operation("CreateDatasetExportJob")
def create_dataset_export_job(engine: Engine, call: Call, request: Json) -> Json:
    """Start an export of imported rows (BULK), of streamed ones (PUT), or of both (ALL)."""
    dataset = engine.usable(engine.registry.get(kinds.DATASET, request["datasetArn"]))
    tags = tags_of(request)
    limit_jobs(engine.registry.find(kinds.EXPORT_JOB, call.prefix), engine.quotas.export_jobs)
    more = {"ingestionMode": request.get("ingestionMode", "PUT"), "datasetGroupArn": dataset.group, "tags": tags}
    return engine.create(call, kinds.EXPORT_JOB, request["jobName"], request | more)


@work(kinds.EXPORT_JOB, kinds.CREATE, turn="datasetArn")
async def export_data(engine: Engine, job: Resource) -> None:
    dataset = engine.registry.get(kinds.DATASET, job.body["datasetArn"])
    task = ExportTask(
        schema=schema_of(engine, dataset),
        files=imported_files(engine, dataset),
        mode=job.body["ingestionMode"],
        database=engine.store.database,
        dataset=dataset.arn,
        name=job.name,
        target=engine.location(job.body["jobOutput"]["s3DataDestination"]["path"], job),
    )
    await engine.workers.run(claim_of(engine, [dataset]), run_export, task)
