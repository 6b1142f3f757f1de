# SPDX-License-Identifier: Apache-2.0
"""The sweep's look into the bucket: what was dropped, a page of a thousand versions after the other."""

from datetime import datetime
from typing import TYPE_CHECKING

from personalization.core.aws.errors import translate_errors
from personalization.core.aws.pagination import pages
from personalization.runs.claims import UNVERSIONED
from personalization.runs.lost_drops import Listed, Version

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGES = 100
"""Pages that one sweep reads, within its function's time; of a larger bucket the next sweep reads on."""


def listed(
    client: "S3Client", bucket: str, folder: str, since: datetime, after: str = "", most: int = PAGES
) -> tuple[tuple[Listed, ...], str]:
    """List what was dropped: objects with a version of late, and the key after which another call goes on, or "".

    Left out are objects whose newest version is a deletion, and what was written while the bucket had no versioning:
    nothing tells one such writing from the next.

    Args:
        client, bucket, folder: where.
        since: when the oldest version was written that matters.
        after: a key of the call before.
        most: pages that are read.
    """
    versions: dict[str, list[Version]] = {}
    deleted: set[str] = set()
    last = ""
    onward = {"KeyMarker": after} if after else {}
    with translate_errors(bucket):
        every = pages(client.list_object_versions, Bucket=bucket, Prefix=folder, **onward)
        for count, page in enumerate(every, start=1):
            for each in page.get("Versions", []):
                if each["LastModified"] >= since and each["VersionId"] != UNVERSIONED:
                    versions.setdefault(each["Key"], []).append(Version(each["VersionId"], each["LastModified"]))
            markers = page.get("DeleteMarkers", [])
            deleted |= {each["Key"] for each in markers if each["IsLatest"]}
            if count == most and page.get("IsTruncated"):
                # What is left of this key are versions that newer ones have replaced.
                last = max(each["Key"] for each in (*page.get("Versions", []), *markers))
                break
    there = tuple(Listed(key, tuple(found)) for key, found in versions.items() if key not in deleted)
    return there, last
