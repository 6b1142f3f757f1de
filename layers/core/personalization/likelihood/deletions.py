# SPDX-License-Identifier: Apache-2.0
"""Users who were deleted recently, by hash: a fit that read its history before leaves them out of what it publishes.

A deletion notes its users before it rewrites the first file, and again after the last one. The notes expire as all of
`work/` does.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects
from personalization.likelihood import forgetting, inputs, shards
from personalization.likelihood.model import read_model

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LONGEST_SECONDS = 900.0
"""Seconds in which a deletion rewrites all files, or ends and is repeated."""
_GZIP = "application/gzip"

_User = tuple[int, str]
"""The number that files of counters are chosen by, and the hash."""


def note(s3: "S3Client", bucket: str, shop: str, users: Collection[str], until: float) -> None:
    """Note the users of a deletion: fits that began until then, in epoch seconds, may have read them."""
    noted = sorted((shards.shard_of(name, 1 << 32), _hash(name)) for name in users)
    digest = hashlib.sha256("".join(hashed for _, hashed in noted).encode()).hexdigest()[:16]
    document = {"until": until, "users": noted}
    objects.put_bytes(s3, bucket, f"{_folder(shop)}{digest}.json.gz", shards.pack(document), _GZIP)


def leave_out(s3: "S3Client", bucket: str, shop: str, run: str, began: float) -> None:
    """Delete users from a run's counters and snapshot who were deleted since its fit began, in epoch seconds.

    Deletions that come later find these files themselves.
    """
    done: set[_User] = set()
    while fresh := _since(s3, bucket, shop, began) - done:
        done |= fresh
        hashes = {hashed for _, hashed in fresh}
        model = objects.get_bytes(s3, bucket, f"{shards.folder(shop, run)}model.json.gz")
        files = read_model(shards.unpack(model)).shopper_shards if model else 0
        for number in sorted({number % files for number, _ in fresh} if files else ()):
            _rewrite(s3, bucket, shards.key(shop, run, "shoppers", number), partial(_counters, hashes))
        _rewrite(s3, bucket, f"{inputs.snapshots(shop)}{run}.json.gz", partial(_snapshot, hashes))


def _since(s3: "S3Client", bucket: str, shop: str, began: float) -> set[_User]:
    deleted: set[_User] = set()
    for key in objects.list_keys(s3, bucket, _folder(shop)):
        data = objects.get_bytes(s3, bucket, key)
        noted = shards.unpack(data) if data else None
        if noted is not None and noted["until"] >= began:
            deleted |= {(number, name) for number, name in noted["users"]}
    return deleted


def _folder(shop: str) -> str:
    return f"work/{shop}/deletions/"


def _hash(user: str) -> str:
    return hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()


def _gone(users: Iterable[str], hashes: Collection[str]) -> set[str]:
    return {name for name in users if _hash(name) in hashes}


def _counters(hashes: Collection[str], stored: Any) -> Any:  # noqa: ANN401 - any document
    gone = _gone(stored, hashes)
    return {name: entry for name, entry in stored.items() if name not in gone} if gone else None


def _snapshot(hashes: Collection[str], stored: Any) -> Any:  # noqa: ANN401 - any document
    return forgetting.snapshot_without(stored, _gone(stored["users"], hashes))


def _rewrite(s3: "S3Client", bucket: str, key: str, change: Callable[[Any], Any]) -> None:
    """Replace a document by what `change` makes of it, unless that is None."""
    data = objects.get_bytes(s3, bucket, key)
    short = change(shards.unpack(data)) if data else None
    if short is not None:
        objects.put_bytes(s3, bucket, key, shards.pack(short), _GZIP)
