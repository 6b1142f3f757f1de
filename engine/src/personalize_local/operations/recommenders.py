# SPDX-License-Identifier: Apache-2.0
"""Recommenders: a domain's use case, trained and deployed in one step."""

import shutil

from personalize_local.engine import Call, Engine, Json, Resource, operation, require_settled, work
from personalize_local.operations.common import deletes, describes, limit, tags_of
from personalize_local.operations.datasets import datasets_of, schemas_of
from personalize_local.operations.model_updates import training_marks
from personalize_local.operations.solution_versions import train
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec, check_parameters, recipe_of
from personalize_local.resources import kinds
from personalize_local.solutions.configs import check_training_data, excluded_columns
from personalize_local.wire.errors import InvalidInput, ResourceInUse, ResourceNotFound


@operation("CreateRecommender")
def create_recommender(engine: Engine, call: Call, request: Json) -> Json:
    group = engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"])
    spec = recipe_of(request["recipeArn"])
    _check_use_case(spec, group)
    config = request.get("recommenderConfig", {})
    check_parameters(config, "itemExplorationConfig", spec.exploration, spec.name)
    check_training_data(schemas_of(engine, group.arn), spec, config)
    engine.usable(group)
    needed = {"INTERACTIONS"} | ({"ITEMS"} if spec.needs_items else set())
    if missing := needed - datasets_of(engine, group.arn).keys():
        raise InvalidInput(f"{group.arn} has no {' and no '.join(sorted(missing))} dataset to train {spec.name} from.")
    tags = tags_of(request)
    present = engine.registry.find(kinds.RECOMMENDER, datasetGroupArn=group.arn)
    limit(present, engine.quotas.recommenders, "recommenders in this dataset group")
    config = {"minRecommendationRequestsPerSecond": 1, "enableMetadataWithRecommendations": False} | config
    return engine.create(
        call, kinds.RECOMMENDER, request["name"], request | {"recommenderConfig": config, "tags": tags}
    )


def _check_use_case(spec: RecipeSpec, group: Resource) -> None:
    domain = group.body.get("domain")
    if not spec.domain:
        raise InvalidInput(f"{spec.name} is a custom recipe: it is for solutions, not for recommenders.")
    if domain is None:
        raise InvalidInput(f"{group.arn} is a custom dataset group: recommenders are for dataset groups with a domain.")
    if spec.domain != domain:
        raise InvalidInput(f"{spec.name} is for domain {spec.domain}, the dataset group is for {domain}.")


@operation("UpdateRecommender")
def update_recommender(engine: Engine, call: Call, request: Json) -> Json:
    """Change the configuration; what the request leaves out stays. Other training columns mean a new training."""
    recommender = _in_status(engine, request, kinds.ACTIVE)
    spec, present = recipe_of(recommender.body["recipeArn"]), recommender.body["recommenderConfig"]
    check_parameters(request["recommenderConfig"], "itemExplorationConfig", spec.exploration, spec.name)
    check_training_data(schemas_of(engine, recommender.group), spec, request["recommenderConfig"])
    config = present | request["recommenderConfig"]
    retrain = config.get("trainingDataConfig") != present.get("trainingDataConfig")
    return engine.lifecycle.update(recommender, {"recommenderConfig": config, "retrain": retrain}, call.now)


@operation("StopRecommender")
def stop_recommender(engine: Engine, _call: Call, request: Json) -> Json:
    """Stop a recommender: it refuses requests and is not trained."""
    return _turn(engine, request, kinds.ACTIVE, kinds.STOP)


@operation("StartRecommender")
def start_recommender(engine: Engine, _call: Call, request: Json) -> Json:
    """Let a stopped recommender answer again, from the same model."""
    return _turn(engine, request, kinds.INACTIVE, kinds.START)


def _turn(engine: Engine, request: Json, needed: str, verb: str) -> Json:
    recommender = _in_status(engine, request, needed)
    engine.lifecycle.begin(recommender, verb)
    return {"recommenderArn": recommender.arn}


def _in_status(engine: Engine, request: Json, needed: str) -> Resource:
    recommender = require_settled(engine.registry.get(kinds.RECOMMENDER, request["recommenderArn"]))
    if recommender.status != needed:
        raise ResourceInUse(f"{recommender.arn} is in status {recommender.status}: it must be {needed}.")
    return recommender


@work(kinds.RECOMMENDER, kinds.CREATE)
async def train_recommender(engine: Engine, recommender: Resource) -> None:
    """Train in the worker, then load the model before the first request."""
    await _train(engine, recommender, recommender.body["recommenderConfig"])
    await engine.serving.catalogue(recommender)


@work(kinds.RECOMMENDER, kinds.UPDATE)
async def change_recommender(engine: Engine, recommender: Resource) -> None:
    update = recommender.body["latestRecommenderUpdate"]
    if update["retrain"]:
        await _train(engine, recommender, update["recommenderConfig"])
        await engine.serving.renew(recommender)
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
    began = {"trained": engine.clock.now()} | training_marks(engine, recommender.group)
    outcome = await train(engine, recommender, config_of(engine, recommender.group, config))
    recommender.body |= began | {"modelMetrics": outcome.metrics, "popularity": outcome.popularity}
    recommender.body.pop("update", None)


def config_of(engine: Engine, group: str, config: Json) -> TrainingConfig:
    """Return the settings of a training with a recommenderConfig."""
    return TrainingConfig(
        minimum_interactions=engine.quotas.minimum_interactions,
        minimum_users=engine.quotas.minimum_users,
        hyperparameters={"tier": engine.options.tier},
        excluded_columns=excluded_columns(schemas_of(engine, group), config),
    )


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
deletes(kinds.RECOMMENDER)
