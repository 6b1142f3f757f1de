# SPDX-License-Identifier: Apache-2.0
"""Dataset export jobs: a dataset becomes a CSV in S3."""

from personalize_local.engine import Engine, operation, require_active, work
from personalize_local.jobs.tasks import ExportTask
from personalize_local.jobs.work import run_export
from personalize_local.operations.common import limit_jobs, tags_of
from personalize_local.operations.datasets import imported_files, schema_of
from personalize_local.resources import kinds
from personalize_local.resources.kinds import Call
from personalize_local.resources.registry import Resource
from personalize_local.wire.protocol import Json


@operation("CreateDatasetExportJob")
def create_dataset_export_job(engine: Engine, call: Call, request: Json) -> Json:
    """Start an export of imported rows (BULK), of streamed ones (PUT), or of both (ALL)."""
    dataset = require_active(engine.registry.get(kinds.DATASET, request["datasetArn"]))
    tags = tags_of(request)
    limit_jobs(engine.registry.find(kinds.EXPORT_JOB, call.prefix), 5)
    more = {"ingestionMode": request.get("ingestionMode", "PUT"), "datasetGroupArn": dataset.group, "tags": tags}
    return engine.create(call, kinds.EXPORT_JOB, request["jobName"], request | more)


@work(kinds.EXPORT_JOB, kinds.CREATE)
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
    await engine.workers.run(run_export, task)
