# SPDX-License-Identifier: Apache-2.0
"""The row groups of a Parquet file in the bucket, of which a function reads its own bytes alone."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from personalization.core.aws import objects
from personalization.ingest.distributed.cutting import Task
from personalization.ingest.formats import footers, parquet
from personalization.ingest.formats.footers import RowGroup
from personalization.ingest.formats.parquet import Selection
from personalization.ingest.parts import SourcePart
from personalization.shop.file_settings import FileSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class RowGroups:
    """The row groups of files."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._s3 = client
        self._bucket = bucket

    def find(self, part: SourcePart) -> Sequence[RowGroup]:
        """Return the row groups of a file in the order of their bytes; none of other files, and where they overlap.

        Raises:
            Rejected: its footer is damaged.
        """
        if self._range(part, 0, len(footers.MAGIC)) != footers.MAGIC:
            return ()
        try:
            groups = footers.parse(partial(self._range, part), part.size).groups
        except footers.Damaged as error:
            raise parquet.damaged(part.key, str(error)) from None
        groups = tuple(group for group in groups if group.rows)
        return groups if all(one.end <= other.begin for one, other in pairwise(groups)) else ()

    def open(self, part: SourcePart, task: Task, settings: FileSettings, scratch: Path) -> parquet.Table:
        """Open the row groups of a task, from a copy of the file with nothing but their bytes.

        Raises:
            Rejected: they are damaged.
        """
        path = scratch / "row-groups"
        try:
            footer = footers.find(partial(self._range, part), part.size)
        except footers.Damaged as error:
            raise parquet.damaged(part.key, str(error)) from None
        with path.open("wb") as file:
            file.write(footers.MAGIC)
            for begin, end in ((task.begin, task.end), (footer, part.size)):
                file.seek(begin)
                for chunk in objects.stream_between(self._s3, self._bucket, part.key, part.version_id, (begin, end)):
                    file.write(chunk)
        return parquet.Table(part.key, path, settings, Selection(task.before, task.rows or 0))

    def _range(self, part: SourcePart, begin: int, size: int) -> bytes:
        return objects.get_range(self._s3, self._bucket, part.key, begin, size, part.version_id)
