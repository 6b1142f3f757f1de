# SPDX-License-Identifier: Apache-2.0
"""Read a shop's settings from the bucket: the newest of its settings files counts."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from table_intake.wording import Text

from personalization.core.aws import objects
from personalization.core.errors import Rejected
from personalization.shop import keys
from personalization.shop.settings import settings
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class _File:
    """A settings file: its time, and its settings or the reason for their refusal."""

    key: str
    modified: datetime
    read: ShopSettings | Rejected

    @property
    def chosen(self) -> ShopSettings:
        """The file's settings; raise Rejected if it is invalid."""
        if isinstance(self.read, Rejected):
            raise self.read
        return self.read


def shop_settings(s3: "S3Client", bucket: str, shop: str) -> ShopSettings:
    """Return the settings of the shop's newest settings file (raise Rejected if invalid); the defaults without one."""
    files = _newest_first(s3, bucket, shop)
    return files[0].chosen if files else ShopSettings()


def checked(s3: "S3Client", bucket: str, shop: str) -> str:
    """Check the shop's newest settings file; return which file counts, if there are several.

    Raises:
        Rejected: the file is invalid.
    """
    files = _newest_first(s3, bucket, shop)
    if files:
        _ = files[0].chosen
    return _which(files)


def settings_that_hold(s3: "S3Client", bucket: str, shop: str) -> tuple[ShopSettings, tuple[str, ...]]:
    """Return the shop's latest valid settings, and notes on which file they come from, if that is unclear.

    A refused file changes nothing: its run reports why, and the earlier settings apply. If the first file is refused
    there are no earlier settings, and the defaults would fix the domain for good.

    Raises:
        Rejected: the file is invalid, and there is no valid one before it.
    """
    files = _newest_first(s3, bucket, shop)
    if not files:
        return ShopSettings(), ()
    if not isinstance(files[0].read, Rejected):
        return files[0].read, tuple(note for note in (_which(files),) if note)
    refused = files[0].read
    paths = [f"drops/{shop}/{file}" for file in keys.SETTINGS_FILES]
    versions = [version for path in paths for version in objects.list_versions(s3, bucket, path)]
    for version in sorted(versions, key=lambda version: version.modified, reverse=True):
        with suppress(Rejected):
            stored = objects.read_small(s3, bucket, version.key, settings.MAX_BYTES, version.id)
            if stored is None:
                continue
            read = settings.read(version.key, stored[1])
            text = "{key} is refused ({reason}): the settings before it hold"
            note = Text("note.settings-refused", text, key=files[0].key, reason=refused.reason)
            if version.key != files[0].key:
                note = Text("note.settings-of", "{told}, those of {key}", told=note, key=version.key)
            return read, (note,)
    raise refused


def _newest_first(s3: "S3Client", bucket: str, shop: str) -> list[_File]:
    """Return a shop's settings files. S3's times are whole seconds: of the same one, valid files come before refused
    ones."""
    names = [f"drops/{shop}/{file}" for file in keys.SETTINGS_FILES]
    files_read = [(name, objects.read_small(s3, bucket, name, settings.MAX_BYTES)) for name in names]
    files = [_file(name, *there) for name, there in files_read if there is not None]
    return sorted(files, key=lambda file: (file.modified, not isinstance(file.read, Rejected)), reverse=True)


def _file(key: str, modified: datetime, content: bytes) -> _File:
    try:
        return _File(key, modified, settings.read(key, content))
    except Rejected as refused:
        return _File(key, modified, refused)


def _which(files: list[_File]) -> str:
    """Return which of several settings files counts."""
    if len(files) < 2:
        return ""
    newest, *others = (file.key for file in files)
    text = "the shop follows {key}, its newest settings file, and not {others}"
    return Text("note.settings-newest", text, key=newest, others=Text.any_of(others))
