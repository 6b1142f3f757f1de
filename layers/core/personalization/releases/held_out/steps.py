# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time that call Personalize: plan, export, ask, measure, clear.

Every step can be repeated safely.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from table_intake import DataKind

from personalization.core.aws import objects
from personalization.core.aws.errors import none_if_missing
from personalization.core.environment import Environment
from personalization.core.errors import Broken
from personalization.personalize import ensure, removal
from personalization.personalize.ensure import ensured
from personalization.personalize.readiness import Stage, advance
from personalization.personalize.removal import Kind, Left
from personalization.releases.held_out import judging, trials
from personalization.releases.held_out.judging import Document, Exam, Lists
from personalization.reports import pages
from personalization.shop.plan import Made, Resource, Step

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

_KINDS: tuple[DataKind, ...] = ("interactions", "items", "users")


def plan(
    client: "PersonalizeClient", s3: "S3Client", request: trials.TrialRequest, environment: Environment
) -> trials.Planned:
    """Name everything that an attempt creates, or return the result that a run with the same data left.

    Raises:
        Broken: the shop has no interactions.
    """
    names, evaluation, shop = environment.names, request.evaluation, request.evaluation.shop
    for run in (evaluation.run, *evaluation.made_by):
        document = objects.get_json(s3, environment.bucket, trials.report_key(shop, run))
        if before := judging.earlier_result(evaluation, run, document):
            return trials.Planned(before=before)
    schema_by_kind = {kind: ensure.dataset_schema(client, kind, names.dataset(shop, kind).arn) for kind in _KINDS}
    schemas = {kind: schema for kind, schema in schema_by_kind.items() if schema is not None}
    if "interactions" not in schemas:
        raise Broken(names.dataset(shop, "interactions").name, "there are no interactions to test on")
    return trials.Planned(trial=trials.plan(names, environment.bucket, evaluation, request.attempt, schemas))


def clear(client: "PersonalizeClient", request: trials.ClearRequest, environment: Environment) -> Left:
    """Delete resources of a shop's tests that nothing depends on, and return what is left.

    Raises:
        Broken: the dataset group holds something that no test makes.
    """
    pieces = removal.inventory(client, environment.names.dataset_group(trials.label(request.shop)).arn)
    deletes: Mapping[Kind, Callable[[str], object]] = {
        "solution": lambda arn: client.delete_solution(solutionArn=arn),
        "dataset": lambda arn: client.delete_dataset(datasetArn=arn),
        "datasetGroup": lambda arn: client.delete_dataset_group(datasetGroupArn=arn),
    }
    for piece in removal.to_delete(pieces):
        if piece.kind not in deletes:
            raise Broken(piece.name, f"no test made this {piece.kind}: remove it by hand")
        removal.gone_or_busy(partial(deletes[piece.kind], piece.arn))
    return Left(left=len(pieces), waiting_for=tuple(piece.name for piece in removal.stage(pieces)))


def export(client: "PersonalizeClient", request: trials.ExportRequest, role_arn: str) -> Step:
    """Start or find the job that exports one of the shop's datasets, imported and streamed rows alike."""
    job = request.source.job

    return _run(
        job,
        request.made,
        lambda arn: client.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"],
        lambda: client.create_dataset_export_job(
            jobName=job.name,
            datasetArn=request.source.dataset_arn,
            ingestionMode="ALL",
            roleArn=role_arn,
            jobOutput={"s3DataDestination": {"path": request.source.location}},
        ),
    )


def ask(client: "PersonalizeClient", request: trials.AskRequest, role_arn: str) -> Step:
    """Start or find the batch job that gives a solution version's lists for the sample."""
    question = request.question
    job = question.job
    # Explored items are not the recipe's mistakes.
    plain: dict[str, Any] = {"batchInferenceJobConfig": {"itemExplorationConfig": {"explorationWeight": "0"}}}

    return _run(
        job,
        request.made,
        lambda arn: client.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"],
        lambda: client.create_batch_inference_job(
            jobName=job.name,
            solutionVersionArn=request.solution_version_arn,
            numResults=trials.LISTED,
            jobInput={"s3DataSource": {"path": question.source}},
            jobOutput={"s3DataDestination": {"path": question.target}},
            roleArn=role_arn,
            **(plain if question.recipe.recipe_arn.endswith("/aws-user-personalization") else {}),
        ),
    )


def _run(job: Resource, made: Made, describe: Callable[[str], Mapping[str, Any]], create: Callable[[], object]) -> Step:
    stage = Stage(job.name, lambda _: ensured(job.arn, lambda: describe(job.arn), create), describe)
    return advance([stage], made)


def measure(client: "PersonalizeClient", s3: "S3Client", bucket: str, request: trials.MeasureRequest) -> trials.Result:
    """Compare the lists with the held-out purchases, and write the report.

    Raises:
        Broken: a batch job left no answers.
    """
    trial, split, imported = request.trial, request.split, request.imported
    job = trial.imports[0].import_job
    described = none_if_missing(client.describe_dataset_import_job, datasetImportJobArn=job.arn)
    location = described["datasetImportJob"]["dataSource"].get("dataLocation") if described else None
    if leak := judging.leak(split, imported, location, job.data_location):
        return _reported(s3, bucket, judging.unjudged(trial, split, leak))
    document = objects.get_json(s3, bucket, trial.key(trials.EXAM))
    baskets = {user: frozenset(items) for user, items in document["baskets"].items()}
    exam = Exam(baskets, document["popular"], document["catalogue"])
    lists = {question.recipe.alias: _lists(s3, bucket, question) for question in trial.questions}
    return _reported(s3, bucket, judging.judged(trial, split, imported, exam, lists))


def untested(s3: "S3Client", bucket: str, request: trials.UntestedRequest) -> trials.Result:
    """Report that the history is too short for a test."""
    return _reported(s3, bucket, judging.unjudged(request.trial, request.split))


def _reported(s3: "S3Client", bucket: str, reported: tuple[trials.Result, Document]) -> trials.Result:
    result, document = reported
    objects.put_json(s3, bucket, result.report, pages.with_codes(document))
    return result


def _lists(s3: "S3Client", bucket: str, question: trials.Question) -> Lists:
    lists: dict[str, list[str]] = {}
    for key in objects.list_keys(s3, bucket, question.target.removeprefix(f"s3://{bucket}/")):
        body = objects.get_bytes(s3, bucket, key) if key.endswith(".out") else None
        for line in (body or b"").splitlines():
            row = json.loads(line)
            lists[row["input"]["userId"]] = row["output"]["recommendedItems"]
    if not lists:
        raise Broken(question.job.name, f"there are no answers below {question.target}")
    return lists
