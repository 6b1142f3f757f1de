# SPDX-License-Identifier: Apache-2.0
"""By the engine's clock: solutions train on their schedule, recommenders every week, models are updated between."""

import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Final

from personalize_local.engine import Call, Engine, Json, Resource
from personalize_local.operations import model_updates, recommenders, solution_versions, solutions
from personalize_local.operations.attribution_reports import report_due
from personalize_local.operations.datasets import datasets_of
from personalize_local.operations.model_updates import training_marks
from personalize_local.operations.request_metrics import publish_requests
from personalize_local.resources import kinds
from personalize_local.resources.lifecycle import under_way
from personalize_local.wire.errors import ServiceError, WorkerLost

DAY: Final = 86_400.0
FIRST: Final = 3600.0
"""Seconds in which a manual version replaces a solution's first automatic one."""
WEEK: Final = 7
LOOK: Final = 60.0
"""Seconds, of the engine's clock, between two checks."""
LOGGER: Final = logging.getLogger("personalize")


def schedules(engine: Engine) -> list[Coroutine[None, None, None]]:
    """Return loops that do what is due until they are cancelled; several, so that a long update delays no training."""
    return [_keep(engine, act) for act in (_train_due, _update_due, report_due, publish_requests)]


async def _keep(engine: Engine, do: Callable[[Engine], Awaitable[None]]) -> None:
    while True:
        try:
            await do(engine)
        except Exception:
            LOGGER.exception("what is due waits for the next look")
        await engine.clock.sleep(LOOK)


async def catch_up(engine: Engine) -> None:
    """Do what is due now, and wait for its end."""
    await _train_due(engine)
    await engine.lifecycle.rest()
    await _update_due(engine)
    await report_due(engine)
    await publish_requests(engine)


async def _train_due(engine: Engine) -> None:
    """Start every training that is due."""
    for resource in [*_due_solutions(engine), *_due_recommenders(engine)]:
        try:
            _train(engine, resource)
        except ServiceError as error:
            LOGGER.warning("no automatic training of %s: %s", resource.arn, error.message)


async def _update_due(engine: Engine) -> None:
    """Update every model that is due, one after the other."""
    for resource in model_updates.due(engine):
        try:
            if resource.kind is kinds.RECOMMENDER:
                config = recommenders.config_of(engine, resource.group, resource.body["recommenderConfig"])
            else:
                config = solutions.training_config(engine, resource)
            await model_updates.update_model(engine, resource, config)
        except (ServiceError, WorkerLost, OSError) as error:
            # An import may have replaced the files, or something is gone: the next look tries again.
            LOGGER.warning("no update of %s: %s", resource.arn, error)
        except Exception:
            LOGGER.exception("no update of %s", resource.arn)


def _train(engine: Engine, resource: Resource) -> None:
    now = engine.clock.now()
    if resource.kind is kinds.RECOMMENDER:
        update = {"recommenderConfig": resource.body["recommenderConfig"], "retrain": True}
        engine.lifecycle.update(resource, update, now)
    else:
        call = Call(resource.region, resource.arn.split(":")[4], now)
        solution_versions.begin_training(engine, call, resource, {"trainingType": "AUTOMATIC"})


def _due_solutions(engine: Engine) -> Iterator[Resource]:
    for solution in engine.registry.find(kinds.SOLUTION):
        versions = list(engine.registry.find(kinds.SOLUTION_VERSION, solutionArn=solution.arn))
        quiet = solution.active and all(version.settled for version in versions)
        if quiet and solution.body["performAutoTraining"] and datasets_of(engine, solution.group):
            since = _since(solution)
            latest = max((version for version in versions if _made(version) >= since), default=None, key=_made)
            due = since + FIRST if latest is None else _made(latest) + _days(solution) * DAY
            if engine.clock.now() >= due and (latest is None or _new_data(engine, latest)):
                yield solution


def _due_recommenders(engine: Engine) -> Iterator[Resource]:
    for recommender in engine.registry.find(kinds.RECOMMENDER):
        if recommender.active and not under_way(recommender):
            due = recommender.body["trained"] + WEEK * DAY
            if engine.clock.now() >= due and _new_data(engine, recommender):
                yield recommender


def _since(solution: Resource) -> float:
    """Return when automatic training was switched on, or its schedule changed."""
    update: Json = solution.body.get("latestSolutionUpdate", {})
    changed = "performAutoTraining" in update or "autoTrainingConfig" in update.get("solutionUpdateConfig", {})
    taken = update if changed and update.get("status") == "ACTIVE" else solution.body
    return float(taken["lastUpdatedDateTime"])


def _new_data(engine: Engine, trained: Resource) -> bool:
    """Tell whether interactions arrived since a training began; items count too where their texts are what trains."""
    kind = "mark" if str(trained.body.get("recipeArn")).endswith("/aws-semantic-similarity") else "data"
    return bool(training_marks(engine, trained.group)[kind] != trained.body.get(kind))


def _made(version: Resource) -> float:
    return float(version.body["creationDateTime"])


def _days(solution: Resource) -> int:
    config = solution.body.get("solutionConfig", {}).get("autoTrainingConfig", {})
    days = re.search(r"\d+", config.get("schedulingExpression", ""))
    return int(days[0]) if days else WEEK
