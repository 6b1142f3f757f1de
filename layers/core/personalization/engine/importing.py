# SPDX-License-Identifier: Apache-2.0
"""Make what an import needs, and import: a job has written its table before it is answered."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalization.core import disk
from personalization.core.aws import objects
from personalization.engine import files
from personalization.engine.backend import TRACKER, Account, Operation, Refused
from personalization.engine.describing import datasets_of, required, schemas
from personalization.engine.making import (
    arn_of,
    change_as_read,
    create,
    group_name,
    new,
    refuse_existing,
    tables_of,
)
from personalization.engine.records import Members

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def _create_group(account: Account, parameters: Mapping[str, Any]) -> Members:
    members = {name: parameters[name] for name in ("name", "domain") if name in parameters}
    arn = arn_of(account, "dataset-group", parameters["name"])
    return create(account, "datasetGroup", arn, members) | {"domain": members.get("domain")}


def _create_schema(account: Account, parameters: Mapping[str, Any]) -> Members:
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    try:
        library.check_schema(parameters["schema"], parameters.get("domain"))
    except library.Refused as error:
        raise Refused(error.code, error.message) from None
    return create(account, "schema", arn_of(account, "schema", parameters["name"]), parameters)


def _create_dataset(account: Account, parameters: Mapping[str, Any]) -> Members:
    members = {**parameters, "datasetType": parameters["datasetType"].upper()}
    _check_schema(account, members, parameters["schemaArn"])
    name = f"{group_name(parameters['datasetGroupArn'])}/{members['datasetType']}"
    return create(account, "dataset", arn_of(account, "dataset", name), members)


def _update_dataset(account: Account, parameters: Mapping[str, Any]) -> Members:
    dataset = required(account.records, "dataset", parameters["datasetArn"])
    present = required(account.records, "schema", dataset["schemaArn"])["schema"]
    _check_schema(account, dataset, parameters["schemaArn"], present)
    change_as_read(account, "dataset", dataset, {"schemaArn": parameters["schemaArn"]})
    return {"datasetArn": parameters["datasetArn"]}


def _check_schema(account: Account, dataset: Members, arn: str, present: str | None = None) -> None:
    """Check that a dataset takes a schema, or takes it after its present one.

    Raises:
        Refused: it does not, or there is no such schema or dataset group.
    """
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    group = required(account.records, "datasetGroup", dataset["datasetGroupArn"])
    schema = required(account.records, "schema", arn)
    try:
        library.check_dataset(dataset["datasetType"], schema, group.get("domain"), present)
    except library.Refused as error:
        raise Refused(error.code, error.message) from None


def _create_tracker(account: Account, parameters: Mapping[str, Any]) -> Members:
    """A dataset group has one event tracker; its tracking id names the group."""
    group = group_name(parameters["datasetGroupArn"])
    members = {**parameters, "trackingId": f"{TRACKER}{group}"}
    arn = arn_of(account, "event-tracker", group)
    return {**create(account, "eventTracker", arn, members), "trackingId": members["trackingId"]}


def _create_filter(account: Account, parameters: Mapping[str, Any]) -> Members:
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    group = parameters["datasetGroupArn"]
    try:
        parsed = library.check_filter(
            parameters["filterExpression"], schemas(account.records, datasets_of(account.records, group))
        )
    except library.Refused as error:
        raise Refused(error.code, error.message) from None
    # To parse an expression would take a cold start longer than all else.
    members = {**parameters, "_parsed": parsed.to_json()}
    return create(account, "filter", arn_of(account, "filter", parameters["name"]), members)


def _import(store: files.Store, account: Account, parameters: Mapping[str, Any]) -> Members:
    """Import the files of a folder of the bucket.

    The table and the job become known in the same moment: a repetition after a kill adds no row twice. Rows that the
    engine refuses fail the job, as on AWS.
    """
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    dataset = required(account.records, "dataset", parameters["datasetArn"])
    arn = arn_of(account, "dataset-import-job", parameters["jobName"])
    refuse_existing(account, "datasetImportJob", arn)
    tables = tables_of(account, dataset)
    folder = f"{tables}{parameters['jobName']}/"
    adds = parameters.get("importMode", "FULL") == "INCREMENTAL"
    members = {**parameters, "importMode": "INCREMENTAL" if adds else "FULL", "_folder": folder}
    schema = required(account.records, "schema", dataset["schemaArn"])["schema"]
    try:
        before = dataset.get("_folder") if adds else None
        rows = _write(store, parameters["dataSource"]["dataLocation"], schema, folder, before)
    except library.Refused as error:
        return create(account, "datasetImportJob", arn, {**members, "_rows": 0}, error.message)
    job = new(account, "datasetImportJob", arn, {**members, "_rows": rows})
    facts = {"_folder": folder, "_rows": rows, "_at": account.clock()}
    change_as_read(account, "dataset", dataset, facts, ("datasetImportJob", job))
    # A container may be fetching the one before.
    files.delete_others(store, tables, {folder, dataset.get("_folder", folder)})
    return {"datasetImportJobArn": arn}


def _write(store: files.Store, location: str, schema: str, folder: str, before: str | None) -> int:
    """Write the table of the objects at a location; return its rows."""
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    with disk.scratch("import") as scratch:
        sources = _fetched(store.client(), location, scratch / "sources")
        earlier = files.Disk(scratch, store).fetched(before) if before else None
        target = scratch / "table"
        imported = library.import_table(sources, schema, target, before=earlier)
        # The disk need not hold everything at once.
        shutil.rmtree(scratch / "sources")
        files.upload(store, folder, target)
    return imported.total


def _fetched(client: "S3Client", location: str, folder: Path) -> list[Path]:
    """Fetch the objects at a location in the bucket."""
    folder.mkdir()
    bucket, key = files.located(location)
    sources = []
    for number, name in enumerate(objects.list_keys(client, bucket, key)):
        source = folder / f"{number}.csv"
        with source.open("wb") as file:
            for data in objects.stream_from(client, bucket, name, None, 0):
                file.write(data)
        sources.append(source)
    return sources


def operations(store: files.Store) -> Mapping[str, Operation]:
    """Return the operations of functions that import into a bucket."""
    return {
        "CreateDatasetGroup": _create_group,
        "CreateSchema": _create_schema,
        "CreateDataset": _create_dataset,
        "UpdateDataset": _update_dataset,
        "CreateEventTracker": _create_tracker,
        "CreateFilter": _create_filter,
        "CreateDatasetImportJob": partial(_import, store),
    }
