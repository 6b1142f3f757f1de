# SPDX-License-Identifier: Apache-2.0
"""Read a drop from the bucket: its parts as one table, and the identity of its content.

A repeated drop is known by its content: its bytes, and the settings that matter.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from table_intake import Checked, DataKind, FileSettings, Proposal, Table, open_table, propose_settings, sample_table
from table_intake.origins import LONE, Origins
from table_intake.ranges.division import DENSEST
from table_intake.read.parts import Parts, SourcePart, TableOfParts
from table_intake.wording import Text

from personalization.core.aws import objects
from personalization.core.aws.objects import Digest
from personalization.core.errors import Rejected, intake_translated
from personalization.ingest.parts import list_parts
from personalization.shop.keys import Drop
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHECK = 1
"""Raised with each version whose check changes the outcome for the same bytes, which are then imported again."""
_OF_NO_DROP = frozenset({"batch", "changes", "export", "language", "prices", "erasure", "schedules", "storefront"})
_SECTIONS = frozenset({"interactions", "users", "items", "actions", "action_interactions"})
"""Settings for files of one kind, of which a drop's own count."""
_OF_TRAINING = frozenset(
    {
        "campaigns",
        "deploy",
        "diversity",
        "event_type",
        "events",
        "filters",
        "gate",
        "generation",
        "likelihood",
        "lists",
        "most_campaigns",
        "placements",
        "probe",
        "recipes",
        "recommenders",
        "training",
        "unused_campaigns",
    }
)
"""Settings without effect on users and items, which are imported but start no training by themselves."""


class Source:
    """A drop and its parts in the bucket."""

    def __init__(self, client: "S3Client", bucket: str, drop: Drop, parts: Parts) -> None:
        self._s3 = client
        self._bucket = bucket
        self.drop = drop
        self.parts = parts
        self.size = sum(part.size for part in parts.every)
        """Bytes of all parts in the bucket."""
        self._digests: list[Digest] = []
        self._table: TableOfParts | None = None

    @classmethod
    def find(cls, client: "S3Client", bucket: str, drop: Drop, version_id: str | None) -> "Source":
        """Find a drop; `version_id` is the dropped object's: the file's, or the marker's.

        Raises:
            Rejected: the object is gone, or its folder is no drop; see `list_parts`.
        """
        size = objects.size(client, bucket, drop.key, version_id)
        # A version outlives the deletion of its object, and a deleted object should not be imported.
        if size is None or (version_id and objects.size(client, bucket, drop.key, None) is None):
            raise Rejected(drop.key, Text("import.gone", "the object is no longer there"))
        lone = Parts((SourcePart(drop.key, version_id, size, ""),))
        return cls(client, bucket, drop, list_parts(client, bucket, drop, version_id) if drop.folder else lone)

    @contextmanager
    def opened(self, settings: FileSettings, scratch: Path) -> Iterator[Table]:
        """Open all parts as one table.

        Args:
            settings: how files of the drop's kind are read.
            scratch: a folder for what cannot be streamed.

        Raises:
            Refused: the drop is not a table, or too large for one function.
        """
        self._digests = []
        if not self.drop.folder:
            with self._open(self.parts.every[0], settings, scratch) as table:
                yield table
            return
        table_of_parts = TableOfParts(self.drop.key, self.parts, lambda part: self._open(part, settings, scratch))
        with closing(table_of_parts) as self._table:
            yield self._table

    def may_exceed(self, size: int) -> bool:
        """Tell whether the drop may have more text than so many bytes: Parquet has less."""
        return self.size * DENSEST > size

    def content(self, kind: DataKind, settings: ShopSettings) -> str:
        """Return the identity of the content; bytes that no table has read are read."""
        digest = Digest.of(self._digests) if self._digests else self._read()
        return f"{digest.size}-{digest.hexdigest()}-{_settings_digest(kind, settings)}"

    def has(self, content: str, kind: DataKind, settings: ShopSettings) -> bool:
        """Tell whether this is its content; the drop is read only if its size and the settings match."""
        size, _, digest = content.split("-") if content.count("-") == 2 else ("", "", "")
        may_be = size == str(self.size) and digest == _settings_digest(kind, settings)
        return may_be and self.content(kind, settings) == content

    @intake_translated()
    def proposal(self, settings: ShopSettings) -> Proposal | None:
        """Return settings with which a refused drop may be read, if its first rows ask for any.

        Raises:
            Rejected: not even its first rows can be read.
        """
        kind = self.drop.data_kind
        if kind is None:
            return None
        with TemporaryDirectory() as folder, self.opened(settings.file_settings(kind), Path(folder)) as table:
            proposal = propose_settings(sample_table(self.drop.key, table), settings, kind)
        # A file without id columns is probably the wrong file.
        other = proposal is None or {"USER_ID", "ITEM_ID", "TIMESTAMP"} & set(proposal.missing)
        return proposal if proposal and not other and not proposal.empty else None

    def _read(self) -> Digest:
        """Read all bytes, and return their digest."""
        for part in self.parts.every:
            # A table opens no empty part either.
            if part.size or not self.drop.folder:
                with self._reading(part) as chunks:
                    for _ in chunks:
                        pass
        return Digest.of(self._digests)

    def noted(self, copied: Checked, origins: Origins | None = None) -> Checked:
        """Return the result of reading the table with notes about its parts, and where its lines come from."""
        if not self.drop.folder:
            return copied
        if origins is None:
            origins = self._table.origins if self._table is not None else LONE
        findings, count = copied.findings, len(self.parts.every)
        parts = Text("note.parts", "the drop has {parts:,} {parts:part|parts}", parts=count)
        notes = (parts, *self.parts.notes, *findings.notes)
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


def _settings_digest(kind: DataKind, settings: ShopSettings) -> str:
    excluded = _OF_NO_DROP if kind == "interactions" else _OF_NO_DROP | _OF_TRAINING
    shared = settings.model_dump(mode="json", exclude={*excluded, *_SECTIONS})
    file_settings = settings.own_file_settings(kind)
    relevant: Mapping[str, Any] = {"check": _CHECK, **shared, **({kind: file_settings} if file_settings else {})}
    if settings.is_on_both or settings.home == "engine":
        # What one backend has is still to be imported on the other.
        relevant = {**relevant, "home": settings.home, "isOnBoth": settings.is_on_both}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]
