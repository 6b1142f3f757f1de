# SPDX-License-Identifier: Apache-2.0
"""A shop's settings, read from the bucket."""

from contextlib import suppress
from typing import TYPE_CHECKING

from personalization import drops, settings
from personalization.aws import storage
from personalization.errors import Rejected
from personalization.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def shop_settings(s3: "S3Client", bucket: str, shop: str) -> ShopSettings:
    """What the shop chose, from `settings.yaml` or else `settings.json`; the defaults without them.

    Raises:
        Rejected: the file is not as it must be.
    """
    for file in drops.SETTINGS_FILES:
        key = f"drops/{shop}/{file}"
        text = storage.read_text(s3, bucket, key)
        if text is not None:
            return settings.parse(key, text)
    return ShopSettings()


def settings_that_hold(s3: "S3Client", bucket: str, shop: str) -> tuple[ShopSettings, str]:
    """What the shop chose last that could be read, and a remark where that is not what its file says now.

    A file that is refused changes nothing: the run that its drop started says why, and what held before goes on. A
    shop whose first file is refused has nothing that held before, and the domain that is chosen first is for good.

    Raises:
        Rejected: the file is not as it must be, and no version of it before is.
    """
    try:
        return shop_settings(s3, bucket, shop), ""
    except Rejected as refused:
        for version in storage.versions(s3, bucket, refused.resource):
            with suppress(Rejected):
                text = storage.read_text(s3, bucket, refused.resource, version) or ""
                told = f"{refused.resource} is refused ({refused.reason}): the settings before it hold"
                return settings.parse(refused.resource, text), told
        raise
