# SPDX-License-Identifier: Apache-2.0
"""Erase users: a data deletion job has taken them out of tables, events and live data before it is answered.

Models stay as they are until the next training, as on AWS: a tombstone keeps what a model learned of a user out of
answers. Those of segments name users, and go: the next job of a segment trains anew. A job that is killed may be
repeated by its name.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from table_intake.write import dialect

from personalization.core import disk
from personalization.core.aws import objects
from personalization.engine import files, records
from personalization.engine.backend import Account, Operation
from personalization.engine.deleting import delete_solution
from personalization.engine.describing import datasets_of, required
from personalization.engine.folding import archive_of
from personalization.engine.live import Erasure
from personalization.engine.making import arn_of, change_as_read, refuse_existing, tables_of
from personalization.engine.records import Members
from personalization.engine.streamed import Streams
from personalization.shop.settings.recipes import SEGMENTS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_THREADS = 8
_KIND = "dataDeletionJob"
_NAMING_USERS = tuple(f"/aws-{recipe}" for recipe in SEGMENTS)
"""The ends of the ARNs of recipes whose models name users."""


def _delete_users(streams: Streams, account: Account, parameters: Mapping[str, Any]) -> Members:
    described = required(account.records, "datasetGroup", parameters["datasetGroupArn"])
    group = described["name"]
    arn = arn_of(account, "data-deletion-job", parameters["jobName"])
    refuse_existing(account, _KIND, arn)
    users = _listed(streams.store.client(), parameters["dataSource"]["dataLocation"])
    erasure, now = Erasure(account.dynamodb(), streams.live_table()), account.clock()
    _for_all(users, lambda user: erasure.forget(group, user, now))
    archive_of(streams.store, account, described).forget(users, int(now))
    for dataset in datasets_of(account.records, parameters["datasetGroupArn"]):
        if "_folder" in dataset:
            _without(streams.store, account, dataset, parameters["jobName"], users)
    for solution in account.records.listed("solution", datasetGroupArn=parameters["datasetGroupArn"]):
        if str(solution.get("recipeArn")).endswith(_NAMING_USERS):
            delete_solution(streams.store, account, solution)
    _for_all(users, lambda user: erasure.end_erasure(group, user, account.clock()))
    ended = account.clock()
    times = {"creationDateTime": now, "lastUpdatedDateTime": ended}
    members = {**parameters, f"{_KIND}Arn": arn, "status": "COMPLETED", **times}
    records.create(account.records, _KIND, arn, members)
    return {f"{_KIND}Arn": arn}


def _listed(client: "S3Client", location: str) -> list[str]:
    """Return the users in the files at a location in the bucket."""
    bucket, key = files.located(location)
    users: dict[str, None] = {}
    for name in objects.list_keys(client, bucket, key):
        text = objects.required_bytes(client, bucket, name).decode()
        _, *rows = dialect.records(text.splitlines(keepends=True))
        users |= dict.fromkeys(row[0] for row in rows if row)
    return list(users)


def _for_all(users: Collection[str], act: Callable[[str], object]) -> None:
    with ThreadPoolExecutor(_THREADS, "erasure") as pool:
        list(pool.map(act, users))


def _without(store: files.Store, account: Account, dataset: Members, job: str, users: Collection[str]) -> None:
    """Write a dataset's table anew without users, and delete its earlier tables, which have them."""
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    tables = tables_of(account, dataset)
    serving, fresh = dataset["_folder"], f"{tables}{job}/"
    if serving != fresh:
        with disk.scratch("erase") as scratch:
            table = files.Disk(scratch, store).fetched(serving)
            if rows := library.without_users(table, users):
                files.upload(store, fresh, table)
                serving = fresh
        # Also where nothing went: an import that is at work now begins again, and finds the erasure.
        change_as_read(account, "dataset", dataset, {"_folder": serving, "_rows": dataset["_rows"] - rows})
    files.delete_others(store, tables, {serving})


def operations(streams: Streams) -> Mapping[str, Operation]:
    """Return the operations of functions that erase users."""
    return {"CreateDataDeletionJob": partial(_delete_users, streams)}
