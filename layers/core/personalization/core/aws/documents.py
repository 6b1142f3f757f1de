# SPDX-License-Identifier: Apache-2.0
"""Small objects of the bucket that the pipeline itself writes and reads: reports and what they are made of."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import none_if_missing, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

COPY_BYTES = 64 << 20
"""Bytes that one request copies: S3 answers when it is done, and the client waits for 20 seconds."""
_COPIES_AT_ONCE = 8
_TYPES = {"json": "application/json", "html": "text/html; charset=utf-8"}


def put_text(client: "S3Client", bucket: str, key: str, text: str) -> None:
    """Write a `.json` or `.html` object."""
    with translate_errors(key):
        client.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType=_TYPES[key.rpartition(".")[2]])


def put_bytes(client: "S3Client", bucket: str, key: str, data: bytes, content_type: str) -> None:
    """Write an object of any kind."""
    with translate_errors(key):
        client.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)


def copy(client: "S3Client", bucket: str, source: str, target: str, most: int = COPY_BYTES) -> None:
    """Copy an object within the bucket; one of more than `most` bytes in parts of that size."""
    where: Any = {"Bucket": bucket, "Key": source}
    with translate_errors(target):
        size = client.head_object(Bucket=bucket, Key=source)["ContentLength"]
        if size <= most:
            client.copy_object(Bucket=bucket, Key=target, CopySource=where)
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
    """Delete an object; one that is not there is fine."""
    with translate_errors(key):
        client.delete_object(Bucket=bucket, Key=key)


def get_bytes(client: "S3Client", bucket: str, key: str) -> bytes | None:
    """An object, or None where there is none."""
    with translate_errors(key):
        there = none_if_missing(lambda: client.get_object(Bucket=bucket, Key=key))
        return there["Body"].read() if there else None


def put_json(client: "S3Client", bucket: str, key: str, document: object) -> None:
    """Write a document."""
    put_text(client, bucket, key, json.dumps(document, ensure_ascii=False, indent=1))


def get_json(client: "S3Client", bucket: str, key: str) -> Any:  # noqa: ANN401 - any document
    """A document, or None where there is none."""
    data = get_bytes(client, bucket, key)
    return None if data is None else json.loads(data)


def head_of_folder(client: "S3Client", bucket: str, folder: str, size: int) -> str:
    """The first `size` bytes of the first object under a folder, as text; "" where there is none."""
    with translate_errors(folder):
        first = client.list_objects_v2(Bucket=bucket, Prefix=folder, MaxKeys=1).get("Contents", [])
        if not first or not first[0]["Size"]:
            return ""
        answer = client.get_object(Bucket=bucket, Key=first[0]["Key"], Range=f"bytes=0-{size - 1}")
        return answer["Body"].read().decode(errors="ignore")
