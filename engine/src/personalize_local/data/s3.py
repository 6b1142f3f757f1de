# SPDX-License-Identifier: Apache-2.0
"""Objects of S3, read and written: in a folder, or in an S3 that answers, be it AWS's, moto's or another."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from personalize_local.wire.errors import ImportRefused, JobRefused

INVALID_LOCATION: Final = "Invalid Data location."
NO_ACCESS: Final = "Insufficient privileges for accessing data in Amazon S3."
INVALID_OUTPUT: Final = "Invalid S3 output path"
_SILENT: Final = "Amazon S3 does not answer:"
_DENIED: Final = {"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


def moto_runs() -> bool:
    """Tell whether moto answers what boto3 asks of AWS in this process, as in a test."""
    stubber = getattr(sys.modules.get("moto.core.models"), "botocore_stubber", None)
    return bool(stubber and stubber.enabled)


@dataclass(frozen=True, slots=True)
class S3:
    """Where S3 is: a folder, an address, or AWS by a profile, the first that is given."""

    root: Path | None = None
    """The folder in which `s3://bucket/key` is `bucket/key`."""
    endpoint: str = ""
    profile: str = ""
    """Whose credentials are used, of AWS's configuration files."""

    @classmethod
    def chosen(cls, root: Path | None, profile: str, environment: Mapping[str, str]) -> "S3":
        """Return where S3 is, by options and by variables of AWS's tools; an option goes before a variable."""
        if root:
            return cls(root)
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or ""
        return cls(endpoint=endpoint, profile=profile or environment.get("AWS_PROFILE", ""))

    @property
    def answers(self) -> bool:
        """Whether there is a server: at an address, AWS's, or moto's in the process of a test."""
        return bool(self.endpoint or self.profile or moto_runs())

    def within(self, directory: Path) -> "S3":
        """Return this S3 for an engine with this data folder: a folder in it stands for S3 if nothing else does."""
        return self if self.root or self.endpoint or self.profile else replace(self, root=directory / "s3")

    def problem(self) -> str:
        """Return why the profile cannot be used; empty if it can, or there is none."""
        if not self.profile:
            return ""
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415 — only a profile needs it

        try:
            Session(profile=self.profile).get_scoped_config()
        except BotoCoreError as error:
            return str(error)
        return ""

    def client(self, region: str) -> Any:  # noqa: ANN401 — boto3 makes clients without types
        import boto3  # noqa: PLC0415 — only jobs with an S3 that answers need it
        import botocore.session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        session = botocore.session.Session(profile=self.profile or None)
        options: dict[str, Any] = {}
        if self.endpoint:
            session.set_config_variable("metadata_service_num_attempts", 0)  # or it waits for a machine of AWS
            options = {"endpoint_url": self.endpoint, "config": Config(s3={"addressing_style": "path"})}
            if session.get_credentials() is None:
                options |= {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        return boto3.Session(botocore_session=session).client("s3", region_name=region, **options)

    def __str__(self) -> str:
        if self.endpoint:
            return self.endpoint
        return f"AWS, profile {self.profile}" if self.profile else f"{self.root}/bucket/key is s3://bucket/key"


@dataclass(frozen=True, slots=True)
class Location:
    """An object, or a folder (`…/`) of objects."""

    uri: str
    """`s3://bucket/key`."""
    s3: S3
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

    def nothing(self) -> ImportRefused:
        """Return the refusal of a location without objects, in AWS's words; a note for the log says where it was."""
        refused = ImportRefused(INVALID_LOCATION)
        folder = "" if self.s3.answers or self.s3.root is None else self.s3.root.resolve()
        refused.add_note(
            f"Nothing is at {f'{folder}/{self.bucket}/{self.key}' if folder else f'{self.uri} of {self.s3}'}"
        )
        return refused


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
    if source.s3.answers or source.s3.root is None:
        files = _download(source, scratch, deep=deep, most=most)
    else:
        files = _in_folder(source, source.s3.root.resolve(), deep=deep)
        _refuse_larger((file.stat().st_size for file in files), most)
    if not files:
        raise source.nothing()
    return files


def _refuse_larger(sizes: Iterable[int], most: int | None) -> None:
    size = sum(sizes)
    if most is not None and size > most:
        raise ImportRefused(f"The input data is larger than the quota of this import: {size} bytes of {most}.")


def _in_folder(source: Location, root: Path, *, deep: bool) -> list[Path]:
    path = (root / source.bucket / source.key).resolve()
    if not path.is_relative_to(root / source.bucket):
        raise ImportRefused(INVALID_LOCATION)
    if source.is_folder:
        return sorted(file for file in (path.rglob("*") if deep else path.glob("*")) if file.is_file())
    return [path] if path.is_file() else []


def _download(source: Location, scratch: Path, *, deep: bool, most: int | None) -> list[Path]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    bucket, key = source.bucket, source.key
    try:
        client = source.s3.client(source.region)
        if source.is_folder:
            level = "" if deep else "/"
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key, Delimiter=level)
            contents = (content for page in pages for content in page.get("Contents", []))
            sizes = {content["Key"]: content["Size"] for content in contents if not content["Key"].endswith("/")}
        else:
            sizes = {key: client.head_object(Bucket=bucket, Key=key)["ContentLength"] if most is not None else 0}
        _refuse_larger(sizes.values(), most)
        files = []
        for number, name in enumerate(sizes):
            file = scratch / str(number) / Path(name).name
            file.parent.mkdir(parents=True)
            client.download_file(bucket, name, str(file))
            files.append(file)
    except ClientError as error:
        denied = error.response.get("Error", {}).get("Code") in _DENIED
        raise (ImportRefused(NO_ACCESS) if denied else source.nothing()) from error
    except BotoCoreError as error:
        raise ImportRefused(f"{_SILENT} {error}") from error
    return files


def deliver(files: Iterable[Path], target: Location) -> None:
    """Put files into a folder, under their own names. Raises JobRefused."""
    if not target.bucket:
        raise JobRefused(INVALID_OUTPUT)
    folder = target.key.rstrip("/") + "/" if target.key.rstrip("/") else ""
    if target.s3.answers or target.s3.root is None:
        _upload(files, target, folder)
    else:
        root = target.s3.root.resolve()
        path = (root / target.bucket / folder).resolve()
        if not path.is_relative_to(root / target.bucket):
            raise JobRefused(INVALID_OUTPUT)
        path.mkdir(parents=True, exist_ok=True)
        for file in files:
            fresh = path / f".{file.name}.new"
            shutil.copyfile(file, fresh)
            fresh.replace(path / file.name)


def _upload(files: Iterable[Path], target: Location, folder: str) -> None:
    from boto3.exceptions import S3UploadFailedError  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        client = target.s3.client(target.region)
        for file in files:
            client.upload_file(str(file), target.bucket, folder + file.name)
    except (ClientError, S3UploadFailedError) as error:
        raise JobRefused(NO_ACCESS if any(word in str(error) for word in _DENIED) else INVALID_OUTPUT) from error
    except BotoCoreError as error:
        raise JobRefused(f"{_SILENT} {error}") from error
