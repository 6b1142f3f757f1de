# SPDX-License-Identifier: Apache-2.0
"""Delete users from a shop's files: of the purchase likelihood, and of known ids."""

from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING

from personalization.core.aws import objects
from personalization.core.errors import RetryLater
from personalization.ingest import report
from personalization.ingest.csv import counts
from personalization.likelihood import forgetting, inputs, shards
from personalization.releases import probe

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GZIP = "application/gzip"


def forget(s3: "S3Client", bucket: str, shop: str, users: AbstractSet[str], late: Callable[[], bool]) -> None:
    """Delete users from the history of the next fit, from serving counters, from samples, and from hashes of ids.

    A repetition changes nothing. A fit that runs meanwhile has read the history as it was; the next one has not.

    Args:
        s3, bucket: the location of the files.
        shop: the shop.
        users: the users to delete.
        late: returns whether the time is over.

    Raises:
        RetryLater: the bucket does not answer, or the time is over; the next call continues.
        Rejected: a file is larger than a drop may be.
    """
    keys = list(objects.list_keys(s3, bucket, f"likelihood/{shop}/"))
    for key in keys:
        if key.startswith(inputs.folder(shop)) and key.endswith(".csv"):
            _history(s3, bucket, key, users, late)
    for key, some in forgetting.files_with((each for each in keys if inputs.run_of(each)), users).items():
        _counters(s3, bucket, key, some)
    for key in keys:
        if key.startswith(inputs.snapshots(shop)):
            _snapshot(s3, bucket, key, users)
    _known(s3, bucket, report.ids_key(shop, "users"), users)
    _sample(s3, bucket, probe.key(shop), users)


def _history(s3: "S3Client", bucket: str, key: str, users: AbstractSet[str], late: Callable[[], bool]) -> None:
    with (
        suppress(_UnchangedError),
        objects.reading(s3, bucket, key, None, compressed=False) as chunks,
        objects.writing(s3, bucket, key) as upload,
    ):
        form = inputs.form(key)
        rows = form.rows(_in_time(chunks, key, late))
        header = next(rows, b"")
        width = header.count(b",") + 1
        column = forgetting.user_column(header)
        if column is None:
            raise _UnchangedError
        upload.write(header)
        found = False
        for row in rows:
            if forgetting.user_of(row, column, width, form) in users:
                found = True
            else:
                upload.write(row)
        if not found:
            raise _UnchangedError


class _UnchangedError(Exception):
    """Raised for a file without any of the users, which stays as it is."""


def _in_time(chunks: Iterable[bytes], key: str, late: Callable[[], bool]) -> Iterator[bytes]:
    for chunk in chunks:
        if late():
            raise RetryLater(key, "there was no time left to take users out of it")
        yield chunk


def _counters(s3: "S3Client", bucket: str, key: str, users: Collection[str]) -> None:
    data = objects.get_bytes(s3, bucket, key)
    if data is None:
        return
    entries = shards.unpack(data)
    kept = {name: entry for name, entry in entries.items() if name not in users}
    if len(kept) < len(entries):
        objects.put_bytes(s3, bucket, key, shards.pack(kept), _GZIP)


def _snapshot(s3: "S3Client", bucket: str, key: str, users: Collection[str]) -> None:
    data = objects.get_bytes(s3, bucket, key)
    short = forgetting.snapshot_without(shards.unpack(data), users) if data else None
    if short is not None:
        objects.put_bytes(s3, bucket, key, shards.pack(short), _GZIP)


def _known(s3: "S3Client", bucket: str, key: str, users: Collection[str]) -> None:
    data = objects.get_bytes(s3, bucket, key)
    short = counts.without_ids(data, users) if data else None
    if short is not None:
        objects.put_bytes(s3, bucket, key, short, "application/octet-stream")


def _sample(s3: "S3Client", bucket: str, key: str, users: AbstractSet[str]) -> None:
    sample = objects.get_json(s3, bucket, key)
    if sample is not None and not users.isdisjoint(sample["users"]):
        objects.put_json(s3, bucket, key, {**sample, "users": [each for each in sample["users"] if each not in users]})
