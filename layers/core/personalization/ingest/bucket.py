# SPDX-License-Identifier: Apache-2.0
"""The bucket as the storage of the library that reads and checks tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from table_intake import Refused

from personalization.core.aws import objects
from personalization.core.errors import Rejected

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
        return objects.get_range(self._s3, self._name, key, begin, size, version)

    def stream(self, key: str, version: str | None, begin: int, end: int | None = None) -> Iterator[bytes]:
        if end is None:
            return objects.stream_from(self._s3, self._name, key, version, begin)
        return objects.stream_between(self._s3, self._name, key, version, (begin, end))
