# SPDX-License-Identifier: Apache-2.0
"""The bytes within gzip, zstd, or a file of a zip."""

import gzip
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, Literal, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from table_intake.errors import Refused
from table_intake.wording import Text

CHUNK = 1 << 20
LARGEST = 4_000_000_000
"""Bytes of the largest file, unpacked: what one function checks within its 15 minutes, whatever its rows."""
_INFLATION = 1032
"""The largest ratio by which gzip data may expand."""
_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}
"""Zstd data may ask for 128 MB of memory at most, as with zstd's own tool."""
Packing = Literal["gzip", "zstd", "zip"]
_MAGIC: dict[bytes, Packing] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_BROKEN = (
    gzip.BadGzipFile,
    zlib.error,
    zstd.ZstdError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    NotImplementedError,
)
BROKEN_ZIP = (*_BROKEN, OSError, ValueError)
"""Errors of a zip that is damaged, its names and offsets included."""
_ENCRYPTED, _UTF_8 = 1, 1 << 11
"""Flags of a file in a zip: it has a password; its name is UTF-8."""
_MOST_FILES = 1_000


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes; none at the end."""


class Body(Readable, Protocol):
    """A file as it lies in the bucket or on disk."""

    def left(self) -> int:
        """Return the bytes that may still come, at most."""


class LocalFile:
    """A file on disk as a body."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self._file = file
        self._size = path.stat().st_size

    def read(self, size: int, /) -> bytes:
        return self._file.read(size)

    def left(self) -> int:
        return max(0, self._size - self._file.tell())


class Peeked:
    """A body whose first bytes are known."""

    def __init__(self, body: Body, size: int = 16) -> None:
        self._body = body
        self.head = b""
        while len(self.head) < size and (more := body.read(size - len(self.head))):
            self.head += more
        self._held = self.head
        self._path: Path | None = None

    def read(self, size: int, /) -> bytes:
        if not self._held:
            return self._body.read(size)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def left(self) -> int:
        return len(self._held) + self._body.left()

    def on_disk(self, scratch: Path, stack: ExitStack) -> Path:
        """Return a file of these bytes, to be read in any order; the stack removes it from the scratch folder."""
        if isinstance(self._body, LocalFile):
            return self._body.path
        if self._path is not None:
            return self._path
        file = stack.enter_context(NamedTemporaryFile(dir=scratch))  # noqa: SIM115 - the stack closes it
        while chunk := self.read(CHUNK):
            file.write(chunk)
        file.flush()
        self._path = Path(file.name)
        return self._path


def packing(head: bytes) -> Packing | None:
    """Return how a file is packed, by its first bytes; a workbook is zip as well."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def too_large(resource: str, reason: str) -> Refused:
    text = (
        "the drop {reason}; one can have {most:,.0f} GB: leave out columns or old rows, or drop the newest rows under "
        "incremental/"
    )
    return Refused(resource, Text("file.too-large", text, reason=reason, most=LARGEST / 1e9))


def size(size: float) -> Text:
    """Return that a drop has so many bytes."""
    return Text("size", "has {size:,.1f} GB", size=size / 1e9)


def _size_unpacked(size: float) -> Text:
    return Text("size.unpacked", "has {size:,.1f} GB when it is unpacked", size=size / 1e9)


def more_than(most: float, of: Literal["unpacked", "parts", "values"] = "unpacked") -> Text:
    """Return that a drop has more than so many bytes `of` something."""
    texts = {
        "unpacked": "has more than {most:,.0f} GB when it is unpacked",
        "parts": "has more than {most:,.0f} GB when its parts are unpacked",
        "values": "has more than {most:,.0f} GB of values",
    }
    return Text(f"size.more-{of}", texts[of], most=most / 1e9)


def _not_whole(kind: Packing | None, error: Exception) -> Text:
    return Text("file.not-whole", "the file is not whole {kind}: {error}", kind=kind, error=str(error))


class Unpacked:
    """Bytes in chunks of about a megabyte.

    Args:
        resource: the name in messages.
        source: what unpacks them while it is read.
        kind: how they are packed, for messages.
        left: returns how many may still come at most, after so many.

    Raises:
        Refused: on reading, they are not whole, or more than `LARGEST`.
    """

    def __init__(self, resource: str, source: Readable, kind: Packing | None, left: Callable[[int], int]) -> None:
        self._resource = resource
        self._source = source
        self._kind = kind
        self._left = left
        self._given = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self._source.read(CHUNK):
                self._given += len(chunk)
                if self._given > LARGEST:
                    raise too_large(self._resource, more_than(LARGEST))
                yield chunk
        except _BROKEN as error:
            raise Refused(self._resource, _not_whole(self._kind, error)) from None

    def left(self) -> int:
        """Return the bytes that may still come, at most."""
        return self._left(self._given)


def unpacked(resource: str, body: Peeked, scratch: Path, stack: ExitStack) -> Unpacked:
    """Open a body, which is unpacked while it is read; zip is copied to the scratch folder before.

    Raises:
        Refused: a zip has a password, or not one file.
    """
    kind = packing(body.head)
    source: Any = body
    if kind == "gzip":
        # Bytes that were read and are still compressed are less than a chunk.
        unzipped = stack.enter_context(gzip.GzipFile(fileobj=source))
        return Unpacked(
            resource, unzipped, kind, lambda given: min(LARGEST - given, (body.left() + CHUNK) * _INFLATION)
        )
    if kind == "zstd":
        file = stack.enter_context(zstd.ZstdFile(source, options=_WINDOW))
        return Unpacked(resource, file, kind, lambda given: LARGEST - given)
    if kind == "zip":
        archive = Zip(resource, body.on_disk(scratch, stack), stack)
        if len(archive.names) != 1:
            text = "the zip has {files:,} {files:file|files}: put one file into it, or drop the files themselves"
            raise Refused(resource, Text("zip.several", text, files=len(archive.names)))
        return archive.unpacked(archive.names[0])
    return Unpacked(resource, body, kind, lambda _: body.left())


_DOCUMENTS = {
    "xl/workbook.bin": Text("is.xlsb", "the file is a binary workbook (.xlsb): save it as .xlsx"),
    "word/document.xml": Text("is.word", "the file is a Word document: export the table as CSV or Excel"),
    "ppt/presentation.xml": Text("is.slides", "the file is a presentation: export the table as CSV or Excel"),
    "Index/Document.iwa": Text(
        "is.apple", "the file is one of Apple's Numbers or Pages: export the table as CSV or Excel"
    ),
    "META-INF/manifest.xml": Text("is.ods", "the file is an OpenDocument file (.ods): save the table as .xlsx or CSV"),
}
"""What a zip is by one of its files."""


def document(path: Path) -> str:
    """Return why a zip is no table if it is a document of an office program; "" otherwise."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {*archive.namelist()}
    except BROKEN_ZIP:
        return ""
    return next((problem for name, problem in _DOCUMENTS.items() if name in names), "")


class Zip:
    """The files of a zip, apart from those that macOS puts beside others.

    Raises:
        Refused: it is damaged, or has too many files, or two of one name.
    """

    def __init__(self, resource: str, path: Path, stack: ExitStack) -> None:
        self._resource = resource
        self._stack = stack
        try:
            self._archive = stack.enter_context(zipfile.ZipFile(path))
        except BROKEN_ZIP as error:
            raise Refused(resource, _not_whole("zip", error)) from None
        entries = [info for info in self._archive.infolist() if not info.is_dir() and not _is_beside(info.filename)]
        if len(entries) > _MOST_FILES:
            text = "the zip has {files:,} files; {most:,} are the most"
            raise Refused(resource, Text("zip.many", text, files=len(entries), most=_MOST_FILES))
        names = _readable_names(entries)
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise Refused(
                resource, Text("zip.twice", "the zip has two files of the name {name}: pack it anew", name=twice)
            )
        self._entries: Mapping[str, zipfile.ZipInfo] = dict(zip(names, entries, strict=True))

    @property
    def names(self) -> list[str]:
        """The names of its files, with their folders."""
        return [*self._entries]

    def unpacked(self, name: str) -> Unpacked:
        """Open a file.

        Raises:
            Refused: it has a password, is packed by a method that few programs know, or is too large.
        """
        entry = self._entries[name]
        if entry.flag_bits & _ENCRYPTED:
            raise Refused(self._resource, Text("zip.password", "the zip has a password: pack the file without one"))
        if entry.file_size > LARGEST:
            raise too_large(self._resource, _size_unpacked(entry.file_size))
        # Others are unpacked at once, however large they become.
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            text = "the zip is packed by a method that few programs know: pack it as deflate, or use gzip"
            raise Refused(self._resource, Text("zip.method", text))
        try:
            file = self._stack.enter_context(self._archive.open(entry))
        except BROKEN_ZIP as error:
            raise Refused(self._resource, _not_whole("zip", error)) from None
        return Unpacked(self._resource, file, "zip", lambda given: max(0, entry.file_size - given))


class Inside:
    """A file of a zip as a body."""

    def __init__(self, chunks: Unpacked) -> None:
        self._chunks = chunks
        self._turn = iter(chunks)
        self._held = b""

    def read(self, size: int, /) -> bytes:
        self._held = self._held or next(self._turn, b"")
        data, self._held = self._held[:size], self._held[size:]
        return data

    def left(self) -> int:
        return len(self._held) + self._chunks.left()


def _readable_names(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the names of files; those that Windows writes in the encoding of its language are guessed.

    A name that an extra field of the zip says in Unicode needs no guess.
    """
    raw = {
        info.filename: info.filename.encode("cp437")
        for info in entries
        if not info.flag_bits & _UTF_8 and info.filename == info.orig_filename and not info.filename.isascii()
    }
    if not raw:
        return [info.filename for info in entries]
    from table_intake.read import encodings  # noqa: PLC0415 - few zips need it, and it takes long

    encoding, _ = encodings.guess(b"\n".join(raw.values()))
    readable = dict[str, str]()
    for name, written in raw.items():
        with suppress(UnicodeDecodeError):
            readable[name] = written.decode(encoding)
    return [readable.get(info.filename, info.filename) for info in entries]


def _is_beside(name: str) -> bool:
    """Tell whether a file is what macOS puts beside others."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"
