# SPDX-License-Identifier: Apache-2.0
"""Solutions: a recipe with its configuration."""

import shutil
from collections.abc import Iterator

from personalize_local.engine import Call, Engine, Json, Resource, operation, require_active, require_settled, work
from personalize_local.operations.common import deletes, describes, limit, tags_of
from personalize_local.operations.datasets import schemas_of
from personalize_local.recipes.config import TrainingConfig
from personalize_local.resources import kinds
from personalize_local.solutions.configs import check_config, check_recipe, check_solution, config_of
from personalize_local.solutions.searches import candidates

_SWITCHES = ("performAutoTraining", "performIncrementalUpdate")
_GROWING = ("USERS", "ITEMS")
"""Datasets that may get more columns."""


@operation("CreateSolution")
def create_solution(engine: Engine, call: Call, request: Json) -> Json:
    group = engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"])
    schemas = schemas_of(engine, group.arn)
    tuned = check_solution(request, schemas)
    engine.usable(group)
    tags = tags_of(request)
    present = engine.registry.find(kinds.SOLUTION, datasetGroupArn=group.arn)
    limit(present, engine.quotas.solutions, "solutions in this dataset group")
    # Columns that users or items get later don't train this solution.
    columns = {kind: list(schema.names) for kind, schema in schemas.items() if kind in _GROWING}
    switches = {
        "performHPO": tuned,
        "performAutoML": request.get("performAutoML", False),
        "performAutoTraining": request.get("performAutoTraining", True),
        "performIncrementalUpdate": request.get("performIncrementalUpdate", False),
    }
    body = request | switches | {"columns": columns, "tags": tags}
    return engine.create(call, kinds.SOLUTION, request["name"], body)


@operation("UpdateSolution")
def update_solution(engine: Engine, call: Call, request: Json) -> Json:
    solution = engine.registry.get(kinds.SOLUTION, request["solutionArn"])
    config = request.get("solutionUpdateConfig", {})
    automatic = bool((solution.body | request)["performAutoTraining"])
    for spec in candidates(solution.body):
        check_recipe(spec, request)
        check_config(spec, config, automatic=automatic)
    require_settled(require_active(solution))
    changes = {name: request[name] for name in _SWITCHES if name in request}
    return engine.lifecycle.update(solution, {"solutionUpdateConfig": config} | changes, call.now)


@work(kinds.SOLUTION, kinds.UPDATE)
async def change_solution(_engine: Engine, solution: Resource) -> None:
    update = solution.body["latestSolutionUpdate"]
    solution.body |= {name: update[name] for name in _SWITCHES if name in update}
    if update["solutionUpdateConfig"]:
        solution.body["solutionConfig"] = solution.body.get("solutionConfig", {}) | update["solutionUpdateConfig"]


@work(kinds.SOLUTION, kinds.DELETE)
async def remove_solution(engine: Engine, solution: Resource) -> None:
    """Remove its versions and their models too."""
    versions = list(engine.registry.find(kinds.SOLUTION_VERSION, solutionArn=solution.arn))
    jobs = [job for version in versions for job in _jobs(engine, version)]
    engine.registry.remove(*versions, *jobs)
    engine.serving.forget(*(version.arn for version in versions))
    shutil.rmtree(engine.store.folder(solution.arn), ignore_errors=True)


def training_config(engine: Engine, version: Resource) -> TrainingConfig:
    """Return the settings of a solution version's training."""
    solution = engine.registry.get(kinds.SOLUTION, version.body["solutionArn"])
    return config_of(
        version.body,
        schemas_of(engine, version.group),
        tier=engine.options.tier,
        minimums=(engine.quotas.minimum_interactions, engine.quotas.minimum_users),
        present=solution.body.get("columns"),
    )


def _latest(engine: Engine, solution: Resource) -> Json:
    versions = list(engine.registry.find(kinds.SOLUTION_VERSION, solutionArn=solution.arn))
    return solution.body | ({"latestSolutionVersion": versions[-1].body} if versions else {})


def _dependants(engine: Engine, solution: Resource) -> Iterator[Resource]:
    yield from engine.registry.find(kinds.CAMPAIGN, solutionArn=solution.arn)
    versions = engine.registry.find(kinds.SOLUTION_VERSION, solutionArn=solution.arn)
    for version in versions:
        yield from (resource for resource in (version, *_jobs(engine, version)) if not resource.settled)


def _jobs(engine: Engine, version: Resource) -> Iterator[Resource]:
    for kind in (kinds.BATCH_INFERENCE_JOB, kinds.BATCH_SEGMENT_JOB):
        yield from engine.registry.find(kind, solutionVersionArn=version.arn)


describes(kinds.SOLUTION, _latest)
deletes(kinds.SOLUTION, _dependants)
