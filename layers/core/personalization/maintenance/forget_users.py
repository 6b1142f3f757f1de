# SPDX-License-Identifier: Apache-2.0
"""Delete users from a shop's files: of the purchase likelihood, and of known ids."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from table_intake.write import dialect

from personalization.core.aws import objects
from personalization.core.errors import RetryLater
from personalization.ingest import known_ids
from personalization.likelihood import deletions, forgetting, inputs, shards
from personalization.releases import probe

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GZIP = "application/gzip"


def forget(s3: "S3Client", bucket: str, shop: str, users: set[str], late: Callable[[], bool]) -> None:
    """Delete users from the history of the next fit, from serving counters, from samples, and from hashes of ids.

    A repetition changes nothing. A fit that has read the history as it was leaves these users out when it publishes.

    Args:
        s3, bucket, shop: the location of the files.
        users: the users to delete.
        late: returns whether the time is over.

    Raises:
        RetryLater: the bucket does not answer, or the time is over; the next call continues.
        Rejected: a file is larger than a drop may be.
    """
    deletions.note(s3, bucket, shop, users, time.time() + deletions.LONGEST_SECONDS)
    keys = list(objects.list_keys(s3, bucket, f"likelihood/{shop}/"))
    for key in keys:
        if key.startswith(inputs.folder(shop)) and key.endswith(".csv"):
            _history(s3, bucket, key, users, late)
    for key, some in forgetting.files_with((name for name in keys if inputs.run_of(name)), users).items():
        _rewrite(s3, bucket, key, partial(_counters_without, users=some), _GZIP)
    for key in keys:
        if key.startswith(inputs.snapshots(shop)):
            _rewrite(s3, bucket, key, partial(_snapshot_without, users=users), _GZIP)
    known_ids.forget(s3, bucket, shop, "users", users)
    sample = objects.get_json(s3, bucket, probe.key(shop))
    if sample is not None and not users.isdisjoint(sample["users"]):
        left = [user for user in sample["users"] if user not in users]
        objects.put_json(s3, bucket, probe.key(shop), {**sample, "users": left})
    deletions.note(s3, bucket, shop, users, time.time())


def _rewrite(s3: "S3Client", bucket: str, key: str, change: Callable[[bytes], bytes | None], content_type: str) -> None:
    """Replace an object by what `change` makes of it, unless that is None."""
    data = objects.get_bytes(s3, bucket, key)
    short = change(data) if data else None
    if short is not None:
        objects.put_bytes(s3, bucket, key, short, content_type)


def _counters_without(data: bytes, users: set[str]) -> bytes | None:
    entries = shards.unpack(data)
    left = {name: entry for name, entry in entries.items() if name not in users}
    return shards.pack(left) if len(left) < len(entries) else None


def _snapshot_without(data: bytes, users: set[str]) -> bytes | None:
    short = forgetting.snapshot_without(shards.unpack(data), users)
    return None if short is None else shards.pack(short)


def _history(s3: "S3Client", bucket: str, key: str, users: set[str], late: Callable[[], bool]) -> None:
    inputs.check_version(key)
    with (
        suppress(_UnchangedError),
        objects.reading(s3, bucket, key, None) as chunks,
        objects.writing(s3, bucket, key) as upload,
    ):
        rows = dialect.rows(_in_time(chunks, key, late))
        header = next(rows, b"")
        column = forgetting.user_column(header)
        if column is None:
            raise _UnchangedError
        upload.write(header)
        is_changed = False
        for row in rows:
            if forgetting.user_of(row, column) in users:
                is_changed = True
            else:
                upload.write(row)
        if not is_changed:
            raise _UnchangedError


class _UnchangedError(Exception):
    """Raised for a file without any of the users, which stays as it is."""


def _in_time(chunks: Iterable[bytes], key: str, late: Callable[[], bool]) -> Iterator[bytes]:
    for chunk in chunks:
        if late():
            raise RetryLater(key, "no time was left to remove users from it")
        yield chunk
