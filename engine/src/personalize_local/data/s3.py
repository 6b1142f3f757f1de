# SPDX-License-Identifier: Apache-2.0
"""Objects of S3, read and written: in S3 where AWS_ENDPOINT_URL_S3 is set or moto's runs here, else in a folder."""

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from personalize_local.wire.errors import ImportRefused, JobRefused

INVALID_LOCATION: Final = "Invalid Data location."
NO_ACCESS: Final = "Insufficient privileges for accessing data in Amazon S3."
INVALID_OUTPUT: Final = "Invalid S3 output path"
_NOWHERE: Final = "(Set AWS_ENDPOINT_URL_S3, or start the engine with --s3-root.)"
_DENIED: Final = {"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


@dataclass(frozen=True, slots=True)
class Location:
    """An object, or a folder (`…/`) of objects."""

    uri: str
    """`s3://bucket/key`."""
    root: Path | None
    """The folder in which `bucket/key` is, without AWS_ENDPOINT_URL_S3."""
    region: str

    @property
    def bucket(self) -> str:
        """The bucket; empty where the location is not in S3."""
        url = urlsplit(self.uri, allow_fragments=False)
        return url.netloc if url.scheme == "s3" else ""

    @property
    def key(self) -> str:
        return self.uri.partition(f"//{self.bucket}/")[2]

    @property
    def is_folder(self) -> bool:
        return not self.key or self.key.endswith("/")


def fetch(source: Location, scratch: Path, *, deep: bool = False, most: int | None = None) -> list[Path]:
    """Return the files of a location: one object, or the first level of a folder, in the order of their keys.

    Args:
        source: where they are.
        scratch: a folder for downloads.
        deep: whether folders in the folder count too.
        most: bytes that the objects may have together.

    Raises:
        ImportRefused: nothing is there, it may not be read, or it is too large.
    """
    if not source.bucket:
        raise ImportRefused(INVALID_LOCATION)
    if _answers():
        files = _download(source, scratch, deep=deep, most=most)
    elif source.root is not None:
        files = _in_folder(source, source.root.resolve(), deep=deep)
        _refuse_larger((file.stat().st_size for file in files), most)
    else:
        raise ImportRefused(f"{NO_ACCESS} {_NOWHERE}")
    if not files:
        raise ImportRefused(INVALID_LOCATION)
    return files


def _answers() -> bool:
    """Tell whether S3 answers: at an address, or as moto's in the process of a test."""
    moto = getattr(sys.modules.get("moto.core.models"), "botocore_stubber", None)
    return bool(os.environ.get("AWS_ENDPOINT_URL_S3") or (moto and moto.enabled))


def _refuse_larger(sizes: Iterable[int], most: int | None) -> None:
    size = sum(sizes)
    if most is not None and size > most:
        raise ImportRefused(f"The input data is larger than the quota of this import: {size} bytes of {most}.")


def _in_folder(source: Location, root: Path, *, deep: bool) -> list[Path]:
    place = (root / source.bucket / source.key).resolve()
    if not place.is_relative_to(root / source.bucket):
        raise ImportRefused(INVALID_LOCATION)
    if source.is_folder:
        return sorted(file for file in (place.rglob("*") if deep else place.glob("*")) if file.is_file())
    return [place] if place.is_file() else []


def _download(source: Location, scratch: Path, *, deep: bool, most: int | None) -> list[Path]:
    import boto3  # noqa: PLC0415 — only imports from S3 need it
    from botocore.exceptions import ClientError  # noqa: PLC0415

    client, bucket, key = boto3.client("s3", region_name=source.region), source.bucket, source.key
    try:
        if source.is_folder:
            level = "" if deep else "/"
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key, Delimiter=level)
            found = (each for page in pages for each in page.get("Contents", []))
            sizes = {each["Key"]: each["Size"] for each in found if not each["Key"].endswith("/")}
        else:
            sizes = {key: client.head_object(Bucket=bucket, Key=key)["ContentLength"] if most is not None else 0}
        _refuse_larger(sizes.values(), most)
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


def deliver(files: Iterable[Path], target: Location) -> None:
    """Put files into a folder, under their own names. Raises JobRefused."""
    if not target.bucket:
        raise JobRefused(INVALID_OUTPUT)
    folder = target.key.rstrip("/") + "/" if target.key.rstrip("/") else ""
    if _answers():
        _upload(files, target, folder)
    elif target.root is not None:
        root = target.root.resolve()
        place = (root / target.bucket / folder).resolve()
        if not place.is_relative_to(root / target.bucket):
            raise JobRefused(INVALID_OUTPUT)
        place.mkdir(parents=True, exist_ok=True)
        for file in files:
            fresh = place / f".{file.name}.new"
            shutil.copyfile(file, fresh)
            fresh.replace(place / file.name)
    else:
        raise JobRefused(f"{NO_ACCESS} {_NOWHERE}")


def _upload(files: Iterable[Path], target: Location, folder: str) -> None:
    import boto3  # noqa: PLC0415
    from boto3.exceptions import S3UploadFailedError  # noqa: PLC0415
    from botocore.exceptions import ClientError  # noqa: PLC0415

    client = boto3.client("s3", region_name=target.region)
    try:
        for file in files:
            client.upload_file(str(file), target.bucket, folder + file.name)
    except (ClientError, S3UploadFailedError) as error:
        raise JobRefused(NO_ACCESS if any(word in str(error) for word in _DENIED) else INVALID_OUTPUT) from error
