# SPDX-License-Identifier: Apache-2.0
"""Make solutions, and train them: a solution version has its model in the bucket before it is answered."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from personalization.core import disk
from personalization.engine import files, records
from personalization.engine.backend import Account, Operation, Refused
from personalization.engine.describing import datasets_of, required, schemas
from personalization.engine.making import arn_of, change, create, group_name, models_of, refuse_existing, shop_of
from personalization.engine.records import Members
from personalization.engine.streamed import Streams
from personalization.shop.records import release_store

_OF_SOLUTION = ("solutionConfig", "eventType", "performHPO", "performAutoML", "recipeArn", "datasetGroupArn")
VERSIONS = 10
"""The newest solution versions of a solution whose models are kept, beside those that campaigns or releases want."""


def _create_solution(account: Account, parameters: Mapping[str, Any]) -> Members:
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    group = parameters["datasetGroupArn"]
    required(account.records, "datasetGroup", group)
    texts = schemas(account.records, datasets_of(account.records, group))
    try:
        library.check_solution(parameters, texts)
    except library.Refused as error:
        raise Refused(error.code, error.message) from None
    # A solution never trains on columns that came after it.
    columns = {
        kind: [field["name"] for field in json.loads(text)["fields"]]
        for kind, text in texts.items()
        if kind in {"USERS", "ITEMS"}
    }
    members = {**parameters, "_columns": columns}
    return create(account, "solution", arn_of(account, "solution", parameters["name"]), members)


def _update_solution(account: Account, parameters: Mapping[str, Any]) -> Members:
    arn = parameters["solutionArn"]
    before, changes = required(account.records, "solution", arn), dict(parameters)
    config = changes.pop("solutionUpdateConfig", {})
    return change(
        account, "solution", arn, {**changes, "solutionConfig": {**before.get("solutionConfig", {}), **config}}
    )


def _train(streams: Streams, megabytes: Callable[[], int], account: Account, parameters: Mapping[str, Any]) -> Members:
    """Train a version of a solution on what its dataset group has now.

    The version's name decides on its ARN and on the folder of its model, so that a repetition after a kill finds both.
    """
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    solution = required(account.records, "solution", parameters["solutionArn"])
    mode = parameters.get("trainingMode", "FULL")
    if mode != "FULL":
        raise Refused("InvalidInputException", f"trainingMode {mode}: the engine trains in full")
    last = hashlib.sha256(parameters["name"].encode()).hexdigest()[:8]
    arn = f"{parameters['solutionArn']}/{last}"
    refuse_existing(account, "solutionVersion", arn)
    folder = f"{models_of(account, solution)}{last}/"
    members: Members = {name: solution[name] for name in _OF_SOLUTION if name in solution}
    members |= {"name": parameters["name"], "solutionArn": parameters["solutionArn"], "trainingMode": mode}
    members |= {"trainingType": "MANUAL", "_folder": folder}
    began, failure = account.clock(), ""
    try:
        members |= _model(streams, megabytes, account, solution, folder)
    except library.Refused as error:
        failure = error.message
    members["trainingHours"] = round((account.clock() - began) / 3600, 6)
    answer = create(account, "solutionVersion", arn, members, failure)
    version = required(account.records, "solutionVersion", arn)
    shown = ("solutionVersionArn", "status", "creationDateTime", "lastUpdatedDateTime")
    change(
        account,
        "solution",
        parameters["solutionArn"],
        {"latestSolutionVersion": {name: version[name] for name in shown}},
    )
    _forget_old(streams.store, account, solution)
    return answer


def _model(
    streams: Streams, megabytes: Callable[[], int], account: Account, solution: Mapping[str, Any], folder: str
) -> Members:
    """Train into a folder of the bucket; return the members that tell of it."""
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    group = solution["datasetGroupArn"]
    datasets = list(datasets_of(account.records, group))
    tables = {dataset["datasetType"]: dataset["_folder"] for dataset in datasets if "_folder" in dataset}
    with disk.scratch("train") as scratch:
        fetched = files.Disk(scratch, streams.store)
        folders = {kind: fetched.fetched(table, but=files.UNREAD) for kind, table in tables.items()}
        target = scratch / "model"
        members = {name: value for name, value in solution.items() if not name.startswith("_")}
        options = library.Options(memory=megabytes() << 20)
        described = required(account.records, "datasetGroup", group)
        since, notes = streams.since(account, described, schemas(account.records, datasets))
        members["columns"] = solution["_columns"]
        outcome = library.train(folders, members, target, since=since, notes=notes, options=options)
        files.upload(streams.store, folder, target)
    return {"_metrics": dict(outcome.metrics), "_tables": tables}


def _forget_old(store: files.Store, account: Account, solution: Members) -> None:
    """Delete the models of old versions, and their records, unless a campaign or a release may want them."""
    versions = sorted(
        account.records.listed("solutionVersion", solutionArn=solution["solutionArn"]),
        key=lambda version: -version["creationDateTime"],
    )
    old = versions[VERSIONS:]
    if not old:
        return
    wanted = _of_releases(account, solution["datasetGroupArn"])
    wanted |= {campaign["solutionVersionArn"] for campaign in account.records.listed("campaign")}
    for version in old:
        if version["solutionVersionArn"] not in wanted:
            files.delete(store, version["_folder"])
            records.delete(account.records, "solutionVersion", version["solutionVersionArn"])


def _of_releases(account: Account, group: str) -> set[str]:
    """Return the versions to which a shop can return, or which it can promote by hand."""
    client, table, shop = account.dynamodb(), account.table(), shop_of(account, group_name(group))
    releases = release_store.history(client, table, shop)
    served = [served for release in releases for served in release.campaigns.values()]
    judged = release_store.judged_runs(client, table, shop)
    return {
        *(release.baseline_arn for release in releases if release.baseline_arn),
        *(campaign.baseline_arn for campaign in served if campaign.baseline_arn),
        *(campaign.solution_version_arn for campaign in served),
        *(version for run in judged for version in run.versions.values()),
    }


def operations(streams: Streams, megabytes: Callable[[], int] = lambda: 0) -> Mapping[str, Operation]:
    """Return the operations of functions that train into a bucket, with so much memory (0: no bound).

    They train on what came beside the imports too.
    """
    return {
        "CreateSolution": _create_solution,
        "UpdateSolution": _update_solution,
        "CreateSolutionVersion": partial(_train, streams, megabytes),
    }
