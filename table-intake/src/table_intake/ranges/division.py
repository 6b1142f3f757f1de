# SPDX-License-Identifier: Apache-2.0
"""Divide a drop into ranges: which of its files can be divided, and how these are written."""

from collections.abc import Sequence

from table_intake.check.findings import Expected
from table_intake.ranges import cutting
from table_intake.ranges.cutting import File
from table_intake.ranges.ranges import FileForm
from table_intake.ranges.row_groups import RowGroups
from table_intake.ranges.storage import CHUNK, Storage
from table_intake.ranges.work import Context, Work
from table_intake.read import archives, encodings, json_lines, titles
from table_intake.read.encodings import Utf8
from table_intake.read.footers import RowGroup
from table_intake.read.parts import Parts, SourcePart
from table_intake.read.rows import Form, Table

_SAMPLE = 1 << 16
"""Bytes by which separator and header are found, as for other files."""
_OTHERS = (b"PAR1", b"PK", b"\xd0\xcf\x11\xe0", b"%PDF")
"""The first bytes of formats that are not text, by which they are told apart."""
DENSEST = 8
"""Times that Parquet is smaller than its text, but for files with hardly a difference between their rows."""


class Division:
    """Divide a drop, and begin its check.

    Args:
        storage: where the drop is, and the files of the check.
        size: bytes of a range, at most.
    """

    def __init__(self, storage: Storage, size: int) -> None:
        self._storage = storage
        self._size = size

    def is_needed(self, parts: Parts) -> bool:
        """Tell whether a drop is too large for one function."""
        weights = (File(part.size, groups=self._groups(part)).weight for part in parts.every)
        return parts.size > self._size or sum(weights) > archives.LARGEST

    def begin(self, work: Work, expected: Expected, parts: Parts, copies: str) -> None:
        """Store the tasks of a check, unless they are there.

        Raises:
            Refused: the drop cannot be checked in ranges, or has a file that is no table.
        """
        if work.context() is not None:
            return
        every = [part for part in parts.every if part.size]
        numbered = ((number, self._form(part, expected, parts.columns)) for number, part in enumerate(every))
        forms = {number: form for number, form in numbered if form is not None}
        whole = _is_read_whole(expected)
        files = [
            File(part.size, number in forms, () if whole else self._groups(part)) for number, part in enumerate(every)
        ]
        tasks = cutting.cut(expected.resource, files, self._size, archives.LARGEST)
        partitions = cutting.partitions(sum(file.weight for file in files))
        work.begin(Context(expected, every, parts.columns, forms=forms, partitions=partitions, copies=copies), tasks)

    def _groups(self, part: SourcePart) -> Sequence[RowGroup]:
        """Return the row groups of a Parquet file that may have more than one range's text."""
        return RowGroups(self._storage).find(part) if part.size * DENSEST > self._size else ()

    def _form(self, part: SourcePart, expected: Expected, names: Sequence[str]) -> FileForm | None:
        """Return how a file is written that can be read in ranges; None of others, and of those that are one range."""
        if part.size <= self._size or _is_read_whole(expected):
            return None
        settings = expected.settings.file_settings(expected.kind)
        first = self._storage.read(part.key, 0, CHUNK, part.version_id)
        text = Utf8(expected.resource, [first], settings.encoding)
        packed = archives.packing(first) is not None or first.startswith(_OTHERS)
        if packed or (text.name is not None and not encodings.includes_ascii(text.name)):
            return None
        head = b"".join(text)
        start = head[:_SAMPLE].decode(errors="replace")
        separator, above = titles.of_text(start, settings, looks=not names)
        if above or json_lines.is_json(start):
            return None
        header = Table(expected.resource, [head], form=Form(separator, names=names)).header
        return FileForm(header, separator, skips_sums=settings.totals == "skip")


def _is_read_whole(expected: Expected) -> bool:
    """Tell whether one function reads a file from its first row on: where a row may need the one above it."""
    return expected.settings.file_settings(expected.kind).fill_down is not None
