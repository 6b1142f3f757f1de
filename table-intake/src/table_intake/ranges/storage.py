# SPDX-License-Identifier: Apache-2.0
"""Where the files of a check in ranges lie, whatever it is: a bucket, a folder."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from table_intake.kinds import DataKind
from table_intake.read.archives import Body

CHUNK = 1 << 20
"""Bytes that are looked at to see how a file is written."""


class Upload(Protocol):
    """A file being written, which does not exist until `finish`."""

    def write(self, data: bytes | memoryview) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None: ...


class Storage(Protocol):
    """Files by key. A version of a file never changes; without one, the newest is meant."""

    def get(self, key: str) -> bytes | None:
        """Return a file, or None if it does not exist."""

    def put(self, key: str, data: bytes) -> None:
        """Store a file, whole or not at all."""

    def upload(self, key: str) -> Upload:
        """Begin to write a file."""

    def open(self, key: str, version: str | None) -> AbstractContextManager[Body]:
        """Open a file.

        Raises:
            Refused: the file is gone.
        """

    def read(self, key: str, begin: int, size: int, version: str | None = None) -> bytes:
        """Return some bytes of a file; fewer at its end."""

    def stream(self, key: str, version: str | None, begin: int, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a file from a position up to another, or to its end, in chunks."""


class KnownIds(Protocol):
    """The hashes of ids that earlier tables had; see `check.counts.hash_ids`."""

    def load(self, kind: DataKind, partition: int = 0, partitions: int = 1) -> bytes | None:
        """Return the hashes of a kind, or at least those of a partition; None where there are none."""
