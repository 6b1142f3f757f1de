# SPDX-License-Identifier: Apache-2.0
"""The hashes of a dataset's ids, which later drops of interactions are compared with.

A check leaves those of its own drop under the name of its run. They count for what the same run checks afterwards, and
for others once that run has imported them. They are one file, or beyond `counts.MOST_IDS` one for each partition of the
hashes, so that a check in ranges compares any number of them exactly. A check in one function compares with the one
file alone.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

import polars as pl
from table_intake import DataKind
from table_intake.check import counts

from personalization.core.aws import objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Store:
    """The known ids of a shop.

    Args:
        client, bucket, shop: where they are.
        runs: the runs whose ids of a kind are known, the best first.
    """

    def __init__(
        self, client: "S3Client", bucket: str, shop: str, runs: Mapping[DataKind, Sequence[str]] = MappingProxyType({})
    ) -> None:
        self._s3 = client
        self._bucket = bucket
        self._shop = shop
        self._runs = runs

    def load(self, kind: DataKind, partition: int = 0, partitions: int = 1) -> bytes | None:
        """Return the file of all ids, or one with at least those of a partition; None where there is none."""
        for stem in self._stems(kind):
            data = objects.get_bytes(self._s3, self._bucket, f"{stem}.ipc")
            if data is not None:
                return data if data or partitions == 1 else self._partition(stem, partition, partitions)
        return None

    def put(self, kind: DataKind, run: str, data: bytes) -> None:
        """Store the ids that a run checked; empty where nothing can be compared with them."""
        objects.put_bytes(self._s3, self._bucket, f"{self._stem(kind, run)}.ipc", data)

    def outdated(self, kind: DataKind, run: str) -> list[str]:
        """Return the keys of ids that are neither known nor those that a run checked."""
        stems = (
            stem for stem in self._stems(kind) if objects.size(self._s3, self._bucket, f"{stem}.ipc", None) is not None
        )
        kept_stems = [self._stem(kind, run), *islice(stems, 1)]
        keys = objects.list_keys(self._s3, self._bucket, _root(self._shop, kind))
        return [key for key in keys if not any(key.startswith((f"{stem}.", f"{stem}/")) for stem in kept_stems)]

    def put_all(self, kind: DataKind, run: str, partitions: Iterable[pl.Series]) -> None:
        """Store more ids than one file has by partition, beside the empty file that `put` has stored.

        The list of partitions comes last and makes them complete; without a partition nothing is stored.
        """
        number = -1
        for number, hashes in enumerate(partitions):
            key = f"{self._stem(kind, run)}/{number:03d}.ipc"
            objects.put_bytes(self._s3, self._bucket, key, counts.ids_file(hashes))
        if number >= 0:
            document = {"partitions": number + 1}
            objects.put_json(self._s3, self._bucket, f"{self._stem(kind, run)}.json", document)

    def _partition(self, stem: str, partition: int, partitions: int) -> bytes | None:
        document = objects.get_json(self._s3, self._bucket, f"{stem}.json")
        files = 0 if document is None else int(document["partitions"])
        # Both numbers are powers of two.
        wanted = range(partition % files, files, partitions) if files else ()
        read = (objects.get_bytes(self._s3, self._bucket, f"{stem}/{number:03d}.ipc") for number in wanted)
        files_of_ids = [counts.unpack_ids(data) for data in read]
        ids = [file for file in files_of_ids if file is not None]
        return counts.ids_file(pl.concat(ids)) if ids and len(ids) == len(files_of_ids) else None

    def _stems(self, kind: DataKind) -> Iterator[str]:
        """Yield the beginnings of keys that may have the ids."""
        yield from (self._stem(kind, run) for run in self._runs.get(kind, ()))

    def _stem(self, kind: DataKind, run: str) -> str:
        return f"{_root(self._shop, kind)}/{run}"


def forget(client: "S3Client", bucket: str, shop: str, kind: DataKind, ids: Collection[str]) -> None:
    """Delete ids of a shop, also those that no run has imported yet."""
    for key in objects.list_keys(client, bucket, _root(shop, kind)):
        data = objects.get_bytes(client, bucket, key) if key.endswith(".ipc") else None
        short = counts.without_ids(data, ids) if data else None
        if short is not None:
            objects.put_bytes(client, bucket, key, short)


def _root(shop: str, kind: DataKind) -> str:
    return f"reports/{shop}/known/{kind}"
