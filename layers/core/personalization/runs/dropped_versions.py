# SPDX-License-Identifier: Apache-2.0
"""List recently dropped object versions for the sweep, a page of a thousand at a time."""

from datetime import datetime
from typing import TYPE_CHECKING

from personalization.core.aws.errors import translate_errors
from personalization.core.aws.pagination import pages
from personalization.runs.claims import UNVERSIONED
from personalization.runs.lost_drops import Listed, Version

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_PAGES = 100
"""The most pages that one sweep reads within its function's time; the next sweep continues."""


def list_recent(
    client: "S3Client", bucket: str, folder: str, since: datetime, after: str = "", most: int = MAX_PAGES
) -> tuple[tuple[Listed, ...], str]:
    """List dropped objects with recent versions, and the key from which the next call continues, or "".

    Deleted objects are left out, and so are objects written without versioning: nothing distinguishes two such writes.

    Args:
        client, bucket, folder: the folder to list.
        since: the time of the oldest relevant version.
        after: the key that the previous call returned.
        most: the most pages to read.
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
                # The remaining versions of this key have newer ones.
                last = max(each["Key"] for each in (*page.get("Versions", []), *markers))
                break
    found_objects = tuple(Listed(key, tuple(found)) for key, found in versions.items() if key not in deleted)
    return found_objects, last
