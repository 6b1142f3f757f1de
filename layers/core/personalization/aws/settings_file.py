# SPDX-License-Identifier: Apache-2.0
"""A shop's settings, read from the bucket."""

from typing import TYPE_CHECKING

from personalization import drops, settings
from personalization.aws import storage
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
