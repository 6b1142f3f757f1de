# SPDX-License-Identifier: Apache-2.0
"""Run the steps of batch jobs: plan, write, convert, report. Every step can be repeated."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from table_intake.wording import Text

from personalization.batch import answering, job_input, report
from personalization.batch import convert as converting
from personalization.batch import plan as batch
from personalization.batch.job_input import WritingClients
from personalization.batch.plan import Cursor, Exported, Job, Planned, Progressed, WrittenInput
from personalization.batch.wanted import Clients
from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.names import backend_of
from personalization.likelihood import shards
from personalization.personalize import ensure
from personalization.reports import pages
from personalization.shop.records import release_store
from personalization.shop.records.release import Value
from personalization.shop.settings.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

SCHEDULED = "scheduled#"
"""The prefix of the sort keys of a schedule's deliveries; the job and the time follow."""
REMEMBERED = timedelta(days=7)
"""How long a delivery is remembered: Scheduler retries for a day."""


def plan(aws: Clients, request: batch.PlanRequest, environment: Environment, now: datetime) -> Planned:
    """Plan an execution's jobs; a schedule's second delivery has none.

    Raises:
        Rejected: there is no such job, or the shop has no release.
    """
    shop, table = request.shop, environment.table
    settings = shop_settings(aws.s3, environment.bucket, shop)
    jobs = batch.chosen(settings, request)
    if not jobs or not _first(aws.table, request, environment, now):
        return Planned(jobs=())
    release = release_store.release_record(aws.table, table, shop)
    schema = None
    if release is not None:
        names = environment.names.on(backend_of(release.dataset_group_arn))
        schema = ensure.dataset_schema(aws.personalize, "interactions", names.dataset(shop, "interactions").arn)
    if release is None or schema is None:
        text = "nothing of the shop was promoted yet: drop interactions, or promote a refused run"
        raise Rejected(shop, Text("batch.not-promoted", text))
    earlier = [before for before in release_store.history(aws.table, table, shop) if not before.withdrawn_at]
    candidates = release_store.judged_runs(aws.table, table, shop)
    facts = batch.Facts(
        release=release,
        trained=batch.trained_versions(release, earlier, candidates),
        schema=schema,
        items=ensure.dataset(aws.personalize, names.dataset(shop, "items").arn) is not None,
        settings=settings,
    )
    return batch.plan(names, environment.bucket, request, jobs, facts)


def _first(table: "DynamoDBClient", request: batch.PlanRequest, environment: Environment, now: datetime) -> bool:
    """Return whether no other execution has run this time of the schedule: Scheduler delivers at least once."""
    if not request.scheduled:
        return True
    name = f"{SCHEDULED}{request.batch}#{request.scheduled}"
    record: dict[str, Value] = {"shop": request.shop, "record": name, "run": request.run}
    record["ttl"] = int((now + REMEMBERED).timestamp())
    condition = "attribute_not_exists(#run) OR #run = :run"
    names, values = {"#run": "run"}, {":run": request.run}
    return release_store.put_if(table, environment.table, record, condition, names=names, values=values)


def write(aws: WritingClients, request: batch.WriteRequest, environment: Environment, now: datetime) -> WrittenInput:
    """Write a job's input, and the report with its price.

    Raises:
        Rejected: the job cannot be asked: by its plan, its input or its budget, or because its segment failed.
    """
    job = request.job
    batch.check_segment(job, request.failed)
    if job.refused:
        raise Rejected(f"batch.{job.name}", job.refused)
    settings = shop_settings(aws.s3, environment.bucket, job.shop)
    written = job_input.write(aws, job, settings, environment)
    _report(aws.s3, environment.bucket, job, report.document(job, written, settings, None, _time(now)))
    return written


def convert(aws: Clients, request: batch.ConvertRequest, environment: Environment) -> Progressed:
    """Convert some of Personalize's answers."""
    if request.made == Cursor():
        answering.end(aws.table, request.job, environment)
    return converting.convert(aws.s3, environment.bucket, request.job, request.made)


def finish(aws: Clients, request: batch.ReportRequest, environment: Environment, now: datetime) -> Exported:
    """Complete the report, and make this export the newest."""
    job, written, made, bucket = request.job, request.written, request.made, environment.bucket
    settings = shop_settings(aws.s3, bucket, job.shop)
    document = report.document(job, written, settings, made, _time(now))
    if job.kind == "customers":
        reached = shards.unpack(objects.required_bytes(aws.s3, bucket, job.progress))
        judged = dict(reached["judged"])
        document["texts"] = judged.pop("texts", {})
        document["customers"] = {**judged, "withoutEvents": reached["withoutEvents"]}
    _report(aws.s3, bucket, job, document)
    newest = {"run": job.run, "release": job.release, "answers": job.output, "folder": job.folder, "at": _time(now)}
    objects.put_json(aws.s3, bucket, batch.newest(job.shop, job.name), newest)
    return Exported(
        batch=job.name,
        folder=f"s3://{bucket}/{job.folder}",
        files=made.parts,
        lists=made.lists,
        rows=made.rows,
        errors=made.errors,
        dollars=round(written.dollars, 4),
        report=f"{job.report}.html",
    )


def _report(s3: "S3Client", bucket: str, job: Job, document: Mapping[str, Any]) -> None:
    # What the notes are, a step before this one knew.
    earlier = objects.get_json(s3, bucket, f"{job.report}.json") or {}
    document = pages.with_codes({**document, "texts": {**earlier.get("texts", {}), **document.get("texts", {})}})
    objects.put_report(s3, bucket, job.report, document, report.page(document))


def _time(now: datetime) -> str:
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")
