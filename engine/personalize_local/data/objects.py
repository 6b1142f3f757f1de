# SPDX-License-Identifier: Apache-2.0
"""What an S3 location names, read and written: in S3 where AWS_ENDPOINT_URL_S3 is set, else in a folder."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from personalize_local.wire.errors import ImportRefused, JobRefused

INVALID_LOCATION: Final = "Invalid Data location."
NO_ACCESS: Final = "Insufficient privileges for accessing data in Amazon S3."
INVALID_OUTPUT: Final = "Invalid S3 output path"
_NOWHERE: Final = "(Set AWS_ENDPOINT_URL_S3, or start the engine with --s3-root.)"
_DENIED: Final = {"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


def fetch(
    location: str, s3_root: Path | None, scratch: Path, region: str, *, deep: bool = False, most: int | None = None
) -> list[Path]:
    """The files of a location: one object, or the first level of a folder (`…/`), in the order of their keys.

    Objects of S3 are downloaded to `scratch`. With `deep`, folders in the folder count too. Raises ImportRefused when
    nothing is there, it may not be read, or the objects have more than `most` bytes together.
    """
    bucket, key = _parts(location)
    if bucket is None:
        raise ImportRefused(INVALID_LOCATION)
    if os.environ.get("AWS_ENDPOINT_URL_S3"):
        files = _download(bucket, key, scratch, region, deep=deep, most=most)
    elif s3_root is not None:
        files = _local(s3_root.resolve(), bucket, key, deep=deep)
        _bound((file.stat().st_size for file in files), most)
    else:
        raise ImportRefused(f"{NO_ACCESS} {_NOWHERE}")
    if not files:
        raise ImportRefused(INVALID_LOCATION)
    return files


def _bound(sizes: Iterable[int], most: int | None) -> None:
    size = sum(sizes)
    if most is not None and size > most:
        raise ImportRefused(f"The input data is larger than the quota of this import: {size} bytes of {most}.")


def deliver(files: Iterable[Path], location: str, s3_root: Path | None, region: str) -> None:
    """Put files into the folder that a location names, under their own names. Raises JobRefused."""
    bucket, key = _parts(location)
    if bucket is None:
        raise JobRefused(INVALID_OUTPUT)
    folder = key.rstrip("/") + "/" if key.rstrip("/") else ""
    if os.environ.get("AWS_ENDPOINT_URL_S3"):
        _upload(files, bucket, folder, region)
    elif s3_root is not None:
        place = (s3_root.resolve() / bucket / folder).resolve()
        if not place.is_relative_to(s3_root.resolve() / bucket):
            raise JobRefused(INVALID_OUTPUT)
        place.mkdir(parents=True, exist_ok=True)
        for file in files:
            fresh = place / f".{file.name}.new"
            shutil.copyfile(file, fresh)
            fresh.replace(place / file.name)
    else:
        raise JobRefused(f"{NO_ACCESS} {_NOWHERE}")


def _parts(location: str) -> tuple[str | None, str]:
    """Bucket and key; no bucket where the location is not in S3."""
    url = urlsplit(location, allow_fragments=False)
    return url.netloc if url.scheme == "s3" and url.netloc else None, location.partition(f"//{url.netloc}/")[2]


def _local(root: Path, bucket: str, key: str, *, deep: bool) -> list[Path]:
    place = (root / bucket / key).resolve()
    if not place.is_relative_to(root / bucket):
        raise ImportRefused(INVALID_LOCATION)
    if not key or key.endswith("/"):
        found = place.rglob("*") if deep else place.glob("*")
        return sorted(file for file in found if file.is_file())
    return [place] if place.is_file() else []


def _upload(files: Iterable[Path], bucket: str, folder: str, region: str) -> None:
    import boto3  # noqa: PLC0415
    from boto3.exceptions import S3UploadFailedError  # noqa: PLC0415
    from botocore.exceptions import ClientError  # noqa: PLC0415

    client = boto3.client("s3", region_name=region)
    try:
        for file in files:
            client.upload_file(str(file), bucket, folder + file.name)
    except (ClientError, S3UploadFailedError) as error:
        raise JobRefused(NO_ACCESS if any(word in str(error) for word in _DENIED) else INVALID_OUTPUT) from error


def _download(bucket: str, key: str, scratch: Path, region: str, *, deep: bool, most: int | None) -> list[Path]:
    import boto3  # noqa: PLC0415 — only imports from S3 need it
    from botocore.exceptions import ClientError  # noqa: PLC0415

    client = boto3.client("s3", region_name=region)
    try:
        if not key or key.endswith("/"):
            level = "" if deep else "/"
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key, Delimiter=level)
            found = (each for page in pages for each in page.get("Contents", []))
            sizes = {each["Key"]: each["Size"] for each in found if not each["Key"].endswith("/")}
        else:
            sizes = {key: client.head_object(Bucket=bucket, Key=key)["ContentLength"] if most is not None else 0}
        _bound(sizes.values(), most)
        files = []
        for number, each in enumerate(sizes):
            file = scratch / str(number) / Path(each).name
            file.parent.mkdir(parents=True)
            client.download_file(bucket, each, str(file))
            files.append(file)
    except ClientError as error:
        denied = error.response.get("Error", {}).get("Code") in _DENIED
        raise ImportRefused(NO_ACCESS if denied else INVALID_LOCATION) from error
    return files
