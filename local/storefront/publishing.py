# SPDX-License-Identifier: Apache-2.0
"""Put ``storefront/`` into the bucket that CloudFront serves it from: what never changes, then what names it.

Files go below a folder named by a hash of their contents, so browsers and edges keep them for ever; ``index.html``
names the folder and is requested each time. A page is thus of one release, and nothing has to be invalidated.
"""

from __future__ import annotations

import hashlib
import re
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.exceptions
from table_intake.wording import counted

from local.cloud.client import placements
from local.cloud.environments import LocalError
from local.storefront import catalogue
from local.storefront.server import FOLDER
from local.terminal.output import Terminal
from local.web.server import TYPES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RELEASES = "releases/"
FOR_EVER = "public, max-age=31536000, immutable"
"""For a file whose address changes with its contents."""
A_MINUTE = "public, max-age=60"
"""For the catalogue, which has an ETag."""
EACH_TIME = "no-cache"
"""For the page, which browsers keep and validate."""
RELATIVE = re.compile(r'\b(src|href)="(?=\w[\w./-]*")')
"""The beginning of an address in the page's own folder."""


@dataclass(frozen=True, slots=True)
class Upload:
    key: str
    content: bytes
    cache_control: str
    """Its Cache-Control header."""

    @property
    def kind(self) -> str:
        return TYPES[Path(self.key).suffix]


def uploads(goods: bytes, folder: Path = FOLDER) -> list[Upload]:
    """Return the storefront's objects in the order in which they go up; `goods` is the catalogue."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    page = files.pop("index.html").decode()
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    release = f"{RELEASES}{digest.hexdigest()[:16]}/"
    return [
        *(Upload(release + name, content, FOR_EVER) for name, content in files.items()),
        Upload("catalogue.json", goods, A_MINUTE),
        Upload("index.html", RELATIVE.sub(rf'\1="{release}', page).encode(), EACH_TIME),
    ]


def publish(s3: S3Client, bucket: str, wanted: Iterable[Upload]) -> list[str]:
    """Upload the objects, and remove all releases but this and the one before; return the removed keys."""
    release = ""
    for upload in wanted:
        if upload.key.startswith(RELEASES):
            release = upload.key.split("/")[1]
        s3.put_object(
            Bucket=bucket,
            Key=upload.key,
            Body=upload.content,
            ContentType=upload.kind,
            CacheControl=upload.cache_control,
        )
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=RELEASES)
    releases = [(content["LastModified"], content["Key"]) for page in pages for content in page.get("Contents", [])]
    others = [(at, key) for at, key in releases if key.split("/")[1] != release]
    before = max(others)[1].split("/")[1] if others else ""
    removed = sorted(key for _, key in others if key.split("/")[1] != before)
    for key in removed:
        s3.delete_object(Bucket=bucket, Key=key)
    return removed


def main(options: Namespace, terminal: Terminal) -> None:
    """Publish the storefront of a stack of the shell's account and region."""
    try:
        (description,) = boto3.client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise LocalError(f"the stack {options.stack} cannot be described: {error}") from None
    stack = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
    if "StorefrontBucketName" not in stack:
        raise LocalError(f"the stack {options.stack} has no storefront: deploy it with Browsers=true Storefront=true")
    try:
        slots = placements(boto3.resource("dynamodb").Table(stack["ShopsTableName"]), options.shop)
    except botocore.exceptions.ClientError as error:
        slots = []
        terminal.note(f"pages will ask for their shelves one by one, since the table of shops refuses: {error}")
    goods = catalogue.for_strangers(options.shop, options.items, "") | {"placements": slots}
    wanted = uploads(catalogue.document(goods))
    try:
        with terminal.step(f"publishing {counted(len(wanted), 'file')}"):
            removed = publish(boto3.client("s3"), stack["StorefrontBucketName"], wanted)
    except botocore.exceptions.ClientError as error:
        raise LocalError(f"the bucket of the storefront refuses: {error}") from None
    if terminal.as_json:
        terminal.json({"url": stack["StorefrontUrl"], "files": len(wanted), "removed": removed})
    else:
        terminal.note(f"the storefront: {stack['StorefrontUrl']}")
