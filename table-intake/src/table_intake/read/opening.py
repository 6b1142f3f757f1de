# SPDX-License-Identifier: Apache-2.0
"""Open a file of any format as a table."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from table_intake import wording
from table_intake.errors import Refused
from table_intake.read import archives, excel, footers, json_lines, parquet, rows, separators, titles, totals
from table_intake.read.archives import Body, Peeked, Unpacked
from table_intake.read.encodings import Utf8
from table_intake.settings.files import FileSettings
from table_intake.table import Table

_PACKED = {
    b"PK\x03\x04": wording.Text("within.archive", "another archive"),
    b"\x1f\x8b": wording.Text("within.packed", "packed once more"),
    b"\x28\xb5\x2f\xfd": wording.Text("within.packed", "packed once more"),
}
"""First bytes of what is packed within an archive."""
_OTHERS = {
    **_PACKED,
    b"PK\x03\x04": wording.Text("within.workbook", "an Excel workbook or another archive"),
    b"PAR1": wording.Text("within.parquet", "a Parquet file"),
}
"""First bytes of what is not text within gzip and zstd."""
_EMPTY_ZIP = wording.Text("zip.empty", "the zip has no file: put one into it")
_WITHIN = "within the archive, the file is {what}: drop it as it is"
_SHOWN = 5
"""Files of a zip that a message names."""
_OTHERWISE = "the file is packed by {program}: pack it as zip, or with gzip"
_UNREADABLE: dict[bytes, str] = {
    b"\xd0\xcf\x11\xe0": wording.Text(
        "is.old-excel",
        "the file is an old Excel workbook, or one with a password: save it as .xlsx without a password",
    ),
    b"%PDF": wording.Text("is.pdf", "the file is a PDF: export the table as CSV, Excel or Parquet"),
    b"Obj\x01": wording.Text("is.avro", "the file is Avro: export the table as Parquet, JSON lines or CSV"),
    b"SQLite format 3\x00": wording.Text("is.sqlite", "the file is an SQLite database: export each table as CSV"),
    b"7z\xbc\xaf\x27\x1c": wording.Text("is.packed", _OTHERWISE, program="7-Zip"),
    b"Rar!\x1a": wording.Text("is.packed", _OTHERWISE, program="RAR"),
    b"BZh91AY&SY": wording.Text("is.packed", _OTHERWISE, program="bzip2"),
    b"\xfd7zXZ\x00": wording.Text("is.packed", _OTHERWISE, program="xz"),
    b"\x89PNG": wording.Text("is.picture", "the file is a picture: export the table as CSV or Excel"),
    b"\xff\xd8\xff": wording.Text("is.picture", "the file is a picture: export the table as CSV or Excel"),
}
_NO_TABLES = (
    (re.compile(r"\s*(?:<!doctype html|<html|<table|<head|<meta|<style)", re.IGNORECASE),
     wording.Text("is.html", "this is an HTML page, as some systems save one under the name .xls: open it in Excel, "
                             "and save it as .xlsx")),
    (re.compile(r"\s*<\?xml(?s:.{0,600})(?:urn:schemas-microsoft-com:office:spreadsheet|progid=.Excel)"),
     wording.Text("is.excel-2003",
          "this is a spreadsheet in XML, as Excel 2003 wrote it: open it in Excel and save it as .xlsx or CSV")),
    (re.compile(r"\s*<\?xml|\s*<(?:rss|feed|urlset|products|items|orders)[\s>]", re.IGNORECASE),
     wording.Text("is.xml", "this is XML: export the table as CSV, Excel, JSON lines or Parquet")),
    (re.compile(r"\{\\rtf"), wording.Text("is.rtf", "this is a document in RTF: export the table as CSV or Excel")),
)  # fmt: skip
"""What a text is that has no table, by how it begins."""
_ENDINGS = {"gzip": ".gz", "zstd": ".zst", "zip": ".zip"}
_HEAD = 1 << 16


@contextmanager
def open_table(
    resource: str, body: Body, settings: FileSettings, scratch: Path, names: Sequence[str] = (), table: str = ""
) -> Iterator[Table]:
    """Open a file, whatever its format, as its bytes tell.

    Args:
        resource: its name in messages.
        body: its bytes as they are.
        settings: how files of its kind are read; what they leave open is guessed and noted.
        scratch: a folder for what cannot be streamed.
        names: the names of the columns, if the first row of a text may or may not be the header.
        table: which of several tables in the file, as `list_tables` names them; the settings decide without it.

    Raises:
        Refused: the file is no table, or is damaged.
    """
    with ExitStack() as stack:
        opening = _Opening(resource, settings, scratch, names=names, stack=stack)
        yield opening.table(Peeked(body), table)


@contextmanager
def open_file(path: Path, settings: FileSettings | None = None, table: str = "") -> Iterator[Table]:
    """Open a file on disk, or one of several tables in it; see `open_table`.

    Raises:
        Refused: the file is no table, or is damaged.
        OSError: it cannot be read.
    """
    with (
        TemporaryDirectory() as scratch,
        path.open("rb") as file,
        open_table(
            f"{path.name}{table}",
            archives.LocalFile(file, path),
            settings or FileSettings(),
            Path(scratch),
            table=table,
        ) as opened,
    ):
        yield opened


def list_tables(path: Path) -> tuple[str, ...]:
    """Return the names of the tables in a file, as `open_file` takes them.

    They are `#Orders` for a sheet, `/orders.csv` for a file within a zip and `/shop.xlsx#Orders` for a sheet of a
    workbook there; a file that is one table has the name "". What is in it may still be refused when it is opened.

    Raises:
        Refused: a workbook or a zip is damaged, or too large.
        OSError: the file cannot be read.
    """
    with TemporaryDirectory() as scratch, path.open("rb") as file, ExitStack() as stack:
        peeked = Peeked(archives.LocalFile(file, path))
        if archives.packing(peeked.head) != "zip":
            return ("",)
        if excel.is_workbook(path):
            return _sheets(path.name, path)
        archive = archives.Zip(path.name, path, stack)
        if not archive.names:
            raise Refused(path.name, _EMPTY_ZIP)
        inside = {name: _tables_inside(archive, name, Path(scratch)) for name in archive.names}
        if len(inside) == 1:
            return next(iter(inside.values()))
        return tuple(f"/{name}{table}" for name, tables in inside.items() for table in tables)


def _sheets(resource: str, path: Path) -> tuple[str, ...]:
    filled = excel.sheets(resource, path)
    return tuple(f"#{name}" for name in filled) if len(filled) > 1 else ("",)


def _tables_inside(archive: archives.Zip, name: str, scratch: Path) -> tuple[str, ...]:
    """Return the tables of a file within a zip; of one that cannot be read, opening it tells why."""
    with suppress(Refused), ExitStack() as stack:
        peeked = Peeked(archives.Inside(archive.unpacked(name)))
        if archives.packing(peeked.head) == "zip" and excel.is_workbook(path := peeked.on_disk(scratch, stack)):
            return _sheets(name, path)
    return ("",)


class _Opening:
    """Opens one table of a file."""

    def __init__(
        self, resource: str, settings: FileSettings, scratch: Path, *, names: Sequence[str], stack: ExitStack
    ) -> None:
        self._resource = resource
        self._settings = settings
        self._scratch = scratch
        self._names = names
        self._stack = stack

    def table(self, file: Peeked, name: str) -> Table:
        """Open the table of a name in a file; without a name, the one that the settings choose."""
        if file.left() > archives.LARGEST:
            raise archives.too_large(self._resource, archives.size(file.left()))
        if (table := self._with_types(file, name)) is not None:
            return table
        packing = archives.packing(file.head)
        notes = _misnamed(self._resource.removesuffix(name), packing)
        if packing != "zip":
            chunks = archives.unpacked(self._resource, file, self._scratch, self._stack)
            return self._text(chunks, notes)
        archive = archives.Zip(self._resource, file.on_disk(self._scratch, self._stack), self._stack)
        member, sheet = self._member(archive.names, name)
        inside = Peeked(archives.Inside(archive.unpacked(member)))
        if (table := self._with_types(inside, sheet)) is not None:
            return table
        for mark, what in _PACKED.items():
            if inside.head.startswith(mark):
                raise Refused(self._resource, wording.Text("within", _WITHIN, what=what))
        return self._text(archives.Unpacked(self._resource, inside, None, lambda _: inside.left()), notes)

    def _text(self, chunks: Unpacked, notes: list[str]) -> Table:
        """Open a text: JSON, or values between separators.

        Raises:
            Refused: it is something else.
        """
        first = next(turn := iter(chunks), b"")
        for mark, what in _OTHERS.items():
            if first.startswith(mark):
                raise Refused(self._resource, wording.Text("within", _WITHIN, what=what))
        text = Utf8(self._resource, chain([first], turn), self._settings.encoding)
        head, decoded = b"", iter(text)
        while len(head) < _HEAD and (more := next(decoded, b"")):
            head += more
        begin = head[:_HEAD].decode(errors="replace")
        for rule, problem in _NO_TABLES:
            if rule.match(begin):
                raise Refused(self._resource, problem)
        content = chain([head], decoded)
        if json_lines.is_json(begin):
            return json_lines.Table(self._resource, content, self._settings, lambda: [*notes, *_guessed(text)])
        return Text(self._resource, Decoded(chunks, text, begin, content), self._settings, notes, self._names)

    def _with_types(self, file: Peeked, name: str) -> Table | None:
        """Open Parquet, or a sheet of a workbook; None for other files."""
        for mark, problem in _UNREADABLE.items():
            if file.head.startswith(mark):
                raise Refused(self._resource, problem)
        if file.head.startswith(footers.MAGIC):
            return parquet.Table(self._resource, file.on_disk(self._scratch, self._stack), self._settings)
        if archives.packing(file.head) != "zip":
            return None
        path = file.on_disk(self._scratch, self._stack)
        if not excel.is_workbook(path):
            if problem := archives.document(path):
                raise Refused(self._resource, problem)
            return None
        return excel.Table(self._resource, path, self._settings, self._stack, sheet=name.removeprefix("#"))

    def _member(self, files: Sequence[str], name: str) -> tuple[str, str]:
        """Return which file of a zip has a table, and the table's name there."""
        listed = ", ".join(files[:_SHOWN]) + ", …" * (len(files) > _SHOWN)
        if not files:
            raise Refused(self._resource, _EMPTY_ZIP)
        if name.startswith("/"):
            if name[1:] in files:
                return name[1:], ""
            for file in files:
                if name.startswith(f"/{file}#"):
                    return file, name.removeprefix(f"/{file}")
            text = "the zip has no file {file}: it has {files}"
            raise Refused(self._resource, wording.Text("zip.no-file", text, file=name.removeprefix("/"), files=listed))
        chosen = files
        if len(files) > 1 and self._settings.member is not None:
            pattern = re.escape(self._settings.member.casefold()).replace(r"\*", ".*")
            rule = re.compile(rf"(?:.*/)?{pattern}", re.DOTALL)
            chosen = [file for file in files if rule.fullmatch(file.casefold())]
            if len(chosen) != 1:
                text = "the settings read {member}, and the zip has no such file: it has {names}"
                values: dict[str, object] = {"member": self._settings.member, "names": listed}
                if not chosen:
                    raise Refused(self._resource, wording.Text("zip.no-member", text, **values))
                text = "the settings read {member}, and the zip has {files:,} files like {member}: it has {names}"
                raise Refused(self._resource, wording.Text("zip.members", text, files=len(chosen), **values))
        if len(chosen) != 1:
            text = (
                "the zip has {files:,} files ({names}): name one in the section of its kind in the settings (member: "
                "{first}), or drop the files"
            )
            raise Refused(
                self._resource, wording.Text("zip.choose", text, files=len(files), names=listed, first=files[0])
            )
        return chosen[0], name


def _misnamed(resource: str, packing: archives.Packing | None) -> list[str]:
    """Return a note where the name and the bytes disagree about packing."""
    name = resource.lower()
    named = next((kind for kind, ending in _ENDINGS.items() if name.endswith(ending)), None)
    if named == packing:
        return []
    text = "the file is {packing}, whatever its name says, and was read so"
    plain = wording.Text("note.not-packed", "the file is not packed, whatever its name says, and was read so")
    return [wording.Text("note.misnamed", text, packing=packing) if packing else plain]


def _guessed(text: Utf8) -> list[str]:
    if not text.guessed:
        return []
    return [wording.Text("note.overruled", "{told}: the setting encoding overrules this", told=text.guessed)]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text file while it is read."""

    chunks: Unpacked
    text: Utf8
    begin: str
    """Its first characters."""
    content: Iterator[bytes]
    """All of it, as UTF-8."""


class Text(rows.Table):
    """A text file of any encoding and separator as a table."""

    def __init__(
        self, resource: str, file: Decoded, settings: FileSettings, notes: list[str], names: Sequence[str]
    ) -> None:
        self._text = file.text
        self._chunks = file.chunks
        self._settings = settings
        # Where a manifest names the columns, the first row may be any.
        separator, above = titles.of_text(file.begin, settings, looks=not names)
        self._separator = separator
        self._given = notes
        if above and settings.header is None:
            self._given = [*self._given, titles.note(above + 1)]
        if not settings.separator and separator != ",":
            told = "the values are separated by {separator}"
            marks = separators.SEPARATORS[separator]
            self._given = [*self._given, wording.Text("note.separated", told, separator=marks)]
        form = rows.Form(separator, encoding=lambda: self._text.label, names=names, above=above)
        super().__init__(resource, file.content, form=form)

    @property
    def notes(self) -> list[str]:
        """What was guessed."""
        return [*self._given, *_guessed(self._text)]

    def rows(self) -> Iterator[rows.Rows]:
        """Yield the rows, without sums in the last of them."""
        for piece in super().rows():
            if not piece.last or self._settings.totals == "keep":
                yield piece
                continue
            sums = totals.of_text(piece, self._separator)
            yield piece.less([line for line, _ in sums]) if sums else piece
            self._given = [*self._given, *(totals.note(word) for _, word in reversed(sums))]

    def rows_left(self, shortest: int) -> int:
        return (self._chunks.left() + self.held) // shortest
