# SPDX-License-Identifier: Apache-2.0
"""Recommenders: a domain's use case, trained and deployed in one step."""

import asyncio
import shutil

from personalize_local.engine import Engine, operation, require_active, work
from personalize_local.jobs.tasks import TrainingTask
from personalize_local.jobs.work import run_training
from personalize_local.operations.common import deletes, describes, limit, lists, tags_of
from personalize_local.operations.datasets import bulk_spec, data_mark, datasets_of, training_datasets
from personalize_local.operations.recipes import recipe_of
from personalize_local.operations.solutions import excluded_columns
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.table import RecipeSpec
from personalize_local.resources import kinds
from personalize_local.resources.kinds import Call
from personalize_local.resources.lifecycle import updating
from personalize_local.resources.registry import Resource
from personalize_local.wire.errors import InvalidInput, NotBuilt, ResourceInUse, ResourceNotFound
from personalize_local.wire.protocol import Json


@operation("CreateRecommender")
def create_recommender(engine: Engine, call: Call, request: Json) -> Json:
    group = engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"])
    spec = recipe_of(request["recipeArn"])
    _check_use_case(spec, group)
    config = request.get("recommenderConfig", {})
    _check_config(spec, config)
    require_active(group)
    needed = {"INTERACTIONS"} | ({"ITEMS"} if spec.needs_items else set())
    if missing := needed - datasets_of(engine, group.arn).keys():
        raise InvalidInput(f"{group.arn} has no {' and no '.join(sorted(missing))} dataset to train {spec.name} from.")
    tags = tags_of(request)
    limit(
        engine.registry.find(kinds.RECOMMENDER, datasetGroupArn=group.arn),
        5,
        "More than {most} recommenders in this dataset group. Delete some and try again.",
    )
    arn = call.arn(kinds.RECOMMENDER, request["name"])
    config = {"minRecommendationRequestsPerSecond": 1, "enableMetadataWithRecommendations": False} | config
    engine.create(call, kinds.RECOMMENDER, arn, request | {"recommenderConfig": config, "tags": tags})
    return {"recommenderArn": arn}


def _check_use_case(spec: RecipeSpec, group: Resource) -> None:
    domain = group.body.get("domain")
    if not spec.domain:
        raise InvalidInput(f"{spec.name} is a custom recipe: it is for solutions, not for recommenders.")
    if domain is None:
        raise InvalidInput(f"{group.arn} is a custom dataset group: recommenders are for dataset groups with a domain.")
    if spec.domain != domain:
        raise InvalidInput(f"{spec.name} is for domain {spec.domain}, the dataset group is for {domain}.")
    if not spec.trainable:
        raise NotBuilt(f"Recipe {spec.name} is not built yet in this engine.")


def _check_config(spec: RecipeSpec, config: Json) -> None:
    for name, value in config.get("itemExplorationConfig", {}).items():
        if name not in spec.exploration:
            known = ", ".join(spec.exploration) or "nothing"
            raise InvalidInput(f"{spec.name} has no itemExplorationConfig named {name}: it takes {known}.")
        if not spec.exploration[name].accepts(value):
            raise InvalidInput(f"Value {value} is out of the range of {name}.")


@operation("UpdateRecommender")
def update_recommender(engine: Engine, call: Call, request: Json) -> Json:
    """Change the configuration; what the request leaves out stays. Other training columns mean a new training."""
    recommender = _settled(engine, request)
    config = recommender.body["recommenderConfig"] | request["recommenderConfig"]
    _check_config(recipe_of(recommender.body["recipeArn"]), request["recommenderConfig"])
    if not recommender.active:
        raise ResourceInUse(f"{recommender.arn} is in status {recommender.status}: it must be ACTIVE.")
    begin_update(engine, recommender, config, call.now)
    return {"recommenderArn": recommender.arn}


def begin_update(engine: Engine, recommender: Resource, config: Json, now: float, *, retrain: bool = False) -> None:
    """Start an update; the recommender answers as before until it ends."""
    retrain = retrain or config.get("trainingDataConfig") != recommender.body["recommenderConfig"].get(
        "trainingDataConfig"
    )
    update = {"recommenderConfig": config, "creationDateTime": now, "retrain": retrain}
    recommender.body["latestRecommenderUpdate"] = update
    engine.lifecycle.begin(recommender, kinds.UPDATE)


@operation("StopRecommender")
def stop_recommender(engine: Engine, _call: Call, request: Json) -> Json:
    """Stop a recommender: it refuses requests and is not trained."""
    return _turn(engine, request, kinds.ACTIVE, kinds.STOP)


@operation("StartRecommender")
def start_recommender(engine: Engine, _call: Call, request: Json) -> Json:
    """Let a stopped recommender answer again, from the same model."""
    return _turn(engine, request, kinds.INACTIVE, kinds.START)


def _turn(engine: Engine, request: Json, needed: str, verb: str) -> Json:
    recommender = _settled(engine, request)
    if recommender.status != needed:
        raise ResourceInUse(f"{recommender.arn} is in status {recommender.status}: it must be {needed}.")
    engine.lifecycle.begin(recommender, verb)
    return {"recommenderArn": recommender.arn}


def _settled(engine: Engine, request: Json) -> Resource:
    recommender = engine.registry.get(kinds.RECOMMENDER, request["recommenderArn"])
    if not recommender.settled or updating(recommender):
        raise ResourceInUse(f"{recommender.arn} is in status {recommender.status}, or being updated.")
    return recommender


@work(kinds.RECOMMENDER, kinds.CREATE)
async def train_recommender(engine: Engine, recommender: Resource) -> None:
    """Train in the worker, then load the model before the first request."""
    await _train(engine, recommender, recommender.body["recommenderConfig"])
    await engine.serving.catalogue(recommender)


@work(kinds.RECOMMENDER, kinds.UPDATE)
async def change_recommender(engine: Engine, recommender: Resource) -> None:
    """Apply an update, after a training if it needs one."""
    update = recommender.body["latestRecommenderUpdate"]
    if update["retrain"]:
        await _train(engine, recommender, update["recommenderConfig"])
        engine.serving.forget(recommender.arn)
        await engine.serving.catalogue(recommender)
    recommender.body["recommenderConfig"] = update["recommenderConfig"]


@work(kinds.RECOMMENDER, kinds.START)
async def load_recommender(engine: Engine, recommender: Resource) -> None:
    await engine.serving.catalogue(recommender)


@work(kinds.RECOMMENDER, kinds.STOP)
async def unload_recommender(engine: Engine, recommender: Resource) -> None:
    """Close the model; its files stay."""
    engine.serving.forget(recommender.arn)


@work(kinds.RECOMMENDER, kinds.DELETE)
async def remove_recommender(engine: Engine, recommender: Resource) -> None:
    engine.serving.forget(recommender.arn)
    shutil.rmtree(engine.store.folder(recommender.arn), ignore_errors=True)


async def _train(engine: Engine, recommender: Resource, config: Json) -> None:
    spec = recipe_of(recommender.body["recipeArn"])
    task = TrainingTask(
        recipe=spec.name,
        config=TrainingConfig(excluded_columns=excluded_columns(engine, recommender.group, config)),
        spec=bulk_spec(engine, recommender.group),
        database=engine.store.database,
        datasets=training_datasets(engine, recommender.group),
        target=engine.store.folder(recommender.arn),
    )
    began = {"trained": engine.clock.now(), "data": data_mark(engine, recommender.group)}
    try:
        metrics, _ = await engine.workers.run(run_training, task)
    except asyncio.CancelledError:
        if not recommender.active:
            shutil.rmtree(task.target, ignore_errors=True)
        raise
    recommender.body |= began | {"modelMetrics": metrics}


def serving_recommender(engine: Engine, arn: str) -> Resource:
    """Return an ACTIVE recommender. Raises ResourceNotFound, as for a campaign."""
    recommender = engine.registry.get(kinds.RECOMMENDER, arn)
    if not recommender.active:
        raise ResourceNotFound(f"Recommender {arn} is in status {recommender.status}: it answers while it is ACTIVE.")
    return recommender


def _shown(_engine: Engine, recommender: Resource) -> Json:
    hidden = recommender.deleting or recommender.status.startswith(kinds.CREATE)
    return {name: value for name, value in recommender.body.items() if not (hidden and name == "modelMetrics")}


describes(kinds.RECOMMENDER, _shown)
lists(kinds.RECOMMENDER)
deletes(kinds.RECOMMENDER)
