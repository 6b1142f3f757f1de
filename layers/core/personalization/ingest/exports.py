# SPDX-License-Identifier: Apache-2.0
"""Join the files of an export as its shop's settings say, and drop what is joined.

`table_intake.join_tables` joins them, as it does for a shop that starts on a laptop. A kind whose file needs no joining
is copied as it is. Nothing is dropped before everything is joined; users and items are dropped first.
"""

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from table_intake import DataKind, FileSettings, Joined, Refused, Table, join_tables, list_tables, open_file, open_table
from table_intake.read.parts import SourcePart, named
from table_intake.read.rows import EMPTY
from table_intake.settings.exports import ExportSettings, matching, may_mean
from table_intake.wording import Text

from personalization.core.aws import objects
from personalization.core.errors import Rejected, intake_translated
from personalization.ingest.source import Source
from personalization.reports import pages
from personalization.shop import keys
from personalization.shop.plan import JoinedExport, PrepareRequest
from personalization.shop.settings import settings_file
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONTAINERS = (".zip", ".xlsx")
"""Endings of files that may have several tables, which only the whole file tells."""
_DENSE = (*_CONTAINERS, ".gz", ".zst", ".parquet")
_DENSITY = 3
"""Times that such a file is smaller than its text, at the least."""
_MEMORY_TIMES = 6
"""Bytes of memory for a byte of a joined file's text, when all of its columns are taken: measured with 3 M orders."""
_MEMORY_BESIDES = 300 << 20
"""Memory of the process, and of the rows that stream through it."""
_DISK_TIMES = 2
"""Bytes of disk for a byte of text: each row of the first file gets the columns of the others."""
_MEGABYTE = 1 << 20
_WAY = Text(
    "export.way",
    "join them on a machine of yours with `python -m local start`, and sync what it names at its end; or take fewer "
    "columns or years into the files; or give the function more by JoinMemory and JoinStorage",
)


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of memory and of disk that the function has."""

    memory: int
    disk: int


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the export: a file in the bucket, or in a file that was fetched."""

    part: SourcePart
    path: Path | None = None
    inside: str = ""
    tables: int = 1
    """Tables in the file."""

    @property
    def text(self) -> int:
        """Bytes of its text, as far as the file's size tells."""
        dense = self.part.name.casefold().endswith(_DENSE)
        return self.part.size * (_DENSITY if dense else 1) // self.tables


def join_export(client: "S3Client", bucket: str, request: PrepareRequest, room: Room) -> JoinedExport:
    """Join an export whose marker was dropped, drop what is joined, and report on it.

    The same files and settings give the same keys and bytes.

    Raises:
        Rejected: the shop's settings do not say how, or the files cannot be joined; nothing is dropped, and the reason
            names the report.
    """
    export = _Export(client=client, bucket=bucket, request=request, room=room)
    try:
        with intake_translated():
            drops = export.joined()
    except Rejected as refused:
        raise Rejected(refused.resource, export.told(refused.reason, export.report(refused.reason))) from None
    reason = Text("export.joined", "joined into {drops}", drops=", ".join(drops))
    return JoinedExport(joined=drops, reason=export.told(reason, export.report()))


@dataclass(slots=True, kw_only=True)
class _Export:
    """The export of a marker, while it is joined."""

    client: "S3Client"
    bucket: str
    request: PrepareRequest
    room: Room
    settings: ShopSettings = field(default_factory=ShopSettings)
    counts: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)

    @property
    def drop(self) -> keys.Drop:
        return keys.recognise(self.request.key)

    def joined(self) -> tuple[str, ...]:
        """Join the files and drop what is joined; return the keys.

        Raises:
            Rejected, Refused: see `join_export`.
        """
        self.settings, remarks = settings_file.settings_that_hold(self.client, self.bucket, self.drop.shop)
        self.notes += remarks
        for file, reason in self.request.unreadable.items():
            raise Rejected(file, Text.joined("; ", [Text.read(reason), _WAY]))
        source = Source.find(self.client, self.bucket, self.drop, self.request.version_id)
        self.notes += source.parts.notes
        export = self.settings.export
        if export is None:
            text = (
                "the shop's settings have no section export, which says what is in which file: `python -m local map "
                "FILES --write settings.yaml` proposes one. Drop it as {key}, then the marker again"
            )
            key = f"drops/{self.drop.shop}/{keys.SETTINGS_FILES[0]}"
            raise Rejected(self.request.key, Text("export.unset", text, key=key))
        with TemporaryDirectory() as folder:
            scratch = Path(folder)
            try:
                return self._drop_all(export, self._tables(export, source.parts.every, scratch), scratch)
            except Refused as refused:
                # A file that is missing may have come after the marker.
                reasons = [refused.reason, *source.parts.notes]
                raise Rejected(f"{self.drop.folder}{refused.resource}", Text.joined("; ", reasons)) from None
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                text = "what is joined takes more than the {most:,} MB of disk: {way}"
                full = Text("export.full", text, most=self.room.disk // _MEGABYTE, way=_WAY)
                raise Rejected(self.drop.folder, full) from None

    def _tables(self, export: ExportSettings, parts: Sequence[SourcePart], scratch: Path) -> dict[str, _Table]:
        """Return the tables that the settings may mean, by their names; files with several are fetched."""
        tables: dict[str, _Table] = {}
        wanted = [part for part in parts if any(may_mean(name, part.name) for name in export.files())]
        unnamed = [part.name for part in parts if part not in wanted]
        if unnamed:
            text = "not named by the settings, and left out: {names}"
            self.notes.append(Text("export.unnamed", text, names=named(unnamed)))
        fetched = [part for part in wanted if part.name.casefold().endswith(_CONTAINERS)]
        self._check_disk(sum(part.size for part in fetched))
        for number, part in enumerate(wanted):
            if part not in fetched:
                tables[part.name] = _Table(part)
                continue
            # With its name, which messages have; in a folder of its own, since those of two folders may be alike.
            path = scratch / "files" / str(number) / Path(part.name).name
            path.parent.mkdir(parents=True)
            self._fetch(part, path)
            inside = list_tables(path)
            tables |= {f"{part.name}{name}": _Table(part, path, name, len(inside)) for name in inside}
        return tables

    def _fetch(self, part: SourcePart, path: Path) -> None:
        with objects.reading(self.client, self.bucket, part.key, part.version_id) as body, path.open("wb") as file:
            for chunk in body:
                file.write(chunk)

    def _drop_all(self, export: ExportSettings, tables: Mapping[str, _Table], scratch: Path) -> tuple[str, ...]:
        names = tuple(tables)
        # All of them, before anything is read.
        means = {name: matching(name, names) for name in export.files()}
        copied: dict[DataKind, SourcePart] = {}
        for kind, table in export.tables():
            first = tables[means[table.file][0]]
            if table.as_it_is and len(means[table.file]) == 1 and not first.inside:
                if not first.part.size:
                    raise Refused(table.file, EMPTY)
                copied[kind] = first.part
        rest = {kind: table for kind, table in export.tables() if kind not in copied}
        made = self._join(ExportSettings.model_validate(rest), tables, means, scratch) if rest else None
        for kind, _ in export.tables():
            self._drop(kind, copied[kind] if kind in copied else made.files[kind] if made else Path())
        return tuple(entry["key"] for entry in self.dropped)

    def _join(
        self,
        export: ExportSettings,
        tables: Mapping[str, _Table],
        means: Mapping[str, Sequence[str]],
        scratch: Path,
    ) -> Joined:
        """Raises Rejected where the function has no room for that, before it begins."""
        disk = sum(path.stat().st_size for path in {table.path for table in tables.values() if table.path})
        for _, table in export.tables():
            held = sum(tables[name].text for other in table.join for name in means[other.file])
            disk += _DISK_TIMES * (held + sum(tables[name].text for name in means[table.file]))
            most = (self.room.memory - _MEMORY_BESIDES) // _MEMORY_TIMES
            if held > most:
                text = (
                    "{files} are joined to {file}, and have about {held:,} MB of text, of which the function's memory "
                    "holds {most:,} MB: {way}"
                )
                figures = {"held": held // _MEGABYTE, "most": max(0, most) // _MEGABYTE, "way": _WAY}
                files = Text.all_of([other.file for other in table.join])
                raise Rejected(self.drop.folder, Text("export.memory", text, files=files, file=table.file, **figures))
        self._check_disk(disk)
        opened = self._opening(tables, scratch)
        made = join_tables(export, opened, scratch / "joined", lambda _table, _rows: None, names=tuple(tables))
        self.counts = [{"name": count.name, "rows": count.rows} for count in made.counts]
        self.notes += made.notes
        return made

    def _check_disk(self, wanted: int) -> None:
        if wanted > self.room.disk:
            text = "to join these files takes about {wanted:,} MB of disk, and the function has {most:,} MB: {way}"
            figures = {"wanted": wanted // _MEGABYTE, "most": self.room.disk // _MEGABYTE}
            raise Rejected(self.drop.folder, Text("export.disk", text, way=_WAY, **figures))

    def _opening(self, tables: Mapping[str, _Table], scratch: Path) -> "Callable[[str], Any]":
        @contextmanager
        def opened(name: str) -> Iterator[Table]:
            part, path = tables[name].part, tables[name].path
            if path is not None:
                with open_file(path, None, tables[name].inside) as table:
                    yield table
                return
            with (
                TemporaryDirectory(dir=scratch) as folder,
                objects.reading(self.client, self.bucket, part.key, part.version_id) as body,
                open_table(name, body, FileSettings(), Path(folder)) as table,
            ):
                yield table

        return opened

    def _drop(self, kind: DataKind, file: SourcePart | Path) -> None:
        """Put a file where the shop drops those of its kind: under the same key for the same export."""
        export = self.drop.folder.rstrip("/").rpartition("/")[2]
        stem = f"drops/{self.drop.shop}/{kind}/{keys.EXPORT}-{export}"
        if isinstance(file, Path):
            key, size = f"{stem}.csv", file.stat().st_size
            with objects.writing(self.client, self.bucket, key) as upload, file.open("rb") as content:
                while chunk := content.read(objects.CHUNK):
                    upload.write(chunk)
            file.unlink()
        else:
            name = f"{stem}-{file.name.replace('/', '-')}"
            key, size = name if keys.has_ending(name) else f"{name}.csv", file.size
            objects.copy(self.client, self.bucket, file.key, key, version=file.version_id)
        self.dropped.append({"kind": kind, "key": key, "bytes": size, "joined": isinstance(file, Path)})

    def told(self, reason: str, page: str) -> str:
        """Return a reason with the key of its report, in the shop's language."""
        text = Text("refused.report", "{reason} (report: {page})", reason=reason, page=page)
        told: str = pages.said(text, self.settings.language)
        return told

    def report(self, reason: str = "") -> str:
        """Write the report; return its page's key."""
        drop = self.drop
        document = {
            "language": self.settings.language,
            "shop": drop.shop,
            "run": self.request.run,
            "key": drop.key,
            "joinedAt": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "outcome": "refused" if reason else "joined",
            "reason": reason,
            "drops": self.dropped,
            "counts": self.counts,
            "notes": self.notes,
        }
        stem = f"reports/{drop.shop}/{self.request.run}/export"
        page = pages.render("export.html", document)
        return objects.put_report(self.client, self.bucket, stem, pages.with_codes(document), page)
