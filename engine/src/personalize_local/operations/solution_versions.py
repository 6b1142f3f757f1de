# SPDX-License-Identifier: Apache-2.0
"""Solution versions: trained models and their offline metrics."""

import asyncio
import secrets
import shutil
import time

from personalize_local.engine import Call, Engine, Json, Resource, operation, require_active, work
from personalize_local.jobs.tasks import TrainingOutcome, TrainingTask
from personalize_local.jobs.work import run_training
from personalize_local.operations.campaigns import synchronise
from personalize_local.operations.common import limit_jobs, listed, tags_of
from personalize_local.operations.datasets import claim_of, datasets_of, schemas_of, training_data
from personalize_local.operations.model_updates import training_marks, write_update
from personalize_local.operations.solutions import training_config
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RECIPE, RecipeSpec
from personalize_local.resources import kinds
from personalize_local.solutions.configs import check_datasets
from personalize_local.solutions.searches import candidates
from personalize_local.wire.errors import InvalidInput, ResourceAlreadyExists, ResourceInUse, TrainingRefused


@operation("CreateSolutionVersion")
def create_solution_version(engine: Engine, call: Call, request: Json) -> Json:
    solution = require_active(engine.registry.get(kinds.SOLUTION, request["solutionArn"]))
    mode = request.get("trainingMode", "FULL")
    _check_mode(engine, solution, mode)
    name = {member: request[member] for member in ("name",) if member in request}
    modes = {"trainingMode": mode, "trainingType": "MANUAL", "tags": tags_of(request)}
    return begin_training(engine, call, solution, name | modes)


def begin_training(engine: Engine, call: Call, solution: Resource, members: Json) -> Json:
    """Register a version with these members and start its training; returns the answer.

    Raises InvalidInput without a dataset to train on, LimitExceeded, ResourceAlreadyExists.
    """
    check_datasets(_recipe(solution), schemas_of(engine, solution.group), solution.group)
    here = list(engine.registry.find(kinds.SOLUTION_VERSION, call.prefix))
    # Amazon publishes no words for this quota: clients must not depend on them.
    limit_jobs(
        here, engine.quotas.solution_versions, "The limit of {most} solution versions in training has been reached."
    )
    identifier = f"{solution.name}/{secrets.token_hex(4)}"
    body = {"name": identifier, "solutionArn": solution.arn, "trainingMode": "FULL", "tags": {}} | members
    for other in here:
        if other.name == body["name"]:
            taken = f"Another resource with Arn {other.arn} already exists: its name is {other.name}."
            raise ResourceAlreadyExists(taken)
    inherited = ("performHPO", "performAutoML", "performIncrementalUpdate", "recipeArn", "datasetGroupArn", "eventType")
    from_solution = {member: solution.body[member] for member in inherited if member in solution.body}
    config = {"solutionConfig": solution.body.get("solutionConfig", {})} | training_marks(engine, solution.group)
    return engine.create(call, kinds.SOLUTION_VERSION, identifier, from_solution | config | body)


def _recipe(resource: Resource) -> RecipeSpec:
    """Return the recipe of a solution, version or recommender; of AutoML, which trains all alike, the first one."""
    return candidates(resource.body)[0]


def _check_mode(engine: Engine, solution: Resource, mode: str) -> None:
    if mode == "AUTOTRAIN":
        raise InvalidInput("AUTOTRAIN is the service's own mode: ask for FULL or UPDATE.")
    if mode == "UPDATE":
        if solution.body.get("performAutoML") or _recipe(solution).name != "aws-user-personalization":
            raise InvalidInput("trainingMode UPDATE is for aws-user-personalization only.")
        if _fully_trained(engine, solution.arn) is None:
            raise InvalidInput("trainingMode UPDATE needs an ACTIVE solution version that was trained in FULL mode.")


def _fully_trained(engine: Engine, solution: str) -> Resource | None:
    """Return the newest ACTIVE version of a solution with a FULL training."""
    versions = engine.registry.find(kinds.SOLUTION_VERSION, solutionArn=solution, trainingMode="FULL")
    return next((version for version in reversed(list(versions)) if version.active), None)


@work(kinds.SOLUTION_VERSION, kinds.CREATE)
async def train_version(engine: Engine, version: Resource) -> None:
    """Train in the worker; then update the campaigns that follow the latest version."""
    config = training_config(engine, version)
    if version.body["trainingMode"] == "UPDATE":
        outcome = await _updated(engine, version, config)
    else:
        outcome = await train(engine, version, config)
    version.body |= {"metrics": outcome.metrics, "popularity": outcome.popularity}
    version.body["trainingHours"] = round(outcome.seconds / 3600, 6)
    if outcome.tuned is not None:
        version.body["tunedHPOParams"] = {"algorithmHyperParameters": outcome.tuned}
    if "recipeArn" not in version.body:
        solution = engine.registry.get(kinds.SOLUTION, version.body["solutionArn"])
        version.body["recipeArn"] = f"{RECIPE}{outcome.recipe}"
        solution.body["autoMLResult"] = {"bestRecipeArn": version.body["recipeArn"]}
        engine.registry.save(solution)
    for campaign in engine.registry.find(kinds.CAMPAIGN, solutionArn=version.body["solutionArn"]):
        asyncio.get_running_loop().call_soon(synchronise, engine, campaign)


async def _updated(engine: Engine, version: Resource, config: TrainingConfig) -> TrainingOutcome:
    """Add new items to the model of the newest full training, whose metrics stay."""
    began, base = time.perf_counter(), _fully_trained(engine, version.body["solutionArn"])
    if base is None:
        raise TrainingRefused("Create failed. The solution version that was trained in FULL mode is gone.")
    async with engine.turn(version.group):
        await write_update(engine, version, config, engine.store.folder(version.arn), base)
    tuned = base.body.get("tunedHPOParams", {}).get("algorithmHyperParameters")
    seconds = time.perf_counter() - began
    return TrainingOutcome(base.body["metrics"], base.body.get("popularity", {}), seconds, tuned=tuned)


async def train(engine: Engine, resource: Resource, config: TrainingConfig) -> TrainingOutcome:
    """Train a solution version or a recommender in the worker."""
    spec = _recipe(resource)
    async with engine.turn(resource.group):
        task = TrainingTask(
            arn=resource.arn,
            recipe=spec.name,
            config=config,
            data=training_data(engine, resource.group, spec),
            target=engine.store.folder(resource.arn),
        )
        claim = claim_of(engine, datasets_of(engine, resource.group).values(), long=True)
        try:
            return await engine.workers.run(claim, run_training, task)
        except asyncio.CancelledError:
            if not resource.active:
                shutil.rmtree(task.target, ignore_errors=True)
            raise


@operation("StopSolutionVersionCreation")
async def stop_solution_version_creation(engine: Engine, _call: Call, request: Json) -> None:
    """End a training for good; nothing of it is kept."""
    version = engine.registry.get(kinds.SOLUTION_VERSION, request["solutionVersionArn"])
    if version.status not in {"CREATE PENDING", "CREATE IN_PROGRESS"}:
        raise ResourceInUse(f"{version.arn} is in status {version.status}: only a running creation can be stopped.")
    await engine.lifecycle.stop(version)


@operation("GetSolutionMetrics")
def get_solution_metrics(engine: Engine, _call: Call, request: Json) -> Json:
    version = engine.registry.get(kinds.SOLUTION_VERSION, request["solutionVersionArn"])
    if not version.active:
        raise ResourceInUse(f"{version.arn} is in status {version.status}: metrics are there once it is ACTIVE.")
    return {"solutionVersionArn": version.arn, "metrics": version.body["metrics"]}


@operation("ListSolutionVersions")
def list_solution_versions(engine: Engine, call: Call, request: Json) -> Json:
    """List versions, oldest first; an unknown solution is an error here, unlike in other lists."""
    if "solutionArn" in request:
        engine.registry.get(kinds.SOLUTION, request["solutionArn"])
    return listed(kinds.SOLUTION_VERSION, engine, call, request)
