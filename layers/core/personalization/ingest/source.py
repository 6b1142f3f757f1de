# SPDX-License-Identifier: Apache-2.0
"""Read a drop from the bucket: its parts as one table, and the digest of their bytes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from table_intake import Checked, FileSettings, Table, open_table
from table_intake.origins import LONE, Origins
from table_intake.read.archives import LARGEST, too_large
from table_intake.read.parts import Parts, SourcePart, TableOfParts

from personalization.core.aws import objects
from personalization.core.aws.objects import Digest
from personalization.core.errors import intake_translated
from personalization.shop.keys import Drop

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Source:
    """A drop and its parts in the bucket."""

    def __init__(self, client: "S3Client", bucket: str, drop: Drop, parts: Parts) -> None:
        self._s3 = client
        self._bucket = bucket
        self.drop = drop
        self.parts = parts
        self._digests: list[Digest] = []
        self._table: TableOfParts | None = None

    @property
    def digest(self) -> Digest:
        """The size and the digest of what was read last."""
        return Digest.of(self._digests)

    @contextmanager
    def opened(self, settings: FileSettings, scratch: Path) -> Iterator[Table]:
        """Open all parts as one table.

        Args:
            settings: how files of the drop's kind are read.
            scratch: a folder for what cannot be streamed.

        Raises:
            Rejected: the drop is not a table, or too large for one function.
        """
        self._digests = []
        with intake_translated():
            if self.parts.size > LARGEST:
                raise too_large(self.drop.key, f"has {self.parts.size / 1e9:,.1f} GB")
            if not self.drop.folder:
                with self._open(self.parts.every[0], settings, scratch) as table:
                    yield table
                return
            table_of_parts = TableOfParts(self.drop.key, self.parts, lambda part: self._open(part, settings, scratch))
            with closing(table_of_parts) as self._table:
                yield self._table

    def read(self) -> Digest:
        """Read all bytes, and return their digest."""
        self._digests = []
        for part in self.parts.every:
            # A table opens no empty part either.
            if part.size or not self.drop.folder:
                with self._reading(part) as chunks:
                    for _ in chunks:
                        pass
        return self.digest

    def noted(self, copied: Checked, origins: Origins | None = None) -> Checked:
        """Return the result of reading the table with notes about its parts, and where its lines come from."""
        if not self.drop.folder:
            return copied
        if origins is None:
            origins = self._table.origins if self._table is not None else LONE
        findings, count = copied.findings, len(self.parts.every)
        notes = (f"the drop has {count:,} part{'s' * (count != 1)}", *self.parts.notes, *findings.notes)
        return replace(copied, findings=replace(findings, origins=origins, notes=notes))

    @contextmanager
    def _open(self, part: SourcePart, settings: FileSettings, scratch: Path) -> Iterator[Table]:
        with (
            TemporaryDirectory(dir=scratch) as folder,
            self._reading(part) as body,
            open_table(part.key, body, settings, Path(folder), self.parts.columns) as table,
        ):
            yield table

    @contextmanager
    def _reading(self, part: SourcePart) -> Iterator[objects.Stream]:
        self._digests.append(Digest())
        where = self._bucket, part.key, part.version_id
        with objects.reading(self._s3, *where, digest=self._digests[-1]) as body:
            yield body
