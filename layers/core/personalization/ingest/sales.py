# SPDX-License-Identifier: Apache-2.0
"""A shop's sales, counted while interactions are checked: one small file for each drop, added up at a promotion.

An incremental drop adds to earlier counts; a whole history replaces them. A file counts once claims confirm its import,
so that a repeated check does not count twice, and a failed import does not count.
"""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from table_intake import Mode
from table_intake.check.sold import MOST, Sold

from personalization.core.aws import objects
from personalization.runs.claims import Claim

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ALL = "all"
"""Replaces the drop in the name of a file that adds up others."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of counts, from its key."""

    key: str
    mode: Mode
    rows: int
    drop: str
    """The drop's identity."""


def folder(shop: str) -> str:
    """Return the folder of a shop's counts, with its slash."""
    return f"catalogue/{shop}/sold/"


def identity(key: str, version_id: str | None) -> str:
    """Return the identity of a drop's object, the same in every run."""
    return hashlib.sha256(f"{key}\0{version_id or ''}".encode()).hexdigest()[:16]


def key(shop: str, mode: Mode, milliseconds: int, rows: int, drop: str = _ALL) -> str:
    """Return the key of a count of a drop, which is checked at a Unix time; keys sort in order of drops."""
    return f"{folder(shop)}{milliseconds:015d}-{mode}-{rows:012d}-{drop}.json.gz"


def files(keys: Iterable[str]) -> list[File]:
    """Return files by their keys, oldest first; only the newest of a drop that was checked again."""
    newest: dict[str, File] = {}
    for key in sorted(keys):
        _, mode, rows, drop = key.rpartition("/")[2].removesuffix(".json.gz").split("-")
        newest[drop] = File(key, "FULL" if mode == "FULL" else "INCREMENTAL", int(rows), drop)
    return sorted(newest.values(), key=lambda file: file.key)


def history(keys: Iterable[str]) -> int:
    """Return the shop's interactions, as far as its files tell."""
    return sum(file.rows for file in _since_whole(files(keys)))


def history_before(client: "S3Client", bucket: str, shop: str, drop: str) -> int:
    """Return the shop's interactions without those of a drop, by its identity."""
    return history(key for key in objects.list_keys(client, bucket, folder(shop)) if drop not in key)


def keep(client: "S3Client", bucket: str, key: str, sold: Sold) -> None:
    """Store the counts of a drop."""
    objects.put_bytes(client, bucket, key, pack(sold), "application/gzip")


def forget(client: "S3Client", bucket: str, shop: str, drops: Collection[str]) -> None:
    """Remove the counts of drops, by their identities, that a later run checks and counts again."""
    for key in objects.list_keys(client, bucket, folder(shop)) if drops else ():
        if any(drop in key for drop in drops):
            objects.remove(client, bucket, key)


def chosen(keys: Sequence[str], claims: Iterable[Claim], run: str) -> Sequence[File]:
    """Return the files of a list; none where no whole history was counted.

    Their sum replaces every file: a later run checks and counts its own imports again.

    Args:
        keys: the shop's files.
        claims: the shop's; a drop without one was imported.
        run: the promoting run, whose imports are done although its claims are open.
    """
    claims_by_drop = {identity(claim.key, claim.version_id): claim for claim in claims}

    def imported(file: File) -> bool:
        claim = claims_by_drop.get(file.drop)
        return claim is None or claim.state == "done" or claim.loaded or (claim.state == "taken" and claim.run == run)

    read = _since_whole([file for file in files(keys) if imported(file)])
    return read if read and read[0].mode == "FULL" else []


def _since_whole(counted: Sequence[File]) -> Sequence[File]:
    newest_whole = max((index for index, file in enumerate(counted) if file.mode == "FULL"), default=0)
    return counted[newest_whole:]


def add(counts: Iterable[Sold]) -> Sold:
    """Add up counts."""
    rows, bought, seen = 0, Counter[str](), Counter[str]()
    for sold in counts:
        rows += sold.rows
        bought.update(sold.bought)
        seen.update(sold.seen)
        if max(len(bought), len(seen)) > 8 * MOST:
            bought, seen = _most(bought), _most(seen)
    return Sold(rows, _most(bought), _most(seen))


def best(sold: Sold, most: int) -> list[str]:
    """Return the ids of the most bought items, followed by those with most events."""
    ranked = [*_ranked(sold.bought), *(item for item in _ranked(sold.seen) if item not in sold.bought)]
    return ranked[:most]


def pack(sold: Sold) -> bytes:
    text = json.dumps({"rows": sold.rows, "bought": sold.bought, "seen": sold.seen}, ensure_ascii=False)
    return gzip.compress(text.encode(), mtime=0)


def unpack(data: bytes) -> Sold:
    document = json.loads(gzip.decompress(data))
    return Sold(document["rows"], document["bought"], document["seen"])


def _most(counts: Counter[str]) -> Counter[str]:
    return Counter({item: counts[item] for item in _ranked(counts)[:MOST]})


def _ranked(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda item: (-counts[item], item))
