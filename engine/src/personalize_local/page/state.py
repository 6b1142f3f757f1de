# SPDX-License-Identifier: Apache-2.0
"""What an engine has and does, as the page shows it: names, statuses, counts, metrics; no person, item or event."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Final

from personalize_local.engine import Engine, Json, Resource
from personalize_local.jobs import progress
from personalize_local.operations.datasets import import_target, imported_jobs, schema_of
from personalize_local.page.counts import streamed
from personalize_local.recipes.definitions import recipe_of
from personalize_local.resources import kinds
from personalize_local.resources.lifecycle import latest_update, under_way

NEWEST: Final = 10
"""Versions of a solution, imports of a dataset and failures of a group that are shown."""
_JOBS: Final = (kinds.EXPORT_JOB, kinds.BATCH_INFERENCE_JOB, kinds.BATCH_SEGMENT_JOB, kinds.DATA_DELETION_JOB)
_PARENTS: Final = {kinds.IMPORT_JOB: "datasetArn", kinds.SOLUTION_VERSION: "solutionArn"}


def overview(engine: Engine) -> Json:
    """Return the engine's settings, and every dataset group with how much is under way and has failed in it."""
    busy: dict[str, int] = {}
    for resource in engine.registry:
        group = _group_of(resource)
        busy[group] = busy.get(group, 0) + bool(under_way(resource))
    failed = Counter(map(_group_of, _failed(list(engine.registry))))
    options = engine.options
    settings = {"strict": options.strict, "faults": options.faults, "rights": bool(options.rights)}
    identity = {"version": _version(), "region": options.region, "account": options.account_id}
    groups = [
        _summary(resource)
        | {"domain": resource.body.get("domain"), "busy": busy[resource.arn], "failed": failed[resource.arn]}
        for resource in engine.registry.find(kinds.DATASET_GROUP)
    ]
    return {"engine": identity | settings | {"ahead": engine.clock.ahead}, "groups": groups}


async def group(engine: Engine, arn: str) -> Json:
    """Return everything of a dataset group. Raises ResourceNotFound."""
    resource = engine.registry.get(kinds.DATASET_GROUP, arn)
    members = [member for member in engine.registry if member is not resource and _group_of(member) == arn]
    datasets = [member for member in members if member.kind is kinds.DATASET]
    counted = await streamed(engine, datasets)
    return _summary(resource) | {
        "domain": resource.body.get("domain"),
        "datasets": [_dataset(engine, dataset, counted[dataset.arn]) for dataset in datasets],
        "solutions": [_solution(engine, member) for member in members if member.kind is kinds.SOLUTION],
        "recommenders": [_recommender(member) for member in members if member.kind is kinds.RECOMMENDER],
        "campaigns": [_campaign(engine, member) for member in members if member.kind is kinds.CAMPAIGN],
        "filters": [
            _summary(member) | {"expression": member.body["filterExpression"]}
            for member in members
            if member.kind is kinds.FILTER
        ],
        "trackers": [_tracker(engine, member) for member in members if member.kind is kinds.EVENT_TRACKER],
        "jobs": [_summary(member) | {"what": member.kind.noun} for member in members if member.kind in _JOBS][-NEWEST:],
        "attributions": [_summary(member) for member in members if member.kind is kinds.METRIC_ATTRIBUTION],
        "now": [_under_way(engine, member) for member in members if under_way(member)],
        "failed": [_summary(member) | {"what": member.kind.noun} for member in islice(_failed(members), NEWEST)],
    }


@cache
def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 — most engines are never looked at

    return version("personalize-local")


def _group_of(resource: Resource) -> str:
    return resource.arn if resource.kind is kinds.DATASET_GROUP else str(resource.body.get("datasetGroupArn", ""))


def _summary(resource: Resource) -> Json:
    _, _, _, region, account, _ = resource.arn.split(":", 5)
    body = resource.body
    identity = {"arn": resource.arn, "name": resource.name, "status": resource.status, "region": region}
    times = {"created": body["creationDateTime"], "updated": body["lastUpdatedDateTime"]}
    return identity | times | {"account": account, "reason": _reason(resource)}


def _reason(resource: Resource) -> str:
    """Return why it, or its latest update, failed; empty if nothing did."""
    return str(resource.body.get("failureReason") or latest_update(resource).get("failureReason") or "")


def _failed(resources: Sequence[Resource]) -> Iterator[Resource]:
    """Yield what failed, the newest first, without imports and trainings that a later one has made good."""
    good: set[str] = set()
    for resource in reversed(resources):
        parent = str(resource.body.get(_PARENTS.get(resource.kind, ""), ""))
        if resource.active:
            good.add(parent)
        if _reason(resource) and not (parent and parent in good):
            yield resource


def _dataset(engine: Engine, dataset: Resource, counted: Json) -> Json:
    rows = [job.body.get("rows") for job in imported_jobs(engine, dataset)]
    fields = () if dataset.deleting else schema_of(engine, dataset).fields  # its schema may be gone already
    columns = [
        {"name": field.name, "type": field.type, "categorical": field.categorical, "textual": field.textual}
        for field in fields
    ]
    imports = list(engine.registry.find(kinds.IMPORT_JOB, datasetArn=dataset.arn))
    shown = [
        _summary(job) | {"mode": job.body["importMode"], "rows": job.body.get("rows")}
        for job in imports[: -NEWEST - 1 : -1]
    ]
    return _summary(dataset) | {
        "type": dataset.body["datasetType"],
        "schema": dataset.body["schemaArn"],
        "columns": columns,
        # Imports by an engine that did not keep their rows count for unknown.
        "rows": None if None in rows else sum(filter(None, rows)),
        "imports": shown,
        "streamed": counted,
    }


def _solution(engine: Engine, solution: Resource) -> Json:
    versions = list(engine.registry.find(kinds.SOLUTION_VERSION, solutionArn=solution.arn))
    shown = [
        _trained(version) | {"hours": version.body.get("trainingHours")} for version in versions[: -NEWEST - 1 : -1]
    ]
    return _summary(solution) | _recipe(solution) | {"versions": shown, "more": len(versions) - len(shown)}


def _recommender(recommender: Resource) -> Json:
    return _trained(recommender) | _recipe(recommender)


def _trained(resource: Resource) -> Json:
    """Return a version or recommender with its metrics, beside those of the same popular items for everybody."""
    metrics = resource.body.get("metrics") or resource.body.get("modelMetrics") or {}
    mode = {"mode": resource.body.get("trainingMode"), "kind": resource.body.get("trainingType")}
    mode["tuned"] = resource.body.get("tunedHPOParams", {}).get("algorithmHyperParameters", {})
    return _summary(resource) | mode | {"metrics": metrics, "popularity": resource.body.get("popularity") or {}}


def _campaign(engine: Engine, campaign: Resource) -> Json:
    version = engine.registry.get(kinds.SOLUTION_VERSION, campaign.body["solutionVersionArn"])
    return _summary(campaign) | _recipe(version) | {"version": campaign.body["solutionVersionArn"]}


def _recipe(resource: Resource) -> Json:
    arn = resource.body.get("recipeArn") or resource.body.get("autoMLResult", {}).get("bestRecipeArn")
    if arn is None:
        return {"recipe": "AutoML", "type": None, "needs": (), "description": "Trains several recipes, keeps the best."}
    spec = recipe_of(arn)
    return {"recipe": spec.name, "type": spec.recipe_type, "needs": spec.needs, "description": spec.description}


def _tracker(engine: Engine, tracker: Resource) -> Json:
    # A tracking id lets its holder send events: callers of an engine with rights have to ask for it.
    return _summary(tracker) | ({} if engine.options.rights else {"trackingId": tracker.body["trackingId"]})


def _under_way(engine: Engine, resource: Resource) -> Json:
    since = latest_update(resource).get("creationDateTime") or resource.body["lastUpdatedDateTime"]
    target, usual = None, None
    if resource.kind is kinds.IMPORT_JOB:
        target = import_target(engine, resource)
    elif resource.kind in {kinds.SOLUTION_VERSION, kinds.RECOMMENDER}:
        target, usual = engine.store.folder(resource.arn), next(_durations(engine, resource), None)
    return _summary(resource) | {
        "what": resource.kind.noun,
        "verb": under_way(resource),
        "since": since,
        "age": max(0.0, round(engine.clock.now() - since, 1)),
        "progress": progress.read(target) if target else None,
        "usual": usual,
    }


def _durations(engine: Engine, version: Resource) -> Iterator[float]:
    """Yield the seconds of earlier trainings of the same solution, the newest first."""
    if version.kind is kinds.SOLUTION_VERSION:
        before = engine.registry.find(kinds.SOLUTION_VERSION, solutionArn=version.body["solutionArn"])
        for earlier in reversed(list(before)):
            if "trainingHours" in earlier.body:
                yield round(float(earlier.body["trainingHours"]) * 3600, 1)
