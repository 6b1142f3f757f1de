# SPDX-License-Identifier: Apache-2.0
"""The hashes of a dataset's ids, which later drops of interactions are compared with.

They are one file, or beyond `counts.MOST_IDS` one for each partition of the hashes, so that a check in ranges compares
any number of them exactly. A check in one function compares with the one file alone.
"""

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from personalization.core.aws import objects
from personalization.ingest import report
from personalization.ingest.csv import counts
from personalization.shop.keys import DataKind

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Store:
    """The known ids of a shop."""

    def __init__(self, client: "S3Client", bucket: str, shop: str) -> None:
        self._s3 = client
        self._bucket = bucket
        self._shop = shop

    def load(self, kind: DataKind, partition: int = 0, partitions: int = 1) -> bytes | None:
        """Return the file of all ids, or one with at least those of a partition; None where there is none."""
        data = objects.get_bytes(self._s3, self._bucket, report.ids_key(self._shop, kind))
        if data or partitions == 1:
            return data
        files = self._files(kind)
        # Both numbers are powers of two.
        wanted = range(partition % files, files, min(files, partitions)) if files else ()
        found = [self._hashes(kind, number) for number in wanted]
        known = [each for each in found if each is not None]
        return counts.ids_file(pl.concat(known)) if known and len(known) == len(found) else None

    def put(self, kind: DataKind, data: bytes) -> None:
        """Store the ids in one file, which is empty where nothing can be compared with them."""
        objects.put_bytes(self._s3, self._bucket, report.ids_key(self._shop, kind), data)
        if files := self._files(kind):
            objects.put_json(self._s3, self._bucket, self._document(kind), {"partitions": 0})
            for number in range(files):
                objects.put_bytes(self._s3, self._bucket, self._key(kind, number), b"")

    def put_partitions(self, kind: DataKind, number: int, hashes: pl.Series) -> None:
        """Store a partition of more ids than one file has; `finish` makes them known."""
        objects.put_bytes(self._s3, self._bucket, self._key(kind, number), counts.ids_file(hashes))

    def finish(self, kind: DataKind, partitions: int) -> None:
        """Make the partitions known in place of earlier ids."""
        objects.put_json(self._s3, self._bucket, self._document(kind), {"partitions": partitions})
        objects.put_bytes(self._s3, self._bucket, report.ids_key(self._shop, kind), b"")

    def forget(self, kind: DataKind, ids: Collection[str]) -> None:
        """Delete ids."""
        without = partial(counts.without_ids, ids=ids)
        files = [report.ids_key(self._shop, kind), *(self._key(kind, number) for number in range(self._files(kind)))]
        for key in files:
            data = objects.get_bytes(self._s3, self._bucket, key)
            short = without(data) if data else None
            if short is not None:
                objects.put_bytes(self._s3, self._bucket, key, short)

    def _files(self, kind: DataKind) -> int:
        document = objects.get_json(self._s3, self._bucket, self._document(kind))
        return 0 if document is None else int(document["partitions"])

    def _hashes(self, kind: DataKind, number: int) -> pl.Series | None:
        return counts.unpack_ids(objects.get_bytes(self._s3, self._bucket, self._key(kind, number)))

    def _document(self, kind: DataKind) -> str:
        return f"{report.ids_key(self._shop, kind).removesuffix('.ipc')}.json"

    def _key(self, kind: DataKind, number: int) -> str:
        return f"{report.ids_key(self._shop, kind).removesuffix('.ipc')}/{number:03d}.ipc"
