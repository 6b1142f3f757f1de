# SPDX-License-Identifier: Apache-2.0
"""Open a file of any format as a table."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from table_intake.errors import Refused
from table_intake.read import archives, excel, footers, parquet, rows, separators
from table_intake.read.archives import Body, Peeked, Unpacked
from table_intake.read.encodings import Utf8
from table_intake.settings.files import FileSettings
from table_intake.table import Table

_OTHERS = {
    b"PK\x03\x04": "an Excel workbook or another archive",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "packed once more",
    b"\x28\xb5\x2f\xfd": "packed once more",
}
"""First bytes of what is not text within an archive."""
_UNREADABLE = {
    b"\xd0\xcf\x11\xe0": "the file is an old Excel workbook, or one with a password: "
    "save it as .xlsx without a password",
    b"%PDF": "the file is a PDF: export the table as CSV, Excel or Parquet",
}
_ENDINGS = {"gzip": ".gz", "zstd": ".zst", "zip": ".zip"}
_HEAD = 1 << 16


@contextmanager
def open_table(
    resource: str, body: Body, settings: FileSettings, scratch: Path, names: Sequence[str] = ()
) -> Iterator[Table]:
    """Open a file, whatever its format, as its bytes tell.

    Args:
        resource: its name in messages.
        body: its bytes as they are.
        settings: how files of its kind are read; what they leave open is guessed and noted.
        scratch: a folder for what cannot be streamed.
        names: the names of the columns, if the first row of a text may or may not be the header.

    Raises:
        Refused: the file is no table, or is damaged.
    """
    with ExitStack() as stack:
        if body.left() > archives.LARGEST:
            raise archives.too_large(resource, f"has {body.left() / 1e9:,.1f} GB")
        peeked = Peeked(body)
        for mark, problem in _UNREADABLE.items():
            if peeked.head.startswith(mark):
                raise Refused(resource, problem)
        if peeked.head.startswith(footers.MAGIC):
            yield parquet.Table(resource, peeked.on_disk(scratch, stack), settings)
            return
        packing = archives.packing(peeked.head)
        if packing == "zip" and excel.is_workbook(path := peeked.on_disk(scratch, stack)):
            yield excel.Table(resource, path, settings.sheet, stack)
            return
        chunks = archives.unpacked(resource, peeked, scratch, stack)
        yield Text(resource, chunks, settings, _misnamed(resource, packing), names)


@contextmanager
def open_file(path: Path, settings: FileSettings | None = None) -> Iterator[Table]:
    """Open a file on disk; see `open_table`.

    Raises:
        Refused: the file is no table, or is damaged.
        OSError: it cannot be read.
    """
    with (
        TemporaryDirectory() as scratch,
        path.open("rb") as file,
        open_table(path.name, archives.LocalFile(file, path), settings or FileSettings(), Path(scratch)) as table,
    ):
        yield table


def _misnamed(resource: str, packing: archives.Packing | None) -> list[str]:
    """Return a note where the name and the bytes disagree about packing."""
    name = resource.lower()
    named = next((kind for kind, ending in _ENDINGS.items() if name.endswith(ending)), None)
    if named == packing:
        return []
    return [f"the file is {packing or 'not packed'}, whatever its name says, and was read so"]


class Text(rows.Table):
    """A text file of any encoding and separator as a table."""

    def __init__(
        self, resource: str, chunks: Unpacked, settings: FileSettings, notes: list[str], names: Sequence[str]
    ) -> None:
        first = next(turn := iter(chunks), b"")
        for mark, what in _OTHERS.items():
            if first.startswith(mark):
                raise Refused(resource, f"within the archive, the file is {what}: drop it as it is")
        self._text = Utf8(resource, chain([first], turn), settings.encoding)
        head, text = b"", iter(self._text)
        while len(head) < _HEAD and (more := next(text, b"")):
            head += more
        separator = settings.separator or separators.guess(head[:_HEAD].decode(errors="replace"))
        self._given = notes
        if not settings.separator and separator != ",":
            self._given = [*notes, f"the values are separated by {separators.SEPARATORS[separator]}"]
        self._chunks = chunks
        form = rows.Form(separator, encoding=lambda: self._text.label, names=names)
        super().__init__(resource, chain([head], text), form=form)

    @property
    def notes(self) -> list[str]:
        """What was guessed."""
        guessed = self._text.guessed
        return [*self._given, *([f"{guessed}: the setting encoding overrules this"] if guessed else [])]

    def rows_left(self, shortest: int) -> int:
        return (self._chunks.left() + self.held) // shortest
