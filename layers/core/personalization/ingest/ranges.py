# SPDX-License-Identifier: Apache-2.0
"""The check of a drop that is too large for one function: its ranges, and the bucket as their storage."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from table_intake import Expected, Refused
from table_intake.ranges.division import Division
from table_intake.ranges.merged import Merged
from table_intake.ranges.work import Work

from personalization.core.aws import objects
from personalization.core.errors import Rejected
from personalization.ingest.source import Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Bucket:
    """See `table_intake.ranges.storage.Storage`."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self._s3 = client
        self._name = name
        self.get = partial(objects.get_bytes, client, name)
        self.put = partial(objects.put_bytes, client, name)
        self.upload = partial(objects.Upload, client, name)

    @contextmanager
    def open(self, key: str, version: str | None) -> Iterator[objects.Stream]:
        try:
            with objects.reading(self._s3, self._name, key, version) as stream:
                yield stream
        except Rejected as error:
            raise Refused(error.resource, error.reason) from None

    def read(self, key: str, begin: int, size: int, version: str | None = None) -> bytes:
        return objects.get_range(self._s3, self._name, key, begin=begin, size=size, version=version)

    def stream(self, key: str, version: str | None, begin: int, end: int | None = None) -> Iterator[bytes]:
        if end is None:
            return objects.stream_from(self._s3, self._name, key, version, begin)
        return objects.stream_between(self._s3, self._name, key, version, (begin, end))


class Ranges:
    """The ranges of one drop.

    Args:
        client, bucket: where the drop is.
        folder: where their results are, with its slash.
        size: bytes of a range, at most.
    """

    def __init__(self, client: "S3Client", bucket: str, folder: str, size: int) -> None:
        self._s3 = client
        self._bucket = bucket
        self.folder = folder
        self._division = Division(storage := Bucket(client, bucket), size)
        self._work = Work(storage, folder)

    def are_needed(self, source: Source) -> bool:
        """Tell whether a drop is too large for one function."""
        return self._division.is_needed(source.parts)

    def begin(self, expected: Expected, source: Source, copies: str) -> None:
        """Store what the functions that check the ranges need; `copies` is the beginning of their copies' keys."""
        self._division.begin(self._work, expected, source.parts, copies)

    def merged(self) -> Merged | None:
        """Return the merged results, once all ranges are checked; copies that none of them left are removed."""
        end = self._work.end()
        if end is None:
            return None
        merged = Merged(self._work, *end)
        # An import reads its whole folder.
        for key in {*objects.list_keys(self._s3, self._bucket, merged.copies_prefix)} - {*merged.copies}:
            objects.remove(self._s3, self._bucket, key)
        return merged
