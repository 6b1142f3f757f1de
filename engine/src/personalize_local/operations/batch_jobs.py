# SPDX-License-Identifier: Apache-2.0
"""Batch inference and batch segment jobs: files of queries in S3 become files of answers."""

from typing import Final

from personalize_local.engine import Call, Engine, Json, Resource, operation, require_active, work
from personalize_local.jobs.tasks import BatchTask
from personalize_local.jobs.work import run_batch
from personalize_local.library.batches import check_recipe, check_target, results_of
from personalize_local.operations import model_updates
from personalize_local.operations.campaigns import check_influence
from personalize_local.operations.common import limit_jobs, tags_of
from personalize_local.operations.datasets import claim_of, datasets_of, schemas_of
from personalize_local.operations.filters import filter_of
from personalize_local.operations.solutions import training_config
from personalize_local.recipes.definitions import check_parameters, recipe_of
from personalize_local.resources import kinds
from personalize_local.resources.kinds import Kind
from personalize_local.wire.errors import InvalidInput

_THEME_REGIONS: Final = ("us-east-1", "us-west-2", "ap-northeast-1")


@operation("CreateBatchInferenceJob")
def create_batch_inference_job(engine: Engine, call: Call, request: Json) -> Json:
    version = require_active(engine.registry.get(kinds.SOLUTION_VERSION, request["solutionVersionArn"]))
    spec = recipe_of(version.body["recipeArn"])
    check_recipe(spec, segments=False)
    config = request.get("batchInferenceJobConfig", {})
    check_influence(engine, version, config)
    check_parameters(config, "itemExplorationConfig", spec.exploration, spec.name)
    mode = request.get("batchInferenceJobMode", "BATCH_INFERENCE")
    if (mode == "THEME_GENERATION") != ("themeGenerationConfig" in request):
        raise InvalidInput("batchInferenceJobMode THEME_GENERATION and themeGenerationConfig go together.")
    themes = {"batchInferenceJobMode": mode, "themes": _theme_columns(engine, version, request)}
    return _create(engine, call, kinds.BATCH_INFERENCE_JOB, version, request | themes)


@operation("CreateBatchSegmentJob")
def create_batch_segment_job(engine: Engine, call: Call, request: Json) -> Json:
    version = require_active(engine.registry.get(kinds.SOLUTION_VERSION, request["solutionVersionArn"]))
    spec = recipe_of(version.body["recipeArn"])
    check_recipe(spec, segments=True)
    return _create(engine, call, kinds.BATCH_SEGMENT_JOB, version, request)


def _theme_columns(engine: Engine, version: Resource, job: Json) -> tuple[str, ...]:
    """Return the columns of Items that a job's themes are made of: names, descriptions; none without themes.

    What a job needs for them is on the guide's "Batch recommendations with themes from Content Generator".
    Raises InvalidInput.
    """
    if "themeGenerationConfig" not in job:
        return ()
    if not str(version.body["recipeArn"]).endswith("/aws-similar-items"):
        raise InvalidInput("Themes are for solution versions of aws-similar-items only.")
    if version.region not in _THEME_REGIONS:
        raise InvalidInput(f"Themes are available in {', '.join(_THEME_REGIONS)} only, not in {version.region}.")
    schema, config = schemas_of(engine, version.group).get("ITEMS"), job["themeGenerationConfig"]
    text = schema.marked("textual") if schema else None
    if schema is None or text is None:
        raise InvalidInput("Themes need an Items dataset with a textual field.")
    column = config["fieldsForThemeGeneration"]["itemName"]
    name = schema.find(column)
    if name is None or name.type != "string":
        raise InvalidInput(f"itemName {column} is not a string column of the Items dataset.")
    return name.name, text.name


def _create(engine: Engine, call: Call, kind: Kind, version: Resource, request: Json) -> Json:
    segments = kind is kinds.BATCH_SEGMENT_JOB
    results = results_of(request, segments=segments)
    if "filterArn" in request:
        check_target(filter_of(engine, request["filterArn"], version.group), request["filterArn"], segments=segments)
    tags = tags_of(request)
    most = engine.quotas.batch_segment_jobs if segments else engine.quotas.batch_inference_jobs
    limit_jobs(engine.registry.find(kind, call.prefix), most)
    more = {"numResults": results, "datasetGroupArn": version.group, "tags": tags}
    return engine.create(call, kind, request["jobName"], request | more)


@work(kinds.BATCH_INFERENCE_JOB, kinds.CREATE, turn="datasetGroupArn")
@work(kinds.BATCH_SEGMENT_JOB, kinds.CREATE, turn="datasetGroupArn")
async def run(engine: Engine, job: Resource) -> None:
    version = engine.registry.get(kinds.SOLUTION_VERSION, job.body["solutionVersionArn"])
    if model_updates.behind(engine, version):
        await model_updates.update_model(engine, version, training_config(engine, version))
    spec = recipe_of(version.body["recipeArn"])
    config = job.body.get("batchInferenceJobConfig", {})
    exploration = config.get("itemExplorationConfig", {})
    task = BatchTask(
        recipe=spec.name,
        source=engine.location(job.body["jobInput"]["s3DataSource"]["path"], job),
        target=engine.location(job.body["jobOutput"]["s3DataDestination"]["path"], job),
        model=engine.serving.model(version.arn),
        bulk=engine.serving.bulk(version.group),
        database=engine.store.database,
        datasets=engine.serving.sources(version.group),
        schemas=schemas_of(engine, version.group),
        filter=filter_of(engine, job.body["filterArn"], job.group) if "filterArn" in job.body else None,
        results=job.body["numResults"],
        now=engine.clock.now(),
        exploration={
            name: float(exploration.get(name, parameter.default)) for name, parameter in spec.exploration.items()
        },
        influence=config.get("rankingInfluence", {}),
        themes=job.body.get("themes", ()),
    )
    await engine.workers.run(claim_of(engine, datasets_of(engine, job.group).values(), long=True), run_batch, task)
