# SPDX-License-Identifier: Apache-2.0
"""Make solutions, and train them: a solution version has its model in the bucket before it is answered."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from personalization.engine import files, records
from personalization.engine.backend import Account, Operation, Refused
from personalization.engine.describing import datasets_of, required, schemas
from personalization.engine.making import arn_of, change, create, folder_of, group_name, refuse_existing
from personalization.engine.records import Members
from personalization.engine.streamed import Streams

_OF_SOLUTION = ("solutionConfig", "eventType", "performHPO", "performAutoML", "recipeArn", "datasetGroupArn")
VERSIONS = 10
"""The newest solution versions of a solution whose models are kept, beside those that campaigns serve."""


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
    folder = f"{folder_of(account, group_name(solution['datasetGroupArn']))}models/{solution['name']}/{last}/"
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
    _forget_old(streams.store, account, parameters["solutionArn"])
    return answer


def _model(
    streams: Streams, megabytes: Callable[[], int], account: Account, solution: Mapping[str, Any], folder: str
) -> Members:
    """Train into a folder of the bucket; return the members that tell of it."""
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    group = solution["datasetGroupArn"]
    datasets = list(datasets_of(account.records, group))
    tables = {dataset["datasetType"]: dataset["_folder"] for dataset in datasets if "_folder" in dataset}
    with tempfile.TemporaryDirectory(prefix="train-") as scratch:
        disk = files.Disk(Path(scratch), streams.store)
        folders = {kind: disk.fetched(table, but=files.UNREAD) for kind, table in tables.items()}
        target = Path(scratch) / "model"
        members = {name: value for name, value in solution.items() if not name.startswith("_")}
        options = library.Options(memory=megabytes() << 20)
        described = required(account.records, "datasetGroup", group)
        since = streams.since(account, described, schemas(account.records, datasets))
        members["columns"] = solution["_columns"]
        outcome = library.train(folders, members, target, since=since, options=options)
        files.upload(streams.store, folder, target)
    return {"_metrics": dict(outcome.metrics), "_tables": tables}


def _forget_old(store: files.Store, account: Account, solution: str) -> None:
    """Delete the models of old versions; their records go too, as no release can return to them."""
    served = {campaign["solutionVersionArn"] for campaign in account.records.listed("campaign")}
    versions = sorted(
        account.records.listed("solutionVersion", solutionArn=solution),
        key=lambda version: -version["creationDateTime"],
    )
    for version in versions[VERSIONS:]:
        if version["solutionVersionArn"] not in served:
            files.delete(store, version["_folder"])
            records.delete(account.records, "solutionVersion", version["solutionVersionArn"])


def operations(streams: Streams, megabytes: Callable[[], int] = lambda: 0) -> Mapping[str, Operation]:
    """Return the operations of functions that train into a bucket, with so much memory (0: no bound).

    They train on what came beside the imports too.
    """
    return {
        "CreateSolution": _create_solution,
        "UpdateSolution": _update_solution,
        "CreateSolutionVersion": partial(_train, streams, megabytes),
    }
