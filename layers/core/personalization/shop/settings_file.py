# SPDX-License-Identifier: Apache-2.0
"""A shop's settings, read from the bucket: of its settings files the newest holds."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from personalization.core.aws import objects
from personalization.core.errors import Rejected
from personalization.shop import keys, settings
from personalization.shop.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class _File:
    """A settings file: when it was written, and what it says or why it is refused."""

    key: str
    modified: datetime
    read: ShopSettings | Rejected

    @property
    def chosen(self) -> ShopSettings:
        """What the file says.

        Raises:
            Rejected: it is not as it must be.
        """
        if isinstance(self.read, Rejected):
            raise self.read
        return self.read


def shop_settings(s3: "S3Client", bucket: str, shop: str) -> ShopSettings:
    """What the newest settings file of the shop says; the defaults without one.

    Raises:
        Rejected: the file is not as it must be.
    """
    there = _newest_first(s3, bucket, shop)
    return there[0].chosen if there else ShopSettings()


def checked(s3: "S3Client", bucket: str, shop: str) -> str:
    """Check the newest settings file of the shop; says which file the shop follows, if there are several.

    Raises:
        Rejected: the file is not as it must be.
    """
    there = _newest_first(s3, bucket, shop)
    if there:
        _ = there[0].chosen
    return _which(there)


def settings_that_hold(s3: "S3Client", bucket: str, shop: str) -> tuple[ShopSettings, tuple[str, ...]]:
    """What the shop chose last that could be read, and remarks: which file says so, where that is a question.

    A file that is refused changes nothing: the run that its drop started says why, and what held before goes on. A
    shop whose first file is refused has nothing that held before, and the domain that is chosen first is for good.

    Raises:
        Rejected: the file is not as it must be, and none before it is.
    """
    there = _newest_first(s3, bucket, shop)
    if not there:
        return ShopSettings(), ()
    if not isinstance(there[0].read, Rejected):
        return there[0].read, tuple(each for each in (_which(there),) if each)
    refused = there[0].read
    for version in _versions(s3, bucket, shop):
        with suppress(Rejected):
            found = objects.read_small(s3, bucket, version.key, settings.MOST_BYTES, version.id)
            if found is None:
                continue
            read = settings.read(version.key, found[1])
            before = "" if version.key == there[0].key else f", those of {version.key}"
            return read, (f"{there[0].key} is refused ({refused.reason}): the settings before it hold{before}",)
    raise refused


def _newest_first(s3: "S3Client", bucket: str, shop: str) -> list[_File]:
    """The settings files of a shop. S3 tells whole seconds: of the same one, a good file comes before a refused one."""
    found = (_file(s3, bucket, f"drops/{shop}/{file}") for file in keys.SETTINGS_FILES)
    there = [each for each in found if each]
    return sorted(there, key=lambda each: (each.modified, not isinstance(each.read, Rejected)), reverse=True)


def _file(s3: "S3Client", bucket: str, key: str) -> _File | None:
    there = objects.read_small(s3, bucket, key, settings.MOST_BYTES)
    if there is None:
        return None
    modified, content = there
    try:
        return _File(key, modified, settings.read(key, content))
    except Rejected as refused:
        return _File(key, modified, refused)


def _versions(s3: "S3Client", bucket: str, shop: str) -> Iterator[objects.Version]:
    """All versions of a shop's settings files, the newest first."""
    found = [each for file in keys.SETTINGS_FILES for each in objects.list_versions(s3, bucket, f"drops/{shop}/{file}")]
    yield from sorted(found, key=lambda each: each.modified, reverse=True)


def _which(there: list[_File]) -> str:
    """Which of several settings files a shop follows."""
    if len(there) < 2:
        return ""
    newest, *others = (each.key for each in there)
    return f"the shop follows {newest}, its newest settings file, and not {' or '.join(others)}"
