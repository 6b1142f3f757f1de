# SPDX-License-Identifier: Apache-2.0
"""S3 objects: large ones as streams, small ones at once; each is written completely or not at all."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from urllib3.exceptions import HTTPError

from personalization.core.aws.errors import holds, none_if_missing
from personalization.core.aws.pagination import pages, paginate
from personalization.core.errors import Broken, Rejected, RetryLater
from personalization.core.names import UNVERSIONED

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK = 1 << 20
WINDOW = 64 << 20
"""Bytes per request where an object is read from a place on."""
PART = 16 << 20
"""Bytes per part of an upload: ten thousand parts hold the most that Personalize imports."""

OBSERVERS: list[Callable[[str], object]] = []
"""Functions that are called with an object's key before its bytes are read as a stream."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Digest:
    """The size and the SHA-256 of bytes as they are read."""

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()

    def update(self, data: bytes, /) -> None:
        self.size += len(data)
        self._sha256.update(data)

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()

    @classmethod
    def of(cls, parts: "Sequence[Digest]") -> "Digest":
        """Return the digest of several objects in their order; that of one is its own."""
        if len(parts) == 1:
            return parts[0]
        whole = cls()
        for part in parts:
            whole._sha256.update(f"{part.size} {part.hexdigest()}\n".encode())
            whole.size += part.size
        return whole


class Stream:
    """The bytes of an object, at will or in chunks of about a megabyte."""

    def __init__(self, key: str, body: _Readable, size: int, *, digest: Digest | None = None) -> None:
        self._key = key
        self._body = body
        self._size = size
        self._digest = digest
        self._taken = 0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        try:
            data = self._body.read(size)
        except (HTTPError, OSError) as error:
            raise RetryLater(self._key, f"the connection broke: {type(error).__name__}") from error
        self._taken += len(data)
        if self._digest is not None:
            self._digest.update(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk

    def left(self) -> int:
        """Return the bytes that still come."""
        return self._size - self._taken


@dataclass(frozen=True, slots=True)
class Version:
    key: str
    id: str
    modified: datetime


def list_versions(client: "S3Client", bucket: str, key: str) -> Iterator[Version]:
    """Iterate over the versions of an object, newest first, back to its last deletion."""
    page = client.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=100)
    deleted = [marker["LastModified"] for marker in page.get("DeleteMarkers", []) if marker["Key"] == key]
    for version in page.get("Versions", []):
        if version["Key"] == key and not any(version["LastModified"] <= moment for moment in deleted):
            yield Version(key, version["VersionId"], version["LastModified"])


def read_small(
    client: "S3Client", bucket: str, key: str, most: int, version: str | None = None
) -> tuple[datetime, bytes] | None:
    """Return when an object was written, and its first `most` bytes and one more; None if it does not exist."""
    answer = none_if_missing(client.get_object, **_version(bucket, key, version))
    return None if answer is None else (answer["LastModified"], answer["Body"].read(most + 1))


def _version(bucket: str, key: str, version: str | None) -> dict[str, Any]:
    return {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}


def list_keys(client: "S3Client", bucket: str, folder: str) -> Iterator[str]:
    """Iterate over the keys of non-empty objects below a folder, at any depth."""
    yield from (key for key, _ in list_sizes(client, bucket, folder))


def list_sizes(client: "S3Client", bucket: str, folder: str) -> Iterator[tuple[str, int]]:
    """Iterate over the keys and sizes of non-empty objects below a folder, at any depth."""
    objects = paginate(client.list_objects_v2, "Contents", Bucket=bucket, Prefix=folder)
    yield from ((listed["Key"], listed["Size"]) for listed in objects if listed["Size"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One version of an object, or its deletion."""

    key: str
    id: str | None
    """The version's; None if it was written without versioning."""
    modified: datetime
    size: int = 0
    latest: bool = False
    deletion: bool = False


def list_histories(client: "S3Client", bucket: str, folder: str) -> Iterator[Stored]:
    """Iterate over the versions and deletions of the objects below a folder: of each key, newest first."""
    for page in pages(client.list_object_versions, Bucket=bucket, Prefix=folder):
        versions: Any = page.get("Versions", [])
        deletions: Any = page.get("DeleteMarkers", [])
        stored = [_stored(version, version["Size"], deletion=False) for version in versions]
        stored += [_stored(deletion, 0, deletion=True) for deletion in deletions]
        # S3 lists both apart, and rounds times to seconds; of the same second, the latest or a version is newer.
        stored.sort(key=lambda version: (version.latest, version.modified, not version.deletion), reverse=True)
        yield from stored


def _stored(listed: Mapping[str, Any], size: int, *, deletion: bool) -> Stored:
    version = listed["VersionId"] if listed["VersionId"] != UNVERSIONED else None
    return Stored(
        key=listed["Key"],
        id=version,
        modified=listed["LastModified"],
        size=size,
        latest=listed["IsLatest"],
        deletion=deletion,
    )


def size(client: "S3Client", bucket: str, key: str, version: str | None) -> int | None:
    """Return the bytes of an object, or None if it does not exist."""
    answer = none_if_missing(client.head_object, **_version(bucket, key, version))
    return None if answer is None else answer["ContentLength"]


@contextmanager
def reading(
    client: "S3Client",
    bucket: str,
    key: str,
    version: str | None,
    *,
    digest: Digest | None = None,
) -> Iterator[Stream]:
    """Open an object's bytes.

    Raises:
        Rejected: the object is gone.
        RetryLater: the connection broke.
    """
    answer = none_if_missing(client.get_object, **_version(bucket, key, version))
    if answer is None:
        raise Rejected(key, "the object is no longer there")
    for observe in OBSERVERS:
        observe(key)
    body = answer["Body"]
    try:
        yield Stream(key, body, answer["ContentLength"], digest=digest)
    finally:
        body.close()


class Upload:
    """An upload in progress: `write` bytes; the object does not exist until `writing` ends without an error."""

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client = client
        self._key = key
        self._where: dict[str, Any] = {"Bucket": bucket, "Key": key}
        self._pending: list[bytes] = []
        self._size = 0
        self._id: str | None = None
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes; a full part is sent at once."""
        # A view would keep the whole piece that it is of.
        self._pending.append(bytes(data))
        self._size += len(data)
        if self._size >= PART:
            self._send()

    def finish(self) -> None:
        """Complete the object."""
        if self._id is not None:
            self._send()
        if self._id is None:
            self._client.put_object(**self._where, Body=b"".join(self._pending))
        else:
            parts: Any = {"Parts": self._parts}
            self._client.complete_multipart_upload(**self._where, UploadId=self._id, MultipartUpload=parts)

    def abort(self) -> None:
        """Discard the sent parts."""
        if self._id is not None:
            self._client.abort_multipart_upload(**self._where, UploadId=self._id)

    def _send(self) -> None:
        number, body = len(self._parts) + 1, b"".join(self._pending)
        if self._id is None:
            self._id = self._client.create_multipart_upload(**self._where)["UploadId"]
        answer = self._client.upload_part(**self._where, UploadId=self._id, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._pending, self._size = [], 0


@contextmanager
def writing(client: "S3Client", bucket: str, key: str) -> Iterator[Upload]:
    """Open an upload that completes with the block, or leaves nothing when the block raises."""
    upload = Upload(client, bucket, key)
    try:
        yield upload
        upload.finish()
    except BaseException:
        upload.abort()
        raise


COPY_BYTES = 64 << 20
"""Bytes that one request copies: S3 answers when it has finished, and the client waits for 20 seconds."""
_COPIES_AT_ONCE = 8


def put_bytes(
    client: "S3Client", bucket: str, key: str, data: bytes, content_type: str = "application/octet-stream"
) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)


def put_first(client: "S3Client", bucket: str, key: str, data: bytes, said: Mapping[str, str]) -> Mapping[str, str]:
    """Store an object with metadata, unless it is there already; return the metadata of the one that is there."""
    put = client.put_object
    if holds(put, Bucket=bucket, Key=key, Body=data, Metadata=dict(said), IfNoneMatch="*"):
        return said
    return client.head_object(Bucket=bucket, Key=key)["Metadata"]


def copy(
    client: "S3Client", bucket: str, source: str, target: str, most: int = COPY_BYTES, *, version: str | None = None
) -> None:
    """Copy an object within the bucket, without its tags; one of more than `most` bytes in parts of that size."""
    where: Any = _version(bucket, source, version)
    size = client.head_object(**where)["ContentLength"]
    if size <= most:
        # To read a stranger's tags would take a right of its own.
        client.copy_object(Bucket=bucket, Key=target, CopySource=where, TaggingDirective="REPLACE")
        return
    # The bucket deletes the parts of an upload that was never completed.
    upload = client.create_multipart_upload(Bucket=bucket, Key=target)["UploadId"]

    def copied(start: int) -> Any:  # noqa: ANN401 - a part, as S3 takes it
        number = start // most + 1
        answer = client.upload_part_copy(
            Bucket=bucket,
            Key=target,
            CopySource=where,
            CopySourceRange=f"bytes={start}-{min(start + most, size) - 1}",
            PartNumber=number,
            UploadId=upload,
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    with ThreadPoolExecutor(_COPIES_AT_ONCE, "copy") as pool:
        parts = list(pool.map(copied, range(0, size, most)))
    client.complete_multipart_upload(Bucket=bucket, Key=target, UploadId=upload, MultipartUpload={"Parts": parts})


def remove(client: "S3Client", bucket: str, key: str) -> None:
    """Delete an object, if it exists."""
    client.delete_object(Bucket=bucket, Key=key)


def get_bytes(client: "S3Client", bucket: str, key: str) -> bytes | None:
    """Return an object, or None if it does not exist."""
    answer = none_if_missing(client.get_object, Bucket=bucket, Key=key)
    return answer["Body"].read() if answer else None


def required_bytes(client: "S3Client", bucket: str, key: str) -> bytes:
    """Return an object that an earlier step wrote.

    Raises:
        Broken: it is gone.
    """
    data = get_bytes(client, bucket, key)
    if data is None:
        raise Broken(key, "the file is gone")
    return data


def get_range(client: "S3Client", bucket: str, key: str, begin: int, size: int, version: str | None = None) -> bytes:
    """Return some bytes of an object; fewer at its end."""
    answer = client.get_object(**_version(bucket, key, version), Range=f"bytes={begin}-{begin + size - 1}")
    return answer["Body"].read()


def stream_from(
    client: "S3Client", bucket: str, key: str, version: str | None, begin: int, window: int = WINDOW
) -> Generator[bytes]:
    """Yield the bytes of an object from a place on, in chunks; the connection is closed with the iterator.

    A request is for `window` bytes, since who reads a range stops long before the object's end.

    Raises:
        RetryLater: the connection broke.
    """
    for observe in OBSERVERS:
        observe(key)
    end = begin + 1
    while begin < end:
        byte_range = f"bytes={begin}-{begin + window - 1}"
        answer = client.get_object(**_version(bucket, key, version), Range=byte_range)
        body, given = answer["Body"], answer.get("ContentRange", "")
        try:
            if not given.startswith(f"bytes {begin}-"):
                raise Broken(key, f"the bucket gave other bytes than those from {begin} on")
            end = int(given.rpartition("/")[2])
            while chunk := body.read(CHUNK):
                yield chunk
        except (HTTPError, OSError) as error:
            raise RetryLater(key, f"the connection broke: {type(error).__name__}") from error
        finally:
            body.close()
        begin += window


def stream_between(
    client: "S3Client", bucket: str, key: str, version: str | None, bounds: tuple[int, int]
) -> Iterator[bytes]:
    """Yield the bytes of an object from a place up to another, in chunks; see `stream_from`."""
    begin, end = bounds
    if begin < end:
        left = end - begin
        with closing(
            stream_from(client, bucket, key, version=version, begin=begin, window=min(WINDOW, left))
        ) as chunks:
            for chunk in chunks:
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return


def put_json(client: "S3Client", bucket: str, key: str, document: object) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=1)
    put_bytes(client, bucket, key, text.encode(), "application/json")


def put_report(client: "S3Client", bucket: str, stem: str, document: object, page: str) -> str:
    """Write a report as JSON, and its page beside it; return the page's key."""
    put_json(client, bucket, f"{stem}.json", document)
    put_bytes(client, bucket, f"{stem}.html", page.encode(), "text/html; charset=utf-8")
    return f"{stem}.html"


def get_json(client: "S3Client", bucket: str, key: str) -> Any:  # noqa: ANN401 - any document
    """Return a JSON document, or None if it does not exist."""
    data = get_bytes(client, bucket, key)
    return None if data is None else json.loads(data)


def head_of_folder(client: "S3Client", bucket: str, folder: str, size: int) -> str:
    """Return the first `size` bytes of the first object in a folder, as text; "" if there is none."""
    first = client.list_objects_v2(Bucket=bucket, Prefix=folder, MaxKeys=1).get("Contents", [])
    if not first or not first[0]["Size"]:
        return ""
    answer = client.get_object(Bucket=bucket, Key=first[0]["Key"], Range=f"bytes=0-{size - 1}")
    return answer["Body"].read().decode(errors="ignore")
