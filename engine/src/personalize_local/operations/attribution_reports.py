# SPDX-License-Identifier: Apache-2.0
"""Reports of metric attributions: on an import when it ends, on streamed events every quarter of an hour.

On AWS, streamed events are reported to CloudWatch alone. Here they go to the attribution's S3 destination, and to a
CloudWatch that the environment names, or moto's in a test.
"""

import logging
import os
from dataclasses import replace
from typing import Final

from personalize_local.data.s3 import moto_runs
from personalize_local.engine import Engine, Json, Resource
from personalize_local.jobs.tasks import QUARTER, ReportTask
from personalize_local.jobs.work import run_report
from personalize_local.operations.datasets import bulk_spec, claim_of, datasets_of, import_target
from personalize_local.operations.metric_attributions import attribution_of
from personalize_local.resources import kinds
from personalize_local.wire.errors import JobRefused, WorkerLost

_ANSWERING: Final = (kinds.CAMPAIGN, kinds.RECOMMENDER)
"""Whose answers an event may name."""
LOGGER: Final = logging.getLogger("personalize")


async def publish_metrics(engine: Engine, job: Resource) -> None:
    """Report an import of interactions: to S3 if it asks so, and an INCREMENTAL one to CloudWatch."""
    attribution = attribution_of(engine, job.group)
    if attribution is None:
        return
    to_s3, incremental = job.body.get("publishAttributionMetricsToS3"), job.body["importMode"] == "INCREMENTAL"
    plan = {"method": job.body["importMode"], "timestamp": int(engine.clock.now()), "events": (0, 0)}
    task = _task(engine, attribution, plan, job)
    target, cloudwatch = task.target if to_s3 else None, task.cloudwatch if incremental else ""
    if target or cloudwatch:
        claim = claim_of(engine, datasets_of(engine, job.group).values(), job)
        await engine.workers.run(claim, run_report, replace(task, target=target, cloudwatch=cloudwatch))


async def report_due(engine: Engine) -> None:
    """Report what was streamed since the last report of each attribution, if a quarter of an hour is over."""
    for attribution in engine.registry.find(kinds.METRIC_ATTRIBUTION):
        try:
            await _report(engine, attribution)
        except (JobRefused, WorkerLost, OSError) as error:
            attribution.body["reportAfter"] = engine.clock.now() + QUARTER
            LOGGER.warning("no report of %s: %s", attribution.arn, error)
        except Exception:
            attribution.body["reportAfter"] = engine.clock.now() + QUARTER
            LOGGER.exception("no report of %s", attribution.arn)


async def _report(engine: Engine, attribution: Resource) -> None:
    """Report new events. A report that a crash cut short is written again, under the same name."""
    now, dataset = engine.clock.now(), datasets_of(engine, attribution.group).get("INTERACTIONS")
    if dataset is None or not attribution.active or now < attribution.body.get("reportAfter", 0.0):
        return
    body = attribution.body
    if "report" not in body:
        last = engine.store.last_event(dataset.arn)
        if last > body.setdefault("reported", last):
            events = (body["reported"], last)
            body["report"] = {"method": "PutEvents", "timestamp": int(now), "events": events}
    if "report" in body:
        engine.registry.save(attribution)
        task = _task(engine, attribution, body["report"])
        if task.target or task.cloudwatch:
            claim = claim_of(engine, datasets_of(engine, attribution.group).values())
            await engine.workers.run(claim, run_report, task)
        body["reported"] = body.pop("report")["events"][1]
    body["reportAfter"] = now + QUARTER
    engine.registry.save(attribution)


def _task(engine: Engine, attribution: Resource, plan: Json, job: Resource | None = None) -> ReportTask:
    """Return the report of an import job, or of the events of a plan."""
    destination = attribution.body["metricsOutputConfig"].get("s3DataDestination")
    answering = (engine.registry.find(kind, datasetGroupArn=attribution.group) for kind in _ANSWERING)
    return ReportTask(
        metrics=[
            (metric["metricName"], metric["eventType"], metric["expression"]) for metric in attribution.body["metrics"]
        ],
        rows=import_target(engine, job) if job else None,
        events=tuple(plan["events"]),
        spec=bulk_spec(engine, attribution.group),
        database=engine.store.database,
        datasets=engine.serving.sources(attribution.group),
        sources=[resource.arn for resources in answering for resource in resources],
        most_sources=engine.quotas.attribution_sources,
        method=plan["method"],
        timestamp=plan["timestamp"],
        target=engine.location(destination["path"], job or attribution) if destination else None,
        cloudwatch=attribution.region if reaches_cloudwatch() else "",
    )


def reaches_cloudwatch() -> bool:
    """Tell whether there is a CloudWatch that isn't Amazon's."""
    return bool(os.environ.get("AWS_ENDPOINT_URL_CLOUDWATCH") or os.environ.get("AWS_ENDPOINT_URL") or moto_runs())
