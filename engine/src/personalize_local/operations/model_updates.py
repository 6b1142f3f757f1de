# SPDX-License-Identifier: Apache-2.0
"""Updates of models between trainings, every two hours of the engine's clock where there is something new.

As on AWS, the newest fully trained version of a solution is updated while a campaign serves it, and so are the
recommenders of some use cases; trends in the rhythm of their windows. No version is made, and metrics stay.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from personalize_local.engine import Engine, Json, Resource
from personalize_local.jobs.tasks import UpdateTask
from personalize_local.jobs.work import run_update
from personalize_local.operations.datasets import claim_of, data_mark, datasets_of, training_data
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec, recipe_of
from personalize_local.recipes.updating import seconds_between
from personalize_local.resources import kinds
from personalize_local.resources.lifecycle import under_way


def due(engine: Engine) -> list[Resource]:
    """Return the versions and recommenders whose models want an update now."""
    served = {
        campaign.body["solutionVersionArn"] for campaign in engine.registry.find(kinds.CAMPAIGN) if campaign.active
    }
    candidates = [version for version in _newest_versions(engine) if version.arn in served]
    candidates += [
        recommender
        for recommender in engine.registry.find(kinds.RECOMMENDER)
        if recommender.active and not under_way(recommender)
    ]
    return [resource for resource in candidates if _is_time(engine, resource) and _has_news(engine, resource)]


def behind(engine: Engine, version: Resource) -> bool:
    """Tell whether a batch job with this version begins with an update, whatever the time."""
    return version in _newest_versions(engine) and _period(engine, version) is not None and _has_news(engine, version)


def _newest_versions(engine: Engine) -> Iterator[Resource]:
    """Yield the newest ACTIVE version of each solution that has had a full training."""
    newest: dict[str, Resource] = {}
    for version in engine.registry.find(kinds.SOLUTION_VERSION, trainingMode="FULL"):
        if version.active:
            newest[version.body["solutionArn"]] = version
    yield from newest.values()


def _is_time(engine: Engine, resource: Resource) -> bool:
    period, body = _period(engine, resource), resource.body
    since = body["update"]["at"] if "update" in body else body.get("trained") or body["creationDateTime"]
    return period is not None and engine.clock.now() >= float(since) + period


def _has_news(engine: Engine, resource: Resource) -> bool:
    """Tell whether something came since the latest update or the training, and no dataset of the training is gone."""
    present = {dataset.number for dataset in datasets_of(engine, resource.group).values()}
    read = resource.body.get("update", resource.body).get("mark")
    return present.issuperset(resource.body.get("datasets", ())) and _mark(engine, resource.group) != read


def _period(engine: Engine, resource: Resource) -> float | None:
    """Return the seconds between two updates; None for none, which Semantic-Similarity's solutions may choose."""
    if _recipe(resource).family == "semantic":
        solution = engine.registry.get(kinds.SOLUTION, resource.body["solutionArn"])
        if not solution.body["performIncrementalUpdate"]:
            return None
    config = resource.body.get("solutionConfig", {})
    return seconds_between(_recipe(resource).name, config.get("featureTransformationParameters", {}))


def training_marks(engine: Engine, group: str) -> Json:
    """Return what a training notes of its data, to find out later whether there is something new."""
    numbers = [dataset.number for dataset in datasets_of(engine, group).values()]
    return {"data": data_mark(engine, group), "mark": _mark(engine, group), "datasets": numbers}


def _mark(engine: Engine, group: str) -> str:
    return data_mark(engine, group, ("INTERACTIONS", "ITEMS", "ACTIONS", "ACTION_INTERACTIONS"))


async def update_model(engine: Engine, resource: Resource, config: TrainingConfig) -> None:
    """Update the model of a version or recommender in place: it answers from the old one until the new one is there."""
    trained, now, mark = engine.store.folder(resource.arn), engine.clock.now(), _mark(engine, resource.group)
    folder, began = f"update-{int(now)}", resource.body.get("trained")
    try:
        await write_update(engine, resource, config, trained / folder)
    except BaseException:
        shutil.rmtree(trained / folder, ignore_errors=True)
        raise
    if not resource.active or under_way(resource) or resource.body.get("trained") != began:
        shutil.rmtree(trained / folder, ignore_errors=True)
        return  # deleted, stopped or trained anew meanwhile
    resource.body["update"] = {"folder": folder, "at": now, "mark": mark}
    engine.registry.save(resource)
    await engine.serving.renew(resource)
    for old in trained.glob("update-*"):
        if old.name != folder:
            shutil.rmtree(old, ignore_errors=True)


async def write_update(
    engine: Engine, resource: Resource, config: TrainingConfig, target: Path, base: Resource | None = None
) -> None:
    """Write the model of a version or recommender, or of its `base`, with the items that are there now."""
    task = UpdateTask(
        model=engine.serving.model((base or resource).arn),
        config=config,
        data=training_data(engine, resource.group, _recipe(resource)),
        target=target,
    )
    claim = claim_of(engine, datasets_of(engine, resource.group).values())
    await engine.workers.run(claim, run_update, task)


def _recipe(resource: Resource) -> RecipeSpec:
    return recipe_of(resource.body["recipeArn"])
